#include "node/room/create.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/room/found.h"
#include "node/room/member.h"
#include "node/room/room.h"

/*
 *   FOUND --ok--> INVITE --(next one)--> INVITE ... --none left--> DONE
 *     |             |
 *     +---error-----+--error--> DONE
 *
 * FOUND is one store transaction and answers at once; each INVITE is an operation of its own
 * (member.h). A friend who can't be reached now is invited all the same (invite.c), so an
 * error here is a refusal.
 */
struct create_op {
	struct rooms *r;
	struct room_create *c;
	struct arena *arena;
	struct loop_deferred deferred;
	const struct json *at; /* who is invited next */
	struct room_member invite;
	enum err err;
};

static void finish(struct create_op *op)
{
	struct room_create *c = op->c;
	enum err err = op->err;

	c->op = NULL;
	arena_free(op->arena);
	free(op);
	c->done(c, err);
}

static bool is_repeated(const struct json *list, const struct json *at)
{
	struct str id = { 0 };
	struct str other;

	json_as_str(at, &id);
	for (const struct json *u = json_first(list); u != at; u = json_next(u))
		if (json_as_str(u, &other) && str_eq(id, other))
			return true;
	return false;
}

static void invite_next(struct create_op *op);

static void invited(struct room_member *m, enum err err)
{
	struct create_op *op = m->owner;

	if (err) {
		op->err = err;
		op->c->errcode = m->errcode;
		op->c->why = m->why;
		finish(op);
		return;
	}
	op->at = json_next(op->at);
	invite_next(op);
}

static void invite_next(struct create_op *op)
{
	struct room_create *c = op->c;
	struct str target = { 0 };

	while (op->at &&
		(!json_as_str(op->at, &target) || str_eq(target, c->creator) ||
			is_repeated(c->invite, op->at)))
		op->at = json_next(op->at);
	if (!op->at) {
		finish(op);
		return;
	}
	op->invite = (struct room_member){ .action = MEMBER_INVITE,
		.room = str_of(c->room_id),
		.sender = c->creator,
		.target = target,
		.is_direct = c->is_direct,
		.done = invited,
		.owner = op };
	rooms_member(op->r, &op->invite);
}

static enum err check_invites(struct room_create *c)
{
	if (json_count(c->invite) > LIMIT_CREATE_INVITES)
		return err_set(
			&c->why, ERR_INVALID, "invite: at most %d", LIMIT_CREATE_INVITES);
	return ERR_OK;
}

static enum err found(struct create_op *op)
{
	struct room_create *c = op->c;
	struct room_found f = { .create = c, .arena = op->arena };
	enum err err = check_invites(c);

	if (!err)
		err = room_found(op->r, &f);
	if (!err)
		room_copy_id(c->room_id, f.room_id);
	return err;
}

static void after_turn(struct loop_deferred *d)
{
	struct create_op *op = CONTAINER_OF(d, struct create_op, deferred);

	if (op->err)
		finish(op);
	else
		invite_next(op);
}

void rooms_create(struct rooms *r, struct room_create *c)
{
	struct create_op *op = NEW(struct create_op);

	op->r = r;
	op->c = c;
	op->arena = arena_new();
	op->deferred.fn = after_turn;
	op->at = json_first(c->invite);
	c->op = op;
	c->rooms = r;
	c->errcode = NULL;
	c->room_id[0] = '\0';
	op->err = found(op);
	loop_defer(r->loop, &op->deferred);
}
