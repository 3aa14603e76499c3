#include "node/room/backfill.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/room/auth_pool.h"
#include "node/room/fetch.h"
#include "node/room/incoming.h"
#include "node/room/persist.h"
#include "node/room/residents.h"
#include "node/room/resolve.h"

#define LOG_MODULE "room"

/*
 *   ASK --events--> VERIFY --ok--> STATE --> persist --> done
 *    |                |              |
 *    +---nothing------+---nothing----+--> ASK the next server; when there is none left, done
 *
 * STATE is fetch.c for the oldest event that came: from the state before it the states of the
 * others follow. They are checked in order of age and stored newest first, since positions
 * count down.
 */

#define SERVERS_MAX 3
#define ASKED_MAX   5 /* missing ancestors named in one request */
#define EVENTS_MAX  100

struct event_set { /* what came, oldest first */
	struct incoming in;
	struct fetch fetch;
};

static void next_server(struct backfill *b);

static enum err missing(struct rooms *r, struct arena *a, struct str room_id,
	const struct store_missing **out, size_t *n)
{
	return store_room_missing(r->store, a, room_id, INT64_MAX, ASKED_MAX, out, n);
}

static size_t find_servers(
	struct rooms *r, struct arena *a, struct str room_id, const struct str **out)
{
	struct str *list = arena_calloc(a, SERVERS_MAX, sizeof(*list));

	*out = list;
	return room_residents(r, a, room_id, STR(""), list, SERVERS_MAX);
}

bool backfill_is_possible(struct rooms *r, struct str room_id)
{
	struct arena *a = arena_new();
	const struct store_missing *m;
	const struct str *servers;
	size_t n = 0;
	bool yes = !missing(r, a, room_id, &m, &n) && n > 0 &&
		find_servers(r, a, room_id, &servers) > 0;

	arena_free(a);
	return yes;
}

struct backfill *backfill_new(struct rooms *r, struct str room_id, unsigned limit)
{
	struct backfill *b = NEW(struct backfill);

	b->rooms = r;
	b->arena = arena_new();
	b->room_id = arena_str(b->arena, room_id);
	b->limit = limit < EVENTS_MAX / 2 ? EVENTS_MAX / 2 : EVENTS_MAX;
	return b;
}

static void forget(struct backfill *b)
{
	if (!b->got)
		return;
	fetch_deinit(&b->got->fetch);
	incoming_deinit(&b->got->in);
	free(b->got);
	b->got = NULL;
}

void backfill_free(struct backfill *b)
{
	if (!b)
		return;
	forget(b);
	loop_undefer(b->rooms->loop, &b->deferred);
	arena_free(b->arena);
	free(b);
}

static void finish(struct loop_deferred *d)
{
	struct backfill *b = CONTAINER_OF(d, struct backfill, deferred);

	b->done(b);
}

static int by_depth(const void *a, const void *b)
{
	const struct event *x = *(struct event *const *)a;
	const struct event *y = *(struct event *const *)b;

	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return str_cmp(x->event_id, y->event_id);
}

/* Oldest first such that ancestors come before their children whatever depth they claim: an
 * event is taken when none of its prev_events is still to come. */
static void sort(struct incoming *in)
{
	size_t n = in->n;

	qsort(in->events, n, sizeof(struct event *), by_depth);
	for (size_t i = 0; i < n; i++) {
		size_t k = i;

		for (; k < n; k++) {
			const struct event *e = in->events[k];
			bool waits = false;

			for (size_t p = 0; p < e->n_prev_events && !waits; p++)
				for (size_t l = i; l < n && !waits; l++)
					waits = l != k &&
						str_eq(in->events[l]->event_id,
							e->prev_events[p]);
			if (!waits)
				break;
		}
		if (k < n && k != i) {
			struct event *e = in->events[k];

			memmove(&in->events[i + 1], &in->events[i],
				(k - i) * sizeof(struct event *));
			in->events[i] = e;
		}
	}
}

struct placed {
	int64_t nid;
	int64_t after;
	unsigned flags;
};

struct placing {
	struct backfill *b;
	struct rooms *r;
	struct room *room;
	struct incoming *in;
	struct placed *placed;
	struct auth_pool pool;
	int64_t before; /* the oldest one's */
};

/* The state after one parent, or 0: it is not known. */
static int64_t state_after(struct placing *p, size_t i, struct str parent)
{
	struct store_event row;

	for (size_t l = 0; l < i; l++)
		if (str_eq(p->in->events[l]->event_id, parent) && p->placed[l].after)
			return p->placed[l].after;
	if (!store_event_get(p->r->store, p->b->arena, parent, &row) &&
		!(row.flags & STORE_OUTLIER))
		return row.state_after;
	return 0;
}

/* The state before one of the events: what follows from all its parents that we know the state
 * of. Where that is too much work for the loop, from the first: it shows who may read it. */
static int64_t state_before(struct placing *p, size_t i)
{
	const struct event *e = p->in->events[i];
	int64_t groups[LIMIT_PREV_EVENTS];
	struct resolve_need need;
	int64_t before;
	size_t n = 0;

	for (size_t k = 0; k < e->n_prev_events && n < ARRAY_LEN(groups); k++) {
		groups[n] = state_after(p, i, e->prev_events[k]);
		n += groups[n] != 0;
	}
	/* Of the oldest the other server told us. */
	if (i == 0 && p->before && n < e->n_prev_events)
		return p->before;
	if (!n)
		return 0;
	if (room_resolve(p->r, p->room, groups, n, &before, &need, NULL))
		return groups[0];
	return before;
}

static enum err place_row(struct placing *p, size_t i)
{
	struct store_event_new row = { .event = p->in->events[i], .flags = STORE_BACKFILLED };
	unsigned flags;
	int64_t pos;
	enum err err = auth_pool_check(&p->pool, row.event, NULL, NULL);

	if (err == ERR_FORBIDDEN)
		row.flags |= STORE_REJECTED;
	else if (err && err != ERR_NOT_FOUND)
		return err;
	p->placed[i].flags = row.flags;
	err = store_event_find(p->r->store, row.event->event_id, &p->placed[i].nid, &flags);
	if (err == ERR_NOT_FOUND)
		return store_event_put(p->r->store, &row, &p->placed[i].nid, &pos);
	if (!err && (flags & STORE_OUTLIER) && !(flags & STORE_REJECTED))
		return store_event_promote(p->r->store, &row, &p->placed[i].nid, &pos);
	p->placed[i].nid = 0; /* it has its place already */
	return err;
}

static enum err place_state(struct placing *p, size_t i)
{
	const struct event *e = p->in->events[i];
	struct placed *at = &p->placed[i];
	int64_t before = state_before(p, i);
	enum err err;

	if (!at->nid || (!before && !event_is(e, "m.room.create", "")))
		return ERR_OK;
	at->after = before;
	if (e->is_state && !(at->flags & STORE_REJECTED)) {
		const struct store_state change = { e->type, e->state_key, at->nid };

		err = store_state_group_new(
			p->r->store, p->room->id, before, &change, 1, &at->after);
		if (err)
			return err;
	}
	return store_event_set_state(p->r->store, at->nid, at->flags, before, at->after);
}

static enum err write(struct placing *p)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < p->in->n; i++)
		auth_pool_put(&p->pool, p->in->events[i], false);
	for (size_t i = p->in->n; i > 0 && !err; i--)
		err = place_row(p, i - 1);
	for (size_t i = 0; i < p->in->n && !err; i++)
		err = place_state(p, i);
	for (size_t i = 0; i < p->in->n && !err; i++)
		if (p->placed[i].nid && !(p->placed[i].flags & STORE_REJECTED))
			err = room_redact(p->r, p->room, p->in->events[i], p->placed[i].nid);
	return err;
}

static enum err persist(struct backfill *b, int64_t before)
{
	struct placing p = { .b = b, .r = b->rooms, .in = &b->got->in, .before = before };
	enum err err = room_get(p.r, b->room_id, &p.room);

	if (!err)
		err = store_begin(p.r->store);
	if (err)
		return err;
	p.placed = arena_calloc(b->arena, p.in->n + 1, sizeof(*p.placed));
	auth_pool_init(&p.pool, p.r, p.room->version);
	err = room_store_end(p.r, write(&p));
	auth_pool_deinit(&p.pool);
	return err;
}

static void stored(struct backfill *b, int64_t before)
{
	enum err err = persist(b, before);

	if (err)
		log_warn(b->rooms->log, "history was not stored room_id=%.*s error=%s",
			STR_FMT(b->room_id), err_name(err));
	forget(b);
	b->done(b);
}

static void fetched(struct fetch *f, enum err err)
{
	/* Without it they are shown by the room's setting of now (visible.c). */
	stored(f->owner, err ? 0 : f->group);
}

static void verified(struct incoming *in)
{
	struct backfill *b = in->owner;
	struct fetch *f = &b->got->fetch;

	if (!in->n) {
		forget(b);
		next_server(b);
		return;
	}
	sort(in);
	if (event_is(in->events[0], "m.room.create", "")) {
		stored(b, 0); /* there is no state before the first event */
		return;
	}
	*f = (struct fetch){ .rooms = b->rooms,
		.room_id = b->room_id,
		.event_id = in->events[0]->event_id,
		.server = b->servers[b->at - 1],
		.done = fetched,
		.owner = b };
	fetch_start(f);
}

static void answered(struct room_call *c, enum err err, struct str body)
{
	struct backfill *b = CONTAINER_OF(c, struct backfill, call);
	const struct json *reply = NULL;
	struct room *room;

	if (!err)
		err = json_parse_in(b->arena, body, &json_limits_peer, &reply, NULL);
	if (!err)
		err = room_get(b->rooms, b->room_id, &room);
	if (err) {
		next_server(b);
		return;
	}
	b->got = NEW(struct event_set);
	incoming_init(&b->got->in, b->rooms, room->version, b->room_id, b->servers[b->at - 1]);
	b->got->in.done = verified;
	b->got->in.owner = b;
	incoming_add_all(&b->got->in, json_get(reply, "pdus"));
	incoming_verify(&b->got->in);
}

static void next_server(struct backfill *b)
{
	const struct room_ops *o = b->rooms->ops;
	const struct store_missing *m;
	struct str ids[ASKED_MAX];
	size_t n = 0;

	if (b->at >= b->n_servers || missing(b->rooms, b->arena, b->room_id, &m, &n) || !n) {
		loop_defer(b->rooms->loop, &b->deferred);
		return;
	}
	for (size_t i = 0; i < n; i++)
		ids[i] = m[i].event_id;
	b->call = (struct room_call){ .server = b->servers[b->at++], .done = answered };
	o->backfill(o->arg, &b->call, b->room_id, ids, n, b->limit);
}

void backfill_start(struct backfill *b)
{
	b->deferred = (struct loop_deferred){ .fn = finish };
	b->at = 0;
	b->n_servers = find_servers(b->rooms, b->arena, b->room_id, &b->servers);
	next_server(b);
}
