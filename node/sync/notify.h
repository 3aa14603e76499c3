/*
 * notify: who waits for what.
 *
 * Parked long polls wait here, by user, and are woken by store's commit feed: nobody calls the
 * notifier and nothing is polled; a parked poll costs its memory and one deadline timer. A
 * feed item wakes the users whom it can concern: those joined to, invited to or leaving its
 * room, or the one that it names. What they may then see is the woken reader's business; one
 * that finds nothing parks again.
 *
 * Loop thread. wake() is called from the loop, never from inside notify_park().
 */
#ifndef KITH_SYNC_NOTIFY_H
#define KITH_SYNC_NOTIFY_H

#include "node/base/buf.h"
#include "node/base/loop.h"

#include <stdint.h>

struct notify;
struct store;

enum notify_why {       /* when there are two, the latter is told */
	NOTIFY_MOVED,   /* some stream of the user moved */
	NOTIFY_TIMEOUT, /* the deadline passed */
	NOTIFY_CROWDED, /* the user parked more than LIMIT_SYNC_PARKED_USER: the oldest goes */
	NOTIFY_REVOKED, /* the device was logged out or deleted: answer 401 */
	NOTIFY_CLOSING  /* the node stops */
};

struct notify_user; /* private to notify.c */

/* One parked poll. Memory is the caller's, until wake() was called or notify_leave() was. */
struct notify_waiter {
	struct str user_id;   /* borrowed while parked */
	struct str device_id; /* borrowed while parked; empty: none (application services) */
	int64_t seen; /* stream position up to which all was read: such items don't wake it */
	void (*wake)(struct notify_waiter *w, enum notify_why why); /* w is not parked then */

	/* Out, for wake(): all that the feed told of this user since he parked. */
	unsigned kinds;     /* a bit, NOTIFY_KIND, for each kind */
	struct str room_id; /* borrowed from the call: the one room where anything of a room
			       moved; empty: none or several */

	/* Private to notify.c. */
	struct notify *notify; /* NULL: not parked */
	struct notify_user *user;
	struct notify_waiter *next, *prev;
	struct notify_waiter *next_woken;
	struct loop_timer *timer;
	struct buf room;
	enum notify_why why;
	bool woken;
	bool several;
};

#define NOTIFY_KIND(kind) (1U << (kind))

struct notify *notify_new(struct store *st, struct loop *loop);
/* Wakes all that are parked with NOTIFY_CLOSING, at once. NULL is fine. */
void notify_free(struct notify *n);

/* Parks w for at most timeout_ms. */
void notify_park(struct notify *n, struct notify_waiter *w, uint64_t timeout_ms);
/* Takes w out without a call; harmless when it isn't parked. */
void notify_leave(struct notify_waiter *w);

/* Parked polls in all: for status. */
size_t notify_parked(const struct notify *n);

#endif
