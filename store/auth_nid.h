/*
 * auth_nid: the numbers of the events that others name as their auth events. The messages of a
 * room name the same few again and again: each time it was a search in the largest index.
 */
#ifndef KITH_STORE_AUTH_NID_H
#define KITH_STORE_AUTH_NID_H

#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/* False: look into the database, and tell by auth_nid_put(). */
bool auth_nid_get(const struct store *st, struct str event_id, int64_t *nid);
/* Of an event that is there, or was written in the open transaction. Ids of room versions 1 and
 * 2 are not kept. */
void auth_nid_put(struct store *st, struct str event_id, int64_t nid);
/* When events went, were undone, or got other numbers. */
void auth_nid_forget_all(struct store *st);

#endif
