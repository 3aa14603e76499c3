/*
 * resolution: one state out of several state groups, from a store or a reader of it
 * (server-server API, "Room State Resolution"). Touches nothing else, so it runs on the thread
 * pool as well.
 */
#ifndef KITH_ROOM_RESOLUTION_H
#define KITH_ROOM_RESOLUTION_H

#include "node/base/arena.h"
#include "node/core/room_version.h"
#include "store/state.h"

#include <stdatomic.h>

struct resolution_limits {
	struct store_conflict_limits store;
	size_t events;     /* that are parsed; 0: core's own limit */
	atomic_bool *stop; /* NULL, or: another thread doesn't want the result any more */
};

struct resolution {
	/* In: n groups, all different. */
	struct store *store;
	const struct room_version *version;
	struct arena *arena;
	const int64_t *groups;
	size_t n;
	struct resolution_limits limits;

	/* Out: what turns the first of the groups into the result; in the arena. */
	struct store_state *changes;
	size_t n_changes;
	struct err_ctx why;
};

/* ERR_LIMIT: it is more work than the limits allow; ERR_CANCELLED: stopped. */
enum err resolution_run(struct resolution *r) MUST_CHECK;

#endif
