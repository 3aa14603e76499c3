#include "node/room/directory.h"

#include "node/core/id.h"
#include "node/core/power.h"
#include "node/room/build.h"
#include "node/room/room.h"
#include <stdio.h>

#define PUBLIC_ROOMS_PAGE 100
#define ALIAS_SERVERS_MAX 16
#define TOKEN_MAX         24

enum err directory_alias_put(struct rooms *r, struct str alias, struct str room_id,
	struct str user_id, struct err_ctx *why)
{
	struct str localpart;
	struct str server;
	enum err err;

	if (!id_room_alias(alias, &localpart, &server))
		return err_set(why, ERR_INVALID, "not a room alias");
	if (!str_eq(server, r->server_name))
		return err_set(why, ERR_INVALID, "the alias is not of this server");
	if (!rooms_user_is_joined(r, room_id, user_id))
		return err_set(why, ERR_FORBIDDEN, "you are not in this room");
	err = store_begin(r->store);
	if (err)
		return err;
	err = room_store_end(r, store_room_alias_put(r->store, alias, room_id, user_id));
	return err == ERR_EXISTS ? err_set(why, err, "this alias is taken") : err;
}

static bool may_send(
	struct rooms *r, struct room *room, struct str user_id, struct str type, enum err *err)
{
	const struct event *create = room_current(r, room, STR("m.room.create"), STR(""), err);
	const struct event *levels =
		room_current(r, room, STR("m.room.power_levels"), STR(""), err);

	return create && str_eq(room_membership(r, room, user_id, err), STR("join")) &&
		power_of_user(create, levels, user_id) >=
		power_to_send(create, levels, type, true);
}

/* The canonical alias event without this alias; false if it isn't in it. */
static bool without_alias(const struct event *now, struct str alias, struct buf *out)
{
	struct jw w = jw_to(out);
	bool found = false;
	struct str s;

	jw_obj(&w);
	for (const struct json *m = json_first(now->content); m; m = json_next(m)) {
		if (str_eq(json_key(m), STR("alias")) && json_as_str(m, &s) &&
			str_eq(s, alias)) {
			found = true;
			continue;
		}
		jw_key_str(&w, json_key(m));
		if (!str_eq(json_key(m), STR("alt_aliases")) || !json_is(m, JSON_ARRAY)) {
			jw_json(&w, m);
			continue;
		}
		jw_arr(&w);
		for (const struct json *i = json_first(m); i; i = json_next(i)) {
			if (json_as_str(i, &s) && str_eq(s, alias))
				found = true;
			else
				jw_json(&w, i);
		}
		jw_end(&w);
	}
	jw_end(&w);
	return found;
}

/* The room no longer calls itself by this alias, if the user may say so. */
static enum err drop_canonical(
	struct rooms *r, struct str room_id, struct str alias, struct str user_id)
{
	struct room *room;
	struct buf content = { 0 };
	struct room_draft d = { .type = STR("m.room.canonical_alias"),
		.sender = user_id,
		.is_state = true,
		.state_key = STR("") };
	const struct event *now;
	enum err err = room_get(r, room_id, &room);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	now = room_current(r, room, d.type, d.state_key, &err);
	if (!err && now && without_alias(now, alias, &content)) {
		d.content = buf_str(&content);
		err = room_send_draft(r, room, &d, NULL, NULL);
		if (err == ERR_FORBIDDEN)
			err = ERR_OK;
	}
	buf_deinit(&content);
	return err;
}

static enum err may_delete(struct rooms *r, const struct store_alias *alias, struct str user_id,
	struct err_ctx *why)
{
	struct room *room;
	enum err err = ERR_OK;

	if (str_eq(alias->creator, user_id))
		return ERR_OK;
	if (!room_get(r, alias->room_id, &room) &&
		may_send(r, room, user_id, STR("m.room.canonical_alias"), &err))
		return err;
	return err ? err : err_set(why, ERR_FORBIDDEN, "this alias is not yours");
}

enum err directory_alias_delete(
	struct rooms *r, struct str alias, struct str user_id, struct err_ctx *why)
{
	struct arena *a = arena_new();
	struct store_alias row;
	enum err err = store_room_alias_get(r->store, a, alias, &row);

	if (err == ERR_NOT_FOUND)
		err = err_set(why, err, "no such alias");
	if (!err)
		err = may_delete(r, &row, user_id, why);
	if (!err)
		err = store_begin(r->store);
	if (!err) {
		err = store_room_alias_delete(r->store, alias);
		if (!err)
			err = drop_canonical(r, row.room_id, alias, user_id);
		err = room_store_end(r, err);
	}
	arena_free(a);
	return err;
}

enum err directory_alias_get(
	struct rooms *r, struct arena *a, struct str alias, struct str *room_id)
{
	struct store_alias row;
	enum err err = store_room_alias_get(r->store, a, alias, &row);

	if (!err)
		*room_id = row.room_id;
	return err;
}

static bool is_world_readable(struct rooms *r, struct str room_id)
{
	struct room *room;
	const struct event *e;
	enum err err = room_get(r, room_id, &room);

	if (err)
		return false;
	e = room_current(r, room, STR("m.room.history_visibility"), STR(""), &err);
	return e && str_eq(room_content_str(e, "history_visibility"), STR("world_readable"));
}

enum err directory_room_aliases(struct rooms *r, struct str room_id, struct str user_id,
	struct buf *out, struct err_ctx *why)
{
	struct jw w = jw_to(out);
	const struct store_alias *aliases;
	struct arena *a;
	size_t n;
	enum err err;

	if (!rooms_user_is_joined(r, room_id, user_id) && !is_world_readable(r, room_id))
		return err_set(why, ERR_FORBIDDEN, "you are not in this room");
	a = arena_new();
	err = store_room_aliases(r->store, a, room_id, &aliases, &n);
	if (!err) {
		jw_obj(&w);
		jw_key(&w, "aliases");
		jw_arr(&w);
		for (size_t i = 0; i < n; i++)
			jw_str(&w, aliases[i].alias);
		jw_end(&w);
		jw_end(&w);
	}
	arena_free(a);
	return err;
}

static void finish_later(struct directory_lookup *l, enum err err)
{
	l->err = err;
	loop_defer(l->rooms->loop, &l->deferred);
}

static void deferred_finish(struct loop_deferred *d)
{
	struct directory_lookup *l = CONTAINER_OF(d, struct directory_lookup, deferred);

	l->done(l, l->err);
}

static enum err read_answer(struct directory_lookup *l, struct str body)
{
	const struct json *reply;
	const struct json *servers;
	struct str *list;
	struct str room_id;
	struct str s;
	enum err err = json_parse_in(l->arena, body, &json_limits_peer, &reply, &l->why);

	if (!err)
		err = json_str(reply, "room_id", &room_id, &l->why);
	if (!err)
		err = json_arr(reply, "servers", &servers, &l->why);
	if (err)
		return err;
	if (!id_room(room_id))
		return err_set(&l->why, ERR_MALFORMED, "room_id: not a room id");
	list = arena_calloc(l->arena, ALIAS_SERVERS_MAX, sizeof(*list));
	l->n_servers = 0;
	for (const struct json *i = json_first(servers); i && l->n_servers < ALIAS_SERVERS_MAX;
		i = json_next(i))
		if (json_as_str(i, &s) && id_server_name(s))
			list[l->n_servers++] = s;
	l->servers = list;
	l->room_id = room_id;
	return ERR_OK;
}

static void answered(struct room_call *c, enum err err, struct str body)
{
	struct directory_lookup *l = CONTAINER_OF(c, struct directory_lookup, call);

	if (!err)
		err = read_answer(l, body);
	/* What the other server answers wrongly is its fault, not our client's. */
	if (err == ERR_MALFORMED)
		err = ERR_UNREACHABLE;
	if (err && !l->why.text[0])
		l->why = c->why;
	l->done(l, err);
}

static enum err lookup_local(struct directory_lookup *l)
{
	struct store_alias row;
	enum err err = store_room_alias_get(l->rooms->store, l->arena, l->alias, &row);

	if (err == ERR_NOT_FOUND)
		return err_set(&l->why, err, "no such alias");
	if (err)
		return err;
	l->room_id = row.room_id;
	return store_membership_servers(
		l->rooms->store, l->arena, row.room_id, &l->servers, &l->n_servers);
}

void directory_resolve(struct rooms *r, struct directory_lookup *l)
{
	struct str localpart;
	struct str server;

	l->rooms = r;
	l->arena = arena_new();
	l->deferred = (struct loop_deferred){ .fn = deferred_finish };
	l->why = (struct err_ctx){ { 0 } };
	if (!id_room_alias(l->alias, &localpart, &server)) {
		finish_later(l, err_set(&l->why, ERR_INVALID, "not a room alias"));
	} else if (str_eq(server, r->server_name)) {
		finish_later(l, lookup_local(l));
	} else if (!r->ops) {
		finish_later(l, err_set(&l->why, ERR_UNREACHABLE, "no server can be reached"));
	} else {
		l->call = (struct room_call){ .server = server, .done = answered };
		r->ops->directory(r->ops->arg, &l->call, l->alias);
	}
}

void directory_lookup_deinit(struct directory_lookup *l)
{
	if (l->rooms)
		loop_undefer(l->rooms->loop, &l->deferred);
	arena_free(l->arena);
	l->arena = NULL;
}

enum err directory_visibility_get(
	struct rooms *r, struct str room_id, bool *published, struct err_ctx *why)
{
	struct arena *a = arena_new();
	struct store_room row;
	enum err err = store_room_get(r->store, a, room_id, &row);

	if (!err)
		*published = row.published;
	else if (err == ERR_NOT_FOUND)
		err = err_set(why, err, "no such room");
	arena_free(a);
	return err;
}

enum err directory_visibility_put(struct rooms *r, struct str room_id, struct str user_id,
	bool publish, struct err_ctx *why)
{
	struct room *room;
	bool may;
	enum err err = room_get(r, room_id, &room);

	if (err)
		return err == ERR_NOT_FOUND ? err_set(why, err, "no such room") : err;
	may = may_send(r, room, user_id, STR("m.room.canonical_alias"), &err);
	if (!err && !may)
		err = err_set(why, ERR_FORBIDDEN, "you may not publish this room");
	if (!err)
		err = store_begin(r->store);
	if (err)
		return err;
	return room_store_end(r, store_room_set_published(r->store, room_id, publish));
}

struct listing {
	struct rooms *r;
	const struct directory_query *q;
	struct jw *w;
	int64_t skip;
	int64_t limit;
	int64_t seen; /* that match */
	int64_t written;
	enum err err;
};

static struct str state_str(
	struct listing *l, struct room *room, const char *type, const char *key)
{
	const struct event *e = room_current(l->r, room, str_of(type), STR(""), &l->err);

	return e ? room_content_str(e, key) : STR("");
}

static bool contains(struct str text, struct str part)
{
	for (size_t i = 0; i + part.n <= text.n; i++)
		if (str_eq_nocase((struct str){ text.p + i, part.n }, part))
			return true;
	return false;
}

static void put_if(struct jw *w, const char *key, struct str value)
{
	if (value.n)
		jw_kv_str(w, key, value);
}

static void put_room(struct listing *l, struct room *room, struct str name, struct str topic,
	struct str alias)
{
	struct jw *w = l->w;
	struct str rule = state_str(l, room, "m.room.join_rules", "join_rule");
	unsigned joined = 0;
	enum err err = store_membership_count(l->r->store, room->id, MEMBERSHIP_JOIN, &joined);

	if (err)
		l->err = err;
	jw_obj(w);
	jw_kv_str(w, "room_id", room->id);
	put_if(w, "name", name);
	put_if(w, "topic", topic);
	put_if(w, "canonical_alias", alias);
	put_if(w, "avatar_url", state_str(l, room, "m.room.avatar", "url"));
	put_if(w, "room_type", state_str(l, room, "m.room.create", "type"));
	jw_kv_str(w, "join_rule", rule.n ? rule : STR("invite"));
	jw_kv_int(w, "num_joined_members", joined);
	jw_kv_bool(w, "world_readable",
		str_eq(state_str(l, room, "m.room.history_visibility", "history_visibility"),
			STR("world_readable")));
	jw_kv_bool(w, "guest_can_join",
		str_eq(state_str(l, room, "m.room.guest_access", "guest_access"),
			STR("can_join")));
	jw_end(w);
}

static bool list_room(void *arg, const struct store_room *row)
{
	struct listing *l = arg;
	struct room *room;
	struct str name;
	struct str topic;
	struct str alias;

	if (row->partial || room_get(l->r, row->room_id, &room))
		return true;
	name = state_str(l, room, "m.room.name", "name");
	topic = state_str(l, room, "m.room.topic", "topic");
	alias = state_str(l, room, "m.room.canonical_alias", "alias");
	if (l->q->search.n && !contains(name, l->q->search) && !contains(topic, l->q->search) &&
		!contains(alias, l->q->search))
		return !l->err;
	if (l->seen++ >= l->skip && l->written < l->limit) {
		put_room(l, room, name, topic, alias);
		l->written++;
	}
	return !l->err;
}

enum err directory_public_rooms(
	struct rooms *r, const struct directory_query *q, struct buf *out, struct err_ctx *why)
{
	struct jw w = jw_to(out);
	struct listing l = { .r = r, .q = q, .w = &w, .limit = q->limit };
	struct arena *a;
	enum err err;

	if (l.limit <= 0 || l.limit > PUBLIC_ROOMS_PAGE)
		l.limit = PUBLIC_ROOMS_PAGE;
	if (q->since.n && (!str_to_i64(q->since, &l.skip) || l.skip < 0))
		return err_set(why, ERR_INVALID, "since: this is no token of ours");
	a = arena_new();
	jw_obj(&w);
	jw_key(&w, "chunk");
	jw_arr(&w);
	err = store_room_each(r->store, a, true, list_room, &l);
	arena_free(a);
	if (err || l.err)
		return err ? err : l.err;
	jw_end(&w);
	jw_kv_int(&w, "total_room_count_estimate", l.seen);
	if (l.skip + l.written < l.seen) {
		char token[TOKEN_MAX];

		snprintf(
			token, sizeof(token), "%lld", (long long)l.skip + (long long)l.written);
		jw_kv_z(&w, "next_batch", token);
	}
	if (l.skip) {
		char token[TOKEN_MAX];
		int64_t before = l.skip > l.limit ? l.skip - l.limit : 0;

		snprintf(token, sizeof(token), "%lld", (long long)before);
		jw_kv_z(&w, "prev_batch", token);
	}
	jw_end(&w);
	return ERR_OK;
}
