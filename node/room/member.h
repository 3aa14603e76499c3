/*
 * member: who is in a room (client-server API, "Room membership").
 *
 * One operation for join, knock, invite, leave, kick, ban and unban. Where we take part in the
 * room it is one local event (and, for an invite of another server's user, that server's
 * signature); where we don't, another server takes our event for us (server-server API,
 * "Joining Rooms", "Knocking upon a room", "Leaving Rooms").
 */
#ifndef KITH_ROOM_MEMBER_H
#define KITH_ROOM_MEMBER_H

#include "node/room/rooms.h"

enum room_member_action {
	MEMBER_JOIN,
	MEMBER_KNOCK,
	MEMBER_INVITE,
	MEMBER_LEAVE, /* and rejecting an invite, and taking back a knock */
	MEMBER_KICK,
	MEMBER_BAN,
	MEMBER_UNBAN,
};

struct room_member {
	/* In: borrowed until done(), as is the struct itself. */
	enum room_member_action action;
	struct str room;            /* an id; for join and knock an alias too */
	struct str sender;          /* our user */
	struct str target;          /* empty: sender */
	struct str reason;          /* empty: none */
	bool is_direct;             /* invite */
	const struct json *content; /* more members for the event's content, or NULL */
	const struct str *via;      /* servers that may know the room */
	size_t n_via;
	/* Called once, from the loop, never inside rooms_member(). */
	void (*done)(struct room_member *m, enum err err);
	void *owner;

	/* Out. */
	char room_id[256];   /* NUL-terminated */
	char event_id[256];  /* of the member event, if one was made */
	const char *errcode; /* set when it is not the one of the error */
	struct err_ctx why;

	/* Private to member.c and the operations behind it. */
	struct rooms *rooms;
	struct member_op *op;
};

/* The operation goes on when whoever asked has lost interest: set done to a function that only
 * frees. */
void rooms_member(struct rooms *r, struct room_member *m);

/* POST forget: ERR_INVALID while the user is in the room or invited. */
enum err rooms_forget(struct rooms *r, struct str room_id, struct str user_id,
	struct err_ctx *why) MUST_CHECK;

#endif
