#include "node/room/outliers.h"

#include "node/base/limits.h"

#define LOG_MODULE "room"

enum mark { UNSEEN, OPEN, STORED, LEFT_OUT };

struct node {
	struct event *event;
	struct node *above; /* who asked for it, while it is open */
	size_t next;        /* auth event to look at */
	enum mark mark;
};

struct walk {
	struct rooms *r;
	struct auth_pool *pool;
	struct map nodes; /* by event id */
	unsigned left_out;
	unsigned rejected;
};

static enum err store_one(struct walk *w, struct node *n)
{
	struct store_event_new row = { .event = n->event, .flags = STORE_OUTLIER };
	int64_t nid;
	int64_t pos;
	unsigned flags = 0;
	enum err err = store_event_find(w->r->store, n->event->event_id, &nid, &flags);
	bool is_new = err == ERR_NOT_FOUND;

	n->mark = STORED;
	if (!is_new && (err || !(flags & STORE_AFAR)))
		return err;
	err = auth_pool_check(w->pool, n->event, NULL, NULL);
	if (err == ERR_NOT_FOUND) {
		n->mark = LEFT_OUT;
		w->left_out++;
		return ERR_OK;
	}
	if (err == ERR_FORBIDDEN) {
		row.flags |= STORE_REJECTED;
		w->rejected++;
	} else if (err) {
		return err;
	}
	auth_pool_put(w->pool, n->event, err == ERR_FORBIDDEN);
	if (!is_new)
		return store_event_settle(w->r->store, &row);
	return store_event_put(w->r->store, &row, &nid, &pos);
}

/* Depth first without recursion: a stranger chose how long the chain is. A circle (which no
 * honest hash can make) ends at the node that is open already. */
static enum err visit(struct walk *w, struct node *n)
{
	n->mark = OPEN;
	while (n) {
		struct node *below = NULL;
		enum err err;

		while (n->next < n->event->n_auth_events && !below) {
			below = map_get(&w->nodes, n->event->auth_events[n->next++]);
			if (below && below->mark != UNSEEN)
				below = NULL;
		}
		if (below) {
			below->above = n;
			below->mark = OPEN;
			n = below;
			continue;
		}
		err = store_one(w, n);
		if (err)
			return err;
		n = n->above;
	}
	return ERR_OK;
}

enum err outliers_store(
	struct rooms *r, struct auth_pool *pool, struct event *const *events, size_t n)
{
	struct walk w = { .r = r, .pool = pool };
	struct arena *a = arena_new();
	struct node *nodes = arena_calloc(a, n ? n : 1, sizeof(*nodes));
	enum err err = ERR_OK;

	map_init(&w.nodes);
	for (size_t i = 0; i < n; i++) {
		nodes[i].event = events[i];
		map_put(&w.nodes, events[i]->event_id, &nodes[i]);
	}
	/* The create event first: version 12 does not name it. */
	for (size_t i = 0; i < n && !err; i++)
		if (nodes[i].mark == UNSEEN && event_is(events[i], "m.room.create", ""))
			err = visit(&w, &nodes[i]);
	for (size_t i = 0; i < n && !err; i++)
		if (nodes[i].mark == UNSEEN)
			err = visit(&w, &nodes[i]);
	if (!err && (w.left_out || w.rejected))
		log_info(r->log,
			"events of a state that are not allowed: rejected=%u left_out=%u",
			w.rejected, w.left_out);
	map_deinit(&w.nodes);
	arena_free(a);
	return err;
}
