/*
 * disk: the store's own thread for what waits for the disk. For store/ alone.
 *
 * A thread of its own because the process's pool may be full of other work, and a sync must
 * not queue behind a password hash. Its jobs run one at a time in the order given; a sync that
 * the kernel does by itself (aio.h) runs beside them.
 */
#ifndef KITH_STORE_DISK_H
#define KITH_STORE_DISK_H

#include "node/base/err.h"
#include "node/base/loop.h"

#include <stdbool.h>

struct disk;
struct uv_loop_s;

struct disk_job {
	void (*run)(struct disk_job *j);  /* on the disk thread */
	void (*done)(struct disk_job *j); /* on the loop, once, never inside disk_run() */
	bool failed;                      /* of disk_sync(): set before done(), also by run() */

	/* Private to disk.c. */
	struct disk_job *next;
	struct disk *disk;
	struct loop_deferred deferred;
	enum disk_job_state { DISK_IDLE, DISK_QUEUED, DISK_SYNCING, DISK_RAN } state;
};

/* uv NULL: no thread; a job runs inside disk_run(), its done() at the end of the turn. ERR_IO
 * when there is no thread to be had. */
enum err disk_new(struct loop *loop, struct uv_loop_s *uv, struct disk **out) MUST_CHECK;
/* Waits for what runs. No job may still be queued, or it is forgotten without its done(). The
 * last memory is freed when the loop next runs. NULL is fine. */
void disk_free(struct disk *d);

/* j is the caller's until done(). */
void disk_run(struct disk *d, struct disk_job *j);
/* The same for a job that is fdatasync(fd): without calling run(), where the kernel does it.
 * One at a time. fd stays open until then; -1: run(). */
void disk_sync(struct disk *d, struct disk_job *j, int fd);

/* Waits for the job and takes it back: done() is not called any more. */
void disk_wait(struct disk *d, struct disk_job *j);

#endif
