#include "tests/sim/queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "node/base/compiler.h"

#define WORK_US 1000

struct loop_timer {
	struct queue_event event;
	void (*fn)(void *arg);
	void *arg;
};

struct queue_work {
	struct queue_event event;
	struct queue_work *next;
	struct loop_work *work;
};

/* ---- chance: xoshiro256** 1.0, seeded by splitmix64 (public domain algorithms) ---- */

static uint64_t rotated(uint64_t x, unsigned k)
{
	return x << k | x >> (64 - k);
}

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = (*x += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t queue_random(struct queue *q)
{
	uint64_t *s = q->random;
	uint64_t result = rotated(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotated(s[3], 45);
	return result;
}

uint64_t queue_below(struct queue *q, uint64_t n)
{
	return queue_random(q) % n;
}

static void fill(void *arg, void *p, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t r = queue_random(arg);

		memcpy((char *)p + i, &r, n - i < 8 ? n - i : 8);
	}
}

const struct rng *queue_rng(struct queue *q)
{
	return &q->rng;
}

/* FNV-1a over the words. */
void queue_trace(struct queue *q, uint64_t what, uint64_t value)
{
	const uint64_t words[] = { q->now_us, what, value };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		q->trace = (q->trace ^ words[i]) * UINT64_C(0x100000001b3);
}

/* ---- the heap ---- */

static bool before(const struct queue_event *a, const struct queue_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->tie < b->tie;
}

static void place(struct queue *q, size_t slot, struct queue_event *e)
{
	q->heap[slot - 1] = e;
	e->slot = slot;
}

static void sift_up(struct queue *q, struct queue_event *e, size_t slot)
{
	while (slot > 1 && before(e, q->heap[slot / 2 - 1])) {
		place(q, slot, q->heap[slot / 2 - 1]);
		slot /= 2;
	}
	place(q, slot, e);
}

static void sift_down(struct queue *q, struct queue_event *e, size_t slot)
{
	for (;;) {
		size_t child = 2 * slot;

		if (child < q->n && before(q->heap[child], q->heap[child - 1]))
			child++;
		if (child > q->n || !before(q->heap[child - 1], e))
			break;
		place(q, slot, q->heap[child - 1]);
		slot = child;
	}
	place(q, slot, e);
}

void queue_cancel(struct queue *q, struct queue_event *e)
{
	size_t slot = e->slot;
	struct queue_event *last;

	if (!slot)
		return;
	e->slot = 0;
	last = q->heap[--q->n];
	if (last == e)
		return;
	if (slot > 1 && before(last, q->heap[slot / 2 - 1]))
		sift_up(q, last, slot);
	else
		sift_down(q, last, slot);
}

void queue_at(struct queue *q, struct queue_event *e, uint64_t at_us)
{
	queue_cancel(q, e);
	if (q->n == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 256;
		q->heap = xrealloc(q->heap, q->cap * sizeof(q->heap[0]));
	}
	e->at_us = at_us > q->now_us ? at_us : q->now_us;
	e->tie = ++q->ties;
	q->n++;
	sift_up(q, e, q->n);
}

bool queue_step(struct queue *q, uint64_t until_us)
{
	struct queue_event *e = q->n ? q->heap[0] : NULL;
	struct queue_loop *l;

	if (!e || e->at_us > until_us) {
		q->now_us = until_us;
		return false;
	}
	l = e->loop;
	if (l && l->busy_us > e->at_us) {
		queue_at(q, e, l->busy_us); /* its processor has not come to it yet */
		return true;
	}
	q->now_us = e->at_us;
	queue_cancel(q, e);
	q->ran++;
	e->fn(e); /* may be gone after this line */
	if (l)
		queue_loop_turn(l);
	if (q->after)
		q->after(q->arg, l);
	return true;
}

void queue_init(struct queue *q, uint64_t seed)
{
	*q = (struct queue){ .trace = UINT64_C(0xcbf29ce484222325) };
	for (size_t i = 0; i < ARRAY_LEN(q->random); i++)
		q->random[i] = splitmix(&seed);
	q->rng = (struct rng){ fill, q };
}

void queue_deinit(struct queue *q)
{
	free(q->heap);
}

/* ---- loops ---- */

struct queue_loop *queue_loop_of(struct loop *l)
{
	return CONTAINER_OF(l, struct queue_loop, loop);
}

static uint64_t loop_now(struct loop *loop)
{
	struct queue_loop *l = queue_loop_of(loop);

	return l->boot_ms + l->queue->now_us / 1000;
}

static void on_timer(struct queue_event *e)
{
	struct loop_timer *t = CONTAINER_OF(e, struct loop_timer, event);

	t->fn(t->arg);
}

static struct loop_timer *timer_make(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = NEW(struct loop_timer);

	t->event.fn = on_timer;
	t->event.loop = queue_loop_of(loop);
	t->event.loop->timers++;
	t->fn = fn;
	t->arg = arg;
	return t;
}

static void timer_start(struct loop_timer *t, uint64_t delay_ms)
{
	struct queue *q = t->event.loop->queue;
	uint64_t far = UINT64_MAX / 4000 - q->now_us / 1000;

	if (!delay_ms)
		delay_ms = 1;
	if (delay_ms > far)
		delay_ms = far;
	queue_at(q, &t->event, (q->now_us / 1000 + delay_ms) * 1000);
}

static void timer_cancel(struct loop_timer *t)
{
	queue_cancel(t->event.loop->queue, &t->event);
}

static void timer_release(struct loop_timer *t)
{
	timer_cancel(t);
	t->event.loop->timers--;
	free(t);
}

static void defer(struct loop *loop, struct loop_deferred *d)
{
	struct queue_loop *l = queue_loop_of(loop);

	if (d->queued)
		return;
	d->queued = true;
	d->next = NULL;
	*l->tail = d;
	l->tail = &d->next;
}

static void undefer(struct loop *loop, struct loop_deferred *d)
{
	struct queue_loop *l = queue_loop_of(loop);
	struct loop_deferred **at = &l->head;

	if (!d->queued)
		return;
	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	if (!*at)
		l->tail = at;
	d->queued = false;
	d->next = NULL;
}

static void do_work(struct queue_work *w)
{
	struct queue_loop *l = w->event.loop;
	struct queue_work **at = &l->works;
	struct loop_work *work = w->work;

	queue_cancel(l->queue, &w->event);
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	free(w);
	work->work(work);
	work->handle = NULL;
	work->done(work);
}

static void on_work(struct queue_event *e)
{
	do_work(CONTAINER_OF(e, struct queue_work, event));
}

static void work(struct loop *loop, struct loop_work *job)
{
	struct queue_loop *l = queue_loop_of(loop);
	struct queue_work *w = NEW(struct queue_work), **at = &l->works;

	w->event.fn = on_work;
	w->event.loop = l;
	w->work = job;
	job->handle = w;
	while (*at)
		at = &(*at)->next;
	*at = w;
	queue_at(l->queue, &w->event, l->queue->now_us + WORK_US);
}

static const struct loop_ops ops = {
	.now_ms = loop_now,
	.timer_new = timer_make,
	.timer_set = timer_start,
	.timer_stop = timer_cancel,
	.timer_free = timer_release,
	.defer = defer,
	.undefer = undefer,
	.work = work,
};

void queue_loop_init(struct queue_loop *l, struct queue *q)
{
	*l = (struct queue_loop){
		.loop.ops = &ops, .queue = q, .boot_ms = queue_below(q, 1 << 30)
	};
	l->tail = &l->head;
}

void queue_loop_turn(struct queue_loop *l)
{
	struct loop_deferred *d;

	while ((d = l->head) != NULL) {
		l->head = d->next;
		if (!l->head)
			l->tail = &l->head;
		d->queued = false;
		d->next = NULL;
		d->fn(d); /* may be gone after this line */
	}
}

void queue_loop_drain(struct queue_loop *l)
{
	queue_loop_turn(l);
	while (l->works) {
		do_work(l->works);
		queue_loop_turn(l);
	}
}

void queue_loop_deinit(struct queue_loop *l)
{
	assert(!l->head && !l->works && l->timers == 0);
}
