/*
 * state: the state of a room at its events (state groups), now, and how it moved.
 *
 * A state group is one whole state of a room, known by a number, stored as what differs from
 * another group of its chain; a full snapshot begins a new chain when the differences add up to
 * half of the last one. Groups never change once made.
 */
#ifndef KITH_STORE_STATE_H
#define KITH_STORE_STATE_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "store/store.h"

struct store_state {
	struct str type;
	struct str state_key;
	int64_t event; /* nid; 0 in a change: the entry goes away */
};

/* Which part of a state: keys[i].type alone (any_key), or with exactly its state_key. */
struct store_state_key {
	struct str type;
	struct str state_key;
	bool any_key;
};

/* An entry: strings are in the caller's arena; event_id is filled. */
struct store_state_entry {
	struct str type;
	struct str state_key;
	int64_t event;
	struct str event_id;
};

/* A new group: that of parent (0: the empty state) with changes applied. A group equal to its
 * parent (no change) is the parent. Inside a transaction. */
enum err store_state_group_new(struct store *st, struct str room_id, int64_t parent,
	const struct store_state *changes, size_t n, int64_t *group) MUST_CHECK;

/* Entries of a group, sorted by (type, state_key) bytewise, in a. keys NULL: all of them. */
enum err store_state_group_read(struct store *st, struct arena *a, int64_t group,
	const struct store_state_key *keys, size_t n_keys, const struct store_state_entry **out,
	size_t *n) MUST_CHECK;
/* The numbers of its events alone, in a. */
enum err store_state_group_events(struct store *st, struct arena *a, int64_t group,
	const int64_t **out, size_t *n) MUST_CHECK;
/* How many entries reading it looks at, about. */
enum err store_state_group_size(struct store *st, int64_t group, int64_t *n) MUST_CHECK;
/* One entry's event: ERR_NOT_FOUND. */
enum err store_state_group_get(struct store *st, int64_t group, struct str type,
	struct str state_key, int64_t *event) MUST_CHECK;

/*
 * What several groups differ in, for state resolution: found by number, so that it costs what
 * differs and one pass over each group.
 */
struct store_conflict_limits {
	int64_t rows;  /* of the groups, in all; 0: none */
	size_t events; /* of auth chains; 0: none */
};
struct store_conflict {
	/* The keys of the conflicted state set, sorted bytewise; event, event_id: what the
	 * first of the groups has there (0: nothing). */
	const struct store_state_entry *keys;
	size_t n_keys;
	/* The full conflicted set: the conflicted state set with the auth difference, and, if
	 * asked for, the conflicted state subgraph. */
	const struct str *events;
	size_t n_events;
};
/* n groups, all different; in a. On a reader too. ERR_LIMIT: it is more work than that. */
enum err store_state_conflict(struct store *st, struct arena *a, const int64_t *groups,
	size_t n, bool subgraph, const struct store_conflict_limits *limits,
	struct store_conflict *out) MUST_CHECK;

/* Current state, as store_state_group_read and _get. */
enum err store_state_read(struct store *st, struct arena *a, struct str room_id,
	const struct store_state_key *keys, size_t n_keys, const struct store_state_entry **out,
	size_t *n) MUST_CHECK;
enum err store_state_get(struct store *st, struct str room_id, struct str type,
	struct str state_key, int64_t *event) MUST_CHECK; /* ERR_NOT_FOUND */

/*
 * Current state moves at pos (that of the event that did it; 0: a new one is taken). Inside a
 * transaction. Entries that are already so are skipped. In the same step: the stream of
 * changes, memberships for m.room.member (membership.h), and the feed's FEED_STATE and
 * FEED_MEMBERSHIP.
 */
enum err store_state_apply(struct store *st, struct str room_id, int64_t pos,
	const struct store_state *changes, size_t n) MUST_CHECK;
/* As apply, with the whole new state: what is not in it goes away (after a rejoin). */
enum err store_state_replace(struct store *st, struct str room_id, int64_t pos,
	const struct store_state *state, size_t n) MUST_CHECK;

/* How current state moved in from < pos <= to: for each entry that changed, the event before
 * the first change (0: none) and after the last. Sorted as above. */
struct store_state_delta {
	struct str type;
	struct str state_key;
	int64_t pos; /* of the last change */
	int64_t before;
	int64_t after;
};
enum err store_state_deltas(struct store *st, struct arena *a, struct str room_id, int64_t from,
	int64_t to, const struct store_state_delta **out, size_t *n) MUST_CHECK;
/* Current state's entry as it was at a stream position; *event 0: none. */
enum err store_state_get_at(struct store *st, struct str room_id, int64_t pos, struct str type,
	struct str state_key, int64_t *event) MUST_CHECK;
/* Rooms whose current state moved in from < pos <= to. */
enum err store_state_rooms_between(struct store *st, struct arena *a, int64_t from, int64_t to,
	const struct str **room_ids, size_t *n) MUST_CHECK;

#endif
