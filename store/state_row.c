#include "store/state_row.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "store/event_row.h"
#include "store/name.h"

void state_rows_deinit(struct state_rows *r)
{
	free(r->p);
	*r = (struct state_rows){ 0 };
}

void state_rows_put(struct state_rows *r, struct state_row row)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 16;
		r->p = xrealloc(r->p, r->cap * sizeof(*r->p));
	}
	row.order = r->n;
	r->p[r->n++] = row;
}

static int by_key(const struct state_row *a, const struct state_row *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->state_key != b->state_key)
		return a->state_key < b->state_key ? -1 : 1;
	return 0;
}

static int by_key_and_order(const void *a, const void *b)
{
	const struct state_row *x = a;
	const struct state_row *y = b;
	int c = by_key(x, y);

	if (c)
		return c;
	return x->order < y->order ? -1 : x->order > y->order;
}

void state_rows_sort(struct state_rows *r)
{
	size_t n = 0;

	if (r->n > 1)
		qsort(r->p, r->n, sizeof(*r->p), by_key_and_order);
	for (size_t i = 0; i < r->n; i++) {
		if (n > 0 && by_key(&r->p[n - 1], &r->p[i]) == 0)
			n--;
		r->p[n++] = r->p[i];
	}
	r->n = n;
}

void state_rows_merge(const struct state_rows *under, const struct state_rows *over,
	bool keep_gone, struct state_rows *out)
{
	size_t u = 0;
	size_t o = 0;

	while (u < under->n || o < over->n) {
		int c;
		const struct state_row *row;

		if (u == under->n)
			c = 1;
		else if (o == over->n)
			c = -1;
		else
			c = by_key(&under->p[u], &over->p[o]);
		row = c < 0 ? &under->p[u] : &over->p[o];
		u += c <= 0;
		o += c >= 0;
		if (row->event || keep_gone)
			state_rows_put(out, *row);
	}
}

enum err state_rows_intern(
	struct store *st, const struct store_state *changes, size_t n, struct state_rows *out)
{
	for (size_t i = 0; i < n; i++) {
		struct state_row row = { .event = changes[i].event };
		enum err err = name_intern(st, changes[i].type, &row.type);

		if (!err)
			err = name_intern(st, changes[i].state_key, &row.state_key);
		if (err)
			return err;
		state_rows_put(out, row);
	}
	state_rows_sort(out);
	return ERR_OK;
}

static int by_text(const void *a, const void *b)
{
	const struct store_state_entry *x = a;
	const struct store_state_entry *y = b;
	int c = str_cmp(x->type, y->type);

	return c ? c : str_cmp(x->state_key, y->state_key);
}

enum err state_rows_name(struct store *st, struct arena *a, const struct state_rows *r,
	const struct store_state_entry **out, size_t *n)
{
	struct store_state_entry *list = arena_calloc(a, r->n + 1, sizeof(*list));
	size_t n_list = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct store_state_entry *e = &list[n_list];
		struct str type;
		enum err err;

		if (!r->p[i].event)
			continue;
		/* Sorted by type: its text is copied once for all its rows. */
		if (i > 0 && n_list > 0 && r->p[i - 1].event &&
			r->p[i - 1].type == r->p[i].type) {
			e->type = list[n_list - 1].type;
		} else {
			err = name_text(st, r->p[i].type, &type);
			if (err)
				return err;
			e->type = arena_str(a, type);
		}
		e->event = r->p[i].event;
		err = name_text_in(st, r->p[i].state_key, a, &e->state_key);
		if (!err)
			err = event_id_of(st, a, e->event, &e->event_id);
		if (err)
			return err;
		n_list++;
	}
	qsort(list, n_list, sizeof(*list), by_text);
	*out = list;
	*n = n_list;
	return ERR_OK;
}

enum err state_key_find(
	struct store *st, struct str type, struct str state_key, int64_t *t, int64_t *k)
{
	enum err err = name_find(st, type, t);

	return err ? err : name_find(st, state_key, k);
}
