#include <stdlib.h>

#include "node/base/map.h"
#include "node/room/page.h"
#include "node/room/splice.h"
#include "node/room/token.h"

#define DEPTH_MAX    3    /* of recursion, as the specification asks for at least */
#define RELATED_MAX  1000 /* looked at for one answer */
#define THREADS_LOOK 2000 /* events looked at for one page of threads */

/* What is related to one event, directly or through others. */
struct related {
	struct rooms *r;
	struct arena *arena;
	const struct room_reader *reader;
	struct room_viewer *viewer;
	const struct room_relations *q;
	int64_t from;
	int64_t to;
	struct map seen; /* by event id, so that a circle ends */
	const struct store_event **events;
	size_t n;
	unsigned depth; /* reached */
};

static bool take(void *arg, const struct store_event *e)
{
	struct related *x = arg;
	struct store_event *copy;

	if (map_get(&x->seen, e->event_id) || !room_viewer_sees(x->viewer, e))
		return true;
	copy = ARENA_NEW(x->arena, struct store_event);
	*copy = *e;
	map_put(&x->seen, copy->event_id, copy);
	x->events[x->n++] = copy;
	return x->n < RELATED_MAX;
}

static enum err children(struct related *x, struct str of, struct str rel_type, struct str type,
	int64_t from, int64_t to, unsigned limit)
{
	return store_event_relations(x->r->store, x->arena, x->reader->room_id, of, rel_type,
		type, from, to, x->q->forward, limit, take, x);
}

static enum err direct(struct related *x)
{
	int64_t low = x->q->forward ? x->from : x->to;
	int64_t high = x->q->forward ? x->to : x->from;

	/* One more than asked for tells whether there is a next page. */
	return children(
		x, x->q->event_id, x->q->rel_type, x->q->type, low, high, x->q->limit + 1);
}

static int newest_first(const void *a, const void *b)
{
	const struct store_event *x = *(const struct store_event *const *)a;
	const struct store_event *y = *(const struct store_event *const *)b;

	return x->pos > y->pos ? -1 : x->pos < y->pos;
}

static int oldest_first(const void *a, const void *b)
{
	return -newest_first(a, b);
}

static bool has_rel_type(const struct store_event *e, struct str rel_type)
{
	struct str relates = splice_get(splice_get(e->json, "content"), "m.relates_to");

	return str_eq(splice_string(splice_get(relates, "rel_type")), rel_type);
}

static bool passes(const struct related *x, const struct store_event *e)
{
	int64_t low = x->q->forward ? x->from : x->to;
	int64_t high = x->q->forward ? x->to : x->from;

	return e->pos > low && e->pos <= high &&
		(!x->q->type.n || str_eq(e->type, x->q->type)) &&
		(!x->q->rel_type.n || has_rel_type(e, x->q->rel_type));
}

/* Level by level; the filters are for what is answered, not for the way there. */
static enum err recursive(struct related *x)
{
	size_t first = 0;
	size_t kept = 0;
	enum err err = children(
		x, x->q->event_id, STR(""), STR(""), INT64_MIN, INT64_MAX, RELATED_MAX);

	x->depth = 1;
	while (!err && first < x->n && x->depth < DEPTH_MAX && x->n < RELATED_MAX) {
		size_t last = x->n;

		for (; first < last && !err && x->n < RELATED_MAX; first++)
			err = children(x, x->events[first]->event_id, STR(""), STR(""),
				INT64_MIN, INT64_MAX, RELATED_MAX - (unsigned)x->n);
		x->depth++;
	}
	for (size_t i = 0; i < x->n; i++)
		if (passes(x, x->events[i]))
			x->events[kept++] = x->events[i];
	x->n = kept;
	qsort(x->events, x->n, sizeof(struct store_event *),
		x->q->forward ? oldest_first : newest_first);
	return err;
}

static void put_place(struct jw *w, const char *key, int64_t pos)
{
	struct buf b = { 0 };

	token_put(&b, pos);
	jw_kv_str(w, key, buf_str(&b));
	buf_deinit(&b);
}

static enum err put_related(struct related *x, struct buf *out)
{
	struct jw w = jw_to(out);
	struct room_format f;
	bool more = x->n > x->q->limit;
	enum err err = ERR_OK;

	if (more)
		x->n = x->q->limit;
	reach_format(x->r, x->arena, x->reader, &f);
	f.viewer = x->viewer;
	f.relations = true;
	jw_obj(&w);
	jw_key(&w, "chunk");
	jw_arr(&w);
	for (size_t i = 0; i < x->n && !err; i++)
		err = room_format_event(&f, x->events[i], &w);
	jw_end(&w);
	if (more && x->n)
		put_place(&w, "next_batch", x->events[x->n - 1]->pos - (x->q->forward ? 0 : 1));
	if (x->q->from.n)
		put_place(&w, "prev_batch", x->from);
	if (x->q->recurse)
		jw_kv_int(&w, "recursion_depth", x->depth);
	jw_end(&w);
	return err;
}

enum err room_read_relations(struct rooms *r, const struct room_reader *reader,
	const struct room_relations *q, struct buf *out, struct err_ctx *why)
{
	struct arena *a = arena_new();
	struct related x = { .r = r, .arena = a, .reader = reader, .q = q };
	struct store_event parent;
	enum err err = ERR_OK;

	x.from = q->forward ? INT64_MIN : INT64_MAX;
	x.to = q->forward ? INT64_MAX : INT64_MIN;
	x.events = arena_calloc(a, RELATED_MAX + 1, sizeof(struct store_event *));
	x.viewer = room_viewer_new(r, a, reader->room_id, reader->user_id);
	map_init(&x.seen);
	if (q->from.n)
		err = token_parse(q->from, &x.from, why);
	if (!err && q->to.n)
		err = token_parse(q->to, &x.to, why);
	if (!err)
		err = store_event_get(r->store, a, q->event_id, &parent);
	if (err == ERR_NOT_FOUND || (!err && !room_viewer_sees(x.viewer, &parent)))
		err = err_set(why, ERR_NOT_FOUND, "there is no such event, or not for you");
	if (!err)
		err = q->recurse ? recursive(&x) : direct(&x);
	if (!err)
		err = put_related(&x, out);
	map_deinit(&x.seen);
	arena_free(a);
	return err;
}

/* Threads by their latest reply: the timeline is walked back, and the first reply met of each
 * thread is its latest. */
struct threads {
	struct rooms *r;
	struct arena *arena;
	const struct room_reader *reader;
	struct room_viewer *viewer;
	bool participated;
	int64_t from;
	unsigned limit;
	struct map seen; /* by root's id */
	const struct store_event **roots;
	size_t n;
	unsigned looked;
	int64_t end;
	enum err err;
};

struct replies {
	struct threads *t;
	bool newer; /* than where this page begins: it was on an earlier one */
	bool own;
};

static bool look_at_reply(void *arg, const struct store_event *e)
{
	struct replies *x = arg;

	if (!room_viewer_sees(x->t->viewer, e))
		return true;
	x->newer |= e->pos > x->t->from;
	x->own |= str_eq(e->sender, x->t->reader->user_id);
	return !x->newer;
}

static bool look_at_event(void *arg, const struct store_event *e)
{
	struct threads *t = arg;
	struct replies x = { .t = t };
	struct str relates = splice_get(splice_get(e->json, "content"), "m.relates_to");
	struct str id = splice_string(splice_get(relates, "event_id"));
	struct store_event *root;

	t->looked++;
	t->end = e->pos - 1;
	if (!str_eq(splice_string(splice_get(relates, "rel_type")), STR("m.thread")) ||
		map_get(&t->seen, id) || !room_viewer_sees(t->viewer, e))
		return t->looked < THREADS_LOOK;
	root = ARENA_NEW(t->arena, struct store_event);
	map_put(&t->seen, id, root);
	if (store_event_get(t->r->store, t->arena, id, root) ||
		!room_viewer_sees(t->viewer, root))
		return t->looked < THREADS_LOOK;
	t->err = store_event_relations(t->r->store, t->arena, t->reader->room_id, id,
		STR("m.thread"), STR(""), INT64_MIN, INT64_MAX, false, RELATED_MAX,
		look_at_reply, &x);
	if (t->err)
		return false;
	x.own |= str_eq(root->sender, t->reader->user_id);
	if (!x.newer && (x.own || !t->participated))
		t->roots[t->n++] = root;
	return t->n < t->limit && t->looked < THREADS_LOOK;
}

static enum err put_threads(struct threads *t, bool more, struct buf *out)
{
	struct jw w = jw_to(out);
	struct room_format f;
	enum err err = ERR_OK;

	reach_format(t->r, t->arena, t->reader, &f);
	f.viewer = t->viewer;
	f.relations = true;
	jw_obj(&w);
	jw_key(&w, "chunk");
	jw_arr(&w);
	for (size_t i = 0; i < t->n && !err; i++)
		err = room_format_event(&f, t->roots[i], &w);
	jw_end(&w);
	if (more)
		put_place(&w, "next_batch", t->end);
	jw_end(&w);
	return err;
}

enum err room_read_threads(struct rooms *r, const struct room_reader *reader, bool participated,
	struct str from, unsigned limit, struct buf *out, struct err_ctx *why)
{
	struct arena *a = arena_new();
	struct threads t = { .r = r,
		.arena = a,
		.reader = reader,
		.participated = participated,
		.from = INT64_MAX,
		.limit = limit };
	struct reach reach;
	enum err err = reach_find(r, a, reader, &reach, why);

	t.roots = arena_calloc(a, limit + 1, sizeof(struct store_event *));
	t.viewer = room_viewer_new(r, a, reader->room_id, reader->user_id);
	map_init(&t.seen);
	if (!err && from.n)
		err = token_parse(from, &t.from, why);
	if (!err)
		err = store_event_range(r->store, a, reader->room_id, INT64_MIN, t.from, false,
			THREADS_LOOK, look_at_event, &t);
	if (!err)
		err = t.err;
	if (!err)
		err = put_threads(&t, t.n >= t.limit || t.looked >= THREADS_LOOK, out);
	map_deinit(&t.seen);
	arena_free(a);
	return err;
}
