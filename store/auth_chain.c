/*
 * Auth chains, without an index of their own.
 *
 * An event is stored after all its auth_events, so numbers (nid) are a topological order of the
 * auth graph: every ancestor has a smaller one. A walk that always takes the greatest number
 * that is left has therefore seen all descendants of what it takes, and knows which sets reach
 * it. The difference of several chains ends as soon as all that is left is reached by all: it
 * costs what differs and the edge around it, not the chain, which in a room of 50,000 members
 * can be most of its state.
 */
#include <assert.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "store/auth_walk.h"
#include "store/db.h"
#include "store/event.h"
#include "store/event_row.h"

enum { Q_AUTH, N_Q };

static const char *const sql[N_Q] = {
	[Q_AUTH] = "SELECT auth FROM event WHERE nid = ?1",
};
const struct stmt_table auth_chain_stmts = { "auth_chain", sql, N_Q };

/* A set of the sets that reach an event. */
struct bits {
	struct bits *next; /* while it is free */
	uint64_t word[];
};

/* An event that was reached and not taken yet. */
struct reached {
	int64_t nid;
	struct bits *sets;
	bool below; /* reached from a start */
};

/* What was taken below a start, and what it cites. */
struct taken {
	int64_t nid;
	size_t first; /* in cited */
	bool start;
	bool leads; /* to a start, or is one */
};

#define VECTOR(type) \
	struct { \
		type *p; \
		size_t n; \
		size_t cap; \
	}

static void *grown(void *p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 64;
	return xrealloc(p, *cap * size);
}

#define PUSH(v) ((v)->p = grown((v)->p, (v)->n, &(v)->cap, sizeof(*(v)->p)), &(v)->p[(v)->n++])

/* heap: the greatest nid first; an event may be in it more than once. */
struct walk {
	struct store *st;
	struct arena *bits_arena;
	struct bits *free_bits;
	size_t n_words;
	uint64_t last_word; /* of the set of all */
	VECTOR(struct reached) heap;
	size_t partial; /* entries of the heap that not all sets reach */
	size_t below;   /* entries reached from a start */
	size_t n_read;
	size_t limit;
	VECTOR(int64_t) out;
	bool keeps; /* what is taken below the starts */
	VECTOR(struct taken) taken;
	VECTOR(int64_t) cited;
};

static void walk_init(struct walk *w, struct store *st, size_t n_sets, size_t limit)
{
	*w = (struct walk){ .st = st, .bits_arena = arena_new(), .limit = limit };
	w->n_words = (n_sets + 63) / 64;
	w->last_word = n_sets % 64 ? (UINT64_C(1) << n_sets % 64) - 1 : ~UINT64_C(0);
}

static void walk_deinit(struct walk *w)
{
	arena_free(w->bits_arena);
	free(w->heap.p);
	free(w->out.p);
	free(w->taken.p);
	free(w->cited.p);
}

static struct bits *bits_copy(struct walk *w, const uint64_t *words)
{
	struct bits *b = w->free_bits;

	if (b)
		w->free_bits = b->next;
	else
		b = arena_alloc(w->bits_arena, sizeof(*b) + w->n_words * sizeof(b->word[0]));
	memcpy(b->word, words, w->n_words * sizeof(b->word[0]));
	return b;
}

static void bits_free(struct walk *w, struct bits *b)
{
	b->next = w->free_bits;
	w->free_bits = b;
}

static void bits_fill(const struct walk *w, struct bits *b)
{
	for (size_t i = 0; i + 1 < w->n_words; i++)
		b->word[i] = ~UINT64_C(0);
	b->word[w->n_words - 1] = w->last_word;
}

static bool is_all(const struct walk *w, const uint64_t *words)
{
	for (size_t i = 0; i + 1 < w->n_words; i++)
		if (words[i] != ~UINT64_C(0))
			return false;
	return words[w->n_words - 1] == w->last_word;
}

static void swap(struct reached *a, struct reached *b)
{
	struct reached t = *a;

	*a = *b;
	*b = t;
}

static void push(struct walk *w, int64_t nid, const uint64_t *sets, bool below)
{
	struct reached *r = PUSH(&w->heap);
	struct reached *heap = w->heap.p;

	*r = (struct reached){ nid, bits_copy(w, sets), below };
	w->partial += !is_all(w, sets);
	w->below += below;
	for (size_t i = w->heap.n - 1; i > 0 && heap[(i - 1) / 2].nid < heap[i].nid;
		i = (i - 1) / 2)
		swap(&heap[(i - 1) / 2], &heap[i]);
}

static struct reached pop_one(struct walk *w)
{
	struct reached *heap = w->heap.p;
	struct reached top = heap[0];
	size_t i = 0;

	heap[0] = heap[--w->heap.n];
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= w->heap.n)
			break;
		if (child + 1 < w->heap.n && heap[child + 1].nid > heap[child].nid)
			child++;
		if (heap[child].nid <= heap[i].nid)
			break;
		swap(&heap[child], &heap[i]);
		i = child;
	}
	w->partial -= !is_all(w, top.sets->word);
	w->below -= top.below;
	return top;
}

/* The greatest event, with all that is known of it. Its bits are the caller's to free. */
static struct reached pop(struct walk *w)
{
	struct reached top = pop_one(w);

	while (w->heap.n > 0 && w->heap.p[0].nid == top.nid) {
		struct reached same = pop_one(w);

		for (size_t i = 0; i < w->n_words; i++)
			top.sets->word[i] |= same.sets->word[i];
		top.below |= same.below;
		bits_free(w, same.sets);
	}
	return top;
}

static enum err push_auth(struct walk *w, const struct reached *r)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	struct str auth;

	if (w->limit && w->n_read++ >= w->limit)
		return ERR_LIMIT;
	q = stmt_get(w->st, T_AUTH_CHAIN, Q_AUTH);
	stmt_bind_i64(q, 1, r->nid);
	if (!stmt_row(q))
		return stmt_err(q) ? stmt_err(q) : ERR_CORRUPT;
	auth = stmt_str(q, 0);
	for (; auth.n >= 8; auth = str_skip(auth, 8)) {
		uint64_t v = 0;

		for (int i = 0; i < 8; i++)
			v = v << 8 | (unsigned char)auth.p[i];
		if ((int64_t)v >= r->nid || v == 0)
			return ERR_CORRUPT; /* the walk would not end */
		push(w, (int64_t)v, r->sets->word, r->below);
		if (w->keeps && r->below)
			*PUSH(&w->cited) = (int64_t)v;
	}
	return ERR_OK;
}

static enum err give_ids(struct walk *w, struct arena *a, const struct str **out, size_t *n_out)
{
	struct str *ids = arena_calloc(a, w->out.n + 1, sizeof(*ids));

	for (size_t i = 0; i < w->out.n; i++) {
		enum err err = event_id_of(w->st, a, w->out.p[i], &ids[i]);

		if (err)
			return err;
	}
	*out = ids;
	*n_out = w->out.n;
	return ERR_OK;
}

static enum err walk_chain(struct walk *w, size_t limit)
{
	enum err err = ERR_OK;

	while (w->heap.n > 0 && !err) {
		struct reached r = pop(w);

		if (w->out.n >= limit)
			return ERR_LIMIT;
		*PUSH(&w->out) = r.nid;
		err = push_auth(w, &r);
		bits_free(w, r.sets);
	}
	return err;
}

static enum err begin_chain(struct walk *w, int64_t nid)
{
	static const uint64_t all = 1;
	struct reached r = { .nid = nid, .sets = bits_copy(w, &all) };

	return push_auth(w, &r);
}

enum err store_auth_chain(struct store *st, struct arena *a, const struct str *ids, size_t n,
	size_t limit, const struct str **out, size_t *n_out)
{
	CLEANUP(walk_deinit) struct walk w;
	enum err err = ERR_OK;

	walk_init(&w, st, 1, 0);
	for (size_t i = 0; i < n && !err; i++) {
		int64_t nid;

		err = store_event_find(st, ids[i], &nid, NULL);
		if (!err)
			err = begin_chain(&w, nid);
	}
	if (!err)
		err = walk_chain(&w, limit);
	return err ? err : give_ids(&w, a, out, n_out);
}

enum err store_auth_chain_nids(struct store *st, struct arena *a, const int64_t *nids, size_t n,
	size_t limit, const int64_t **out, size_t *n_out)
{
	CLEANUP(walk_deinit) struct walk w;
	int64_t *copy;
	enum err err = ERR_OK;

	walk_init(&w, st, 1, 0);
	for (size_t i = 0; i < n && !err; i++)
		err = begin_chain(&w, nids[i]);
	if (!err)
		err = walk_chain(&w, limit);
	if (err)
		return err;
	copy = arena_calloc(a, w.out.n + 1, sizeof(*copy));
	if (w.out.n)
		memcpy(copy, w.out.p, w.out.n * sizeof(*copy));
	*out = copy;
	*n_out = w.out.n;
	return ERR_OK;
}

/* The greatest event of the heap or of the common ones. */
static struct reached take(struct walk *w, const struct auth_conflict *c, size_t *at)
{
	struct reached r;

	if (*at < c->n_common && c->common[*at] > w->heap.p[0].nid) {
		r = (struct reached){ .nid = c->common[(*at)++] };
		r.sets = bits_copy(w, w->heap.p[0].sets->word);
		bits_fill(w, r.sets);
		return r;
	}
	r = pop(w);
	if (*at < c->n_common && c->common[*at] == r.nid) {
		bits_fill(w, r.sets);
		(*at)++;
	}
	return r;
}

static struct taken *find_taken(struct walk *w, int64_t nid)
{
	size_t lo = 0;
	size_t hi = w->taken.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (w->taken.p[mid].nid == nid)
			return &w->taken.p[mid];
		if (w->taken.p[mid].nid > nid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Of what was taken below the starts, what leads to a start again; the oldest first, so that
 * what an event cites was looked at before it. */
static void add_subgraph(struct walk *w)
{
	size_t end = w->cited.n;

	for (size_t i = w->taken.n; i > 0; i--) {
		struct taken *t = &w->taken.p[i - 1];

		t->leads = t->start;
		for (size_t k = t->first; k < end && !t->leads; k++) {
			const struct taken *cited = find_taken(w, w->cited.p[k]);

			t->leads = cited && cited->leads;
		}
		end = t->first;
		if (t->leads)
			*PUSH(&w->out) = t->nid;
	}
}

static int greatest_first(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

static bool is_start(const int64_t *starts, size_t n, int64_t nid)
{
	return n && bsearch(&nid, starts, n, sizeof(nid), greatest_first);
}

static enum err walk_down(struct walk *w, const struct auth_conflict *c, const int64_t *starts)
{
	int64_t lowest = c->n_starts ? starts[c->n_starts - 1] : 0;
	size_t at = 0;

	while (w->heap.n &&
		(w->partial || (w->keeps && w->below && w->heap.p[0].nid >= lowest))) {
		struct reached r = take(w, c, &at);
		bool start = is_start(starts, c->n_starts, r.nid);
		enum err err;

		if (start || !is_all(w, r.sets->word))
			*PUSH(&w->out) = r.nid;
		if (w->keeps && r.below)
			*PUSH(&w->taken) = (struct taken){ r.nid, w->cited.n, start, false };
		err = push_auth(w, &r);
		bits_free(w, r.sets);
		if (err)
			return err;
	}
	return ERR_OK;
}

enum err auth_conflict(struct store *st, struct arena *a, struct auth_conflict *c)
{
	CLEANUP(walk_deinit) struct walk w;
	int64_t *starts = arena_calloc(a, c->n_starts + 1, sizeof(*starts));
	int64_t *out;
	size_t n = 0;
	enum err err;

	assert(c->n_sets > 0);
	walk_init(&w, st, c->n_sets, c->limit);
	w.keeps = c->subgraph;
	for (size_t i = 0; i < c->n_starts; i++) {
		starts[i] = c->starts[i].nid;
		push(&w, c->starts[i].nid, c->starts[i].sets, true);
	}
	if (c->n_starts)
		qsort(starts, c->n_starts, sizeof(*starts), greatest_first);
	err = walk_down(&w, c, starts);
	if (err)
		return err;
	/* Starts that all sets reach, left behind when the walk ended. */
	for (size_t i = 0; i < c->n_starts; i++)
		*PUSH(&w.out) = starts[i];
	if (c->subgraph)
		add_subgraph(&w);
	if (w.out.n)
		qsort(w.out.p, w.out.n, sizeof(*w.out.p), greatest_first);
	out = arena_calloc(a, w.out.n + 1, sizeof(*out));
	for (size_t i = 0; i < w.out.n; i++)
		if (!n || out[n - 1] != w.out.p[i])
			out[n++] = w.out.p[i];
	c->out = out;
	c->n_out = n;
	return ERR_OK;
}
