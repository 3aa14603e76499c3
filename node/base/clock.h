/*
 * clock and rng: time and chance as arguments, so that a test owns them (style.md, section 9).
 */
#ifndef KITH_BASE_CLOCK_H
#define KITH_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock {
	/* Milliseconds since 1970 as the device believes; may jump, so it is shown and
	 * stamped, never ordered by. */
	int64_t (*wall_ms)(void *arg);
	/* Monotonic milliseconds from some start. */
	uint64_t (*mono_ms)(void *arg);
	void *arg;
};

struct rng {
	void (*fill)(void *arg, void *p, size_t n); /* cryptographic random bytes */
	void *arg;
};

static inline int64_t clock_wall_ms(const struct clock *c)
{
	return c->wall_ms(c->arg);
}

static inline uint64_t clock_mono_ms(const struct clock *c)
{
	return c->mono_ms(c->arg);
}

static inline void rng_fill(const struct rng *r, void *p, size_t n)
{
	r->fill(r->arg, p, n);
}

extern const struct clock clock_system;
extern const struct rng rng_system;

#endif
