/*
 * auth_pool: events that others name as their auth events, from a batch in memory or from the
 * store, and the check of an event against its own auth_events (server-server API, "Checks
 * performed on receipt of a PDU", 4).
 */
#ifndef KITH_ROOM_AUTH_POOL_H
#define KITH_ROOM_AUTH_POOL_H

#include "node/room/room.h"

struct auth_pool {
	struct rooms *rooms;
	const struct room_version *version;

	/* Private to auth_pool.c. */
	struct arena *arena;
	struct map known; /* struct pooled by event id */
	enum err err;
};

void auth_pool_init(struct auth_pool *p, struct rooms *r, const struct room_version *v);
void auth_pool_deinit(struct auth_pool *p);

/* An event that is not stored yet, and whether it was rejected; borrowed until deinit. */
void auth_pool_put(struct auth_pool *p, const struct event *e, bool rejected);
/* NULL if it is neither in the pool nor stored. */
const struct event *auth_pool_get(struct auth_pool *p, struct str event_id, bool *rejected);

/* ERR_OK; ERR_FORBIDDEN: its auth events don't allow it; ERR_NOT_FOUND: some of them are not
 * here (how many in *missing, if not NULL). */
enum err auth_pool_check(struct auth_pool *p, const struct event *e, size_t *missing,
	struct err_ctx *why) MUST_CHECK;

#endif
