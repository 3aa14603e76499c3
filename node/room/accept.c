#include "node/room/accept.h"

#include "node/base/limits.h"
#include "node/room/persist.h"
#include "node/room/resolve.h"
#include "node/room/state.h"

/* The group after an event that is in the room's graph; false if it isn't, or nobody knows. */
static bool group_after(struct rooms *r, struct str event_id, int64_t *group)
{
	struct arena *a = arena_new();
	struct store_event row;
	bool known = !store_event_get(r->store, a, event_id, &row) &&
		!(row.flags & STORE_OUTLIER) && row.state_after;

	if (known)
		*group = row.state_after;
	arena_free(a);
	return known;
}

bool accept_has_parents(struct rooms *r, const struct event *e)
{
	int64_t group;

	if (e->n_prev_events == 0)
		return event_is(e, "m.room.create", "");
	for (size_t i = 0; i < e->n_prev_events; i++)
		if (!group_after(r, e->prev_events[i], &group))
			return false;
	return true;
}

/* The room's first event has no state before it. A server that joined later meets it where a
 * gap reaches back as far; another one like it is none of this room. */
static enum err check_first(struct accept *a)
{
	enum err err = ERR_OK;
	const struct event *create =
		room_current(a->rooms, a->room, STR("m.room.create"), STR(""), &err);

	if (err)
		return err;
	a->state_before = 0;
	if (create && str_eq(create->event_id, a->event->event_id))
		return ERR_OK;
	a->verdict = ACCEPTED_REJECTED;
	return err_set(&a->why, ERR_FORBIDDEN, "it has no prev_events");
}

static enum err find_before(struct accept *a)
{
	int64_t groups[LIMIT_PREV_EVENTS];
	size_t n = 0;

	if (a->before) {
		a->state_before = a->before;
		return ERR_OK;
	}
	for (; n < a->event->n_prev_events && n < LIMIT_PREV_EVENTS; n++)
		if (!group_after(a->rooms, a->event->prev_events[n], &groups[n]))
			return err_set(&a->why, ERR_NOT_FOUND, "events before it are not here");
	if (!n)
		return check_first(a);
	return room_resolve(a->rooms, a->room, groups, n, &a->state_before, &a->need, &a->why);
}

static enum err check_in(struct accept *a, int64_t group)
{
	struct room_state s;
	enum err err;

	room_state_group(&s, a->rooms, a->room, group);
	err = room_state_check(&s, a->event, &a->why);
	room_state_deinit(&s);
	return err;
}

/* ERR_FORBIDDEN becomes a verdict. */
static enum err judge(struct accept *a)
{
	struct auth_pool pool;
	enum err err;

	a->verdict = ACCEPTED_REJECTED;
	auth_pool_init(&pool, a->rooms, a->event->version);
	err = auth_pool_check(&pool, a->event, NULL, &a->why);
	auth_pool_deinit(&pool);
	if (!err)
		err = check_in(a, a->state_before);
	if (err)
		return err;
	a->verdict = ACCEPTED;
	if (a->room->group && a->room->group != a->state_before) {
		struct room_state now;

		room_state_current(&now, a->rooms, a->room);
		err = room_state_check(&now, a->event, &a->why);
		room_state_deinit(&now);
		if (err == ERR_FORBIDDEN)
			a->verdict = ACCEPTED_SOFT_FAILED;
	}
	return err;
}

static enum err write(struct accept *a)
{
	static const unsigned flags[] = { [ACCEPTED] = 0,
		[ACCEPTED_SOFT_FAILED] = STORE_SOFT_FAILED,
		[ACCEPTED_REJECTED] = STORE_REJECTED };
	struct room_persist p = { .event = a->event, .known = a->known, .waits = true };
	enum err err;

	a->need.n = 0;
	a->prepare = false;
	err = find_before(a);

	if (!err)
		err = judge(a);
	if (err && (err != ERR_FORBIDDEN || a->strict))
		return err;
	p.flags = a->flags | flags[a->verdict];
	p.before = a->state_before;
	p.after = a->after;
	err = room_persist(a->rooms, a->room, &p);
	if (err == ERR_LIMIT) {
		a->need = p.need;
		a->prepare = !a->after;
	}
	return err;
}

/* The room's state after it is too much work for the loop: it becomes an outlier, with the
 * state before and after it, so that a job has groups to resolve. */
static enum err prepare(struct accept *a)
{
	const struct event *e = a->event;
	struct store_event_new row = { .event = e, .flags = STORE_OUTLIER };
	int64_t nid;
	int64_t pos;
	enum err err = find_before(a);

	if (!err)
		err = store_event_find(a->rooms->store, e->event_id, &nid, NULL);
	if (err == ERR_NOT_FOUND)
		err = store_event_put(a->rooms->store, &row, &nid, &pos);
	if (err)
		return err;
	a->before = a->state_before;
	a->after = a->before;
	if (!e->is_state)
		return ERR_OK;
	return store_state_group_new(a->rooms->store, a->room->id, a->before,
		&(struct store_state){ e->type, e->state_key, nid }, 1, &a->after);
}

static enum err once(struct accept *a)
{
	enum err err = store_begin(a->rooms->store);

	if (err)
		return err;
	err = write(a);
	if (!err)
		return room_store_end(a->rooms, ERR_OK);
	/* Nothing but groups of resolved states was written, if that: nothing moved. */
	if (err == ERR_NOT_FOUND || err == ERR_FORBIDDEN) {
		enum err end = store_commit(a->rooms->store);

		return end ? end : err;
	}
	return room_store_end(a->rooms, err);
}

enum err accept_event(struct accept *a)
{
	enum err err = once(a);

	if (err != ERR_LIMIT || !a->prepare)
		return err;
	err = store_begin(a->rooms->store);
	if (!err)
		err = room_store_end(a->rooms, prepare(a));
	if (err)
		return err;
	a->known = true;
	return once(a);
}
