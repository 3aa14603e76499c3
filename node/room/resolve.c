#include "node/room/resolve.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/core/state_res.h"

#define MEMO_MAX    64 /* resolutions remembered */
#define MEMO_GROUPS 4  /* of at most this many groups */

struct resolve_memo {
	struct {
		int64_t groups[MEMO_GROUPS];
		size_t n;
		int64_t result;
	} entries[MEMO_MAX];
	size_t next;
};

/* Events that one resolution looks at. */
struct lookup {
	struct rooms *rooms;
	const struct room_version *version;
	struct arena *arena;
	struct map events; /* struct looked_up by event id */
	enum err err;
};

struct looked_up {
	struct event *event; /* owned; NULL: not here */
	bool rejected;
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

static bool recall(struct rooms *r, const int64_t *groups, size_t n, int64_t *out)
{
	struct resolve_memo *m = r->memo;

	if (!m || n > MEMO_GROUPS)
		return false;
	for (size_t i = 0; i < MEMO_MAX; i++) {
		if (m->entries[i].n != n ||
			memcmp(m->entries[i].groups, groups, n * sizeof(*groups)) != 0)
			continue;
		*out = m->entries[i].result;
		return true;
	}
	return false;
}

static void memorize(struct rooms *r, const int64_t *groups, size_t n, int64_t result)
{
	struct resolve_memo *m;

	if (n > MEMO_GROUPS)
		return;
	if (!r->memo)
		r->memo = NEW(struct resolve_memo);
	m = r->memo;
	memcpy(m->entries[m->next].groups, groups, n * sizeof(*groups));
	m->entries[m->next].n = n;
	m->entries[m->next].result = result;
	m->next = (m->next + 1) % MEMO_MAX;
}

void room_resolve_deinit(struct rooms *r)
{
	free(r->memo);
	r->memo = NULL;
}

static struct looked_up *look_up(struct lookup *l, struct str event_id)
{
	struct looked_up *found = map_get(&l->events, event_id);
	struct store_event row;
	enum err err;

	if (found)
		return found;
	found = ARENA_NEW(l->arena, struct looked_up);
	map_put(&l->events, arena_str(l->arena, event_id), found);
	err = store_event_get(l->rooms->store, l->arena, event_id, &row);
	if (!err)
		err = event_from_store(row.json, row.event_id, l->version, &found->event);
	if (!err)
		found->rejected = row.flags & STORE_REJECTED;
	else if (err != ERR_NOT_FOUND)
		l->err = err;
	return found;
}

static const struct event *look_up_event(void *arg, struct str event_id)
{
	return look_up(arg, event_id)->event;
}

static bool look_up_rejected(void *arg, struct str event_id)
{
	return look_up(arg, event_id)->rejected;
}

static enum err auth_difference(void *arg, struct arena *a, const struct state_set *sets,
	size_t n, const struct str **out, size_t *n_out)
{
	struct lookup *l = arg;
	struct store_id_set *ids = arena_calloc(a, n, sizeof(*ids));

	for (size_t i = 0; i < n; i++) {
		struct str *list = arena_calloc(a, sets[i].n ? sets[i].n : 1, sizeof(*list));

		for (size_t k = 0; k < sets[i].n; k++)
			list[k] = sets[i].entries[k].event_id;
		ids[i] = (struct store_id_set){ list, sets[i].n };
	}
	return store_auth_difference(l->rooms->store, a, ids, n, out, n_out);
}

static void lookup_deinit(struct lookup *l)
{
	struct looked_up *e;

	for (size_t at = 0; (e = map_next(&l->events, &at));)
		event_free(e->event);
	map_deinit(&l->events);
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

static enum err resolve(struct rooms *r, struct room *room, struct arena *a,
	const int64_t *groups, size_t n, int64_t *out, struct err_ctx *why)
{
	struct state_set *sets = arena_calloc(a, n, sizeof(*sets));
	struct lookup l = { .rooms = r, .version = room->version, .arena = a };
	const struct state_res_source source = { look_up_event, look_up_rejected,
		auth_difference, &l };
	struct state_set result;
	enum err err = read_sets(r, a, groups, n, sets);

	if (err)
		return err;
	map_init(&l.events);
	err = state_resolve(a, room->version, sets, n, &source, &result, why);
	if (!err)
		err = l.err;
	if (!err)
		err = store_result(r, room, a, groups[0], &sets[0], &result, out);
	lookup_deinit(&l);
	return err;
}

enum err room_resolve(struct rooms *r, struct room *room, const int64_t *groups, size_t n,
	int64_t *out, struct err_ctx *why)
{
	struct arena *a;
	int64_t *unique;
	enum err err;

	if (n == 1) {
		*out = groups[0];
		return ERR_OK;
	}
	a = arena_new();
	unique = arena_calloc(a, n, sizeof(*unique));
	n = distinct(groups, n, unique);
	if (n == 1) {
		*out = unique[0];
		err = ERR_OK;
	} else if (recall(r, unique, n, out)) {
		err = ERR_OK;
	} else {
		err = resolve(r, room, a, unique, n, out, why);
		if (!err)
			memorize(r, unique, n, *out);
	}
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
