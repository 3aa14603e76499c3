/* Every statement of every table in store/: it is valid SQL, and it finds its rows by an index.
 */
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "store/db.h"
#include "tests/support/cmocka.h"
#include "tests/support/store_fixture.h"

/* What may walk a whole table: "file number", and why. */
static const struct {
	const char *table;
	const char *sql; /* a part of it */
} scans[] = {
	{ "room", "FROM room" }, /* all rooms are asked for */
	/* Forgetting a whole room, once in its life. */
	{ "room", "DELETE FROM event" },
	{ "event_index", "FROM event WHERE room = ?1" },
	{ "room", "DELETE FROM membership_change" },
	/* How much the media cache holds, and the walk along an index to its oldest. */
	{ "media", "FROM media WHERE server <> '') + (SELECT" },
	{ "media", "ORDER BY m.used_ts LIMIT 1" },
	{ "media", "ORDER BY used_ts LIMIT 1" },
	/* Every destination there is, at the start. */
	{ "outbox", "UNION SELECT server FROM room_server WHERE joined > 0) s" },
	/* Accounts are few: all are counted, and searched for a part of a name. */
	{ "account", "SELECT count(*) FROM account" },
	{ "profile", "FROM room r" },
	/* Cleaning up after people whom nobody shares a room with any more. */
	{ "device_list", "SELECT r.user_id FROM remote_user r WHERE NOT EXISTS" },
};

static bool may_scan(const char *table, const char *sql)
{
	for (size_t i = 0; i < ARRAY_LEN(scans); i++)
		if (strcmp(scans[i].table, table) == 0 && strstr(sql, scans[i].sql))
			return true;
	return false;
}

/* A subquery's result, which was found before: "SCAN u" after "CO-ROUTINE u". */
static bool is_result(const char *detail, const char *results)
{
	char name[40];

	(void)snprintf(name, sizeof(name), " %.30s ", detail + strlen("SCAN "));
	return strstr(results, name) != NULL;
}

static void note_result(const char *detail, char *results, size_t size)
{
	size_t n = strlen(results);
	const char *name = strchr(detail, ' ');

	if (strncmp(detail, "CO-ROUTINE", 10) == 0 || strncmp(detail, "MATERIALIZE", 11) == 0)
		(void)snprintf(results + n, size - n, "%s ", name);
}

/* True if all is well; else says what isn't. */
static bool check_plan(sqlite3 *db, const char *table, const char *sql)
{
	bool ok = true;
	char text[8192];
	char results[400] = "";
	sqlite3_stmt *q;

	(void)snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", sql);
	if (sqlite3_prepare_v2(db, text, -1, &q, NULL) != SQLITE_OK) {
		print_error("%s: %s\n%s\n", table, sqlite3_errmsg(db), sql);
		return false;
	}
	while (sqlite3_step(q) == SQLITE_ROW) {
		const char *detail = (const char *)sqlite3_column_text(q, 3);

		/* What json_each and VALUES bring with the statement is no table. */
		note_result(detail, results, sizeof(results));
		if (strncmp(detail, "SCAN", 4) != 0 || is_result(detail, results) ||
			strstr(detail, "VIRTUAL TABLE") || strstr(detail, "CONSTANT ROW") ||
			strstr(detail, "SCAN (subquery") || strstr(detail, "SCAN SUBQUERY"))
			continue;
		if (may_scan(table, sql))
			continue;
		print_error("%s: %s\n%s\n", table, detail, sql);
		ok = false;
	}
	sqlite3_finalize(q);
	return ok;
}

static void every_statement_uses_an_index(void **state)
{
	struct store_fixture *f = *state;
	sqlite3 *db;
	size_t n = 0;
	size_t bad = 0;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	for (unsigned t = 0; t < N_STMT_TABLES; t++) {
		const struct stmt_table *table = stmt_table(t);

		for (size_t i = 0; i < table->n; i++, n++) {
			assert_non_null(table->sql[i]);
			bad += !check_plan(db, table->name, table->sql[i]);
		}
	}
	sqlite3_close(db);
	assert_true(n > 50);
	assert_int_equal(bad, 0);
}

static void a_statement_in_use_is_given_a_second_time(void **state)
{
	struct store_fixture *f = *state;
	CLEANUP(stmt_resetp) struct stmt *a = stmt_get(f->st, T_NAME, 0);
	CLEANUP(stmt_resetp) struct stmt *b = stmt_get(f->st, T_NAME, 0);

	assert_ptr_not_equal(a, b);
	stmt_bind_str(a, 1, STR("x"));
	stmt_bind_str(b, 1, STR("y"));
	assert_false(stmt_row(a));
	assert_false(stmt_row(b));
	assert_int_equal(stmt_none(a), ERR_NOT_FOUND);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, store_fixture_up, store_fixture_down)
	const struct CMUnitTest tests[] = {
		T(every_statement_uses_an_index),
		T(a_statement_in_use_is_given_a_second_time),
	};
	return RUN_TESTS(tests);
}
