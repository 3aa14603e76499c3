/*
 * Storing what an intake brought: depth first over what the events cite, without recursion,
 * since a stranger chose how long the chains are; some of it in each turn of the loop.
 */
#include "node/base/alloc.h"
#include "node/room/auth_pool.h"
#include "node/room/intake.h"

#define LOG_MODULE "room"

/* A turn's share: whichever is reached first. */
#define SLICE_MS     4
#define SLICE_EVENTS 64

struct slice {
	struct intake *t;
	struct auth_pool pool;
	uint64_t until_ms;
	unsigned left;
};

static void state_put(struct intake *t, const struct event *e, int64_t nid)
{
	t->state[t->n_state++] = (struct store_state){ arena_str(t->arena, e->type),
		arena_str(t->arena, e->state_key), nid };
}

static enum err put(struct slice *s, const struct intake_entry *entry, struct event *e)
{
	struct intake *t = s->t;
	struct store *st = t->rooms->store;
	struct store_event_new row = { .event = e, .flags = STORE_OUTLIER };
	unsigned flags = 0;
	int64_t pos;
	int64_t nid;
	enum err err = store_event_find(st, e->event_id, &nid, &flags);
	bool is_new = err == ERR_NOT_FOUND;
	bool rejected = !is_new && (flags & STORE_REJECTED);

	if (err && !is_new)
		return err;
	if (is_new || (flags & STORE_AFAR)) {
		err = auth_pool_check(&s->pool, e, NULL, NULL);
		rejected = err == ERR_FORBIDDEN;
		if (err == ERR_NOT_FOUND) {
			t->left_out++;
			return ERR_OK;
		}
		if (err && !rejected)
			return err;
		if (rejected)
			row.flags |= STORE_REJECTED;
		t->rejected += rejected;
		err = is_new ? store_event_put(st, &row, &nid, &pos)
			     : store_event_settle(st, &row);
		if (!err && !is_new)
			err = store_event_find(st, e->event_id, &nid, NULL);
	}
	if (!err && entry->state && e->is_state && !rejected)
		state_put(t, e, nid);
	return err;
}

static enum err store_one(struct slice *s, struct intake_entry *entry)
{
	CLEANUP(event_freep) struct event *e = NULL;
	enum err err = intake_set_event(&s->t->set, entry, s->t->version, &e);

	entry->mark = INTAKE_DONE;
	s->left--;
	/* Its shape was checked when it came. */
	return err ? err : put(s, entry, e);
}

/* The next event that the open one cites and that wasn't looked at; INTAKE_NONE: no more. A
 * circle, which no honest hash can make, ends at the one that is open already. */
static enum err next_below(struct intake *t, struct intake_entry *entry, uint32_t *below)
{
	*below = INTAKE_NONE;
	while (entry->next < entry->n_auth && *below == INTAKE_NONE) {
		enum err err = intake_set_auth(&t->set, entry, entry->next++, below);

		if (err)
			return err;
		if (*below != INTAKE_NONE && t->set.entries[*below].mark != INTAKE_UNSEEN)
			*below = INTAKE_NONE;
	}
	return ERR_OK;
}

static void open_entry(struct intake *t, uint32_t i, uint32_t above)
{
	t->set.entries[i].mark = INTAKE_OPEN;
	t->set.entries[i].above = above;
	t->open = i;
}

/* The create event first: version 12 does not name it. */
static bool begin_next(struct intake *t)
{
	for (; !t->begun && t->next < t->set.n; t->next++)
		if (t->set.entries[t->next].create &&
			t->set.entries[t->next].mark == INTAKE_UNSEEN) {
			open_entry(t, (uint32_t)t->next++, INTAKE_NONE);
			return true;
		}
	if (!t->begun)
		t->next = 0;
	t->begun = true;
	for (; t->next < t->set.n; t->next++)
		if (t->set.entries[t->next].mark == INTAKE_UNSEEN) {
			open_entry(t, (uint32_t)t->next++, INTAKE_NONE);
			return true;
		}
	return false;
}

static enum err step(struct slice *s, bool *more)
{
	struct intake *t = s->t;
	struct intake_entry *entry;
	uint32_t below;
	enum err err;

	if (t->open == INTAKE_NONE && !begin_next(t)) {
		*more = false;
		return ERR_OK;
	}
	entry = &t->set.entries[t->open];
	err = next_below(t, entry, &below);
	if (err)
		return err;
	if (below != INTAKE_NONE) {
		open_entry(t, below, t->open);
		return ERR_OK;
	}
	t->open = entry->above;
	return store_one(s, entry);
}

static enum err run_slice(struct intake *t, bool *more)
{
	struct slice s = { .t = t,
		.until_ms = clock_mono_ms(t->rooms->clock) + SLICE_MS,
		.left = SLICE_EVENTS };
	enum err err = store_begin(t->rooms->store);

	if (err)
		return err;
	auth_pool_init(&s.pool, t->rooms, t->version);
	while (*more && !err && s.left && clock_mono_ms(t->rooms->clock) < s.until_ms)
		err = step(&s, more);
	auth_pool_deinit(&s.pool);
	return room_store_end(t->rooms, err);
}

static void unlink_intake(struct intake *t)
{
	struct intake **at = &t->rooms->storing;

	if (!t->is_storing)
		return;
	t->is_storing = false;
	while (*at != t)
		at = &(*at)->next_storing;
	*at = t->next_storing;
}

static void finish(struct intake *t, enum err err)
{
	unlink_intake(t);
	if (!err && (t->left_out || t->rejected))
		log_info(t->rooms->log,
			"events of a state that are not allowed room_id=%.*s rejected=%u "
			"left_out=%u",
			STR_FMT(t->room_id), t->rejected, t->left_out);
	if (err)
		err_set(&t->why, err, "the room's events can't be stored");
	t->stored(t, err); /* t may be gone after this line */
}

static void on_ready(struct store_waiter *w, enum err err)
{
	struct intake *t = CONTAINER_OF(w, struct intake, ready);

	if (err)
		finish(t, err);
	else
		loop_timer_set(t->rooms->loop, t->timer, 0);
}

static void on_turn(void *arg)
{
	struct intake *t = arg;
	bool more = true;
	enum err err;

	if (!store_ready(t->rooms->store, &t->ready))
		return;
	err = run_slice(t, &more);
	if (err || !more)
		finish(t, err);
	else
		loop_timer_set(t->rooms->loop, t->timer, 0);
}

void intake_store(struct intake *t)
{
	t->next_storing = t->rooms->storing;
	t->rooms->storing = t;
	t->is_storing = true;
	t->state = arena_calloc(t->arena, t->set.n + 2, sizeof(*t->state));
	t->n_state = 0;
	t->open = INTAKE_NONE;
	t->next = 0;
	t->begun = false;
	t->ready = (struct store_waiter){ .fn = on_ready };
	t->timer = loop_timer_new(t->rooms->loop, on_turn, t);
	loop_timer_set(t->rooms->loop, t->timer, 0);
}

void intakes_cancel(struct rooms *r)
{
	while (r->storing) {
		struct intake *t = r->storing;

		store_durable_cancel(r->store, &t->ready);
		finish(t, ERR_CANCELLED);
	}
}

void intake_store_deinit(struct intake *t)
{
	unlink_intake(t);
	loop_timer_free(t->rooms->loop, t->timer);
	t->timer = NULL;
	store_durable_cancel(t->rooms->store, &t->ready);
}
