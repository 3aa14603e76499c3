/*
 * serve_body: a state with its auth chain, as other servers ask for it, written where it can be
 * sent from piece by piece (security.md F7, H3).
 *
 *   WAIT for the group to be safe --> POOL: read and written, into a spool --> done
 *
 * The state of a large room takes seconds to read and is larger than what we hold: so the pool
 * reads it, and it lies in a file without a name until it was sent.
 */
#ifndef KITH_ROOM_SERVE_BODY_H
#define KITH_ROOM_SERVE_BODY_H

#include "node/room/room.h"
#include "store/spool.h"

/* States of fewer entries are quicker written at once. */
#define SERVE_BODY_FROM 500

/* Owned by the caller, who keeps it still until done(). */
struct serve_body {
	/* In. */
	struct rooms *rooms;
	int64_t group;
	const char *state_key; /* of the state's array: "state", "pdus" */
	struct str more;       /* further members, `"key":value,...`; or empty; copied */
	/* Once, from the loop, never inside serve_body_start(). */
	void (*done)(struct serve_body *b, enum err err);
	void *owner;

	/* Out. */
	struct spool *spool; /* owned: the caller takes it */
	uint64_t length;

	/* Private to serve_body.c. */
	struct serve_body *next;
	struct store_waiter durable;
	struct body_writing *writing;
	char *text; /* more */
};

/* Is the state of this group one for serve_body_start()? */
bool serve_body_is_large(struct rooms *r, int64_t group);
void serve_body_start(struct serve_body *b);
/* All that run end with ERR_CANCELLED, from inside this call. */
void serve_bodies_cancel(struct rooms *r);

#endif
