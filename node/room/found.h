/*
 * found: the writing of a new room, for create.c and upgrade.c.
 */
#ifndef KITH_ROOM_FOUND_H
#define KITH_ROOM_FOUND_H

#include "node/room/create.h"

struct room_found {
	/* In. */
	struct room_create *create; /* errcode and why are written on failure */
	struct arena *arena;

	/* Out, in arena. */
	struct str room_id;
};

/* Everything but the invites, in one store transaction (nested in the caller's, if there is
 * one). What the initial state may not do (power levels that shut the creator out) is
 * M_INVALID_ROOM_STATE. */
enum err room_found(struct rooms *r, struct room_found *f) MUST_CHECK;

#endif
