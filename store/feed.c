#include <assert.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "store/internal.h"

static void put(struct arena *a, struct feed_node ***tail, const struct feed_item *item)
{
	struct feed_node *n = ARENA_NEW(a, struct feed_node);

	n->item = *item;
	n->item.room_id = arena_str(a, item->room_id);
	n->item.user_id = arena_str(a, item->user_id);
	n->item.device_id = arena_str(a, item->device_id);
	n->item.destination = arena_str(a, item->destination);
	n->item.member = arena_str(a, item->member);
	**tail = n;
	*tail = &n->next;
}

void store_feed(struct store *st, const struct feed_item *item)
{
	assert(st->depth > 0);
	if (!st->now.arena)
		st->now.arena = arena_new();
	put(st->now.arena, &st->now.feed_tail, item);
}

static void tell(struct store *st, const struct feed_node *n)
{
	for (; n; n = n->next) {
		struct store_listener *next;

		for (struct store_listener *l = st->listeners; l; l = next) {
			next = l->next;
			if (l->item)
				l->item(l->arg, &n->item);
		}
	}
}

static void tell_soon(struct loop_deferred *d)
{
	struct store *st = CONTAINER_OF(d, struct store, soon_deferred);
	struct feed_node *n = st->soon;
	struct arena *a = st->soon_arena;

	st->soon = NULL;
	st->soon_tail = &st->soon;
	st->soon_arena = NULL;
	tell(st, n);
	arena_free(a);
}

void store_feed_now(struct store *st, const struct feed_item *item)
{
	if (!st->soon_arena) {
		st->soon_arena = arena_new();
		st->soon = NULL;
		st->soon_tail = &st->soon;
		st->soon_deferred.fn = tell_soon;
	}
	put(st->soon_arena, &st->soon_tail, item);
	loop_defer(st->loop, &st->soon_deferred);
}

void store_listen(struct store *st, struct store_listener *l)
{
	struct store_listener **at = &st->listeners;

	assert(l->item || l->rolled_back);
	while (*at)
		at = &(*at)->next;
	l->next = NULL;
	*at = l;
}

void store_unlisten(struct store *st, struct store_listener *l)
{
	for (struct store_listener **at = &st->listeners; *at; at = &(*at)->next) {
		if (*at == l) {
			*at = l->next;
			return;
		}
	}
}

void feed_drop(struct batch *b)
{
	b->feed = NULL;
	b->feed_tail = &b->feed;
	arena_free(b->arena);
	b->arena = NULL;
}

void feed_deliver(struct store *st, struct batch *b)
{
	struct feed_node *n = b->feed;
	struct arena *a = MOVE(b->arena);

	feed_drop(b);
	tell(st, n);
	arena_free(a);
}

void feed_rolled_back(struct store *st)
{
	for (struct store_listener *l = st->listeners; l; l = l->next)
		if (l->rolled_back)
			l->rolled_back(l->arg);
}

void feed_deinit(struct store *st)
{
	loop_undefer(st->loop, &st->soon_deferred);
	arena_free(st->soon_arena);
	st->soon_arena = NULL;
}
