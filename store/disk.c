#include "store/disk.h"

#include <assert.h>
#include <stdlib.h>

#include <uv.h>

#include "node/base/alloc.h"

/*
 * The loop puts jobs into todo and the thread moves them to ran; the lock guards both lists and
 * every job's state. The async handle is referenced only while jobs are outstanding, so that an
 * idle store doesn't keep the loop alive.
 */
struct disk {
	struct loop *loop;
	uv_loop_t *uv;
	uv_async_t wake;
	uv_thread_t thread;
	uv_mutex_t lock;
	uv_cond_t changed;
	struct disk_job *todo;
	struct disk_job **todo_tail;
	struct disk_job *ran;
	struct disk_job **ran_tail;
	unsigned outstanding; /* loop thread's: done() not called yet */
	bool stop;
};

static void thread_main(void *arg)
{
	struct disk *d = arg;

	uv_mutex_lock(&d->lock);
	for (;;) {
		struct disk_job *j = d->todo;

		if (!j) {
			if (d->stop)
				break;
			uv_cond_wait(&d->changed, &d->lock);
			continue;
		}
		d->todo = j->next;
		if (!d->todo)
			d->todo_tail = &d->todo;
		uv_mutex_unlock(&d->lock);
		j->run(j);
		uv_mutex_lock(&d->lock);
		j->state = DISK_RAN;
		j->next = NULL;
		*d->ran_tail = j;
		d->ran_tail = &j->next;
		uv_cond_broadcast(&d->changed);
		/* Whoever wakes up wants the lock: free, or it would sleep again at once. */
		uv_mutex_unlock(&d->lock);
		uv_async_send(&d->wake);
		uv_mutex_lock(&d->lock);
	}
	uv_mutex_unlock(&d->lock);
}

static void outstanding_less(struct disk *d)
{
	if (--d->outstanding == 0)
		uv_unref((uv_handle_t *)&d->wake);
}

static void on_wake(uv_async_t *h)
{
	struct disk *d = h->data;

	for (;;) {
		struct disk_job *j;

		uv_mutex_lock(&d->lock);
		j = d->ran;
		if (j) {
			d->ran = j->next;
			if (!d->ran)
				d->ran_tail = &d->ran;
			j->state = DISK_IDLE;
		}
		uv_mutex_unlock(&d->lock);
		if (!j)
			return;
		outstanding_less(d);
		j->done(j); /* j and d may be gone after this line */
		if (uv_is_closing((uv_handle_t *)h))
			return;
	}
}

static void without_thread_done(struct loop_deferred *d)
{
	struct disk_job *j = CONTAINER_OF(d, struct disk_job, deferred);

	j->state = DISK_IDLE;
	j->done(j);
}

enum err disk_new(struct loop *loop, uv_loop_t *uv, struct disk **out)
{
	struct disk *d = NEW(struct disk);
	uv_thread_options_t options = { .flags = UV_THREAD_HAS_STACK_SIZE,
		.stack_size = (size_t)256 * 1024 };

	d->loop = loop;
	d->uv = uv;
	d->todo_tail = &d->todo;
	d->ran_tail = &d->ran;
	if (!uv) {
		*out = d;
		return ERR_OK;
	}
	if (uv_async_init(uv, &d->wake, on_wake) != 0) {
		free(d);
		return ERR_IO;
	}
	d->wake.data = d;
	uv_unref((uv_handle_t *)&d->wake);
	if (uv_mutex_init(&d->lock) != 0)
		abort();
	if (uv_cond_init(&d->changed) != 0)
		abort();
	if (uv_thread_create_ex(&d->thread, &options, thread_main, d) != 0) {
		d->thread = (uv_thread_t)0;
		disk_free(d);
		return ERR_IO;
	}
	*out = d;
	return ERR_OK;
}

static void on_closed(uv_handle_t *h)
{
	struct disk *d = h->data;

	uv_cond_destroy(&d->changed);
	uv_mutex_destroy(&d->lock);
	free(d);
}

void disk_free(struct disk *d)
{
	if (!d)
		return;
	if (!d->uv) {
		free(d);
		return;
	}
	if (d->thread) {
		uv_mutex_lock(&d->lock);
		d->stop = true;
		uv_cond_broadcast(&d->changed);
		uv_mutex_unlock(&d->lock);
		uv_thread_join(&d->thread);
	}
	uv_close((uv_handle_t *)&d->wake, on_closed);
}

void disk_run(struct disk *d, struct disk_job *j)
{
	assert(j->state == DISK_IDLE);
	j->disk = d;
	j->next = NULL;
	j->state = DISK_QUEUED;
	if (!d->uv) {
		j->run(j);
		j->state = DISK_RAN;
		j->deferred.fn = without_thread_done;
		loop_defer(d->loop, &j->deferred);
		return;
	}
	if (d->outstanding++ == 0)
		uv_ref((uv_handle_t *)&d->wake);
	uv_mutex_lock(&d->lock);
	*d->todo_tail = j;
	d->todo_tail = &j->next;
	uv_mutex_unlock(&d->lock);
	uv_cond_broadcast(&d->changed);
}

void disk_wait(struct disk *d, struct disk_job *j)
{
	if (!d->uv) {
		loop_undefer(d->loop, &j->deferred);
		j->state = DISK_IDLE;
		return;
	}
	uv_mutex_lock(&d->lock);
	while (j->state == DISK_QUEUED)
		uv_cond_wait(&d->changed, &d->lock);
	if (j->state == DISK_RAN) {
		struct disk_job **at = &d->ran;

		while (*at != j)
			at = &(*at)->next;
		*at = j->next;
		if (!*at)
			d->ran_tail = at;
		j->state = DISK_IDLE;
		outstanding_less(d);
	}
	uv_mutex_unlock(&d->lock);
}
