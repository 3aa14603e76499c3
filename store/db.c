#include "store/db.h"

#include <assert.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "node/base/alloc.h"
#include "store/internal.h"
#include "store/sql.h"

#define LOG_MODULE "store"

static const struct stmt_table *const tables[N_STMT_TABLES] = {
#define X(upper, lower) [T_##upper] = &lower##_stmts,
	STMT_TABLES(X)
#undef X
};

const struct stmt_table *stmt_table(enum stmt_table_id id)
{
	return tables[id];
}

static void prepare(struct stmt *q, enum stmt_table_id table, unsigned i)
{
	struct store *st = q->st;
	int rc;

	if (!st->db) {
		q->err = ERR_IO;
		return;
	}
	rc = sqlite3_prepare_v3(st->db, tables[table]->sql[i], -1,
		q->extra ? 0 : SQLITE_PREPARE_PERSISTENT, &q->h, NULL);
	if (rc == SQLITE_OK)
		return;
	q->h = NULL;
	q->err = sql_err(rc);
	log_error(
		st->log, "statement %s %u: %s", tables[table]->name, i, sqlite3_errmsg(st->db));
	batch_check_lost(st, q->err);
}

struct stmt *stmt_get(struct store *st, enum stmt_table_id table, unsigned i)
{
	struct stmt *q;

	assert(i < tables[table]->n);
	/* A read is reason enough to try a store that is down again: each request begins with
	 * one. (A reader has no loop, and does not go down.) */
	if (!st->db && st->loop && st->depth == 0 && store_up(st) == ERR_OK)
		assert(st->db);
	if (st->depth == 0 && table != T_BATCH)
		batch_read(st);
	if (!st->stmts[table])
		st->stmts[table] = xcalloc(tables[table]->n, sizeof(*q));
	q = &st->stmts[table][i];
	if (q->busy) {
		q = NEW(struct stmt);
		q->extra = true;
	}
	q->st = st;
	q->busy = true;
	q->err = ERR_OK;
	if (st->lost)
		q->err = st->lost; /* outside of a transaction now: nothing may run */
	else if (!q->h)
		prepare(q, table, i);
	return q;
}

void stmt_reset(struct stmt *q)
{
	if (!q)
		return;
	if (q->extra) {
		sqlite3_finalize(q->h);
		free(q);
		return;
	}
	if (q->h) {
		(void)sqlite3_reset(q->h);
		(void)sqlite3_clear_bindings(q->h);
	}
	q->busy = false;
}

void stmt_resetp(struct stmt **q)
{
	stmt_reset(*q);
	*q = NULL;
}

void db_finalize_all(struct store *st)
{
	for (size_t t = 0; t < N_STMT_TABLES; t++) {
		for (size_t i = 0; st->stmts[t] && i < tables[t]->n; i++) {
			sqlite3_finalize(st->stmts[t][i].h);
			st->stmts[t][i].h = NULL;
		}
	}
}

void db_deinit(struct store *st)
{
	db_finalize_all(st);
	for (size_t t = 0; t < N_STMT_TABLES; t++) {
		free(st->stmts[t]);
		st->stmts[t] = NULL;
	}
}

static void bound(struct stmt *q, int rc)
{
	if (rc == SQLITE_OK)
		return;
	assert(rc != SQLITE_RANGE && rc != SQLITE_MISUSE);
	q->err = sql_err(rc);
}

void stmt_bind_i64(struct stmt *q, int at, int64_t v)
{
	if (!q->err)
		bound(q, sqlite3_bind_int64(q->h, at, v));
}

void stmt_bind_i64_or_null(struct stmt *q, int at, int64_t v)
{
	if (v)
		stmt_bind_i64(q, at, v);
	else
		stmt_bind_null(q, at);
}

void stmt_bind_str(struct stmt *q, int at, struct str s)
{
	if (!q->err)
		bound(q,
			sqlite3_bind_text64(
				q->h, at, s.n ? s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8));
}

void stmt_bind_text_or_null(struct stmt *q, int at, struct str s)
{
	if (s.n)
		stmt_bind_str(q, at, s);
	else
		stmt_bind_null(q, at);
}

void stmt_bind_blob(struct stmt *q, int at, struct str s)
{
	if (!q->err)
		bound(q, sqlite3_bind_blob64(q->h, at, s.n ? s.p : "", s.n, SQLITE_STATIC));
}

void stmt_bind_null(struct stmt *q, int at)
{
	if (!q->err)
		bound(q, sqlite3_bind_null(q->h, at));
}

void stmt_again(struct stmt *q)
{
	if (q->h)
		(void)sqlite3_reset(q->h);
}

bool stmt_row(struct stmt *q)
{
	int rc;

	if (q->err)
		return false;
	if (q->st->lost) {
		q->err = q->st->lost;
		return false;
	}
	rc = sqlite3_step(q->h);
	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE) {
		q->err = sql_err(rc);
		if (q->err != ERR_EXISTS)
			store_failing(q->st, q->err, sqlite3_errmsg(q->st->db));
		(void)sqlite3_reset(q->h);
		batch_check_lost(q->st, q->err);
	}
	return false;
}

enum err stmt_err(const struct stmt *q)
{
	return q->err;
}

enum err stmt_none(const struct stmt *q)
{
	return q->err ? q->err : ERR_NOT_FOUND;
}

enum err stmt_run(struct stmt *q)
{
	while (stmt_row(q))
		;
	if (q->h)
		(void)sqlite3_reset(q->h);
	return q->err;
}

enum err stmt_run_changed(struct stmt *q, int64_t *n)
{
	enum err err = stmt_run(q);

	if (!err)
		*n = sqlite3_changes64(q->st->db);
	return err;
}

int64_t stmt_i64(struct stmt *q, int col)
{
	return sqlite3_column_int64(q->h, col);
}

struct str stmt_str(struct stmt *q, int col)
{
	const char *p = sqlite3_column_blob(q->h, col);
	int n = sqlite3_column_bytes(q->h, col);

	return (struct str){ p ? p : "", p && n > 0 ? (size_t)n : 0 };
}

bool stmt_is_null(struct stmt *q, int col)
{
	return sqlite3_column_type(q->h, col) == SQLITE_NULL;
}

struct str stmt_str_in(struct stmt *q, int col, struct arena *a)
{
	return arena_str(a, stmt_str(q, col));
}
