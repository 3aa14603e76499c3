/*
 * Inviting another server's user (server-server API, "Inviting to a room").
 *
 *   ASK --signed--> checked again, stored --> done
 *    |
 *    +--refused--> done with the refusal
 *
 * The event is built and checked before it is shown to the other server; what happens in the
 * room meanwhile makes it a fork, which is why its state is kept here.
 */
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/core/id.h"
#include "node/room/build.h"
#include "node/room/incoming.h"
#include "node/room/member_op.h"
#include "node/room/persist.h"
#include "node/room/state.h"
#include "node/room/stripped.h"

struct inviting {
	struct member_op *op;
	struct event *event; /* owned: ours, then with their signature */
	int64_t before;      /* the state that it was built on */
	struct buf request;
	struct room_call call;
	struct incoming in;
	struct arena *arena;
};

static void finish(struct inviting *i, enum err err)
{
	struct member_op *op = i->op;

	incoming_deinit(&i->in);
	event_free(i->event);
	buf_deinit(&i->request);
	arena_free(i->arena);
	free(i);
	member_finish(op, err);
}

static enum err persist(struct inviting *i)
{
	struct member_op *op = i->op;
	struct room_persist p = {
		.event = i->event, .flags = STORE_LOCAL, .before = i->before
	};
	struct room_state now;
	struct room *room;
	enum err err = room_get(op->r, op->room_id, &room);

	if (err)
		return err;
	room_state_current(&now, op->r, room);
	err = room_state_check(&now, i->event, &op->m->why);
	room_state_deinit(&now);
	if (!err)
		err = store_begin(op->r->store);
	if (err)
		return err;
	err = room_store_end(op->r, room_persist(op->r, room, &p));
	if (!err)
		room_copy_id(op->m->event_id, i->event->event_id);
	return err;
}

/* Both servers' signatures are good: the event that comes back takes the place of ours. */
static void verified(struct incoming *in)
{
	struct inviting *i = in->owner;

	if (in->n == 1 && str_eq(in->events[0]->event_id, i->event->event_id)) {
		event_free(i->event);
		i->event = in->events[0];
		in->n = 0;
	}
	finish(i, persist(i));
}

static enum err read_answer(struct inviting *i, struct str body)
{
	struct err_ctx *why = &i->op->m->why;
	const struct json *reply;
	const struct json *event;
	enum err err = json_parse_in(i->arena, body, &json_limits_event, &reply, why);

	if (!err)
		err = json_obj(reply, "event", &event, why);
	if (!err)
		err = incoming_add(&i->in, event, why);
	if (!err && !incoming_find(&i->in, i->event->event_id))
		err = err_set(why, ERR_MALFORMED, "not the event that we sent");
	return err;
}

static void answered(struct room_call *c, enum err err, struct str body)
{
	struct inviting *i = CONTAINER_OF(c, struct inviting, call);

	if (err) {
		i->op->m->why = c->why;
		finish(i, err);
		return;
	}
	err = read_answer(i, body);
	if (err) {
		finish(i, err == ERR_MALFORMED ? ERR_UNREACHABLE : err);
		return;
	}
	incoming_verify(&i->in);
}

static enum err make_request(struct inviting *i, struct room *room)
{
	struct jw w = jw_to(&i->request);
	enum err err;

	jw_obj(&w);
	jw_kv_raw(&w, "event", i->event->json);
	jw_key(&w, "invite_room_state");
	jw_arr(&w);
	err = room_stripped_put(i->op->r, room->id, i->op->m->sender, STRIPPED_PDUS, &w);
	jw_end(&w);
	jw_kv_z(&w, "room_version", room->version->name);
	jw_end(&w);
	return err;
}

static enum err build(struct inviting *i, struct room **room)
{
	struct member_op *op = i->op;
	const struct room_draft d = { .type = STR("m.room.member"),
		.sender = op->m->sender,
		.is_state = true,
		.state_key = op->target,
		.content = op->content };
	struct room_state now;
	enum err err = room_get(op->r, op->room_id, room);

	if (!err)
		err = room_build(op->r, *room, &d, &i->event, &op->m->why);
	if (err)
		return err;
	i->before = (*room)->group;
	room_state_current(&now, op->r, *room);
	err = room_state_check(&now, i->event, &op->m->why);
	room_state_deinit(&now);
	return err ? err : make_request(i, *room);
}

void remote_invite_start(struct member_op *op)
{
	struct inviting *i = NEW(struct inviting);
	struct room *room;
	enum err err;

	i->op = op;
	i->arena = arena_new();
	err = build(i, &room);
	if (!err && !op->r->ops)
		err = member_fail(op, ERR_UNREACHABLE, NULL, "no other server can be reached");
	if (err) {
		event_free(i->event);
		buf_deinit(&i->request);
		arena_free(i->arena);
		free(i);
		member_finish_later(op, err);
		return;
	}
	incoming_init(&i->in, op->r, room->version, op->room_id, id_server_of(op->target));
	i->in.done = verified;
	i->in.owner = i;
	i->call = (struct room_call){ .server = id_server_of(op->target), .done = answered };
	op->r->ops->invite(op->r->ops->arg, &i->call, op->room_id, i->event->event_id,
		buf_str(&i->request));
}
