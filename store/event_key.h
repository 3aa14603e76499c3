/*
 * event_key: event ids as the database holds them. For store/ alone.
 *
 * From room version 3 on an id is '$' and the base64 of 32 bytes: those bytes are the key.
 * Version 3 alone uses base64's own alphabet instead of the url-safe one, which is noted in the
 * event's flags. Ids of versions 1 and 2 are kept as their text.
 */
#ifndef KITH_STORE_EVENT_KEY_H
#define KITH_STORE_EVENT_KEY_H

#include "node/base/arena.h"
#include "node/base/str.h"

/* In event.flags, beside enum store_event_flags. */
#define EVENT_KEY_V3   256
#define EVENT_KEY_TEXT 512
#define EVENT_KEY_MASK (EVENT_KEY_V3 | EVENT_KEY_TEXT)

struct event_key {
	unsigned char hash[32];
	struct str bytes;  /* hash, or the id itself, borrowed: don't copy the struct */
	unsigned flags;    /* of EVENT_KEY_MASK */
	bool any_alphabet; /* it is written alike in both */
};

void event_key_of(struct event_key *k, struct str event_id);
struct str event_key_text(struct arena *a, struct str bytes, unsigned flags);

#endif
