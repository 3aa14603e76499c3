/*
 * ranges: a small sorted set of runs of numbers: packets seen, bytes acknowledged.
 */
#ifndef KITH_TRANSPORT_RANGES_H
#define KITH_TRANSPORT_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGES_MAX 32

struct range {
	uint64_t from, to; /* to is not in it */
};

struct ranges {
	struct range r[RANGES_MAX]; /* ascending, with gaps between */
	size_t n;
};

bool ranges_has(const struct ranges *s, uint64_t v);

/* Adds [from, to). When the set is full the lowest run is given up first: true unless it was
 * what came in. */
bool ranges_add(struct ranges *s, uint64_t from, uint64_t to);

/* The end of the run that begins at or before `at` and reaches it; `at` itself if none does. */
uint64_t ranges_end_of(const struct ranges *s, uint64_t at);

/* Forgets everything below v. */
void ranges_drop_below(struct ranges *s, uint64_t v);

#endif
