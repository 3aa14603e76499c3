/*
 * What other servers read of our rooms: history, states, single events. Each server sees what
 * its users may see (visible.h); the rest is served redacted, or not at all.
 */
#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/room/serve_room.h"
#include "node/room/visible.h"

#define BACKFILL_MAX 100
#define WALK_MAX     2000 /* events looked at for one answer */

/* An event that is in the room and known for good; ERR_NOT_FOUND else. */
static enum err find(struct rooms *r, struct arena *a, struct str room_id, struct str event_id,
	struct store_event *out, struct err_ctx *why)
{
	enum err err = store_event_get(r->store, a, event_id, out);

	if (err == ERR_NOT_FOUND || (!err && !str_eq(out->room_id, room_id)))
		return err_set(why, ERR_NOT_FOUND, "there is no such event in that room");
	return err;
}

/* A server may not see the content, but needs the event to know the room's graph. */
static enum err put_event(
	struct room *room, struct room_viewer *v, const struct store_event *e, struct jw *w)
{
	CLEANUP(event_freep) struct event *whole = NULL;
	CLEANUP(event_freep) struct event *redacted = NULL;
	struct store_event shown = *e;
	enum err err;

	shown.flags &= ~(unsigned)STORE_SOFT_FAILED;
	if (room_viewer_sees(v, &shown)) {
		jw_raw(w, e->json);
		return ERR_OK;
	}
	err = event_from_store(e->json, e->event_id, room->version, &whole);
	if (!err)
		err = event_redact(whole, &redacted);
	if (!err)
		jw_raw(w, redacted->json);
	return err;
}

/* A walk over prev_events, breadth first, the deepest first among what waits. */
struct walk {
	struct rooms *r;
	struct arena *arena;
	struct room *room;
	struct map seen;
	const struct store_event *waiting[WALK_MAX];
	size_t n;
	unsigned looked;
};

static enum err push(struct walk *w, struct str event_id)
{
	struct store_event *e;
	enum err err;

	if (map_get(&w->seen, event_id) || w->n >= WALK_MAX || w->looked >= WALK_MAX)
		return ERR_OK;
	e = ARENA_NEW(w->arena, struct store_event);
	err = store_event_get(w->r->store, w->arena, event_id, e);
	if (err == ERR_NOT_FOUND ||
		(!err && (!str_eq(e->room_id, w->room->id) || (e->flags & STORE_OUTLIER))))
		return ERR_OK;
	if (err)
		return err;
	w->looked++;
	map_put(&w->seen, e->event_id, e);
	w->waiting[w->n++] = e;
	return ERR_OK;
}

static const struct store_event *pop(struct walk *w)
{
	const struct store_event *e;
	size_t best = 0;

	for (size_t i = 1; i < w->n; i++)
		if (w->waiting[i]->depth > w->waiting[best]->depth)
			best = i;
	e = w->waiting[best];
	w->waiting[best] = w->waiting[--w->n];
	return e;
}

static enum err push_parents(struct walk *w, const struct store_event *e)
{
	CLEANUP(event_freep) struct event *whole = NULL;
	enum err err = event_from_store(e->json, e->event_id, w->room->version, &whole);

	for (size_t i = 0; !err && i < whole->n_prev_events; i++)
		err = push(w, whole->prev_events[i]);
	return err;
}

static void put_head(struct rooms *r, struct jw *w)
{
	jw_obj(w);
	jw_kv_str(w, "origin", r->server_name);
	jw_kv_int(w, "origin_server_ts", clock_wall_ms(r->clock));
	jw_key(w, "pdus");
	jw_arr(w);
}

static enum err walk_back(struct walk *w, struct room_viewer *v, unsigned limit, struct jw *out)
{
	enum err err = ERR_OK;

	for (unsigned n = 0; w->n && n < limit && !err; n++) {
		const struct store_event *e = pop(w);

		err = put_event(w->room, v, e, out);
		if (!err)
			err = push_parents(w, e);
	}
	return err;
}

static struct walk *walk_new(struct rooms *r, struct arena *a, struct room *room)
{
	struct walk *w = ARENA_NEW(a, struct walk);

	w->r = r;
	w->arena = a;
	w->room = room;
	map_init(&w->seen);
	return w;
}

enum err rooms_serve_backfill(struct rooms *r, struct room_serve *s, struct str room_id,
	const struct str *event_ids, size_t n, unsigned limit)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(s->out);
	struct walk *walk;
	struct room *room;
	enum err err = serve_room(r, s->origin, room_id, true, &room, &s->why);

	s->errcode = NULL;
	if (err) {
		arena_free(a);
		return err;
	}
	walk = walk_new(r, a, room);
	for (size_t i = 0; i < n && i < LIMIT_PREV_EVENTS && !err; i++)
		err = push(walk, event_ids[i]);
	put_head(r, &w);
	if (!err)
		err = walk_back(walk, room_viewer_server(r, a, room_id, s->origin),
			limit < BACKFILL_MAX ? limit : BACKFILL_MAX, &w);
	jw_end(&w);
	jw_end(&w);
	map_deinit(&walk->seen);
	arena_free(a);
	return err;
}

static enum err read_ids(const struct json *body, const char *key, struct str *out, size_t *n,
	struct err_ctx *why)
{
	const struct json *list;
	enum err err = json_arr(body, key, &list, why);

	*n = 0;
	for (const struct json *i = json_first(list); !err && i && *n < LIMIT_PREV_EVENTS;
		i = json_next(i))
		if (!json_as_str(i, &out[(*n)++]))
			err = err_set(why, ERR_MALFORMED, "%s: must hold strings", key);
	return err;
}

struct gap {
	struct str earliest[LIMIT_PREV_EVENTS];
	struct str latest[LIMIT_PREV_EVENTS];
	size_t n_earliest;
	size_t n_latest;
	int64_t limit;
	int64_t min_depth;
};

/* From the latest events back, them and the earliest left out; oldest first in the answer. */
static enum err walk_gap(struct walk *w, const struct gap *gap,
	const struct store_event **found, size_t *n_found)
{
	struct store_event *mark = ARENA_NEW(w->arena, struct store_event);
	enum err err = ERR_OK;

	for (size_t i = 0; i < gap->n_earliest; i++)
		map_put(&w->seen, gap->earliest[i], mark);
	for (size_t i = 0; i < gap->n_latest && !err; i++) {
		struct store_event e;

		err = find(w->r, w->arena, w->room->id, gap->latest[i], &e, NULL);
		if (err == ERR_NOT_FOUND) {
			err = ERR_OK;
			continue;
		}
		map_put(&w->seen, gap->latest[i], mark);
		if (!err)
			err = push_parents(w, &e);
	}
	while (w->n && *n_found < (size_t)gap->limit && !err) {
		const struct store_event *e = pop(w);

		if (e->depth < gap->min_depth)
			continue;
		found[(*n_found)++] = e;
		err = push_parents(w, e);
	}
	return err;
}

enum err rooms_serve_missing_events(
	struct rooms *r, struct room_serve *s, struct str room_id, const struct json *body)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(s->out);
	const struct store_event *found[LIMIT_GAP_EVENTS];
	struct gap gap = { .limit = 10 };
	struct walk *walk;
	struct room_viewer *v;
	struct room *room;
	size_t n = 0;
	enum err err = serve_room(r, s->origin, room_id, true, &room, &s->why);

	s->errcode = NULL;
	if (!err)
		err = read_ids(body, "earliest_events", gap.earliest, &gap.n_earliest, &s->why);
	if (!err)
		err = read_ids(body, "latest_events", gap.latest, &gap.n_latest, &s->why);
	if (!err)
		err = json_opt_int(body, "limit", 0, INT32_MAX, &gap.limit, &s->why);
	if (!err)
		err = json_opt_int(body, "min_depth", 0, INT64_MAX, &gap.min_depth, &s->why);
	if (err) {
		arena_free(a);
		return err;
	}
	if (gap.limit > LIMIT_GAP_EVENTS)
		gap.limit = LIMIT_GAP_EVENTS;
	walk = walk_new(r, a, room);
	v = room_viewer_server(r, a, room_id, s->origin);
	err = walk_gap(walk, &gap, found, &n);
	jw_obj(&w);
	jw_key(&w, "events");
	jw_arr(&w);
	for (size_t i = n; i > 0 && !err; i--)
		err = put_event(room, v, found[i - 1], &w);
	jw_end(&w);
	jw_end(&w);
	map_deinit(&walk->seen);
	arena_free(a);
	return err;
}

enum err serve_group_before(struct rooms *r, struct arena *a, struct room_serve *s,
	struct str room_id, struct str event_id, int64_t *group)
{
	struct store_event e;
	struct room *room;
	enum err err = serve_room(r, s->origin, room_id, true, &room, &s->why);

	s->errcode = NULL;
	if (!err)
		err = find(r, a, room_id, event_id, &e, &s->why);
	if (!err && ((e.flags & STORE_OUTLIER) || !e.state_after))
		err = err_set(&s->why, ERR_NOT_FOUND, "the state there is not known");
	if (!err)
		*group = e.state_before;
	return err;
}

static void put_ids(struct jw *w, const char *key, const struct str *ids, size_t n)
{
	jw_key(w, key);
	jw_arr(w);
	for (size_t i = 0; i < n; i++)
		jw_str(w, ids[i]);
	jw_end(w);
}

enum err rooms_serve_state_ids(
	struct rooms *r, struct room_serve *s, struct str room_id, struct str event_id)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(s->out);
	const struct str *state;
	const struct str *chain;
	size_t n_state;
	size_t n_chain;
	int64_t group;
	enum err err = serve_group_before(r, a, s, room_id, event_id, &group);

	if (!err)
		err = serve_room_state_ids(r, a, group, &state, &n_state, &chain, &n_chain);
	if (!err) {
		jw_obj(&w);
		put_ids(&w, "auth_chain_ids", chain, n_chain);
		put_ids(&w, "pdu_ids", state, n_state);
		jw_end(&w);
	}
	arena_free(a);
	return err;
}

enum err rooms_serve_event(struct rooms *r, struct room_serve *s, struct str event_id)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(s->out);
	struct store_event e;
	struct room *room;
	enum err err = store_event_get(r->store, a, event_id, &e);

	s->errcode = NULL;
	if (err == ERR_NOT_FOUND || (!err && (e.flags & STORE_REJECTED)))
		err = err_set(&s->why, ERR_NOT_FOUND, "there is no such event");
	if (!err)
		err = serve_room(r, s->origin, e.room_id, true, &room, &s->why);
	if (!err) {
		put_head(r, &w);
		/* What is known as part of a state alone is needed to check that state. */
		if (e.is_state)
			jw_raw(&w, e.json);
		else
			err = put_event(
				room, room_viewer_server(r, a, e.room_id, s->origin), &e, &w);
		jw_end(&w);
		jw_end(&w);
	}
	arena_free(a);
	return err;
}

enum err rooms_serve_event_auth(
	struct rooms *r, struct room_serve *s, struct str room_id, struct str event_id)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(s->out);
	const struct str *chain;
	struct store_event e;
	struct room *room;
	size_t n;
	enum err err = serve_room(r, s->origin, room_id, true, &room, &s->why);

	s->errcode = NULL;
	if (!err)
		err = find(r, a, room_id, event_id, &e, &s->why);
	if (!err)
		err = store_auth_chain(
			r->store, a, &event_id, 1, LIMIT_JOIN_EVENTS, &chain, &n);
	if (!err) {
		jw_obj(&w);
		jw_key(&w, "auth_chain");
		jw_arr(&w);
		err = serve_put_events(r, chain, n, &w);
		jw_end(&w);
		jw_end(&w);
	}
	arena_free(a);
	return err;
}
