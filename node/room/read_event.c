#include "node/room/page.h"
#include "node/room/token.h"

/* An event that the reader may see: everything else is not there for them. */
static enum err find_event(struct rooms *r, struct arena *a, struct room_viewer *v,
	struct str event_id, struct store_event *out, struct err_ctx *why)
{
	enum err err = store_event_get(r->store, a, event_id, out);

	if (err == ERR_NOT_FOUND || (!err && !room_viewer_sees(v, out)))
		return err_set(why, ERR_NOT_FOUND, "there is no such event, or not for you");
	return err;
}

enum err room_read_event(struct rooms *r, const struct room_reader *reader, struct str event_id,
	struct buf *out, struct err_ctx *why)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(out);
	struct room_format f;
	struct store_event e;
	enum err err;

	reach_format(r, a, reader, &f);
	f.viewer = room_viewer_new(r, a, reader->room_id, reader->user_id);
	f.relations = true;
	err = find_event(r, a, f.viewer, event_id, &e, why);
	if (!err)
		err = room_format_event(&f, &e, &w);
	arena_free(a);
	return err;
}

/* The state at the last event of the answer, all of it or, loaded lazily, the senders'. */
static enum err put_state(struct rooms *r, const struct page *after, const struct page *before,
	const struct store_event *e, struct room_format f, struct jw *w)
{
	const struct store_event *last = after->n ? after->events[after->n - 1] : e;
	const struct event_filter *filter = after->filter;
	const struct store_event *self[1] = { e };
	struct page middle = *after;
	const struct store_state_entry *entries;
	size_t n;
	enum err err;

	f.relations = false;
	f.prev_content = false;
	if (!last->state_after)
		return ERR_OK;
	err = store_state_group_read(
		r->store, f.arena, last->state_after, NULL, 0, &entries, &n);
	for (size_t i = 0; i < n && !err; i++) {
		struct store_event s;

		if (filter && filter->lazy_load_members &&
			str_eq(entries[i].type, STR("m.room.member")))
			continue;
		err = store_event_get_nid(r->store, f.arena, entries[i].event, &s);
		if (!err && page_wants(after, &s))
			err = room_format_event(&f, &s, w);
	}
	middle.events = self;
	middle.n = 1;
	if (!err)
		err = page_put_members(before, last->state_after, &f, w);
	if (!err)
		err = page_put_members(&middle, last->state_after, &f, w);
	if (!err)
		err = page_put_members(after, last->state_after, &f, w);
	return err;
}

static enum err put_page(
	struct jw *w, const char *key, const struct page *p, const struct room_format *f)
{
	enum err err;

	jw_key(w, key);
	jw_arr(w);
	err = page_put(p, f, w);
	jw_end(w);
	return err;
}

static void put_place(struct jw *w, const char *key, int64_t pos)
{
	struct buf b = { 0 };

	token_put(&b, pos);
	jw_kv_str(w, key, buf_str(&b));
	buf_deinit(&b);
}

static enum err put_context(struct rooms *r, const struct page *before,
	const struct page *after, const struct store_event *e, const struct room_format *f,
	struct jw *w)
{
	enum err err;

	jw_obj(w);
	put_place(w, "start", before->end);
	put_place(w, "end", after->end);
	jw_key(w, "event");
	err = room_format_event(f, e, w);
	if (!err)
		err = put_page(w, "events_before", before, f);
	if (!err)
		err = put_page(w, "events_after", after, f);
	jw_key(w, "state");
	jw_arr(w);
	if (!err)
		err = put_state(r, after, before, e, *f, w);
	jw_end(w);
	jw_end(w);
	return err;
}

enum err room_read_context(struct rooms *r, const struct room_reader *reader,
	struct str event_id, unsigned limit, const struct event_filter *filter, struct buf *out,
	struct err_ctx *why)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(out);
	struct room_format f;
	struct store_event e;
	struct page before;
	struct page after;
	enum err err;

	reach_format(r, a, reader, &f);
	f.viewer = room_viewer_new(r, a, reader->room_id, reader->user_id);
	f.relations = true;
	err = find_event(r, a, f.viewer, event_id, &e, why);
	if (err) {
		arena_free(a);
		return err;
	}
	before = (struct page){ .r = r,
		.arena = a,
		.reader = reader,
		.viewer = f.viewer,
		.filter = filter,
		.from = e.pos - 1,
		.to = INT64_MIN,
		.limit = limit / 2 };
	after = before;
	after.from = e.pos;
	after.to = INT64_MAX;
	after.forward = true;
	after.limit = limit - before.limit;
	err = page_read(&before);
	if (!err)
		err = page_read(&after);
	if (!err)
		err = put_context(r, &before, &after, &e, &f, &w);
	arena_free(a);
	return err;
}

enum err room_read_at_time(struct rooms *r, const struct room_reader *reader, int64_t ts,
	bool forward, struct buf *out, struct err_ctx *why)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(out);
	struct reach reach;
	struct store_event e = { 0 };
	enum err err = reach_find(r, a, reader, &reach, why);

	if (!err)
		err = store_event_at_time(r->store, a, reader->room_id, ts, forward, &e);
	if (err == ERR_NOT_FOUND ||
		(!err &&
			!room_viewer_sees(
				room_viewer_new(r, a, reader->room_id, reader->user_id), &e)))
		err = err_set(why, ERR_NOT_FOUND, "there is no event from then on");
	if (!err) {
		jw_obj(&w);
		jw_kv_str(&w, "event_id", e.event_id);
		jw_kv_int(&w, "origin_server_ts", e.origin_server_ts);
		jw_end(&w);
	}
	arena_free(a);
	return err;
}
