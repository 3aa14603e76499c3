#include "transport/ping_pace.h"

#define GROW_AFTER 3

static void begin(struct ping_pace_network *n, uint64_t id)
{
	*n = (struct ping_pace_network){ .id = id, .every_ms = PING_PACE_FIRST_MS };
}

void ping_pace_network(struct ping_pace *p, uint64_t now_ms, uint64_t id)
{
	size_t oldest = 0;

	p->networks[p->current].used_ms = now_ms;
	if (id == 0)
		id = 1;
	for (size_t i = 0; i < PING_PACE_NETWORKS; i++) {
		if (p->networks[i].id == id) {
			p->current = i;
			return;
		}
		if (p->networks[oldest].id != 0 &&
			(p->networks[i].id == 0 ||
				p->networks[i].used_ms < p->networks[oldest].used_ms))
			oldest = i;
	}
	begin(&p->networks[oldest], id);
	p->networks[oldest].used_ms = now_ms;
	p->current = oldest;
}

uint64_t ping_pace_every_ms(const struct ping_pace *p)
{
	uint32_t every_ms = p->networks[p->current].every_ms;

	return every_ms ? every_ms : PING_PACE_FIRST_MS;
}

static struct ping_pace_network *in_use(struct ping_pace *p, uint64_t now_ms)
{
	struct ping_pace_network *n = &p->networks[p->current];

	if (n->id == 0)
		begin(n, 1);
	n->used_ms = now_ms;
	return n;
}

/* Shorter waits than the one that is tried now say nothing of it: an old link's PING that was
 * under way when the pace grew, or several links that died of the same silence. */
void ping_pace_answered(struct ping_pace *p, uint64_t now_ms, uint64_t waited_ms)
{
	struct ping_pace_network *n = in_use(p, now_ms);

	if (waited_ms < n->every_ms || ++n->successes < GROW_AFTER)
		return;
	n->successes = 0;
	n->every_ms += n->every_ms / 2;
	if (n->every_ms > PING_PACE_MOST_MS)
		n->every_ms = PING_PACE_MOST_MS;
	if (now_ms < n->ceiling_until_ms && n->every_ms > n->ceiling_ms)
		n->every_ms = n->ceiling_ms;
}

void ping_pace_died(struct ping_pace *p, uint64_t now_ms, uint64_t waited_ms)
{
	struct ping_pace_network *n = in_use(p, now_ms);
	uint64_t half = waited_ms / 2;

	if (half < PING_PACE_LEAST_MS)
		half = PING_PACE_LEAST_MS;
	n->successes = 0;
	if (half < n->every_ms)
		n->every_ms = (uint32_t)half;
	n->ceiling_ms = n->every_ms;
	n->ceiling_until_ms = now_ms + PING_PACE_CEILING_MS;
}
