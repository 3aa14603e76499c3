/*
 * carry_over: what a user keeps of a room when he enters the one that replaces it: tags and
 * push rules of the old room. The specification leaves it to servers; clients count on it.
 *
 * It listens to the commit feed: a user of ours joined a room whose m.room.create names a
 * predecessor that he was in. What he has in the new room already stays.
 */
#ifndef KITH_ROOM_CARRY_OVER_H
#define KITH_ROOM_CARRY_OVER_H

#include "node/room/rooms.h"

struct carry_over;
struct push_rules;

struct carry_over_options {
	struct store *store;
	struct rooms *rooms;
	struct users *users;
	struct push_rules *push_rules;
	const struct log *log;
};

/* Everything in options is borrowed until carry_over_free(). */
struct carry_over *carry_over_new(const struct carry_over_options *options);
void carry_over_free(struct carry_over *c); /* NULL is fine */

#endif
