/* wal_vfs: what other connections and the next start find is as without it; in fewer calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/wal_vfs.h"
#include "tests/support/cmocka.h"
#include "tests/support/crash_vfs.h"

struct rig {
	struct wal_vfs *vfs;
	sqlite3 *db;    /* writes, through vfs */
	sqlite3 *other; /* reads, through the default VFS */
	char dir[64];
	char path[96];
};

static void run(sqlite3 *db, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
}

static int64_t number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *q;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return n;
}

static bool sound(sqlite3 *db)
{
	return number(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1;
}

static void connect(struct rig *r, const char *below)
{
	assert_int_equal(wal_vfs_new(below, &r->vfs), ERR_OK);
	assert_int_equal(
		sqlite3_open_v2(r->path, &r->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
			wal_vfs_name(r->vfs)),
		SQLITE_OK);
	/* Ten pages of cache: a long transaction writes to the WAL before it commits. */
	run(r->db,
		"PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = "
		"NORMAL;"
		"PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 10;"
		"CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b INTEGER NOT NULL, c "
		"BLOB)");
	assert_int_equal(
		sqlite3_open_v2(r->path, &r->other, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
}

static int up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/kith-wal-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	(void)snprintf(r->path, sizeof(r->path), "%s/kith.db", r->dir);
	*state = r;
	return 0;
}

static int down(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm", ".copy", ".copy-wal",
		".copy-shm" };
	struct rig *r = *state;

	sqlite3_close(r->other);
	sqlite3_close(r->db);
	wal_vfs_free(r->vfs);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "%s%s", r->path, ends[i]);
		(void)remove(path);
	}
	(void)rmdir(r->dir);
	free(r);
	return 0;
}

/* One number for all that the table holds. */
static int64_t sum(sqlite3 *db)
{
	return number(db,
		"SELECT coalesce(sum((a * 1000003 + b * 31 + length(c)) % 1000000007), 0) FROM "
		"t");
}

static void copy(const char *path, const char *end)
{
	char from[128];
	char to[128];
	char bytes[4096];
	size_t n;
	FILE *in;
	FILE *out;

	(void)snprintf(from, sizeof(from), "%s%s", path, end);
	(void)snprintf(to, sizeof(to), "%s.copy%s", path, end);
	in = fopen(from, "rb");
	out = fopen(to, "wb");
	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
		assert_int_equal(fwrite(bytes, 1, n, out), n);
	assert_int_equal(fclose(in) | fclose(out), 0);
}

/* What a start after kill -9 finds: the files as they are now, without shared memory. */
static int64_t sum_after_a_kill(struct rig *r)
{
	char path[128];
	sqlite3 *db;
	int64_t n;

	(void)snprintf(path, sizeof(path), "%s.copy-shm", r->path);
	(void)remove(path);
	copy(r->path, "");
	copy(r->path, "-wal");
	(void)snprintf(path, sizeof(path), "%s.copy", r->path);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_true(sound(db));
	n = sum(db);
	sqlite3_close(db);
	return n;
}

static void a_commit_is_seen_by_everyone_at_once(void **state)
{
	struct rig *r = *state;

	connect(r, NULL);
	for (int i = 1; i < 50; i++) {
		char sql[100];

		(void)snprintf(sql, sizeof(sql),
			"INSERT INTO t VALUES (%d, %d, randomblob(%d))", i, i * 7, i * 90);
		run(r->db, sql);
		assert_int_equal(number(r->other, "SELECT count(*) FROM t"), i);
		assert_int_equal(sum_after_a_kill(r), sum(r->db));
	}
}

/* Rows that are changed again and again in one transaction: pages that already went to the WAL
 * are written there once more, and the checksums of all behind them. */
static void change(struct rig *r, unsigned *rng, int n)
{
	char sql[200];

	for (int i = 0; i < n; i++) {
		*rng = *rng * 1103515245 + 12345;
		(void)snprintf(sql, sizeof(sql),
			"INSERT OR REPLACE INTO t VALUES (%u, %u, zeroblob(%u))",
			(*rng >> 8) % 200, *rng % 1000, (*rng >> 4) % 700);
		run(r->db, sql);
	}
}

static void long_transactions_and_undone_ones_are_told_apart(void **state)
{
	struct rig *r = *state;
	unsigned rng = 1;
	int64_t before = 0;

	connect(r, NULL);
	for (int round = 0; round < 60; round++) {
		bool kept = round % 3 != 1;

		run(r->db, "BEGIN IMMEDIATE");
		change(r, &rng, round % 4 ? 150 : 3);
		assert_int_equal(sum(r->other), before);
		assert_int_equal(sum_after_a_kill(r), before);
		run(r->db, kept ? "COMMIT" : "ROLLBACK");
		if (kept)
			before = sum(r->db);
		assert_int_equal(sum(r->db), before);
		assert_int_equal(sum(r->other), before);
		assert_int_equal(sum_after_a_kill(r), before);
		if (round % 7 == 6)
			run(round % 2 ? r->other : r->db, "PRAGMA wal_checkpoint");
	}
	assert_true(sound(r->db));
	assert_true(sound(r->other));
}

static int64_t write_calls(void)
{
	FILE *f = fopen("/proc/self/io", "r");
	char line[100];
	long long n = -1;

	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "syscw: %lld", &n);
	if (f)
		(void)fclose(f);
	return n;
}

static void a_commit_is_one_call_where_the_wal_is_long_enough(void **state)
{
	struct rig *r = *state;
	int64_t before;

	connect(r, NULL);
	if (write_calls() < 0)
		return;
	run(r->db, "PRAGMA cache_size = 1000");
	run(r->db, "INSERT INTO t VALUES (1, 1, zeroblob(100000))");
	run(r->db, "PRAGMA wal_checkpoint");
	run(r->db, "INSERT INTO t VALUES (2, 1, NULL)"); /* the WAL begins anew */
	before = write_calls();
	run(r->db, "UPDATE t SET c = zeroblob(7000) WHERE a = 2");
	assert_int_equal(write_calls() - before, 1);
	/* Where it gets longer, a call for each 4096 bytes of it. */
	before = write_calls();
	run(r->db, "INSERT INTO t VALUES (3, 1, zeroblob(200000))");
	assert_true(write_calls() - before <= 204 * 1048 / 4096 + 6);
}

static void an_error_of_the_disk_is_the_commits_own(void **state)
{
	static const int errors[] = { SQLITE_FULL, SQLITE_IOERR_WRITE };
	struct rig *r = *state;
	struct crash_vfs *v = crash_vfs_new("crash", 1);

	connect(r, "crash");
	run(r->db, "INSERT INTO t VALUES (1, 1, zeroblob(30000))");
	run(r->db, "PRAGMA wal_checkpoint");
	run(r->db, "UPDATE t SET b = 2");
	for (int i = 0; i < 40; i++) {
		int error = errors[i % 2];
		struct crash_fault fault = { .ops = CRASH_WRITE,
			.after = 1,
			.rc = error,
			.once = true,
			.half = i % 3 == 0 };

		run(r->db, "BEGIN IMMEDIATE");
		run(r->db, "UPDATE t SET b = b + 1, c = zeroblob(9000 + b * 1000)");
		crash_vfs_fail(v, &fault);
		assert_int_equal(sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL), error & 0xff);
		(void)sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
		assert_int_equal(number(r->db, "SELECT b FROM t"), 2 + i);
		assert_int_equal(number(r->other, "SELECT b FROM t"), 2 + i);
		assert_int_equal(sum_after_a_kill(r), sum(r->db));
		run(r->db, "UPDATE t SET b = b + 1, c = zeroblob(9000 + b * 1000)");
		assert_int_equal(number(r->other, "SELECT b FROM t"), 3 + i);
		assert_int_equal(sum_after_a_kill(r), sum(r->db));
	}
	sqlite3_close(r->other);
	sqlite3_close(r->db);
	wal_vfs_free(r->vfs);
	r->other = NULL;
	r->db = NULL;
	r->vfs = NULL;
	crash_vfs_free(v);
}

static void a_descriptor_is_offered_for_plain_files_alone(void **state)
{
	struct rig *r = *state;
	struct crash_vfs *v = crash_vfs_new("crash", 1);
	struct crash_fault fault = {
		.ops = CRASH_SYNC, .after = 1, .rc = SQLITE_IOERR_FSYNC, .once = true
	};
	sqlite3_file *wal = NULL;

	connect(r, NULL);
	assert_int_equal(
		sqlite3_file_control(r->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal),
		SQLITE_OK);
	assert_true(wal_vfs_fd(wal) >= 0);
	assert_int_equal(wal_vfs_sync(wal, SQLITE_SYNC_NORMAL), SQLITE_OK);
	sqlite3_close(r->other);
	sqlite3_close(r->db);
	wal_vfs_free(r->vfs);
	connect(r, "crash");
	assert_int_equal(
		sqlite3_file_control(r->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal),
		SQLITE_OK);
	assert_int_equal(wal_vfs_fd(wal), -1);
	crash_vfs_fail(v, &fault);
	assert_int_equal(wal_vfs_sync(wal, SQLITE_SYNC_NORMAL), SQLITE_IOERR_FSYNC);
	sqlite3_close(r->other);
	sqlite3_close(r->db);
	wal_vfs_free(r->vfs);
	r->other = NULL;
	r->db = NULL;
	r->vfs = NULL;
	crash_vfs_free(v);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		T(a_commit_is_seen_by_everyone_at_once),
		T(long_transactions_and_undone_ones_are_told_apart),
		T(a_commit_is_one_call_where_the_wal_is_long_enough),
		T(an_error_of_the_disk_is_the_commits_own),
		T(a_descriptor_is_offered_for_plain_files_alone),
	};
	return RUN_TESTS(tests);
}
