#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "node/base/alloc.h"
#include "store/auth_nid.h"
#include "store/internal.h"
#include "store/migrate.h"
#include "store/sql.h"
#include "store/wal_vfs.h"

#define LOG_MODULE "store"

#define RETRY_MS 1000 /* between attempts to open a store that is down */

static unsigned or_else(unsigned v, unsigned otherwise)
{
	return v ? v : otherwise;
}

static struct store *new_store(const struct store_options *o)
{
	struct store *st = NEW(struct store);

	st->loop = o->loop;
	st->log = o->log;
	st->path = xstrdup(str_of(o->path));
	st->vfs = o->vfs ? xstrdup(str_of(o->vfs)) : NULL;
	st->server_name = xstrdup(o->server_name);
	st->durability = o->durability;
	st->cache_kib = or_else(o->cache_kib, 1024);
	st->checkpoint_kib = or_else(o->checkpoint_kib, 2048);
	st->wal_limit_kib = or_else(o->wal_limit_kib, 6144);
	st->page_size = or_else(o->page_size, 1024);
	batch_init(st);
	name_init(st);
	return st;
}

void store_forget_but_events(struct store *st)
{
	name_forget_all(st);
	auth_nid_forget_all(st);
	login_cache_changed(st, NULL);
	server_cache_forget(st);
}

void store_forget(struct store *st)
{
	event_index_forget(st);
	store_forget_but_events(st);
}

static void free_store(struct store *st)
{
	feed_deinit(st);
	db_deinit(st);
	store_forget(st);
	disk_free(st->disk);
	wal_vfs_free(st->wal_vfs);
	free(st->path);
	free(st->vfs);
	free(st->server_name);
	free(st);
}

/* The database belongs to its owner alone (security.md K1); SQLite gives its mode to the WAL.
 */
static enum err create_private(const char *path, struct err_ctx *why)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set(why, errno == ENOSPC ? ERR_FULL : ERR_IO, "%s: %s", path,
			strerror(errno));
	(void)close(fd);
	return ERR_OK;
}

static bool has_wal(const struct store *st)
{
	char name[4096];
	struct stat file;

	(void)snprintf(name, sizeof(name), "%s-wal", st->path);
	return stat(name, &file) == 0 && file.st_size > 0;
}

static enum err configure(struct store *st)
{
	char text[320];
	int64_t page_size;
	enum err err;

	/* temp_store: a large transaction's undo log stays in memory, not in /tmp. */
	(void)snprintf(text, sizeof(text),
		"PRAGMA page_size = %u; PRAGMA cache_size = -%u; PRAGMA temp_store = MEMORY;"
		"PRAGMA secure_delete = FAST; PRAGMA wal_autocheckpoint = 0;"
		"PRAGMA checkpoint_fullfsync = 1; PRAGMA synchronous = FULL;"
		"PRAGMA mmap_size = 0",
		st->page_size, st->cache_kib);
	err = sql_exec(st->db, text);
	if (!err && !sql_is(st->db, "PRAGMA journal_mode = WAL", "wal"))
		err = sqlite3_errcode(st->db) ? sql_err(sqlite3_errcode(st->db)) : ERR_IO;
	if (!err)
		err = sql_int(st->db, "PRAGMA page_size", &page_size);
	if (!err)
		st->page_size = (unsigned)page_size;
	return err;
}

/* Opens, migrates, and brings all that was committed before onto the disk. */
static enum err connect(struct store *st, struct err_ctx *why)
{
	bool unclean = has_wal(st);
	enum err err = sql_open(st->path,
		SQLITE_OPEN_READWRITE | (st->opened ? 0 : SQLITE_OPEN_CREATE),
		wal_vfs_name(st->wal_vfs), &st->db, why);

	if (err)
		return err;
	(void)sqlite3_db_config(st->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_busy_timeout(st->db, 2000);
	err = configure(st);
	if (err)
		return err_set(why, err, "%s: %s", st->path, sqlite3_errmsg(st->db));
	err = migrate(st->db, st->path, migrate_latest(), st->log, why);
	if (err)
		return err;
	if (unclean) {
		err = checkpoint_all(st);
		if (err)
			return err_set(why, err,
				"%s: what was written last could not be put in "
				"place: %s",
				st->path, sqlite3_errmsg(st->db));
	}
	err = store_own(st, why);
	if (err)
		return err;
	if (st->durability != STORE_FULL)
		err = sql_exec(st->db, "PRAGMA synchronous = NORMAL");
	if (!err)
		err = sql_int(
			st->db, "SELECT value FROM meta WHERE key = 'pos'", &st->pos_limit);
	if (err)
		return err_set(why, err, "%s: %s", st->path, sqlite3_errmsg(st->db));
	batch_watch(st);
	return ERR_OK;
}

void store_down(struct store *st)
{
	db_finalize_all(st);
	if (st->db)
		(void)sqlite3_close(st->db);
	st->db = NULL;
	st->reading = false;
	st->retry_ms = 0;
	atomic_store(&st->sync_lost, false);
}

enum err store_up(struct store *st)
{
	struct err_ctx why = { 0 };
	enum err err;

	if (st->db)
		return ERR_OK;
	if (loop_now_ms(st->loop) < st->retry_ms)
		return ERR_IO;
	err = sql_err(wal_vfs_mend(st->wal_vfs, st->path));
	if (!err)
		err = connect(st, &why);
	/* Also where there is no WAL to be seen: it may just have been emptied. */
	if (!err)
		err = checkpoint_all(st);
	if (err) {
		store_failing(st, err, why.text);
		store_down(st);
		st->retry_ms = loop_now_ms(st->loop) + RETRY_MS;
		return err == ERR_FULL ? err : ERR_IO;
	}
	store_forget(st);
	if (st->pos < st->pos_limit)
		st->pos = st->pos_limit;
	st->pos_limit = st->pos;
	st->durable_pos = st->pos;
	log_info(st->log, "the database is open again");
	return ERR_OK;
}

void store_failing(struct store *st, enum err err, const char *what)
{
	/* A disk that fails now and then: each write that succeeds would begin a new line. */
	if (!st->health.failing && st->loop &&
		log_limit(&st->failures, loop_now_ms(st->loop))) {
		log_error(st->log, "%s: %s (%u more like it)", err_name(err), what,
			st->failures.dropped);
		st->failures.dropped = 0;
	}
	st->health.failing = true;
	(void)snprintf(st->health.text, sizeof(st->health.text), "%s", what);
}

enum err store_open(const struct store_options *o, struct store **out, struct err_ctx *why)
{
	struct store *st = new_store(o);
	bool unclean = has_wal(st);
	enum err err = o->vfs ? ERR_OK : marker_check(o->path, o->must_exist, why);

	if (!err && !o->vfs)
		err = create_private(o->path, why);
	if (!err)
		err = wal_vfs_new(o->vfs, &st->wal_vfs);
	if (!err)
		err = disk_new(o->loop, o->uv, &st->disk);
	if (!err)
		err = connect(st, why);
	if (err) {
		(void)err_set(why, err, "%s: can't be opened", o->path);
		store_down(st);
		free_store(st);
		return err;
	}
	st->opened = true;
	st->pos = st->pos_limit;
	st->durable_pos = st->pos;
	if (unclean)
		checkpoint_check_file(st);
	*out = st;
	return ERR_OK;
}

void store_finish(struct store *st)
{
	batch_finish(st);
}

void store_close(struct store *st)
{
	if (!st)
		return;
	store_finish(st);
	checkpoint_stop(st);
	batch_read_end(st);
	/* Behind a failed sync the next start does it, from the log's beginning. */
	if (st->db && !atomic_load(&st->sync_lost) && checkpoint_all(st) == ERR_OK &&
		marker_clear(st))
		(void)sqlite3_db_config(st->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	store_down(st);
	free_store(st);
}

struct str store_server_name(const struct store *st)
{
	return str_of(st->server_name);
}

void store_health(const struct store *st, struct store_health *out)
{
	*out = st->health;
}
