/*
 * answer_rooms: what other servers ask and send about rooms. node/room/serve.h has the rules.
 */
#include "node/federation/answer.h"

#include "node/federation/uri.h"
#include "node/room/receive.h"
#include "node/room/serve.h"

#define MAX_VERSIONS       32
#define MAX_BACKFILL_FROM  20
#define MAX_BACKFILL_LIMIT 100

/* The end of every handler that answers at once. */
static enum err reply(
	struct inbound_request *r, const struct room_serve *s, struct buf *out, enum err err)
{
	if (err) {
		r->why = s->why;
		r->errcode = s->errcode;
		return err;
	}
	inbound_reply(r, out);
	return ERR_OK;
}

#define SERVE(r, buf) \
	{ \
		.origin = (r)->origin, .out = (buf) \
	}

static enum err answer_make(struct inbound_request *r,
	enum err (*make)(struct rooms *rooms, struct room_serve *s, struct str room_id,
		struct str user_id, const struct str *versions, size_t n))
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct room_serve s = SERVE(r, &out);
	struct str versions[MAX_VERSIONS];
	size_t n = 0;

	while (n < MAX_VERSIONS && uri_query(r->arena, r->query, "ver", n, &versions[n]))
		n++;
	if (n == 0)
		versions[n++] = STR("1");
	return reply(r, &s, &out, make(r->f->o.rooms, &s, r->args[0], r->args[1], versions, n));
}

enum err answer_make_join(struct inbound_request *r)
{
	return answer_make(r, rooms_make_join);
}

enum err answer_make_knock(struct inbound_request *r)
{
	return answer_make(r, rooms_make_knock);
}

enum err answer_make_leave(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct room_serve s = SERVE(r, &out);

	return reply(r, &s, &out, rooms_make_leave(r->f->o.rooms, &s, r->args[0], r->args[1]));
}

/* ---- send_join, send_leave, send_knock ---- */

static void sent(struct room_serve_send *s, enum err err, struct str body)
{
	struct inbound_request *r = s->owner;
	CLEANUP(buf_deinit) struct buf out = { 0 };

	if (err) {
		r->why = s->why;
		r->errcode = s->errcode;
		inbound_error(r, err); /* s is in r's arena, as below */
		return;
	}
	if (s->spool) {
		answer_spool(r, s->spool, s->length);
		return;
	}
	buf_put_str(&out, body);
	inbound_reply(r, &out);
}

static enum err answer_send(struct inbound_request *r, const char *membership)
{
	struct room_serve_send *s = ARENA_NEW(r->arena, struct room_serve_send);

	*s = (struct room_serve_send){ .membership = membership,
		.origin = r->origin,
		.room_id = r->args[0],
		.event_id = r->args[1],
		.pdu = r->body,
		.done = sent,
		.owner = r };
	rooms_serve_send(r->f->o.rooms, s);
	return ERR_OK;
}

enum err answer_send_join(struct inbound_request *r)
{
	return answer_send(r, "join");
}

enum err answer_send_leave(struct inbound_request *r)
{
	return answer_send(r, "leave");
}

enum err answer_send_knock(struct inbound_request *r)
{
	return answer_send(r, "knock");
}

/* ---- invites ---- */

struct invite {
	struct room_receive_invite i;
	struct inbound_request *r;
	bool v1; /* the answer is [200, {...}] */
};

static void invited(struct room_receive_invite *i, enum err err, struct str signed_json)
{
	const struct invite *invite = i->owner;
	struct inbound_request *r = invite->r;
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct jw w = jw_to(&out);

	if (err) {
		r->why = i->why;
		r->errcode = i->errcode;
		inbound_error(r, err);
		return;
	}
	if (invite->v1) {
		jw_arr(&w);
		jw_int(&w, 200);
	}
	jw_obj(&w);
	jw_kv_raw(&w, "event", signed_json);
	jw_end(&w);
	if (invite->v1)
		jw_end(&w);
	inbound_reply(r, &out);
}

static enum err receive_invite(struct inbound_request *r, struct invite *invite)
{
	if (!rooms_version(r->f->o.rooms, r->args[0])) {
		enum err err = inbound_new_room(r);

		if (err)
			return err;
	}
	invite->r = r;
	invite->i.origin = r->origin;
	invite->i.room_id = r->args[0];
	invite->i.event_id = r->args[1];
	invite->i.done = invited;
	invite->i.owner = invite;
	rooms_receive_invite(r->f->o.rooms, &invite->i);
	return ERR_OK;
}

/* The body is the event, with the stripped state in its unsigned. */
enum err answer_invite_v1(struct inbound_request *r)
{
	struct invite *invite = ARENA_NEW(r->arena, struct invite);
	const struct json *more = json_get(r->body, "unsigned");

	invite->v1 = true;
	invite->i.event = r->body;
	invite->i.room_version = STR("1");
	if (more) {
		enum err err = json_opt_arr(
			more, "invite_room_state", &invite->i.invite_room_state, &r->why);

		if (err)
			return err;
	}
	return receive_invite(r, invite);
}

enum err answer_invite_v2(struct inbound_request *r)
{
	struct invite *invite = ARENA_NEW(r->arena, struct invite);
	enum err err = json_obj(r->body, "event", &invite->i.event, &r->why);

	if (!err)
		err = json_str(r->body, "room_version", &invite->i.room_version, &r->why);
	if (!err)
		err = json_opt_arr(
			r->body, "invite_room_state", &invite->i.invite_room_state, &r->why);
	return err ? err : receive_invite(r, invite);
}

/* ---- events and state ---- */

enum err answer_backfill(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct room_serve s = SERVE(r, &out);
	struct str from[MAX_BACKFILL_FROM];
	struct str text;
	uint64_t limit;
	size_t n = 0;

	while (n < MAX_BACKFILL_FROM && uri_query(r->arena, r->query, "v", n, &from[n]))
		n++;
	if (n == 0)
		return err_set(&r->why, ERR_INVALID, "v is missing");
	if (!inbound_query(r, "limit", &text) || !str_to_u64(text, &limit))
		return err_set(&r->why, ERR_INVALID, "limit is missing or no number");
	if (limit > MAX_BACKFILL_LIMIT)
		limit = MAX_BACKFILL_LIMIT;
	return reply(r, &s, &out,
		rooms_serve_backfill(r->f->o.rooms, &s, r->args[0], from, n, (unsigned)limit));
}

enum err answer_missing_events(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct room_serve s = SERVE(r, &out);

	return reply(r, &s, &out,
		rooms_serve_missing_events(r->f->o.rooms, &s, r->args[0], r->body));
}

static enum err answer_at_event(struct inbound_request *r,
	enum err (*serve)(struct rooms *rooms, struct room_serve *s, struct str room_id,
		struct str event_id))
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct room_serve s = SERVE(r, &out);
	struct str event_id;

	if (!inbound_query(r, "event_id", &event_id))
		return err_set(&r->why, ERR_INVALID, "event_id is missing");
	return reply(r, &s, &out, serve(r->f->o.rooms, &s, r->args[0], event_id));
}

static void state_done(struct room_serve_state *s, enum err err, struct str body)
{
	struct inbound_request *r = s->owner;
	CLEANUP(buf_deinit) struct buf out = { 0 };

	if (err) {
		r->why = s->why;
		inbound_error(r, err); /* s is in r's arena */
		return;
	}
	if (s->spool) {
		answer_spool(r, s->spool, s->length);
		return;
	}
	buf_put_str(&out, body);
	inbound_reply(r, &out);
}

enum err answer_state(struct inbound_request *r)
{
	struct room_serve_state *s = ARENA_NEW(r->arena, struct room_serve_state);

	*s = (struct room_serve_state){
		.origin = r->origin, .room_id = r->args[0], .done = state_done, .owner = r
	};
	if (!inbound_query(r, "event_id", &s->event_id))
		return err_set(&r->why, ERR_INVALID, "event_id is missing");
	rooms_serve_state(r->f->o.rooms, s);
	return ERR_OK;
}

enum err answer_state_ids(struct inbound_request *r)
{
	return answer_at_event(r, rooms_serve_state_ids);
}

enum err answer_event(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct room_serve s = SERVE(r, &out);

	return reply(r, &s, &out, rooms_serve_event(r->f->o.rooms, &s, r->args[0]));
}

enum err answer_event_auth(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct room_serve s = SERVE(r, &out);

	return reply(
		r, &s, &out, rooms_serve_event_auth(r->f->o.rooms, &s, r->args[0], r->args[1]));
}

enum err answer_directory(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct room_serve s = SERVE(r, &out);
	struct str alias;

	if (!inbound_query(r, "room_alias", &alias))
		return err_set(&r->why, ERR_INVALID, "room_alias is missing");
	return reply(r, &s, &out, rooms_serve_directory(r->f->o.rooms, &s, alias));
}
