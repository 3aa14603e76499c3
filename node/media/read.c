#include "node/media/media_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/alloc.h"

#define CHUNK (64u * 1024)

struct media_read {
	struct media *m;
	int fd;
	struct loop_work work;
	bool running;
	bool freed;
	enum err err;
	uint64_t at, left;
	size_t n;
	void (*done)(void *arg, enum err err, const void *p, size_t n);
	void *arg;
	char bytes[CHUNK];
};

struct media_read *media_read_new(struct media *m, int fd, uint64_t first, uint64_t length)
{
	struct media_read *r = NEW(struct media_read);

	r->m = m;
	r->fd = fd;
	r->at = first;
	r->left = length;
	return r;
}

static void really_free(struct media_read *r)
{
	close(r->fd);
	free(r);
}

static void work_read(struct loop_work *w)
{
	struct media_read *r = CONTAINER_OF(w, struct media_read, work);
	size_t wanted = r->left < sizeof r->bytes ? (size_t)r->left : sizeof r->bytes;
	ssize_t n;

	do
		n = pread(r->fd, r->bytes, wanted, (off_t)r->at);
	while (n < 0 && errno == EINTR);
	r->err = n < 0 ? ERR_IO : ERR_OK;
	r->n = n < 0 ? 0 : (size_t)n;
	r->at += r->n;
	r->left -= r->n;
}

static void on_read(struct loop_work *w)
{
	struct media_read *r = CONTAINER_OF(w, struct media_read, work);

	r->running = false;
	if (r->freed)
		really_free(r);
	else
		r->done(r->arg, r->err, r->bytes, r->n); /* r may be gone after this line */
}

void media_read_next(struct media_read *r,
	void (*done)(void *arg, enum err err, const void *p, size_t n), void *arg)
{
	r->done = done;
	r->arg = arg;
	r->running = true;
	r->work = (struct loop_work){ .work = work_read, .done = on_read };
	loop_work(r->m->o.loop, &r->work);
}

void media_read_free(struct media_read *r)
{
	if (!r)
		return;
	if (r->running)
		r->freed = true;
	else
		really_free(r);
}
