/*
 * loop: what everything but the program itself sees of the event loop.
 *
 * One thread runs the loop and owns all state; every function and callback here is for that
 * thread. libuv stands behind it in the program (node/loop_uv.h), a queue on a virtual clock in
 * tests (tests/support/loop_fake.h).
 */
#ifndef KITH_BASE_LOOP_H
#define KITH_BASE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct loop_timer; /* opaque */

/* Work for the thread pool: a plain function over copied inputs. Owned by the caller until
 * done() was called. work() runs on a pool thread and touches nothing but its own struct. */
struct loop_work {
	void (*work)(struct loop_work *w);
	void (*done)(struct loop_work *w); /* on the loop, once, always */
	void *handle;                      /* private to the loop */
	struct loop *loop;                 /* private to the loop */
};

/* A call for the end of this turn of the loop, after the callbacks that are running now. Owned
 * by the caller until fn was called or loop_undefer() was. */
struct loop_deferred {
	void (*fn)(struct loop_deferred *d);
	struct loop_deferred *next; /* private to the loop */
	bool queued;                /* private to the loop */
};

struct loop_ops {
	uint64_t (*now_ms)(struct loop *l);
	struct loop_timer *(*timer_new)(struct loop *l, void (*fn)(void *arg), void *arg);
	void (*timer_set)(struct loop_timer *t, uint64_t delay_ms);
	void (*timer_stop)(struct loop_timer *t);
	void (*timer_free)(struct loop_timer *t);
	void (*defer)(struct loop *l, struct loop_deferred *d);
	void (*undefer)(struct loop *l, struct loop_deferred *d);
	void (*work)(struct loop *l, struct loop_work *w);
};

struct loop {
	const struct loop_ops *ops;
};

/* Monotonic time of this turn. */
static inline uint64_t loop_now_ms(struct loop *l)
{
	return l->ops->now_ms(l);
}

/* A timer that is not running. It fires once for each set; setting it again moves it. A timer
 * that is not running wakes nobody up. */
static inline struct loop_timer *loop_timer_new(
	struct loop *l, void (*fn)(void *arg), void *arg)
{
	return l->ops->timer_new(l, fn, arg);
}

static inline void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t delay_ms)
{
	l->ops->timer_set(t, delay_ms);
}

static inline void loop_timer_stop(struct loop *l, struct loop_timer *t)
{
	l->ops->timer_stop(t);
}

/* NULL is fine; fn is not called any more. */
static inline void loop_timer_free(struct loop *l, struct loop_timer *t)
{
	if (t)
		l->ops->timer_free(t);
}

/* Queues d once; harmless if it is queued already. In the order of the calls. What is deferred
 * from inside a deferred call runs in the same pass. */
static inline void loop_defer(struct loop *l, struct loop_deferred *d)
{
	l->ops->defer(l, d);
}

static inline void loop_undefer(struct loop *l, struct loop_deferred *d)
{
	l->ops->undefer(l, d);
}

static inline void loop_work(struct loop *l, struct loop_work *w)
{
	w->loop = l;
	l->ops->work(l, w);
}

#endif
