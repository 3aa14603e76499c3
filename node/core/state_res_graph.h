/*
 * state_res_graph: the part of the auth graph that one resolution looks at. Shared by
 * state_res.c and state_res_order.c, not for other modules.
 */
#ifndef KITH_CORE_STATE_RES_GRAPH_H
#define KITH_CORE_STATE_RES_GRAPH_H

#include "node/base/map.h"
#include "node/core/state_res.h"

struct node {
	const struct event *e; /* NULL: we don't have it */
	struct node **auth;    /* what it cites and we have; NULL until expanded */
	size_t n_auth;
	uint64_t *sets; /* a bit for each state set whose chain holds it; NULL: none yet */
	unsigned mark;  /* the last walk that came by */
	bool rejected;
	bool conflicted; /* in the full conflicted set */
	bool power;      /* taken in step 1 */
	/* Topological order: how many of its auth events, and which citers, are in the sort. */
	size_t waiting;
	struct node **citers;
	size_t n_citers;
	int64_t level; /* of the sender, by its own auth events */
	/* Mainline order. */
	size_t mainline; /* 1 is the oldest; 0 unknown or outside */
	bool mainline_known;
};

struct nodes {
	struct node **at;
	size_t n;
	size_t cap;
};

struct graph {
	struct arena *a;
	const struct room_version *version;
	const struct state_res_source *src;
	struct map by_id; /* struct node */
	struct node *create;
	size_t n_events;
	unsigned walk; /* number of the current walk, for node.mark */
	struct err_ctx *why;
};

/* The node of an event, read from the source the first time. ERR_LIMIT. */
enum err graph_node(struct graph *g, struct str event_id, struct node **out) MUST_CHECK;
/* Fills node->auth. */
enum err graph_expand(struct graph *g, struct node *node) MUST_CHECK;
/* The power_levels event that node cites, or NULL. */
enum err graph_levels_of(struct graph *g, struct node *node, struct node **out) MUST_CHECK;

void nodes_add(struct graph *g, struct nodes *list, struct node *node);

/* Reverse topological power ordering of those with node->power, in place. */
enum err order_power(struct graph *g, struct nodes *list) MUST_CHECK;
/* Mainline ordering based on levels (NULL: there is none), in place. */
enum err order_mainline(struct graph *g, struct node *levels, struct nodes *list) MUST_CHECK;

#endif
