/*
 * send_join, send_leave, send_knock: another server's member event for a room of ours
 * (server-server API, "Joining Rooms", "Leaving Rooms", "Knocking upon a room").
 *
 *   look at --> VERIFY --> accepted as it stands, or refused --> done
 *                  ^  \
 *                  +-- RESOLVE   states that are too much work for the loop (resolve.h)
 *
 * It is ours to pass on to the room's other servers.
 */
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/core/id.h"
#include "node/room/accept.h"
#include "node/room/incoming.h"
#include "node/room/restricted.h"
#include "node/room/serve_body.h"
#include "node/room/serve_room.h"
#include "node/room/stripped.h"

struct serving {
	struct rooms *r;
	struct room_serve_send *s;
	struct incoming in;
	struct arena *arena;
	struct buf body;
	struct loop_deferred deferred;
	enum err err;
	struct accept accept;
	struct resolve_job job;
	unsigned resolves;
	struct serve_body large;
	bool waits; /* for it */
};

#define RESOLVES_MAX 8

static void finish(struct serving *x, enum err err)
{
	struct room_serve_send *s = x->s;

	s->handle = NULL;
	s->done(s, err, buf_str(&x->body));
	incoming_deinit(&x->in);
	buf_deinit(&x->body);
	arena_free(x->arena);
	free(x);
}

static void finish_deferred(struct loop_deferred *d)
{
	struct serving *x = CONTAINER_OF(d, struct serving, deferred);

	finish(x, x->err);
}

static void written(struct serve_body *b, enum err err)
{
	struct serving *x = b->owner;

	x->s->spool = b->spool;
	x->s->length = b->length;
	finish(x, err);
}

/* A large room's answer is written by the pool. */
static enum err begin_join_answer(
	struct serving *x, const struct event *e, const struct accept *a)
{
	struct buf more = { 0 };
	struct jw w = jw_to(&more);
	const struct str *servers;
	size_t n;
	enum err err =
		store_membership_servers(x->r->store, x->arena, x->s->room_id, &servers, &n);

	if (err)
		return err;
	jw_obj(&w);
	jw_kv_raw(&w, "event", e->json);
	jw_kv_bool(&w, "members_omitted", false);
	jw_kv_str(&w, "origin", x->r->server_name);
	jw_key(&w, "servers_in_room");
	jw_arr(&w);
	for (size_t i = 0; i < n; i++)
		jw_str(&w, servers[i]);
	jw_end(&w);
	jw_end(&w);
	x->large = (struct serve_body){ .rooms = x->r,
		.group = a->state_before,
		.state_key = "state",
		.more = { more.p + 1, more.n - 2 }, /* its members, without the braces */
		.done = written,
		.owner = x };
	serve_body_start(&x->large);
	buf_deinit(&more);
	x->waits = true;
	return ERR_OK;
}

static enum err put_join_answer(
	struct serving *x, const struct event *e, const struct accept *a)
{
	struct jw w = jw_to(&x->body);
	const struct str *state;
	const struct str *chain;
	const struct str *servers;
	size_t n_state;
	size_t n_chain;
	size_t n;
	enum err err = serve_room_state_ids(
		x->r, x->arena, a->state_before, &state, &n_state, &chain, &n_chain);

	if (!err)
		err = store_membership_servers(
			x->r->store, x->arena, x->s->room_id, &servers, &n);
	if (err)
		return err;
	jw_obj(&w);
	jw_key(&w, "auth_chain");
	jw_arr(&w);
	err = serve_put_events(x->r, chain, n_chain, &w);
	jw_end(&w);
	jw_kv_raw(&w, "event", e->json);
	jw_kv_bool(&w, "members_omitted", false);
	jw_kv_str(&w, "origin", x->r->server_name);
	jw_key(&w, "servers_in_room");
	jw_arr(&w);
	for (size_t i = 0; i < n; i++)
		jw_str(&w, servers[i]);
	jw_end(&w);
	jw_key(&w, "state");
	jw_arr(&w);
	if (!err)
		err = serve_put_events(x->r, state, n_state, &w);
	jw_end(&w);
	jw_end(&w);
	return err;
}

static enum err put_knock_answer(struct serving *x)
{
	struct jw w = jw_to(&x->body);
	enum err err;

	jw_obj(&w);
	jw_key(&w, "knock_room_state");
	jw_arr(&w);
	err = room_stripped_put(x->r, x->s->room_id, STR(""), STRIPPED_EVENTS, &w);
	jw_end(&w);
	jw_end(&w);
	return err;
}

static enum err put_answer(struct serving *x, const struct event *e, const struct accept *a)
{
	if (!strcmp(x->s->membership, "join"))
		return serve_body_is_large(x->r, a->state_before) ? begin_join_answer(x, e, a)
								  : put_join_answer(x, e, a);
	if (!strcmp(x->s->membership, "knock"))
		return put_knock_answer(x);
	buf_put_z(&x->body, "{}");
	return ERR_OK;
}

static enum err accept_it(struct serving *x, const struct event *e)
{
	struct accept *a = &x->accept;
	unsigned flags = 0;
	int64_t nid;
	enum err err =
		serve_room(x->r, x->s->origin, x->s->room_id, false, &a->room, &x->s->why);

	a->rooms = x->r;
	a->event = e;
	a->flags = STORE_LOCAL;
	a->strict = true;
	if (!err)
		err = store_event_find(x->r->store, e->event_id, &nid, &flags);
	if (!err && !(flags & STORE_OUTLIER))
		return err_set(&x->s->why, ERR_INVALID, "this event is here already");
	if (err && err != ERR_NOT_FOUND)
		return err;
	a->known = !err;
	err = accept_event(a);
	if (!err && a->verdict != ACCEPTED)
		err = ERR_FORBIDDEN;
	if (err) {
		x->s->why = a->why;
		return err == ERR_NOT_FOUND ? ERR_INVALID : err;
	}
	return put_answer(x, e, a);
}

static void resolved(struct resolve_job *job, enum err err);

static void accept_and_finish(struct serving *x)
{
	enum err err = accept_it(x, x->in.events[0]);

	if (err != ERR_LIMIT || !x->accept.need.n || x->resolves++ >= RESOLVES_MAX) {
		if (!x->waits)
			finish(x, err);
		return;
	}
	x->job = (struct resolve_job){ .rooms = x->r,
		.room_id = x->s->room_id,
		.need = x->accept.need,
		.done = resolved,
		.owner = x };
	resolve_job_start(&x->job);
}

static void resolved(struct resolve_job *job, enum err err)
{
	struct serving *x = job->owner;

	if (err)
		finish(x, err);
	else
		accept_and_finish(x);
}

static void verified(struct incoming *in)
{
	struct serving *x = in->owner;
	enum err err;

	if (in->n) {
		accept_and_finish(x);
		return;
	}
	err = in->unreachable ? ERR_UNREACHABLE : ERR_INVALID;
	err_set(&x->s->why, err, "a signature is missing or wrong");
	finish(x, err);
}

/* A restricted join names a user of ours who lets the newcomer in: we sign that, if the
 * conditions still hold. */
static enum err authorise(struct serving *x, struct room *room)
{
	struct event *e = x->in.events[0];
	struct str named = room_content_str(e, "join_authorised_via_users_server");
	struct str authoriser;
	struct event *signed_event;
	enum err err;

	if (!named.n || strcmp(x->s->membership, "join") != 0 ||
		!rooms_is_local_user(x->r, named))
		return ERR_OK;
	err = room_restricted_authoriser(
		x->r, room, e->sender, x->arena, &authoriser, &x->s->errcode, &x->s->why);
	if (!err)
		err = event_cosign(e, x->r->key, &signed_event);
	if (err)
		return err;
	event_free(e);
	x->in.events[0] = signed_event;
	return ERR_OK;
}

static enum err check(struct serving *x)
{
	struct room_serve_send *s = x->s;
	const struct event *e;
	struct room *room;
	enum err err = serve_room(x->r, s->origin, s->room_id, false, &room, &s->why);

	if (err)
		return err;
	incoming_init(&x->in, x->r, room->version, s->room_id, s->origin);
	err = incoming_add(&x->in, s->pdu, &s->why);
	if (err)
		return err;
	e = x->in.events[0];
	if (!str_eq(e->event_id, s->event_id) || !event_is(e, "m.room.member", NULL) ||
		!str_eq(room_content_str(e, "membership"), str_of(s->membership)) ||
		!str_eq(e->sender, e->state_key) || !str_eq(id_server_of(e->sender), s->origin))
		return err_set(&s->why, ERR_INVALID, "this is not the event that it should be");
	return authorise(x, room);
}

void rooms_serve_send(struct rooms *r, struct room_serve_send *s)
{
	struct serving *x = NEW(struct serving);

	x->r = r;
	x->s = s;
	x->arena = arena_new();
	s->handle = x;
	s->spool = NULL;
	s->errcode = NULL;
	s->why.text[0] = '\0';
	x->err = check(x);
	if (x->err) {
		x->deferred.fn = finish_deferred;
		loop_defer(r->loop, &x->deferred);
		return;
	}
	x->in.done = verified;
	x->in.owner = x;
	incoming_verify(&x->in);
}
