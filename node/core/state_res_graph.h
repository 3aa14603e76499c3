/*
 * state_res_graph: the part of the auth graph that one resolution looks at. Shared by
 * state_res.c and state_res_order.c, not for other modules.
 *
 * A node keeps of its event what orders are made of; the event itself is asked of the source
 * again where the auth rules need it, so that a hundred thousand of them aren't held parsed.
 */
#ifndef KITH_CORE_STATE_RES_GRAPH_H
#define KITH_CORE_STATE_RES_GRAPH_H

#include "node/base/map.h"
#include "node/core/state_res.h"

struct node {
	struct str event_id;

	/* Of its event, once it was looked at. */
	bool seen;
	bool here; /* we have it */
	bool rejected;
	bool is_state;
	bool is_power;  /* a power event */
	bool is_levels; /* m.room.power_levels */
	bool is_create;
	struct str type;
	struct str state_key;
	int64_t origin_server_ts;
	struct node **auth; /* what it cites; in it may be what we don't have */
	size_t n_auth;

	uint64_t *sets;  /* a bit for each state set whose chain holds it; NULL: none yet */
	unsigned mark;   /* the last walk that came by */
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
	struct map by_id;   /* struct node */
	struct map strings; /* what repeats, once: struct str */
	struct node *create;
	size_t n_events;
	size_t max_events;
	unsigned walk; /* number of the current walk, for node.mark */
	struct err_ctx *why;
};

/* The node of an event; nothing is read. */
struct node *graph_stub(struct graph *g, struct str event_id);
/* Reads its event the first time, and makes stubs of what it cites. ERR_LIMIT. */
enum err graph_see(struct graph *g, struct node *node) MUST_CHECK;
/* The node of an event, seen. ERR_LIMIT. */
enum err graph_node(struct graph *g, struct str event_id, struct node **out) MUST_CHECK;
/* Its event, until state_res_source.release(); of a node that is here. ERR_NOT_FOUND. */
enum err graph_event(
	struct graph *g, const struct node *node, const struct event **out) MUST_CHECK;
/* The power_levels event that node cites, seen, or NULL. */
enum err graph_levels_of(struct graph *g, struct node *node, struct node **out) MUST_CHECK;
/* The events that were asked for may go. */
void graph_release(struct graph *g);

void nodes_add(struct graph *g, struct nodes *list, struct node *node);

/* Reverse topological power ordering of those with node->power, in place. */
enum err order_power(struct graph *g, struct nodes *list) MUST_CHECK;
/* Mainline ordering based on levels (NULL: there is none), in place. */
enum err order_mainline(struct graph *g, struct node *levels, struct nodes *list) MUST_CHECK;

#endif
