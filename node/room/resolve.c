#include "node/room/resolve.h"

#include <assert.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/core/state_res.h"
#include "node/room/resolution.h"

#define MEMO_MAX 64 /* resolutions remembered */

/* What the loop does itself: a millisecond or two. */
#define LOOP_ROWS   4000
#define LOOP_WALK   1000
#define LOOP_EVENTS 100

struct resolve_memo {
	struct {
		struct resolve_need groups;
		int64_t result;
		bool open; /* of a transaction that may still be rolled back */
	} entries[MEMO_MAX];
	size_t next;
};

static int compare_groups(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorted, each once. */
static size_t distinct(const int64_t *groups, size_t n, int64_t *out)
{
	size_t kept = 0;

	memcpy(out, groups, n * sizeof(*groups));
	qsort(out, n, sizeof(*out), compare_groups);
	for (size_t i = 0; i < n; i++)
		if (!i || out[i] != out[kept - 1])
			out[kept++] = out[i];
	return kept;
}

static bool recall(struct rooms *r, const struct resolve_need *need, int64_t *out)
{
	struct resolve_memo *m = r->memo;

	for (size_t i = 0; m && i < MEMO_MAX; i++) {
		if (m->entries[i].groups.n != need->n ||
			memcmp(m->entries[i].groups.groups, need->groups,
				need->n * sizeof(need->groups[0])) != 0)
			continue;
		*out = m->entries[i].result;
		return true;
	}
	return false;
}

static void remember(
	struct rooms *r, const struct resolve_need *need, int64_t result, bool open)
{
	struct resolve_memo *m;

	if (!r->memo)
		r->memo = NEW(struct resolve_memo);
	m = r->memo;
	m->entries[m->next].groups = *need;
	m->entries[m->next].result = result;
	m->entries[m->next].open = open;
	m->next = (m->next + 1) % MEMO_MAX;
}

void room_resolve_remember(struct rooms *r, const struct resolve_need *need, int64_t group)
{
	remember(r, need, group, false);
}

void room_resolve_rolled_back(struct rooms *r)
{
	for (size_t i = 0; r->memo && i < MEMO_MAX; i++)
		if (r->memo->entries[i].open)
			r->memo->entries[i].groups.n = 0;
}

void room_resolve_deinit(struct rooms *r)
{
	free(r->memo);
	r->memo = NULL;
}

static enum err read_sets(struct rooms *r, struct arena *a, const int64_t *groups, size_t n,
	struct state_set *sets)
{
	for (size_t i = 0; i < n; i++) {
		const struct store_state_entry *read = NULL;
		struct state_entry *entries;
		size_t n_read = 0;
		enum err err = ERR_OK;

		if (groups[i])
			err = store_state_group_read(
				r->store, a, groups[i], NULL, 0, &read, &n_read);
		if (err)
			return err;
		entries = arena_calloc(a, n_read ? n_read : 1, sizeof(*entries));
		for (size_t k = 0; k < n_read; k++)
			entries[k] = (struct state_entry){ read[k].type, read[k].state_key,
				read[k].event_id };
		sets[i] = (struct state_set){ entries, n_read };
	}
	return ERR_OK;
}

/* The result as a group: what differs from the first of the groups that went in. */
static enum err store_result(struct rooms *r, struct room *room, struct arena *a,
	int64_t parent, const struct state_set *from, const struct state_set *to, int64_t *out)
{
	struct store_state *changes = arena_calloc(a, from->n + to->n + 1, sizeof(*changes));
	size_t n = 0;
	size_t i = 0;
	size_t k = 0;

	while (i < from->n || k < to->n) {
		const struct state_entry *x = i < from->n ? &from->entries[i] : NULL;
		const struct state_entry *y = k < to->n ? &to->entries[k] : NULL;
		int order = !x ? 1 : !y ? -1 : state_entry_cmp(x, y);
		enum err err;

		i += order <= 0;
		k += order >= 0;
		if (x && order < 0) {
			changes[n++] = (struct store_state){ x->type, x->state_key, 0 };
			continue;
		}
		if (!y || (x && order == 0 && str_eq(x->event_id, y->event_id)))
			continue;
		changes[n] = (struct store_state){ y->type, y->state_key, 0 };
		err = store_event_find(r->store, y->event_id, &changes[n++].event, NULL);
		if (err)
			return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
	}
	return store_state_group_new(r->store, room->id, parent, changes, n, out);
}

static enum err resolve(struct rooms *r, struct room *room, const struct resolve_need *need,
	const struct resolution_limits *limits, int64_t *out, struct err_ctx *why)
{
	struct resolution x = { .store = r->store,
		.version = room->version,
		.arena = arena_new(),
		.groups = need->groups,
		.n = need->n,
		.limits = *limits };
	enum err err = resolution_run(&x);

	if (!err)
		err = store_state_group_new(
			r->store, room->id, need->groups[0], x.changes, x.n_changes, out);
	else if (why)
		*why = x.why;
	arena_free(x.arena);
	return err;
}

static enum err look_up_or_resolve(struct rooms *r, struct room *room,
	const struct resolve_need *need, const struct resolution_limits *limits, int64_t *out,
	struct err_ctx *why)
{
	enum err err;

	if (need->n == 1) {
		*out = need->groups[0];
		return ERR_OK;
	}
	if (recall(r, need, out))
		return ERR_OK;
	err = resolve(r, room, need, limits, out, why);
	if (!err)
		remember(r, need, *out, true);
	return err;
}

enum err room_resolve(struct rooms *r, struct room *room, const int64_t *groups, size_t n,
	int64_t *out, struct resolve_need *need, struct err_ctx *why)
{
	static const struct resolution_limits limits = { { LOOP_ROWS, LOOP_WALK }, LOOP_EVENTS,
		NULL };

	assert(n > 0 && n <= RESOLVE_GROUPS_MAX);
	need->n = distinct(groups, n, need->groups);
	return look_up_or_resolve(r, room, need, &limits, out, why);
}

enum err room_resolve_now(
	struct rooms *r, struct room *room, const int64_t *groups, size_t n, int64_t *out)
{
	static const struct resolution_limits limits = { 0 };
	struct resolve_need need;

	assert(n > 0 && n <= RESOLVE_GROUPS_MAX);
	need.n = distinct(groups, n, need.groups);
	return look_up_or_resolve(r, room, &need, &limits, out, NULL);
}

enum err room_group_of(struct rooms *r, struct room *room, int64_t parent,
	const struct state_set *state, int64_t *out)
{
	struct arena *a = arena_new();
	struct state_set from;
	enum err err = read_sets(r, a, &parent, 1, &from);

	if (!err)
		err = store_result(r, room, a, parent, &from, state, out);
	arena_free(a);
	return err;
}

enum err room_state_diff(struct rooms *r, struct arena *a, int64_t from, int64_t to,
	struct store_state **out, size_t *n)
{
	const struct store_state_entry *x = NULL;
	const struct store_state_entry *y = NULL;
	size_t n_x = 0;
	size_t n_y = 0;
	size_t i = 0;
	size_t k = 0;
	enum err err = ERR_OK;

	if (from)
		err = store_state_group_read(r->store, a, from, NULL, 0, &x, &n_x);
	if (!err && to)
		err = store_state_group_read(r->store, a, to, NULL, 0, &y, &n_y);
	if (err)
		return err;
	*out = arena_calloc(a, n_x + n_y + 1, sizeof(**out));
	*n = 0;
	while (i < n_x || k < n_y) {
		int order = i == n_x ? 1 : k == n_y ? -1 : str_cmp(x[i].type, y[k].type);

		if (!order)
			order = str_cmp(x[i].state_key, y[k].state_key);
		if (order < 0)
			(*out)[(*n)++] = (struct store_state){ x[i].type, x[i].state_key, 0 };
		else if (order > 0 || x[i].event != y[k].event)
			(*out)[(*n)++] =
				(struct store_state){ y[k].type, y[k].state_key, y[k].event };
		i += order <= 0;
		k += order >= 0;
	}
	return ERR_OK;
}
