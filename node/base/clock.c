#include "node/base/clock.h"

#include <time.h>

#include <sodium.h>

static int64_t wall_ms(void *arg)
{
	struct timespec t;

	(void)arg;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t mono_ms(void *arg)
{
	struct timespec t;

	(void)arg;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void fill(void *arg, void *p, size_t n)
{
	(void)arg;
	randombytes_buf(p, n);
}

const struct clock clock_system = { wall_ms, mono_ms, NULL };
const struct rng rng_system = { fill, NULL };
