#include "node/room/persist.h"

#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/core/power.h"
#include "node/room/ends.h"

/* What keeps an event out of the timeline. */
#define NOT_LIVE (STORE_OUTLIER | STORE_REJECTED | STORE_SOFT_FAILED | STORE_BACKFILLED)

/* More changes than this, and what is cached is forgotten wholesale. */
#define CHANGES_MAX 64

/* Room versions 3 and up, "Handling redactions": by who has the power, or by anybody of the
 * server that sent the original. */
static bool may_redact(struct rooms *r, struct room *room, const struct event *redaction,
	struct str target_sender, enum err *err)
{
	const struct event *create;
	const struct event *levels;

	if (str_eq(id_server_of(redaction->sender), id_server_of(target_sender)))
		return true;
	create = room_current(r, room, STR("m.room.create"), STR(""), err);
	levels = room_current(r, room, STR("m.room.power_levels"), STR(""), err);
	return create &&
		power_of_user(create, levels, redaction->sender) >=
		power_to(create, levels, "redact");
}

static enum err redact(struct rooms *r, struct room *room, const struct event *redaction,
	int64_t redaction_nid, const struct store_event *target)
{
	CLEANUP(event_freep) struct event *whole = NULL;
	CLEANUP(event_freep) struct event *redacted = NULL;
	enum err err = ERR_OK;

	if (!str_eq(target->room_id, room->id) || target->nid == redaction_nid)
		return ERR_OK;
	if (!may_redact(r, room, redaction, target->sender, &err) || err)
		return err;
	err = event_from_store(target->json, target->event_id, room->version, &whole);
	if (!err)
		err = event_redact(whole, &redacted);
	if (!err)
		err = store_event_redact(r->store, target->nid, redaction_nid, redacted);
	if (!err && target->is_state)
		room_state_changed(r, room, target->type, target->state_key);
	return err;
}

/* The event redacts another: at once, or when that one comes. */
static enum err redact_target(
	struct rooms *r, struct room *room, const struct event *e, int64_t nid)
{
	struct arena *a = arena_new();
	struct store_event target;
	enum err err = store_event_get(r->store, a, e->redacts, &target);

	if (err == ERR_NOT_FOUND)
		err = store_event_redaction_wait(r->store, e->redacts, nid);
	else if (!err)
		err = redact(r, room, e, nid, &target);
	arena_free(a);
	return err;
}

/* Was a redaction of this event here before it? */
static enum err redact_late(
	struct rooms *r, struct room *room, const struct event *e, int64_t nid)
{
	CLEANUP(event_freep) struct event *redaction = NULL;
	struct store_event row;
	struct arena *a;
	int64_t by;
	enum err err = store_event_redaction_of(r->store, e->event_id, &by);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = room_event_load(r, room->version, by, &redaction);
	if (err)
		return err;
	a = arena_new();
	err = store_event_get_nid(r->store, a, nid, &row);
	if (!err)
		err = redact(r, room, redaction, by, &row);
	arena_free(a);
	return err;
}

static enum err apply(struct rooms *r, struct room *room, int64_t group, int64_t pos,
	const struct store_state *changes, size_t n)
{
	enum err err = store_state_apply(r->store, room->id, pos, changes, n);

	if (!err)
		err = store_room_set_state_group(r->store, room->id, group);
	if (err)
		return err;
	room->group = group;
	if (n > CHANGES_MAX)
		room_state_reset(r, room);
	for (size_t i = 0; i < n && n <= CHANGES_MAX; i++)
		room_state_changed(r, room, changes[i].type, changes[i].state_key);
	return ERR_OK;
}

enum err room_current_set(struct rooms *r, struct room *room, int64_t group, int64_t pos)
{
	struct arena *a;
	struct store_state *changes;
	size_t n;
	enum err err;

	if (group == room->group)
		return ERR_OK;
	a = arena_new();
	err = room_state_diff(r, a, room->group, group, &changes, &n);
	if (!err)
		err = apply(r, room, group, pos, changes, n);
	arena_free(a);
	return err;
}

/* The room's ends moved: what is its state now? */
static enum err move_current(struct rooms *r, struct room *room, struct room_persist *p)
{
	const struct event *e = p->event;
	int64_t group = p->after;
	int64_t groups[RESOLVE_GROUPS_MAX];
	size_t n = 0;
	enum err err = ERR_OK;

	if (room->n_ends == 1)
		group = room->ends[0].group;
	if (room->n_ends > 1) {
		/* The latest ends, should somebody have made more of them than we count. */
		for (size_t i = room->n_ends; i > 0 && n < ARRAY_LEN(groups); i--)
			groups[n++] = room->ends[i - 1].group;
		err = p->waits ? room_resolve(r, room, groups, n, &group, &p->need, NULL)
			       : room_resolve_now(r, room, groups, n, &group);
	}
	if (err || group == room->group)
		return err;
	if (group == p->after && p->before == room->group && e->is_state) {
		const struct store_state change = { e->type, e->state_key, p->nid };

		return apply(r, room, group, p->pos, &change, 1);
	}
	return room_current_set(r, room, group, p->pos);
}

/* What fills a gap has descendants here that are ends, or have been: it is none. */
static enum err move_ends(struct rooms *r, struct room *room, struct room_persist *p)
{
	bool is_end = true;
	enum err err = ERR_OK;

	if (!(p->flags & STORE_LOCAL))
		err = store_event_is_end(r->store, room->id, p->nid, &is_end);
	if (!err && !(p->flags & STORE_LOCAL))
		err = room_ends_behind(r, room, p->event);
	if (err)
		return err;
	room_end_add(room, p->event, p->nid, p->after, !is_end);
	return move_current(r, room, p);
}

static enum err put(struct rooms *r, struct room *room, struct room_persist *p)
{
	const struct event *e = p->event;
	struct store_event_new row = { .event = e,
		.flags = p->flags,
		.state_before = p->before,
		.state_after = p->before,
		.device_id = p->device_id,
		.txn_id = p->txn_id };
	bool changes = e->is_state && !(p->flags & (STORE_OUTLIER | STORE_REJECTED));
	int64_t after = p->after;
	enum err err;

	if (p->known)
		err = store_event_promote(r->store, &row, &p->nid, &p->pos);
	else
		err = store_event_put(r->store, &row, &p->nid, &p->pos);
	p->after = p->before;
	if (err || !changes)
		return err;
	if (after)
		p->after = after;
	else
		err = store_state_group_new(r->store, room->id, p->before,
			&(struct store_state){ e->type, e->state_key, p->nid }, 1, &p->after);
	if (!err)
		err = store_event_set_state(r->store, p->nid, p->flags, p->before, p->after);
	return err;
}

enum err room_redact(struct rooms *r, struct room *room, const struct event *e, int64_t nid)
{
	enum err err = redact_late(r, room, e, nid);

	if (!err && e->redacts.n)
		err = redact_target(r, room, e, nid);
	return err;
}

enum err room_persist(struct rooms *r, struct room *room, struct room_persist *p)
{
	const struct event *e = p->event;
	enum err err = put(r, room, p);

	if (!err && !(p->flags & NOT_LIVE))
		err = move_ends(r, room, p);
	if (!err && !(p->flags & STORE_LOCAL))
		err = redact_late(r, room, e, p->nid);
	if (!err && e->redacts.n &&
		!(p->flags & (STORE_OUTLIER | STORE_REJECTED | STORE_SOFT_FAILED)))
		err = redact_target(r, room, e, p->nid);
	return err;
}
