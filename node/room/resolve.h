/*
 * resolve: one state out of several (server-server API, "Room State Resolution").
 */
#ifndef KITH_ROOM_RESOLVE_H
#define KITH_ROOM_RESOLVE_H

#include "node/room/room.h"

/* The group of the resolution of these groups (n at least 1); the same ones again are looked
 * up. Inside a transaction. ERR_LIMIT: more work than we do. */
enum err room_resolve(struct rooms *r, struct room *room, const int64_t *groups, size_t n,
	int64_t *out, struct err_ctx *why) MUST_CHECK;

/* The group of a state given as events' ids, sorted; told as what differs from parent. All of
 * them are stored. Inside a transaction. */
struct state_set;
enum err room_group_of(struct rooms *r, struct room *room, int64_t parent,
	const struct state_set *state, int64_t *out) MUST_CHECK;

/* What turns group from into group to: entries to apply, in a. */
enum err room_state_diff(struct rooms *r, struct arena *a, int64_t from, int64_t to,
	struct store_state **out, size_t *n) MUST_CHECK;

/* Forgets earlier results: after a rollback, whose groups never were, and at the end. */
void room_resolve_deinit(struct rooms *r);

#endif
