/*
 * Checkpoints: what is in the WAL is written into the database, off the loop.
 *
 * Each checkpoint_kib of WAL a passive one runs on the thread pool with a connection of its
 * own; if no commit came meanwhile, the next commit begins the WAL anew. With commits back to
 * back that never happens, so past wal_limit_kib the last pass is made while no SQLite
 * transaction may begin, on the disk thread, right behind the sync of the commit before it.
 * That pass has little left to do: it is made when a passive one has just caught up. Who asks
 * store_ready() waits for it; a transaction that comes all the same goes on at once, and the
 * pass is made again behind its commit (the loop waits for no disk, security.md D2). Only where
 * that happens until the WAL is HOLD_FIRMLY times too long is the pass waited for.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>
#include <uv.h>

#include "node/base/alloc.h"
#include "store/internal.h"
#include "store/sql.h"
#include "store/wal_vfs.h"

#define LOG_MODULE "store"

#define HOLD_TRIES 200 /* 1 ms apart */
#define HOLD_REST_KIB \
	1024          /* left for the last pass at most, unless the WAL is twice too long */
#define HOLD_FIRMLY 8 /* times wal_limit_kib */

struct checkpoint {
	struct loop_work work;
	struct store *st; /* NULL once the store is closed */
	char *path;
	char *vfs;
	uv_mutex_t lock;
	uv_cond_t changed;
	bool started; /* under lock */
	bool ended;
	atomic_bool stop;
	enum err err;
	int log;
	int done;
	char text[200];
};

/*
 * lost: set at once where a sync failed; afterwards no more passes are made. SQLite counts
 * pages of a pass that did not reach the log's end as done, though they are synced with those
 * of a later pass only: where that sync fails they are lost, and not written again. So the
 * store reopens with no pass under way, which makes SQLite go through all of the log.
 */
static enum err pass(const char *path, const char *vfs, atomic_bool *lost, int *log, int *done)
{
	sqlite3 *db;
	enum err err = atomic_load(lost)
		? ERR_IO
		: sql_open(path, SQLITE_OPEN_READWRITE, vfs, &db, NULL);

	if (err)
		return err;
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	err = sql_exec(db,
		"PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = NORMAL;"
		"PRAGMA checkpoint_fullfsync = 1; PRAGMA cache_size = 16");
	if (!err)
		err = sql_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE, log, done);
	if (err && sql_sync_failed(db))
		atomic_store(lost, true);
	sqlite3_close(db);
	return err;
}

static struct checkpoint *off_loop(
	struct store *st, void (*work)(struct loop_work *w), void (*done)(struct loop_work *w))
{
	struct checkpoint *c = NEW(struct checkpoint);

	c->st = st;
	c->path = xstrdup(str_of(st->path));
	c->vfs = xstrdup(str_of(wal_vfs_name(st->wal_vfs)));
	if (uv_mutex_init(&c->lock) != 0 || uv_cond_init(&c->changed) != 0)
		abort();
	c->work.work = work;
	c->work.done = done;
	return c;
}

static void off_loop_free(struct checkpoint *c)
{
	uv_cond_destroy(&c->changed);
	uv_mutex_destroy(&c->lock);
	free(c->path);
	free(c->vfs);
	free(c);
}

static bool off_loop_enter(struct checkpoint *c)
{
	bool go;

	uv_mutex_lock(&c->lock);
	c->started = true;
	go = !atomic_load(&c->stop);
	uv_mutex_unlock(&c->lock);
	return go;
}

static void off_loop_leave(struct checkpoint *c)
{
	uv_mutex_lock(&c->lock);
	c->ended = true;
	uv_cond_broadcast(&c->changed);
	uv_mutex_unlock(&c->lock);
}

/* From the loop: it will not run, or has ended; frees itself when the pool gives it back. */
static void off_loop_stop(struct checkpoint *c)
{
	if (!c)
		return;
	atomic_store(&c->stop, true);
	uv_mutex_lock(&c->lock);
	while (c->started && !c->ended)
		uv_cond_wait(&c->changed, &c->lock);
	uv_mutex_unlock(&c->lock);
	c->st = NULL;
}

static void passive_work(struct loop_work *w)
{
	struct checkpoint *c = CONTAINER_OF(w, struct checkpoint, work);

	if (off_loop_enter(c))
		c->err = pass(c->path, c->vfs, &c->st->sync_lost, &c->log, &c->done);
	off_loop_leave(c);
}

/* frames: of the WAL when the pass looked; done: of these, in the database. */
static void passed(struct store *st, enum err err, int frames, int done)
{
	st->health.checkpoints++;
	if (err) {
		store_failing(st, err, "a checkpoint failed");
		loop_defer(st->loop, &st->turn_end); /* was it the WAL's sync? */
		return;
	}
	/* The WAL may have begun anew since: then what was done was of the old one. */
	if (done > st->wal_done && frames <= st->wal_frames)
		st->wal_done = done;
}

static void passive_done(struct loop_work *w)
{
	struct checkpoint *c = CONTAINER_OF(w, struct checkpoint, work);
	struct store *st = c->st;

	if (st) {
		st->running = NULL;
		passed(st, c->err, c->log, c->done);
	}
	off_loop_free(c);
}

/* A passive one may still be at it, on the pool: it is waited for here, on the disk thread. */
static void hold_run(struct disk_job *j)
{
	struct store *st = CONTAINER_OF(j, struct store, hold);

	for (int i = 0; i < HOLD_TRIES; i++) {
		st->hold_log = -1;
		st->hold_done = -1;
		st->hold_err = pass(st->path, wal_vfs_name(st->wal_vfs), &st->sync_lost,
			&st->hold_log, &st->hold_done);
		if (st->hold_err || st->hold_log >= 0)
			return;
		uv_sleep(1);
	}
}

static void hold_ended(struct store *st)
{
	st->holding = false;
	st->hold_broken = false;
	batch_read_end(st); /* who began before it ended does not begin the WAL anew */
	passed(st, st->hold_err, st->hold_log, st->hold_done);
}

static void hold_done(struct disk_job *j)
{
	struct store *st = CONTAINER_OF(j, struct store, hold);

	hold_ended(st);
	waiter_call_all(st, &st->ready, ERR_OK);
}

static bool is_held(const struct store *st)
{
	return st->holding && !st->hold_broken;
}

static void ready_soon(struct loop_deferred *d)
{
	struct store *st = CONTAINER_OF(d, struct store, ready_soon);

	if (!is_held(st))
		waiter_call_all(st, &st->ready, ERR_OK);
}

static int64_t kib(const struct store *st, int frames)
{
	return (int64_t)frames * (st->page_size + 24) / 1024;
}

void checkpoint_before_begin(struct store *st)
{
	bool long_enough = kib(st, st->wal_frames) >= HOLD_FIRMLY * (int64_t)st->wal_limit_kib;

	/* Also for one that was not waited for so far: it may take its time on a busy disk. */
	if (!st->holding || (st->hold_broken && !long_enough))
		return;
	if (!long_enough) {
		st->hold_broken = true;
	} else {
		disk_wait(st->disk, &st->hold);
		hold_ended(st);
	}
	st->ready_soon.fn = ready_soon;
	loop_defer(st->loop, &st->ready_soon);
}

bool store_ready(struct store *st, struct store_waiter *w)
{
	/* Not past those who wait already. */
	if (!is_held(st) && !st->ready.head)
		return true;
	waiter_add(&st->ready, w);
	return false;
}

static int64_t rest_kib(const struct store *st)
{
	return kib(st, st->wal_frames - st->wal_done);
}

/* Past the limit, when little is left to do; past twice the limit whatever is left: then the
 * pool is too busy with other things to give the passive ones their turn. */
static bool want_hold(const struct store *st)
{
	int64_t wal = kib(st, st->wal_frames);

	if (wal < st->wal_limit_kib)
		return false;
	return wal >= 2 * (int64_t)st->wal_limit_kib ||
		(!st->running && rest_kib(st) <= HOLD_REST_KIB);
}

/* Each checkpoint_kib; past the limit at once, so that little is left for the last one. */
static bool want_pass(const struct store *st)
{
	return rest_kib(st) >= st->checkpoint_kib ||
		(kib(st, st->wal_frames) >= st->wal_limit_kib && rest_kib(st) > HOLD_REST_KIB);
}

void checkpoint_after_commit(struct store *st, int frames)
{
	if (frames < st->wal_frames)
		st->wal_done = 0; /* it began anew */
	st->wal_frames = frames;
	st->health.wal_bytes = kib(st, frames) * 1024;
	if (st->holding || atomic_load(&st->sync_lost))
		return;
	if (want_hold(st)) {
		st->holding = true;
		st->hold.run = hold_run;
		st->hold.done = hold_done;
		disk_run(st->disk, &st->hold);
	} else if (!st->running && want_pass(st)) {
		st->running = off_loop(st, passive_work, passive_done);
		loop_work(st->loop, &st->running->work);
	}
}

enum err checkpoint_all(struct store *st)
{
	int frames = -1;
	int done = -1;
	enum err err = sql_checkpoint(st->db, SQLITE_CHECKPOINT_TRUNCATE, &frames, &done);

	if (!err && (frames < 0 || frames != done))
		err = ERR_IO;
	if (!err) {
		st->wal_frames = 0;
		st->wal_done = 0;
	}
	return err;
}

static int asked_to_stop(void *arg)
{
	struct checkpoint *c = arg;

	return atomic_load(&c->stop);
}

static void check_work(struct loop_work *w)
{
	struct checkpoint *c = CONTAINER_OF(w, struct checkpoint, work);
	sqlite3 *db;

	if (off_loop_enter(c) &&
		sql_open(c->path, SQLITE_OPEN_READWRITE, c->vfs, &db, NULL) == ERR_OK) {
		(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_progress_handler(db, 1000, asked_to_stop, c);
		c->err = sql_quick_check(db, c->text, sizeof(c->text));
		sqlite3_close(db);
	}
	off_loop_leave(c);
}

static void check_done(struct loop_work *w)
{
	struct checkpoint *c = CONTAINER_OF(w, struct checkpoint, work);
	struct store *st = c->st;

	if (st) {
		st->checking = NULL;
		if (c->err == ERR_CORRUPT) {
			st->health.read_only = true;
			(void)snprintf(st->health.text, sizeof(st->health.text), "%s", c->text);
			log_error(st->log,
				"the database is damaged, nothing is written any more: "
				"%s",
				c->text);
		} else if (!c->err) {
			log_info(st->log, "the database is sound");
		}
	}
	off_loop_free(c);
}

void checkpoint_check_file(struct store *st)
{
	st->checking = off_loop(st, check_work, check_done);
	loop_work(st->loop, &st->checking->work);
}

void checkpoint_end_passes(struct store *st)
{
	off_loop_stop(st->running);
	off_loop_stop(st->checking);
	st->running = NULL;
	st->checking = NULL;
	if (!st->holding)
		return;
	disk_wait(st->disk, &st->hold);
	hold_ended(st);
	st->ready_soon.fn = ready_soon;
	loop_defer(st->loop, &st->ready_soon);
}

void checkpoint_stop(struct store *st)
{
	checkpoint_end_passes(st);
	loop_undefer(st->loop, &st->ready_soon);
	loop_undefer(st->loop, &st->turn_end); /* of passed() */
}
