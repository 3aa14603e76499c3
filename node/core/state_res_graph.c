#include "node/core/state_res_graph.h"

/* Types, users: few of them, on many events. */
static struct str interned(struct graph *g, struct str s)
{
	struct str *known = map_get(&g->strings, s);

	if (known)
		return *known;
	known = ARENA_NEW(g->a, struct str);
	*known = arena_str(g->a, s);
	map_put(&g->strings, *known, known);
	return *known;
}

struct node *graph_stub(struct graph *g, struct str event_id)
{
	struct node *node = map_get(&g->by_id, event_id);

	if (!node) {
		node = ARENA_NEW(g->a, struct node);
		node->event_id = arena_str(g->a, event_id);
		map_put(&g->by_id, node->event_id, node);
	}
	return node;
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

static void note(struct graph *g, struct node *node, const struct event *e)
{
	node->here = true;
	node->rejected = g->src->rejected(g->src->arg, node->event_id);
	node->is_state = e->is_state;
	node->is_power = is_power_event(e);
	node->is_levels = event_is(e, "m.room.power_levels", "");
	node->is_create = event_is(e, "m.room.create", "");
	node->origin_server_ts = e->origin_server_ts;
	node->type = interned(g, e->type);
	if (e->is_state)
		node->state_key = interned(g, e->state_key);
	node->auth = arena_calloc(g->a, e->n_auth_events + 1, sizeof(void *));
	for (size_t i = 0; i < e->n_auth_events; i++)
		node->auth[node->n_auth++] = graph_stub(g, e->auth_events[i]);
}

enum err graph_see(struct graph *g, struct node *node)
{
	const struct event *e;

	if (node->seen)
		return ERR_OK;
	if (g->n_events++ >= g->max_events)
		return err_set(g->why, ERR_LIMIT, "state resolution read more than %zu events",
			g->max_events);
	node->seen = true;
	e = g->src->event(g->src->arg, node->event_id);
	if (e)
		note(g, node, e);
	return ERR_OK;
}

enum err graph_node(struct graph *g, struct str event_id, struct node **out)
{
	*out = graph_stub(g, event_id);
	return graph_see(g, *out);
}

enum err graph_event(struct graph *g, const struct node *node, const struct event **out)
{
	*out = g->src->event(g->src->arg, node->event_id);
	return *out ? ERR_OK : err_set(g->why, ERR_NOT_FOUND, "an event can't be read again");
}

enum err graph_levels_of(struct graph *g, struct node *node, struct node **out)
{
	enum err err = graph_see(g, node);

	*out = NULL;
	for (size_t i = 0; i < node->n_auth && !err && !*out; i++) {
		err = graph_see(g, node->auth[i]);
		if (!err && node->auth[i]->is_levels)
			*out = node->auth[i];
	}
	return err;
}

void graph_release(struct graph *g)
{
	if (g->src->release)
		g->src->release(g->src->arg);
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
