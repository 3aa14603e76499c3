#include "node/user/profile.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/user/users_impl.h"
#include "store/profile.h"

#define PROFILE_BYTES 65536U

/* "Common Namespaced Identifier Grammar" or one of the two old names. */
static bool field_ok(struct str s)
{
	bool dot = false;
	bool start = true;

	if (str_eq(s, STR("displayname")) || str_eq(s, STR("avatar_url")))
		return true;
	if (s.n == 0 || s.n > LIMIT_ID_BYTES)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '.') {
			if (start)
				return false;
			dot = start = true;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') ||
			    (!start && ((c >= '0' && c <= '9') || c == '_'))))
			return false;
		start = false;
	}
	return dot && !start;
}

/* The text of a JSON string of ours; empty if it isn't one. */
static struct str unquote(struct arena *a, struct str value)
{
	CLEANUP(buf_deinit) struct buf wrapped = { 0 };
	const struct json *j;
	struct str text = { 0 };

	if (value.n == 0)
		return text;
	buf_printf(&wrapped, "[%.*s]", STR_FMT(value));
	if (json_parse_in(a, buf_str(&wrapped), &json_limits_client, &j, NULL) == ERR_OK)
		(void)json_as_str(json_first(j), &text);
	return arena_str(a, text);
}

enum err profile_get_local(struct users *u, struct arena *a, struct str user_id,
	struct str *displayname, struct str *avatar_url)
{
	struct store_account account;
	struct str name = { 0 }, avatar = { 0 };
	enum err err = users_account(u, a, user_id, &account);

	if (err)
		return err;
	err = store_profile_get(u->store, a, account.nid, STR("displayname"), &name);
	if (!err || err == ERR_NOT_FOUND)
		err = store_profile_get(u->store, a, account.nid, STR("avatar_url"), &avatar);
	if (err && err != ERR_NOT_FOUND)
		return err;
	*displayname = unquote(a, name);
	*avatar_url = unquote(a, avatar);
	return ERR_OK;
}

/*
 * Reading.
 */

enum err users_serve_profile(struct users *u, struct str user_id, struct str field,
	struct buf *out, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account account;
	struct store_profile_field *fields;
	struct jw w = jw_to(out);
	struct str value;
	size_t n;
	enum err err = users_account(u, a, user_id, &account);

	if (err == ERR_NOT_FOUND)
		return err_set(why, err, "there is no such user");
	if (err)
		return err;
	if (field.n) {
		err = store_profile_get(u->store, a, account.nid, field, &value);
		if (err)
			return err_set(why, err, "the profile has no such field");
		jw_obj(&w);
		jw_key_str(&w, field);
		jw_raw(&w, value);
		jw_end(&w);
		return ERR_OK;
	}
	err = store_profile_list(u->store, a, account.nid, &fields, &n);
	if (err)
		return err;
	jw_obj(&w);
	for (size_t i = 0; i < n; i++) {
		jw_key_str(&w, fields[i].field);
		jw_raw(&w, fields[i].value);
	}
	jw_end(&w);
	return ERR_OK;
}

struct profile_op {
	struct users *users;
	struct profile_call *call;
	struct arena *arena; /* owned */
	struct str user_id;
	struct str field;
	struct user_remote_call remote;
	struct users_later later;
	enum err err;
};

static void finish(struct profile_op *op, enum err err, struct str reply)
{
	struct profile_call *c = op->call;
	struct arena *a = op->arena;

	free(op);
	c->done(c, err, reply);
	arena_free(a);
}

static void answer_local(struct users_later *l, bool cancelled)
{
	struct profile_op *op = CONTAINER_OF(l, struct profile_op, later);
	struct buf out = { 0 };
	enum err err = cancelled ? ERR_CANCELLED : op->err;

	if (!err)
		err = users_serve_profile(
			op->users, op->user_id, op->field, &out, &op->call->why);
	finish(op, err, buf_str(&out));
	buf_deinit(&out);
}

/* What another server says of its user goes on as it came, but for types that would break a
 * client: the two old fields are strings. */
static bool value_ok(struct str field, const struct json *value)
{
	struct str s;

	if (str_eq(field, STR("displayname")) || str_eq(field, STR("avatar_url")))
		return json_as_str(value, &s);
	return true;
}

static void answer_remote(struct user_remote_call *c, enum err err, const struct json *reply)
{
	struct profile_op *op = CONTAINER_OF(c, struct profile_op, remote);
	struct buf out = { 0 };
	struct jw w = jw_to(&out);
	size_t fields = 0;

	if (!err && !json_is(reply, JSON_OBJECT))
		err = err_set(&op->call->why, ERR_UNREACHABLE,
			"the other server's answer is no "
			"profile");
	jw_obj(&w);
	for (const struct json *m = err ? NULL : json_first(reply); m; m = json_next(m)) {
		if (op->field.n && !str_eq(json_key(m), op->field))
			continue;
		if (!value_ok(json_key(m), m))
			continue;
		jw_key_str(&w, json_key(m));
		jw_json(&w, m);
		fields++;
	}
	jw_end(&w);
	if (!err && op->field.n && fields == 0)
		err = err_set(&op->call->why, ERR_NOT_FOUND, "the profile has no such field");
	if (err)
		(void)err_set(&op->call->why, err, "the user's server did not say");
	finish(op, err, buf_str(&out));
	buf_deinit(&out);
}

void profile_get(struct users *u, struct str user_id, struct str field, struct profile_call *c)
{
	struct profile_op *op = NEW(struct profile_op);
	struct str localpart, server;
	bool local = true;

	op->users = u;
	op->call = c;
	op->arena = arena_new();
	op->user_id = arena_str(op->arena, user_id);
	op->field = arena_str(op->arena, field);
	op->later.fn = answer_local;
	op->remote.done = answer_remote;
	if (!id_user(user_id, &localpart, &server))
		op->err = err_set(&c->why, ERR_INVALID, "not a user id");
	else
		local = str_eq(server, u->o.server_name);
	if (!local && !u->remote)
		op->err = err_set(&c->why, ERR_NOT_FOUND, "that server can't be reached");
	if (local || !u->remote)
		users_later(u, &op->later);
	else
		u->remote->query_profile(u->remote_arg, op->user_id, op->field, &op->remote);
}

/*
 * Changing.
 */

static enum err check_value(struct str field, const struct json *value, struct err_ctx *why)
{
	struct str s, server, media_id;

	if (str_eq(field, STR("displayname"))) {
		if (!json_as_str(value, &s))
			return err_set(why, ERR_MALFORMED, "displayname is no string");
		if (s.n > LIMIT_DISPLAYNAME_BYTES)
			return err_set(why, ERR_INVALID, "a display name has at most %d bytes",
				LIMIT_DISPLAYNAME_BYTES);
	} else if (str_eq(field, STR("avatar_url"))) {
		if (!json_as_str(value, &s))
			return err_set(why, ERR_MALFORMED, "avatar_url is no string");
		if (s.n > LIMIT_AVATAR_URL_BYTES)
			return err_set(why, ERR_INVALID, "an avatar_url has at most %d bytes",
				LIMIT_AVATAR_URL_BYTES);
		if (s.n && !id_mxc(s, &server, &media_id))
			return err_set(why, ERR_INVALID, "avatar_url is no mxc:// URI");
	} else if (str_eq(field, STR("m.tz")) && !json_as_str(value, &s)) {
		return err_set(why, ERR_MALFORMED, "m.tz is no string");
	}
	return ERR_OK;
}

/* Goes into the user's rooms. */
static bool is_in_rooms(struct str field)
{
	return str_eq(field, STR("displayname")) || str_eq(field, STR("avatar_url"));
}

/* An empty avatar or name takes it away: what clients send to do so. */
static bool takes_away(struct str field, const struct json *value)
{
	struct str s;

	return !value || (is_in_rooms(field) && json_as_str(value, &s) && s.n == 0);
}

static enum err check_size(struct users *u, int64_t account, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_profile_field *fields;
	size_t n, bytes = 2;
	enum err err = store_profile_list(u->store, a, account, &fields, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		bytes += fields[i].field.n + fields[i].value.n + 4;
	if (bytes >= PROFILE_BYTES)
		return err_set(
			why, ERR_TOO_LARGE, "a profile has at most %u bytes", PROFILE_BYTES);
	return ERR_OK;
}

static enum err set_field(struct users *u, const struct user_caller *who, struct str field,
	const struct json *value, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	enum err err;

	if (takes_away(field, value)) {
		err = store_profile_delete(u->store, who->account, field);
	} else {
		json_canonical(value, &text);
		err = store_profile_put(u->store, who->account, field, buf_str(&text));
		if (!err)
			err = check_size(u, who->account, why);
	}
	if (err)
		return err;
	store_feed(u->store,
		&(struct feed_item){ .kind = FEED_PROFILE,
			.pos = store_next_pos(u->store),
			.user_id = who->user_id });
	if (is_in_rooms(field) && u->rooms)
		u->rooms->profile_changed(u->rooms_arg, who->user_id);
	return ERR_OK;
}

/* Whether it would change nothing: then no room hears of it. */
static bool is_same(
	struct users *u, int64_t account, struct str field, const struct json *value)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct str old;
	enum err err = store_profile_get(u->store, a, account, field, &old);

	if (takes_away(field, value))
		return err == ERR_NOT_FOUND;
	if (err)
		return false;
	json_canonical(value, &text);
	return str_eq(buf_str(&text), old);
}

enum err profile_set(struct users *u, const struct user_caller *who, struct str field,
	const struct json *value, struct err_ctx *why)
{
	enum err err = ERR_OK;

	if (!field_ok(field))
		return err_set(why, ERR_INVALID, "that is no name for a profile field");
	if (value)
		err = check_value(field, value, why);
	if (err || is_same(u, who->account, field, value))
		return err;
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, set_field(u, who, field, value, why));
}
