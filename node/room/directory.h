/*
 * directory: room aliases of this server and its published rooms (client-server API, "Room
 * aliases", "Published room directory").
 */
#ifndef KITH_ROOM_DIRECTORY_H
#define KITH_ROOM_DIRECTORY_H

#include "node/base/buf.h"
#include "node/room/rooms.h"

/* PUT directory/room/{alias}. ERR_EXISTS: taken; ERR_INVALID: no alias of this server;
 * ERR_FORBIDDEN: the user is not joined. */
enum err directory_alias_put(struct rooms *r, struct str alias, struct str room_id,
	struct str user_id, struct err_ctx *why) MUST_CHECK;
/* By its maker, or by who may send m.room.canonical_alias. A canonical alias that named it is
 * changed where the user may. */
enum err directory_alias_delete(
	struct rooms *r, struct str alias, struct str user_id, struct err_ctx *why) MUST_CHECK;
/* A local alias; *room_id in a. ERR_NOT_FOUND. */
enum err directory_alias_get(
	struct rooms *r, struct arena *a, struct str alias, struct str *room_id) MUST_CHECK;
/* GET rooms/{id}/aliases: the whole body. For who is joined, or anyone if the room is
 * world-readable. */
enum err directory_room_aliases(struct rooms *r, struct str room_id, struct str user_id,
	struct buf *out, struct err_ctx *why) MUST_CHECK;

/* Any alias, by asking its server if it is not ours. */
struct directory_lookup {
	/* In: borrowed until done(). */
	struct str alias;
	/* Called once, from the loop, never inside directory_resolve(). ERR_NOT_FOUND. */
	void (*done)(struct directory_lookup *l, enum err err);
	void *owner;

	/* Out: in arena, which goes when the operation's owner calls directory_lookup_deinit().
	 */
	struct str room_id;
	const struct str *servers;
	size_t n_servers;
	struct err_ctx why;

	/* Private to directory.c. */
	struct arena *arena;
	struct rooms *rooms;
	struct room_call call;
	struct loop_deferred deferred;
	enum err err;
};
void directory_resolve(struct rooms *r, struct directory_lookup *l);
void directory_lookup_deinit(struct directory_lookup *l);

/* The published rooms. */
enum err directory_visibility_get(
	struct rooms *r, struct str room_id, bool *published, struct err_ctx *why) MUST_CHECK;
enum err directory_visibility_put(struct rooms *r, struct str room_id, struct str user_id,
	bool publish, struct err_ctx *why) MUST_CHECK;

struct directory_query {
	int64_t limit;     /* 0: the default of 100, and at most that */
	struct str since;  /* a batch token or empty */
	struct str search; /* generic_search_term or empty */
};
/* GET and POST publicRooms, and federation's: the whole body. */
enum err directory_public_rooms(struct rooms *r, const struct directory_query *q,
	struct buf *out, struct err_ctx *why) MUST_CHECK;

#endif
