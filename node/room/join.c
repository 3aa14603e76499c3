/*
 * Joining a room that other servers hold (server-server API, "Joining Rooms"; security.md F7).
 *
 *   HANDSHAKE --ok--> VERIFY --ok--> persist, at once --> done
 *       |                |                |
 *       +----error-------+----------------+--> done, with nothing kept
 *
 * HANDSHAKE is handshake.c. What it brings is the room's state and the auth chain of that
 * state: each event's signatures and hash are checked, then each against its auth events, then
 * our own join against the state. Only then is anything written, in one store transaction.
 */
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/room/handshake.h"
#include "node/room/incoming.h"
#include "node/room/member_op.h"
#include "node/room/outliers.h"
#include "node/room/resolve.h"
#include "node/room/state.h"

#define LOG_MODULE "room"

struct joining {
	struct member_op *op;
	struct handshake hs;
	struct incoming in;
	struct arena *arena;
	const struct str *state_ids; /* in arena: ids of the events that are the state */
	size_t n_state;
	struct event *join; /* owned: as the other server took it */
};

static void finish(struct joining *j, enum err err)
{
	struct member_op *op = j->op;

	if (err) {
		log_info(op->r->log, "joining failed room_id=%.*s user_id=%.*s error=%s",
			STR_FMT(op->room_id), STR_FMT(op->target), err_name(err));
		if (!op->m->why.text[0])
			op->m->why = j->hs.why;
		op->m->errcode = j->hs.errcode;
	} else {
		room_copy_id(op->m->event_id, j->join->event_id);
	}
	incoming_deinit(&j->in);
	handshake_deinit(&j->hs);
	event_free(j->join);
	arena_free(j->arena);
	free(j);
	member_finish(op, err);
}

/* Everything that the join's transaction works with. */
struct persisting {
	struct joining *j;
	struct rooms *r;
	struct auth_pool pool;
	struct store_state *state; /* the room's state before the join; n + 1 places */
	size_t n;
	int64_t before;
};

/* The state's events by number, those that are stored and allowed. */
static enum err collect_state(struct persisting *p)
{
	struct joining *j = p->j;
	struct store_event e;

	p->state = arena_calloc(j->arena, j->n_state + 1, sizeof(*p->state));
	for (size_t i = 0; i < j->n_state; i++) {
		enum err err = store_event_get(p->r->store, j->arena, j->state_ids[i], &e);

		if (err == ERR_NOT_FOUND || (!err && (e.flags & STORE_REJECTED)))
			continue;
		if (err)
			return err;
		if (!e.is_state || !str_eq(e.room_id, j->op->room_id))
			continue;
		p->state[p->n++] = (struct store_state){ e.type, e.state_key, e.nid };
	}
	return ERR_OK;
}

/* Our join in the state that we were given: a server that lies about it gains nothing. */
static enum err check_join(struct persisting *p, struct room *room)
{
	struct joining *j = p->j;
	struct room_state s;
	enum err err = auth_pool_check(&p->pool, j->join, NULL, &j->op->m->why);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_FORBIDDEN : err;
	room_state_group(&s, p->r, room, p->before);
	err = room_state_check(&s, j->join, &j->op->m->why);
	room_state_deinit(&s);
	return err;
}

static enum err put_join(struct persisting *p, struct room *room)
{
	struct event *e = p->j->join;
	struct store_event_new row = {
		.event = e, .state_before = p->before, .state_after = p->before
	};
	int64_t nid;
	int64_t pos;
	int64_t group;
	unsigned flags;
	enum err err = store_event_find(p->r->store, e->event_id, &nid, &flags);

	if (!err && !(flags & STORE_OUTLIER))
		return ERR_EXISTS; /* it came by federation while we waited */
	if (!err)
		err = store_event_promote(p->r->store, &row, &nid, &pos);
	else if (err == ERR_NOT_FOUND)
		err = store_event_put(p->r->store, &row, &nid, &pos);
	if (err)
		return err;
	p->state[p->n] = (struct store_state){ e->type, e->state_key, nid };
	err = store_state_group_new(
		p->r->store, room->id, p->before, &p->state[p->n], 1, &group);
	if (!err)
		err = store_event_set_state(p->r->store, nid, 0, p->before, group);
	if (!err)
		err = store_room_set_extremities(p->r->store, room->id, &e->event_id, 1);
	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->state[i].type, e->type) &&
			str_eq(p->state[i].state_key, e->state_key))
			p->state[i--] = p->state[--p->n];
	p->state[p->n++] = (struct store_state){ e->type, e->state_key, nid };
	if (!err)
		err = store_state_replace(p->r->store, room->id, pos, p->state, p->n);
	if (!err)
		err = store_room_set_state_group(p->r->store, room->id, group);
	return err;
}

static enum err write(struct persisting *p)
{
	struct joining *j = p->j;
	struct room *room;
	enum err err = store_room_put(
		p->r->store, j->op->room_id, str_of(j->join->version->name), false);

	if (!err)
		err = outliers_store(p->r, &p->pool, j->in.events, j->in.n);
	if (!err)
		err = collect_state(p);
	if (!err)
		err = store_state_group_new(
			p->r->store, j->op->room_id, 0, p->state, p->n, &p->before);
	if (!err)
		err = room_fresh(p->r, j->op->room_id, &room);
	if (!err)
		err = check_join(p, room);
	if (!err)
		err = put_join(p, room);
	return err == ERR_EXISTS ? ERR_OK : err;
}

static enum err persist(struct joining *j)
{
	struct persisting p = { .j = j, .r = j->op->r };
	enum err err = store_begin(p.r->store);

	if (err)
		return err;
	auth_pool_init(&p.pool, p.r, j->join->version);
	err = room_store_end(p.r, write(&p));
	auth_pool_deinit(&p.pool);
	room_drop(p.r, j->op->room_id);
	return err;
}

static void verified(struct incoming *in)
{
	struct joining *j = in->owner;
	struct event *signed_join = incoming_find(in, j->hs.event->event_id);
	bool authorised =
		room_content_str(j->hs.event, "join_authorised_via_users_server").n > 0;
	enum err err = ERR_OK;

	/* A restricted join needs the signature of the server that let us in. */
	if (authorised && !signed_join)
		err = err_set(&j->op->m->why, ERR_UNREACHABLE,
			"the other server did not sign our join");
	for (size_t i = 0; i < in->n && signed_join; i++)
		if (in->events[i] == signed_join) {
			in->events[i] = in->events[--in->n];
			break;
		}
	j->join = signed_join ? signed_join : MOVE(j->hs.event);
	finish(j, err ? err : persist(j));
}

/* The ids of what was added for the state, in the order of the answer. */
static void note_state(struct joining *j, const struct json *state)
{
	size_t before = j->in.n;
	struct str *ids;

	incoming_add_all(&j->in, state);
	ids = arena_calloc(j->arena, j->in.n - before + 1, sizeof(*ids));
	for (size_t i = before; i < j->in.n; i++)
		ids[j->n_state++] = arena_str(j->arena, j->in.events[i]->event_id);
	j->state_ids = ids;
}

static enum err read_answer(struct joining *j, struct str body)
{
	const struct json *reply;
	const struct json *state;
	const struct json *chain;
	const struct json *event = NULL;
	struct err_ctx *why = &j->op->m->why;
	enum err err = json_parse_in(j->arena, body, &json_limits_peer, &reply, why);

	if (!err)
		err = json_arr(reply, "state", &state, why);
	if (!err)
		err = json_arr(reply, "auth_chain", &chain, why);
	if (!err)
		err = json_opt_obj(reply, "event", &event, why);
	if (err)
		return err;
	if (json_count(state) + json_count(chain) > LIMIT_JOIN_EVENTS)
		return err_set(why, ERR_LIMIT, "the room is too large");
	note_state(j, state);
	incoming_add_all(&j->in, chain);
	if (event) {
		err = incoming_add(&j->in, event, why);
		if (err == ERR_EXISTS)
			err = ERR_OK;
		if (!err && !incoming_find(&j->in, j->hs.event->event_id))
			err = err_set(why, ERR_MALFORMED, "not the event that we sent");
	}
	return err;
}

static void shaken(struct handshake *h, enum err err, struct str body)
{
	struct joining *j = h->owner;

	if (err) {
		finish(j, err);
		return;
	}
	incoming_init(&j->in, j->op->r, h->event->version, j->op->room_id, h->server);
	j->in.done = verified;
	j->in.owner = j;
	err = read_answer(j, body);
	if (err) {
		finish(j, err == ERR_MALFORMED ? ERR_UNREACHABLE : err);
		return;
	}
	incoming_verify(&j->in);
}

void remote_join_start(struct member_op *op)
{
	struct joining *j = NEW(struct joining);

	j->op = op;
	j->arena = arena_new();
	j->hs = (struct handshake){ .rooms = op->r,
		.kind = HANDSHAKE_JOIN,
		.room_id = op->room_id,
		.user_id = op->target,
		.content = op->content,
		.servers = op->servers,
		.n_servers = op->n_servers,
		.done = shaken,
		.owner = j };
	handshake_start(&j->hs);
}
