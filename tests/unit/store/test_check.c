/* store_check, and what the store does with a damaged database. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/sql.h"
#include "tests/support/cmocka.h"
#include "tests/support/room_maker.h"
#include "tests/support/store_fixture.h"

static void fill(struct store_fixture *f, int n)
{
	struct room_maker m;

	room_maker_init(&m, f->st, STR("!room:here.example"));
	for (int i = 0; i < n; i++)
		(void)room_maker_send(
			&m, "m.room.message", NULL, m.creator, "{\"body\":\"something\"}");
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	room_maker_deinit(&m);
}

struct findings {
	char text[2000];
	unsigned n;
};

static void note(void *arg, const char *line)
{
	struct findings *f = arg;
	size_t n = strlen(f->text);

	(void)snprintf(f->text + n, sizeof(f->text) - n, "%s\n", line);
	f->n++;
}

static void a_sound_database_has_no_findings(void **state)
{
	struct store_fixture *f = *state;
	struct findings found = { 0 };

	fill(f, 20);
	assert_int_equal(
		store_check(f->path, note, &found), ERR_OK); /* beside the open store */
	store_fixture_close(f);
	assert_int_equal(store_check(f->path, note, &found), ERR_OK);
	assert_string_equal(found.text, "");
	store_fixture_open(f);
}

static void each_rule_finds_its_damage(void **state)
{
	static const struct {
		const char *damage;
		const char *finding;
	} cases[] = {
		{ "DELETE FROM room_extremity", "forward extremity" },
		{ "DELETE FROM room", "room is unknown" },
		{ "DELETE FROM name WHERE text = 'm.room.message'", "without its name" },
		{ "UPDATE room_extremity SET event = 7777777", "no event of the timeline" },
		{ "UPDATE meta SET value = 1 WHERE key = 'pos'", "not given out" },
		{ "UPDATE state_current SET event = 7777777", "current state names" },
		{ "UPDATE state_entry SET event = 7777777", "state group names" },
		{ "UPDATE state_chain SET base = 7 << 20 WHERE base IS NULL",
			"base is not there" },
		{ "DELETE FROM state_chain", "state group is not there" },
		{ "UPDATE membership SET event = event + 1", "not what current state says" },
		{ "UPDATE meta SET value = (SELECT max(nid) FROM event) WHERE key = 'keyed'",
			"not found by its id" },
		{ "UPDATE room_server SET joined = 5", "joined members" },
	};
	struct store_fixture *f = *state;
	char path[128];

	fill(f, 3);
	store_fixture_close(f);
	(void)snprintf(path, sizeof(path), "%s/damaged.db", f->dir);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct findings found = { 0 };
		char copy[300];
		sqlite3 *db;

		(void)unlink(path);
		assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
		(void)snprintf(copy, sizeof(copy), "VACUUM INTO '%s'", path);
		assert_int_equal(sql_exec(db, copy), ERR_OK);
		sqlite3_close(db);
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sql_exec(db, cases[i].damage), ERR_OK);
		sqlite3_close(db);
		assert_int_equal(store_check(path, note, &found), ERR_CORRUPT);
		if (!strstr(found.text, cases[i].finding))
			fail_msg("%s: found only: %s", cases[i].damage, found.text);
	}
	store_fixture_open(f);
}

static void a_file_that_is_no_database_is_said_to_be_one(void **state)
{
	struct store_fixture *f = *state;
	struct findings found = { 0 };

	assert_int_equal(store_check("/nowhere/kith.db", note, &found), ERR_IO);
	assert_int_equal(found.n, 1);
	assert_int_equal(store_check("/etc/passwd", note, &found) != ERR_OK, 1);
	assert_true(found.n > 1);
	(void)f;
}

/* Overwrites the middle of the file. */
static void damage(const char *path)
{
	char bytes[4096];
	struct stat file;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &file), 0);
	memset(bytes, 0x5a, sizeof(bytes));
	for (off_t at = file.st_size / 2; at < file.st_size - 8192; at += 16384)
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), at), sizeof(bytes));
	assert_int_equal(close(fd), 0);
}

static void after_an_unclean_end_damage_is_found_and_nothing_written(void **state)
{
	struct store_fixture *f = *state;
	struct store_health health;
	struct findings found = { 0 };
	char wal[128];
	FILE *file;

	/* Enough of them that the schema, which opening reads, is not in the middle. */
	fill(f, 400);
	store_fixture_close(f);
	damage(f->path);
	/* What a killed process leaves: a WAL, if only one without a whole frame. */
	(void)snprintf(wal, sizeof(wal), "%s-wal", f->path);
	file = fopen(wal, "w");
	assert_non_null(file);
	assert_int_equal(fputs("x", file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
	store_fixture_open(f);
	for (int i = 0; i < 1000; i++) {
		store_health(f->st, &health);
		if (health.read_only)
			break;
		loop_uv_run_once(f->uv, false);
		(void)usleep(1000);
	}
	assert_true(health.read_only);
	assert_true(health.text[0] != 0);
	assert_int_equal(store_begin(f->st), ERR_CORRUPT);
	store_fixture_close(f);
	assert_int_equal(store_check(f->path, note, &found), ERR_CORRUPT);
	(void)unlink(f->path);
	store_fixture_open(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, store_fixture_up, store_fixture_down)
	const struct CMUnitTest tests[] = {
		T(a_sound_database_has_no_findings),
		T(each_rule_finds_its_damage),
		T(a_file_that_is_no_database_is_said_to_be_one),
		T(after_an_unclean_end_damage_is_found_and_nothing_written),
	};
	return RUN_TESTS(tests);
}
