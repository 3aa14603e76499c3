/*
 * The state that goes with a timeline (client-server API, "Syncing"): what it was at the
 * timeline's start (`state`), or is at its end (`state_after`).
 *
 * Both are read from the stream of changes of the current state, never from the events: which
 * of two conflicting events holds is what state resolution said, not which one came last.
 *
 *      token                  start               end
 *        |------- gap ----------|---- timeline ----|
 *        `state`: all of the gap, and of the timeline what has no event in it
 *        `state_after`: all of both
 */
#include "node/sync/answer.h"

struct collect {
	struct answer *an;
	struct room_data *d;
	int64_t *nids;
	size_t n, cap;
	bool after; /* state_after */
	bool lazy;
};

static bool is_member(struct str type)
{
	return str_eq(type, STR("m.room.member"));
}

static bool in_timeline(const struct room_data *d, int64_t nid)
{
	for (size_t i = 0; i < d->timeline.n; i++)
		if (d->timeline.events[i]->nid == nid)
			return true;
	return false;
}

static void push(struct collect *c, int64_t nid)
{
	if (nid == 0)
		return;
	for (size_t i = 0; c->lazy && i < c->n; i++)
		if (c->nids[i] == nid)
			return;
	if (c->n == c->cap) {
		int64_t *more;

		c->cap = c->cap ? c->cap * 2 : 32;
		more = (int64_t *)arena_calloc(c->d->a, c->cap, sizeof *more);
		if (c->n)
			memcpy(more, c->nids, c->n * sizeof *more);
		c->nids = more;
	}
	c->nids[c->n++] = nid;
}

/* --- lazy members ------------------------------------------------------------------------ */

static bool is_hero(const struct summary *s, struct str user_id)
{
	for (size_t i = 0; i < s->n_heroes; i++)
		if (str_eq(s->heroes[i], user_id))
			return true;
	return false;
}

static bool is_sender(const struct timeline *t, struct str user_id)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(t->events[i]->sender, user_id))
			return true;
	return false;
}

/* A member whose event the client needs with this answer. */
static bool is_needed(const struct collect *c, struct str user_id)
{
	return str_eq(user_id, c->an->op->user_id) || is_sender(&c->d->timeline, user_id) ||
		is_hero(&c->d->summary, user_id);
}

/* The value of a member's entry where the answer's state is. */
static enum err member_event(struct collect *c, struct str user_id, int64_t *nid)
{
	const struct room_data *d = c->d;
	struct answer *an = c->an;
	enum err err;

	if (d->part->kind == PART_LEAVE)
		return store_state_get_at(an->store, d->part->room_id, d->part->to,
			STR("m.room.member"), user_id, nid);
	err = store_state_get(an->store, d->part->room_id, STR("m.room.member"), user_id, nid);
	if (err == ERR_NOT_FOUND) {
		*nid = 0;
		return ERR_OK;
	}
	if (!err && !c->after && in_timeline(d, *nid))
		err = store_state_get_at(an->store, d->part->room_id, d->timeline.start,
			STR("m.room.member"), user_id, nid);
	return err;
}

static enum err push_member(struct collect *c, struct str user_id)
{
	struct answer *an = c->an;
	int64_t nid;
	enum err err = member_event(c, user_id, &nid);

	if (err || !nid)
		return err;
	if (an->filter->state.include_redundant_members ||
		!lazy_knows(an->sync->lazy, an->op->device, c->d->part->room_id, user_id, nid,
			an->from.stream))
		push(c, nid);
	return ERR_OK;
}

/* Of a room that the client knows: who speaks in the timeline, and the heroes. */
static enum err push_needed_members(struct collect *c)
{
	const struct timeline *t = &c->d->timeline;
	enum err err = ERR_OK;

	for (size_t i = 0; i < t->n && !err; i++) {
		bool again = false;

		for (size_t j = 0; j < i && !again; j++)
			again = str_eq(t->events[j]->sender, t->events[i]->sender);
		if (!again)
			err = push_member(c, t->events[i]->sender);
	}
	for (size_t i = 0; i < c->d->summary.n_heroes && !err; i++)
		err = push_member(c, c->d->summary.heroes[i]);
	return err;
}

/* --- all of a room's state -----------------------------------------------------------------
 */

static enum err read_whole(
	struct collect *c, const struct store_state_entry **entries, size_t *n)
{
	const struct part *p = c->d->part;
	struct store_event leave;
	enum err err;

	if (p->kind != PART_LEAVE)
		return store_state_read(c->an->store, c->d->a, p->room_id, NULL, 0, entries, n);
	err = store_event_get_nid(c->an->store, c->d->a, p->member, &leave);
	if (!err && leave.state_after)
		return store_state_group_read(
			c->an->store, c->d->a, leave.state_after, NULL, 0, entries, n);
	*n = 0;
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int entry_cmp(const struct store_state_entry *e, const struct store_state_delta *d)
{
	int by_type = str_cmp(e->type, d->type);

	return by_type ? by_type : str_cmp(e->state_key, d->state_key);
}

static enum err collect_whole(struct collect *c)
{
	const struct store_state_entry *entries;
	const struct store_state_delta *deltas = NULL;
	const struct room_data *d = c->d;
	size_t n, n_deltas = 0, at = 0;
	enum err err = read_whole(c, &entries, &n);

	if (!err && !c->after)
		err = store_state_deltas(c->an->store, d->a, d->part->room_id,
			d->timeline.start, d->part->to, &deltas, &n_deltas);
	for (size_t i = 0; !err && i < n; i++) {
		int64_t nid = entries[i].event;

		if (c->lazy && is_member(entries[i].type) &&
			!is_needed(c, entries[i].state_key))
			continue;
		while (at < n_deltas && entry_cmp(&entries[i], &deltas[at]) > 0)
			at++;
		/* What the timeline itself brings is left to it. */
		if (!c->after && at < n_deltas && entry_cmp(&entries[i], &deltas[at]) == 0 &&
			in_timeline(d, nid))
			nid = deltas[at].before;
		else if (!c->after && in_timeline(d, nid))
			nid = 0;
		push(c, nid);
	}
	return err;
}

/* --- what moved since the token
 * --------------------------------------------------------------- */

static enum err collect_gap(struct collect *c)
{
	const struct store_state_delta *gap;
	const struct room_data *d = c->d;
	size_t n;
	enum err err;

	if (d->timeline.start <= d->part->from)
		return ERR_OK;
	err = store_state_deltas(c->an->store, d->a, d->part->room_id, d->part->from,
		d->timeline.start, &gap, &n);
	for (size_t i = 0; !err && i < n; i++)
		push(c, gap[i].after);
	return err;
}

static enum err collect_changes(struct collect *c)
{
	const struct room_data *d = c->d;
	enum err err = c->after ? ERR_OK : collect_gap(c);

	for (size_t i = 0; !err && i < d->n_deltas; i++)
		if (c->after ||
			(d->deltas[i].pos > d->timeline.start &&
				!in_timeline(d, d->deltas[i].after)))
			push(c, d->deltas[i].after);
	if (!err && c->lazy)
		err = push_needed_members(c);
	return err;
}

/* --- from numbers to events
 * -------------------------------------------------------------------- */

static bool passes(const struct collect *c, const struct store_event *e)
{
	const struct event_filter *f = &c->an->filter->state;
	const struct json *tree;

	if (!event_filter_match(f, e->type, e->sender, e->room_id))
		return false;
	if (f->contains_url == FILTER_URL_ANY)
		return true;
	return !json_parse_in(c->d->a, e->json, &json_limits_peer, &tree, NULL) &&
		event_filter_match_content(f, json_get(tree, "content"));
}

static enum err load(struct collect *c)
{
	struct state_list *out = &c->d->state;
	struct answer *an = c->an;

	out->events =
		(const struct store_event **)arena_calloc(c->d->a, c->n + 1, sizeof(void *));
	for (size_t i = 0; i < c->n; i++) {
		struct store_event *e = ARENA_NEW(c->d->a, struct store_event);
		enum err err = store_event_get_nid(an->store, c->d->a, c->nids[i], e);

		if (err)
			return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
		if (!passes(c, e))
			continue;
		out->events[out->n++] = e;
		if (c->lazy && is_member(e->type))
			lazy_sent(an->sync->lazy, an->op->device, e->room_id, e->state_key,
				e->nid, an->to.stream);
	}
	return ERR_OK;
}

enum err state_gather(struct answer *an, struct room_data *d)
{
	struct collect c = { .an = an,
		.d = d,
		.after = an->op->state_after != STATE_BEFORE,
		.lazy = an->filter->state.lazy_load_members };
	enum err err;

	if (d->part->own_only || event_filter_none(&an->filter->state) ||
		!event_filter_room(&an->filter->state, d->part->room_id))
		return ERR_OK;
	err = d->part->full ? collect_whole(&c) : collect_changes(&c);
	return err ? err : load(&c);
}
