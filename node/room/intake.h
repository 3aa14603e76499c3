/*
 * intake: a room's state with its auth chain, as another server sends it, taken in piece by
 * piece (server-server API, "Joining Rooms", "Retrieving the room's state"; security.md F7).
 *
 *   TAKING --pieces: each event's shape, signatures, hash--> spool --end--> STORING --> done
 *
 * In memory are an event's id, where it lies in the spool and what it cites; and the batch that
 * is being verified. Nothing is written to the database before the answer was whole. Then the
 * events are stored as outliers, each after its auth events and checked against them, so many
 * in a turn of the loop as take a few milliseconds; the rest of the node goes on between.
 */
#ifndef KITH_ROOM_INTAKE_H
#define KITH_ROOM_INTAKE_H

#include "node/json/split.h"
#include "node/room/incoming.h"
#include "node/room/intake_set.h"
#include "node/room/room.h"

/* Owned by the caller, who keeps it still until done(). */
struct intake {
	/* In: borrowed until intake_deinit(). */
	struct rooms *rooms;
	const struct room_version *version;
	struct str room_id;
	struct str from;
	const char *state_key; /* the member that is the state: "state", "pdus" */
	struct str set_aside;  /* an event that is not stored but goes to aside; or empty */
	/* So many of the bytes that were given are dealt with. */
	void (*consumed)(struct intake *t, size_t n);
	/* Once, from the loop, after intake_end(). */
	void (*taken)(struct intake *t, enum err err);
	/* Once, from the loop, after intake_store(). */
	void (*stored)(struct intake *t, enum err err);
	void *owner;

	/* Out. */
	struct err_ctx why;
	struct event *aside;       /* verified; owned */
	struct store_state *state; /* after stored(): the state's events that are allowed */
	size_t n_state;            /* there is room for one more */
	unsigned rejected;         /* by their auth events */
	unsigned left_out;         /* could not be verified or judged */

	/* Private to intake.c and intake_store.c. */
	struct arena *arena;
	struct json_split split;
	struct buf pending; /* bytes that were not looked at yet */
	size_t at;          /* of pending */
	struct loop_deferred deferred;
	enum err end_err;
	struct incoming in[2]; /* the batch: the state's events, the others */
	size_t batch_bytes;
	bool verifying;
	bool ended;
	bool over; /* result is known */
	bool told; /* taken() was called */
	enum err result;
	uint64_t bytes;
	struct intake_set set;
	struct intake *next_storing;
	bool is_storing;
	struct loop_timer *timer; /* of the next turn's share of storing */
	struct store_waiter ready;
	uint32_t open; /* the entry that is looked at */
	size_t next;   /* to be begun with */
	bool begun;    /* with the create event */
};

void intake_start(struct intake *t);
/* The next bytes of the body; copied. False: enough for now, consumed() gives them back. */
bool intake_piece(struct intake *t, struct str bytes);
/* The body is whole; or err says why it never will be. taken() follows, never inside this
 * call. */
void intake_end(struct intake *t, enum err err);
/* After taken() said ERR_OK. The room's row is there (store_room_put). */
void intake_store(struct intake *t);
void intake_deinit(struct intake *t); /* a zeroed one is fine */

/* All that are being stored end with ERR_CANCELLED, from inside this call. */
void intakes_cancel(struct rooms *r);

/* Private to intake_store.c. */
void intake_store_deinit(struct intake *t);

#endif
