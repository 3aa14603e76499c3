/*
 * aio: a sync of a file that neither this thread nor one of ours waits for: the kernel does it,
 * and tells. A thread that sleeps in fdatasync() costs a lone event three times as much CPU as
 * this, most of it for waking each other. For store/disk.c alone.
 *
 * Linux (4.18; io_submit(2) with IOCB_CMD_FDSYNC). Elsewhere, and where a sandbox forbids it,
 * there is none, and the disk thread does the work.
 */
#ifndef KITH_STORE_AIO_H
#define KITH_STORE_AIO_H

#include <stdbool.h>

struct aio;

/* NULL: not here. */
struct aio *aio_new(void);
/* With no sync running. NULL is fine. */
void aio_free(struct aio *a);

/* Readable when a sync has ended, until aio_taken() was called. */
int aio_fd(const struct aio *a);

/* fdatasync(fd), of which one runs at a time. False: not possible now, nothing was started. */
bool aio_sync(struct aio *a, int fd);
/* Whether one has ended that aio_wait() did not wait for; error: 0, or its errno. */
bool aio_taken(struct aio *a, int *error);
/* Waits for its end; 0, or its errno. */
int aio_wait(struct aio *a);

#endif
