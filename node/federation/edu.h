/*
 * edu: which service takes which EDU (server-server API, "EDUs"). An unknown one is passed
 * over, a malformed one dropped (security.md, F4); those of a room that shuts the origin out by
 * its server ACL are dropped too (F8).
 */
#ifndef KITH_FEDERATION_EDU_H
#define KITH_FEDERATION_EDU_H

#include "node/federation/parts.h"

#include <stdbool.h>

struct json;

/* One element of a transaction's edus. Inside a store transaction. ERR_LIMIT: a queue is full,
 * the sender is to keep it; other errors are of our store. */
enum err edu_receive(
	struct federation *f, struct str origin, const struct json *edu) MUST_CHECK;

/* False for what leaves nothing in the store: typing, presence, what we don't know. */
bool edu_is_stored(const struct json *edu);

#endif
