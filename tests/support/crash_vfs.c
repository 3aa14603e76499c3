#include "tests/support/crash_vfs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "node/base/alloc.h"
#include "node/base/buf.h"

#define SECTOR 512

/* One write that no sync has covered yet. */
struct write {
	struct write *next;
	uint64_t seq;
	sqlite3_int64 at;
	size_t n;
	unsigned char bytes[];
};

struct tracked {
	struct tracked *next;
	char *path;
	struct buf synced; /* what a cut leaves for sure */
	struct write *writes;
	struct write **tail;
	sqlite3_int64 size; /* as the process sees it */
	struct buf image;   /* after the cut */
	bool is_wal;
};

struct crash_vfs {
	sqlite3_vfs base;
	sqlite3_vfs *real;
	pthread_mutex_t lock;
	struct tracked *files;
	uint64_t rng;
	uint64_t seq;
	unsigned cut_in; /* operations; 0: never */
	bool cut;
	struct crash_fault fault; /* after counts down to 1 */
	bool failed;
	bool ignore_wal_syncs;
	bool hold_checkpoints;
	pthread_cond_t released;
};

struct file {
	sqlite3_file base;
	struct crash_vfs *v;
	struct tracked *t; /* NULL: a file that is not ours to watch */
	sqlite3_file *real;
};

static uint64_t rnd(struct crash_vfs *v, uint64_t below)
{
	v->rng ^= v->rng << 13;
	v->rng ^= v->rng >> 7;
	v->rng ^= v->rng << 17;
	return below ? v->rng % below : 0;
}

static void grow(struct buf *b, size_t n)
{
	if (n <= b->n)
		return;
	memset(buf_reserve(b, n - b->n), 0, n - b->n);
	b->n = n;
}

static void put_at(struct buf *b, size_t at, const void *p, size_t n)
{
	grow(b, at + n);
	memcpy(b->p + at, p, n);
}

static void drop_writes(struct tracked *t, uint64_t upto)
{
	while (t->writes && t->writes->seq <= upto) {
		struct write *w = t->writes;

		t->writes = w->next;
		free(w);
	}
	if (!t->writes)
		t->tail = &t->writes;
}

/* How many of the pending writes reached one sector: all, none, or the first few; and, where it
 * is torn, how many reached its end. */
struct sector {
	unsigned head;
	unsigned tail;
	unsigned split;
};

static unsigned some_of(struct crash_vfs *v, unsigned n)
{
	uint64_t kind = rnd(v, 3);

	if (kind == 0)
		return 0;
	return kind == 1 ? n : (unsigned)rnd(v, n + 1);
}

static void choose(struct crash_vfs *v, struct sector *s, unsigned n)
{
	s->head = some_of(v, n);
	s->tail = rnd(v, 8) == 0 ? some_of(v, n) : s->head;
	s->split = (unsigned)rnd(v, SECTOR + 1);
}

/* The i-th pending write, as far as it reached the disk. */
static void apply(
	struct buf *image, const struct write *w, unsigned i, const struct sector *sectors)
{
	for (size_t k = 0; k < w->n; k++) {
		size_t at = (size_t)w->at + k;
		const struct sector *s = &sectors[at / SECTOR];

		if (i < (at % SECTOR < s->split ? s->head : s->tail))
			image->p[at] = (char)w->bytes[k];
	}
}

static void make_image(struct crash_vfs *v, struct tracked *t)
{
	struct sector *sectors;
	size_t old = t->synced.n;
	size_t end = old > (size_t)t->size ? old : (size_t)t->size;
	unsigned n = 0;

	for (struct write *w = t->writes; w; w = w->next, n++)
		if ((size_t)w->at + w->n > end)
			end = (size_t)w->at + w->n;
	buf_clear(&t->image);
	grow(&t->image, end);
	if (old)
		memcpy(t->image.p, t->synced.p, old);
	sectors = xcalloc(end / SECTOR + 1, sizeof(*sectors));
	for (size_t i = 0; i <= end / SECTOR; i++)
		choose(v, &sectors[i], n);
	n = 0;
	for (struct write *w = t->writes; w; w = w->next)
		apply(&t->image, w, n++, sectors);
	free(sectors);
	if (end > old && rnd(v, 2))
		t->image.n = old + rnd(v, end - old + 1);
}

/* A result code, if this call is to fail. */
static int fail(struct crash_vfs *v, unsigned op)
{
	struct crash_fault *f = &v->fault;

	if (!f->after || !(f->ops & op))
		return SQLITE_OK;
	if (f->after > 1) {
		f->after--;
		return SQLITE_OK;
	}
	v->failed = true;
	if (f->once)
		f->after = 0;
	return f->rc;
}

/* Counts an operation that changes what is on disk. A result code, if it is not to happen. */
static int count(struct crash_vfs *v, unsigned op)
{
	if (v->cut)
		return SQLITE_IOERR;
	if (v->cut_in && --v->cut_in == 0) {
		v->cut = true;
		for (struct tracked *t = v->files; t; t = t->next)
			make_image(v, t);
		return SQLITE_IOERR;
	}
	return fail(v, op);
}

/* The same for one that only looks. */
static int look(struct crash_vfs *v, unsigned op)
{
	int rc;

	if (!op)
		return SQLITE_OK;
	pthread_mutex_lock(&v->lock);
	rc = fail(v, op);
	pthread_mutex_unlock(&v->lock);
	return rc;
}

static int f_close(sqlite3_file *sf)
{
	struct file *f = (struct file *)sf;

	return f->real->pMethods->xClose(f->real);
}

static int f_read(sqlite3_file *sf, void *p, int n, sqlite3_int64 at)
{
	struct file *f = (struct file *)sf;
	int rc = f->t ? look(f->v, CRASH_READ) : SQLITE_OK;

	return rc ? rc : f->real->pMethods->xRead(f->real, p, n, at);
}

static void note_write(struct file *f, const void *p, int n, sqlite3_int64 at)
{
	struct write *w = xalloc(sizeof(*w) + (size_t)n);

	w->seq = ++f->v->seq;
	w->at = at;
	w->n = (size_t)n;
	memcpy(w->bytes, p, (size_t)n);
	*f->t->tail = w;
	f->t->tail = &w->next;
	if (at + n > f->t->size)
		f->t->size = at + n;
}

static int f_write(sqlite3_file *sf, const void *p, int n, sqlite3_int64 at)
{
	struct file *f = (struct file *)sf;
	int rc = SQLITE_OK;

	if (!f->t)
		return f->real->pMethods->xWrite(f->real, p, n, at);
	pthread_mutex_lock(&f->v->lock);
	if (!f->v->cut)
		note_write(f, p, n, at); /* the write during which the power goes may arrive */
	rc = count(f->v, CRASH_WRITE);
	if (rc == SQLITE_OK)
		rc = f->real->pMethods->xWrite(f->real, p, n, at);
	else if (f->v->fault.half && !f->v->cut)
		(void)f->real->pMethods->xWrite(f->real, p, n / 2, at);
	pthread_mutex_unlock(&f->v->lock);
	return rc;
}

static int f_truncate(sqlite3_file *sf, sqlite3_int64 size)
{
	struct file *f = (struct file *)sf;
	int rc;

	if (!f->t)
		return f->real->pMethods->xTruncate(f->real, size);
	pthread_mutex_lock(&f->v->lock);
	rc = count(f->v, CRASH_TRUNCATE);
	if (rc == SQLITE_OK) {
		rc = f->real->pMethods->xTruncate(f->real, size);
		f->t->size = size;
		/* The new length is on disk at once, or not before the next sync. */
		if (rnd(f->v, 2) && f->t->synced.n > (size_t)size) {
			f->t->synced.n = (size_t)size;
			drop_writes(f->t, UINT64_MAX);
		}
	}
	pthread_mutex_unlock(&f->v->lock);
	return rc;
}

static void make_durable(struct tracked *t, uint64_t upto, sqlite3_int64 size)
{
	for (struct write *w = t->writes; w && w->seq <= upto; w = w->next)
		put_at(&t->synced, (size_t)w->at, w->bytes, w->n);
	drop_writes(t, upto);
	grow(&t->synced, (size_t)size);
	/* By now, not by when the sync began: another one may have been faster. */
	if (t->synced.n > (size_t)t->size && !t->writes)
		t->synced.n = (size_t)t->size;
}

static int f_sync(sqlite3_file *sf, int flags)
{
	struct file *f = (struct file *)sf;
	uint64_t upto;
	sqlite3_int64 size;
	unsigned pause_us;
	int rc;

	(void)flags;
	if (!f->t)
		return SQLITE_OK;
	pthread_mutex_lock(&f->v->lock);
	while (f->v->hold_checkpoints && !f->t->is_wal)
		(void)pthread_cond_wait(&f->v->released, &f->v->lock);
	rc = count(f->v, CRASH_SYNC);
	upto = f->v->seq;
	size = f->t->size;
	pause_us = (unsigned)rnd(f->v, 4) ? 0 : (unsigned)rnd(f->v, 400);
	if (rc != SQLITE_OK && !f->v->cut)
		drop_writes(f->t, upto); /* lost, and taken for clean from now on */
	pthread_mutex_unlock(&f->v->lock);
	if (rc != SQLITE_OK)
		return rc;
	if (pause_us)
		(void)usleep(pause_us);
	pthread_mutex_lock(&f->v->lock);
	if (f->v->cut)
		rc = SQLITE_IOERR;
	else if (!f->t->is_wal || !f->v->ignore_wal_syncs)
		make_durable(f->t, upto, size);
	pthread_mutex_unlock(&f->v->lock);
	return rc;
}

/* What changes nothing on disk: done by the real file, unless it is to fail. */
#define PASS_OR_FAIL(name, op, args, call) \
	static int f_##name args \
	{ \
		struct file *f = (struct file *)sf; \
		int rc = f->t ? look(f->v, (op)) : SQLITE_OK; \
		return rc ? rc : f->real->pMethods->call; \
	}
#define PASS(name, args, call) PASS_OR_FAIL(name, 0, args, call)
PASS_OR_FAIL(
	size, CRASH_SIZE, (sqlite3_file * sf, sqlite3_int64 *size), xFileSize(f->real, size))
PASS_OR_FAIL(lock, CRASH_LOCK, (sqlite3_file * sf, int how), xLock(f->real, how))
PASS(unlock, (sqlite3_file * sf, int how), xUnlock(f->real, how))
PASS(reserved, (sqlite3_file * sf, int *out), xCheckReservedLock(f->real, out))
PASS(control, (sqlite3_file * sf, int op, void *arg), xFileControl(f->real, op, arg))
PASS(sector, (sqlite3_file * sf), xSectorSize(f->real))
PASS(device, (sqlite3_file * sf), xDeviceCharacteristics(f->real))
PASS_OR_FAIL(shm_map, CRASH_MAP,
	(sqlite3_file * sf, int page, int size, int extend, void volatile **out),
	xShmMap(f->real, page, size, extend, out))
PASS_OR_FAIL(shm_lock, flags &SQLITE_SHM_LOCK ? CRASH_LOCK : 0,
	(sqlite3_file * sf, int at, int n, int flags), xShmLock(f->real, at, n, flags))
PASS(shm_unmap, (sqlite3_file * sf, int del), xShmUnmap(f->real, del))

static void f_shm_barrier(sqlite3_file *sf)
{
	struct file *f = (struct file *)sf;

	f->real->pMethods->xShmBarrier(f->real);
}

/* Version 2: shared memory, but no memory-mapped reading past us. */
static const sqlite3_io_methods methods = { 2, f_close, f_read, f_write, f_truncate, f_sync,
	f_size, f_lock, f_unlock, f_reserved, f_control, f_sector, f_device, f_shm_map,
	f_shm_lock, f_shm_barrier, f_shm_unmap, NULL, NULL };

static void load(struct tracked *t)
{
	FILE *file = fopen(t->path, "rb");
	char bytes[4096];
	size_t n;

	while (file && (n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		buf_put(&t->synced, bytes, n);
	if (file)
		(void)fclose(file);
	t->size = (sqlite3_int64)t->synced.n;
}

static struct tracked *track(struct crash_vfs *v, const char *path, bool is_wal)
{
	struct tracked *t = v->files;

	while (t && strcmp(t->path, path) != 0)
		t = t->next;
	if (t)
		return t;
	t = NEW(struct tracked);
	t->path = xstrdup(str_of(path));
	t->tail = &t->writes;
	t->is_wal = is_wal;
	load(t);
	t->next = v->files;
	v->files = t;
	return t;
}

static int v_open(sqlite3_vfs *sv, const char *name, sqlite3_file *sf, int flags, int *out)
{
	struct crash_vfs *v = (struct crash_vfs *)sv;
	struct file *f = (struct file *)sf;
	int rc = SQLITE_OK;

	memset(f, 0, sizeof(*f));
	f->v = v;
	f->real = (sqlite3_file *)(f + 1);
	if (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) {
		pthread_mutex_lock(&v->lock);
		rc = count(v, CRASH_OPEN);
		if (rc == SQLITE_OK)
			f->t = track(v, name, (flags & SQLITE_OPEN_WAL) != 0);
		pthread_mutex_unlock(&v->lock);
	}
	if (rc == SQLITE_OK)
		rc = v->real->xOpen(v->real, name, f->real, flags, out);
	if (rc == SQLITE_OK)
		f->base.pMethods = &methods;
	return rc;
}

static int v_delete(sqlite3_vfs *sv, const char *name, int sync_dir)
{
	struct crash_vfs *v = (struct crash_vfs *)sv;
	int rc;

	pthread_mutex_lock(&v->lock);
	rc = v->cut ? SQLITE_IOERR : fail(v, CRASH_DELETE);
	if (rc == SQLITE_OK)
		rc = v->real->xDelete(v->real, name, 0);
	for (struct tracked *t = v->files; rc == SQLITE_OK && t; t = t->next) {
		if (strcmp(t->path, name) == 0) {
			drop_writes(t, UINT64_MAX);
			buf_clear(&t->synced);
			t->size = 0;
		}
	}
	pthread_mutex_unlock(&v->lock);
	(void)sync_dir;
	return rc;
}

static int v_access(sqlite3_vfs *sv, const char *name, int flags, int *out)
{
	struct crash_vfs *v = (struct crash_vfs *)sv;

	return v->real->xAccess(v->real, name, flags, out);
}

static int v_full(sqlite3_vfs *sv, const char *name, int n, char *out)
{
	struct crash_vfs *v = (struct crash_vfs *)sv;

	return v->real->xFullPathname(v->real, name, n, out);
}

static int v_random(sqlite3_vfs *sv, int n, char *out)
{
	struct crash_vfs *v = (struct crash_vfs *)sv;

	return v->real->xRandomness(v->real, n, out);
}

static int v_sleep(sqlite3_vfs *sv, int us)
{
	struct crash_vfs *v = (struct crash_vfs *)sv;

	return v->real->xSleep(v->real, us);
}

static int v_time(sqlite3_vfs *sv, double *out)
{
	struct crash_vfs *v = (struct crash_vfs *)sv;

	return v->real->xCurrentTime(v->real, out);
}

static int v_last_error(sqlite3_vfs *sv, int n, char *out)
{
	struct crash_vfs *v = (struct crash_vfs *)sv;

	return v->real->xGetLastError ? v->real->xGetLastError(v->real, n, out) : 0;
}

struct crash_vfs *crash_vfs_new(const char *name, uint64_t seed)
{
	struct crash_vfs *v = NEW(struct crash_vfs);

	v->real = sqlite3_vfs_find(NULL);
	v->rng = seed * 0x9e3779b97f4a7c15ULL + 1;
	(void)pthread_mutex_init(&v->lock, NULL);
	(void)pthread_cond_init(&v->released, NULL);
	v->base = (sqlite3_vfs){ .iVersion = 1,
		.szOsFile = (int)sizeof(struct file) + v->real->szOsFile,
		.mxPathname = v->real->mxPathname,
		.zName = name,
		.xOpen = v_open,
		.xDelete = v_delete,
		.xAccess = v_access,
		.xFullPathname = v_full,
		.xRandomness = v_random,
		.xSleep = v_sleep,
		.xCurrentTime = v_time,
		.xGetLastError = v_last_error };
	if (sqlite3_vfs_register(&v->base, 0) != SQLITE_OK)
		abort();
	return v;
}

void crash_vfs_reset(struct crash_vfs *v)
{
	while (v->files) {
		struct tracked *t = v->files;

		v->files = t->next;
		drop_writes(t, UINT64_MAX);
		buf_deinit(&t->synced);
		buf_deinit(&t->image);
		free(t->path);
		free(t);
	}
	v->cut = false;
	v->cut_in = 0;
	v->fault = (struct crash_fault){ 0 };
	v->failed = false;
}

void crash_vfs_free(struct crash_vfs *v)
{
	if (!v)
		return;
	crash_vfs_reset(v);
	(void)sqlite3_vfs_unregister(&v->base);
	(void)pthread_cond_destroy(&v->released);
	(void)pthread_mutex_destroy(&v->lock);
	free(v);
}

void crash_vfs_cut_after(struct crash_vfs *v, unsigned n)
{
	pthread_mutex_lock(&v->lock);
	v->cut_in = n;
	pthread_mutex_unlock(&v->lock);
}

bool crash_vfs_is_cut(struct crash_vfs *v)
{
	bool cut;

	pthread_mutex_lock(&v->lock);
	cut = v->cut;
	pthread_mutex_unlock(&v->lock);
	return cut;
}

bool crash_vfs_write_images(struct crash_vfs *v, const char *folder)
{
	for (struct tracked *t = v->files; t; t = t->next) {
		const char *name = strrchr(t->path, '/');
		char path[4096];
		FILE *out;
		bool ok;

		(void)snprintf(path, sizeof(path), "%s%s", folder, name ? name : "");
		out = fopen(path, "wb");
		if (!out)
			return false;
		ok = t->image.n == 0 || fwrite(t->image.p, t->image.n, 1, out) == 1;
		if (fclose(out) != 0 || !ok)
			return false;
	}
	return true;
}

void crash_vfs_fail(struct crash_vfs *v, const struct crash_fault *fault)
{
	pthread_mutex_lock(&v->lock);
	v->fault = fault ? *fault : (struct crash_fault){ 0 };
	v->failed = false;
	pthread_mutex_unlock(&v->lock);
}

void crash_vfs_hold_checkpoints(struct crash_vfs *v, bool yes)
{
	pthread_mutex_lock(&v->lock);
	v->hold_checkpoints = yes;
	(void)pthread_cond_broadcast(&v->released);
	pthread_mutex_unlock(&v->lock);
}

bool crash_vfs_has_failed(struct crash_vfs *v)
{
	bool failed;

	pthread_mutex_lock(&v->lock);
	failed = v->failed;
	pthread_mutex_unlock(&v->lock);
	return failed;
}

void crash_vfs_ignore_wal_syncs(struct crash_vfs *v, bool yes)
{
	v->ignore_wal_syncs = yes;
}
