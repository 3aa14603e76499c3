/*
 * persist: the one way by which an event enters the store.
 *
 * Whoever calls this has checked the event; what follows from it is done here: its state
 * groups, the room's ends and current state, redactions. Inside a store transaction.
 */
#ifndef KITH_ROOM_PERSIST_H
#define KITH_ROOM_PERSIST_H

#include "node/room/resolve.h"

struct room_persist {
	/* In. */
	const struct event *event;
	unsigned flags;       /* enum store_event_flags */
	int64_t before;       /* state group before it; 0: the empty state, or an outlier's */
	bool known;           /* it is stored as an outlier */
	struct str device_id; /* of a local sender, with the transaction id; or empty */
	struct str txn_id;
	bool waits;    /* for a job, should that be needed; else all is done at once */
	int64_t after; /* the group after it, where that was made already; else 0, and an output
			*/

	/* Out. */
	int64_t nid;
	int64_t pos;
	struct resolve_need need; /* on ERR_LIMIT */
};

/* ERR_LIMIT: the room's state after it is to be resolved by a job first. */
enum err room_persist(struct rooms *r, struct room *room, struct room_persist *p) MUST_CHECK;

/* Redactions that concern a stored event: of it, by an event that came before it, and by it. */
enum err room_redact(
	struct rooms *r, struct room *room, const struct event *e, int64_t nid) MUST_CHECK;

/* The current state is this group from now on (at pos; 0: a new one). */
enum err room_current_set(
	struct rooms *r, struct room *room, int64_t group, int64_t pos) MUST_CHECK;

#endif
