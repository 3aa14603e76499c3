/* The newest events of a room that a client gets, and whether there are more before them. */
#include "node/room/related.h"
#include "node/sync/answer.h"

/* Events that are looked at for one timeline when a filter or the history's visibility lets few
 * of them pass; then the timeline is limited and /messages goes on from there. */
#define SCAN_MAX 2000

struct scan {
	struct answer *an;
	struct room_data *d;
	const struct store_event **events; /* newest first */
	size_t n, limit;
	size_t scanned, in_page;
	int64_t lowest;
	bool more;     /* one more would have passed */
	bool complete; /* the room's beginning was seen */
};

static bool passes(struct scan *s, const struct store_event *e)
{
	const struct event_filter *f = &s->an->filter->timeline;
	const struct json *tree;

	if (!event_filter_match(f, e->type, e->sender, e->room_id))
		return false;
	if (f->contains_url != FILTER_URL_ANY &&
		(json_parse_in(s->d->a, e->json, &json_limits_peer, &tree, NULL) ||
			!event_filter_match_content(f, json_get(tree, "content"))))
		return false;
	return room_viewer_sees(s->d->viewer, e) && room_related(s->an->store, s->d->a, f, e);
}

static bool look_at(void *arg, const struct store_event *e)
{
	struct scan *s = (struct scan *)arg;
	struct store_event *copy;

	s->scanned++;
	s->in_page++;
	if (e->is_state && str_eq(e->type, STR("m.room.create")))
		s->complete = true;
	if (!passes(s, e)) {
		s->lowest = e->pos;
		return true;
	}
	if (s->n == s->limit) {
		s->more = true;
		return false;
	}
	s->lowest = e->pos;
	copy = ARENA_NEW(s->d->a, struct store_event);
	*copy = *e;
	s->events[s->n++] = copy;
	return true;
}

static enum err scan(struct scan *s)
{
	const struct part *p = s->d->part;
	unsigned page;
	enum err err;

	do {
		/* One more than is missing says whether the timeline is limited. */
		page = (unsigned)(s->limit - s->n + 1);
		if (s->scanned)
			page += 50;
		s->in_page = 0;
		err = store_event_range(s->an->store, s->d->a, p->room_id, p->from,
			s->scanned ? s->lowest - 1 : p->to, false, page, look_at, s);
	} while (!err && !s->more && s->in_page == page && s->scanned < SCAN_MAX);
	if (s->in_page == page && s->scanned >= SCAN_MAX)
		s->more = true;
	return err;
}

static enum err own_event_alone(struct answer *an, struct room_data *d)
{
	struct store_event *e = ARENA_NEW(d->a, struct store_event);
	enum err err = store_event_get_nid(an->store, d->a, d->part->member, e);

	d->timeline.start = d->part->to;
	d->timeline.limited = true; /* what came before it the client doesn't know */
	/* A refused invite of a room that we are not in has no event that we keep. */
	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (err)
		return err;
	d->timeline.events = (const struct store_event **)arena_calloc(d->a, 1, sizeof(void *));
	d->timeline.events[0] = e;
	d->timeline.n = 1;
	return ERR_OK;
}

enum err timeline_gather(struct answer *an, struct room_data *d)
{
	const struct part *p = d->part;
	struct timeline *t = &d->timeline;
	struct scan s = { .an = an, .d = d, .limit = (size_t)an->filter->timeline.limit };
	enum err err;

	if (p->own_only)
		return own_event_alone(an, d);
	s.lowest = p->to + 1;
	s.events = (const struct store_event **)arena_calloc(d->a, s.limit + 1, sizeof(void *));
	if (!event_filter_none(&an->filter->timeline)) {
		err = scan(&s);
		if (err)
			return err;
		t->whole = s.scanned == s.n && !s.more;
	}
	t->events = s.events;
	t->n = s.n;
	for (size_t i = 0; i < s.n / 2; i++) {
		const struct store_event *e = s.events[i];

		s.events[i] = s.events[s.n - 1 - i];
		s.events[s.n - 1 - i] = e;
	}
	/* Where the client knows nothing before, all of history is the gap. */
	t->limited = s.more || (p->from == INT64_MIN && !s.complete);
	t->start = p->from;
	if (s.more || p->from == INT64_MIN)
		t->start =
			s.n && !(s.scanned >= SCAN_MAX) ? t->events[0]->pos - 1 : s.lowest - 1;
	return ERR_OK;
}
