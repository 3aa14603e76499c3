/*
 * Sending events (client-server API, "Sending events to a room", "Redactions").
 */
#include "client-api/reply.h"
#include "client-api/request.h"
#include "client-api/rooms.h"
#include "client-api/routes.h"
#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/room/canonical_alias.h"
#include "node/room/member.h"
#include "node/room/send.h"

static enum err send_and_reply(struct request *r, struct room_send *s)
{
	enum err err = rooms_send(r->api->rooms, s);

	if (err)
		room_reply_error(r, err, s->errcode, &s->why);
	else
		room_reply_event_id(r, s->event_id);
	return ERR_OK;
}

static struct room_send sending(struct request *r)
{
	return (struct room_send){ .room_id = r->args[0],
		.sender = r->caller.user_id,
		.device_id = r->caller.device_id,
		.content = r->body };
}

static enum err send_message(struct request *r)
{
	struct room_send s = sending(r);

	s.type = r->args[1];
	s.txn_id = r->args[2];
	return send_and_reply(r, &s);
}

static enum err redact_event(struct request *r)
{
	struct room_send s = sending(r);
	struct str reason = { 0 };
	enum err err = json_opt_str(r->body, "reason", &reason, &r->why);

	if (err)
		return err;
	s.type = STR("m.room.redaction");
	s.redacts = r->args[1];
	s.txn_id = r->args[2];
	return send_and_reply(r, &s);
}

/* An invite of another server's user needs that server, and a join or knock may need others,
 * whichever way it is asked for; the rest is plain state. */
static enum err set_member(struct request *r, struct room_send *s, bool *is_done)
{
	struct room_member m = {
		.room = s->room_id, .target = s->state_key, .content = s->content
	};
	struct str membership;
	struct str localpart;
	struct str server;
	enum err err = json_str(r->body, "membership", &membership, &r->why);

	*is_done = false;
	if (!err)
		err = json_opt_str(r->body, "reason", &m.reason, &r->why);
	if (!err)
		err = json_opt_bool(r->body, "is_direct", &m.is_direct, &r->why);
	if (err)
		return err;
	if (str_eq(membership, STR("invite")))
		m.action = MEMBER_INVITE;
	else if (str_eq(membership, STR("knock")))
		m.action = MEMBER_KNOCK;
	else if (str_eq(membership, STR("join")) &&
		!rooms_user_is_joined(r->api->rooms, s->room_id, s->sender))
		m.action = MEMBER_JOIN;
	else
		return ERR_OK;
	if (!id_user(s->state_key, &localpart, &server))
		return err_set(&r->why, ERR_INVALID, "the state key is no user id");
	if (m.action != MEMBER_INVITE && !str_eq(s->state_key, s->sender))
		return err_set(&r->why, ERR_FORBIDDEN, "nobody can do this for another");
	*is_done = true;
	room_change_member(r, &m, true);
	return ERR_OK;
}

struct naming {
	struct alias_check check;
	struct room_send send;
	struct request *request;
};

static void aliases_checked(struct alias_check *c, enum err err)
{
	struct naming *x = c->owner;

	if (err)
		room_reply_error(x->request, err, c->errcode, &c->why);
	else
		(void)send_and_reply(x->request, &x->send);
}

/* Aliases of other servers are looked up there before the event is sent. */
static enum err set_canonical_alias(struct request *r, const struct room_send *s)
{
	struct naming *x = ARENA_NEW(r->arena, struct naming);

	x->send = *s;
	x->request = r;
	x->check = (struct alias_check){ .room_id = s->room_id,
		.content = s->content,
		.done = aliases_checked,
		.owner = x };
	if (rooms_user_is_joined(r->api->rooms, s->room_id, s->sender) &&
		alias_check_start(r->api->rooms, &x->check))
		return ERR_OK;
	return send_and_reply(r, &x->send);
}

static enum err set_state(struct request *r)
{
	struct room_send s = sending(r);
	bool is_done = false;
	enum err err = ERR_OK;

	s.type = r->args[1];
	s.is_state = true;
	s.state_key = r->n_args > 2 ? r->args[2] : STR("");
	if (str_eq(s.type, STR("m.room.member")))
		err = set_member(r, &s, &is_done);
	else if (str_eq(s.type, STR("m.room.canonical_alias")) && !s.state_key.n)
		return set_canonical_alias(r, &s);
	return err || is_done ? err : send_and_reply(r, &s);
}

#define ROOM "/_matrix/client/v3/rooms/{roomId}"

const struct route room_send_routes[] = {
	{ "sendMessage", "PUT", ROOM "/send/{eventType}/{txnId}", AUTH_TOKEN, COST_WRITE,
		send_message, BODY_AUTO, LIMIT_BODY_EVENT, SUSPENDED_MAY_NOT },
	{ "redactEvent", "PUT", ROOM "/redact/{eventId}/{txnId}", AUTH_TOKEN, COST_WRITE,
		redact_event, BODY_AUTO, LIMIT_BODY_EVENT },
	{ "setRoomStateWithKey", "PUT", ROOM "/state/{eventType}/{stateKey}", AUTH_TOKEN,
		COST_WRITE, set_state, BODY_AUTO, LIMIT_BODY_EVENT, SUSPENDED_MAY_NOT },
	/* An empty state key may be left out of the path, and its slash too. */
	{ "setRoomStateWithKey", "PUT", ROOM "/state/{eventType}", AUTH_TOKEN, COST_WRITE,
		set_state, BODY_AUTO, LIMIT_BODY_EVENT, SUSPENDED_MAY_NOT },
	{ "setRoomStateWithKey", "PUT", ROOM "/state/{eventType}/", AUTH_TOKEN, COST_WRITE,
		set_state, BODY_AUTO, LIMIT_BODY_EVENT, SUSPENDED_MAY_NOT },
	{ 0 },
};
