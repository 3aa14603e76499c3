/*
 * member_op: what member.c shares with the operations behind it: a change of membership that
 * needs another server. For the files of node/room alone.
 */
#ifndef KITH_ROOM_MEMBER_OP_H
#define KITH_ROOM_MEMBER_OP_H

#include "node/room/directory.h"
#include "node/room/member.h"
#include "node/room/room.h"

struct member_op {
	struct rooms *r;
	struct room_member *m;
	struct arena *arena;
	struct str room_id;
	struct str target;
	struct str content;        /* of the member event: JSON text, in arena */
	const struct str *servers; /* who may know the room, in arena; none is ours */
	size_t n_servers;
	enum err err;

	/* Private to member.c. */
	struct loop_deferred deferred;
	struct directory_lookup lookup;
};

/* The end of the operation: op is gone when this returns. */
void member_finish(struct member_op *op, enum err err);
/* The same when this turn ends: for what is known while rooms_member() still runs. */
void member_finish_later(struct member_op *op, enum err err);
/* Sets errcode (NULL: the error's own) and why. */
enum err member_fail(struct member_op *op, enum err err, const char *errcode, const char *text);
/* The member event of this content in the current state, stored. */
enum err member_send(struct member_op *op, struct room *room) MUST_CHECK;

/* Each ends with member_finish(). */
void remote_join_start(struct member_op *op);   /* join.c */
void remote_leave_start(struct member_op *op);  /* leave.c */
void remote_knock_start(struct member_op *op);  /* leave.c */
void remote_invite_start(struct member_op *op); /* invite.c */

#endif
