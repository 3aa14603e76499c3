#include "store/migrate.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/sql.h"
#include "tests/support/cmocka.h"
#include "tests/support/store_fixture.h"

static sqlite3 *open_file(const struct store_fixture *f)
{
	sqlite3 *db;

	assert_int_equal(
		sql_open(f->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL, &db, NULL),
		ERR_OK);
	return db;
}

static void exec(const struct store_fixture *f, const char *sql)
{
	sqlite3 *db = open_file(f);

	assert_int_equal(sql_exec(db, sql), ERR_OK);
	sqlite3_close(db);
}

static enum err open_store(struct store_fixture *f, struct err_ctx *why)
{
	*why = (struct err_ctx){ 0 };
	return store_open(&f->options, &f->st, why);
}

static void numbers_count_up_without_a_gap(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_migrations; i++)
		assert_int_equal(migrations[i].number, (int)i + 1);
	assert_int_equal(migrate_latest(), (int)n_migrations);
}

static void a_new_database_has_the_newest_schema(void **state)
{
	struct store_fixture *f = *state;
	sqlite3 *db;
	int64_t version;

	store_fixture_close(f);
	db = open_file(f);
	assert_int_equal(sql_int(db, "PRAGMA user_version", &version), ERR_OK);
	assert_int_equal(version, migrate_latest());
	sqlite3_close(db);
}

static void a_newer_database_is_refused_and_left_alone(void **state)
{
	struct store_fixture *f = *state;
	struct err_ctx why;
	sqlite3 *db;
	int64_t version;
	size_t at;

	store_fixture_close(f);
	exec(f, "PRAGMA user_version = 9999");
	assert_int_equal(open_store(f, &why), ERR_INVALID);
	assert_true(str_find_str(str_of(why.text), STR("newer kith"), &at));
	db = open_file(f);
	assert_int_equal(sql_int(db, "PRAGMA user_version", &version), ERR_OK);
	assert_int_equal(version, 9999);
	sqlite3_close(db);
}

static void another_program_s_database_is_refused(void **state)
{
	struct store_fixture *f = *state;
	struct err_ctx why;

	store_fixture_close(f);
	(void)unlink(f->path);
	exec(f, "CREATE TABLE recipe (name TEXT)");
	assert_int_equal(open_store(f, &why), ERR_INVALID);
	exec(f, "SELECT name FROM recipe");
}

static void what_is_no_database_is_refused_and_left_alone(void **state)
{
	struct store_fixture *f = *state;
	struct err_ctx why;
	char text[13] = "";
	FILE *file;

	store_fixture_close(f);
	file = fopen(f->path, "w");
	assert_non_null(file);
	assert_int_equal(fputs("my dear diary", file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(open_store(f, &why), ERR_CORRUPT);
	file = fopen(f->path, "r");
	assert_non_null(file);
	assert_int_equal(fread(text, 1, 13, file), 13);
	assert_memory_equal(text, "my dear diary", 13);
	assert_int_equal(fclose(file), 0);
}

/* A database as each released version left it becomes the newest one. */
static void every_older_schema_is_migrated(void **state)
{
	struct store_fixture *f = *state;

	for (int from = 1; from < migrate_latest(); from++) {
		struct err_ctx why = { 0 };
		sqlite3 *db;

		store_fixture_close(f);
		(void)unlink(f->path);
		db = open_file(f);
		assert_int_equal(migrate(db, f->path, from, NULL, &why), ERR_OK);
		sqlite3_close(db);
		store_fixture_open(f);
	}
}

static int interrupt_at(void *arg)
{
	int *left = arg;

	return --*left == 0;
}

/* Ended anywhere, it goes on from the last whole migration. */
static void a_migration_that_is_cut_off_leaves_no_half_of_it(void **state)
{
	struct store_fixture *f = *state;
	bool ended = false;

	store_fixture_close(f);
	for (int at = 1; !ended; at += 37) {
		int left = at;
		struct err_ctx why = { 0 };
		int64_t version;
		sqlite3 *db;

		(void)unlink(f->path);
		db = open_file(f);
		sqlite3_progress_handler(db, 20, interrupt_at, &left);
		ended = migrate(db, f->path, migrate_latest(), NULL, &why) == ERR_OK;
		sqlite3_close(db);
		db = open_file(f);
		assert_int_equal(sql_int(db, "PRAGMA user_version", &version), ERR_OK);
		assert_true(ended || version < migrate_latest());
		why = (struct err_ctx){ 0 };
		if (migrate(db, f->path, migrate_latest(), NULL, &why) != ERR_OK)
			fail_msg("after a cut at %d: %s", at, why.text);
		sqlite3_close(db);
	}
	store_fixture_open(f);
}

static void every_table_is_strict(void **state)
{
	struct store_fixture *f = *state;
	sqlite3 *db = open_file(f);
	int64_t loose;

	assert_int_equal(
		sql_int(db,
			"SELECT count(*) FROM pragma_table_list WHERE schema = 'main'"
			" AND type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%'",
			&loose),
		ERR_OK);
	assert_int_equal(loose, 0);
	sqlite3_close(db);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, store_fixture_up, store_fixture_down)
	const struct CMUnitTest tests[] = {
		T(numbers_count_up_without_a_gap),
		T(a_new_database_has_the_newest_schema),
		T(a_newer_database_is_refused_and_left_alone),
		T(another_program_s_database_is_refused),
		T(what_is_no_database_is_refused_and_left_alone),
		T(every_older_schema_is_migrated),
		T(a_migration_that_is_cut_off_leaves_no_half_of_it),
		T(every_table_is_strict),
	};
	return RUN_TESTS(tests);
}
