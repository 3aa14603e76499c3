/*
 * Rule 10 of version 12 (9 in 6 to 11, 10 in 1 to 5): changes of m.room.power_levels.
 */
#include <stdlib.h>

#include "node/base/arena.h"
#include "node/core/auth_rules.h"
#include "node/core/id.h"
#include "node/core/power.h"

static const char *const named_levels[] = { "users_default", "events_default", "state_default",
	"ban", "redact", "kick", "invite" };

struct entry {
	struct str key;
	int64_t value;
};

struct entries {
	const struct entry *at; /* sorted by key */
	size_t n;
};

static enum err refuse(const struct auth_case *c, const char *text)
{
	return auth_refuse(c->e, RULE_POWER_LEVELS, c->why, text);
}

static int by_key(const void *a, const void *b)
{
	return str_cmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

/* Before version 10 no rule says that events must be an object: what the deployed servers find
 * no entries in is as good as none. */
static bool is_bare(const struct room_version *v, const struct json *j)
{
	struct str text;

	if (v->integer_levels)
		return false;
	return (json_is(j, JSON_ARRAY) && !json_first(j)) || (json_as_str(j, &text) && !text.n);
}

/* The entries of an object, sorted, so that two of them are compared in one walk: look-ups in
 * a 64 KiB event would be quadratic. False if obj is no object or a value no level; out has the
 * others then. */
static bool entries_of(struct arena *a, const struct room_version *v, const struct json *obj,
	struct entries *out)
{
	struct entry *at;
	bool ok = true;
	size_t n = 0;

	*out = (struct entries){ 0 };
	if (!obj || is_bare(v, obj))
		return true;
	if (!json_is(obj, JSON_OBJECT))
		return false;
	at = arena_calloc(a, json_count(obj) + 1, sizeof(*at));
	for (const struct json *m = json_first(obj); m; m = json_next(m)) {
		at[n].key = json_key(m);
		if (power_value(v, m, &at[n].value))
			n++;
		else
			ok = false;
	}
	qsort(at, n, sizeof(*at), by_key);
	*out = (struct entries){ at, n };
	return ok;
}

/* The top-level numbers as entries, those that are there. As entries_of() else. */
static bool named_of(struct arena *a, const struct room_version *v, const struct json *content,
	struct entries *out)
{
	struct entry *at = arena_calloc(a, ARRAY_LEN(named_levels), sizeof(*at));
	bool ok = true;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(named_levels); i++) {
		const struct json *value = json_get(content, named_levels[i]);

		if (!value)
			continue;
		at[n].key = str_of(named_levels[i]);
		if (power_value(v, value, &at[n].value))
			n++;
		else
			ok = false;
	}
	qsort(at, n, sizeof(*at), by_key);
	*out = (struct entries){ at, n };
	return ok;
}

static bool change_ok(const struct auth_case *c, bool users, const struct entry *was,
	const struct entry *becomes)
{
	if (was && becomes && was->value == becomes->value)
		return true;
	if (was && was->value > c->power)
		return false;
	/* Another user of the sender's own level stands out of its reach. */
	if (was && users && was->value == c->power && !str_eq(was->key, c->e->sender))
		return false;
	return !becomes || becomes->value <= c->power;
}

/* Every entry added, changed or removed is within the sender's reach. */
static bool changes_ok(const struct auth_case *c, bool users, const struct entries *was,
	const struct entries *becomes)
{
	size_t i = 0;
	size_t j = 0;

	while (i < was->n || j < becomes->n) {
		int order = i == was->n   ? 1
			: j == becomes->n ? -1
					  : str_cmp(was->at[i].key, becomes->at[j].key);
		const struct entry *old = order <= 0 ? &was->at[i++] : NULL;
		const struct entry *new = order >= 0 ? &becomes->at[j++] : NULL;

		if (!change_ok(c, users, old, new))
			return false;
	}
	return true;
}

/* 10.3 and 10.4. */
static enum err check_users(const struct auth_case *c, const struct entries *users)
{
	struct str localpart;
	struct str server;

	for (size_t i = 0; i < users->n; i++) {
		if (!id_user(users->at[i].key, &localpart, &server))
			return refuse(c, "users has a key that is no user id");
		if (power_is_creator(c->create, users->at[i].key))
			return refuse(c, "users names a creator of the room");
	}
	return ERR_OK;
}

enum { USERS, NAMED, EVENTS, NOTIFICATIONS, N_PARTS };

/* The rest of an event's levels. Versions 1 to 5 take no notice of notifications. */
static bool levels_of(struct arena *a, const struct event *e, struct entries out[N_PARTS])
{
	const struct room_version *v = e->version;
	bool named = named_of(a, v, e->content, &out[NAMED]);
	bool events = entries_of(a, v, json_get(e->content, "events"), &out[EVENTS]);

	out[NOTIFICATIONS] = (struct entries){ 0 };
	if (v->limit_notifications &&
		!entries_of(a, v, json_get(e->content, "notifications"), &out[NOTIFICATIONS]))
		return false;
	return named && events;
}

/* The users of an event; null and the like are none in any version. */
static bool users_of(struct arena *a, const struct event *e, struct entries *out)
{
	const struct json *users = json_get(e->content, "users");

	*out = (struct entries){ 0 };
	return (!users || json_is(users, JSON_OBJECT)) && entries_of(a, e->version, users, out);
}

static enum err check(struct arena *a, const struct auth_case *c)
{
	struct entries now[N_PARTS];
	struct entries was[N_PARTS];
	bool ok = levels_of(a, c->e, now);
	enum err err;

	if (!users_of(a, c->e, &now[USERS]))
		return refuse(c, "users is no object of levels");
	/* Only from version 10 on must a room's first levels be levels (rules 9.1 and 9.2
	 * there). */
	if (!ok && (c->levels || c->e->version->integer_levels))
		return refuse(c, "a level is not an integer, or a map of them no object");
	err = check_users(c, &now[USERS]);
	if (err || !c->levels)
		return err;
	/* What a version let in that is no level is above nobody: the rules compare values, and
	 * power_to() takes it for absent, too. Else no levels could ever follow those. */
	(void)levels_of(a, c->levels, was);
	(void)users_of(a, c->levels, &was[USERS]);
	for (size_t i = 0; i < N_PARTS; i++)
		if (!changes_ok(c, i == USERS, &was[i], &now[i]))
			return refuse(
				c, "a changed level is beyond the sender's, before or after");
	return ERR_OK;
}

enum err auth_power_levels(const struct auth_case *c)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();

	return check(a, c);
}
