/*
 * reach: may this user look at the room, and at which state of it? For the read paths of
 * node/room alone.
 */
#ifndef KITH_ROOM_REACH_H
#define KITH_ROOM_REACH_H

#include "node/room/format.h"
#include "node/room/read.h"
#include "node/room/room.h"

struct reach {
	struct room *room;
	int64_t group; /* the state that the reader sees: of now, or of when they left */
	bool current;  /* it is that of now */
	int64_t until; /* live events after this position are none of the reader's */
};

/* ERR_FORBIDDEN: not in the room, never was or has forgotten it, and the room is not for all to
 * read. */
enum err reach_find(struct rooms *r, struct arena *a, const struct room_reader *reader,
	struct reach *out, struct err_ctx *why) MUST_CHECK;

/* How this reader's events are written. */
void reach_format(struct rooms *r, struct arena *a, const struct room_reader *reader,
	struct room_format *out);

#endif
