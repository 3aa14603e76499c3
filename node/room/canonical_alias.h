/*
 * canonical_alias: what an m.room.canonical_alias of our users may name (client-server API,
 * "Room aliases"): each alias that is new in it must lead to the room. Ours are looked up,
 * other servers are asked; who can't be asked can't vouch for an alias.
 */
#ifndef KITH_ROOM_CANONICAL_ALIAS_H
#define KITH_ROOM_CANONICAL_ALIAS_H

#include "node/room/directory.h"
#include "node/room/send.h"

struct room;

/* The shape, and the aliases of this server. Sets s->errcode and s->why. ERR_INVALID,
 * ERR_MALFORMED. */
enum err canonical_alias_check(
	struct rooms *r, struct room *room, struct arena *a, struct room_send *s) MUST_CHECK;

/* The aliases of other servers. */
struct alias_check {
	/* In: borrowed until done(). */
	struct str room_id;
	const struct json *content;
	/* Called once, from the loop, never inside alias_check_start(). ERR_INVALID. */
	void (*done)(struct alias_check *c, enum err err);
	void *owner;

	/* Out. */
	const char *errcode;
	struct err_ctx why;

	/* Private to canonical_alias.c. */
	struct rooms *rooms;
	struct arena *arena;
	struct str *aliases;
	size_t n;
	size_t at;
	bool too_many;
	struct directory_lookup lookup;
};

/* False: there is nobody to ask, and done() is not called. What is malformed is left to
 * canonical_alias_check(). */
bool alias_check_start(struct rooms *r, struct alias_check *c);

#endif
