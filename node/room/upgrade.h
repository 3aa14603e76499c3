/*
 * upgrade: replacing a room by one of another version (client-server API, module
 * room_upgrades).
 */
#ifndef KITH_ROOM_UPGRADE_H
#define KITH_ROOM_UPGRADE_H

#include "node/room/rooms.h"

struct room_upgrade {
	/* In: borrowed during the call. */
	struct str room_id;
	struct str user_id;
	struct str version;
	const struct json *additional_creators; /* array or NULL */

	/* Out. */
	char replacement[256]; /* NUL-terminated */
	const char *errcode;   /* set when it is not the one of the error */
	struct err_ctx why;
};

/* All of it in one store transaction: the new room with the old one's state, the tombstone,
 * the old room's lowered power levels, the aliases moved. ERR_FORBIDDEN: may not send a
 * tombstone. */
enum err rooms_upgrade(struct rooms *r, struct room_upgrade *u) MUST_CHECK;

#endif
