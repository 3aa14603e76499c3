/*
 * outbox: what is still to be sent to other servers (overlay.md, section 11).
 *
 * Room events need no call: an event that this server made (STORE_LOCAL, so too a join that we
 * accepted by send_join) is to be sent to the other servers of its room, and each destination
 * has a position in the stream of those events up to which it has them. So an event to a
 * thousand servers is one row, durable with the event itself, and what a destination still
 * needs follows from its position, however much that is: nothing has to be given up for a
 * server that is away for long. EDUs are rows of their own, written by the services inside
 * their transaction.
 *
 * node/federation/outbox.h sends them.
 */
#ifndef KITH_STORE_OUTBOX_H
#define KITH_STORE_OUTBOX_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "store/store.h"

enum outbox_class {
	/* Kept until the destination has it, in order: to-device, device list updates, signing
	 * key updates. */
	OUTBOX_KEEP = 1,
	/* A newer one with the same key takes its place: receipts. Lives 7 days. */
	OUTBOX_LATEST = 2,
	/* Never stored: sent when a link to the destination is up, else dropped; a newer one
	 * with the same key takes its place while it waits. Typing, presence. */
	OUTBOX_NOW = 3,
};

struct outbox_edu {
	enum outbox_class class;
	struct str key;  /* LATEST and NOW: e.g. "m.receipt !room @user"; KEEP: empty */
	struct str json; /* {"edu_type":...,"content":...}, at most 64 KiB */
	int64_t ts;      /* LATEST: wall time now, in ms; 0: it never gets too old */
};

/* To one server; ours is passed over. KEEP and LATEST: inside a transaction (FEED_OUTBOX
 * follows it). NOW: anywhere. */
enum err outbox_put_edu(
	struct store *st, struct str destination, const struct outbox_edu *e) MUST_CHECK;
/* To every other server with a joined member in the room. */
enum err outbox_put_edu_room(
	struct store *st, struct str room_id, const struct outbox_edu *e) MUST_CHECK;
/* To every other server that shares a room with the user. */
enum err outbox_put_edu_user(
	struct store *st, struct str user_id, const struct outbox_edu *e) MUST_CHECK;

/* Who takes what is OUTBOX_NOW: federation. One; NULL takes it away. */
struct outbox_now {
	void (*put)(void *arg, struct str destination, struct str key, struct str json);
	void *arg;
};
void outbox_set_now(struct store *st, const struct outbox_now *now); /* borrowed */

/* ---- for node/federation ---- */

struct outbox_destination {
	struct str name;
	int64_t pdu_pos;     /* it has all our events up to here; -1: nothing was ever sent */
	int64_t retry_at_ms; /* wall time before which it is left alone; 0: none */
	int64_t interval_ms; /* the back-off that led there */
};

/* false ends the walk. Strings are in the arena. */
typedef bool outbox_destination_fn(void *arg, const struct outbox_destination *d);
/* Every server that something was sent to, has EDUs waiting, or is in a room with us. */
enum err outbox_destinations(
	struct store *st, struct arena *a, outbox_destination_fn *fn, void *arg) MUST_CHECK;
/* ERR_NOT_FOUND: nothing was ever sent to it. */
enum err outbox_destination_get(struct store *st, struct arena *a, struct str name,
	struct outbox_destination *out) MUST_CHECK;
/* Inside a transaction. */
enum err outbox_destination_put(
	struct store *st, const struct outbox_destination *d) MUST_CHECK;

struct outbox_waiting {
	int64_t pos;
	struct str json;
};
/* The oldest EDUs for a destination, at most limit, in a. Those of class LATEST that are older
 * than 7 days are left out. */
enum err outbox_edus(struct store *st, struct arena *a, struct str destination, int64_t now_ms,
	size_t limit, const struct outbox_waiting **out, size_t *n) MUST_CHECK;
/* They arrived: those at or before upto that outbox_edus() gave. Inside a transaction. */
enum err outbox_edus_done(struct store *st, struct str destination, int64_t upto) MUST_CHECK;

/* Since when the destination has had joined members in the room; ERR_NOT_FOUND: it has none. */
enum err outbox_joined_since(
	struct store *st, struct str room_id, struct str destination, int64_t *pos) MUST_CHECK;
/*
 * Transactions that others sent us, so that a repeated one has no second effect: the last one
 * of each origin and device.
 */
struct outbox_received {
	uint64_t sequence; /* 0: the origin gave none */
	struct str txn_id;
	bool edus_done;      /* its EDUs took effect */
	struct str response; /* empty: its PDUs are not all done */
};
enum err outbox_received_get(struct store *st, struct arena *a, struct str origin,
	struct str node, struct outbox_received *out) MUST_CHECK; /* ERR_NOT_FOUND */
/* Inside the transaction of its effects. */
enum err outbox_received_put(struct store *st, struct str origin, struct str node,
	int64_t now_ms, const struct outbox_received *r) MUST_CHECK;

#endif
