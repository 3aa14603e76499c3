/*
 * accept: a foreign event whose signatures and hash are good, and whose ancestors are here, is
 * judged and stored (server-server API, "Checks performed on receipt of a PDU", 4 to 6).
 */
#ifndef KITH_ROOM_ACCEPT_H
#define KITH_ROOM_ACCEPT_H

#include "node/room/auth_pool.h"
#include "node/room/resolve.h"
#include "node/room/room.h"

enum accepted {
	ACCEPTED,
	ACCEPTED_SOFT_FAILED,
	ACCEPTED_REJECTED, /* stored, so that it isn't asked for again */
};

struct accept {
	/* In. */
	struct rooms *rooms;
	struct room *room;
	const struct event *event;
	bool known;     /* it is stored as an outlier */
	int64_t before; /* the state before it; 0: what follows from its prev_events */
	int64_t after;  /* the state after it; 0: not made yet */
	unsigned flags; /* STORE_LOCAL: we pass it on to the room's servers */
	bool strict;    /* what is not plainly accepted is refused, and not stored */

	/* Out. */
	enum accepted verdict;
	int64_t state_before;
	struct resolve_need need; /* on ERR_LIMIT: what a job is to resolve first */
	struct err_ctx why;       /* of a verdict other than ACCEPTED too */

	bool prepare; /* private to accept.c */
};

/* ERR_NOT_FOUND: some of its auth events, or the state after some of its prev_events, are not
 * here. ERR_FORBIDDEN: strict, and not plainly allowed. ERR_LIMIT: see need;
 * to be called again after that, with before, after and known as they are then. */
enum err accept_event(struct accept *a) MUST_CHECK;

/* Are all its prev_events here, with the state after them? A create event needs none. */
bool accept_has_parents(struct rooms *r, const struct event *e);

#endif
