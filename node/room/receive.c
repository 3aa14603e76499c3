#include "node/room/receive.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/room/accept.h"
#include "node/room/ends.h"
#include "node/room/fetch.h"
#include "node/room/incoming.h"
#include "node/room/outliers.h"
#include "node/room/residents.h"

#define LOG_MODULE "room"

/*
 *   VERIFY --> SETTLE --everything is in its place--> DONE
 *                |  ^
 *                |  +--- MISSING   get_missing_events: what lies between; a server that has
 *                |  |              no more to tell gives way to the next of the room
 *                |  +--- AUTH      event_auth: auth events that are not here
 *                |  +--- STATE     the state before the oldest, once asking came to its end
 *                +--+--- RESOLVE   states that are too much work for the loop (resolve.h)
 *
 * One event at a time for each room. SETTLE answers at once: it takes every event that waits
 * and whose ancestors are here; what is still missing decides where to go. All ways back are
 * bounded (security.md F6).
 */
enum state { VERIFY, SETTLE, MISSING, AUTH, STATE, RESOLVE, DONE, N_STATES };

#define EVENTS_MAX ((size_t)LIMIT_GAP_EVENTS * LIMIT_GAP_REQUESTS)
#define STATES_MAX 5
#define AUTHS_MAX  10
/* Besides the origin: it may have joined just now, and lack itself what comes before that. */
#define OTHERS_MAX 2
/* For one event: before it and after it; more only while the room's ends keep moving. */
#define RESOLVES_MAX 8

struct inbox { /* of one room */
	struct str room_id;
	struct rooms *rooms;
	struct room_receive *first; /* the one that is being worked on */
	struct room_receive **last;
	struct loop_deferred deferred;
	struct receiving *now;
	char name[];
};

/* An event that waits for its ancestors. */
struct waiting {
	struct event *event; /* owned; NULL: taken or given up */
	int64_t before;      /* as another server told us; 0: not asked */
	int64_t after;       /* once it is prepared for its state to be resolved */
	unsigned resolves;
	bool auth_asked;
	enum err err;
};

struct receiving {
	struct rooms *rooms;
	struct inbox *inbox;
	struct room_receive *pdu;
	enum state state;
	const struct room_version *version;
	struct arena *arena;
	struct str event_id;
	struct waiting *list; /* the event itself is the first */
	size_t n;
	unsigned missing_asked;
	struct str asked;              /* whom MISSING asks */
	struct str others[OTHERS_MAX]; /* who comes after the origin */
	size_t n_others;
	size_t at_other;
	bool others_known;
	unsigned states_asked;
	unsigned auths_asked;
	size_t about;           /* list[about] is what AUTH or STATE ask for */
	struct resolve_job job; /* with need.n: to be done */
	struct incoming in;
	struct fetch fetch;
	struct room_call call;
};

static void enter(struct receiving *x, enum state next, enum err err);
static void start_next(struct inbox *box);

static void add(struct receiving *x, struct event *e)
{
	x->list = xrealloc(x->list, (x->n + 1) * sizeof(*x->list));
	x->list[x->n++] = (struct waiting){ .event = e };
}

static void reset_incoming(struct receiving *x, struct str from)
{
	incoming_deinit(&x->in);
	incoming_init(&x->in, x->rooms, x->version, x->inbox->room_id, from);
	x->in.owner = x;
}

static void free_receiving(struct receiving *x)
{
	for (size_t i = 0; i < x->n; i++)
		event_free(x->list[i].event);
	free(x->list);
	incoming_deinit(&x->in);
	fetch_deinit(&x->fetch);
	arena_free(x->arena);
	free(x);
}

/* ---- what needs no other server ---- */

static bool is_waiting_for(const struct receiving *x, struct str event_id)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->list[i].event && str_eq(x->list[i].event->event_id, event_id))
			return true;
	return false;
}

/* One event, if its turn has come. True if it is in its place now, or never will be. */
static bool take(struct receiving *x, struct room *room, struct waiting *w)
{
	struct accept a = { .rooms = x->rooms,
		.room = room,
		.event = w->event,
		.before = w->before,
		.after = w->after };
	unsigned flags = 0;
	int64_t nid;

	w->err = store_event_find(x->rooms->store, w->event->event_id, &nid, &flags);
	if (!w->err && !(flags & STORE_OUTLIER))
		return true;
	if (w->err && w->err != ERR_NOT_FOUND)
		return true;
	if (!w->before && !accept_has_parents(x->rooms, w->event))
		return false;
	a.known = !w->err;
	w->err = accept_event(&a);
	if (w->err == ERR_LIMIT && a.need.n && w->resolves++ < RESOLVES_MAX) {
		w->before = a.before;
		w->after = a.after;
		x->job.need = a.need;
		return false;
	}
	if (w->err == ERR_NOT_FOUND)
		return w->auth_asked; /* asked, and still not to be had */
	if (w->err)
		return true;
	if (a.verdict != ACCEPTED)
		log_info(x->rooms->log, "event %s event_id=%.*s origin=%.*s: %s",
			a.verdict == ACCEPTED_REJECTED ? "rejected" : "soft-failed",
			STR_FMT(w->event->event_id), STR_FMT(x->pdu->origin), a.why.text);
	if (a.verdict == ACCEPTED_REJECTED && w == &x->list[0]) {
		x->pdu->why = a.why;
		w->err = ERR_FORBIDDEN;
	}
	return true;
}

/* Takes what can be taken until nothing moves any more. */
static enum err take_all(struct receiving *x)
{
	struct room *room;
	bool moved = true;
	enum err err = room_get(x->rooms, x->inbox->room_id, &room);

	while (!err && moved) {
		moved = false;
		for (size_t i = 0; i < x->n && !x->job.need.n; i++) {
			struct waiting *w = &x->list[i];

			if (!w->event || !take(x, room, w))
				continue;
			event_free(w->event);
			w->event = NULL;
			moved = true;
			if (w->err == ERR_IO || w->err == ERR_FULL || w->err == ERR_CORRUPT)
				return w->err;
			err = room_get(x->rooms, x->inbox->room_id, &room);
			if (err)
				return err;
		}
	}
	return err;
}

/* An event that waits for nothing that waits itself: where the gap begins. */
static struct waiting *find_edge(struct receiving *x)
{
	for (size_t i = x->n; i > 0; i--) {
		struct waiting *w = &x->list[i - 1];
		bool inner = false;

		if (!w->event)
			continue;
		for (size_t k = 0; k < w->event->n_prev_events && !inner; k++)
			inner = is_waiting_for(x, w->event->prev_events[k]);
		if (!inner)
			return w;
	}
	return NULL;
}

static enum state decide(struct receiving *x, enum err *err)
{
	struct waiting *edge;

	*err = take_all(x);
	if (!*err && x->job.need.n)
		return RESOLVE;
	if (*err || !x->list[0].event) {
		if (!*err)
			*err = x->list[0].err;
		return DONE;
	}
	edge = find_edge(x);
	if (!edge || !x->rooms->ops) {
		*err = err_set(&x->pdu->why, ERR_NOT_FOUND, "events before it can't be had");
		return DONE;
	}
	x->about = (size_t)(edge - x->list);
	if (edge->before || accept_has_parents(x->rooms, edge->event)) {
		if (x->auths_asked++ < AUTHS_MAX)
			return AUTH;
	} else if (x->missing_asked < LIMIT_GAP_REQUESTS && x->n <= EVENTS_MAX) {
		x->missing_asked++;
		return MISSING;
	} else if (x->states_asked++ < STATES_MAX) {
		return STATE;
	}
	*err = err_set(&x->pdu->why, ERR_NOT_FOUND, "the gap before it is too large");
	return DONE;
}

static void settle(struct receiving *x)
{
	enum err err;
	enum state next = decide(x, &err);

	enter(x, next, err);
}

/* ---- what is asked of the origin ---- */

static void verified_self(struct incoming *in)
{
	struct receiving *x = in->owner;
	enum err err = ERR_OK;

	if (in->n) {
		add(x, in->events[0]);
		in->events[0] = NULL;
		in->n = 0;
	} else {
		err = in->unreachable ? ERR_UNREACHABLE : ERR_FORBIDDEN;
		err_set(&x->pdu->why, err, "a signature is missing or wrong");
	}
	enter(x, err ? DONE : SETTLE, err);
}

static void ask_verify(struct receiving *x)
{
	x->in.done = verified_self;
	incoming_verify(&x->in);
}

static void verified_missing(struct incoming *in)
{
	struct receiving *x = in->owner;

	for (size_t i = 0; i < in->n; i++) {
		if (is_waiting_for(x, in->events[i]->event_id) || x->n > EVENTS_MAX)
			continue;
		add(x, in->events[i]);
		in->events[i] = NULL;
	}
	enter(x, SETTLE, ERR_OK);
}

static bool is_listed(const struct str *ids, size_t n, struct str event_id)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(ids[i], event_id))
			return true;
	return false;
}

static bool names(const struct event *e, struct str event_id)
{
	return is_listed(e->prev_events, e->n_prev_events, event_id);
}

static bool is_in_place(const struct receiving *x, struct str event_id)
{
	unsigned flags;
	int64_t nid;

	return !store_event_find(x->rooms->store, event_id, &nid, &flags) &&
		!(flags & STORE_OUTLIER);
}

/* True: there is another server to be asked. */
static bool next_server(struct receiving *x)
{
	if (!x->others_known)
		x->n_others = room_residents(x->rooms, x->arena, x->inbox->room_id,
			x->pdu->origin, x->others, OTHERS_MAX);
	x->others_known = true;
	if (x->at_other == x->n_others)
		return false;
	x->asked = x->others[x->at_other++];
	return true;
}

/* Only what leads to an event that we asked for: its ancestors, one after the other. */
static bool is_asked_for(const struct receiving *x, const struct incoming *in, struct str id)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->list[i].event && names(x->list[i].event, id))
			return true;
	for (size_t i = 0; i < in->n; i++)
		if (in->events[i] && names(in->events[i], id))
			return true;
	return false;
}

/* What is here, or waits already, tells nothing new; nor does what comes before it: of a room
 * that we joined late that is all its past. */
static void drop_known(struct receiving *x)
{
	for (size_t i = 0; i < x->in.n; i++) {
		struct event *e = x->in.events[i];

		if (!is_waiting_for(x, e->event_id) && !is_in_place(x, e->event_id))
			continue;
		event_free(e);
		x->in.events[i] = NULL;
	}
}

static void got_missing(struct room_call *c, enum err err, struct str body)
{
	struct receiving *x = CONTAINER_OF(c, struct receiving, call);
	struct arena *a = arena_new();
	const struct json *reply;
	size_t kept = 0;

	reset_incoming(x, x->asked);
	if (!err)
		err = json_parse_in(a, body, &json_limits_peer, &reply, NULL);
	if (!err)
		incoming_add_all(&x->in, json_get(reply, "events"));
	arena_free(a);
	drop_known(x);
	/* Newest first: what leads to nothing must not hold what is before it. */
	for (size_t i = x->in.n; i > 0; i--) {
		struct event *e = x->in.events[i - 1];

		if (e && !is_asked_for(x, &x->in, e->event_id)) {
			event_free(e);
			x->in.events[i - 1] = NULL;
		}
	}
	for (size_t i = 0; i < x->in.n; i++) {
		struct event *e = x->in.events[i];

		x->in.events[i] = NULL;
		if (e && kept < LIMIT_GAP_EVENTS)
			x->in.events[kept++] = e;
		else
			event_free(e);
	}
	x->in.n = kept;
	if (!kept && !next_server(x))
		x->missing_asked = LIMIT_GAP_REQUESTS;
	x->in.done = verified_missing;
	incoming_verify(&x->in);
}

/* Where the walk back from what waits is to end: at what is here and named by it, then at the
 * room's ends. Else an answer is full of what is here before it comes to what is missing. */
static size_t find_earliest(const struct receiving *x, struct str out[LIMIT_PREV_EVENTS])
{
	struct room *room;
	size_t n = 0;

	for (size_t i = 0; i < x->n; i++) {
		const struct event *e = x->list[i].event;

		for (size_t k = 0; e && k < e->n_prev_events && n < LIMIT_PREV_EVENTS; k++)
			if (is_in_place(x, e->prev_events[k]) &&
				!is_listed(out, n, e->prev_events[k]))
				out[n++] = e->prev_events[k];
	}
	if (!room_get(x->rooms, x->inbox->room_id, &room))
		for (size_t i = 0; i < room->n_ends && n < LIMIT_PREV_EVENTS; i++)
			if (!is_listed(out, n, str_of(room->ends[i].event_id)))
				out[n++] = str_of(room->ends[i].event_id);
	return n;
}

static void ask_missing(struct receiving *x)
{
	const struct room_ops *o = x->rooms->ops;
	struct str earliest[LIMIT_PREV_EVENTS];
	struct str latest[LIMIT_PREV_EVENTS];
	size_t n_earliest = find_earliest(x, earliest);
	size_t n_latest = 0;

	for (size_t i = 0; i < x->n && n_latest < ARRAY_LEN(latest); i++)
		if (x->list[i].event && !accept_has_parents(x->rooms, x->list[i].event))
			latest[n_latest++] = x->list[i].event->event_id;
	x->call = (struct room_call){ .server = x->asked, .done = got_missing };
	o->missing_events(o->arg, &x->call, x->inbox->room_id, earliest, n_earliest, latest,
		n_latest, LIMIT_GAP_EVENTS);
}

static void verified_auth(struct incoming *in)
{
	struct receiving *x = in->owner;
	struct auth_pool pool;
	enum err err = store_begin(x->rooms->store);

	if (!err) {
		auth_pool_init(&pool, x->rooms, x->version);
		err = room_store_end(
			x->rooms, outliers_store(x->rooms, &pool, in->events, in->n));
		auth_pool_deinit(&pool);
	}
	enter(x, err ? DONE : SETTLE, err);
}

static void got_auth(struct room_call *c, enum err err, struct str body)
{
	struct receiving *x = CONTAINER_OF(c, struct receiving, call);
	struct arena *a = arena_new();
	const struct json *reply;

	reset_incoming(x, x->pdu->origin);
	if (!err)
		err = json_parse_in(a, body, &json_limits_peer, &reply, NULL);
	if (!err)
		incoming_add_all(&x->in, json_get(reply, "auth_chain"));
	arena_free(a);
	x->in.done = verified_auth;
	incoming_verify(&x->in);
}

static void ask_auth(struct receiving *x)
{
	const struct room_ops *o = x->rooms->ops;
	struct waiting *w = &x->list[x->about];

	w->auth_asked = true;
	x->call = (struct room_call){ .server = x->pdu->origin, .done = got_auth };
	o->event_auth(o->arg, &x->call, x->inbox->room_id, w->event->event_id);
}

static void got_state(struct fetch *f, enum err err)
{
	struct receiving *x = f->owner;

	if (!err)
		x->list[x->about].before = f->group;
	else
		x->pdu->why = f->why;
	fetch_deinit(f);
	enter(x, err ? DONE : SETTLE, err);
}

static void ask_state(struct receiving *x)
{
	x->fetch = (struct fetch){ .rooms = x->rooms,
		.room_id = x->inbox->room_id,
		.event_id = x->list[x->about].event->event_id,
		.server = x->pdu->origin,
		.done = got_state,
		.owner = x };
	fetch_start(&x->fetch);
}

static void resolved(struct resolve_job *job, enum err err)
{
	struct receiving *x = CONTAINER_OF(job, struct receiving, job);

	job->need.n = 0;
	if (err)
		x->pdu->why = job->why;
	enter(x, err ? DONE : SETTLE, err);
}

static void ask_resolve(struct receiving *x)
{
	x->job.rooms = x->rooms;
	x->job.room_id = x->inbox->room_id;
	x->job.done = resolved;
	resolve_job_start(&x->job);
}

static void finish(struct receiving *x, enum err err)
{
	struct inbox *box = x->inbox;
	struct room_receive *pdu = x->pdu;

	if (!err && !x->rooms->closing)
		room_merge_ends(x->rooms, box->room_id);
	free_receiving(x);
	box->now = NULL;
	box->first = pdu->next;
	if (!box->first)
		box->last = &box->first;
	pdu->done(pdu, err);
	start_next(box);
}

static const struct {
	const char *name;
	void (*enter)(struct receiving *x);
} steps[N_STATES] = {
	[VERIFY] = { "verify", ask_verify },
	[SETTLE] = { "settle", settle },
	[MISSING] = { "missing", ask_missing },
	[AUTH] = { "auth", ask_auth },
	[STATE] = { "state", ask_state },
	[RESOLVE] = { "resolve", ask_resolve },
	[DONE] = { "done", NULL },
};

static void enter(struct receiving *x, enum state next, enum err err)
{
	log_debug(x->rooms->log, "receive %s: %s -> %s", x->pdu->event_id, steps[x->state].name,
		steps[next].name);
	x->state = next;
	if (next == DONE)
		finish(x, err); /* x is gone after this line */
	else
		steps[next].enter(x);
}

/* ---- the first look, and the queue ---- */

/* Where our user was put out, only the room's own servers are heard. */
static bool is_heard(const struct receiving *x)
{
	struct rooms *r = x->rooms;

	return rooms_is_in_room(r, x->inbox->room_id) ||
		(rooms_listens_to_room(r, x->inbox->room_id) &&
			store_membership_server_joined(
				r->store, x->inbox->room_id, x->pdu->origin));
}

static enum err read_pdu(struct receiving *x)
{
	struct room_receive *pdu = x->pdu;
	struct room *room;
	unsigned flags;
	int64_t nid;
	enum err err = room_get(x->rooms, x->inbox->room_id, &room);

	if (err == ERR_NOT_FOUND || !is_heard(x))
		return err_set(&pdu->why, ERR_NOT_FOUND, "nobody here is in this room");
	if (err)
		return err;
	x->version = room->version;
	reset_incoming(x, x->pdu->origin);
	err = incoming_add(&x->in, pdu->pdu, &pdu->why);
	if (err)
		return err;
	room_copy_id(pdu->event_id, x->in.events[0]->event_id);
	if (!rooms_server_allowed(
		    x->rooms, x->inbox->room_id, id_server_of(x->in.events[0]->sender)))
		return err_set(&pdu->why, ERR_FORBIDDEN,
			"the room does not let the sender's server take part");
	err = store_event_find(x->rooms->store, str_of(pdu->event_id), &nid, &flags);
	if (!err && !(flags & STORE_OUTLIER))
		return ERR_EXISTS;
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void start(struct loop_deferred *d)
{
	struct inbox *box = CONTAINER_OF(d, struct inbox, deferred);
	struct receiving *x = NEW(struct receiving);
	enum err err;

	x->rooms = box->rooms;
	x->inbox = box;
	x->pdu = box->first;
	x->asked = x->pdu->origin;
	x->arena = arena_new();
	box->now = x;
	err = read_pdu(x);
	if (err)
		finish(x, err == ERR_EXISTS ? ERR_OK : err);
	else
		enter(x, VERIFY, ERR_OK);
}

/* Nothing more is begun: what waits is told so. */
static void give_up(struct inbox *box)
{
	while (box->first) {
		struct room_receive *pdu = box->first;

		box->first = pdu->next;
		pdu->done(pdu, ERR_CANCELLED);
	}
}

static void start_next(struct inbox *box)
{
	if (box->rooms->closing)
		give_up(box);
	if (box->first) {
		loop_defer(box->rooms->loop, &box->deferred);
		return;
	}
	map_del(&box->rooms->receiving, box->room_id);
	free(box);
}

static struct inbox *inbox_of(struct rooms *r, struct str room_id)
{
	struct inbox *box = map_get(&r->receiving, room_id);

	if (box)
		return box;
	box = xalloc(sizeof(*box) + room_id.n);
	memcpy(box->name, room_id.p, room_id.n);
	box->room_id = (struct str){ box->name, room_id.n };
	box->rooms = r;
	box->last = &box->first;
	box->deferred.fn = start;
	map_put(&r->receiving, box->room_id, box);
	return box;
}

void rooms_receive_pdu(struct rooms *r, struct room_receive *pdu)
{
	struct str room_id = STR("");
	struct inbox *box;

	pdu->event_id[0] = '\0';
	pdu->why.text[0] = '\0';
	pdu->next = NULL;
	/* Without a room id (a version 12 create event, or nonsense) it is of no room of ours;
	 * the queue of "" says so. */
	json_as_str(json_get(pdu->pdu, "room_id"), &room_id);
	if (room_id.n > LIMIT_ID_BYTES)
		room_id = STR("");
	box = inbox_of(r, room_id);
	*box->last = pdu;
	box->last = &pdu->next;
	if (box->first == pdu && !box->now)
		loop_defer(r->loop, &box->deferred);
}
