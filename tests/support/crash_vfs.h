/*
 * crash_vfs: an SQLite VFS that can cut the power, and fail.
 *
 * Files lie on the real file system, so that reading, locking and shared memory are SQLite's
 * own. Of the database and its WAL every write, truncation and sync is kept besides: what was
 * synced survives; of what was written since, when the power is cut, each 512-byte sector is as
 * it was before, or as any of the writes since left it (so writes are dropped and reordered),
 * or torn between two of these; the file's length is anything between. A sync takes its time
 * and covers what had been written when it began, as fdatasync() does.
 *
 * Thread-safe: the store syncs and makes checkpoints off its loop.
 */
#ifndef KITH_TESTS_CRASH_VFS_H
#define KITH_TESTS_CRASH_VFS_H

#include <stdbool.h>
#include <stdint.h>

struct crash_vfs;

/* Registers an SQLite VFS of this name. Unregistered and freed by crash_vfs_free(), with no
 * file open. */
struct crash_vfs *crash_vfs_new(const char *name, uint64_t seed);
void crash_vfs_free(struct crash_vfs *v);

/* Forgets all files and failures; the next run begins with what lies on disk as synced. */
void crash_vfs_reset(struct crash_vfs *v);

/* The power goes at the n-th write, truncation or sync from now (0: never). Afterwards every
 * operation fails. */
void crash_vfs_cut_after(struct crash_vfs *v, unsigned n);
bool crash_vfs_is_cut(struct crash_vfs *v);
/* Writes what the disk holds after the cut to folder/NAME for each file; false on errors. */
bool crash_vfs_write_images(struct crash_vfs *v, const char *folder);

enum crash_op {
	CRASH_OPEN = 1,
	CRASH_READ = 2,
	CRASH_WRITE = 4,
	CRASH_TRUNCATE = 8,
	CRASH_SYNC = 16,
	CRASH_SIZE = 32,
	CRASH_LOCK = 64, /* of the file or of the shared memory */
	CRASH_MAP = 128, /* of the shared memory */
	CRASH_DELETE = 256
};

struct crash_fault {
	unsigned ops;   /* which calls are counted, and fail */
	unsigned after; /* the n-th from now is the first to fail; 0: none */
	int rc;         /* with this SQLite result code */
	bool once;      /* those after it succeed again */
	bool half;      /* a write that fails has written its first half */
};

/* A failed sync loses what it was to write: the disk keeps what it had, and later syncs succeed
 * without it (as Linux does). NULL: no faults any more. */
void crash_vfs_fail(struct crash_vfs *v, const struct crash_fault *fault);
/* Whether that happened. */
bool crash_vfs_has_failed(struct crash_vfs *v);

/* Syncs of the database, not of its WAL, wait until this is taken back: checkpoints last. */
void crash_vfs_hold_checkpoints(struct crash_vfs *v, bool yes);

/* Leaves out every sync of the WAL: a rig that then still
 * finds nothing lost tests nothing. */
void crash_vfs_ignore_wal_syncs(struct crash_vfs *v, bool yes);

#endif
