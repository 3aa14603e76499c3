/*
 * Which rooms an answer has, and as what. What a user is in a room follows from the changes of
 * his memberships since the token; rooms where nothing of that changed are looked at only when
 * one of their streams moved.
 */
#include "node/base/map.h"
#include "node/sync/answer.h"
#include "node/user/typing.h"

struct finder {
	struct answer *an;
	struct parts *out;
	struct map seen; /* struct part by room id */
	enum err err;
};

static struct part *add(struct finder *f, struct str room_id, enum part_kind kind)
{
	struct part *p = ARENA_NEW(f->an->a, struct part);

	p->kind = kind;
	p->room_id = room_id;
	p->from = f->an->initial ? INT64_MIN : f->an->from.stream;
	p->to = f->an->to.stream;
	p->full = f->an->initial;
	p->next = f->out->of[kind];
	f->out->of[kind] = p;
	(void)map_put(&f->seen, room_id, p);
	return p;
}

static bool wanted(const struct finder *f, struct str room_id)
{
	return event_filter_room(&f->an->filter->rooms, room_id);
}

/* --- an initial sync --------------------------------------------------------------------- */

static bool add_member(void *arg, const struct store_member *m)
{
	struct finder *f = (struct finder *)arg;
	enum part_kind kind = PART_LEAVE;
	struct part *p;

	if (m->forgotten || !wanted(f, m->room_id) || map_get(&f->seen, m->room_id))
		return true;
	if (m->membership == MEMBERSHIP_JOIN)
		kind = PART_JOIN;
	else if (m->membership == MEMBERSHIP_INVITE)
		kind = PART_INVITE;
	else if (m->membership == MEMBERSHIP_KNOCK)
		kind = PART_KNOCK;
	p = add(f, m->room_id, kind);
	p->member = m->event;
	p->full = true;
	if (kind == PART_LEAVE) {
		p->from = INT64_MIN;
		p->to = m->pos;
	}
	return true;
}

static enum err find_all(struct finder *f)
{
	struct answer *an = f->an;
	unsigned mask = MEMBERSHIP_JOIN | MEMBERSHIP_INVITE | MEMBERSHIP_KNOCK;

	if (an->filter->include_leave)
		mask |= MEMBERSHIP_LEAVE | MEMBERSHIP_BAN;
	return store_membership_rooms(an->store, an->a, an->op->user_id, mask, add_member, f);
}

/* --- what changed ------------------------------------------------------------------------ */

/* What became of a user in one room between two positions. */
struct story {
	enum membership before; /* at the token */
	bool entered;           /* became joined, having been something else */
};

static void add_joined(
	struct finder *f, const struct store_member_change *last, const struct story *s)
{
	struct part *p = add(f, last->room_id, PART_JOIN);

	p->member = last->event;
	p->full = s->entered;
	if (s->before != MEMBERSHIP_JOIN)
		p->from = INT64_MIN;
}

static void add_left(
	struct finder *f, const struct store_member_change *last, const struct story *s)
{
	struct part *p = add(f, last->room_id, PART_LEAVE);

	p->member = last->event;
	p->to = last->pos;
	p->full = s->entered;
	p->own_only = s->before != MEMBERSHIP_JOIN && !s->entered;
	if (s->before != MEMBERSHIP_JOIN)
		p->from = INT64_MIN;
}

static void add_change(struct finder *f, const struct store_member_change *changes, size_t n)
{
	const struct store_member_change *last = changes; /* the first is of this room */
	struct str room_id = changes[0].room_id;
	struct story s = { .before = changes[0].before };
	struct part *p;

	for (size_t i = 0; i < n; i++) {
		if (!str_eq(changes[i].room_id, room_id))
			continue;
		last = &changes[i];
		if (last->membership == MEMBERSHIP_JOIN && last->before != MEMBERSHIP_JOIN)
			s.entered = true;
	}
	switch (last->membership) {
	case MEMBERSHIP_JOIN: add_joined(f, last, &s); break;
	case MEMBERSHIP_INVITE:
	case MEMBERSHIP_KNOCK:
		p = add(f, room_id,
			last->membership == MEMBERSHIP_KNOCK ? PART_KNOCK : PART_INVITE);
		p->member = last->event;
		break;
	case MEMBERSHIP_LEAVE:
	case MEMBERSHIP_BAN: add_left(f, last, &s); break;
	case MEMBERSHIP_NONE: break;
	}
}

static enum err find_changed(struct finder *f)
{
	struct answer *an = f->an;
	const struct store_member_change *changes;
	size_t n;
	enum err err;

	if (!answer_may_have(an, FEED_MEMBERSHIP))
		return ERR_OK;
	err = store_membership_changes(an->store, an->a, an->op->user_id, an->from.stream,
		an->to.stream, &changes, &n);
	an->members = !err && n > 0;
	for (size_t i = 0; !err && i < n; i++)
		if (wanted(f, changes[i].room_id) && !map_get(&f->seen, changes[i].room_id))
			add_change(f, changes + i, n - i);
	return err;
}

/* A stream of the room moved: of interest if the user is in it. */
static void add_active(void *arg, struct str room_id)
{
	struct finder *f = (struct finder *)arg;
	struct answer *an = f->an;
	struct store_member m;
	enum err err;

	if (f->err || !room_id.n || map_get(&f->seen, room_id) || !wanted(f, room_id))
		return;
	err = store_membership_get(an->store, an->a, room_id, an->op->user_id, &m);
	if (err == ERR_NOT_FOUND || (!err && m.membership != MEMBERSHIP_JOIN))
		return;
	f->err = err;
	if (!err)
		add(f, arena_str(an->a, room_id), PART_JOIN)->member = m.event;
}

typedef enum err rooms_fn(struct store *st, struct arena *a, int64_t from, int64_t to,
	const struct str **out, size_t *n);

/* The rooms with something new in one of their streams. */
static enum err find_moved(struct finder *f)
{
	static const struct {
		rooms_fn *rooms;
		enum feed_kind kind;
	} streams[] = { { store_event_rooms_between, FEED_EVENT },
		{ store_state_rooms_between, FEED_STATE },
		{ store_receipt_rooms, FEED_RECEIPT } };
	struct answer *an = f->an;

	for (size_t s = 0; s < ARRAY_LEN(streams); s++) {
		const struct str *rooms;
		size_t n;
		enum err err;

		if (!answer_may_have(an, streams[s].kind))
			continue;
		err = streams[s].rooms(
			an->store, an->a, an->from.stream, an->to.stream, &rooms, &n);
		if (err)
			return err;
		an->members = an->members || (streams[s].kind == FEED_STATE && n);
		for (size_t i = 0; i < n; i++)
			add_active(f, rooms[i]);
	}
	return ERR_OK;
}

static bool add_joined_room(void *arg, const struct store_member *m)
{
	struct finder *f = (struct finder *)arg;

	if (wanted(f, m->room_id) && !map_get(&f->seen, m->room_id))
		add(f, m->room_id, PART_JOIN)->member = m->event;
	return true;
}

static enum err find_active(struct finder *f)
{
	struct answer *an = f->an;

	if (an->moved->room_id.n) {
		an->members = an->members || answer_may_have(an, FEED_STATE);
		add_active(f, an->moved->room_id);
	} else {
		enum err err = find_moved(f);

		if (err)
			return err;
	}
	for (size_t i = 0; i < an->n_data; i++)
		add_active(f, an->data[i].room_id);
	typing_rooms_since(an->sync->o.typing, an->from.typing, add_active, f);
	/* Nobody types in any room any more, as far as we know. */
	if (!f->err && an->op->typing_reset)
		f->err = store_membership_rooms(
			an->store, an->a, an->op->user_id, MEMBERSHIP_JOIN, add_joined_room, f);
	return f->err;
}

/* full_state: every joined room, with all of its state. */
static enum err find_joined(struct finder *f)
{
	struct answer *an = f->an;
	enum err err = store_membership_rooms(
		an->store, an->a, an->op->user_id, MEMBERSHIP_JOIN, add_joined_room, f);

	for (struct part *p = f->out->of[PART_JOIN]; p; p = p->next)
		p->full = true;
	return err;
}

enum err parts_find(struct answer *an, struct parts *out)
{
	struct finder f = { .an = an, .out = out };
	enum err err;

	*out = (struct parts){ 0 };
	map_init(&f.seen);
	if (an->initial) {
		err = find_all(&f);
	} else {
		err = find_changed(&f);
		if (!err)
			err = find_active(&f);
		if (!err && an->op->full_state)
			err = find_joined(&f);
	}
	map_deinit(&f.seen);
	return err;
}
