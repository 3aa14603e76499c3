#include "store/wal_vfs.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>
#include <uv.h>

#include "node/base/alloc.h"
#include "node/base/buf.h"

#define FRAME_HEADER 24
#define PENDING_MAX  65536 /* of one transaction; what is longer is written in several parts */

/* The length of a part that makes the file longer. The kernel's page cache keeps a file in
 * pieces as long as the writes that made it, and takes a whole piece for written whenever a
 * byte of it is: of its accounts (write_bytes), a later write of 9 KiB would cost 64. */
#define GROWTH_PART 4096

struct wal_vfs {
	sqlite3_vfs base;
	sqlite3_vfs *below;
	char name[40];
	uv_mutex_t lock;    /* one sync at a time, so that none overtakes one that fails */
	atomic_bool failed; /* a sync did */
};

struct wal {
	sqlite3_file base;
	struct wal_vfs *vfs;
	int fd;             /* a second one, for wal_vfs_fd() */
	sqlite3_int64 size; /* of the file below */
	sqlite3_int64 at;   /* where pending goes */
	int n;              /* of it */
	bool header;        /* its last part is a frame's header: the page comes next */
	bool commits;       /* ... and completes a transaction */
	sqlite3_int64 read; /* where the last read was */
	unsigned char *pending;
	sqlite3_file *below; /* in the memory behind this */
};

static struct wal *wal_of(sqlite3_file *f)
{
	return (struct wal *)f;
}

static int write_below(struct wal *w, const unsigned char *p, int n, sqlite3_int64 at)
{
	int rc = w->below->pMethods->xWrite(w->below, p, n, at);

	if (rc == SQLITE_OK && at + n > w->size)
		w->size = at + n;
	return rc;
}

/* Writes what is pending; after an error it is forgotten, as its transaction will be. */
static int flush(struct wal *w)
{
	int done = 0;
	int n = w->n;
	int rc = SQLITE_OK;

	w->n = 0;
	w->header = false;
	w->commits = false;
	while (done < n && rc == SQLITE_OK) {
		sqlite3_int64 at = w->at + done;
		int part = n - done;
		int room = GROWTH_PART - (int)(at % GROWTH_PART);

		if (w->at + n > w->size && part > room)
			part = room;
		rc = write_below(w, w->pending + done, part, at);
		done += part;
	}
	return rc;
}

static void keep(struct wal *w, const void *p, int n, sqlite3_int64 at)
{
	if (!w->pending)
		w->pending = xalloc(PENDING_MAX);
	if (w->n == 0)
		w->at = at;
	memcpy(w->pending + w->n, p, (size_t)n);
	w->n += n;
}

/* The size of the database behind a transaction, in its last frame's header; else 0. */
static bool is_commit(const unsigned char *header)
{
	return header[4] || header[5] || header[6] || header[7];
}

/* A header that SQLite read before is one whose checksum it corrects: no page comes after. */
static bool is_header(const struct wal *w, int n, sqlite3_int64 at)
{
	return n == FRAME_HEADER && at != w->read;
}

static int wal_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	struct wal *w = wal_of(f);
	int rc = SQLITE_OK;
	bool page;

	if (w->n && (at != w->at + w->n || n > PENDING_MAX - w->n)) {
		bool header = w->header && at == w->at + w->n;
		bool commits = w->commits;

		rc = flush(w);
		w->header = header;
		w->commits = commits;
	}
	if (rc != SQLITE_OK)
		return rc;
	page = w->header;
	w->header = false;
	if (n > PENDING_MAX)
		return write_below(w, p, n, at);
	keep(w, p, n, at);
	if (!page && is_header(w, n, at)) {
		w->header = true;
		w->commits = is_commit(p);
		return SQLITE_OK;
	}
	return page && !w->commits ? SQLITE_OK : flush(w);
}

static int wal_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	struct wal *w = wal_of(f);
	int rc = SQLITE_OK;

	if (w->n && at < w->at + w->n && at + n > w->at)
		rc = flush(w);
	w->read = at;
	return rc == SQLITE_OK ? w->below->pMethods->xRead(w->below, p, n, at) : rc;
}

static int wal_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct wal *w = wal_of(f);
	int rc = flush(w);

	if (rc == SQLITE_OK)
		rc = w->below->pMethods->xTruncate(w->below, size);
	if (rc == SQLITE_OK)
		w->size = size;
	return rc;
}

static int sync_below(struct wal *w, int flags)
{
	struct wal_vfs *v = w->vfs;
	int rc = SQLITE_IOERR_FSYNC;

	uv_mutex_lock(&v->lock);
	if (!atomic_load(&v->failed))
		rc = w->below->pMethods->xSync(w->below, flags);
	if (rc != SQLITE_OK)
		atomic_store(&v->failed, true);
	uv_mutex_unlock(&v->lock);
	return rc;
}

static int wal_sync(sqlite3_file *f, int flags)
{
	struct wal *w = wal_of(f);
	int rc = flush(w);

	return rc == SQLITE_OK ? sync_below(w, flags) : rc;
}

static int wal_size(sqlite3_file *f, sqlite3_int64 *size)
{
	struct wal *w = wal_of(f);
	int rc = flush(w);

	return rc == SQLITE_OK ? w->below->pMethods->xFileSize(w->below, size) : rc;
}

/* What is pending belongs to a transaction that was not committed. */
static int wal_close(sqlite3_file *f)
{
	struct wal *w = wal_of(f);

	if (w->fd >= 0)
		(void)close(w->fd);
	free(w->pending);
	return w->below->pMethods->xClose(w->below);
}

static int wal_lock(sqlite3_file *f, int how)
{
	return wal_of(f)->below->pMethods->xLock(wal_of(f)->below, how);
}

static int wal_unlock(sqlite3_file *f, int how)
{
	return wal_of(f)->below->pMethods->xUnlock(wal_of(f)->below, how);
}

static int wal_reserved(sqlite3_file *f, int *out)
{
	return wal_of(f)->below->pMethods->xCheckReservedLock(wal_of(f)->below, out);
}

static int wal_control(sqlite3_file *f, int op, void *arg)
{
	return wal_of(f)->below->pMethods->xFileControl(wal_of(f)->below, op, arg);
}

static int wal_sector(sqlite3_file *f)
{
	return wal_of(f)->below->pMethods->xSectorSize(wal_of(f)->below);
}

static int wal_device(sqlite3_file *f)
{
	return wal_of(f)->below->pMethods->xDeviceCharacteristics(wal_of(f)->below);
}

/* Version 1: a WAL has no shared memory and is not mapped. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = wal_close,
	.xRead = wal_read,
	.xWrite = wal_write,
	.xTruncate = wal_truncate,
	.xSync = wal_sync,
	.xFileSize = wal_size,
	.xLock = wal_lock,
	.xUnlock = wal_unlock,
	.xCheckReservedLock = wal_reserved,
	.xFileControl = wal_control,
	.xSectorSize = wal_sector,
	.xDeviceCharacteristics = wal_device,
};

static struct wal_vfs *vfs_of(sqlite3_vfs *v)
{
	return (struct wal_vfs *)v;
}

/* SQLite's own VFS of this name has nothing between a file and its descriptor. */
static int second_fd(const struct wal_vfs *v, const char *name)
{
	return strcmp(v->below->zName, "unix") == 0 ? open(name, O_RDONLY | O_CLOEXEC) : -1;
}

static int open_wal(
	struct wal_vfs *v, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
	struct wal *w = wal_of(f);
	int rc;

	memset(w, 0, sizeof(*w));
	w->vfs = v;
	w->read = -1;
	w->below = (sqlite3_file *)(w + 1);
	w->below->pMethods = NULL;
	rc = v->below->xOpen(v->below, name, w->below, flags, out_flags);
	if (rc == SQLITE_OK)
		rc = w->below->pMethods->xFileSize(w->below, &w->size);
	if (rc != SQLITE_OK) {
		if (w->below->pMethods)
			(void)w->below->pMethods->xClose(w->below);
		return rc;
	}
	w->fd = second_fd(v, name);
	w->base.pMethods = &methods;
	return SQLITE_OK;
}

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	sqlite3_vfs *below = vfs_of(v)->below;

	if (flags & SQLITE_OPEN_WAL)
		return open_wal(vfs_of(v), name, f, flags, out);
	return below->xOpen(below, name, f, flags, out);
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync_dir)
{
	return vfs_of(v)->below->xDelete(vfs_of(v)->below, name, sync_dir);
}

static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
	return vfs_of(v)->below->xAccess(vfs_of(v)->below, name, flags, out);
}

static int vfs_full(sqlite3_vfs *v, const char *name, int n, char *out)
{
	return vfs_of(v)->below->xFullPathname(vfs_of(v)->below, name, n, out);
}

static int vfs_random(sqlite3_vfs *v, int n, char *out)
{
	return vfs_of(v)->below->xRandomness(vfs_of(v)->below, n, out);
}

static int vfs_sleep(sqlite3_vfs *v, int us)
{
	return vfs_of(v)->below->xSleep(vfs_of(v)->below, us);
}

static int vfs_time(sqlite3_vfs *v, double *out)
{
	return vfs_of(v)->below->xCurrentTime(vfs_of(v)->below, out);
}

static int vfs_last_error(sqlite3_vfs *v, int n, char *out)
{
	sqlite3_vfs *below = vfs_of(v)->below;

	return below->xGetLastError ? below->xGetLastError(below, n, out) : 0;
}

enum err wal_vfs_new(const char *below, struct wal_vfs **out)
{
	struct wal_vfs *v;
	sqlite3_vfs *found = sqlite3_initialize() == SQLITE_OK ? sqlite3_vfs_find(below) : NULL;

	if (!found)
		return ERR_IO;
	v = NEW(struct wal_vfs);
	v->below = found;
	(void)snprintf(v->name, sizeof(v->name), "kith-wal-%p", (void *)v);
	v->base = (sqlite3_vfs){ .iVersion = 1,
		.szOsFile = (int)sizeof(struct wal) + found->szOsFile,
		.mxPathname = found->mxPathname,
		.zName = v->name,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full,
		.xRandomness = vfs_random,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xGetLastError = vfs_last_error };
	if (uv_mutex_init(&v->lock) != 0)
		abort();
	if (sqlite3_vfs_register(&v->base, 0) != SQLITE_OK) {
		uv_mutex_destroy(&v->lock);
		free(v);
		return ERR_IO;
	}
	*out = v;
	return ERR_OK;
}

void wal_vfs_free(struct wal_vfs *v)
{
	if (!v)
		return;
	(void)sqlite3_vfs_unregister(&v->base);
	uv_mutex_destroy(&v->lock);
	free(v);
}

const char *wal_vfs_name(const struct wal_vfs *v)
{
	return v->name;
}

int wal_vfs_sync(struct sqlite3_file *wal, int flags)
{
	return sync_below(wal_of(wal), flags);
}

bool wal_vfs_failed(struct wal_vfs *v)
{
	return atomic_load(&v->failed);
}

static int write_again(sqlite3_file *f)
{
	unsigned char bytes[4096];
	sqlite3_int64 size = 0;
	int rc = f->pMethods->xFileSize(f, &size);

	for (sqlite3_int64 at = 0; at < size && rc == SQLITE_OK; at += (int)sizeof(bytes)) {
		int n = size - at < (int)sizeof(bytes) ? (int)(size - at) : (int)sizeof(bytes);

		rc = f->pMethods->xRead(f, bytes, n, at);
		if (rc == SQLITE_OK)
			rc = f->pMethods->xWrite(f, bytes, n, at);
	}
	return rc == SQLITE_OK ? f->pMethods->xSync(f, SQLITE_SYNC_FULL) : rc;
}

static int mend(struct wal_vfs *v, const char *name)
{
	sqlite3_file *f;
	int there = 0;
	int rc = v->below->xAccess(v->below, name, SQLITE_ACCESS_EXISTS, &there);

	if (rc != SQLITE_OK || !there)
		return rc;
	f = xcalloc(1, (size_t)v->below->szOsFile);
	rc = v->below->xOpen(v->below, name, f, SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE, NULL);
	if (rc == SQLITE_OK)
		rc = write_again(f);
	if (f->pMethods)
		(void)f->pMethods->xClose(f);
	free(f);
	return rc;
}

int wal_vfs_mend(struct wal_vfs *v, const char *path)
{
	CLEANUP(buf_deinit) struct buf wal = { 0 };
	sqlite3_filename name;
	int rc;

	buf_printf(&wal, "%s-wal", path);
	buf_put_u8(&wal, 0);
	name = sqlite3_create_filename(path, wal.p, wal.p, 0, NULL);
	if (!name)
		return SQLITE_NOMEM;
	uv_mutex_lock(&v->lock);
	rc = mend(v, sqlite3_filename_wal(name));
	if (rc == SQLITE_OK)
		atomic_store(&v->failed, false);
	uv_mutex_unlock(&v->lock);
	sqlite3_free_filename(name);
	return rc;
}

int wal_vfs_fd(const struct sqlite3_file *wal)
{
	return ((const struct wal *)wal)->fd;
}
