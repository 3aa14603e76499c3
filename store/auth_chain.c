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
#include "node/base/map.h"
#include "store/db.h"
#include "store/event.h"
#include "store/event_key.h"
#include "store/event_row.h"

enum { Q_AUTH, N_Q };

static const char *const sql[N_Q] = {
	[Q_AUTH] = "SELECT auth FROM event WHERE nid = ?1",
};
const struct stmt_table auth_chain_stmts = { "auth_chain", sql, N_Q };

#define SETS_MAX 63

/* An event that was reached and not taken yet. */
struct reached {
	int64_t nid;
	uint64_t sets; /* a bit for each set whose chain it is in */
};

/* A heap, the greatest nid first; an event may be in it more than once. */
struct walk {
	struct store *st;
	struct arena *a;
	struct reached *heap;
	size_t n;
	size_t cap;
	uint64_t all;
	size_t partial; /* entries of the heap that not all sets reach */
	struct str *out;
	size_t n_out;
	size_t cap_out;
};

static void walk_deinit(struct walk *w)
{
	free(w->heap);
	free(w->out);
}

static void swap(struct reached *a, struct reached *b)
{
	struct reached t = *a;

	*a = *b;
	*b = t;
}

static void push(struct walk *w, int64_t nid, uint64_t sets)
{
	size_t i = w->n;

	if (w->n == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 64;
		w->heap = xrealloc(w->heap, w->cap * sizeof(*w->heap));
	}
	w->heap[w->n++] = (struct reached){ nid, sets };
	w->partial += sets != w->all;
	for (; i > 0 && w->heap[(i - 1) / 2].nid < w->heap[i].nid; i = (i - 1) / 2)
		swap(&w->heap[(i - 1) / 2], &w->heap[i]);
}

static struct reached pop_one(struct walk *w)
{
	struct reached top = w->heap[0];
	size_t i = 0;

	w->heap[0] = w->heap[--w->n];
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= w->n)
			break;
		if (child + 1 < w->n && w->heap[child + 1].nid > w->heap[child].nid)
			child++;
		if (w->heap[child].nid <= w->heap[i].nid)
			break;
		swap(&w->heap[child], &w->heap[i]);
		i = child;
	}
	w->partial -= top.sets != w->all;
	return top;
}

/* The greatest event, with all that is known of it. */
static struct reached pop(struct walk *w)
{
	struct reached top = pop_one(w);

	while (w->n > 0 && w->heap[0].nid == top.nid)
		top.sets |= pop_one(w).sets;
	return top;
}

static enum err push_auth(struct walk *w, int64_t nid, uint64_t sets)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(w->st, T_AUTH_CHAIN, Q_AUTH);
	struct str auth;

	stmt_bind_i64(q, 1, nid);
	if (!stmt_row(q))
		return stmt_err(q) ? stmt_err(q) : ERR_CORRUPT;
	auth = stmt_str(q, 0);
	for (; auth.n >= 8; auth = str_skip(auth, 8)) {
		uint64_t v = 0;

		for (int i = 0; i < 8; i++)
			v = v << 8 | (unsigned char)auth.p[i];
		if ((int64_t)v >= nid || v == 0)
			return ERR_CORRUPT; /* the walk would not end */
		push(w, (int64_t)v, sets);
	}
	return ERR_OK;
}

static enum err put_out(struct walk *w, int64_t nid)
{
	if (w->n_out == w->cap_out) {
		w->cap_out = w->cap_out ? w->cap_out * 2 : 64;
		w->out = xrealloc(w->out, w->cap_out * sizeof(*w->out));
	}
	return event_id_of(w->st, w->a, nid, &w->out[w->n_out++]);
}

static void give_out(const struct walk *w, const struct str **out, size_t *n_out)
{
	struct str *copy = arena_calloc(w->a, w->n_out + 1, sizeof(*copy));

	if (w->n_out)
		memcpy(copy, w->out, w->n_out * sizeof(*copy));
	*out = copy;
	*n_out = w->n_out;
}

enum err store_auth_chain(struct store *st, struct arena *a, const struct str *ids, size_t n,
	size_t limit, const struct str **out, size_t *n_out)
{
	CLEANUP(walk_deinit) struct walk w = { .st = st, .a = a, .all = 1 };

	for (size_t i = 0; i < n; i++) {
		int64_t nid;
		enum err err = store_event_find(st, ids[i], &nid, NULL);

		if (!err)
			err = push_auth(&w, nid, 1);
		if (err)
			return err;
	}
	while (w.n > 0) {
		struct reached r = pop(&w);
		enum err err = w.n_out < limit ? put_out(&w, r.nid) : ERR_LIMIT;

		if (!err)
			err = push_auth(&w, r.nid, 1);
		if (err)
			return err;
	}
	give_out(&w, out, n_out);
	return ERR_OK;
}

static enum err push_set(struct walk *w, const struct store_id_set *set, uint64_t bit)
{
	for (size_t i = 0; i < set->n; i++) {
		int64_t nid;
		enum err err = store_event_find(w->st, set->ids[i], &nid, NULL);

		if (err)
			return err;
		push(w, nid, bit);
	}
	return ERR_OK;
}

enum err store_auth_difference(struct store *st, struct arena *a,
	const struct store_id_set *sets, size_t n_sets, const struct str **out, size_t *n_out)
{
	CLEANUP(walk_deinit) struct walk w = { .st = st, .a = a };

	if (n_sets > SETS_MAX)
		return ERR_LIMIT;
	w.all = (UINT64_C(1) << n_sets) - 1;
	for (size_t i = 0; i < n_sets; i++) {
		enum err err = push_set(&w, &sets[i], UINT64_C(1) << i);

		if (err)
			return err;
	}
	while (w.partial > 0) {
		struct reached r = pop(&w);
		enum err err = ERR_OK;

		if (r.sets != w.all)
			err = put_out(&w, r.nid);
		if (!err)
			err = push_auth(&w, r.nid, r.sets);
		if (err)
			return err;
	}
	give_out(&w, out, n_out);
	return ERR_OK;
}
