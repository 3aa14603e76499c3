#include "store/sql.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

enum err sql_err(int rc)
{
	if (rc == SQLITE_IOERR_NOMEM || rc == SQLITE_IOERR_SHMMAP)
		return rc == SQLITE_IOERR_NOMEM ? ERR_NOMEM : ERR_IO;
	if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
		rc == SQLITE_CONSTRAINT_ROWID)
		return ERR_EXISTS;
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return ERR_OK;
	case SQLITE_NOMEM: return ERR_NOMEM;
	case SQLITE_FULL: return ERR_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* SQL that the schema doesn't fit: not our schema, then */
		return ERR_CORRUPT;
	case SQLITE_TOOBIG: return ERR_TOO_LARGE;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH: return ERR_INVALID;
	case SQLITE_INTERRUPT: return ERR_CANCELLED;
	default: return ERR_IO;
	}
}

enum err sql_exec(sqlite3 *db, const char *sql)
{
	return sql_err(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

enum err sql_int(sqlite3 *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *q;
	int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);

	if (rc != SQLITE_OK)
		return sql_err(rc);
	rc = sqlite3_step(q);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return rc == SQLITE_DONE ? ERR_NOT_FOUND : sql_err(rc);
}

bool sql_is(sqlite3 *db, const char *sql, const char *text)
{
	sqlite3_stmt *q;
	bool is = false;

	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
		return false;
	if (sqlite3_step(q) == SQLITE_ROW) {
		const char *got = (const char *)sqlite3_column_text(q, 0);

		is = got && strcmp(got, text) == 0;
	}
	sqlite3_finalize(q);
	return is;
}

static void harden(sqlite3 *db)
{
	static const struct {
		int id;
		int value;
	} limits[] = {
		{ SQLITE_LIMIT_LENGTH, 64 * 1024 * 1024 },
		{ SQLITE_LIMIT_SQL_LENGTH, 256 * 1024 },
		{ SQLITE_LIMIT_COLUMN, 64 },
		{ SQLITE_LIMIT_EXPR_DEPTH, 100 },
		{ SQLITE_LIMIT_COMPOUND_SELECT, 10 },
		{ SQLITE_LIMIT_FUNCTION_ARG, 16 },
		{ SQLITE_LIMIT_ATTACHED, 0 },
		{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000 },
		{ SQLITE_LIMIT_VARIABLE_NUMBER, 64 },
		{ SQLITE_LIMIT_TRIGGER_DEPTH, 4 },
		{ SQLITE_LIMIT_WORKER_THREADS, 0 },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		(void)sqlite3_limit(db, limits[i].id, limits[i].value);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
}

enum err sql_open(
	const char *path, int flags, const char *vfs, sqlite3 **out, struct err_ctx *why)
{
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(path, &db,
		flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE,
		vfs);

	if (rc != SQLITE_OK) {
		(void)err_set(why, sql_err(rc), "%s: %s", path,
			db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
		sqlite3_close(db);
		return sql_err(rc);
	}
	harden(db);
	*out = db;
	return ERR_OK;
}

bool sql_sync_failed(sqlite3 *db)
{
	int rc = sqlite3_extended_errcode(db);

	return rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC;
}

enum err sql_checkpoint(sqlite3 *db, int mode, int *log, int *done)
{
	int frames = 0;
	int written = 0;
	int rc = sqlite3_wal_checkpoint_v2(db, NULL, mode, &frames, &written);

	if (rc != SQLITE_OK && rc != SQLITE_BUSY)
		return sql_err(rc);
	if (log)
		*log = frames;
	if (done)
		*done = written;
	return ERR_OK;
}

enum err sql_quick_check(sqlite3 *db, char *text, size_t size)
{
	sqlite3_stmt *q;
	enum err err = ERR_OK;
	int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &q, NULL);

	if (rc == SQLITE_OK) {
		rc = sqlite3_step(q);
		if (rc == SQLITE_ROW) {
			const char *got = (const char *)sqlite3_column_text(q, 0);

			if (!got || strcmp(got, "ok") != 0) {
				(void)snprintf(text, size, "%s", got ? got : "?");
				err = ERR_CORRUPT;
			}
		}
		sqlite3_finalize(q);
	}
	if (err)
		return err;
	if (sql_err(rc) == ERR_CORRUPT)
		(void)snprintf(text, size, "%s", sqlite3_errmsg(db));
	return sql_err(rc);
}
