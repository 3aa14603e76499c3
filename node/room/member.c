#include "node/room/member.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/core/power.h"
#include "node/room/build.h"
#include "node/room/member_op.h"
#include "node/room/restricted.h"

/*
 *   start --alias--> RESOLVE --> ACT --we take part--> local event --> done
 *     |                           |
 *     +-------room id-------------+--we don't, or another server has to sign-->
 *                                      join.c, leave.c, invite.c --> done
 *
 * done is never called inside rooms_member(): what is answered at once is deferred.
 */

#define SERVERS_MAX 16

static const char *membership_of(enum room_member_action action)
{
	switch (action) {
	case MEMBER_JOIN: return "join";
	case MEMBER_KNOCK: return "knock";
	case MEMBER_INVITE: return "invite";
	case MEMBER_BAN: return "ban";
	case MEMBER_LEAVE:
	case MEMBER_KICK:
	case MEMBER_UNBAN: break;
	}
	return "leave";
}

void member_finish(struct member_op *op, enum err err)
{
	struct room_member *m = op->m;

	m->op = NULL;
	room_copy_id(m->room_id, op->room_id);
	loop_undefer(op->r->loop, &op->deferred);
	directory_lookup_deinit(&op->lookup);
	arena_free(op->arena);
	free(op);
	m->done(m, err);
}

enum err member_fail(struct member_op *op, enum err err, const char *errcode, const char *text)
{
	op->m->errcode = errcode;
	return err_set(&op->m->why, err, "%s", text);
}

void member_finish_later(struct member_op *op, enum err err)
{
	op->err = err;
	loop_defer(op->r->loop, &op->deferred);
}

static void deferred_finish(struct loop_deferred *d)
{
	struct member_op *op = CONTAINER_OF(d, struct member_op, deferred);

	member_finish(op, op->err);
}

/* Members of content that we write ourselves; a client's own content adds the rest. */
static bool is_ours(struct str key)
{
	static const char *const ours[] = { "membership", "displayname", "avatar_url", "reason",
		"is_direct", "join_authorised_via_users_server", "third_party_invite" };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_eq(key, str_of(ours[i])))
			return true;
	return false;
}

static bool is_profile(struct str key)
{
	return str_eq(key, STR("displayname")) || str_eq(key, STR("avatar_url"));
}

/* Who enters a room may have another name or picture there than elsewhere. */
static bool has_own_profile(const struct member_op *op)
{
	const struct json *content = op->m->content;

	return str_eq(op->target, op->m->sender) &&
		(json_get(content, "displayname") || json_get(content, "avatar_url"));
}

static void make_content(struct member_op *op, struct str authoriser)
{
	const struct room_member *m = op->m;
	struct buf out = { 0 };
	struct jw w = jw_to(&out);
	bool own_profile = has_own_profile(op);
	bool plain = !own_profile &&
		(m->action == MEMBER_JOIN || m->action == MEMBER_KNOCK ||
			m->action == MEMBER_INVITE);

	jw_obj(&w);
	if (plain)
		room_member_content(op->r, op->arena, op->target, membership_of(m->action), &w);
	else
		jw_kv_z(&w, "membership", membership_of(m->action));
	if (m->reason.n)
		jw_kv_str(&w, "reason", m->reason);
	if (m->action == MEMBER_INVITE && m->is_direct)
		jw_kv_bool(&w, "is_direct", true);
	if (authoriser.n)
		jw_kv_str(&w, "join_authorised_via_users_server", authoriser);
	for (const struct json *c = json_first(m->content); c; c = json_next(c)) {
		if (is_ours(json_key(c)) && !(own_profile && is_profile(json_key(c))))
			continue;
		jw_key_str(&w, json_key(c));
		jw_json(&w, c);
	}
	jw_end(&w);
	op->content = arena_str(op->arena, buf_str(&out));
	buf_deinit(&out);
}

enum err member_send(struct member_op *op, struct room *room)
{
	const struct room_draft d = { .type = STR("m.room.member"),
		.sender = op->m->sender,
		.is_state = true,
		.state_key = op->target,
		.content = op->content };

	return room_send_draft(op->r, room, &d, op->m->event_id, &op->m->why);
}

/* What the rules of events would let pass, but a client should be told of. */
static enum err check_target(struct member_op *op, struct room *room)
{
	enum err err = ERR_OK;
	struct str now = room_membership(op->r, room, op->target, &err);
	bool out = !now.n || str_eq(now, STR("leave"));

	if (err)
		return err;
	switch (op->m->action) {
	case MEMBER_KICK:
		if (out || str_eq(now, STR("ban")))
			return member_fail(
				op, ERR_FORBIDDEN, NULL, "the user is not in the room");
		break;
	case MEMBER_UNBAN:
		if (!str_eq(now, STR("ban")))
			return member_fail(op, ERR_FORBIDDEN, NULL, "the user is not banned");
		break;
	case MEMBER_JOIN:
	case MEMBER_KNOCK:
	case MEMBER_INVITE:
	case MEMBER_LEAVE:
	case MEMBER_BAN: break;
	}
	return ERR_OK;
}

static enum err act_local(struct member_op *op, struct room *room)
{
	struct str authoriser = STR("");
	enum err err = check_target(op, room);

	if (!err && op->m->action == MEMBER_JOIN)
		err = room_restricted_authoriser(op->r, room, op->target, op->arena,
			&authoriser, &op->m->errcode, &op->m->why);
	if (err)
		return err;
	make_content(op, authoriser);
	return member_send(op, room);
}

/* Another server's user has a say in being invited: that server signs the event too. */
static bool needs_server(const struct member_op *op)
{
	return op->m->action == MEMBER_INVITE && !rooms_is_local_user(op->r, op->target);
}

static void add_server(struct member_op *op, struct str *list, struct str server)
{
	if (!server.n || op->n_servers >= SERVERS_MAX || !id_server_name(server) ||
		str_eq(server, op->r->server_name))
		return;
	for (size_t i = 0; i < op->n_servers; i++)
		if (str_eq(list[i], server))
			return;
	list[op->n_servers++] = arena_str(op->arena, server);
}

/* Who may know the room: who invited us first, since they surely do. */
static void find_servers(struct member_op *op)
{
	struct str *list = arena_calloc(op->arena, SERVERS_MAX, sizeof(*list));
	struct store_member row;
	struct store_event invite;
	const struct str *joined;
	size_t n;

	op->n_servers = 0;
	if (!store_membership_get(op->r->store, op->arena, op->room_id, op->target, &row) &&
		row.event && !store_event_get_nid(op->r->store, op->arena, row.event, &invite))
		add_server(op, list, id_server_of(invite.sender));
	for (size_t i = 0; i < op->m->n_via; i++)
		add_server(op, list, op->m->via[i]);
	for (size_t i = 0; i < op->lookup.n_servers; i++)
		add_server(op, list, op->lookup.servers[i]);
	add_server(op, list, id_server_of(op->room_id));
	if (!store_membership_servers(op->r->store, op->arena, op->room_id, &joined, &n))
		for (size_t i = 0; i < n; i++)
			add_server(op, list, joined[i]);
	op->servers = list;
}

static void act_remote(struct member_op *op)
{
	find_servers(op);
	make_content(op, STR(""));
	switch (op->m->action) {
	case MEMBER_JOIN: remote_join_start(op); return;
	case MEMBER_KNOCK: remote_knock_start(op); return;
	case MEMBER_LEAVE: remote_leave_start(op); return;
	case MEMBER_INVITE:
	case MEMBER_KICK:
	case MEMBER_BAN:
	case MEMBER_UNBAN: break;
	}
	member_finish_later(
		op, member_fail(op, ERR_FORBIDDEN, NULL, "you are not in this room"));
}

/* Nothing to do: joined or left already. */
static bool is_done(struct member_op *op)
{
	enum membership now = store_membership_of(op->r->store, op->room_id, op->target);

	return (op->m->action == MEMBER_JOIN && now == MEMBERSHIP_JOIN) ||
		(op->m->action == MEMBER_LEAVE && now == MEMBERSHIP_LEAVE);
}

/* A restricted room may let in through another server whom none of ours can vouch for. */
static bool others_may_know(const struct member_op *op, enum err err)
{
	return err == ERR_FORBIDDEN && op->m->action == MEMBER_JOIN && op->m->errcode &&
		op->r->ops;
}

static void act(struct member_op *op)
{
	struct room *room;
	enum err err;

	if (is_done(op)) {
		member_finish_later(op, ERR_OK);
		return;
	}
	if (!rooms_is_in_room(op->r, op->room_id)) {
		act_remote(op);
		return;
	}
	err = room_get(op->r, op->room_id, &room);
	if (!err && needs_server(op)) {
		make_content(op, STR(""));
		remote_invite_start(op);
		return;
	}
	if (!err)
		err = act_local(op, room);
	if (others_may_know(op, err)) {
		op->m->errcode = NULL;
		op->m->why.text[0] = '\0';
		act_remote(op);
		return;
	}
	member_finish_later(op, err);
}

static void resolved(struct directory_lookup *l, enum err err)
{
	struct member_op *op = l->owner;

	if (err) {
		op->m->why = l->why;
		member_finish(op, err);
		return;
	}
	op->room_id = l->room_id;
	act(op);
}

void rooms_member(struct rooms *r, struct room_member *m)
{
	struct member_op *op = NEW(struct member_op);
	struct str localpart;
	struct str server;

	op->r = r;
	op->m = m;
	op->arena = arena_new();
	op->deferred.fn = deferred_finish;
	op->target = m->target.n ? m->target : m->sender;
	m->op = op;
	m->rooms = r;
	m->errcode = NULL;
	m->room_id[0] = '\0';
	m->event_id[0] = '\0';
	if (!id_user(op->target, &localpart, &server)) {
		member_finish_later(op, member_fail(op, ERR_INVALID, NULL, "not a user id"));
	} else if (m->room.n && m->room.p[0] == '#') {
		op->lookup = (struct directory_lookup){
			.alias = m->room, .done = resolved, .owner = op
		};
		directory_resolve(r, &op->lookup);
	} else if (!id_room(m->room)) {
		member_finish_later(
			op, member_fail(op, ERR_INVALID, NULL, "not a room id or alias"));
	} else {
		op->room_id = arena_str(op->arena, m->room);
		act(op);
	}
}

enum err rooms_forget(
	struct rooms *r, struct str room_id, struct str user_id, struct err_ctx *why)
{
	struct store_member row;
	struct arena *a = arena_new();
	enum err err = store_membership_get(r->store, a, room_id, user_id, &row);

	if (err == ERR_NOT_FOUND)
		err = err_set(why, ERR_NOT_FOUND, "you were never in this room");
	else if (!err && row.membership != MEMBERSHIP_LEAVE && row.membership != MEMBERSHIP_BAN)
		err = err_set(why, ERR_INVALID, "leave the room first");
	arena_free(a);
	if (!err)
		err = store_begin(r->store);
	if (err)
		return err;
	return room_store_end(r, store_membership_forget(r->store, room_id, user_id));
}
