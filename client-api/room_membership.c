/*
 * Who is in a room (client-server API, "Room membership").
 */
#include "client-api/reply.h"
#include "client-api/request.h"
#include "client-api/rooms.h"
#include "client-api/routes.h"
#include "node/room/member.h"

#define VIA_MAX 16

static enum err read_reason(struct request *r, struct room_member *m)
{
	return json_opt_str(r->body, "reason", &m->reason, &r->why);
}

static void read_via(struct request *r, struct room_member *m)
{
	/* server_name is what via was called before version 1.12. */
	static const char *const names[] = { "via", "server_name" };
	struct str *via = arena_calloc(r->arena, VIA_MAX, sizeof(*via));

	for (size_t i = 0; i < ARRAY_LEN(names) && !m->n_via; i++)
		for (size_t at = 0; m->n_via < VIA_MAX &&
			request_query_each(r, names[i], &at, &via[m->n_via]);)
			m->n_via++;
	m->via = via;
}

static enum err enter(struct request *r, enum room_member_action action)
{
	struct room_member m = { .action = action, .room = r->args[0] };
	const struct json *third_party = NULL;
	enum err err = read_reason(r, &m);

	if (!err)
		err = json_opt_obj(r->body, "third_party_signed", &third_party, &r->why);
	if (err)
		return err;
	read_via(r, &m);
	room_change_member(r, &m, false);
	return ERR_OK;
}

static enum err join_room(struct request *r)
{
	return enter(r, MEMBER_JOIN);
}

static enum err knock_room(struct request *r)
{
	return enter(r, MEMBER_KNOCK);
}

static enum err leave_room(struct request *r)
{
	struct room_member m = { .action = MEMBER_LEAVE, .room = r->args[0] };
	enum err err = read_reason(r, &m);

	if (!err)
		room_change_member(r, &m, false);
	return err;
}

static enum err change_other(struct request *r, enum room_member_action action)
{
	struct room_member m = { .action = action, .room = r->args[0] };
	enum err err = read_reason(r, &m);

	if (!err && !json_get(r->body, "user_id")) {
		reply_error(r, 400, "M_MISSING_PARAM", "user_id: whom?");
		return ERR_OK;
	}
	if (!err)
		err = json_str(r->body, "user_id", &m.target, &r->why);
	if (!err && !m.target.n)
		err = err_set(&r->why, ERR_INVALID, "user_id: not a user id");
	if (!err)
		room_change_member(r, &m, false);
	return err;
}

static enum err invite_user(struct request *r)
{
	if (!json_get(r->body, "user_id") && json_get(r->body, "medium"))
		return err_set(&r->why, ERR_FORBIDDEN, "this server knows no identity server");
	return change_other(r, MEMBER_INVITE);
}

static enum err kick(struct request *r)
{
	return change_other(r, MEMBER_KICK);
}

static enum err ban(struct request *r)
{
	return change_other(r, MEMBER_BAN);
}

static enum err unban(struct request *r)
{
	return change_other(r, MEMBER_UNBAN);
}

static enum err forget_room(struct request *r)
{
	enum err err = rooms_forget(r->api->rooms, r->args[0], r->caller.user_id, &r->why);

	if (err == ERR_INVALID) {
		reply_error(r, 400, "M_UNKNOWN", "%s", r->why.text);
		return ERR_OK;
	}
	if (!err)
		reply_empty(r);
	return err;
}

static enum err get_joined_rooms(struct request *r)
{
	struct buf out = { 0 };

	return room_reply_read(r,
		room_read_joined_rooms(r->api->rooms, r->caller.user_id, &out, &r->why), &out);
}

static enum err get_members(struct request *r)
{
	struct buf out = { 0 };
	struct room_reader reader;
	struct str at = STR("");
	struct str membership = STR("");
	struct str not_membership = STR("");
	enum err err = room_reader_of(r, &reader);

	if (err)
		return err;
	request_query(r, "at", &at);
	request_query(r, "membership", &membership);
	request_query(r, "not_membership", &not_membership);
	return room_reply_read(r,
		room_read_members(
			r->api->rooms, &reader, at, membership, not_membership, &out, &r->why),
		&out);
}

static enum err get_joined_members(struct request *r)
{
	struct buf out = { 0 };
	struct room_reader reader;
	enum err err = room_reader_of(r, &reader);

	if (err)
		return err;
	return room_reply_read(
		r, room_read_joined_members(r->api->rooms, &reader, &out, &r->why), &out);
}

const struct route room_membership_routes[] = {
	{ "joinRoom", "POST", "/_matrix/client/v3/join/{roomIdOrAlias}", AUTH_TOKEN, COST_WRITE,
		join_room, BODY_AUTO, 0, SUSPENDED_MAY_NOT },
	{ "joinRoomById", "POST", "/_matrix/client/v3/rooms/{roomId}/join", AUTH_TOKEN,
		COST_WRITE, join_room, BODY_AUTO, 0, SUSPENDED_MAY_NOT },
	{ "knockRoom", "POST", "/_matrix/client/v3/knock/{roomIdOrAlias}", AUTH_TOKEN,
		COST_WRITE, knock_room, BODY_AUTO, 0, SUSPENDED_MAY_NOT },
	{ "leaveRoom", "POST", "/_matrix/client/v3/rooms/{roomId}/leave", AUTH_TOKEN,
		COST_WRITE, leave_room },
	{ "forgetRoom", "POST", "/_matrix/client/v3/rooms/{roomId}/forget", AUTH_TOKEN,
		COST_WRITE, forget_room },
	{ "inviteUser", "POST", "/_matrix/client/v3/rooms/{roomId}/invite", AUTH_TOKEN,
		COST_INVITE, invite_user, BODY_AUTO, 0, SUSPENDED_MAY_NOT },
	{ "kick", "POST", "/_matrix/client/v3/rooms/{roomId}/kick", AUTH_TOKEN, COST_WRITE,
		kick },
	{ "ban", "POST", "/_matrix/client/v3/rooms/{roomId}/ban", AUTH_TOKEN, COST_WRITE, ban },
	{ "unban", "POST", "/_matrix/client/v3/rooms/{roomId}/unban", AUTH_TOKEN, COST_WRITE,
		unban },
	{ "getJoinedRooms", "GET", "/_matrix/client/v3/joined_rooms", AUTH_TOKEN, COST_READ,
		get_joined_rooms },
	{ "getMembersByRoom", "GET", "/_matrix/client/v3/rooms/{roomId}/members", AUTH_TOKEN,
		COST_READ, get_members },
	{ "getJoinedMembersByRoom", "GET", "/_matrix/client/v3/rooms/{roomId}/joined_members",
		AUTH_TOKEN, COST_READ, get_joined_members },
	{ 0 },
};
