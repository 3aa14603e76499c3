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
#include "node/core/state_res_graph.h"

struct resolution {
	struct graph g;
	const struct state_set *sets;
	size_t n_sets;
	size_t n_words; /* of a node's set mask */
	struct state_set unconflicted;
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
	if (!node->e)
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
			enum err err = graph_expand(&r->g, node);

			if (err)
				return err;
			for (size_t i = 0; i < node->n_auth; i++) {
				struct node *auth = node->auth[i];
				bool fresh = !auth->sets && !auth->conflicted;

				if (!mark_set(r, auth, set))
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
		enum err err = graph_expand(&r->g, node);

		if (err)
			return err;
		for (size_t i = 0; i < node->n_auth; i++) {
			struct node *auth = node->auth[i];

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

/* Version 2.1: of what the conflicted events reach, that from which a conflicted event is
 * reached again. Walked backwards over the citers of what was seen. */
static void add_subgraph(struct resolution *r, const struct nodes *seen, struct nodes *out)
{
	const struct nodes *parts[] = { seen, &r->conflicted };
	struct nodes stack = { 0 };
	unsigned walk = ++r->g.walk;

	for (size_t p = 0; p < ARRAY_LEN(parts); p++)
		for (size_t i = 0; i < parts[p]->n; i++)
			for (size_t j = 0; j < parts[p]->at[i]->n_auth; j++)
				parts[p]->at[i]->auth[j]->n_citers++;
	for (size_t p = 0; p < ARRAY_LEN(parts); p++)
		for (size_t i = 0; i < parts[p]->n; i++) {
			struct node *node = parts[p]->at[i];

			node->citers = arena_calloc(r->g.a, node->n_citers + 1, sizeof(void *));
			node->n_citers = 0;
		}
	for (size_t p = 0; p < ARRAY_LEN(parts); p++)
		for (size_t i = 0; i < parts[p]->n; i++)
			for (size_t j = 0; j < parts[p]->at[i]->n_auth; j++) {
				struct node *auth = parts[p]->at[i]->auth[j];

				auth->citers[auth->n_citers++] = parts[p]->at[i];
			}

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
	for (size_t p = 0; p < ARRAY_LEN(parts); p++)
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

static enum err ask_difference(struct resolution *r, struct nodes *out)
{
	const struct str *ids;
	size_t n;
	enum err err =
		r->g.src->auth_difference(r->g.src->arg, r->g.a, r->sets, r->n_sets, &ids, &n);

	for (size_t i = 0; !err && i < n; i++) {
		struct node *node;

		err = graph_node(&r->g, ids[i], &node);
		if (!err && node->e)
			nodes_add(&r->g, out, node);
	}
	return err;
}

static enum err fill_conflicted(struct resolution *r)
{
	struct nodes seen = { 0 };
	struct nodes subgraph = { 0 };
	struct nodes difference = { 0 };
	bool walks = !r->g.src->auth_difference;
	enum err err = ERR_OK;

	if (walks || r->g.version->state_res == STATE_RES_2_1)
		err = walk_chains(r, &seen);
	if (err)
		return err;
	if (r->g.version->state_res == STATE_RES_2_1)
		add_subgraph(r, &seen, &subgraph);
	if (walks) {
		difference = seen;
		err = drop_common(r, &difference);
	} else {
		err = ask_difference(r, &difference);
	}
	if (err)
		return err;
	take_conflicted(r, &subgraph);
	take_conflicted(r, &difference);
	return ERR_OK;
}

static bool is_power_event(const struct event *e)
{
	struct str membership = { 0 };

	if (event_is(e, "m.room.power_levels", "") || event_is(e, "m.room.join_rules", "") ||
		event_is(e, "m.room.create", ""))
		return true;
	if (!event_is(e, "m.room.member", NULL) || str_eq(e->sender, e->state_key))
		return false;
	(void)json_as_str(json_get(e->content, "membership"), &membership);
	return str_eq(membership, STR("leave")) || str_eq(membership, STR("ban"));
}

/* Step 1: power events with what of their auth chains is conflicted. */
static enum err pick_power(struct resolution *r, struct nodes *out)
{
	struct nodes stack = { 0 };

	for (size_t i = 0; i < r->conflicted.n; i++) {
		struct node *node = r->conflicted.at[i];

		if (node->power || !is_power_event(node->e))
			continue;
		node->power = true;
		nodes_add(&r->g, &stack, node);
		while (stack.n) {
			enum err err;

			node = stack.at[--stack.n];
			nodes_add(&r->g, out, node);
			err = graph_expand(&r->g, node);
			if (err)
				return err;
			for (size_t j = 0; j < node->n_auth; j++) {
				if (!node->auth[j]->conflicted || node->auth[j]->power)
					continue;
				node->auth[j]->power = true;
				nodes_add(&r->g, &stack, node->auth[j]);
			}
		}
	}
	return ERR_OK;
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
};

static struct node *resolved_at(struct resolution *r, struct str type, struct str state_key)
{
	char small[520];
	struct node *node =
		map_get(&r->resolved, state_map_key(r->g.a, small, type, state_key));
	const struct state_entry *entry;

	if (node || r->g.version->state_res == STATE_RES_2_1)
		return node;
	entry = find_entry(&r->unconflicted, type, state_key);
	if (!entry || graph_node(&r->g, entry->event_id, &node) || !node->e)
		return NULL;
	return node;
}

/* auth_state.get: what is resolved, else what the event itself cites; never a rejected one. */
static const struct event *get_state(void *arg, struct str type, struct str state_key)
{
	const struct check *c = arg;
	struct node *node = resolved_at(c->r, type, state_key);

	if (node && !node->rejected)
		return node->e;
	for (size_t i = 0; i < c->node->n_auth; i++) {
		const struct node *auth = c->node->auth[i];

		if (!auth->rejected && auth->e->is_state && str_eq(auth->e->type, type) &&
			str_eq(auth->e->state_key, state_key))
			return auth->e;
	}
	if (c->r->g.version->hash_room_id && c->r->g.create && state_key.n == 0 &&
		str_eq(type, STR("m.room.create")))
		return c->r->g.create->e;
	return NULL;
}

/* "Iterative auth checks". */
static enum err apply(struct resolution *r, const struct nodes *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct check check = { r, list->at[i] };
		struct auth_state state = { get_state, &check };
		const struct event *e = list->at[i]->e;
		char small[520];
		struct str key;
		enum err err;

		if (!e->is_state)
			continue;
		err = graph_expand(&r->g, list->at[i]);
		if (err)
			return err;
		if (auth_check(e, &state, NULL))
			continue;
		key = state_map_key(r->g.a, small, e->type, e->state_key);
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

	while ((node = map_next(&r->resolved, &at)))
		if (!find_entry(&r->unconflicted, node->e->type, node->e->state_key))
			entries[n++] = (struct state_entry){ node->e->type, node->e->state_key,
				node->e->event_id };
	for (size_t i = 0; i < r->unconflicted.n; i++)
		entries[n++] = r->unconflicted.entries[i];
	qsort(entries, n, sizeof(*entries), by_key);
	*out = (struct state_set){ entries, n };
}

/* The room's create event, which version 12 events don't cite: there the room id tells. */
static enum err find_create(struct resolution *r)
{
	const struct state_entry *entry =
		find_entry(&r->sets[0], STR("m.room.create"), STR(""));
	struct str event_id;
	enum err err;

	if (r->g.version->hash_room_id && r->conflicted.n)
		event_id = arena_printf(
			r->g.a, "$%.*s", STR_FMT(str_skip(r->conflicted.at[0]->e->room_id, 1)));
	else if (entry)
		event_id = entry->event_id;
	else
		return ERR_OK;
	err = graph_node(&r->g, event_id, &r->g.create);
	if (!err && !r->g.create->e)
		r->g.create = NULL;
	return err;
}

static enum err resolve(struct resolution *r, struct state_set *out)
{
	struct nodes power = { 0 };
	struct nodes rest = { 0 };
	enum err err = split_sets(r);

	if (!err)
		err = find_create(r);
	if (!err)
		err = fill_conflicted(r);
	if (!err)
		err = pick_power(r, &power);
	if (!err)
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

enum err state_resolve(struct arena *a, const struct room_version *v,
	const struct state_set *sets, size_t n_sets, const struct state_res_source *src,
	struct state_set *out, struct err_ctx *why)
{
	struct resolution r = { .g = { .a = a, .version = v, .src = src, .why = why },
		.sets = sets,
		.n_sets = n_sets,
		.n_words = (n_sets + 63) / 64 };
	bool equal = true;
	enum err err;

	for (size_t i = 1; i < n_sets && equal; i++)
		equal = sets_equal(&sets[0], &sets[i]);
	if (equal) {
		*out = n_sets ? sets[0] : (struct state_set){ 0 };
		return ERR_OK;
	}
	if (v->state_res == STATE_RES_1)
		return err_set(why, ERR_INVALID,
			"rooms of version %s resolve state in another way", v->name);
	map_init(&r.g.by_id);
	map_init(&r.resolved);
	err = resolve(&r, out);
	map_deinit(&r.g.by_id);
	map_deinit(&r.resolved);
	return err;
}
