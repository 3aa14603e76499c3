/*
 * internal: what the files of the store's core share: store.c (opening, closing), batch.c
 * (transactions, durability), checkpoint.c, feed.c, db.c (statements), name.c. Nobody else
 * includes this.
 */
#ifndef KITH_STORE_INTERNAL_H
#define KITH_STORE_INTERNAL_H

#include <stdatomic.h>

#include "node/base/arena.h"
#include "node/base/map.h"
#include "store/db.h"
#include "store/disk.h"
#include "store/event_index.h"
#include "store/login_cache.h"
#include "store/server_cache.h"
#include "store/store.h"

struct outbox_now;
struct sqlite3;
struct sqlite3_stmt;
struct wal_vfs;

#define AUTH_NIDS 64 /* a power of two */

/* auth_nid.c */
struct auth_nid {
	char event_id[44]; /* '$' and 43 of base64; zeros: none */
	int64_t nid;
};

#define STORE_DEPTH_MAX 16 /* of nested transactions: our own code's nesting */

struct stmt {
	struct sqlite3_stmt *h;
	struct store *st;
	enum err err;
	bool busy;
	bool extra; /* made because the kept one was in use: freed at reset */
};

struct waiter_list {
	struct store_waiter *head;
	struct store_waiter **tail; /* NULL: empty, never used */
};

struct feed_node {
	struct feed_item item;
	struct feed_node *next;
};

/* What is committed and synced together. */
struct batch {
	struct waiter_list waiters;
	struct feed_node *feed;
	struct feed_node **feed_tail;
	struct arena *arena; /* the feed's; NULL until it has an item */
	int64_t pos;         /* when it is durable, so is everything up to here */
};

/* Where a transaction began. */
struct mark {
	struct feed_node **feed_tail;
	int64_t changes; /* rows that the connection had changed */
	bool first;      /* in its batch: undone with that, it needs no savepoint */
	struct event_index_mark event_index;
};

/* A checkpoint on a connection of its own; outlives a store that is closed meanwhile. */
struct checkpoint;

struct store {
	struct loop *loop;
	const struct log *log;
	char *path;              /* owned */
	char *vfs;               /* owned; NULL: the default */
	struct wal_vfs *wal_vfs; /* over it, for db */
	char *server_name;       /* owned */
	enum store_durability durability;
	unsigned cache_kib;
	unsigned checkpoint_kib;
	unsigned wal_limit_kib;
	unsigned page_size;
	struct sqlite3 *db; /* NULL: down, see store_up() */
	struct disk *disk;
	atomic_bool
		sync_lost; /* a checkpoint's sync failed: the next of the log says nothing */
	bool marked;       /* marker_set() was done */
	bool opened;       /* before: the file is not made again */
	uint64_t retry_ms; /* while down: not tried again before */

	/* batch.c */
	unsigned depth;      /* of transactions */
	bool open;           /* an SQLite transaction is */
	bool reading;        /* one that only has read so far is: batch_read() */
	bool wrote;          /* the last COMMIT added frames to the WAL... */
	bool syncing;        /* in_flight is */
	bool turn_again;     /* the end of the turn was put off once */
	int frames;          /* ... which then held so many */
	enum err lost;       /* SQLite gave the open one up; why */
	enum err tx_err;     /* store_next_pos failed: the transaction can't commit */
	enum err failed_err; /* for who is in failed */
	enum err hold_err;   /* of the last pass, as the next two */
	int hold_log;
	int hold_done;
	int wal_frames;         /* in the WAL since it last began anew */
	int wal_done;           /* of these, known to be in the database */
	bool holding;           /* the last pass runs... */
	bool hold_broken;       /* ... and was not waited for: it can't be the last one */
	struct batch now;       /* what collects, also before its first write */
	struct batch in_flight; /* what is being synced */
	struct disk_job sync;
	struct sqlite3_file *sync_file;
	struct loop_deferred turn_end;
	struct waiter_list calling; /* being called right now */
	struct waiter_list failed;  /* to be told failed_err at the end of this turn */
	struct mark marks[STORE_DEPTH_MAX];
	int64_t pos;       /* last given */
	int64_t pos_limit; /* given away as far as the database says */
	int64_t durable_pos;

	/* checkpoint.c, with hold_* and wal_* above */
	struct checkpoint *running;
	struct disk_job hold;
	struct waiter_list ready; /* for store_ready() */
	struct loop_deferred ready_soon;
	struct checkpoint *checking; /* the check after an unclean end */

	/* feed.c */
	struct store_listener *listeners;
	struct feed_node *soon; /* store_feed_now() */
	struct feed_node **soon_tail;
	struct arena *soon_arena;
	struct loop_deferred soon_deferred;

	const struct outbox_now *outbox_now; /* outbox.c */

	/* db.c */
	struct stmt *stmts[N_STMT_TABLES];

	struct auth_nid auth_nids[AUTH_NIDS];
	struct event_index event_index;
	struct login_kept logins[LOGIN_CACHE];
	struct room_servers room_servers[SERVER_CACHE];

	/* name.c */
	struct map names_by_text;
	struct map names_by_nid;

	struct log_limit failures;
	struct store_health health;
};

/* store.c */
enum err store_up(struct store *st) MUST_CHECK; /* opens again what went down */
void store_down(struct store *st);              /* finalizes and closes the connection */
void store_failing(struct store *st, enum err err, const char *what);
/* What is kept in memory of the database: all of it; all but event_index. */
void store_forget(struct store *st);
void store_forget_but_events(struct store *st);

/* batch.c */
void batch_init(struct store *st);
void batch_finish(struct store *st); /* commits and syncs now, waiting; answers all */
void batch_watch(struct store *st);  /* a new connection */
/* Before a read outside of transactions: all of a turn share one of SQLite's, and so what it
 * does before and after each on its own (locks of the WAL). A store_begin() goes on in it. */
void batch_read(struct store *st);
void batch_read_end(struct store *st);
/* After an error of SQLite: did it roll the whole transaction back? */
void batch_check_lost(struct store *st, enum err err);
void waiter_add(struct waiter_list *l, struct store_waiter *w);
void waiter_call_all(struct store *st, struct waiter_list *l, enum err err);

/* checkpoint.c */
void checkpoint_after_commit(struct store *st, int frames);
void checkpoint_before_begin(struct store *st); /* of an SQLite transaction */
void checkpoint_check_file(struct store *st);   /* quick_check on the pool */
void checkpoint_end_passes(struct store *st);   /* waits for those that run */
void checkpoint_stop(struct store *st);         /* before closing: nothing of ours runs after */
enum err checkpoint_all(struct store *st) MUST_CHECK; /* on the main connection, waiting */

/* marker.c: a log that is missing is noticed */
enum err marker_check(const char *path, bool must_exist, struct err_ctx *why) MUST_CHECK;
void marker_set(struct store *st);   /* the log has been synced */
bool marker_clear(struct store *st); /* it is about to be removed; false: it must not be */

/* owner.c */
enum err store_own(struct store *st, struct err_ctx *why) MUST_CHECK;

/* feed.c */
void feed_drop(struct batch *b);
void feed_deliver(struct store *st, struct batch *b);
void feed_rolled_back(struct store *st);
void feed_deinit(struct store *st);

/* db.c */
void db_finalize_all(struct store *st); /* those in use stay, and do nothing */
void db_deinit(struct store *st);

/* name.c */
void name_init(struct store *st);
void name_forget_all(struct store *st);

#endif
