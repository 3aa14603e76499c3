#include "node/room/upgrade.h"

#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/core/power.h"
#include "node/room/build.h"
#include "node/room/found.h"
#include "node/room/room.h"
#include "node/user/account_data.h"

#define BANS_MAX 1000 /* copied to the new room */

/* State that goes along as it is ("Room Upgrades", server behaviour 3). Power levels do too,
 * rewritten for the version. */
static const char *const copied[] = { "m.room.server_acl", "m.room.encryption", "m.room.name",
	"m.room.avatar", "m.room.topic", "m.room.guest_access", "m.room.history_visibility",
	"m.room.join_rules", "m.room.canonical_alias", "m.room.pinned_events" };

struct upgrading {
	struct rooms *r;
	struct room_upgrade *u;
	struct arena *a;
	struct room *old;
	const struct room_version *version;
	struct room_create create;
	struct str new_id;
	int64_t raised; /* what the creator needs to write the state; 0: nothing special */
};

static enum err check(struct upgrading *x)
{
	struct room_upgrade *u = x->u;
	const struct event *create;
	const struct event *levels;
	enum err err = room_get(x->r, u->room_id, &x->old);

	if (err == ERR_NOT_FOUND)
		return err_set(&u->why, ERR_NOT_FOUND, "no such room");
	if (err)
		return err;
	x->version = room_version_find(u->version);
	if (!x->version || !x->version->offered) {
		u->errcode = "M_UNSUPPORTED_ROOM_VERSION";
		return err_set(&u->why, ERR_INVALID, "this server has no such room version");
	}
	create = room_current(x->r, x->old, STR("m.room.create"), STR(""), &err);
	levels = room_current(x->r, x->old, STR("m.room.power_levels"), STR(""), &err);
	if (err)
		return err;
	if (!create || !str_eq(room_membership(x->r, x->old, u->user_id, &err), STR("join")) ||
		power_of_user(create, levels, u->user_id) <
			power_to_send(create, levels, STR("m.room.tombstone"), true))
		return err ? err
			   : err_set(&u->why, ERR_FORBIDDEN, "you may not replace this room");
	return err;
}

static enum err parsed(struct upgrading *x, struct buf *text, const struct json **out)
{
	enum err err = json_parse_in(x->a, buf_str(text), &json_limits_client, out, &x->u->why);

	buf_deinit(text);
	return err;
}

/* creation_content: the old room's type and federation, and where it came from. */
static enum err make_creation(struct upgrading *x)
{
	struct buf out = { 0 };
	struct jw w = jw_to(&out);
	enum err err = ERR_OK;
	const struct event *create =
		room_current(x->r, x->old, STR("m.room.create"), STR(""), &err);
	const struct json *m;

	if (err || !create)
		return err ? err : ERR_CORRUPT;
	jw_obj(&w);
	m = json_get(create->content, "type");
	if (json_is(m, JSON_STRING))
		jw_kv_json(&w, "type", m);
	m = json_get(create->content, "m.federate");
	if (json_is(m, JSON_BOOL))
		jw_kv_json(&w, "m.federate", m);
	if (x->u->additional_creators && x->version->creator_power)
		jw_kv_json(&w, "additional_creators", x->u->additional_creators);
	jw_key(&w, "predecessor");
	jw_obj(&w);
	jw_kv_str(&w, "room_id", x->u->room_id);
	if (!x->version->creator_power && x->old->n_ends)
		jw_kv_z(&w, "event_id", x->old->ends[x->old->n_ends - 1].event_id);
	jw_end(&w);
	jw_end(&w);
	return parsed(x, &out, &x->create.creation_content);
}

static enum err make_state(struct upgrading *x)
{
	struct buf out = { 0 };
	struct jw w = jw_to(&out);
	enum err err = ERR_OK;

	jw_arr(&w);
	for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
		const struct event *e =
			room_current(x->r, x->old, str_of(copied[i]), STR(""), &err);

		if (!e)
			continue;
		jw_obj(&w);
		jw_kv_str(&w, "type", e->type);
		jw_kv_z(&w, "state_key", "");
		jw_kv_json(&w, "content", e->content);
		jw_end(&w);
	}
	jw_end(&w);
	if (err) {
		buf_deinit(&out);
		return err;
	}
	return parsed(x, &out, &x->create.initial_state);
}

static bool is_new_creator(const struct upgrading *x, struct str user_id)
{
	struct str s;

	if (str_eq(user_id, x->u->user_id))
		return true;
	for (const struct json *i = json_first(x->u->additional_creators); i; i = json_next(i))
		if (json_as_str(i, &s) && str_eq(s, user_id))
			return true;
	return false;
}

static void max_of(const struct json *obj, int64_t *max)
{
	int64_t level;

	for (const struct json *m = json_first(obj); m; m = json_next(m))
		if (json_as_int(m, &level) && level > *max)
			*max = level;
}

static void put_users(struct upgrading *x, const struct json *users, int64_t own, struct jw *w)
{
	bool creators = x->version->creator_power;

	jw_key(w, "users");
	jw_obj(w);
	for (const struct json *m = json_first(users); m; m = json_next(m)) {
		if (creators ? is_new_creator(x, json_key(m))
			     : str_eq(json_key(m), x->u->user_id))
			continue;
		jw_key_str(w, json_key(m));
		jw_json(w, m);
	}
	if (!creators) {
		jw_key_str(w, x->u->user_id);
		jw_int(w, own);
	}
	jw_end(w);
}

static void put_events(struct upgrading *x, const struct json *events, struct jw *w)
{
	int64_t tombstone = 0;
	bool lift = x->version->creator_power &&
		!(json_as_int(json_get(events, "m.room.tombstone"), &tombstone) &&
			tombstone >= 150);

	jw_key(w, "events");
	jw_obj(w);
	for (const struct json *m = json_first(events); m; m = json_next(m)) {
		if (lift && str_eq(json_key(m), STR("m.room.tombstone")))
			continue;
		jw_key_str(w, json_key(m));
		jw_json(w, m);
	}
	if (lift)
		jw_kv_int(w, "m.room.tombstone", 150);
	jw_end(w);
}

/* The old room's power levels in the new version's form; own: the upgrading user's level where
 * the version writes it down. */
static void put_levels(
	struct upgrading *x, const struct json *old, int64_t own, struct buf *out)
{
	struct jw w = jw_to(out);

	jw_obj(&w);
	for (const struct json *m = json_first(old); m; m = json_next(m)) {
		if (str_eq(json_key(m), STR("users")) || str_eq(json_key(m), STR("events")))
			continue;
		jw_key_str(&w, json_key(m));
		jw_json(&w, m);
	}
	put_users(x, json_get(old, "users"), own, &w);
	put_events(x, json_get(old, "events"), &w);
	jw_end(&w);
}

static const struct json *old_levels(struct upgrading *x, enum err *err)
{
	const struct event *e =
		room_current(x->r, x->old, STR("m.room.power_levels"), STR(""), err);

	return e ? e->content : NULL;
}

static int64_t own_level(struct upgrading *x, enum err *err)
{
	const struct event *create =
		room_current(x->r, x->old, STR("m.room.create"), STR(""), err);
	const struct event *levels =
		room_current(x->r, x->old, STR("m.room.power_levels"), STR(""), err);
	int64_t own = create ? power_of_user(create, levels, x->u->user_id) : 0;

	return own > JSON_INT_MAX ? 100 : own;
}

/* The first levels of the new room let its creator write all of the state. */
static enum err make_levels(struct upgrading *x)
{
	struct buf out = { 0 };
	enum err err = ERR_OK;
	const struct json *old = old_levels(x, &err);
	int64_t own = own_level(x, &err);
	int64_t needed = 100;

	if (err || !old)
		return err;
	max_of(old, &needed);
	max_of(json_get(old, "events"), &needed);
	max_of(json_get(old, "users"), &needed);
	if (!x->version->creator_power && own < needed)
		x->raised = needed;
	put_levels(x, old, x->raised ? x->raised : own, &out);
	return parsed(x, &out, &x->create.power_levels);
}

static enum err send_state(struct upgrading *x, struct room *room, const char *type,
	struct str state_key, struct buf *content)
{
	const struct room_draft d = { .type = str_of(type),
		.sender = x->u->user_id,
		.is_state = true,
		.state_key = state_key,
		.content = buf_str(content) };
	enum err err = room_send_draft(x->r, room, &d, NULL, &x->u->why);

	buf_deinit(content);
	return err;
}

/* What the user may not do in the old room stays undone. */
static enum err tolerated(struct upgrading *x, enum err err)
{
	if (err != ERR_FORBIDDEN)
		return err;
	x->u->why.text[0] = '\0';
	return ERR_OK;
}

struct bans {
	struct upgrading *x;
	struct room *room;
	size_t n;
	enum err err;
};

static bool copy_ban(void *arg, const struct store_member *m)
{
	struct bans *b = arg;
	struct buf content = { 0 };

	if (str_eq(m->user_id, b->x->u->user_id))
		return true;
	buf_put_z(&content, "{\"membership\":\"ban\"}");
	b->err = tolerated(b->x,
		send_state(b->x, b->room, "m.room.member", arena_str(b->x->a, m->user_id),
			&content));
	return !b->err && ++b->n < BANS_MAX;
}

static enum err finish_new(struct upgrading *x)
{
	struct bans b = { .x = x };
	struct buf content = { 0 };
	enum err err = room_get(x->r, x->new_id, &b.room);

	if (!err)
		err = store_membership_members(
			x->r->store, x->a, x->u->room_id, MEMBERSHIP_BAN, copy_ban, &b);
	if (!err)
		err = b.err;
	if (!err && x->raised) {
		const struct json *old = old_levels(x, &err);
		int64_t own = own_level(x, &err);

		if (!err && old) {
			put_levels(x, old, own, &content);
			err = send_state(x, b.room, "m.room.power_levels", STR(""), &content);
		}
	}
	return err;
}

static enum err move_aliases(struct upgrading *x)
{
	struct store *st = x->r->store;
	const struct store_alias *aliases;
	struct store_room row;
	size_t n;
	enum err err = store_room_aliases(st, x->a, x->u->room_id, &aliases, &n);

	for (size_t i = 0; i < n && !err; i++) {
		err = store_room_alias_delete(st, aliases[i].alias);
		if (!err)
			err = store_room_alias_put(
				st, aliases[i].alias, x->new_id, aliases[i].creator);
	}
	if (!err)
		err = store_room_get(st, x->a, x->u->room_id, &row);
	if (!err && row.published) {
		err = store_room_set_published(st, x->new_id, true);
		if (!err)
			err = store_room_set_published(st, x->u->room_id, false);
	}
	return err;
}

static enum err put_tombstone(struct upgrading *x)
{
	struct buf content = { 0 };
	struct jw w = jw_to(&content);

	jw_obj(&w);
	jw_kv_z(&w, "body", "This room has been replaced");
	jw_kv_str(&w, "replacement_room", x->new_id);
	jw_end(&w);
	return send_state(x, x->old, "m.room.tombstone", STR(""), &content);
}

static enum err close_old(struct upgrading *x)
{
	struct buf content = { 0 };
	struct jw w = jw_to(&content);
	enum err err = ERR_OK;
	const struct json *old = old_levels(x, &err);
	int64_t level = 0;

	if (err || !old)
		return err;
	if (json_as_int(json_get(old, "users_default"), &level))
		level++;
	if (level < 50)
		level = 50;
	jw_obj(&w);
	for (const struct json *m = json_first(old); m; m = json_next(m)) {
		if (str_eq(json_key(m), STR("events_default")) ||
			str_eq(json_key(m), STR("invite")))
			continue;
		jw_key_str(&w, json_key(m));
		jw_json(&w, m);
	}
	jw_kv_int(&w, "events_default", level);
	jw_kv_int(&w, "invite", level);
	jw_end(&w);
	err = tolerated(x, send_state(x, x->old, "m.room.power_levels", STR(""), &content));
	if (err || !room_current(x->r, x->old, STR("m.room.canonical_alias"), STR(""), &err))
		return err;
	buf_put_z(&content, "{}");
	return tolerated(x, send_state(x, x->old, "m.room.canonical_alias", STR(""), &content));
}

static enum err write(struct upgrading *x)
{
	struct room_found f = { .create = &x->create, .arena = x->a };
	enum err err = room_found(x->r, &f);

	if (err) {
		x->u->errcode = x->create.errcode;
		x->u->why = x->create.why;
		return err;
	}
	x->new_id = f.room_id;
	err = finish_new(x);
	if (!err)
		err = move_aliases(x);
	if (!err)
		err = put_tombstone(x);
	if (!err)
		err = close_old(x);
	if (!err && x->r->users)
		err = account_data_copy_room(
			x->r->users, x->u->user_id, x->u->room_id, x->new_id);
	return err;
}

enum err rooms_upgrade(struct rooms *r, struct room_upgrade *u)
{
	struct upgrading x = { .r = r, .u = u, .a = arena_new() };
	enum err err;

	u->errcode = NULL;
	u->replacement[0] = '\0';
	x.create = (struct room_create){
		.creator = u->user_id, .version = u->version, .preset = STR("private_chat")
	};
	err = check(&x);
	if (!err)
		err = make_creation(&x);
	if (!err)
		err = make_state(&x);
	if (!err)
		err = make_levels(&x);
	if (!err)
		err = store_begin(r->store);
	if (!err)
		err = room_store_end(r, write(&x));
	if (!err)
		room_copy_id(u->replacement, x.new_id);
	arena_free(x.a);
	return err;
}
