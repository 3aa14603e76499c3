#include "store/disk.h"

#include <assert.h>
#include <stdlib.h>

#include <uv.h>

#include "node/base/alloc.h"
#include "store/aio.h"

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
	bool stop;

	/* The loop thread's. */
	unsigned outstanding; /* done() not called yet */
	struct aio *aio;      /* NULL: not tried yet, or not to be had */
	bool aio_tried;
	uv_poll_t aio_ended;
	struct disk_job *syncing; /* by aio */
	unsigned open_handles;    /* of uv's */
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

static void outstanding_more(struct disk *d)
{
	if (d->outstanding++ == 0)
		uv_ref((uv_handle_t *)&d->wake);
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

static void sync_ended(struct disk *d, int error)
{
	struct disk_job *j = d->syncing;

	d->syncing = NULL;
	j->failed = error != 0;
	j->state = DISK_IDLE;
	outstanding_less(d);
}

static void on_aio_ended(uv_poll_t *h, int status, int events)
{
	struct disk *d = h->data;
	struct disk_job *j = d->syncing;
	int error;

	(void)status;
	(void)events;
	if (!aio_taken(d->aio, &error))
		return;
	sync_ended(d, error);
	j->done(j); /* j and d may be gone after this line */
}

/* When the first sync is wanted: who only reads needs none of it. */
static void try_aio(struct disk *d)
{
	d->aio_tried = true;
	d->aio = aio_new();
	if (!d->aio)
		return;
	if (uv_poll_init(d->uv, &d->aio_ended, aio_fd(d->aio)) != 0) {
		aio_free(d->aio);
		d->aio = NULL;
		return;
	}
	d->open_handles++;
	d->aio_ended.data = d;
	(void)uv_poll_start(&d->aio_ended, UV_READABLE, on_aio_ended);
	uv_unref((uv_handle_t *)&d->aio_ended); /* wake keeps the loop alive for both */
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
	d->open_handles = 1;
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

	if (--d->open_handles > 0)
		return;
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
	if (d->aio) {
		(void)uv_poll_stop(&d->aio_ended);
		aio_free(d->aio);
		uv_close((uv_handle_t *)&d->aio_ended, on_closed);
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
	outstanding_more(d);
	uv_mutex_lock(&d->lock);
	*d->todo_tail = j;
	d->todo_tail = &j->next;
	uv_mutex_unlock(&d->lock);
	uv_cond_broadcast(&d->changed);
}

void disk_sync(struct disk *d, struct disk_job *j, int fd)
{
	if (fd >= 0 && d->uv && !d->aio_tried)
		try_aio(d);
	if (fd < 0 || !d->aio || !aio_sync(d->aio, fd)) {
		disk_run(d, j);
		return;
	}
	assert(j->state == DISK_IDLE);
	j->disk = d;
	j->state = DISK_SYNCING;
	d->syncing = j;
	outstanding_more(d);
}

void disk_wait(struct disk *d, struct disk_job *j)
{
	if (!d->uv) {
		loop_undefer(d->loop, &j->deferred);
		j->state = DISK_IDLE;
		return;
	}
	if (d->syncing == j) {
		sync_ended(d, aio_wait(d->aio));
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
