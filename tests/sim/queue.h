/*
 * queue: virtual time. Events in the order of (time, tie counter), a seeded generator, and for
 * each node a loop (node/base/loop.h) that lives on them.
 *
 * Nothing here knows the real clock, so a run is its seed: the same one gives the same trace.
 */
#ifndef KITH_TESTS_SIM_QUEUE_H
#define KITH_TESTS_SIM_QUEUE_H

#include "node/base/clock.h"
#include "node/base/loop.h"

#include <stdbool.h>

struct net;
struct queue_loop;

/* Embedded in what it is for. Runs fn at a time; loop's deferred calls follow it. */
struct queue_event {
	void (*fn)(struct queue_event *e);
	struct queue_loop *loop; /* NULL: nobody's */
	uint64_t at_us;

	/* Private to queue.c. */
	uint64_t tie;
	size_t slot; /* in the heap, from 1; 0: not queued */
};

struct queue {
	uint64_t now_us;
	uint64_t ran;   /* events so far */
	uint64_t trace; /* a hash of all that queue_trace() was given */
	/* After each event, with the loop it was for. */
	void (*after)(void *arg, struct queue_loop *l);
	void *arg;

	/* Private to queue.c. */
	struct queue_event **heap;
	size_t n, cap;
	uint64_t ties;
	uint64_t random[4]; /* xoshiro256** */
	struct rng rng;
};

void queue_init(struct queue *q, uint64_t seed);
void queue_deinit(struct queue *q);

/* (Re)schedules; never before now. */
void queue_at(struct queue *q, struct queue_event *e, uint64_t at_us);
void queue_cancel(struct queue *q, struct queue_event *e);
/* Runs the next event if it is at or before until_us; else time goes there. False then. */
bool queue_step(struct queue *q, uint64_t until_us);

uint64_t queue_random(struct queue *q);
uint64_t queue_below(struct queue *q, uint64_t n); /* 0 .. n-1 */
const struct rng *queue_rng(struct queue *q);
void queue_trace(struct queue *q, uint64_t what, uint64_t value);

/* A node's loop. Its work (loop_work) is done a millisecond later. */
struct queue_loop {
	struct loop loop;
	struct queue *queue;
	uint64_t boot_ms; /* its monotonic time when the run began */
	uint64_t busy_us; /* its processor is at work until then */
	struct net *net;  /* net.c's */

	/* Private to queue.c. */
	struct loop_deferred *head, **tail;
	struct queue_work *works;
	unsigned timers;
};

void queue_loop_init(struct queue_loop *l, struct queue *q);
struct queue_loop *queue_loop_of(struct loop *l);
/* For who calls into a node from outside of an event. */
void queue_loop_turn(struct queue_loop *l);
/* Does all work that waits at once: a node is going. */
void queue_loop_drain(struct queue_loop *l);
/* Nothing may be left of it. */
void queue_loop_deinit(struct queue_loop *l);

#endif
