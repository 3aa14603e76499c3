#include "store/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/alloc.h"
#include "store/internal.h"

#define BUFFERED 65536 /* before it is written */

struct spool {
	int fd;
	uint64_t written;
	struct buf rest; /* behind what is written */
};

static enum err failed(void)
{
	return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}

enum err spool_new(const struct store *st, struct spool **out)
{
	char name[4096];
	struct spool *s;
	int n = snprintf(name, sizeof(name), "%s-spool-XXXXXX", st->path);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(name))
		return ERR_IO;
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return failed();
	(void)unlink(name);
	s = NEW(struct spool);
	s->fd = fd;
	*out = s;
	return ERR_OK;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	(void)close(s->fd);
	buf_deinit(&s->rest);
	free(s);
}

static enum err flush(struct spool *s)
{
	struct str left = buf_str(&s->rest);

	while (left.n) {
		ssize_t n = pwrite(s->fd, left.p, left.n, (off_t)s->written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed();
		s->written += (uint64_t)n;
		left = str_skip(left, (size_t)n);
	}
	buf_clear(&s->rest);
	return ERR_OK;
}

enum err spool_put(struct spool *s, struct str bytes, uint64_t *at)
{
	enum err err = s->rest.n >= BUFFERED ? flush(s) : ERR_OK;

	if (err)
		return err;
	*at = s->written + s->rest.n;
	buf_put_str(&s->rest, bytes);
	return ERR_OK;
}

enum err spool_get(struct spool *s, uint64_t at, size_t n, struct buf *out)
{
	enum err err = at + n > s->written ? flush(s) : ERR_OK;
	char *p;

	if (err)
		return err;
	p = buf_reserve(out, n);
	while (n) {
		ssize_t got = pread(s->fd, p, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return ERR_IO;
		p += got;
		at += (uint64_t)got;
		n -= (size_t)got;
		out->n += (size_t)got;
	}
	return ERR_OK;
}
