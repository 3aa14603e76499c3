/*
 * ping_pace: how long a phone may leave its idle links alone (overlay.md section 4,
 * "Keepalive").
 *
 * Middleboxes forget a silent connection after a time that each network chooses. One memory for
 * all links of a node, an entry for each network: it begins at 30 s; three answered PINGs make
 * the wait half as long again, up to 600 s; a link that was found dead after such a wait halves
 * it, and the wait that failed is not tried again in that network for a day. Pure.
 */
#ifndef KITH_TRANSPORT_PING_PACE_H
#define KITH_TRANSPORT_PING_PACE_H

#include <stddef.h>
#include <stdint.h>

#define PING_PACE_FIRST_MS   30000
#define PING_PACE_LEAST_MS   15000
#define PING_PACE_MOST_MS    600000
#define PING_PACE_CEILING_MS 86400000 /* how long a ceiling stands */
#define PING_PACE_NETWORKS   16       /* the one longest unused gives way */

struct ping_pace_network {
	uint64_t id; /* 0: free */
	uint64_t used_ms;
	uint32_t every_ms, ceiling_ms;
	uint64_t ceiling_until_ms;
	unsigned successes;
};

/* A zeroed one is a fresh one. */
struct ping_pace {
	struct ping_pace_network networks[PING_PACE_NETWORKS];
	size_t current;
};

/* The node is in that network now; any number stands for it. */
void ping_pace_network(struct ping_pace *p, uint64_t now_ms, uint64_t id);

/* The silence after which to PING. */
uint64_t ping_pace_every_ms(const struct ping_pace *p);

/* A PING after that much silence was answered, or showed that the link had died. */
void ping_pace_answered(struct ping_pace *p, uint64_t now_ms, uint64_t waited_ms);
void ping_pace_died(struct ping_pace *p, uint64_t now_ms, uint64_t waited_ms);

#endif
