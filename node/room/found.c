#include "node/room/found.h"

#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/room/build.h"
#include "node/room/initial.h"
#include "node/room/persist.h"
#include "node/room/room.h"

static enum err find_version(
	struct rooms *r, struct room_create *c, const struct room_version **out)
{
	struct str name = c->version.n ? c->version : r->default_version;

	*out = room_version_find(name);
	if (*out && (*out)->offered)
		return ERR_OK;
	c->errcode = "M_UNSUPPORTED_ROOM_VERSION";
	return err_set(&c->why, ERR_INVALID, "this server has no room version %.*s",
		STR_FMT(str_head(name, 64)));
}

/* A room id of the form that has our name in it, for versions before 12. */
static struct str new_room_id(struct rooms *r, struct arena *a)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	unsigned char random[18];
	char local[sizeof(random)];

	rng_fill(r->rng, random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		local[i] = letters[random[i] % (sizeof(letters) - 1)];
	return arena_printf(
		a, "!%.*s:%.*s", (int)sizeof(local), local, STR_FMT(r->server_name));
}

static enum err find_alias(struct rooms *r, struct room_found *f, struct str *alias)
{
	struct room_create *c = f->create;
	struct store_alias taken;
	struct str localpart;
	struct str server;
	enum err err;

	if (!c->alias_localpart.n)
		return ERR_OK;
	*alias = arena_printf(
		f->arena, "#%.*s:%.*s", STR_FMT(c->alias_localpart), STR_FMT(r->server_name));
	if (c->alias_localpart.n > LIMIT_ID_BYTES ||
		memchr(c->alias_localpart.p, ':', c->alias_localpart.n) ||
		!id_room_alias(*alias, &localpart, &server))
		return err_set(&c->why, ERR_INVALID,
			"room_alias_name: not the local part of an alias");
	err = store_room_alias_get(r->store, f->arena, *alias, &taken);
	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (!err) {
		c->errcode = "M_ROOM_IN_USE";
		err = err_set(&c->why, ERR_INVALID, "this alias is taken");
	}
	return err;
}

static enum err put_create(struct rooms *r, struct room_found *f, const struct room_version *v,
	const struct room_initial *first, struct room **room)
{
	CLEANUP(event_freep) struct event *e = NULL;
	struct room_persist p = { .flags = STORE_LOCAL };
	struct str room_id = v->hash_room_id ? STR("") : new_room_id(r, f->arena);
	enum err err = room_build_create(
		r, v, room_id, f->create->creator, first->content, &e, &f->create->why);

	if (err)
		return err;
	f->room_id = arena_str(f->arena, e->room_id);
	err = store_room_put(r->store, f->room_id, str_of(v->name), false);
	if (!err)
		err = room_fresh(r, f->room_id, room);
	p.event = e;
	if (!err)
		err = room_persist(r, *room, &p);
	return err;
}

static enum err put_rest(struct rooms *r, struct room_found *f, struct room *room,
	const struct room_initial *events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct room_draft d = { .type = events[i].type,
			.sender = f->create->creator,
			.is_state = true,
			.state_key = events[i].state_key,
			.content = events[i].content };
		enum err err = room_send_draft(r, room, &d, NULL, &f->create->why);

		if (err == ERR_FORBIDDEN) {
			f->create->errcode = "M_INVALID_ROOM_STATE";
			err = ERR_INVALID;
		}
		if (err)
			return err;
	}
	return ERR_OK;
}

static enum err write(struct rooms *r, struct room_found *f, const struct room_version *v,
	struct str alias, const struct room_initial *events, size_t n)
{
	struct room *room;
	enum err err = put_create(r, f, v, &events[0], &room);

	if (!err)
		err = put_rest(r, f, room, events + 1, n - 1);
	if (!err && alias.n)
		err = store_room_alias_put(r->store, alias, f->room_id, f->create->creator);
	if (!err && f->create->public)
		err = store_room_set_published(r->store, f->room_id, true);
	return err;
}

static struct str join_content(struct rooms *r, struct arena *a, struct str user_id)
{
	struct buf out = { 0 };
	struct jw w = jw_to(&out);
	struct str text;

	jw_obj(&w);
	room_member_content(r, a, user_id, "join", &w);
	jw_end(&w);
	text = arena_str(a, buf_str(&out));
	buf_deinit(&out);
	return text;
}

enum err room_found(struct rooms *r, struct room_found *f)
{
	struct room_create *c = f->create;
	struct room_initial_params p = { .create = c, .alias = STR("") };
	struct room_initial *events;
	size_t n;
	enum err err = find_version(r, c, &p.version);

	if (!err)
		err = find_alias(r, f, &p.alias);
	if (err)
		return err;
	p.member_content = join_content(r, f->arena, c->creator);
	err = room_initial_state(f->arena, &p, &events, &n, &c->why);
	if (!err)
		err = store_begin(r->store);
	if (err)
		return err;
	return room_store_end(r, write(r, f, p.version, p.alias, events, n));
}
