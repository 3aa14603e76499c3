#include "node/core/state_res_graph.h"

enum err graph_node(struct graph *g, struct str event_id, struct node **out)
{
	struct node *node = map_get(&g->by_id, event_id);

	if (!node) {
		if (g->n_events++ >= STATE_RES_MAX_EVENTS)
			return err_set(g->why, ERR_LIMIT,
				"state resolution read more than %d events",
				STATE_RES_MAX_EVENTS);
		node = ARENA_NEW(g->a, struct node);
		node->e = g->src->event(g->src->arg, event_id);
		node->rejected = node->e && g->src->rejected(g->src->arg, event_id);
		map_put(&g->by_id, node->e ? node->e->event_id : arena_str(g->a, event_id),
			node);
	}
	*out = node;
	return ERR_OK;
}

enum err graph_expand(struct graph *g, struct node *node)
{
	size_t n = 0;

	if (node->auth || !node->e)
		return ERR_OK;
	node->auth = arena_calloc(g->a, node->e->n_auth_events + 1, sizeof(void *));
	for (size_t i = 0; i < node->e->n_auth_events; i++) {
		struct node *auth = NULL;
		enum err err = graph_node(g, node->e->auth_events[i], &auth);

		if (err) {
			node->auth = NULL;
			return err;
		}
		if (auth && auth->e)
			node->auth[n++] = auth;
	}
	node->n_auth = n;
	return ERR_OK;
}

enum err graph_levels_of(struct graph *g, struct node *node, struct node **out)
{
	enum err err = graph_expand(g, node);

	if (err)
		return err;
	*out = NULL;
	for (size_t i = 0; i < node->n_auth && !*out; i++)
		if (event_is(node->auth[i]->e, "m.room.power_levels", ""))
			*out = node->auth[i];
	return ERR_OK;
}

void nodes_add(struct graph *g, struct nodes *list, struct node *node)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 64;
		struct node **at = arena_calloc(g->a, cap, sizeof(void *));

		if (list->n)
			memcpy(at, list->at, list->n * sizeof(void *));
		list->at = at;
		list->cap = cap;
	}
	list->at[list->n++] = node;
}
