/*
 * lazy: which member events a client was sent already (client-server API, "Lazy-loading room
 * members").
 *
 * A guess that may only err in one direction: what is forgotten is sent once more. An entry
 * counts only for a client that comes with a token at or behind the answer in which it was
 * sent, so an answer that got lost loses no member.
 */
#ifndef KITH_SYNC_LAZY_H
#define KITH_SYNC_LAZY_H

#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct lazy;

struct lazy *lazy_new(void);
void lazy_free(struct lazy *l);

/* Did this device, whose token says since, get this member event in this room? */
bool lazy_knows(const struct lazy *l, int64_t device, struct str room_id, struct str user_id,
	int64_t event, int64_t since);
/* It is sent in an answer whose token says to. */
void lazy_sent(struct lazy *l, int64_t device, struct str room_id, struct str user_id,
	int64_t event, int64_t to);

#endif
