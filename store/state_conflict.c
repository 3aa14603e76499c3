/*
 * What several states differ in, and what of the auth chains belongs to it: the input of state
 * resolution (content/rooms/v2.md and v12.md, "Definitions"), in numbers.
 *
 * The first group is held whole; of each other one only what differs from it is kept.
 */
#include <assert.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "store/auth_walk.h"
#include "store/event_row.h"
#include "store/name.h"
#include "store/state.h"
#include "store/state_row.h"

/* One key at which a group has another event than the first group has. */
struct difference {
	int64_t type;
	int64_t state_key;
	int64_t event;
	size_t group;
};

struct comparison {
	struct store *st;
	struct arena *a;
	size_t n_groups;
	size_t n_words;
	struct state_rows first;
	struct difference *list;
	size_t n;
	size_t cap;
	struct auth_start *starts;
	size_t n_starts;
	int64_t *common;
	size_t n_common;
};

static void comparison_deinit(struct comparison *c)
{
	state_rows_deinit(&c->first);
	free(c->list);
}

static void put(struct comparison *c, const struct state_row *key, int64_t event, size_t group)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 64;
		c->list = xrealloc(c->list, c->cap * sizeof(*c->list));
	}
	c->list[c->n++] = (struct difference){ key->type, key->state_key, event, group };
}

static int compare_rows(const struct state_row *x, const struct state_row *y)
{
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return x->state_key < y->state_key ? -1 : x->state_key > y->state_key;
}

static void compare(struct comparison *c, const struct state_rows *other, size_t group)
{
	size_t i = 0;
	size_t k = 0;

	while (i < c->first.n || k < other->n) {
		const struct state_row *x = i < c->first.n ? &c->first.p[i] : NULL;
		const struct state_row *y = k < other->n ? &other->p[k] : NULL;
		int order = !x ? 1 : !y ? -1 : compare_rows(x, y);

		i += order <= 0;
		k += order >= 0;
		if (x && order < 0)
			put(c, x, 0, group);
		else if (y && (!x || order > 0 || x->event != y->event))
			put(c, y, y->event, group);
	}
}

static enum err read_groups(struct comparison *c, const int64_t *groups, int64_t limit)
{
	int64_t rows = 0;

	for (size_t i = 0; i < c->n_groups && limit; i++) {
		int64_t n;
		enum err err = store_state_group_size(c->st, groups[i], &n);

		if (err)
			return err;
		rows += n;
		if (rows > limit)
			return ERR_LIMIT;
	}
	for (size_t i = 0; i < c->n_groups; i++) {
		CLEANUP(state_rows_deinit) struct state_rows rest = { 0 };
		enum err err = state_group_rows(c->st, groups[i], i ? &rest : &c->first);

		if (err)
			return err;
		if (i)
			compare(c, &rest, i);
	}
	return ERR_OK;
}

static int by_key(const void *a, const void *b)
{
	const struct difference *x = a;
	const struct difference *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->state_key != y->state_key)
		return x->state_key < y->state_key ? -1 : 1;
	if (x->event != y->event)
		return x->event < y->event ? -1 : 1;
	return x->group < y->group ? -1 : x->group > y->group;
}

static void add_start(struct comparison *c, int64_t event, uint64_t *sets)
{
	if (event)
		c->starts[c->n_starts++] = (struct auth_start){ event, sets };
}

/* The events at one key, list[from..to), with the sets that have them; first: what the first
 * group has there, as all others do that aren't listed. */
static void add_key(struct comparison *c, size_t from, size_t to, int64_t first)
{
	uint64_t *rest = arena_calloc(c->a, c->n_words, sizeof(*rest));

	for (size_t i = 0; i < c->n_groups; i++)
		rest[i / 64] |= UINT64_C(1) << i % 64;
	for (size_t i = from; i < to;) {
		uint64_t *sets = arena_calloc(c->a, c->n_words, sizeof(*sets));
		int64_t event = c->list[i].event;

		for (; i < to && c->list[i].event == event; i++) {
			uint64_t bit = UINT64_C(1) << c->list[i].group % 64;

			sets[c->list[i].group / 64] |= bit;
			rest[c->list[i].group / 64] &= ~bit;
		}
		add_start(c, event, sets);
	}
	add_start(c, first, rest);
}

static enum err name_key(struct comparison *c, const struct difference *d, int64_t first,
	struct store_state_entry *out)
{
	enum err err = name_text_in(c->st, d->type, c->a, &out->type);

	out->event = first;
	if (!err)
		err = name_text_in(c->st, d->state_key, c->a, &out->state_key);
	if (!err && first)
		err = event_id_of(c->st, c->a, first, &out->event_id);
	return err;
}

static int by_text(const void *a, const void *b)
{
	const struct store_state_entry *x = a;
	const struct store_state_entry *y = b;
	int order = str_cmp(x->type, y->type);

	return order ? order : str_cmp(x->state_key, y->state_key);
}

/* Keys in conflict, the events at them, and what is at all other keys. */
static enum err split(struct comparison *c, struct store_conflict *out)
{
	struct store_state_entry *keys;
	size_t at = 0;
	size_t n_keys = 0;

	if (c->n)
		qsort(c->list, c->n, sizeof(*c->list), by_key);
	c->starts = arena_calloc(c->a, 2 * c->n + 1, sizeof(*c->starts));
	c->common = arena_calloc(c->a, c->first.n + 1, sizeof(*c->common));
	keys = arena_calloc(c->a, c->n + 1, sizeof(*keys));
	for (size_t i = 0; i < c->n;) {
		const struct difference *d = &c->list[i];
		const struct state_row key = { .type = d->type, .state_key = d->state_key };
		int64_t first = 0;
		size_t to = i;
		enum err err;

		while (to < c->n && c->list[to].type == d->type &&
			c->list[to].state_key == d->state_key)
			to++;
		for (; at < c->first.n && compare_rows(&c->first.p[at], &key) < 0; at++)
			c->common[c->n_common++] = c->first.p[at].event;
		if (at < c->first.n && compare_rows(&c->first.p[at], &key) == 0)
			first = c->first.p[at++].event;
		add_key(c, i, to, first);
		err = name_key(c, d, first, &keys[n_keys++]);
		if (err)
			return err;
		i = to;
	}
	for (; at < c->first.n; at++)
		c->common[c->n_common++] = c->first.p[at].event;
	if (n_keys)
		qsort(keys, n_keys, sizeof(*keys), by_text);
	out->keys = keys;
	out->n_keys = n_keys;
	return ERR_OK;
}

static int greatest_first(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

static enum err find_events(
	struct comparison *c, bool subgraph, size_t limit, struct store_conflict *out)
{
	struct auth_conflict walk = { .starts = c->starts,
		.n_starts = c->n_starts,
		.n_sets = c->n_groups,
		.common = c->common,
		.n_common = c->n_common,
		.subgraph = subgraph,
		.limit = limit };
	struct str *ids;
	enum err err;

	if (c->n_common)
		qsort(c->common, c->n_common, sizeof(*c->common), greatest_first);
	err = auth_conflict(c->st, c->a, &walk);
	if (err)
		return err;
	ids = arena_calloc(c->a, walk.n_out + 1, sizeof(*ids));
	for (size_t i = 0; i < walk.n_out && !err; i++)
		err = event_id_of(c->st, c->a, walk.out[i], &ids[i]);
	out->events = ids;
	out->n_events = walk.n_out;
	return err;
}

enum err store_state_conflict(struct store *st, struct arena *a, const int64_t *groups,
	size_t n, bool subgraph, const struct store_conflict_limits *limits,
	struct store_conflict *out)
{
	CLEANUP(comparison_deinit)
	struct comparison c = { .st = st, .a = a, .n_groups = n, .n_words = (n + 63) / 64 };
	enum err err;

	assert(n > 0);
	err = read_groups(&c, groups, limits->rows);
	if (!err)
		err = split(&c, out);
	if (!err)
		err = find_events(&c, subgraph, limits->events, out);
	return err;
}
