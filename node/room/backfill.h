/*
 * backfill: history from before what we have, asked of servers in the room (server-server API,
 * "Backfilling and retrieving missing events"). Only when somebody wants to read it.
 */
#ifndef KITH_ROOM_BACKFILL_H
#define KITH_ROOM_BACKFILL_H

#include "node/room/room.h"

struct backfill;

/* True if events of the room name ancestors that we don't have and somebody can be asked. */
bool backfill_is_possible(struct rooms *r, struct str room_id);

struct backfill *backfill_new(struct rooms *r, struct str room_id, unsigned limit);
void backfill_free(struct backfill *b);
/* done() comes once, never inside this call: whether anything new is there now can be read
 * from the store. Failures are no more than "nothing came". */
void backfill_start(struct backfill *b);

struct backfill {
	/* In. */
	void (*done)(struct backfill *b);
	void *owner;

	/* Private to backfill.c. */
	struct rooms *rooms;
	struct arena *arena;
	struct str room_id;
	unsigned limit;
	const struct str *servers;
	size_t n_servers;
	size_t at;
	struct room_call call;
	struct loop_deferred deferred;
	struct event_set *got;
};

#endif
