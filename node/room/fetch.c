#include "node/room/fetch.h"

#include <stdlib.h>

#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/core/state_res.h"
#include "node/room/outliers.h"
#include "node/room/resolve.h"

/*
 *   IDS --few are missing--> EVENT --(next one)--> EVENT ... --> VERIFY --> persist --> done
 *    |                                                             ^
 *    +------many are missing--> STATE -----------------------------+
 *
 * An event that the server doesn't give is left out. A state without its create event is none.
 */
enum state { IDS, EVENT, STATE, VERIFY, DONE, N_STATES };

#define FEW 50 /* more are asked for in one go */

struct step {
	const char *name;
	void (*enter)(struct fetch *f);
	enum state (*answer)(struct fetch *f, struct str body, enum err *err);
};

static void ask_ids(struct fetch *f)
{
	const struct room_ops *o = f->rooms->ops;

	o->state_ids(o->arg, &f->call, f->room_id, f->event_id);
}

static enum err read_list(
	struct fetch *f, const struct json *reply, const char *key, struct str *out, size_t *n)
{
	const struct json *list;
	enum err err = json_arr(reply, key, &list, &f->why);

	if (err)
		return err;
	for (const struct json *i = json_first(list); i && *n < LIMIT_JOIN_EVENTS;
		i = json_next(i)) {
		if (!json_as_str(i, &out[*n]) || !id_event(out[*n]))
			return err_set(&f->why, ERR_MALFORMED, "%s: not event ids", key);
		(*n)++;
	}
	return ERR_OK;
}

static enum state got_ids(struct fetch *f, struct str body, enum err *err)
{
	const struct json *reply;
	struct str *ids;
	size_t most;
	size_t n = 0;

	*err = json_parse_in(f->arena, body, &json_limits_peer, &reply, &f->why);
	if (*err)
		return DONE;
	most = json_count(json_get(reply, "pdu_ids")) +
		json_count(json_get(reply, "auth_chain_ids"));
	ids = arena_calloc(f->arena, most + 1, sizeof(*ids));
	*err = read_list(f, reply, "pdu_ids", ids, &n);
	f->state_ids = ids;
	f->n_state = n;
	if (!*err)
		*err = read_list(f, reply, "auth_chain_ids", ids, &n);
	if (!*err)
		*err = store_event_unknown(
			f->rooms->store, f->arena, ids, n, &f->wanted, &f->n_wanted);
	if (*err)
		return DONE;
	return !f->n_wanted ? VERIFY : f->n_wanted <= FEW ? EVENT : STATE;
}

static void ask_event(struct fetch *f)
{
	const struct room_ops *o = f->rooms->ops;

	o->event(o->arg, &f->call, f->wanted[f->at]);
}

/* The answer is a transaction with one PDU; another event than the one asked for is none. */
static enum state got_event(struct fetch *f, struct str body, enum err *err)
{
	struct arena *a = arena_new();
	const struct json *reply;

	if (!*err && !json_parse_in(a, body, &json_limits_peer, &reply, NULL))
		incoming_add_all(&f->in, json_get(reply, "pdus"));
	*err = ERR_OK;
	arena_free(a);
	return ++f->at < f->n_wanted ? EVENT : VERIFY;
}

static void ask_state(struct fetch *f)
{
	const struct room_ops *o = f->rooms->ops;

	o->state(o->arg, &f->call, f->room_id, f->event_id);
}

static enum state got_state(struct fetch *f, struct str body, enum err *err)
{
	struct arena *a = arena_new();
	const struct json *reply;

	*err = json_parse_in(a, body, &json_limits_peer, &reply, &f->why);
	if (!*err) {
		incoming_add_all(&f->in, json_get(reply, "auth_chain"));
		incoming_add_all(&f->in, json_get(reply, "pdus"));
	}
	arena_free(a);
	return *err ? DONE : VERIFY;
}

static int compare(const void *a, const void *b)
{
	return state_entry_cmp(a, b);
}

/* The state of the events that are here now and were not rejected. */
static enum err make_group(struct fetch *f, struct room *room)
{
	struct state_entry *entries = arena_calloc(f->arena, f->n_state + 1, sizeof(*entries));
	struct state_set set = { entries, 0 };
	bool created = false;
	size_t n = 0;
	size_t kept = 0;

	for (size_t i = 0; i < f->n_state; i++) {
		struct store_event e;
		enum err err = store_event_get(f->rooms->store, f->arena, f->state_ids[i], &e);

		if (err == ERR_NOT_FOUND ||
			(!err &&
				((e.flags & STORE_REJECTED) || !e.is_state ||
					!str_eq(e.room_id, f->room_id))))
			continue;
		if (err)
			return err;
		created |= str_eq(e.type, STR("m.room.create"));
		entries[n++] = (struct state_entry){ e.type, e.state_key, e.event_id };
	}
	if (!created)
		return err_set(&f->why, ERR_INVALID, "a state without m.room.create");
	qsort(entries, n, sizeof(*entries), compare);
	for (size_t i = 0; i < n; i++)
		if (!i || state_entry_cmp(&entries[kept - 1], &entries[i]))
			entries[kept++] = entries[i];
	set.n = kept;
	return room_group_of(f->rooms, room, room->group, &set, &f->group);
}

static enum err persist(struct fetch *f)
{
	struct rooms *r = f->rooms;
	struct auth_pool pool;
	struct room *room;
	enum err err = room_get(r, f->room_id, &room);

	if (!err)
		err = store_begin(r->store);
	if (err)
		return err;
	auth_pool_init(&pool, r, room->version);
	err = outliers_store(r, &pool, f->in.events, f->in.n);
	if (!err)
		err = make_group(f, room);
	err = room_store_end(r, err);
	auth_pool_deinit(&pool);
	return err;
}

static void verified(struct incoming *in)
{
	struct fetch *f = in->owner;

	f->done(f, persist(f)); /* f may be gone after this line */
}

static void ask_verify(struct fetch *f)
{
	incoming_verify(&f->in);
}

static const struct step steps[N_STATES] = {
	[IDS] = { "state_ids", ask_ids, got_ids },
	[EVENT] = { "event", ask_event, got_event },
	[STATE] = { "state", ask_state, got_state },
	[VERIFY] = { "verify", ask_verify, NULL },
	[DONE] = { "done", NULL, NULL },
};

static void enter(struct fetch *f, enum state next, enum err err)
{
	f->state = next;
	if (next == DONE)
		f->done(f, err); /* f may be gone after this line */
	else
		steps[next].enter(f);
}

static void answered(struct room_call *c, enum err err, struct str body)
{
	struct fetch *f = CONTAINER_OF(c, struct fetch, call);
	enum state next = DONE;

	if (!err || f->state == EVENT)
		next = steps[f->state].answer(f, body, &err);
	else
		f->why = c->why;
	enter(f, next, err);
}

void fetch_start(struct fetch *f)
{
	struct room *room = NULL;
	const struct room_version *v =
		room_get(f->rooms, f->room_id, &room) ? NULL : room->version;

	f->arena = arena_new();
	f->group = 0;
	f->at = 0;
	f->call = (struct room_call){ .server = f->server, .done = answered };
	incoming_init(&f->in, f->rooms, v, f->room_id, f->server);
	f->in.done = verified;
	f->in.owner = f;
	enter(f, IDS, ERR_OK);
}

void fetch_deinit(struct fetch *f)
{
	if (!f->arena)
		return;
	incoming_deinit(&f->in);
	arena_free(f->arena);
	f->arena = NULL;
}
