/*
 * ends: the forward extremities of a room: what stands before an end is none, and they are kept
 * few.
 */
#ifndef KITH_ROOM_ENDS_H
#define KITH_ROOM_ENDS_H

#include "node/room/room.h"

/* Event e, accepted, follows events that were soft-failed or rejected: what is before those is
 * no end any longer. Else an old state would stand beside that of now for ever. Inside a
 * transaction. */
enum err room_ends_behind(struct rooms *r, struct room *room, const struct event *e) MUST_CHECK;

/* Too many of them make each state costly: then an event of a user of ours, which no client
 * shows, names them all. What fails is logged; the next event tries again. */
void room_merge_ends(struct rooms *r, struct str room_id);

#endif
