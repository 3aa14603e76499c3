/*
 * residents: other servers of a room, to be asked for what this one misses.
 */
#ifndef KITH_ROOM_RESIDENTS_H
#define KITH_ROOM_RESIDENTS_H

#include "node/room/rooms.h"

/* Up to max servers with a joined member, this one and except (may be empty) left out. Names
 * in a. 0 too if they can't be read. */
size_t room_residents(struct rooms *r, struct arena *a, struct str room_id, struct str except,
	struct str *out, size_t max);

#endif
