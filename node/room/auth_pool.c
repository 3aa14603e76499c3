#include "node/room/auth_pool.h"

#include "node/base/limits.h"

struct pooled {
	const struct event *event; /* NULL: not here */
	struct event *owned;
	bool rejected;
};

void auth_pool_init(struct auth_pool *p, struct rooms *r, const struct room_version *v)
{
	*p = (struct auth_pool){ .rooms = r, .version = v, .arena = arena_new() };
	map_init(&p->known);
}

void auth_pool_deinit(struct auth_pool *p)
{
	struct pooled *e;

	for (size_t at = 0; (e = map_next(&p->known, &at));)
		event_free(e->owned);
	map_deinit(&p->known);
	arena_free(p->arena);
}

void auth_pool_put(struct auth_pool *p, const struct event *e, bool rejected)
{
	struct pooled *at = map_get(&p->known, e->event_id);

	if (!at) {
		at = ARENA_NEW(p->arena, struct pooled);
		map_put(&p->known, arena_str(p->arena, e->event_id), at);
	}
	event_free(at->owned);
	*at = (struct pooled){ .event = e, .rejected = rejected };
}

static void load(struct auth_pool *p, struct str event_id, struct pooled *out)
{
	struct store_event row;
	enum err err = store_event_get(p->rooms->store, p->arena, event_id, &row);

	if (!err)
		err = event_from_store(row.json, row.event_id, p->version, &out->owned);
	if (err) {
		if (err != ERR_NOT_FOUND)
			p->err = err;
		return;
	}
	out->event = out->owned;
	out->rejected = row.flags & STORE_REJECTED;
}

const struct event *auth_pool_get(struct auth_pool *p, struct str event_id, bool *rejected)
{
	struct pooled *at = map_get(&p->known, event_id);

	if (!at || !at->event) {
		struct pooled found = { 0 };

		load(p, event_id, &found);
		if (!found.event)
			return NULL;
		at = ARENA_NEW(p->arena, struct pooled);
		*at = found;
		map_put(&p->known, arena_str(p->arena, event_id), at);
	}
	*rejected = at->rejected;
	return at->event;
}

/* Version 12 does not name the create event: the room id does. */
static const struct event *implied_create(
	struct auth_pool *p, const struct event *e, bool *rejected)
{
	char id[LIMIT_ID_BYTES + 1];

	if (!e->version->hash_room_id || e->room_id.n > LIMIT_ID_BYTES || !e->room_id.n)
		return NULL;
	memcpy(id, e->room_id.p, e->room_id.n);
	id[0] = '$';
	return auth_pool_get(p, (struct str){ id, e->room_id.n }, rejected);
}

struct named {
	const struct event *events[LIMIT_AUTH_EVENTS + 1];
	bool rejected[LIMIT_AUTH_EVENTS + 1];
	size_t n; /* that the event names */
	size_t n_all;
};

static const struct event *get(void *arg, struct str type, struct str state_key)
{
	const struct named *named = arg;

	for (size_t i = 0; i < named->n_all; i++) {
		const struct event *e = named->events[i];

		if (e->is_state && str_eq(e->type, type) && str_eq(e->state_key, state_key))
			return e;
	}
	return NULL;
}

enum err auth_pool_check(
	struct auth_pool *p, const struct event *e, size_t *missing, struct err_ctx *why)
{
	struct named named = { .n = 0 };
	const struct auth_state state = { get, &named };
	const struct event *create;
	size_t absent = 0;
	bool rejected = false;
	enum err err;

	if (e->n_auth_events > LIMIT_AUTH_EVENTS)
		return err_set(why, ERR_FORBIDDEN, "too many auth events");
	for (size_t i = 0; i < e->n_auth_events; i++) {
		const struct event *a =
			auth_pool_get(p, e->auth_events[i], &named.rejected[named.n]);

		if (a)
			named.events[named.n++] = a;
		else
			absent++;
	}
	named.n_all = named.n;
	if (e->version->hash_room_id && !event_is(e, "m.room.create", NULL)) {
		create = implied_create(p, e, &rejected);
		if (!create)
			absent++;
		else
			named.events[named.n_all++] = create;
	}
	if (p->err)
		return p->err;
	if (missing)
		*missing = absent;
	if (absent)
		return err_set(
			why, ERR_NOT_FOUND, "%zu of its auth events are not to be had", absent);
	if (rejected)
		return err_set(why, ERR_FORBIDDEN, "the room's create event was rejected");
	err = auth_events_ok(e, named.events, named.rejected, named.n, why);
	return err ? err : auth_check(e, &state, why);
}
