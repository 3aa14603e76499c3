/*
 * traffic_int: what traffic.c (durable things) and questions.c (questions, floods, figures)
 * share.
 */
#ifndef KITH_TESTS_SIM_TRAFFIC_INT_H
#define KITH_TESTS_SIM_TRAFFIC_INT_H

#include "node/base/map.h"
#include "tests/sim/traffic.h"
#include "tests/sim/world.h"

struct item {
	bool is_event;
	size_t from, to; /* to: of a to-device message */
	uint64_t sent_us;
	uint64_t due, got; /* bits of nodes */
	bool held;         /* seen in the sender's outbox by this check */
	char event_id[64]; /* the map's key */
};

struct sample {
	uint64_t sent_us, took_us;
};

struct samples {
	struct sample *list;
	size_t n, cap;
};

struct traffic {
	struct world *world;
	struct item **items;
	size_t n, cap;
	struct map events; /* struct item by event id */
	struct samples arrivals, answers;
	uint64_t asked;
	size_t links;
};

void samples_add(struct samples *s, uint64_t sent_us, uint64_t now_us);

#endif
