#include "node/room/canonical_alias.h"

#include "node/core/id.h"
#include "node/room/room.h"

/* Aliases of other servers that are asked for one event; past it the event is refused. */
#define REMOTE_MAX 20

static bool has_alias(const struct event *now, struct str alias)
{
	struct str s;

	if (!now)
		return false;
	if (json_as_str(json_get(now->content, "alias"), &s) && str_eq(s, alias))
		return true;
	for (const struct json *i = json_first(json_get(now->content, "alt_aliases")); i;
		i = json_next(i))
		if (json_as_str(i, &s) && str_eq(s, alias))
			return true;
	return false;
}

/* --- ours -------------------------------------------------------------------------------- */

static enum err check_alias(
	struct rooms *r, struct arena *a, struct room_send *s, struct str alias)
{
	struct str localpart;
	struct str server;
	struct store_alias found;
	enum err err;

	if (!id_room_alias(alias, &localpart, &server))
		return err_set(&s->why, ERR_INVALID, "not a room alias");
	if (!str_eq(server, r->server_name))
		return ERR_OK; /* alias_check_start() */
	err = store_room_alias_get(r->store, a, alias, &found);
	if (err == ERR_NOT_FOUND || (!err && !str_eq(found.room_id, s->room_id))) {
		s->errcode = "M_BAD_ALIAS";
		return err_set(&s->why, ERR_INVALID, "the alias does not lead to this room");
	}
	return err;
}

enum err canonical_alias_check(
	struct rooms *r, struct room *room, struct arena *a, struct room_send *s)
{
	const struct json *alt = NULL;
	const struct event *now;
	struct str alias = { 0 };
	enum err err = json_opt_str(s->content, "alias", &alias, &s->why);

	if (!err)
		err = json_opt_arr(s->content, "alt_aliases", &alt, &s->why);
	if (err)
		return err;
	now = room_current(r, room, s->type, STR(""), &err);
	if (!err && alias.n && !has_alias(now, alias))
		err = check_alias(r, a, s, alias);
	for (const struct json *i = json_first(alt); !err && i; i = json_next(i)) {
		if (!json_as_str(i, &alias))
			return err_set(
				&s->why, ERR_MALFORMED, "alt_aliases: must hold strings");
		if (!has_alias(now, alias))
			err = check_alias(r, a, s, alias);
	}
	return err;
}

/* --- other servers' ---------------------------------------------------------------------- */

static void finish(struct alias_check *c, enum err err)
{
	arena_free(c->arena);
	c->done(c, err);
}

static void ask_next(struct alias_check *c);

static void answered(struct directory_lookup *l, enum err err)
{
	struct alias_check *c = l->owner;
	bool leads_here = !err && str_eq(l->room_id, c->room_id);

	directory_lookup_deinit(l);
	if (leads_here) {
		c->at++;
		ask_next(c);
		return;
	}
	c->errcode = "M_BAD_ALIAS";
	finish(c,
		err_set(&c->why, ERR_INVALID, "%.*s %s", STR_FMT(c->aliases[c->at]),
			!err || err == ERR_NOT_FOUND ? "does not lead to this room"
						     : "can't be looked up now"));
}

static void ask_next(struct alias_check *c)
{
	if (c->at == c->n) {
		finish(c,
			c->too_many ? err_set(&c->why, ERR_INVALID,
					      "at most %d aliases of other servers at once",
					      REMOTE_MAX)
				    : ERR_OK);
		return;
	}
	c->lookup = (struct directory_lookup){
		.alias = c->aliases[c->at], .done = answered, .owner = c
	};
	directory_resolve(c->rooms, &c->lookup);
}

static void add(struct alias_check *c, const struct event *now, const struct json *value)
{
	struct str alias;
	struct str localpart;
	struct str server;

	if (!json_as_str(value, &alias) || !id_room_alias(alias, &localpart, &server) ||
		str_eq(server, c->rooms->server_name) || has_alias(now, alias))
		return;
	for (size_t i = 0; i < c->n; i++)
		if (str_eq(c->aliases[i], alias))
			return;
	if (c->n == REMOTE_MAX)
		c->too_many = true;
	else
		c->aliases[c->n++] = alias;
}

bool alias_check_start(struct rooms *r, struct alias_check *c)
{
	const struct json *alt = json_get(c->content, "alt_aliases");
	const struct event *now =
		rooms_state_event(r, c->room_id, STR("m.room.canonical_alias"), STR(""));

	c->rooms = r;
	c->errcode = NULL;
	c->n = c->at = 0;
	c->too_many = false;
	c->arena = arena_new();
	c->aliases = arena_calloc(c->arena, REMOTE_MAX, sizeof(*c->aliases));
	add(c, now, json_get(c->content, "alias"));
	for (const struct json *i = json_first(alt); i; i = json_next(i))
		add(c, now, i);
	if (!c->n) {
		arena_free(c->arena);
		return false;
	}
	ask_next(c);
	return true;
}
