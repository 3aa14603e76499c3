/*
 * initial: the state that a new room begins with, in the order that the specification asks for
 * (client-server API, POST /createRoom). Pure.
 */
#ifndef KITH_ROOM_INITIAL_H
#define KITH_ROOM_INITIAL_H

#include "node/room/create.h"

struct room_initial {
	struct str type;
	struct str state_key;
	struct str content; /* JSON text of an object */
};

struct room_initial_params {
	const struct room_create *create;
	const struct room_version *version;
	struct str alias;          /* the whole canonical alias, or empty */
	struct str member_content; /* of the creator's join: JSON text of an object */
};

/*
 * The create event first, the creator's join second. Everything in a. ERR_INVALID or
 * ERR_MALFORMED when the request asks for what can't be. Whether power levels allow each event
 * is not looked at.
 */
enum err room_initial_state(struct arena *a, const struct room_initial_params *p,
	struct room_initial **out, size_t *n, struct err_ctx *why) MUST_CHECK;

/* State of which a client may set no initial or copied version: m.room.create and members. */
bool room_initial_refused(struct str type);

#endif
