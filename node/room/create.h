/*
 * create: new rooms (client-server API, "Creation", POST /createRoom).
 *
 * All events of a new room are written in one store transaction, or none. Invites follow one
 * by one, since another server may have to sign each; a room whose invites fail stays.
 */
#ifndef KITH_ROOM_CREATE_H
#define KITH_ROOM_CREATE_H

#include "node/room/rooms.h"

struct room_create {
	/* In: borrowed until done(). Empty and NULL mean that it was not given. */
	struct str creator;
	struct str version;
	struct str preset;
	bool public; /* visibility */
	bool is_direct;
	struct str alias_localpart;
	struct str name;
	struct str topic;
	const struct json *creation_content; /* object */
	const struct json *initial_state;    /* array */
	const struct json *power_levels;     /* power_level_content_override, object */
	const struct json *invite;           /* array */
	/* Called once, from the loop, never inside rooms_create(). */
	void (*done)(struct room_create *c, enum err err);
	void *owner;

	/* Out. */
	char room_id[256];   /* NUL-terminated */
	const char *errcode; /* set when it is not the one of the error */
	struct err_ctx why;

	/* Private to create.c. */
	struct rooms *rooms;
	struct create_op *op;
};

void rooms_create(struct rooms *r, struct room_create *c);

#endif
