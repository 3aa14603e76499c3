#include "node/room/serve.h"

#include <assert.h>

#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/room/build.h"
#include "node/room/directory.h"
#include "node/room/restricted.h"
#include "node/room/serve_room.h"
#include "node/room/state.h"

enum err serve_room(struct rooms *r, struct str origin, struct str room_id, bool member,
	struct room **out, struct err_ctx *why)
{
	enum err err = room_get(r, room_id, out);

	/* Members are told of what was there while we were in the room, too: who else can, if
	 * we sent something and left? */
	if (err == ERR_NOT_FOUND || (!err && !member && !rooms_is_in_room(r, room_id)))
		return err_set(why, ERR_NOT_FOUND, "this server is not in that room");
	if (err)
		return err;
	if (!rooms_server_allowed(r, room_id, origin))
		return err_set(
			why, ERR_FORBIDDEN, "the room does not let this server take part");
	if (member && !store_membership_server_joined(r->store, room_id, origin))
		return err_set(why, ERR_FORBIDDEN, "nobody of yours is in that room");
	return ERR_OK;
}

enum err serve_put_events(struct rooms *r, const struct str *ids, size_t n, struct jw *w)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < n && !err; i++) {
		struct arena *a = arena_new();
		struct store_event e;

		err = store_event_get(r->store, a, ids[i], &e);
		if (!err)
			jw_raw(w, e.json);
		else if (err == ERR_NOT_FOUND)
			err = ERR_CORRUPT;
		arena_free(a);
	}
	return err;
}

enum err serve_room_state_ids(struct rooms *r, struct arena *a, int64_t group,
	const struct str **state, size_t *n_state, const struct str **chain, size_t *n_chain)
{
	const struct store_state_entry *entries = NULL;
	struct str *ids;
	size_t n = 0;
	enum err err = ERR_OK;

	if (group)
		err = store_state_group_read(r->store, a, group, NULL, 0, &entries, &n);
	if (err)
		return err;
	ids = arena_calloc(a, n + 1, sizeof(*ids));
	for (size_t i = 0; i < n; i++)
		ids[i] = entries[i].event_id;
	*state = ids;
	*n_state = n;
	return store_auth_chain(r->store, a, ids, n, LIMIT_JOIN_EVENTS, chain, n_chain);
}

static bool takes_version(const struct room *room, const struct str *versions, size_t n)
{
	if (!n)
		return str_eq(str_of(room->version->name), STR("1"));
	for (size_t i = 0; i < n; i++)
		if (str_eq(versions[i], str_of(room->version->name)))
			return true;
	return false;
}

/* The template: what the event would be if it were ours, without hashes and signatures. */
static enum err put_template(struct rooms *r, struct room_serve *s, struct room *room,
	struct str user_id, struct str content)
{
	static const char *const not_ours[] = { "hashes", "signatures" };
	CLEANUP(event_freep) struct event *e = NULL;
	const struct room_draft d = { .type = STR("m.room.member"),
		.sender = user_id,
		.is_state = true,
		.state_key = user_id,
		.content = content };
	struct room_state now;
	struct buf text = { 0 };
	struct jw w = jw_to(s->out);
	enum err err = room_build(r, room, &d, &e, &s->why);

	if (err)
		return err;
	room_state_current(&now, r, room);
	err = room_state_check(&now, e, &s->why);
	room_state_deinit(&now);
	if (err)
		return err;
	json_canonical_without(e->tree, not_ours, 2, &text);
	jw_obj(&w);
	jw_kv_raw(&w, "event", buf_str(&text));
	jw_kv_z(&w, "room_version", room->version->name);
	jw_end(&w);
	buf_deinit(&text);
	return ERR_OK;
}

static enum err make(struct rooms *r, struct room_serve *s, struct str room_id,
	struct str user_id, struct room **room)
{
	struct str localpart;
	struct str server;

	s->errcode = NULL;
	if (!id_user(user_id, &localpart, &server))
		return err_set(&s->why, ERR_INVALID, "not a user id");
	if (!str_eq(server, s->origin))
		return err_set(
			&s->why, ERR_FORBIDDEN, "the user is not of the server that asks");
	return serve_room(r, s->origin, room_id, false, room, &s->why);
}

static enum err check_version(
	struct room_serve *s, const struct room *room, const struct str *versions, size_t n)
{
	if (takes_version(room, versions, n))
		return ERR_OK;
	s->errcode = "M_INCOMPATIBLE_ROOM_VERSION";
	return err_set(&s->why, ERR_INVALID, "the room has version %s", room->version->name);
}

enum err rooms_make_join(struct rooms *r, struct room_serve *s, struct str room_id,
	struct str user_id, const struct str *versions, size_t n)
{
	struct arena *a = arena_new();
	struct buf content = { 0 };
	struct jw w = jw_to(&content);
	struct str authoriser = STR("");
	struct room *room = NULL;
	enum err err = make(r, s, room_id, user_id, &room);

	assert(err || room);
	if (!err)
		err = check_version(s, room, versions, n);
	if (!err)
		err = room_restricted_authoriser(
			r, room, user_id, a, &authoriser, &s->errcode, &s->why);
	if (!err) {
		jw_obj(&w);
		if (authoriser.n)
			jw_kv_str(&w, "join_authorised_via_users_server", authoriser);
		jw_kv_z(&w, "membership", "join");
		jw_end(&w);
		err = put_template(r, s, room, user_id, buf_str(&content));
	}
	buf_deinit(&content);
	arena_free(a);
	return err;
}

enum err rooms_make_leave(
	struct rooms *r, struct room_serve *s, struct str room_id, struct str user_id)
{
	struct room *room = NULL;
	enum err err = make(r, s, room_id, user_id, &room);

	assert(err || room);
	return err ? err : put_template(r, s, room, user_id, STR("{\"membership\":\"leave\"}"));
}

enum err rooms_make_knock(struct rooms *r, struct room_serve *s, struct str room_id,
	struct str user_id, const struct str *versions, size_t n)
{
	struct room *room = NULL;
	enum err err = make(r, s, room_id, user_id, &room);

	assert(err || room);
	if (!err)
		err = check_version(s, room, versions, n);
	return err ? err : put_template(r, s, room, user_id, STR("{\"membership\":\"knock\"}"));
}

enum err rooms_serve_directory(struct rooms *r, struct room_serve *s, struct str alias)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(s->out);
	const struct str *servers;
	struct str room_id = { 0 };
	size_t n = 0;
	enum err err = directory_alias_get(r, a, alias, &room_id);

	s->errcode = NULL;
	if (!err)
		err = store_membership_servers(r->store, a, room_id, &servers, &n);
	else if (err == ERR_NOT_FOUND)
		err = err_set(&s->why, err, "no such alias");
	if (!err) {
		jw_obj(&w);
		jw_kv_str(&w, "room_id", room_id);
		jw_key(&w, "servers");
		jw_arr(&w);
		for (size_t i = 0; i < n; i++)
			jw_str(&w, servers[i]);
		jw_end(&w);
		jw_end(&w);
	}
	arena_free(a);
	return err;
}
