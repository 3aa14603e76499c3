/*
 * event: the events of all rooms.
 *
 * An event is stored once, as its canonical JSON without unsigned. It has two numbers:
 *
 *   nid  what the database calls it, from store_next_pos() when it was stored; never changes
 *   pos  its place in the timeline of its room: for a live event its nid; for one that came by
 *        backfill below every other of the room, so negative or smaller, counting down; 0 for
 *        what is in no timeline (outlier, rejected, soft-failed)
 *
 * so that order by pos is timeline order. Positions of live events are stream positions.
 * Everything that is returned is copied into the caller's arena.
 */
#ifndef KITH_STORE_EVENT_H
#define KITH_STORE_EVENT_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/core/event.h"
#include "store/store.h"

enum store_event_flags {
	STORE_OUTLIER = 1,     /* known as part of a state or auth chain; its own state isn't */
	STORE_REJECTED = 2,    /* fails the auth rules: kept so that it isn't fetched again */
	STORE_SOFT_FAILED = 4, /* allowed by its auth events, not by the current state */
	STORE_BACKFILLED = 8,  /* came from further back; pos counts down */
	STORE_LOCAL = 16,      /* made by this server: federation sends it to others */
	STORE_REDACTED = 32,   /* json is the redacted form */
	/* With STORE_OUTLIER: of a room that we take no part in (an invite from afar, a knock),
	 * so its auth events need not be here: store_event_settle(). */
	STORE_AFAR = 64
};

struct store_event {
	int64_t nid;
	int64_t pos;
	unsigned flags;
	struct str event_id;
	struct str room_id;
	struct str type;
	struct str sender;
	bool is_state;
	struct str state_key;
	int64_t depth;
	int64_t origin_server_ts;
	int64_t state_before; /* state groups (state.h); 0: unknown */
	int64_t state_after;
	int64_t redacted_by;  /* nid of the redaction; 0: none */
	struct str device_id; /* of a local sender, and the transaction id it gave; or empty */
	struct str txn_id;
	struct str json;
};

struct store_event_new {
	const struct event *event;
	unsigned flags;
	int64_t state_before; /* 0: unknown (outliers) */
	int64_t state_after;
	struct str device_id; /* with txn_id, or both empty */
	struct str txn_id;
};

/*
 * Stores an event. Inside a transaction. The room is known (room.h). In the same step:
 *  - forward extremities: unless it is an outlier, rejected, soft-failed or backfilled, it
 * takes the place of its prev_events (not where an event that was here before names it);
 *  - missing ancestors: its prev_events that we don't have (or only as outliers) are noted,
 *    it is itself no longer missing;
 *  - its relation (content's m.relates_to with rel_type and event_id; a reply is none);
 *  - feed: FEED_EVENT when it got a positive pos.
 * All its auth_events are stored before it. ERR_EXISTS: it is there already (and stays as it
 * was); an outlier then becomes a part of the timeline with store_event_promote().
 */
enum err store_event_put(struct store *st, const struct store_event_new *new, int64_t *nid,
	int64_t *pos) MUST_CHECK;

/* Is it a forward extremity? Not if an event that was here before names it. */
enum err store_event_is_end(
	struct store *st, struct str room_id, int64_t nid, bool *yes) MUST_CHECK;
/* It is none any longer. */
enum err store_event_end_drop(struct store *st, struct str room_id, int64_t nid) MUST_CHECK;

/* An outlier takes its place in the timeline (or turns out to be rejected, soft-failed): what
 * store_event_put would have done, with new flags and state. */
enum err store_event_promote(struct store *st, const struct store_event_new *new, int64_t *nid,
	int64_t *pos) MUST_CHECK;

/* An event that was STORE_AFAR: its auth events are stored now, and it is an outlier like any
 * other, with new flags and a new nid. store_event_promote() does this too. */
enum err store_event_settle(struct store *st, const struct store_event_new *new) MUST_CHECK;

/* Changes the groups and flags of an event whose state was learnt later. */
enum err store_event_set_state(struct store *st, int64_t nid, unsigned flags,
	int64_t state_before, int64_t state_after) MUST_CHECK;

enum err store_event_get(struct store *st, struct arena *a, struct str event_id,
	struct store_event *out) MUST_CHECK; /* ERR_NOT_FOUND */
enum err store_event_get_nid(
	struct store *st, struct arena *a, int64_t nid, struct store_event *out) MUST_CHECK;
/* The number and flags alone; ERR_NOT_FOUND. flags may be NULL. */
enum err store_event_find(
	struct store *st, struct str event_id, int64_t *nid, unsigned *flags) MUST_CHECK;
/* Which of these we don't have at all: their ids, in a. */
enum err store_event_unknown(struct store *st, struct arena *a, const struct str *ids, size_t n,
	const struct str **out, size_t *n_out) MUST_CHECK;

/* A visitor: e and its strings are in the arena that was given. Returning false ends the walk.
 */
typedef bool store_event_fn(void *arg, const struct store_event *e);

/* The timeline of a room between two places: events with from < pos <= to, oldest first
 * (forward) or newest first, at most limit. INT64_MIN and INT64_MAX: no bound. */
enum err store_event_range(struct store *st, struct arena *a, struct str room_id, int64_t from,
	int64_t to, bool forward, unsigned limit, store_event_fn *fn, void *arg) MUST_CHECK;

/* How many events of a room lie in from < pos <= to; counts no further than limit. */
enum err store_event_count(struct store *st, struct str room_id, int64_t from, int64_t to,
	unsigned limit, unsigned *out) MUST_CHECK;

/* The timeline event of a room nearest to a time (timestamp_to_event); ERR_NOT_FOUND. */
enum err store_event_at_time(struct store *st, struct arena *a, struct str room_id, int64_t ts,
	bool forward, struct store_event *out) MUST_CHECK;

/* Rooms with live events in from < pos <= to: each once, in a. For sync over many rooms. */
enum err store_event_rooms_between(struct store *st, struct arena *a, int64_t from, int64_t to,
	const struct str **room_ids, size_t *n) MUST_CHECK;

/* Live events that this server made, of all rooms, from < pos <= to, oldest first: what
 * federation still has to send. */
enum err store_event_local_range(struct store *st, struct arena *a, int64_t from, int64_t to,
	unsigned limit, store_event_fn *fn, void *arg) MUST_CHECK;

/* The event of this type that this device already made with this transaction id; ERR_NOT_FOUND.
 * user_id is of the device. */
enum err store_event_by_txn(struct store *st, struct arena *a, struct str user_id,
	struct str device_id, struct str room_id, struct str type, struct str txn_id,
	struct str *event_id) MUST_CHECK;

/*
 * Redaction. by: nid of the redaction event; redacted: target's redacted form. The content
 * leaves the database; relations that it made are forgotten. Idempotent.
 */
enum err store_event_redact(
	struct store *st, int64_t target, int64_t by, const struct event *redacted) MUST_CHECK;
/* An accepted redaction of an event that we don't have yet; ERR_NOT_FOUND. */
enum err store_event_redaction_wait(
	struct store *st, struct str target_id, int64_t by) MUST_CHECK;
enum err store_event_redaction_of(
	struct store *st, struct str target_id, int64_t *by) MUST_CHECK;

/* Relations to an event, newest first, of one room, before < 0 or pos < before: at most limit.
 * rel_type, type: empty means any. Redacted children are not among them. */
enum err store_event_relations(struct store *st, struct arena *a, struct str room_id,
	struct str target_id, struct str rel_type, struct str type, int64_t from, int64_t to,
	bool forward, unsigned limit, store_event_fn *fn, void *arg) MUST_CHECK;
/* All relations to a target by type: aggregation of counts (m.annotation, m.thread). */
enum err store_event_relation_count(
	struct store *st, struct str target_id, struct str rel_type, unsigned *out) MUST_CHECK;

/*
 * Auth chains. ids: events that we have; the answer is every event that is reached by
 * auth_events, the given ones themselves not unless so reached; in a, in no order.
 * ERR_LIMIT when there are more than limit.
 */
enum err store_auth_chain(struct store *st, struct arena *a, const struct str *ids, size_t n,
	size_t limit, const struct str **out, size_t *n_out) MUST_CHECK;

/* The same by number. */
enum err store_auth_chain_nids(struct store *st, struct arena *a, const int64_t *nids, size_t n,
	size_t limit, const int64_t **out, size_t *n_out) MUST_CHECK;

#endif
