#include "node/room/backfill.h"
#include "node/room/page.h"
#include "node/room/token.h"

/*
 *   READ --page full, or nothing more to ask for--> DONE
 *     |
 *     +--what we have came to its end, others may have more--> BACKFILL --> READ (once)
 *
 * READ answers at once, BACKFILL is an operation of its own (backfill.h).
 */

static void put_place(struct jw *w, const char *key, int64_t pos)
{
	struct buf b = { 0 };

	token_put(&b, pos);
	jw_kv_str(w, key, buf_str(&b));
	buf_deinit(&b);
}

/* Where to begin when no token says so: the reader's end of the room, or its beginning. */
static int64_t default_from(struct rooms *r, const struct reach *reach, bool forward)
{
	int64_t now = store_durable_pos(r->store);

	if (forward)
		return INT64_MIN + 1;
	return reach->until < now ? reach->until : now;
}

static enum err places(struct room_messages *m, const struct reach *reach, struct page *p)
{
	enum err err = ERR_OK;

	p->from = default_from(m->rooms, reach, m->forward);
	p->to = m->forward ? INT64_MAX : INT64_MIN;
	if (m->from.n)
		err = token_parse(m->from, &p->from, &m->why);
	if (!err && m->to.n)
		err = token_parse(m->to, &p->to, &m->why);
	return err;
}

static enum err put_answer(
	struct room_messages *m, const struct reach *reach, struct page *p, bool more)
{
	struct room_format f;
	struct jw w;
	enum err err;

	buf_clear(&m->out);
	w = jw_to(&m->out);
	reach_format(m->rooms, p->arena, &m->reader, &f);
	f.viewer = p->viewer;
	f.relations = true;
	jw_obj(&w);
	put_place(&w, "start", p->from);
	if (more)
		put_place(&w, "end", p->end);
	jw_key(&w, "chunk");
	jw_arr(&w);
	err = page_put(p, &f, &w);
	jw_end(&w);
	f.relations = false;
	if (!err && m->filter && m->filter->lazy_load_members && p->n) {
		jw_key(&w, "state");
		jw_arr(&w);
		err = page_put_members(p, reach->group, &f, &w);
		jw_end(&w);
	}
	jw_end(&w);
	return err;
}

/* Could another server tell what was before the oldest that we have? */
static bool is_worth_asking(struct room_messages *m, const struct page *p)
{
	return p->finished && !m->forward && !m->to.n && p->n < m->limit &&
		rooms_is_in_room(m->rooms, m->reader.room_id) &&
		backfill_is_possible(m->rooms, m->reader.room_id);
}

/* *ask: the answer was not written, since there is more to be had elsewhere. */
static enum err read_page(struct room_messages *m, bool may_ask, bool *ask)
{
	struct rooms *r = m->rooms;
	struct arena *a = arena_new();
	struct page p = { .r = r,
		.arena = a,
		.reader = &m->reader,
		.filter = m->filter,
		.forward = m->forward,
		.limit = m->limit };
	struct reach reach;
	enum err err = reach_find(r, a, &m->reader, &reach, &m->why);

	if (!err)
		err = places(m, &reach, &p);
	if (!err) {
		p.viewer = room_viewer_new(r, a, m->reader.room_id, m->reader.user_id);
		err = page_read(&p);
	}
	if (!err) {
		bool worth = is_worth_asking(m, &p);

		*ask = may_ask && worth;
		if (!*ask)
			err = put_answer(
				m, &reach, &p, !p.finished || (m->forward ? p.n > 0 : worth));
	}
	arena_free(a);
	return err;
}

static void backfilled(struct backfill *b)
{
	struct room_messages *m = b->owner;
	bool ask;
	enum err err;

	backfill_free(b);
	m->backfill = NULL;
	err = read_page(m, false, &ask);
	m->done(m, err);
}

static void finish(struct loop_deferred *d)
{
	struct room_messages *m = CONTAINER_OF(d, struct room_messages, deferred);

	m->done(m, m->err);
}

void room_messages_start(struct rooms *r, struct room_messages *m)
{
	bool ask = false;

	m->rooms = r;
	m->deferred = (struct loop_deferred){ .fn = finish };
	m->out = (struct buf){ 0 };
	m->backfill = NULL;
	m->err = read_page(m, r->ops != NULL, &ask);
	if (!m->err && ask) {
		m->backfill = backfill_new(r, m->reader.room_id, m->limit);
		m->backfill->done = backfilled;
		m->backfill->owner = m;
		backfill_start(m->backfill);
		return;
	}
	loop_defer(r->loop, &m->deferred);
}
