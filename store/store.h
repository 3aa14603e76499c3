/*
 * store: what a node remembers, in one SQLite database.
 *
 * architecture.md, "Nothing acknowledged is ever lost". All calls are for the loop thread and
 * synchronous; none waits for the disk. What is written between store_begin() and
 * store_commit() is seen by every later read at once, but is not yet safe: whoever shows it to
 * the outside (an answer, an event over /sync, a federation transaction) first waits with
 * store_durable(), or shows only what lies at or before store_durable_pos().
 *
 * Group commit. All transactions of a loop turn, and all made while the WAL is being synced,
 * are parts of one SQLite transaction (a batch; each but its first has a savepoint), which is
 * committed at the end of a turn and then synced, one batch at a time, by the kernel (aio.h) or
 * the store's own disk thread:
 *
 *     begin/commit ... --end of turn--> COMMIT --off the loop--> synced: waiters, feed
 *          next batch collects here  <---------- meanwhile
 *
 * Thus many writers share pages and one sync, and a lone writer pays for exactly one. When a
 * batch fails, nothing of it is stored: its waiters get the error, its feed items are dropped,
 * and every listener's rolled_back() is called, so that no cache keeps what never was. A failed
 * sync ends the connection: the store reopens, writes the whole WAL into the database with its
 * syncs, and only then serves again; what its waiters were told was an error may then turn out
 * to be stored, as with any answer that gets lost.
 *
 * Page size 1024, since a commit writes one page of every B-tree that it touches, twice (WAL,
 * checkpoint). KiB written for an event alone, and with 16 senders, and MiB of database for
 * 10,000 encrypted events (tests/bench/bench_store.c): 1024: 14.2, 5.8, 12.9; 2048: 19.4, 7.8,
 * 20.9; 4096: 29.6, 11.3, 14.6. The WAL begins anew before it is 6 MiB: a commit that
 * overwrites an old part of the file needs no change of its length on disk, which took half of
 * the time of a sync (16 senders: 1,900 events a second instead of 800 on a busy machine).
 */
#ifndef KITH_STORE_STORE_H
#define KITH_STORE_STORE_H

#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/loop.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;
struct uv_loop_s;

enum store_durability {
	STORE_WAL_SYNC, /* group commit with the sync on the disk thread */
	STORE_FULL /* synchronous=FULL: each batch's commit waits for the disk, on the loop */
};

struct store_options {
	const char *path;       /* the database file; its folder exists */
	struct str server_name; /* ours, copied: which users are local */
	struct loop *loop;      /* outlives the store */
	/* The uv loop behind loop, for the disk thread's wake-up. NULL: no thread; the loop
	 * waits for syncs (simulations on a virtual clock). */
	struct uv_loop_s *uv;
	const struct log *log; /* NULL: none; outlives the store */
	enum store_durability durability;
	unsigned cache_kib;      /* SQLite's page cache; 0: 1024 */
	unsigned checkpoint_kib; /* of WAL between checkpoints; 0: 2048 */
	unsigned wal_limit_kib;  /* of WAL, past which new writes are held back; 0: 6144 */
	unsigned page_size;      /* of a new database; 0: 1024. For measuring */
	/* It was there before: a database that is missing or empty is refused, not made. */
	bool must_exist;
	const char *vfs; /* an SQLite VFS of this process: for tests; NULL: the default */
};

/* Opens or creates, and migrates. A database of a newer schema than this program knows, one
 * that is no database, or a damaged one is refused: ERR_INVALID, ERR_CORRUPT, ERR_IO, ERR_FULL
 * with the reason in why. Everything committed before is on disk when this returns. After an
 * unclean end the whole file is checked on the thread pool; if that finds damage, the store
 * logs it and refuses writes (store_health). *out is owned: store_close(). */
enum err store_open(
	const struct store_options *o, struct store **out, struct err_ctx *why) MUST_CHECK;

/* Commits and syncs what is open and answers all waiters (ERR_CANCELLED when that failed), so
 * that nothing of a caller's is waited for any more. Waits for the disk. Not from inside a
 * transaction or a store callback. */
void store_finish(struct store *st);

/* store_finish(), then writes the WAL into the database and removes it. NULL is fine. */
void store_close(struct store *st);

struct str store_server_name(const struct store *st);

/* Transactions nest. Each store_begin() that returned ERR_OK is ended by one of the others, in
 * the same turn of the loop. store_begin fails with ERR_IO, ERR_FULL or ERR_CORRUPT (damage was
 * found: read only). After an error from any statement the transaction is to be rolled back;
 * store_commit() of one whose batch SQLite gave up returns the reason. */
enum err store_begin(struct store *st) MUST_CHECK;
enum err store_commit(struct store *st) MUST_CHECK;
void store_rollback(struct store *st);
/* The usual end: commits if err is ERR_OK, else rolls back; returns what went wrong. */
enum err store_end(struct store *st, enum err err) MUST_CHECK;
bool store_in_transaction(const struct store *st);

/* While the last pass over a WAL of wal_limit_kib runs, new writes would keep it from starting
 * again. Who can put off its work (requests of clients and of other servers) asks first: false
 * means that w is called when it is over, in order of asking: ERR_OK, go on without asking
 * again; ERR_CANCELLED, the store closes. store_begin() doesn't ask: it makes the pass begin
 * anew behind it, and waits on the loop only where that has gone on for 8 wal_limit_kib. */
struct store_waiter {
	void (*fn)(struct store_waiter *w, enum err err);
	struct store_waiter *next; /* private to the store */
	bool queued;               /* private to the store */
};
bool store_ready(struct store *st, struct store_waiter *w);

/* Calls w->fn on the loop, never before returning, once everything committed so far is on disk
 * (ERR_OK), or cannot be (ERR_IO, ERR_FULL, ERR_CANCELLED). With nothing outstanding that is
 * the end of this turn. w is the caller's, untouched until called; not inside a transaction
 * that is still to commit: what it writes is then not covered. Waiters are called in order. */
void store_durable(struct store *st, struct store_waiter *w);
/* Forgets w; harmless if it isn't waiting. */
void store_durable_cancel(struct store *st, struct store_waiter *w);

/* The next number of the one stream that orders everything; greater than all before, also after
 * a restart. Inside a transaction; numbers of one that is rolled back are never used again. */
int64_t store_next_pos(struct store *st);
/* The last number given out, also inside what is not yet safe: up to where an answer read that
 * will be held until that is durable. */
int64_t store_last_pos(const struct store *st);
/* All that has at most this position is on disk: what the outside may see, and what a sync
 * token may say. Never goes down. */
int64_t store_durable_pos(const struct store *st);

/*
 * The feed: what moved, told in order once it is durable.
 */
enum feed_kind {
	FEED_EVENT,      /* room_id, pos: an event joined the timeline; user_id is its sender */
	FEED_STATE,      /* room_id, pos: current state changed */
	FEED_MEMBERSHIP, /* room_id, user_id, pos: a membership changed */
	FEED_RECEIPT,    /* room_id, user_id */
	FEED_TYPING,     /* room_id */
	FEED_PRESENCE,   /* user_id */
	FEED_ACCOUNT_DATA, /* user_id, room_id or empty */
	FEED_TO_DEVICE,    /* user_id, device_id */
	FEED_DEVICE_LIST,  /* user_id */
	FEED_KEY_COUNTS,   /* user_id, device_id */
	FEED_OUTBOX,       /* destination */
	FEED_PROFILE,      /* user_id */
	FEED_TOKEN_REVOKED /* user_id, device_id */
};

struct feed_item {
	enum feed_kind kind;
	int64_t pos;
	struct str room_id;
	struct str user_id;
	struct str device_id;
	struct str destination;
	bool local;        /* of FEED_EVENT: this server made it (STORE_LOCAL)... */
	struct str member; /* ... and it is this user's m.room.member event; else empty */
};

/* Inside a transaction; strings are copied. Dropped when the transaction is rolled back. */
void store_feed(struct store *st, const struct feed_item *item);
/* For what never touches the disk: told at the end of this turn. Anywhere. */
void store_feed_now(struct store *st, const struct feed_item *item);

struct store_listener {
	/* item is borrowed. May call anything of the store, also store_begin(). May be NULL. */
	void (*item)(void *arg, const struct feed_item *item);
	/* Something that was written is gone again (a batch failed, or a transaction was rolled
	 * back): drop what was cached of it. Called at once, from inside store_commit() or
	 * store_rollback() too, so it may free nothing that their callers hold, nor call the
	 * store. May be NULL. */
	void (*rolled_back)(void *arg);
	void *arg;
	struct store_listener *next; /* private to the store */
};
/* l is the caller's and stays until store_unlisten(). Listeners are called in order of
 * listening. */
void store_listen(struct store *st, struct store_listener *l);
void store_unlisten(struct store *st, struct store_listener *l);

/* What the node shows of its store. */
struct store_health {
	bool read_only; /* damage was found */
	bool failing;   /* the last batch failed */
	int64_t wal_bytes;
	uint64_t batches; /* commits so far */
	uint64_t syncs;   /* of the WAL by the disk thread */
	uint64_t checkpoints;
	char text[200]; /* what is wrong; empty: nothing */
};
void store_health(const struct store *st, struct store_health *out);

/* Checks a database file without changing it (kith check): SQLite's own quick_check, the
 * schema's version, and what must hold between tables. Each finding is one line to fn. ERR_OK
 * when all is well, ERR_CORRUPT after findings, ERR_IO when the file can't be read. Any thread,
 * also beside a running node. */
enum err store_check(
	const char *path, void (*fn)(void *arg, const char *line), void *arg) MUST_CHECK;

#endif
