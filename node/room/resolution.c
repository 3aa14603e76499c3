#include "node/room/resolution.h"

#include <stdlib.h>

#include "node/base/map.h"
#include "node/core/state_res.h"
#include "store/event.h"

/* Parsed events that are held at a time. */
#define PARSED_MAX 512

struct looked_up {
	struct event *event; /* owned; NULL: not here */
	bool rejected;
};

/* An entry of the unconflicted state. */
struct other {
	struct str event_id; /* empty: there is none */
};

struct lookup {
	struct resolution *r;
	struct store_conflict conflict;
	struct map events;    /* struct looked_up by event id */
	struct map others;    /* struct other by type, NUL, state key */
	struct arena *parsed; /* of events */
	enum err err;
};

static void forget_events(struct lookup *l)
{
	struct looked_up *e;

	for (size_t at = 0; (e = map_next(&l->events, &at));)
		event_free(e->event);
	map_deinit(&l->events);
	map_init(&l->events);
	arena_free(l->parsed);
	l->parsed = arena_new();
}

static void release(void *arg)
{
	struct lookup *l = arg;

	if (l->events.n >= PARSED_MAX)
		forget_events(l);
}

static struct looked_up *look_up(struct lookup *l, struct str event_id)
{
	struct looked_up *found = map_get(&l->events, event_id);
	struct store_event row;
	struct arena *a;
	enum err err;

	if (found)
		return found;
	found = ARENA_NEW(l->parsed, struct looked_up);
	map_put(&l->events, arena_str(l->parsed, event_id), found);
	if (l->r->limits.stop && atomic_load(l->r->limits.stop))
		l->err = ERR_CANCELLED;
	if (l->err)
		return found;
	a = arena_new();
	err = store_event_get(l->r->store, a, event_id, &row);
	if (!err)
		err = event_from_store(row.json, row.event_id, l->r->version, &found->event);
	if (!err)
		found->rejected = row.flags & STORE_REJECTED;
	else if (err != ERR_NOT_FOUND)
		l->err = err;
	arena_free(a);
	return found;
}

static const struct event *get_event(void *arg, struct str event_id)
{
	return look_up(arg, event_id)->event;
}

static bool get_rejected(void *arg, struct str event_id)
{
	return look_up(arg, event_id)->rejected;
}

static int compare_keys(const void *a, const void *b)
{
	const struct store_state_entry *x = a;
	const struct store_state_entry *y = b;
	int order = str_cmp(x->type, y->type);

	return order ? order : str_cmp(x->state_key, y->state_key);
}

static const struct store_state_entry *conflicted_at(
	const struct lookup *l, struct str type, struct str state_key)
{
	const struct store_state_entry key = { .type = type, .state_key = state_key };

	if (!l->conflict.n_keys)
		return NULL;
	return bsearch(&key, l->conflict.keys, l->conflict.n_keys, sizeof(key), compare_keys);
}

/* All groups agree there, so the first one tells. */
static void read_other(struct lookup *l, struct str type, struct str state_key, struct other *o)
{
	struct arena *a;
	struct store_event row;
	int64_t nid;
	enum err err = ERR_NOT_FOUND;

	if (l->r->groups[0] && !conflicted_at(l, type, state_key))
		err = store_state_group_get(
			l->r->store, l->r->groups[0], type, state_key, &nid);
	if (err == ERR_NOT_FOUND)
		return;
	a = arena_new();
	if (!err)
		err = store_event_get_nid(l->r->store, a, nid, &row);
	if (!err)
		o->event_id = arena_str(l->r->arena, row.event_id);
	else
		l->err = err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
	arena_free(a);
}

static bool get_other(void *arg, struct str type, struct str state_key, struct str *event_id)
{
	struct lookup *l = arg;
	struct str key =
		arena_printf(l->r->arena, "%.*s%c%.*s", STR_FMT(type), 0, STR_FMT(state_key));
	struct other *o = map_get(&l->others, key);

	if (!o) {
		o = ARENA_NEW(l->r->arena, struct other);
		read_other(l, type, state_key, o);
		map_put(&l->others, key, o);
	}
	*event_id = o->event_id;
	return o->event_id.n > 0;
}

static enum err change(struct resolution *r, const struct state_entry *e)
{
	struct store_state *c = &r->changes[r->n_changes++];
	enum err err;

	*c = (struct store_state){ e->type, e->state_key, 0 };
	err = store_event_find(r->store, e->event_id, &c->event, NULL);
	return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

static int compare_entry(const struct store_state_entry *x, const struct state_entry *y)
{
	return state_entry_cmp(&(struct state_entry){ x->type, x->state_key, x->event_id }, y);
}

/* Both are sorted: the keys in conflict with what the first group has there, and the result. */
static enum err differ(struct lookup *l, const struct state_set *result)
{
	struct resolution *r = l->r;
	size_t i = 0;
	size_t k = 0;

	r->changes =
		arena_calloc(r->arena, l->conflict.n_keys + result->n + 1, sizeof(*r->changes));
	r->n_changes = 0;
	while (i < l->conflict.n_keys || k < result->n) {
		const struct store_state_entry *x =
			i < l->conflict.n_keys ? &l->conflict.keys[i] : NULL;
		const struct state_entry *y = k < result->n ? &result->entries[k] : NULL;
		int order = !x ? 1 : !y ? -1 : compare_entry(x, y);
		enum err err = ERR_OK;

		i += order <= 0;
		k += order >= 0;
		if (x && order < 0) {
			if (x->event)
				r->changes[r->n_changes++] =
					(struct store_state){ x->type, x->state_key, 0 };
		} else if (y && (!x || order > 0 || !str_eq(x->event_id, y->event_id))) {
			err = change(r, y);
		}
		if (err)
			return err;
	}
	return ERR_OK;
}

static enum err resolve(struct lookup *l)
{
	struct resolution *r = l->r;
	const struct state_res_conflict conflict = { l->conflict.events, l->conflict.n_events,
		get_other, l };
	const struct state_res_source source = { .event = get_event,
		.rejected = get_rejected,
		.release = release,
		.max_events = r->limits.events,
		.arg = l };
	struct state_set result;
	enum err err = state_resolve_conflict(
		r->arena, r->version, &conflict, &source, &result, &r->why);

	/* What kept an event from being read comes first: it looks like one that isn't there.
	 */
	if (l->err)
		return l->err;
	return err ? err : differ(l, &result);
}

enum err resolution_run(struct resolution *r)
{
	struct lookup l = { .r = r };
	enum err err = store_state_conflict(r->store, r->arena, r->groups, r->n,
		r->version->state_res == STATE_RES_2_1, &r->limits.store, &l.conflict);

	r->changes = NULL;
	r->n_changes = 0;
	if (err)
		return err;
	l.parsed = arena_new();
	map_init(&l.events);
	map_init(&l.others);
	err = resolve(&l);
	forget_events(&l);
	map_deinit(&l.events);
	map_deinit(&l.others);
	arena_free(l.parsed);
	return err;
}
