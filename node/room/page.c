#include "node/room/page.h"

#include "node/base/map.h"
#include "node/room/related.h"
#include "node/room/splice.h"

#define STEP   100  /* events read at once */
#define LOOKED 2000 /* at most, for one page */

struct step {
	struct page *p;
	unsigned read;
	int64_t last;
};

bool page_wants(const struct page *p, const struct store_event *e)
{
	const struct event_filter *f = p->filter;
	const struct json *content;

	if (!f)
		return true;
	if (!event_filter_match(f, e->type, e->sender, e->room_id))
		return false;
	if (f->contains_url == FILTER_URL_ANY)
		return room_related(p->r->store, p->arena, f, e);
	return !json_parse_in(p->arena, splice_get(e->json, "content"), &json_limits_peer,
		       &content, NULL) &&
		event_filter_match_content(f, content) &&
		room_related(p->r->store, p->arena, f, e);
}

static bool take(void *arg, const struct store_event *e)
{
	struct step *s = arg;
	struct page *p = s->p;
	struct store_event *copy;

	s->read++;
	s->last = e->pos;
	if (!room_viewer_sees(p->viewer, e) || !page_wants(p, e))
		return true;
	copy = ARENA_NEW(p->arena, struct store_event);
	*copy = *e;
	p->events[p->n++] = copy;
	return p->n < p->limit;
}

enum err page_read(struct page *p)
{
	unsigned looked = 0;

	p->events = arena_calloc(p->arena, p->limit + 1, sizeof(struct store_event *));
	p->n = 0;
	p->end = p->from;
	p->finished = false;
	while (p->n < p->limit && looked < LOOKED) {
		struct step s = { .p = p };
		int64_t low = p->forward ? p->end : p->to;
		int64_t high = p->forward ? p->to : p->end;
		enum err err;

		if (low >= high) {
			p->finished = true;
			return ERR_OK;
		}
		err = store_event_range(p->r->store, p->arena, p->reader->room_id, low, high,
			p->forward, STEP, take, &s);
		if (err)
			return err;
		if (s.read)
			p->end = p->forward ? s.last : s.last - 1;
		if (s.read < STEP && p->n < p->limit) {
			p->finished = true;
			return ERR_OK;
		}
		looked += s.read;
	}
	return ERR_OK;
}

enum err page_put(const struct page *p, const struct room_format *f, struct jw *w)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < p->n && !err; i++)
		err = room_format_event(f, p->events[i], w);
	return err;
}

enum err page_put_members(
	const struct page *p, int64_t group, const struct room_format *f, struct jw *w)
{
	struct map done;
	enum err err = ERR_OK;

	if (!p->filter || !p->filter->lazy_load_members || !group)
		return ERR_OK;
	map_init(&done);
	for (size_t i = 0; i < p->n && !err; i++) {
		struct str sender = p->events[i]->sender;
		struct store_event e;
		int64_t nid;

		if (map_get(&done, sender))
			continue;
		map_put(&done, sender, (void *)p->events[i]);
		err = store_state_group_get(
			p->r->store, group, STR("m.room.member"), sender, &nid);
		if (!err)
			err = store_event_get_nid(p->r->store, p->arena, nid, &e);
		if (!err)
			err = room_format_event(f, &e, w);
		else if (err == ERR_NOT_FOUND)
			err = ERR_OK;
	}
	map_deinit(&done);
	return err;
}
