#include "node/inbox.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <uv.h>

#include "node/base/alloc.h"

struct inbox {
	uv_async_t async;
	uv_mutex_t lock; /* guards first and last */
	struct inbox_job *first;
	struct inbox_job *last;
	atomic_bool knocked; /* lock-free: a signal handler sets it */
	void (*on_knock)(void *arg);
	void *knock_arg;
};

static struct inbox_job *take_all(struct inbox *in)
{
	struct inbox_job *jobs;

	uv_mutex_lock(&in->lock);
	jobs = in->first;
	in->first = in->last = NULL;
	uv_mutex_unlock(&in->lock);
	return jobs;
}

static void run_jobs(struct inbox *in)
{
	for (struct inbox_job *j = take_all(in); j;) {
		struct inbox_job *next = j->next;

		j->run(j);
		j = next;
	}
}

static void on_async(uv_async_t *async)
{
	struct inbox *in = async->data;

	run_jobs(in);
	if (atomic_exchange(&in->knocked, false) && in->on_knock)
		in->on_knock(in->knock_arg);
}

enum err inbox_new(struct uv_loop_s *uv, struct inbox **out)
{
	struct inbox *in = NEW(struct inbox);

	if (uv_mutex_init(&in->lock)) {
		free(in);
		return ERR_IO;
	}
	if (uv_async_init(uv, &in->async, on_async)) {
		uv_mutex_destroy(&in->lock);
		free(in);
		return ERR_IO;
	}
	in->async.data = in;
	*out = in;
	return ERR_OK;
}

void inbox_post(struct inbox *in, struct inbox_job *job)
{
	job->next = NULL;
	uv_mutex_lock(&in->lock);
	if (in->last)
		in->last->next = job;
	else
		in->first = job;
	in->last = job;
	uv_mutex_unlock(&in->lock);
	(void)uv_async_send(&in->async);
}

void inbox_knock(struct inbox *in)
{
	atomic_store(&in->knocked, true);
	(void)uv_async_send(&in->async);
}

void inbox_on_knock(struct inbox *in, void (*fn)(void *arg), void *arg)
{
	in->on_knock = fn;
	in->knock_arg = arg;
}

static void on_closed(uv_handle_t *handle)
{
	struct inbox *in = handle->data;

	uv_mutex_destroy(&in->lock);
	free(in);
}

void inbox_close(struct inbox *in)
{
	if (!in)
		return;
	run_jobs(in);
	in->on_knock = NULL;
	uv_close((uv_handle_t *)&in->async, on_closed);
}
