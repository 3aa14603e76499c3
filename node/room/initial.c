#include "node/room/initial.h"

#include "node/core/id.h"

/* What the presets set (client-server API, POST /createRoom). */
struct preset {
	const char *name;
	const char *join_rule;
	const char *guest_access;
	int invite_level;
	bool trusted; /* who is invited gets the creator's power */
};

static const struct preset presets[] = {
	{ "private_chat", "invite", "can_join", 0, false },
	{ "trusted_private_chat", "invite", "can_join", 0, true },
	{ "public_chat", "public", "forbidden", 50, false },
};

#define SET_EVENTS 9 /* create, join, levels, alias, three of the preset, name, topic */

struct builder {
	struct arena *arena;
	const struct room_initial_params *p;
	const struct room_create *c;
	const struct preset *preset;
	const struct json *invited; /* who gets the creator's power: a trusted chat's */
	struct room_initial *events;
	size_t n;
	struct err_ctx *why;
};

bool room_initial_refused(struct str type)
{
	return str_eq(type, STR("m.room.create")) || str_eq(type, STR("m.room.member"));
}

static void add(struct builder *b, const char *type, struct str content)
{
	b->events[b->n++] = (struct room_initial){ str_of(type), STR(""), content };
}

/* Takes what w wrote into the arena. */
static struct str taken(struct builder *b, struct buf *content)
{
	struct str s = arena_str(b->arena, buf_str(content));

	buf_deinit(content);
	return s;
}

static struct str one_member(struct builder *b, const char *key, struct str value)
{
	struct buf out = { 0 };
	struct jw w = jw_to(&out);

	jw_obj(&w);
	jw_kv_str(&w, key, value);
	jw_end(&w);
	return taken(b, &out);
}

static enum err find_preset(struct builder *b)
{
	struct str name = b->c->preset;

	if (!name.n)
		name = b->c->public ? STR("public_chat") : STR("private_chat");
	for (size_t i = 0; i < ARRAY_LEN(presets); i++)
		if (str_eq(name, str_of(presets[i].name)))
			b->preset = &presets[i];
	if (!b->preset)
		return err_set(b->why, ERR_INVALID, "preset: there is no such preset");
	if (b->preset->trusted)
		b->invited = b->c->invite;
	return ERR_OK;
}

static enum err check_users(struct builder *b, const struct json *list, const char *what)
{
	struct str id;
	struct str localpart;
	struct str server;

	for (const struct json *u = json_first(list); u; u = json_next(u)) {
		if (!json_as_str(u, &id))
			return err_set(b->why, ERR_MALFORMED, "%s: must be strings", what);
		if (!id_user(id, &localpart, &server))
			return err_set(b->why, ERR_INVALID, "%s: not a user id", what);
	}
	return ERR_OK;
}

static bool among(const struct json *list, const struct json *end, struct str id)
{
	struct str other;

	for (const struct json *u = json_first(list); u && u != end; u = json_next(u))
		if (json_as_str(u, &other) && str_eq(other, id))
			return true;
	return false;
}

/* additional_creators of version 12: those asked for and, in a trusted chat, who is invited;
 * each once, never the creator. */
static enum err put_creators(struct builder *b, struct jw *w, const struct json *asked)
{
	struct str id;
	enum err err;

	if (asked && !json_is(asked, JSON_ARRAY))
		return err_set(b->why, ERR_MALFORMED, "additional_creators: must be an array");
	err = check_users(b, asked, "additional_creators");
	if (err)
		return err;
	if (!json_first(asked) && !json_first(b->invited))
		return ERR_OK;
	jw_key(w, "additional_creators");
	jw_arr(w);
	for (const struct json *u = json_first(asked); u; u = json_next(u))
		if (json_as_str(u, &id) && !str_eq(id, b->c->creator) && !among(asked, u, id))
			jw_str(w, id);
	for (const struct json *u = json_first(b->invited); u; u = json_next(u))
		if (json_as_str(u, &id) && !str_eq(id, b->c->creator) &&
			!among(b->invited, u, id) && !among(asked, NULL, id))
			jw_str(w, id);
	jw_end(w);
	return ERR_OK;
}

static enum err check_creation_content(struct builder *b)
{
	const struct json *content = b->c->creation_content;
	struct str type = { 0 };
	bool federate;
	enum err err;

	err = json_opt_bool(content, "m.federate", &federate, b->why);
	if (!err)
		err = json_opt_str(content, "type", &type, b->why);
	return err;
}

static enum err add_create(struct builder *b)
{
	const struct room_version *v = b->p->version;
	const struct json *content = b->c->creation_content;
	struct buf out = { 0 };
	struct jw w = jw_to(&out);
	enum err err = ERR_OK;

	if (content) {
		err = check_creation_content(b);
		if (err)
			return err;
	}
	jw_obj(&w);
	for (const struct json *m = json_first(content); m; m = json_next(m)) {
		struct str key = json_key(m);

		if (str_eq(key, STR("creator")) || str_eq(key, STR("room_version")) ||
			(v->creator_power && str_eq(key, STR("additional_creators"))))
			continue;
		jw_key_str(&w, key);
		jw_json(&w, m);
	}
	if (v->creator_power)
		err = put_creators(b, &w, json_get(content, "additional_creators"));
	if (!v->implicit_creator)
		jw_kv_str(&w, "creator", b->c->creator);
	jw_kv_z(&w, "room_version", v->name);
	jw_end(&w);
	add(b, "m.room.create", taken(b, &out));
	return err;
}

/* The members of object base that are not in over, then those of over. */
static void put_members(struct jw *w, const struct json *base, const struct json *over)
{
	for (const struct json *m = json_first(base); m; m = json_next(m)) {
		if (over && json_get_str(over, json_key(m)))
			continue;
		jw_key_str(w, json_key(m));
		jw_json(w, m);
	}
	for (const struct json *m = json_first(over); m; m = json_next(m)) {
		jw_key_str(w, json_key(m));
		jw_json(w, m);
	}
}

static void put_level_users(struct builder *b, struct jw *w)
{
	struct str id;

	jw_key(w, "users");
	jw_obj(w);
	if (!b->p->version->creator_power) {
		jw_key_str(w, b->c->creator);
		jw_int(w, 100);
		for (const struct json *u = json_first(b->invited); u; u = json_next(u)) {
			if (!json_as_str(u, &id) || str_eq(id, b->c->creator) ||
				among(b->invited, u, id))
				continue;
			jw_key_str(w, id);
			jw_int(w, 100);
		}
	}
	jw_end(w);
}

static struct str default_levels(struct builder *b)
{
	/* A tombstone ends the room: in version 12 only creators can be above 100. */
	int tombstone = b->p->version->creator_power ? 150 : 100;
	const struct {
		const char *type;
		int level;
	} events[] = {
		{ "m.room.avatar", 50 },
		{ "m.room.canonical_alias", 50 },
		{ "m.room.encryption", 100 },
		{ "m.room.history_visibility", 100 },
		{ "m.room.name", 50 },
		{ "m.room.power_levels", 100 },
		{ "m.room.server_acl", 100 },
		{ "m.room.tombstone", tombstone },
	};
	struct buf out = { 0 };
	struct jw w = jw_to(&out);

	jw_obj(&w);
	jw_kv_int(&w, "ban", 50);
	jw_key(&w, "events");
	jw_obj(&w);
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		jw_kv_int(&w, events[i].type, events[i].level);
	jw_end(&w);
	jw_kv_int(&w, "events_default", 0);
	jw_kv_int(&w, "invite", b->preset->invite_level);
	jw_kv_int(&w, "kick", 50);
	jw_kv_int(&w, "redact", 50);
	jw_kv_int(&w, "state_default", 50);
	put_level_users(b, &w);
	jw_kv_int(&w, "users_default", 0);
	jw_end(&w);
	return taken(b, &out);
}

static enum err add_levels(struct builder *b)
{
	struct str levels = default_levels(b);
	const struct json *base;
	struct buf out = { 0 };
	struct jw w = jw_to(&out);
	enum err err;

	if (b->c->power_levels) {
		err = json_parse_in(b->arena, levels, &json_limits_client, &base, b->why);
		if (err)
			return err;
		jw_obj(&w);
		put_members(&w, base, b->c->power_levels);
		jw_end(&w);
		levels = taken(b, &out);
	}
	add(b, "m.room.power_levels", levels);
	return ERR_OK;
}

/* Does the request set this state itself, so that the preset's must not come first? */
static bool is_given(const struct builder *b, const char *type)
{
	struct str t;
	struct str key;

	for (const struct json *e = json_first(b->c->initial_state); e; e = json_next(e)) {
		if (!json_as_str(json_get(e, "type"), &t) || !str_eq(t, str_of(type)))
			continue;
		if (!json_as_str(json_get(e, "state_key"), &key) || !key.n)
			return true;
	}
	return false;
}

static void add_preset(struct builder *b)
{
	const struct preset *s = b->preset;

	if (!is_given(b, "m.room.join_rules"))
		add(b, "m.room.join_rules", one_member(b, "join_rule", str_of(s->join_rule)));
	if (!is_given(b, "m.room.history_visibility"))
		add(b, "m.room.history_visibility",
			one_member(b, "history_visibility", STR("shared")));
	if (!is_given(b, "m.room.guest_access"))
		add(b, "m.room.guest_access",
			one_member(b, "guest_access", str_of(s->guest_access)));
}

static enum err add_given(struct builder *b)
{
	for (const struct json *e = json_first(b->c->initial_state); e; e = json_next(e)) {
		struct room_initial *i = &b->events[b->n];
		const struct json *content;
		struct buf out = { 0 };
		enum err err;

		if (!json_is(e, JSON_OBJECT))
			return err_set(
				b->why, ERR_MALFORMED, "initial_state: must hold objects");
		i->state_key = STR("");
		err = json_str(e, "type", &i->type, b->why);
		if (!err)
			err = json_opt_str(e, "state_key", &i->state_key, b->why);
		if (!err)
			err = json_obj(e, "content", &content, b->why);
		if (err)
			return err;
		if (room_initial_refused(i->type))
			return err_set(b->why, ERR_INVALID, "initial_state: may not hold %.*s",
				STR_FMT(i->type));
		/* name and topic of the request come after these and win. */
		if (!i->state_key.n &&
			((b->c->name.n && str_eq(i->type, STR("m.room.name"))) ||
				(b->c->topic.n && str_eq(i->type, STR("m.room.topic")))))
			continue;
		json_canonical(content, &out);
		i->content = taken(b, &out);
		b->n++;
	}
	return ERR_OK;
}

static void add_topic(struct builder *b)
{
	struct buf out = { 0 };
	struct jw w = jw_to(&out);

	jw_obj(&w);
	jw_kv_str(&w, "topic", b->c->topic);
	jw_key(&w, "m.topic");
	jw_obj(&w);
	jw_key(&w, "m.text");
	jw_arr(&w);
	jw_obj(&w);
	jw_kv_str(&w, "body", b->c->topic);
	jw_kv_z(&w, "mimetype", "text/plain");
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	add(b, "m.room.topic", taken(b, &out));
}

enum err room_initial_state(struct arena *a, const struct room_initial_params *p,
	struct room_initial **out, size_t *n, struct err_ctx *why)
{
	const struct room_create *c = p->create;
	size_t max = SET_EVENTS + json_count(c->initial_state);
	struct builder b = { .arena = a, .p = p, .c = c, .why = why };
	enum err err;

	b.events = arena_calloc(a, max, sizeof(*b.events));
	err = find_preset(&b);
	if (!err)
		err = check_users(&b, c->invite, "invite");
	if (!err)
		err = add_create(&b);
	if (err)
		return err;
	b.events[b.n++] =
		(struct room_initial){ STR("m.room.member"), c->creator, p->member_content };
	err = add_levels(&b);
	if (err)
		return err;
	if (p->alias.n)
		add(&b, "m.room.canonical_alias", one_member(&b, "alias", p->alias));
	add_preset(&b);
	err = add_given(&b);
	if (err)
		return err;
	if (c->name.n)
		add(&b, "m.room.name", one_member(&b, "name", c->name));
	if (c->topic.n)
		add_topic(&b);
	*out = b.events;
	*n = b.n;
	return ERR_OK;
}
