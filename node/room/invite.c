/*
 * Inviting another server's user (server-server API, "Inviting to a room").
 *
 *   ASK --signed--> checked again, stored --> done
 *    |
 *    +--refused--> done with the refusal
 *    |
 *    +--can't be reached now, but will be--> checked again, stored, kept to be told --> done
 *
 * A friend's device is often off. The event does not need the other server's signature: it
 * stands in the room at once, and later, when that server is there again (rooms_server_up),
 *
 *   TELL --taken, or the invite is no more--> forgotten
 *    |
 *    +--refused--> the invite is withdrawn
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
#include "store/invite.h"

#define LOG_MODULE "room"

struct inviting {
	struct member_op *op;
	struct event *event; /* owned: ours, then with their signature */
	int64_t before;      /* the state that it was built on */
	struct buf request;
	struct room_call call;
	struct incoming in;
	struct arena *arena;
	bool late; /* the other server is to be told when it is there again */
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
	err = room_persist(op->r, room, &p);
	if (!err && i->late)
		err = store_invite_wait(op->r->store, id_server_of(op->target), p.nid);
	err = room_store_end(op->r, err);
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
	enum err err = json_parse_in(i->arena, body, &json_limits_peer, &reply, why);

	if (!err)
		err = json_obj(reply, "event", &event, why);
	if (!err)
		err = incoming_add(&i->in, event, why);
	if (!err && !incoming_find(&i->in, i->event->event_id))
		err = err_set(why, ERR_MALFORMED, "not the event that we sent");
	return err;
}

static bool may_return(const struct rooms *r, struct str server)
{
	return r->ops->returns && r->ops->returns(r->ops->arg, server);
}

static void answered(struct room_call *c, enum err err, struct str body)
{
	struct inviting *i = CONTAINER_OF(c, struct inviting, call);

	if ((err == ERR_UNREACHABLE || err == ERR_TIMEOUT) && may_return(i->op->r, c->server)) {
		i->late = true;
		finish(i, persist(i));
		return;
	}
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

static enum err make_request(struct rooms *r, const struct room *room, struct str sender,
	struct str event, struct buf *out)
{
	struct jw w = jw_to(out);
	enum err err;

	jw_obj(&w);
	jw_kv_raw(&w, "event", event);
	jw_key(&w, "invite_room_state");
	jw_arr(&w);
	err = room_stripped_put(r, room->id, sender, STRIPPED_PDUS, &w);
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
	return err ? err
		   : make_request(op->r, *room, op->m->sender, i->event->json, &i->request);
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

/* ---- invites that wait for their server ---- */

#define TOLD_AT_ONCE 20

struct telling {
	struct rooms *r;
	struct arena *arena;
	struct store_event event;
	struct buf request;
	struct room_call call;
};

static void tell_free(struct telling *t)
{
	buf_deinit(&t->request);
	arena_free(t->arena);
	free(t);
}

static void forget(struct rooms *r, struct str server, int64_t event)
{
	enum err err = store_begin(r->store);

	if (!err)
		err = room_store_end(r, store_invite_done(r->store, server, event));
	if (err)
		log_warn(r->log, "a waiting invite stays error=%s", err_name(err));
}

/* In the name of who invited; if they may not any more, the invite stands as it is. */
static void withdraw(struct telling *t)
{
	const struct room_draft d = { .type = STR("m.room.member"),
		.sender = t->event.sender,
		.is_state = true,
		.state_key = t->event.state_key,
		.content = STR("{\"membership\":\"leave\"}") };
	struct room *room;
	enum err err = room_get(t->r, t->event.room_id, &room);

	if (!err)
		err = room_send_draft(t->r, room, &d, NULL, NULL);
	log_info(t->r->log, "an invite was refused room_id=%.*s user_id=%.*s withdrawn=%s",
		STR_FMT(t->event.room_id), STR_FMT(t->event.state_key), err_name(err));
}

static void told(struct room_call *c, enum err err, struct str body)
{
	struct telling *t = CONTAINER_OF(c, struct telling, call);

	(void)body;
	if (err != ERR_UNREACHABLE && err != ERR_TIMEOUT) {
		forget(t->r, c->server, t->event.nid);
		if (err)
			withdraw(t);
	}
	tell_free(t);
}

/* Is it still what the room's state says? */
static bool still_stands(const struct telling *t)
{
	int64_t nid;

	return !store_state_get(t->r->store, t->event.room_id, t->event.type,
		       t->event.state_key, &nid) &&
		nid == t->event.nid;
}

static void tell(struct rooms *r, struct str server, int64_t event)
{
	struct telling *t = NEW(struct telling);
	struct room *room;
	enum err err;

	t->r = r;
	t->arena = arena_new();
	err = store_event_get_nid(r->store, t->arena, event, &t->event);
	if (!err)
		err = room_get(r, t->event.room_id, &room);
	if (!err && still_stands(t))
		err = make_request(r, room, t->event.sender, t->event.json, &t->request);
	if (err || !t->request.n) {
		if (!err || err == ERR_NOT_FOUND)
			forget(r, server, event);
		tell_free(t);
		return;
	}
	t->call = (struct room_call){ .server = arena_str(t->arena, server), .done = told };
	r->ops->invite(r->ops->arg, &t->call, t->event.room_id, t->event.event_id,
		buf_str(&t->request));
}

void rooms_server_up(struct rooms *r, struct str server)
{
	struct arena *a = arena_new();
	const int64_t *events;
	size_t n = 0;
	enum err err = store_invites_waiting(r->store, a, server, TOLD_AT_ONCE, &events, &n);

	for (size_t i = 0; !err && r->ops && i < n; i++)
		tell(r, server, events[i]);
	arena_free(a);
}
