/*
 * serve_room: what the files behind serve.h share.
 */
#ifndef KITH_ROOM_SERVE_ROOM_H
#define KITH_ROOM_SERVE_ROOM_H

#include "node/room/room.h"
#include "node/room/serve.h"

/* A room that we take part in and whose ACL lets the asker in; member: whose users are joined
 * too. */
enum err serve_room(struct rooms *r, struct str origin, struct str room_id, bool member,
	struct room **out, struct err_ctx *why) MUST_CHECK;

/* The JSON of stored events as elements of an array that is open. */
enum err serve_put_events(
	struct rooms *r, const struct str *ids, size_t n, struct jw *w) MUST_CHECK;
/* A state group's events, and all that their auth chains reach; in a. */
enum err serve_room_state_ids(struct rooms *r, struct arena *a, int64_t group,
	const struct str **state, size_t *n_state, const struct str **chain,
	size_t *n_chain) MUST_CHECK;

/* The group before an event that the asker may see. */
enum err serve_group_before(struct rooms *r, struct arena *a, struct room_serve *s,
	struct str room_id, struct str event_id, int64_t *group) MUST_CHECK;

#endif
