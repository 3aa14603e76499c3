/*
 * Transactions and their durability.
 *
 *          store_begin                    end of turn           sync done
 *   closed ------------> open (collects) ------------> in flight ---------> durable
 *                          |                COMMIT         |
 *                          +--- any error --> failed <-----+ (then the connection is reopened)
 *
 * One batch may collect while another one is in flight; it is committed when that one is done.
 */
#include <assert.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "node/base/alloc.h"
#include "store/internal.h"
#include "store/sql.h"
#include "store/wal_vfs.h"

#define LOG_MODULE "store"

/* Positions are given from a range that the database has noted as used, so that a commit need
 * not write it each time; what is left of it is skipped at the next start. */
#define POS_RESERVE 4096

#ifdef __APPLE__
#	define WAL_SYNC_FLAGS SQLITE_SYNC_FULL
#else
#	define WAL_SYNC_FLAGS SQLITE_SYNC_NORMAL
#endif

enum {
	Q_BEGIN,
	Q_READ,
	Q_WRITE,
	Q_COMMIT,
	Q_ROLLBACK,
	Q_SAVEPOINT,
	Q_RELEASE,
	Q_ROLLBACK_TO,
	Q_POS,
	N_Q
};

static const char *const sql[N_Q] = {
	[Q_BEGIN] = "BEGIN IMMEDIATE",
	[Q_READ] = "BEGIN",
	/* Changes nothing, but makes a transaction that has only read so far one that writes.
	 */
	[Q_WRITE] = "UPDATE meta SET value = value WHERE key = ''",
	[Q_COMMIT] = "COMMIT",
	[Q_ROLLBACK] = "ROLLBACK",
	[Q_SAVEPOINT] = "SAVEPOINT s",
	[Q_RELEASE] = "RELEASE s",
	[Q_ROLLBACK_TO] = "ROLLBACK TO s",
	[Q_POS] = "UPDATE meta SET value = ?1 WHERE key = 'pos'",
};
const struct stmt_table batch_stmts = { "batch", sql, N_Q };

static enum err run(struct store *st, unsigned i)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_BATCH, i);

	return stmt_run(q);
}

void waiter_add(struct waiter_list *l, struct store_waiter *w)
{
	assert(!w->queued);
	if (!l->head)
		l->tail = &l->head;
	w->queued = true;
	w->next = NULL;
	*l->tail = w;
	l->tail = &w->next;
}

static void waiters_move(struct waiter_list *from, struct waiter_list *to)
{
	if (!from->head)
		return;
	if (!to->head)
		to->tail = &to->head;
	*to->tail = from->head;
	to->tail = from->tail;
	from->head = NULL;
}

static bool waiter_remove(struct waiter_list *l, struct store_waiter *w)
{
	struct store_waiter **at = &l->head;

	while (*at && *at != w)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = w->next;
	if (!*at)
		l->tail = at;
	w->queued = false;
	return true;
}

void waiter_call_all(struct store *st, struct waiter_list *l, enum err err)
{
	waiters_move(l, &st->calling);
	while (st->calling.head) {
		struct store_waiter *w = st->calling.head;

		st->calling.head = w->next;
		w->queued = false;
		w->next = NULL;
		w->fn(w, err); /* may be gone after this line */
	}
}

/* What is left of a transaction that is gone, in memory. */
static void forget_written(struct store *st)
{
	store_forget_but_events(st);
	st->pos_limit = st->pos; /* the note may be gone too: make a new one */
	feed_rolled_back(st);
}

/* The open SQLite transaction is gone, or goes now. */
static void fail_open(struct store *st, enum err err)
{
	assert(st->depth == 0);
	if (st->db && !sqlite3_get_autocommit(st->db))
		(void)sqlite3_exec(st->db, "ROLLBACK", NULL, NULL, NULL);
	st->open = false;
	st->lost = ERR_OK;
	st->tx_err = ERR_OK;
	feed_drop(&st->now);
	waiters_move(&st->now.waiters, &st->failed);
	st->failed_err = err;
	loop_defer(st->loop, &st->turn_end);
	event_index_forget(st);
	forget_written(st);
}

void batch_check_lost(struct store *st, enum err err)
{
	if (st->open && !st->lost && sqlite3_get_autocommit(st->db))
		st->lost = err ? err : ERR_IO;
}

static void durable(struct store *st)
{
	struct batch b = st->in_flight;

	st->in_flight = (struct batch){ 0 };
	st->health.failing = false;
	st->health.text[0] = 0;
	if (b.pos > st->durable_pos)
		st->durable_pos = b.pos;
	waiter_call_all(st, &b.waiters, ERR_OK);
	feed_deliver(st, &b);
}

static void sync_run(struct disk_job *j)
{
	struct store *st = CONTAINER_OF(j, struct store, sync);

	j->failed = wal_vfs_sync(st->sync_file, WAL_SYNC_FLAGS) != SQLITE_OK;
}

/*
 * The kernel tells of pages that it could not write once, and takes them for clean afterwards:
 * a second sync proves nothing. So nothing more is asked of this connection; what the WAL holds
 * is read and written again, synced, and brought into the database, before anyone is served.
 */
static void sync_failed(struct store *st)
{
	struct batch b = st->in_flight;

	st->in_flight = (struct batch){ 0 };
	store_failing(st, ERR_IO, "the write-ahead log could not be synced");
	waiters_move(&b.waiters, &st->failed);
	fail_open(st, ERR_IO);
	checkpoint_end_passes(st); /* they hold on to what SQLite counts as done */
	store_down(st);
	if (store_up(st) == ERR_OK)
		feed_deliver(st, &b); /* committed, so it is there after all */
	else
		feed_drop(&b);
	waiter_call_all(st, &st->failed, ERR_IO);
}

static void sync_ended(struct store *st)
{
	st->syncing = false;
	st->health.syncs++;
	if (atomic_exchange(&st->sync_lost, false) || st->sync.failed) {
		sync_failed(st);
		return;
	}
	marker_set(st);
	durable(st);
}

static void sync_done(struct disk_job *j)
{
	struct store *st = CONTAINER_OF(j, struct store, sync);

	sync_ended(st);
	loop_defer(st->loop, &st->turn_end);
}

static int on_wal(void *arg, sqlite3 *db, const char *schema, int frames)
{
	struct store *st = arg;

	(void)db;
	(void)schema;
	st->wrote = true;
	st->frames = frames;
	return SQLITE_OK;
}

static void on_row(void *arg, int op, const char *schema, const char *table, sqlite3_int64 row)
{
	(void)op;
	(void)schema;
	(void)row;
	login_cache_changed(arg, table);
}

void batch_watch(struct store *st)
{
	(void)sqlite3_update_hook(st->db, on_row, st);
	(void)sqlite3_wal_hook(st->db, on_wal, st);
}

static enum err commit(struct store *st)
{
	enum err err;

	st->wrote = false;
	err = st->lost ? st->lost : run(st, Q_COMMIT);
	if (err) {
		bool sync = sql_sync_failed(st->db);

		store_failing(st, err, sqlite3_errmsg(st->db));
		fail_open(st, err);
		if (sync) {
			checkpoint_end_passes(st);
			store_down(st);
		}
		return err;
	}
	st->open = false;
	st->in_flight = st->now;
	st->in_flight.pos = st->pos;
	st->now = (struct batch){ 0 };
	st->now.feed_tail = &st->now.feed;
	st->health.batches += st->wrote;
	return ERR_OK;
}

static void start_sync(struct store *st)
{
	st->sync_file = NULL;
	if (sqlite3_file_control(st->db, "main", SQLITE_FCNTL_JOURNAL_POINTER,
		    &st->sync_file) != SQLITE_OK ||
		!st->sync_file || !st->sync_file->pMethods) {
		st->sync.failed = true;
		sync_ended(st);
		return;
	}
	st->syncing = true;
	disk_sync(st->disk, &st->sync, wal_vfs_fd(st->sync_file));
	checkpoint_after_commit(st, st->frames);
}

static void commit_and_sync(struct store *st)
{
	if (commit(st) != ERR_OK) {
		waiter_call_all(st, &st->failed, st->failed_err);
		return;
	}
	if (st->wrote && st->durability != STORE_FULL) {
		start_sync(st);
		return;
	}
	if (st->wrote && atomic_exchange(&st->sync_lost, false)) {
		sync_failed(st);
		return;
	}
	if (st->wrote) {
		checkpoint_after_commit(st, st->frames);
		marker_set(st);
	}
	durable(st);
}

static void on_turn_end(struct loop_deferred *d)
{
	struct store *st = CONTAINER_OF(d, struct store, turn_end);

	assert(st->depth == 0); /* transactions end in the turn in which they began */
	/* Behind whatever else was deferred in this turn: that may want to write, too. */
	st->turn_again = !st->turn_again;
	if (st->turn_again) {
		loop_defer(st->loop, d);
		return;
	}
	batch_read_end(st);
	waiter_call_all(st, &st->failed, st->failed_err);
	if (st->syncing)
		return; /* its end comes back here */
	if (st->db && (wal_vfs_failed(st->wal_vfs) || atomic_load(&st->sync_lost)))
		sync_failed(st); /* that of a checkpoint, or SQLite's own */
	if (st->open)
		commit_and_sync(st);
	else
		waiter_call_all(st, &st->now.waiters, ERR_OK);
}

void batch_init(struct store *st)
{
	st->turn_end.fn = on_turn_end;
	st->sync.run = sync_run;
	st->sync.done = sync_done;
	st->now.feed_tail = &st->now.feed;
}

void batch_finish(struct store *st)
{
	assert(st->depth == 0);
	waiter_call_all(st, &st->ready, ERR_CANCELLED); /* they may wait for the disk next */
	for (int i = 0; i < 3 && (st->syncing || st->open); i++) {
		if (st->syncing) {
			disk_wait(st->disk, &st->sync);
			sync_ended(st);
		}
		if (st->open)
			commit_and_sync(st);
	}
	batch_read_end(st);
	loop_undefer(st->loop, &st->turn_end);
	waiter_call_all(st, &st->failed, st->failed_err);
	waiter_call_all(st, &st->now.waiters, st->open ? ERR_CANCELLED : ERR_OK);
	feed_drop(&st->now);
}

void batch_read(struct store *st)
{
	if (st->open || st->reading || !st->db || !st->loop)
		return;
	st->reading = run(st, Q_READ) == ERR_OK;
	if (st->reading)
		loop_defer(st->loop, &st->turn_end);
}

void batch_read_end(struct store *st)
{
	if (!st->reading)
		return;
	/* An error may have ended it, or the connection. Reads have nothing to lose. */
	if (st->db && !sqlite3_get_autocommit(st->db))
		(void)run(st, Q_COMMIT);
	st->reading = false;
}

/* What this turn has read already goes on as the transaction that writes: nobody else has
 * written meanwhile. */
static bool read_on(struct store *st)
{
	bool on = st->reading && st->db && !sqlite3_get_autocommit(st->db) &&
		run(st, Q_WRITE) == ERR_OK;

	if (on)
		st->reading = false;
	else
		batch_read_end(st);
	return on;
}

static enum err begin_batch(struct store *st)
{
	enum err err;

	if (st->open)
		return ERR_OK;
	if (st->health.read_only)
		return ERR_CORRUPT;
	err = store_up(st);
	if (err)
		return err;
	checkpoint_before_begin(st);
	err = read_on(st) ? ERR_OK : run(st, Q_BEGIN);
	if (err)
		return err;
	st->open = true;
	loop_defer(st->loop, &st->turn_end);
	return ERR_OK;
}

enum err store_begin(struct store *st)
{
	bool first = !st->open;
	enum err err = ERR_OK;

	assert(st->depth < STORE_DEPTH_MAX);
	if (st->depth == 0)
		err = begin_batch(st);
	if (!err && !first)
		err = run(st, Q_SAVEPOINT);
	if (err) {
		if (st->depth == 0 && st->lost)
			fail_open(st, err);
		return err;
	}
	st->marks[st->depth++] = (struct mark){ .feed_tail = st->now.feed_tail,
		.changes = sqlite3_total_changes64(st->db),
		.first = first,
		.event_index = event_index_mark(st) };
	return ERR_OK;
}

static enum err undo(struct store *st, const struct mark *mark)
{
	enum err err = run(st, mark->first ? Q_ROLLBACK : Q_ROLLBACK_TO);

	if (!err && mark->first)
		st->open = false; /* the next one begins a new batch */
	return err || mark->first ? err : run(st, Q_RELEASE);
}

void store_rollback(struct store *st)
{
	const struct mark *mark;
	bool changed;

	assert(st->depth > 0);
	mark = &st->marks[--st->depth];
	changed = sqlite3_total_changes64(st->db) != mark->changes;
	if (!st->lost && undo(st, mark) && !st->lost)
		st->lost = ERR_IO; /* what can't be undone is not committed */
	if (st->lost) {
		if (st->depth == 0)
			fail_open(st, st->lost);
		return;
	}
	st->now.feed_tail = mark->feed_tail;
	*st->now.feed_tail = NULL;
	if (st->depth == 0)
		st->tx_err = ERR_OK;
	if (!changed)
		return;
	event_index_undo(st, &mark->event_index);
	forget_written(st);
}

enum err store_commit(struct store *st)
{
	enum err err = st->lost ? st->lost : st->tx_err;

	assert(st->depth > 0);
	if (!err && !st->marks[st->depth - 1].first)
		err = run(st, Q_RELEASE);
	if (err) {
		store_rollback(st);
		return err;
	}
	st->depth--;
	return ERR_OK;
}

enum err store_end(struct store *st, enum err err)
{
	if (!err)
		return store_commit(st);
	store_rollback(st);
	return err;
}

bool store_in_transaction(const struct store *st)
{
	return st->depth > 0;
}

void store_durable(struct store *st, struct store_waiter *w)
{
	if (st->syncing && !st->open) {
		waiter_add(&st->in_flight.waiters, w);
		return;
	}
	waiter_add(&st->now.waiters, w);
	if (!st->syncing)
		loop_defer(st->loop, &st->turn_end);
}

void store_durable_cancel(struct store *st, struct store_waiter *w)
{
	if (!w->queued)
		return;
	if (!waiter_remove(&st->now.waiters, w) && !waiter_remove(&st->in_flight.waiters, w) &&
		!waiter_remove(&st->failed, w) && !waiter_remove(&st->ready, w))
		(void)waiter_remove(&st->calling, w);
}

int64_t store_next_pos(struct store *st)
{
	assert(st->depth > 0);
	if (st->pos >= st->pos_limit) {
		CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_BATCH, Q_POS);
		enum err err;

		stmt_bind_i64(q, 1, st->pos + POS_RESERVE);
		err = stmt_run(q);
		if (err)
			st->tx_err = err;
		else
			st->pos_limit = st->pos + POS_RESERVE;
	}
	return ++st->pos;
}

int64_t store_last_pos(const struct store *st)
{
	return st->pos;
}

int64_t store_durable_pos(const struct store *st)
{
	return st->durable_pos;
}
