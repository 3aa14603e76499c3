#include "node/loop_uv.h"

#include <assert.h>
#include <stdlib.h>

#include <uv.h>

#include "node/base/alloc.h"

struct loop_timer {
	uv_timer_t uv;
	void (*fn)(void *arg);
	void *arg;
};

struct loop_uv {
	struct loop loop;
	uv_loop_t *uv;
	uv_loop_t own; /* when uv points here */
	/*
	 * What callbacks of the poll phase defer runs in check, right after them; what timers,
	 * closing callbacks and code outside of uv_run defer runs in prepare, before the loop
	 * may sleep. Both handles are unreferenced, but for prepare while the queue holds
	 * something, or uv_run could return with it.
	 */
	uv_prepare_t prepare;
	uv_check_t check;
	struct loop_deferred *head;
	struct loop_deferred **tail;
	unsigned closing; /* handles that are still to be closed */
};

static struct loop_uv *of_loop(struct loop *l)
{
	return CONTAINER_OF(l, struct loop_uv, loop);
}

static void run_deferred(struct loop_uv *l)
{
	while (l->head) {
		struct loop_deferred *d = l->head;
		l->head = d->next;
		if (!l->head)
			l->tail = &l->head;
		d->queued = false;
		d->next = NULL;
		d->fn(d); /* may be gone after this line */
	}
	uv_unref((uv_handle_t *)&l->prepare);
}

static void on_prepare(uv_prepare_t *h)
{
	run_deferred(h->data);
}

static void on_check(uv_check_t *h)
{
	run_deferred(h->data);
}

static void uv_defer(struct loop *loop, struct loop_deferred *d)
{
	struct loop_uv *l = of_loop(loop);
	if (d->queued)
		return;
	d->queued = true;
	d->next = NULL;
	*l->tail = d;
	l->tail = &d->next;
	uv_ref((uv_handle_t *)&l->prepare);
}

static void uv_undefer(struct loop *loop, struct loop_deferred *d)
{
	struct loop_uv *l = of_loop(loop);
	if (!d->queued)
		return;
	struct loop_deferred **at = &l->head;
	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	if (!*at)
		l->tail = at;
	d->queued = false;
	d->next = NULL;
}

static uint64_t uv_now_ms(struct loop *loop)
{
	return uv_now(of_loop(loop)->uv);
}

static void on_timer(uv_timer_t *h)
{
	struct loop_timer *t = h->data;
	t->fn(t->arg);
}

static struct loop_timer *uv_timer_make(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = NEW(struct loop_timer);
	t->fn = fn;
	t->arg = arg;
	uv_timer_init(of_loop(loop)->uv, &t->uv);
	t->uv.data = t;
	return t;
}

static void uv_timer_set(struct loop_timer *t, uint64_t delay_ms)
{
	/* libuv runs timers until none is due: one that sets itself anew with 0 would never let
	 * anything else run. */
	uv_timer_start(&t->uv, on_timer, delay_ms ? delay_ms : 1, 0);
}

static void uv_timer_cancel(struct loop_timer *t)
{
	uv_timer_stop(&t->uv);
}

static void on_timer_closed(uv_handle_t *h)
{
	free(h->data);
}

static void uv_timer_free(struct loop_timer *t)
{
	uv_close((uv_handle_t *)&t->uv, on_timer_closed);
}

static void on_work(uv_work_t *req)
{
	struct loop_work *w = req->data;
	w->work(w);
}

static void on_work_done(uv_work_t *req, int status)
{
	struct loop_work *w = req->data;
	assert(status == 0); /* nobody cancels: a unit of work is short */
	free(req);
	w->handle = NULL;
	w->done(w); /* may be gone after this line */
}

static void uv_work(struct loop *loop, struct loop_work *w)
{
	uv_work_t *req = NEW(uv_work_t);
	req->data = w;
	w->handle = req;
	int rc = uv_queue_work(of_loop(loop)->uv, req, on_work, on_work_done);
	assert(rc == 0); /* it fails for a missing function alone */
	(void)rc;
}

static const struct loop_ops ops = {
	.now_ms = uv_now_ms,
	.timer_new = uv_timer_make,
	.timer_set = uv_timer_set,
	.timer_stop = uv_timer_cancel,
	.timer_free = uv_timer_free,
	.defer = uv_defer,
	.undefer = uv_undefer,
	.work = uv_work,
};

enum err loop_uv_new(struct uv_loop_s *uv, struct loop_uv **out)
{
	struct loop_uv *l = NEW(struct loop_uv);
	l->loop.ops = &ops;
	l->tail = &l->head;
	l->uv = uv ? uv : &l->own;
	if (!uv && uv_loop_init(&l->own) != 0) {
		free(l);
		return ERR_IO;
	}
	uv_update_time(l->uv);
	uv_prepare_init(l->uv, &l->prepare);
	uv_check_init(l->uv, &l->check);
	l->prepare.data = l;
	l->check.data = l;
	uv_prepare_start(&l->prepare, on_prepare);
	uv_check_start(&l->check, on_check);
	uv_unref((uv_handle_t *)&l->prepare);
	uv_unref((uv_handle_t *)&l->check);
	*out = l;
	return ERR_OK;
}

static void on_closed(uv_handle_t *h)
{
	struct loop_uv *l = h->data;
	if (--l->closing == 0 && l->uv != &l->own)
		free(l);
}

void loop_uv_free(struct loop_uv *l)
{
	if (!l)
		return;
	assert(!l->head); /* whoever deferred something is gone by now, or has undeferred it */
	bool own = l->uv == &l->own;
	l->closing = 2;
	uv_close((uv_handle_t *)&l->prepare, on_closed);
	uv_close((uv_handle_t *)&l->check, on_closed);
	if (!own)
		return;
	while (uv_run(&l->own, UV_RUN_DEFAULT) != 0)
		;
	int rc = uv_loop_close(&l->own);
	assert(rc == 0);
	(void)rc;
	free(l);
}

struct loop *loop_uv_loop(struct loop_uv *l)
{
	return &l->loop;
}

struct uv_loop_s *loop_uv_handle(struct loop_uv *l)
{
	return l->uv;
}

void loop_uv_run(struct loop_uv *l)
{
	uv_run(l->uv, UV_RUN_DEFAULT);
}

void loop_uv_run_once(struct loop_uv *l, bool wait)
{
	uv_run(l->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

void loop_uv_stop(struct loop_uv *l)
{
	uv_stop(l->uv);
}
