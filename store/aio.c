#include "store/aio.h"

#include <stddef.h>

#if defined(__linux__) && !defined(__ANDROID__) /* whose sandbox kills who asks */

#	include <assert.h>
#	include <errno.h>
#	include <stdint.h>
#	include <stdlib.h>
#	include <sys/eventfd.h>
#	include <sys/syscall.h>
#	include <time.h>
#	include <unistd.h>

#	include <linux/aio_abi.h>

#	include "node/base/alloc.h"

struct aio {
	aio_context_t context;
	int fd;
	bool running;
};

struct aio *aio_new(void)
{
	struct aio *a = NEW(struct aio);

	a->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->fd < 0 || syscall(SYS_io_setup, 1, &a->context) != 0) {
		if (a->fd >= 0)
			(void)close(a->fd);
		free(a);
		return NULL;
	}
	return a;
}

void aio_free(struct aio *a)
{
	if (!a)
		return;
	assert(!a->running);
	(void)syscall(SYS_io_destroy, a->context);
	(void)close(a->fd);
	free(a);
}

int aio_fd(const struct aio *a)
{
	return a->fd;
}

bool aio_sync(struct aio *a, int fd)
{
	struct iocb sync = { .aio_lio_opcode = IOCB_CMD_FDSYNC,
		.aio_fildes = (uint32_t)fd,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)a->fd };
	struct iocb *list[] = { &sync };

	assert(!a->running);
	a->running = syscall(SYS_io_submit, a->context, 1L, list) == 1;
	return a->running;
}

static bool take(struct aio *a, long least, struct timespec *timeout, int *error)
{
	struct io_event ended;
	long n;

	do
		n = syscall(SYS_io_getevents, a->context, least, 1L, &ended, timeout);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return false;
	/* Only a bug of ours makes it fail; what is not known to be safe is not. */
	*error = n < 0 ? EIO : ended.res < 0 ? (int)-ended.res : 0;
	a->running = false;
	return true;
}

bool aio_taken(struct aio *a, int *error)
{
	struct timespec none = { 0 };
	uint64_t told;

	/* Also of one that aio_wait() took: that may have been told only after. */
	(void)!read(a->fd, &told, sizeof(told));
	return a->running && take(a, 0, &none, error);
}

int aio_wait(struct aio *a)
{
	int error = EIO;

	assert(a->running);
	(void)take(a, 1, NULL, &error);
	return error;
}

#else

struct aio *aio_new(void)
{
	return NULL;
}

void aio_free(struct aio *a)
{
	(void)a;
}

int aio_fd(const struct aio *a)
{
	(void)a;
	return -1;
}

bool aio_sync(struct aio *a, int fd)
{
	(void)a;
	(void)fd;
	return false;
}

bool aio_taken(struct aio *a, int *error)
{
	(void)a;
	(void)error;
	return false;
}

int aio_wait(struct aio *a)
{
	(void)a;
	return 0;
}

#endif
