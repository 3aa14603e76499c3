/*
 * The two orders of state resolution 2: content/rooms/v2.md, "Reverse topological power
 * ordering" and "Mainline ordering".
 */
#include <stdlib.h>

#include "node/core/power.h"
#include "node/core/state_res_graph.h"

/* A sender's level by the event's own auth events, not by any resolved state. Before version
 * 12 an event that cites neither levels nor create has level 0. */
static enum err set_level(struct graph *g, struct node *node)
{
	struct node *levels;
	const struct node *create = g->version->hash_room_id ? g->create : NULL;
	const struct event *create_event;
	const struct event *levels_event = NULL;
	const struct event *e;
	enum err err = graph_levels_of(g, node, &levels);

	for (size_t i = 0; i < node->n_auth && !create && !err; i++) {
		err = graph_see(g, node->auth[i]);
		if (node->auth[i]->is_create)
			create = node->auth[i];
	}
	if (!create && levels)
		create = g->create;
	node->level = 0;
	if (err || !create)
		return err;
	graph_release(g);
	err = graph_event(g, create, &create_event);
	if (!err && levels)
		err = graph_event(g, levels, &levels_event);
	if (!err)
		err = graph_event(g, node, &e);
	if (!err)
		node->level = power_of_user(create_event, levels_event, e->sender);
	return err;
}

/* x < y of the power ordering. */
static bool power_less(const struct node *x, const struct node *y)
{
	if (x->level != y->level)
		return x->level > y->level;
	if (x->origin_server_ts != y->origin_server_ts)
		return x->origin_server_ts < y->origin_server_ts;
	return str_cmp(x->event_id, y->event_id) < 0;
}

/* A binary heap in list->at, the smallest first. */
static void heap_push(struct graph *g, struct nodes *heap, struct node *node)
{
	size_t i = heap->n;

	nodes_add(g, heap, node);
	while (i > 0 && power_less(heap->at[i], heap->at[(i - 1) / 2])) {
		struct node *up = heap->at[(i - 1) / 2];

		heap->at[(i - 1) / 2] = heap->at[i];
		heap->at[i] = up;
		i = (i - 1) / 2;
	}
}

static struct node *heap_pop(struct nodes *heap)
{
	struct node *first = heap->at[0];
	size_t i = 0;

	heap->at[0] = heap->at[--heap->n];
	for (;;) {
		size_t least = i;
		struct node *down = heap->at[i];

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < heap->n; child++)
			if (power_less(heap->at[child], heap->at[least]))
				least = child;
		if (least == i)
			return first;
		heap->at[i] = heap->at[least];
		heap->at[least] = down;
		i = least;
	}
}

/* Counts each node's auth events inside the list and gives them their citers. */
static enum err link_citers(struct graph *g, const struct nodes *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct node *node = list->at[i];
		enum err err = set_level(g, node);

		if (err)
			return err;
		for (size_t j = 0; j < node->n_auth; j++)
			if (node->auth[j]->power) {
				node->waiting++;
				node->auth[j]->n_citers++;
			}
	}
	for (size_t i = 0; i < list->n; i++) {
		list->at[i]->citers =
			arena_calloc(g->a, list->at[i]->n_citers + 1, sizeof(struct node *));
		list->at[i]->n_citers = 0;
	}
	for (size_t i = 0; i < list->n; i++)
		for (size_t j = 0; j < list->at[i]->n_auth; j++) {
			struct node *auth = list->at[i]->auth[j];

			if (auth->power)
				auth->citers[auth->n_citers++] = list->at[i];
		}
	return ERR_OK;
}

enum err order_power(struct graph *g, struct nodes *list)
{
	struct nodes heap = { 0 };
	size_t n = 0;
	enum err err = link_citers(g, list);

	if (err)
		return err;
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i]->waiting == 0)
			heap_push(g, &heap, list->at[i]);
	while (heap.n) {
		struct node *node = heap_pop(&heap);

		list->at[n++] = node;
		for (size_t i = 0; i < node->n_citers; i++)
			if (--node->citers[i]->waiting == 0)
				heap_push(g, &heap, node->citers[i]);
	}
	/* Event ids are hashes of what they cite, so nothing cites in a circle; in versions 1
	 * and 2, where they aren't, what does is left out. */
	list->n = n;
	return ERR_OK;
}

/* How far from the room's start the first power_levels event lies that is on the mainline: 0
 * if none is. Every node on the way learns it too, so that long chains are walked once. */
static enum err set_mainline(struct graph *g, struct node *node)
{
	struct node *at = node;
	size_t position = 0;

	while (at && !at->mainline_known) {
		struct node *next;
		enum err err = graph_levels_of(g, at, &next);

		if (err)
			return err;
		/* A circle (versions 1 and 2) ends here: the second visit finds it known. */
		at->mainline_known = true;
		at = next;
	}
	if (at)
		position = at->mainline;
	for (at = node; at && at->mainline == 0 && position;) {
		struct node *next;
		enum err err = graph_levels_of(g, at, &next);

		if (err)
			return err;
		at->mainline = position;
		at = next;
	}
	return ERR_OK;
}

static int by_mainline(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a;
	const struct node *y = *(struct node *const *)b;

	if (x->mainline != y->mainline)
		return x->mainline < y->mainline ? -1 : 1;
	if (x->origin_server_ts != y->origin_server_ts)
		return x->origin_server_ts < y->origin_server_ts ? -1 : 1;
	return str_cmp(x->event_id, y->event_id);
}

enum err order_mainline(struct graph *g, struct node *levels, struct nodes *list)
{
	struct nodes mainline = { 0 };

	for (struct node *at = levels; at && !at->mainline_known;) {
		struct node *next;
		enum err err = graph_levels_of(g, at, &next);

		if (err)
			return err;
		at->mainline_known = true;
		nodes_add(g, &mainline, at);
		at = next;
	}
	for (size_t i = 0; i < mainline.n; i++)
		mainline.at[i]->mainline = mainline.n - i;
	for (size_t i = 0; i < list->n; i++) {
		enum err err = set_mainline(g, list->at[i]);

		if (err)
			return err;
	}
	if (list->n)
		qsort(list->at, list->n, sizeof(struct node *), by_mainline);
	return ERR_OK;
}
