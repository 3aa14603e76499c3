/*
 * visibility: may this user, or this server, see this event?
 *
 * Client-server API, "Room History Visibility". What counts is the room's setting and the
 * asker's membership at the event, on both sides of it where the event itself changes one of
 * them, and whether the asker came into the room later. The caller looks these up; every read
 * path asks here (security.md, A1).
 */
#ifndef KITH_CORE_VISIBILITY_H
#define KITH_CORE_VISIBILITY_H

#include "node/core/event.h"

enum visibility { VISIBILITY_SHARED, VISIBILITY_WORLD, VISIBILITY_INVITED, VISIBILITY_JOINED };

/* In the order of what they let one see: the greater of two is the better one. */
enum visibility_member {
	VISIBILITY_MEMBER_NONE, /* left, banned, knocking, never there */
	VISIBILITY_MEMBER_INVITE,
	VISIBILITY_MEMBER_JOIN,
};

struct visibility_case {
	/* The settings before and after the event: the same one, unless it is an
	 * m.room.history_visibility itself. */
	enum visibility before;
	enum visibility after;
	/* The asker's membership before and after the event: the same, unless it is an
	 * m.room.member of the asker. Of a server: the best that any of its users had. */
	enum visibility_member member_before;
	enum visibility_member member_after;
	/* The asker (any user of a server) joined at some point after the event, or is in the
	 * room now having joined before. */
	bool joined_later;
};

bool visibility_allows(const struct visibility_case *c);

/* The setting of an m.room.history_visibility event; NULL, or a value that is not known, is
 * shared. */
enum visibility visibility_of(const struct event *history_visibility);

/* Of an m.room.member event, or NULL. */
enum visibility_member visibility_member_of(const struct event *member);

#endif
