/*
 * ends: the forward extremities of a room are kept few.
 */
#ifndef KITH_ROOM_ENDS_H
#define KITH_ROOM_ENDS_H

#include "node/room/rooms.h"

/* Too many of them make each state costly: then an event of a user of ours, which no client
 * shows, names them all. What fails is logged; the next event tries again. */
void room_merge_ends(struct rooms *r, struct str room_id);

#endif
