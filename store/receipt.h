/*
 * receipt: how far each user has read, one row for each room, user, type and thread.
 */
#ifndef KITH_STORE_RECEIPT_H
#define KITH_STORE_RECEIPT_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "store/store.h"

struct store_receipt {
	struct str room_id;
	struct str user_id;
	bool is_private;
	struct str thread_id; /* empty: unthreaded */
	struct str event_id;
	int64_t event_pos; /* place in the room's timeline; 0: we don't have the event */
	int64_t ts;
	int64_t pos; /* stream position at which it moved */
};

/* Takes the place of the one before; r->pos is set by the caller. Inside a transaction. The
 * room is known: ERR_NOT_FOUND. Tells nobody: the caller feeds. */
enum err store_receipt_put(struct store *st, const struct store_receipt *r) MUST_CHECK;

/* ERR_NOT_FOUND. Strings of out are in a, those of the key are the caller's. */
enum err store_receipt_get(struct store *st, struct arena *a, struct str room_id,
	struct str user_id, bool is_private, struct str thread_id,
	struct store_receipt *out) MUST_CHECK;

/* All that one user has in a room, in a. */
enum err store_receipt_of_user(struct store *st, struct arena *a, struct str room_id,
	struct str user_id, const struct store_receipt **out, size_t *n) MUST_CHECK;

/* The receipts of a room that moved in from < pos <= to and that viewer may see (all public
 * ones, his own private ones), ordered by
 * event_id, is_private, user. */
enum err store_receipt_of_room(struct store *st, struct arena *a, struct str room_id,
	int64_t from, int64_t to, struct str viewer, const struct store_receipt **out,
	size_t *n) MUST_CHECK;

/* Rooms where some receipt moved in from < pos <= to, each once. */
enum err store_receipt_rooms(struct store *st, struct arena *a, int64_t from, int64_t to,
	const struct str **out, size_t *n) MUST_CHECK;

#endif
