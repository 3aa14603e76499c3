/*
 * sql: the few things that every user of an SQLite connection in store/ needs, besides
 * statements (db.h): errors, constant SQL, opening with our settings.
 */
#ifndef KITH_STORE_SQL_H
#define KITH_STORE_SQL_H

#include "node/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;

/* What an (extended) result code means to a caller. */
enum err sql_err(int rc);

/* Runs constant SQL. */
enum err sql_exec(struct sqlite3 *db, const char *sql) MUST_CHECK;
/* The first column of the first row. */
enum err sql_int(struct sqlite3 *db, const char *sql, int64_t *out) MUST_CHECK;
/* True if the first column of the first row is this text. */
bool sql_is(struct sqlite3 *db, const char *sql, const char *text);

/* Opens a connection with security.md P6 applied. flags: SQLITE_OPEN_*, without the threading
 * ones. *out is owned: sqlite3_close(). */
enum err sql_open(const char *path, int flags, const char *vfs, struct sqlite3 **out,
	struct err_ctx *why) MUST_CHECK;

/* Writes what is in the WAL into the database, with its syncs. mode: SQLITE_CHECKPOINT_*. log
 * and done (may be NULL): frames in the WAL, and of these written. ERR_OK also when some could
 * not be written because they are in use; -1 for both when another checkpoint is running. */
enum err sql_checkpoint(struct sqlite3 *db, int mode, int *log, int *done) MUST_CHECK;
/* Was that what failed last on this connection? */
bool sql_sync_failed(struct sqlite3 *db);

/* PRAGMA quick_check: ERR_CORRUPT with the first finding in text. */
enum err sql_quick_check(struct sqlite3 *db, char *text, size_t size) MUST_CHECK;

#endif
