/*
 * room: the rooms that this node knows, their ends, aliases.
 */
#ifndef KITH_STORE_ROOM_H
#define KITH_STORE_ROOM_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "store/store.h"

struct store_room {
	int64_t nid;
	struct str room_id;
	struct str version;  /* "12" */
	bool partial;        /* known from an invite or knock alone: no state */
	bool published;      /* in the room directory */
	int64_t state_group; /* of the current state, where it is one; 0: unknown */
};

/* Inside a transaction. A room that is there stays as it is but for partial, which can be
 * taken back. */
enum err store_room_put(
	struct store *st, struct str room_id, struct str version, bool partial) MUST_CHECK;
enum err store_room_get(struct store *st, struct arena *a, struct str room_id,
	struct store_room *out) MUST_CHECK; /* ERR_NOT_FOUND */
enum err store_room_set_published(struct store *st, struct str room_id, bool yes) MUST_CHECK;
enum err store_room_set_state_group(
	struct store *st, struct str room_id, int64_t group) MUST_CHECK;

/* Forgets a room with all its events and state: when nobody of ours is in it any more and all
 * have forgotten it, or when a join failed half-way. */
enum err store_room_purge(struct store *st, struct str room_id) MUST_CHECK;

/* true: called for each; false ends it. room is in a. */
typedef bool store_room_fn(void *arg, const struct store_room *room);
enum err store_room_each(struct store *st, struct arena *a, bool published_only,
	store_room_fn *fn, void *arg) MUST_CHECK;

/* Forward extremities: what the next event names as prev_events. */
struct store_extremity {
	int64_t nid;
	struct str event_id;
	int64_t depth;
	int64_t state_after;
};
enum err store_room_extremities(struct store *st, struct arena *a, struct str room_id,
	const struct store_extremity **out, size_t *n) MUST_CHECK;
/* After a join: the extremities are these, which are stored. */
enum err store_room_set_extremities(
	struct store *st, struct str room_id, const struct str *event_ids, size_t n) MUST_CHECK;

/* Backward extremities: ancestors that we don't have, and who names them, latest first. */
struct store_missing {
	struct str event_id; /* not here (or an outlier) */
	int64_t child;       /* nid of an event that names it */
	int64_t child_pos;
	int64_t child_depth;
};
/* Those named by events with pos <= upto. */
enum err store_room_missing(struct store *st, struct arena *a, struct str room_id, int64_t upto,
	unsigned limit, const struct store_missing **out, size_t *n) MUST_CHECK;

/* Aliases of this server. ERR_EXISTS when it is taken. */
enum err store_room_alias_put(
	struct store *st, struct str alias, struct str room_id, struct str creator) MUST_CHECK;
struct store_alias {
	struct str alias;
	struct str room_id;
	struct str creator;
};
enum err store_room_alias_get(struct store *st, struct arena *a, struct str alias,
	struct store_alias *out) MUST_CHECK; /* ERR_NOT_FOUND */
enum err store_room_alias_delete(struct store *st, struct str alias) MUST_CHECK;
enum err store_room_aliases(struct store *st, struct arena *a, struct str room_id,
	const struct store_alias **out, size_t *n) MUST_CHECK;

#endif
