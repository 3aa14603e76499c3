#include "client-api/limiter.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/map.h"

#define WHO_MAX 288 /* a user id and an origin's hash fit; what is longer is cut */

static const struct {
	uint64_t ms_each; /* a token comes back in this time; 0: not limited */
	unsigned burst;
} rates[COST_COUNT] = {
	[COST_FREE] = { 0, 0 },
	[COST_READ] = { 10, 500 },
	[COST_WRITE] = { 20, 200 },
	[COST_INVITE] = { 3000, 20 },
	[COST_KEYS] = { 100, 100 },
	[COST_LOGIN] = { 12000, 5 },
	[COST_REGISTER] = { 1200000, 3 },
};

struct bucket {
	struct bucket *prev, *next; /* least recently used first */
	struct str key;             /* in text */
	uint64_t full_ms;           /* when it is full again: everything else follows */
	char text[];
};

struct limiter {
	struct map buckets;
	struct bucket *first, *last;
};

struct limiter *limiter_new(void)
{
	struct limiter *l = NEW(struct limiter);
	map_init(&l->buckets);
	return l;
}

static void unlink_bucket(struct limiter *l, struct bucket *b)
{
	*(b->prev ? &b->prev->next : &l->first) = b->next;
	*(b->next ? &b->next->prev : &l->last) = b->prev;
}

static void drop(struct limiter *l, struct bucket *b)
{
	unlink_bucket(l, b);
	map_del(&l->buckets, b->key);
	free(b);
}

void limiter_free(struct limiter *l)
{
	if (!l)
		return;
	while (l->first)
		drop(l, l->first);
	map_deinit(&l->buckets);
	free(l);
}

/* The first four groups of an IPv6 address: a household has them all. */
static struct str network_of(struct str who)
{
	unsigned groups = 0;
	if (str_find(who, '@') == 0 || str_find(who, ':') == who.n)
		return who;
	for (size_t i = 0; i < who.n; i++)
		if (who.p[i] == ':' && ++groups == 4)
			return str_head(who, i);
	return who;
}

static size_t make_key(char *out, enum route_cost kind, struct str who)
{
	who = str_head(network_of(who), WHO_MAX);
	out[0] = (char)('A' + (int)kind);
	memcpy(out + 1, who.p, who.n);
	return who.n + 1;
}

static struct bucket *find(struct limiter *l, enum route_cost kind, struct str who)
{
	char key[WHO_MAX + 1];
	size_t n = make_key(key, kind, who);
	return map_get(&l->buckets, (struct str){ key, n });
}

uint64_t limiter_wait_ms(
	struct limiter *l, enum route_cost kind, struct str who, uint64_t now_ms)
{
	if (!l || !rates[kind].ms_each)
		return 0;
	struct bucket *b = find(l, kind, who);
	if (!b || b->full_ms <= now_ms)
		return 0;
	uint64_t owed = b->full_ms - now_ms;
	uint64_t most = (rates[kind].burst - 1) * rates[kind].ms_each;
	return owed > most ? owed - most : 0;
}

static struct bucket *add(struct limiter *l, enum route_cost kind, struct str who)
{
	if (l->buckets.n >= LIMITER_BUCKETS_MAX)
		drop(l, l->first);
	struct bucket *b = xalloc(sizeof(*b) + WHO_MAX + 1);
	b->key = (struct str){ b->text, make_key(b->text, kind, who) };
	map_put(&l->buckets, b->key, b);
	return b;
}

void limiter_count(struct limiter *l, enum route_cost kind, struct str who, uint64_t now_ms)
{
	if (!l || !rates[kind].ms_each)
		return;
	struct bucket *b = find(l, kind, who);
	if (b)
		unlink_bucket(l, b);
	else
		b = add(l, kind, who);
	b->prev = l->last;
	b->next = NULL;
	*(l->last ? &l->last->next : &l->first) = b;
	l->last = b;

	/* Someone who goes on in spite of the limit waits no longer than for a whole bucket. */
	uint64_t most = now_ms + rates[kind].burst * rates[kind].ms_each;
	if (b->full_ms < now_ms)
		b->full_ms = now_ms;
	b->full_ms += rates[kind].ms_each;
	if (b->full_ms > most)
		b->full_ms = most;
}
