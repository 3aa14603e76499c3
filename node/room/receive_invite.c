/*
 * Invites from other servers (server-server API, "Inviting to a room"; security.md A7).
 *
 *   look at --> VERIFY (signatures of the inviting server) --> stored, signed --> done
 */
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/room/incoming.h"
#include "node/room/receive.h"
#include "node/room/room.h"
#include "node/room/stripped.h"
#include "node/user/account_data.h"

#define LOG_MODULE "room"

struct invited {
	struct rooms *r;
	struct room_receive_invite *i;
	struct incoming in;
	struct loop_deferred deferred;
	enum err err;
};

static void finish(struct invited *x, enum err err, struct str json)
{
	struct room_receive_invite *i = x->i;

	i->handle = NULL;
	i->done(i, err, json);
	incoming_deinit(&x->in);
	free(x);
}

static void finish_deferred(struct loop_deferred *d)
{
	struct invited *x = CONTAINER_OF(d, struct invited, deferred);

	finish(x, x->err, (struct str){ 0 });
}

static enum err refuse(struct invited *x, enum err err, const char *text)
{
	return err_set(&x->i->why, err, "%s", text);
}

static bool ignores(struct invited *x, struct str user_id, struct str sender)
{
	struct arena *a = arena_new();
	const struct json *list;
	struct str text;
	bool yes = x->r->users &&
		!account_data_get_of(
			x->r->users, a, user_id, STR(""), STR("m.ignored_user_list"), &text) &&
		!json_parse_in(a, text, &json_limits_client, &list, NULL) &&
		json_get_str(json_get(list, "ignored_users"), sender);

	arena_free(a);
	return yes;
}

static bool count_one(void *arg, const struct store_member *m)
{
	unsigned *n = arg;

	*n += m->stripped.n > 0;
	return true;
}

/* How many rooms from afar does the user have waiting? */
static enum err check_quota(struct invited *x, struct str user_id)
{
	struct arena *a = arena_new();
	unsigned n = 0;
	enum err err = store_membership_rooms(
		x->r->store, a, user_id, MEMBERSHIP_INVITE, count_one, &n);

	arena_free(a);
	if (!err && n >= LIMIT_STRANGER_INVITES)
		err = refuse(x, ERR_FORBIDDEN, "the user has too many invites waiting");
	return err;
}

static enum err check_user(struct invited *x, const struct event *e)
{
	struct rooms *r = x->r;
	enum membership now = store_membership_of(r->store, e->room_id, e->state_key);

	if (!rooms_is_local_user(r, e->state_key) ||
		(r->users && !users_exists(r->users, e->state_key)))
		return refuse(x, ERR_NOT_FOUND, "there is no such user here");
	if (now == MEMBERSHIP_JOIN)
		return refuse(x, ERR_FORBIDDEN, "the user is in the room");
	if (ignores(x, e->state_key, e->sender))
		return refuse(x, ERR_FORBIDDEN, "the user takes no invite from there");
	return check_quota(x, e->state_key);
}

/* Version 12 up: the create event has to come along, and it is what the room is named by. */
static enum err check_state(struct invited *x, const struct room_version *v)
{
	const struct json *state = x->i->invite_room_state;

	if (!v->hash_room_id)
		return ERR_OK;
	for (const struct json *s = json_first(state); s; s = json_next(s)) {
		CLEANUP(event_freep) struct event *e = NULL;
		struct str type;

		if (!json_as_str(json_get(s, "type"), &type) ||
			!str_eq(type, STR("m.room.create")))
			continue;
		if (event_from_json(s, v, &e, &x->i->why))
			return ERR_INVALID;
		if (str_eq(e->room_id, x->i->room_id))
			return ERR_OK;
	}
	x->i->errcode = "M_MISSING_PARAM";
	return refuse(x, ERR_INVALID, "invite_room_state: the room's m.room.create is missing");
}

static enum err check(struct invited *x)
{
	struct room_receive_invite *i = x->i;
	const struct room_version *v = room_version_find(i->room_version);
	const struct event *e;
	enum err err;

	if (!v) {
		i->errcode = "M_INCOMPATIBLE_ROOM_VERSION";
		return refuse(x, ERR_INVALID, "this server does not know the room's version");
	}
	incoming_init(&x->in, x->r, v, i->room_id, i->origin);
	err = incoming_add(&x->in, i->event, &i->why);
	if (err)
		return err == ERR_EXISTS ? ERR_INVALID : err;
	e = x->in.events[0];
	if (!str_eq(e->event_id, i->event_id) || !event_is(e, "m.room.member", NULL) ||
		!str_eq(room_content_str(e, "membership"), STR("invite")) ||
		!str_eq(id_server_of(e->sender), i->origin))
		return refuse(x, ERR_INVALID, "this is no invite of that server and id");
	if (!rooms_server_allowed(x->r, i->room_id, i->origin))
		return refuse(x, ERR_FORBIDDEN, "the room does not let that server take part");
	err = check_user(x, e);
	return err ? err : check_state(x, v);
}

/* Where we take part in the room the event comes with the others, and counts when it does. */
static enum err put(struct invited *x, const struct event *e)
{
	struct rooms *r = x->r;
	struct store_event_new row = { .event = e, .flags = STORE_OUTLIER | STORE_AFAR };
	struct store_member m = {
		.room_id = e->room_id, .user_id = e->state_key, .membership = MEMBERSHIP_INVITE
	};
	struct buf stripped = { 0 };
	int64_t pos;
	enum err err = store_room_put(r->store, e->room_id, str_of(e->version->name), true);

	if (!err)
		err = store_event_put(r->store, &row, &m.event, &pos);
	if (err == ERR_EXISTS)
		err = store_event_find(r->store, e->event_id, &m.event, NULL);
	room_stripped_prune(x->i->invite_room_state, &stripped);
	m.stripped = buf_str(&stripped);
	if (!err)
		err = store_membership_put(r->store, &m);
	buf_deinit(&stripped);
	return err;
}

static void verified(struct incoming *in)
{
	struct invited *x = in->owner;
	CLEANUP(event_freep) struct event *e = NULL;
	struct str json = { 0 };
	enum err err;

	if (!in->n) {
		err = in->unreachable ? ERR_UNREACHABLE : ERR_INVALID;
		finish(x, refuse(x, err, "the signature is missing or wrong"), json);
		return;
	}
	err = event_cosign(in->events[0], x->r->key, &e);
	if (!err && !rooms_is_in_room(x->r, x->i->room_id)) {
		err = store_begin(x->r->store);
		if (!err)
			err = room_store_end(x->r, put(x, e));
	}
	if (!err)
		json = e->json;
	finish(x, err, json);
}

void rooms_receive_invite(struct rooms *r, struct room_receive_invite *i)
{
	struct invited *x = NEW(struct invited);

	x->r = r;
	x->i = i;
	i->handle = x;
	i->errcode = NULL;
	i->why.text[0] = '\0';
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
