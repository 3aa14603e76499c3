/*
 * db: statements, for the files of store/ alone.
 *
 * Each file that speaks SQL has one enum of its statements and one struct stmt_table, named in
 * STMT_TABLES below:
 *
 *     enum { Q_GET, Q_PUT, N_Q };
 *     static const char *const sql[N_Q] = { [Q_GET] = "SELECT ...", ... };
 *     const struct stmt_table profile_stmts = { "profile", sql, N_Q };
 *
 *     CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PROFILE, Q_GET);
 *     stmt_bind_str(q, 1, user_id);
 *     if (!stmt_row(q))
 *             return stmt_none(q);
 *     *out = arena_str(a, stmt_str(q, 0));
 *
 * A statement is prepared when it is first used and kept (all of them at open would cost every
 * idle node a megabyte and ten milliseconds); a test prepares every statement of every table
 * and looks at its query plan, so a typo fails there. Asking for a statement that is still in
 * use (a callback that comes back here) gives a second one.
 *
 * Errors stick: after a failed bind or step everything else on that statement does nothing and
 * stmt_run(), stmt_err() tell.
 */
#ifndef KITH_STORE_DB_H
#define KITH_STORE_DB_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line for each file with statements: the name in T_NAME and name_stmts. */
#define STMT_TABLES(X) \
	X(ACCOUNT, account) \
	X(ACCOUNT_DATA, account_data) \
	X(AUTH_CHAIN, auth_chain) \
	X(BACKUP, backup) \
	X(BATCH, batch) \
	X(CROSS_SIGNING, cross_signing) \
	X(DEVICE, device) \
	X(DEVICE_LIST, device_list) \
	X(EVENT, event) \
	X(EVENT_INDEX, event_index) \
	X(EVENT_READ, event_read) \
	X(INVITE, invite) \
	X(MEDIA, media) \
	X(MEMBERSHIP, membership) \
	X(NAME, name) \
	X(OUTBOX, outbox) \
	X(PEER, peer) \
	X(PROFILE, profile) \
	X(RECEIPT, receipt) \
	X(ROOM, room) \
	X(STATE, state) \
	X(STATE_GROUP, state_group) \
	X(TO_DEVICE, to_device) \
	X(USER_SETTING, user_setting)

struct stmt_table {
	const char *name;
	const char *const *sql;
	size_t n;
};

enum stmt_table_id {
#define X(upper, lower) T_##upper,
	STMT_TABLES(X)
#undef X
		N_STMT_TABLES
};

#define X(upper, lower) extern const struct stmt_table lower##_stmts;
STMT_TABLES(X)
#undef X

const struct stmt_table *stmt_table(enum stmt_table_id id);

struct stmt;

/* Never NULL. Give back with stmt_reset(). */
struct stmt *stmt_get(struct store *st, enum stmt_table_id table, unsigned i);
void stmt_reset(struct stmt *q);
void stmt_resetp(struct stmt **q); /* for CLEANUP */

/* Parameters ?1, ?2, ... What is bound is copied by nobody: it stays until the reset. */
void stmt_bind_i64(struct stmt *q, int at, int64_t v);
void stmt_bind_str(struct stmt *q, int at, struct str s);          /* TEXT; never NULL */
void stmt_bind_text_or_null(struct stmt *q, int at, struct str s); /* empty: NULL */
void stmt_bind_blob(struct stmt *q, int at, struct str s);         /* BLOB */
void stmt_bind_i64_or_null(struct stmt *q, int at, int64_t v);     /* 0: NULL */
void stmt_bind_null(struct stmt *q, int at);

/* From the beginning, with what is bound. */
void stmt_again(struct stmt *q);
/* True with a row; false at the end or after an error. */
bool stmt_row(struct stmt *q);
enum err stmt_err(const struct stmt *q) MUST_CHECK;
/* After stmt_row() was false: the error, or ERR_NOT_FOUND. */
enum err stmt_none(const struct stmt *q) MUST_CHECK;
/* Runs to the end (INSERT, UPDATE, DELETE), and resets. ERR_EXISTS when a UNIQUE constraint
 * says so. */
enum err stmt_run(struct stmt *q) MUST_CHECK;
/* As stmt_run, and how many rows it changed. */
enum err stmt_run_changed(struct stmt *q, int64_t *n) MUST_CHECK;

/* Columns of the row, from 0. Strings are borrowed until the next step or reset; NULL is an
 * empty string and 0. */
int64_t stmt_i64(struct stmt *q, int col);
struct str stmt_str(struct stmt *q, int col); /* TEXT or BLOB */
bool stmt_is_null(struct stmt *q, int col);
struct str stmt_str_in(struct stmt *q, int col, struct arena *a); /* a copy */

#endif
