/*
 * fetch: the state before an event, as another server knows it (server-server API, "Retrieving
 * events"): for what comes after a gap that can't be closed.
 */
#ifndef KITH_ROOM_FETCH_H
#define KITH_ROOM_FETCH_H

#include "node/room/incoming.h"
#include "node/room/rooms.h"

/* Owned by the caller, who keeps it still until done(). */
struct fetch {
	/* In: borrowed until done(). */
	struct rooms *rooms;
	struct str room_id;
	struct str event_id;
	struct str server;
	/* Once, from the loop, never inside fetch_start(). */
	void (*done)(struct fetch *f, enum err err);
	void *owner;

	/* Out. */
	int64_t group; /* the state before the event */
	struct err_ctx why;

	/* Private to fetch.c. */
	int state;
	struct arena *arena;
	const struct str *state_ids;
	size_t n_state;
	const struct str *wanted; /* of the state and its auth chain, not here yet */
	size_t n_wanted;
	size_t at;
	struct incoming in;
	struct room_call call;
};

void fetch_start(struct fetch *f);
void fetch_deinit(struct fetch *f); /* a zeroed one is fine */

#endif
