/*
 * State resolution 2 and 2.1, in the order of content/rooms/v12.md, "Algorithm":
 *
 *   split the sets -> full conflicted set -> power events, sorted, applied
 *                                         -> the rest, by mainline, applied -> unconflicted
 * over it
 */
#include "node/core/state_res.h"

#include <stdlib.h>

#include "node/core/auth.h"
#include "node/core/state_res_1.h"
#include "node/core/state_res_graph.h"

/* Events that may be held parsed before the source is told that it can let go. */
#define RELEASE_EACH 64

struct resolution {
	struct graph g;
	const struct state_set *sets;
	size_t n_sets;
	size_t n_words; /* of a node's set mask */
	struct state_set unconflicted;
	const struct state_res_conflict *given; /* then what is in conflict is known already */
	struct nodes conflicted; /* the conflicted state set, then the full one */
	struct map resolved;     /* "type\0state_key" -> struct node: what was applied */
};

int state_entry_cmp(const struct state_entry *a, const struct state_entry *b)
{
	int order = str_cmp(a->type, b->type);

	return order ? order : str_cmp(a->state_key, b->state_key);
}

static const struct state_entry *find_entry(
	const struct state_set *set, struct str type, struct str state_key)
{
	struct state_entry key = { type, state_key, { 0 } };
	size_t lo = 0;
	size_t hi = set->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = state_entry_cmp(&set->entries[mid], &key);

		if (order == 0)
			return &set->entries[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static bool sets_equal(const struct state_set *a, const struct state_set *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (state_entry_cmp(&a->entries[i], &b->entries[i]) ||
			!str_eq(a->entries[i].event_id, b->entries[i].event_id))
			return false;
	return true;
}

/* The bit of a set in a node's mask; true if it was new. */
static bool mark_set(struct resolution *r, struct node *node, size_t set)
{
	uint64_t bit = UINT64_C(1) << (set % 64);

	if (!node->sets)
		node->sets = arena_calloc(r->g.a, r->n_words, sizeof(*node->sets));
	if (node->sets[set / 64] & bit)
		return false;
	node->sets[set / 64] |= bit;
	return true;
}

static bool in_all_sets(const struct resolution *r, const struct node *node)
{
	for (size_t i = 0; i < r->n_sets; i++)
		if (!(node->sets[i / 64] >> (i % 64) & 1))
			return false;
	return true;
}

static enum err add_conflicted(struct resolution *r, struct str event_id, size_t set)
{
	struct node *node;
	enum err err = graph_node(&r->g, event_id, &node);

	if (err)
		return err;
	if (!node->here)
		return err_set(r->g.why, ERR_NOT_FOUND, "event %.*s of the state is missing",
			STR_FMT(event_id));
	(void)mark_set(r, node, set);
	if (!node->conflicted)
		nodes_add(&r->g, &r->conflicted, node);
	node->conflicted = true;
	return ERR_OK;
}

/* One key: its entries are at[i] of the sets that have it (has[i]). */
static enum err take_key(struct resolution *r, const struct state_entry *first,
	const size_t *at, const bool *has, struct state_entry *unconflicted, size_t *n)
{
	bool same = true;

	for (size_t i = 0; i < r->n_sets && same; i++)
		same = has[i] && str_eq(r->sets[i].entries[at[i]].event_id, first->event_id);
	if (same) {
		unconflicted[(*n)++] = *first;
		return ERR_OK;
	}
	for (size_t i = 0; i < r->n_sets; i++) {
		enum err err;

		if (!has[i])
			continue;
		err = add_conflicted(r, r->sets[i].entries[at[i]].event_id, i);
		if (err)
			return err;
	}
	return ERR_OK;
}

static const struct state_entry *entry_at(const struct state_set *set, size_t at)
{
	return at < set->n ? &set->entries[at] : NULL;
}

/* All sets are walked side by side, key by key. */
static enum err split_sets(struct resolution *r)
{
	struct arena *a = r->g.a;
	size_t *at = arena_calloc(a, r->n_sets, sizeof(*at));
	bool *has = arena_calloc(a, r->n_sets, sizeof(*has));
	struct state_entry *unconflicted =
		arena_calloc(a, r->sets[0].n + 1, sizeof(*unconflicted));
	size_t n = 0;

	for (;;) {
		const struct state_entry *first = NULL;
		enum err err;

		for (size_t i = 0; i < r->n_sets; i++) {
			const struct state_entry *here = entry_at(&r->sets[i], at[i]);

			if (here && (!first || state_entry_cmp(here, first) < 0))
				first = here;
		}
		if (!first)
			break;
		for (size_t i = 0; i < r->n_sets; i++) {
			const struct state_entry *here = entry_at(&r->sets[i], at[i]);

			has[i] = here && state_entry_cmp(here, first) == 0;
		}
		err = take_key(r, first, at, has, unconflicted, &n);
		if (err)
			return err;
		for (size_t i = 0; i < r->n_sets; i++)
			at[i] += has[i];
	}
	r->unconflicted = (struct state_set){ unconflicted, n };
	return ERR_OK;
}

/* Marks, for each set, the auth chains of its conflicted events. What was reached gathers in
 * seen, once. */
static enum err walk_chains(struct resolution *r, struct nodes *seen)
{
	for (size_t set = 0; set < r->n_sets; set++) {
		struct nodes stack = { 0 };

		for (size_t i = 0; i < r->conflicted.n; i++)
			if (r->conflicted.at[i]->sets[set / 64] >> (set % 64) & 1)
				nodes_add(&r->g, &stack, r->conflicted.at[i]);
		while (stack.n) {
			struct node *node = stack.at[--stack.n];

			for (size_t i = 0; i < node->n_auth; i++) {
				struct node *auth = node->auth[i];
				bool fresh = !auth->sets && !auth->conflicted;
				enum err err = graph_see(&r->g, auth);

				if (err)
					return err;
				if (!auth->here || !mark_set(r, auth, set))
					continue;
				if (fresh)
					nodes_add(&r->g, seen, auth);
				nodes_add(&r->g, &stack, auth);
			}
		}
	}
	return ERR_OK;
}

/* Of the candidates, those that no unconflicted event's chain holds: what is in one is in
 * every set's chain. Walked only when there are any, and only until all were met. */
static enum err drop_common(struct resolution *r, struct nodes *candidates)
{
	struct nodes stack = { 0 };
	size_t left = 0;
	size_t n = 0;
	unsigned walk = ++r->g.walk;

	for (size_t i = 0; i < candidates->n; i++)
		left += !in_all_sets(r, candidates->at[i]);
	for (size_t i = 0; i < r->unconflicted.n && left; i++) {
		struct node *node;
		enum err err = graph_node(&r->g, r->unconflicted.entries[i].event_id, &node);

		if (err)
			return err;
		if (node->mark != walk)
			nodes_add(&r->g, &stack, node);
		node->mark = walk;
		left -= node->sets && !node->conflicted && !in_all_sets(r, node);
	}
	while (stack.n && left) {
		struct node *node = stack.at[--stack.n];

		for (size_t i = 0; i < node->n_auth; i++) {
			struct node *auth = node->auth[i];
			enum err err = graph_see(&r->g, auth);

			if (err)
				return err;
			if (auth->mark == walk)
				continue;
			auth->mark = walk;
			left -= auth->sets && !auth->conflicted && !in_all_sets(r, auth);
			nodes_add(&r->g, &stack, auth);
		}
	}
	for (size_t i = 0; i < candidates->n; i++)
		if (!in_all_sets(r, candidates->at[i]) && candidates->at[i]->mark != walk)
			candidates->at[n++] = candidates->at[i];
	candidates->n = n;
	return ERR_OK;
}

/* Gives the nodes of both parts, and what they cite of each other, their citers. */
static void link_subgraph(struct resolution *r, const struct nodes *const parts[2])
{
	for (size_t p = 0; p < 2; p++)
		for (size_t i = 0; i < parts[p]->n; i++)
			for (size_t j = 0; j < parts[p]->at[i]->n_auth; j++)
				parts[p]->at[i]->auth[j]->n_citers +=
					parts[p]->at[i]->auth[j]->here;
	for (size_t p = 0; p < 2; p++)
		for (size_t i = 0; i < parts[p]->n; i++) {
			struct node *node = parts[p]->at[i];

			node->citers = arena_calloc(r->g.a, node->n_citers + 1, sizeof(void *));
			node->n_citers = 0;
		}
	for (size_t p = 0; p < 2; p++)
		for (size_t i = 0; i < parts[p]->n; i++)
			for (size_t j = 0; j < parts[p]->at[i]->n_auth; j++) {
				struct node *auth = parts[p]->at[i]->auth[j];

				if (auth->here)
					auth->citers[auth->n_citers++] = parts[p]->at[i];
			}
}

/* Version 2.1: of what the conflicted events reach, that from which a conflicted event is
 * reached again. Walked backwards over the citers of what was seen. */
static void add_subgraph(struct resolution *r, const struct nodes *seen, struct nodes *out)
{
	const struct nodes *const parts[2] = { seen, &r->conflicted };
	struct nodes stack = { 0 };
	unsigned walk = ++r->g.walk;

	link_subgraph(r, parts);
	for (size_t i = 0; i < r->conflicted.n; i++) {
		r->conflicted.at[i]->mark = walk;
		nodes_add(&r->g, &stack, r->conflicted.at[i]);
	}
	while (stack.n) {
		struct node *node = stack.at[--stack.n];

		for (size_t i = 0; i < node->n_citers; i++) {
			struct node *citer = node->citers[i];

			if (citer->mark == walk)
				continue;
			citer->mark = walk;
			nodes_add(&r->g, out, citer);
			nodes_add(&r->g, &stack, citer);
		}
	}
	for (size_t p = 0; p < 2; p++)
		for (size_t i = 0; i < parts[p]->n; i++)
			parts[p]->at[i]->n_citers = 0;
}

static void take_conflicted(struct resolution *r, const struct nodes *more)
{
	for (size_t i = 0; i < more->n; i++) {
		if (more->at[i]->conflicted)
			continue;
		more->at[i]->conflicted = true;
		nodes_add(&r->g, &r->conflicted, more->at[i]);
	}
}

/* From the sets alone: what they differ in, and what of the auth chains goes with it. */
static enum err fill_conflicted(struct resolution *r)
{
	struct nodes seen = { 0 };
	struct nodes subgraph = { 0 };
	enum err err = walk_chains(r, &seen);

	if (err)
		return err;
	if (r->g.version->state_res == STATE_RES_2_1)
		add_subgraph(r, &seen, &subgraph);
	err = drop_common(r, &seen);
	if (err)
		return err;
	take_conflicted(r, &subgraph);
	take_conflicted(r, &seen);
	return ERR_OK;
}

static enum err take_given(struct resolution *r)
{
	for (size_t i = 0; i < r->given->n; i++) {
		struct node *node;
		enum err err = graph_node(&r->g, r->given->events[i], &node);

		if (err)
			return err;
		if (!node->here)
			return err_set(r->g.why, ERR_NOT_FOUND,
				"conflicted event %.*s is missing", STR_FMT(node->event_id));
		if (i % RELEASE_EACH == 0)
			graph_release(&r->g);
		if (!node->conflicted)
			nodes_add(&r->g, &r->conflicted, node);
		node->conflicted = true;
	}
	return ERR_OK;
}

/* Step 1: power events with what of their auth chains is conflicted. */
static void pick_power(struct resolution *r, struct nodes *out)
{
	struct nodes stack = { 0 };

	for (size_t i = 0; i < r->conflicted.n; i++) {
		struct node *node = r->conflicted.at[i];

		if (node->power || !node->is_power)
			continue;
		node->power = true;
		nodes_add(&r->g, &stack, node);
		while (stack.n) {
			node = stack.at[--stack.n];
			nodes_add(&r->g, out, node);
			for (size_t j = 0; j < node->n_auth; j++) {
				if (!node->auth[j]->conflicted || node->auth[j]->power)
					continue;
				node->auth[j]->power = true;
				nodes_add(&r->g, &stack, node->auth[j]);
			}
		}
	}
}

static struct str state_map_key(
	struct arena *a, char small[520], struct str type, struct str state_key)
{
	size_t n = type.n + 1 + state_key.n;
	char *p = n <= 520 ? small : arena_alloc(a, n);

	memcpy(p, type.p, type.n);
	p[type.n] = '\0';
	if (state_key.n)
		memcpy(p + type.n + 1, state_key.p, state_key.n);
	return (struct str){ p, n };
}

/* The event being checked, and the state that was resolved so far. */
struct check {
	struct resolution *r;
	struct node *node;
	enum err err;
};

/* The id of the unconflicted state's event; false if there is none. */
static bool unconflicted_at(
	const struct resolution *r, struct str type, struct str state_key, struct str *event_id)
{
	const struct state_entry *entry;

	if (r->given)
		return r->given->unconflicted(r->given->arg, type, state_key, event_id);
	entry = find_entry(&r->unconflicted, type, state_key);
	if (entry)
		*event_id = entry->event_id;
	return entry;
}

static struct node *resolved_at(struct resolution *r, struct str type, struct str state_key)
{
	char small[520];
	struct node *node =
		map_get(&r->resolved, state_map_key(r->g.a, small, type, state_key));
	struct str event_id;

	if (node || r->g.version->state_res == STATE_RES_2_1)
		return node;
	if (!unconflicted_at(r, type, state_key, &event_id) ||
		graph_node(&r->g, event_id, &node) || !node->here)
		return NULL;
	return node;
}

/* What the event being checked itself cites there; never a rejected one. */
static const struct node *cited_at(struct check *c, struct str type, struct str state_key)
{
	for (size_t i = 0; i < c->node->n_auth; i++) {
		struct node *auth = c->node->auth[i];
		enum err err = graph_see(&c->r->g, auth);

		if (err)
			c->err = err;
		if (!err && auth->here && !auth->rejected && auth->is_state &&
			str_eq(auth->type, type) && str_eq(auth->state_key, state_key))
			return auth;
	}
	return NULL;
}

/* auth_state.get: what is resolved, else what the event itself cites. */
static const struct event *get_state(void *arg, struct str type, struct str state_key)
{
	struct check *c = arg;
	const struct node *node = resolved_at(c->r, type, state_key);
	const struct event *e = NULL;
	enum err err;

	if (!node || node->rejected)
		node = cited_at(c, type, state_key);
	if (!node && c->r->g.version->hash_room_id && state_key.n == 0 &&
		str_eq(type, STR("m.room.create")))
		node = c->r->g.create;
	if (!node)
		return NULL;
	err = graph_event(&c->r->g, node, &e);
	if (err)
		c->err = err;
	return e;
}

/* "Iterative auth checks". */
static enum err apply(struct resolution *r, const struct nodes *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct check check = { r, list->at[i], ERR_OK };
		struct auth_state state = { get_state, &check };
		const struct event *e;
		char small[520];
		struct str key;
		struct err_ctx why = { { 0 } };
		enum err err;
		enum err allowed;

		if (!list->at[i]->is_state)
			continue;
		graph_release(&r->g);
		err = graph_event(&r->g, list->at[i], &e);
		if (err)
			return err;
		allowed = auth_check(e, &state, r->g.src->judged ? &why : NULL);
		if (check.err)
			return check.err;
		if (r->g.src->judged)
			r->g.src->judged(
				r->g.src->arg, list->at[i]->event_id, !allowed, why.text);
		if (allowed)
			continue;
		key = state_map_key(r->g.a, small, list->at[i]->type, list->at[i]->state_key);
		map_put(&r->resolved, arena_str(r->g.a, key), list->at[i]);
	}
	return ERR_OK;
}

static int by_key(const void *a, const void *b)
{
	return state_entry_cmp(a, b);
}

/* Step 5: what was applied, sorted, with the unconflicted state over it. */
static void merge(struct resolution *r, struct state_set *out)
{
	size_t max = r->resolved.n + r->unconflicted.n;
	struct state_entry *entries = arena_calloc(r->g.a, max + 1, sizeof(*entries));
	const struct node *node;
	size_t at = 0;
	size_t n = 0;

	while ((node = map_next(&r->resolved, &at))) {
		struct str other;

		if (!unconflicted_at(r, node->type, node->state_key, &other))
			entries[n++] = (struct state_entry){ node->type, node->state_key,
				node->event_id };
	}
	for (size_t i = 0; i < r->unconflicted.n; i++)
		entries[n++] = r->unconflicted.entries[i];
	qsort(entries, n, sizeof(*entries), by_key);
	*out = (struct state_set){ entries, n };
}

/* The room's create event, which version 12 events don't cite: there the room id tells. */
static enum err find_create(struct resolution *r)
{
	const struct event *e;
	struct str event_id;
	enum err err = ERR_OK;

	if (r->g.version->hash_room_id && r->conflicted.n) {
		err = graph_event(&r->g, r->conflicted.at[0], &e);
		if (err)
			return err;
		event_id = arena_printf(r->g.a, "$%.*s", STR_FMT(str_skip(e->room_id, 1)));
	} else if (r->n_sets) {
		const struct state_entry *entry =
			find_entry(&r->sets[0], STR("m.room.create"), STR(""));

		if (!entry)
			return ERR_OK;
		event_id = entry->event_id;
	} else if (!unconflicted_at(r, STR("m.room.create"), STR(""), &event_id)) {
		return ERR_OK;
	}
	err = graph_node(&r->g, event_id, &r->g.create);
	if (!err && !r->g.create->here)
		r->g.create = NULL;
	return err;
}

static enum err resolve(struct resolution *r, struct state_set *out)
{
	struct nodes power = { 0 };
	struct nodes rest = { 0 };
	enum err err = r->given ? take_given(r) : split_sets(r);

	if (!err)
		err = find_create(r);
	if (!err && !r->given)
		err = fill_conflicted(r);
	if (err)
		return err;
	pick_power(r, &power);
	err = order_power(&r->g, &power);
	if (!err)
		err = apply(r, &power);
	if (err)
		return err;
	for (size_t i = 0; i < r->conflicted.n; i++)
		if (!r->conflicted.at[i]->power)
			nodes_add(&r->g, &rest, r->conflicted.at[i]);
	err = order_mainline(&r->g, resolved_at(r, STR("m.room.power_levels"), STR("")), &rest);
	if (!err)
		err = apply(r, &rest);
	if (!err)
		merge(r, out);
	return err;
}

static enum err run(struct resolution *r, struct state_set *out)
{
	enum err err;

	r->g.max_events = r->g.src->max_events ? r->g.src->max_events : STATE_RES_MAX_EVENTS;
	map_init(&r->g.by_id);
	map_init(&r->g.strings);
	map_init(&r->resolved);
	err = resolve(r, out);
	map_deinit(&r->g.by_id);
	map_deinit(&r->g.strings);
	map_deinit(&r->resolved);
	return err;
}

enum err state_resolve(struct arena *a, const struct room_version *v,
	const struct state_set *sets, size_t n_sets, const struct state_res_source *src,
	struct state_set *out, struct err_ctx *why)
{
	struct resolution r = { .g = { .a = a, .version = v, .src = src, .why = why },
		.sets = sets,
		.n_sets = n_sets,
		.n_words = (n_sets + 63) / 64 };
	bool equal = true;

	for (size_t i = 1; i < n_sets && equal; i++)
		equal = sets_equal(&sets[0], &sets[i]);
	if (equal) {
		*out = n_sets ? sets[0] : (struct state_set){ 0 };
		return ERR_OK;
	}
	if (v->state_res == STATE_RES_1)
		return state_resolve_1(a, sets, n_sets, src, out, why);
	return run(&r, out);
}

enum err state_resolve_conflict(struct arena *a, const struct room_version *v,
	const struct state_res_conflict *conflict, const struct state_res_source *src,
	struct state_set *out, struct err_ctx *why)
{
	struct resolution r = { .g = { .a = a, .version = v, .src = src, .why = why },
		.given = conflict };

	if (v->state_res == STATE_RES_1)
		return err_set(why, ERR_INVALID,
			"rooms of version %s are resolved from their states", v->name);
	return run(&r, out);
}
