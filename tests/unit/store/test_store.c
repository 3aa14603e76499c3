#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "node/base/buf.h"
#include "store/name.h"
#include "tests/support/cmocka.h"
#include "tests/support/crash_vfs.h"
#include "tests/support/store_fixture.h"

/* The store's own table of names stands in for any data. */
static void put(struct store *st, const char *text)
{
	int64_t nid;

	assert_int_equal(name_intern(st, str_of(text), &nid), ERR_OK);
}

static bool has(struct store *st, const char *text)
{
	int64_t nid;

	assert_int_equal(name_find(st, str_of(text), &nid), ERR_OK);
	return nid != 0;
}

static void put_alone(struct store *st, const char *text)
{
	assert_int_equal(store_begin(st), ERR_OK);
	put(st, text);
	assert_int_equal(store_commit(st), ERR_OK);
}

struct told {
	struct store_waiter w;
	struct told *before; /* was to be called before this one */
	struct store *st;
	unsigned calls;
	enum err err;
	int64_t durable_pos;
};

static void tell(struct store_waiter *w, enum err err)
{
	struct told *t = CONTAINER_OF(w, struct told, w);

	assert_true(!t->before || t->before->calls == 1);
	t->calls++;
	t->err = err;
	t->durable_pos = store_durable_pos(t->st);
}

static struct told teller(struct store_fixture *f)
{
	return (struct told){ .w.fn = tell, .st = f->st };
}

static void run_until(struct store_fixture *f, const struct told *t)
{
	while (!t->calls)
		loop_uv_run_once(f->uv, true);
}

static void what_was_committed_is_there_after_reopening(void **state)
{
	struct store_fixture *f = *state;

	put_alone(f->st, "a");
	assert_true(has(f->st, "a"));
	store_fixture_close(f);
	store_fixture_open(f);
	assert_true(has(f->st, "a"));
}

static void a_clean_end_leaves_no_wal(void **state)
{
	struct store_fixture *f = *state;
	struct stat file;
	char wal[128];

	put_alone(f->st, "a");
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	(void)snprintf(wal, sizeof(wal), "%s-wal", f->path);
	assert_int_equal(stat(wal, &file), 0);
	assert_int_equal(file.st_mode & 0777, 0600);
	store_fixture_close(f);
	assert_int_equal(stat(wal, &file), -1);
	assert_int_equal(stat(f->path, &file), 0);
	assert_int_equal(file.st_mode & 0777, 0600);
	store_fixture_open(f);
}

static void waiters_are_called_later_and_in_order(void **state)
{
	struct store_fixture *f = *state;
	struct told a = teller(f);
	struct told b = teller(f);
	struct told c = teller(f);

	b.before = &a;
	c.before = &b;
	put_alone(f->st, "a");
	store_durable(f->st, &a.w);
	store_durable(f->st, &b.w);
	assert_int_equal(a.calls, 0);
	while (!f->st || !a.calls) {
		loop_uv_run_once(f->uv, false);
		if (!c.w.queued && !c.calls) {
			put_alone(f->st, "b");
			store_durable(f->st, &c.w);
		}
	}
	run_until(f, &c);
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(c.err, ERR_OK);
	assert_int_equal(c.calls, 1);
}

static void one_sync_serves_a_whole_turn(void **state)
{
	struct store_fixture *f = *state;
	struct told t[20];
	struct store_health before;
	struct store_health after;

	store_health(f->st, &before);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "n%zu", i);
		t[i] = teller(f);
		put_alone(f->st, text);
		store_durable(f->st, &t[i].w);
	}
	run_until(f, &t[19]);
	store_health(f->st, &after);
	assert_int_equal(after.syncs - before.syncs, 1);
	assert_int_equal(after.batches - before.batches, 1);
}

static void a_read_waits_only_for_what_is_outstanding(void **state)
{
	struct store_fixture *f = *state;
	struct told t = teller(f);
	struct store_health before;
	struct store_health after;

	assert_int_equal(store_fixture_sync(f), ERR_OK);
	store_health(f->st, &before);
	store_durable(f->st, &t.w);
	assert_int_equal(t.calls, 0);
	run_until(f, &t);
	store_health(f->st, &after);
	assert_int_equal(after.syncs, before.syncs);
}

static void a_transaction_that_wrote_nothing_costs_no_sync(void **state)
{
	struct store_fixture *f = *state;
	struct store_health before;
	struct store_health after;

	assert_int_equal(store_fixture_sync(f), ERR_OK);
	store_health(f->st, &before);
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	store_health(f->st, &after);
	assert_int_equal(after.syncs, before.syncs);
}

static void a_cancelled_waiter_is_not_called(void **state)
{
	struct store_fixture *f = *state;
	struct told a = teller(f);
	struct told b = teller(f);

	put_alone(f->st, "a");
	store_durable(f->st, &a.w);
	store_durable(f->st, &b.w);
	store_durable_cancel(f->st, &a.w);
	store_durable_cancel(f->st, &a.w);
	run_until(f, &b);
	assert_int_equal(a.calls, 0);
}

static void rolling_back_undoes_the_inner_transaction_alone(void **state)
{
	struct store_fixture *f = *state;

	assert_int_equal(store_begin(f->st), ERR_OK);
	put(f->st, "outer");
	assert_int_equal(store_begin(f->st), ERR_OK);
	put(f->st, "inner");
	assert_true(store_in_transaction(f->st));
	store_rollback(f->st);
	assert_int_equal(store_begin(f->st), ERR_OK);
	put(f->st, "second");
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_false(store_in_transaction(f->st));
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	assert_true(has(f->st, "outer"));
	assert_true(has(f->st, "second"));
	assert_false(has(f->st, "inner"));
}

static void the_first_transaction_of_a_batch_is_undone_by_itself(void **state)
{
	struct store_fixture *f = *state;
	struct store_health before;
	struct store_health after;
	struct told t = teller(f);

	assert_int_equal(store_fixture_sync(f), ERR_OK);
	store_health(f->st, &before);
	assert_int_equal(store_begin(f->st), ERR_OK);
	put(f->st, "undone");
	assert_int_equal(store_begin(f->st), ERR_OK);
	put(f->st, "undone within");
	assert_int_equal(store_commit(f->st), ERR_OK);
	store_rollback(f->st);
	assert_false(has(f->st, "undone"));
	assert_false(has(f->st, "undone within"));
	put_alone(f->st, "kept");
	assert_int_equal(store_begin(f->st), ERR_OK);
	put(f->st, "undone behind it");
	store_rollback(f->st);
	store_durable(f->st, &t.w);
	run_until(f, &t);
	assert_int_equal(t.err, ERR_OK);
	store_health(f->st, &after);
	assert_int_equal(after.batches - before.batches, 1);
	store_fixture_close(f);
	store_fixture_open(f);
	assert_true(has(f->st, "kept"));
	assert_false(has(f->st, "undone"));
	assert_false(has(f->st, "undone behind it"));
}

struct heard {
	struct store_listener l;
	struct store *st;
	char text[256];
	unsigned rolled_back;
	int64_t durable_pos;
};

static void hear(void *arg, const struct feed_item *item)
{
	struct heard *h = arg;
	size_t n = strlen(h->text);

	(void)snprintf(h->text + n, sizeof(h->text) - n, "%d:%.*s ", (int)item->kind,
		STR_FMT(item->room_id));
	h->durable_pos = store_durable_pos(h->st);
	assert_true(item->pos <= h->durable_pos);
}

static void hear_rolled_back(void *arg)
{
	((struct heard *)arg)->rolled_back++;
}

static void listen(struct store_fixture *f, struct heard *h)
{
	*h = (struct heard){ .l = { .item = hear, .rolled_back = hear_rolled_back, .arg = h },
		.st = f->st };
	store_listen(f->st, &h->l);
}

static void feed(struct store *st, enum feed_kind kind, const char *room)
{
	struct feed_item item = {
		.kind = kind, .room_id = str_of(room), .pos = store_next_pos(st)
	};

	store_feed(st, &item);
}

static void the_feed_tells_in_order_what_became_durable(void **state)
{
	struct store_fixture *f = *state;
	struct heard h;

	listen(f, &h);
	assert_int_equal(store_begin(f->st), ERR_OK);
	feed(f->st, FEED_EVENT, "one");
	assert_int_equal(store_begin(f->st), ERR_OK);
	feed(f->st, FEED_EVENT, "undone");
	put(f->st, "undone");
	store_rollback(f->st);
	assert_int_equal(h.rolled_back, 1);
	feed(f->st, FEED_STATE, "two");
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_string_equal(h.text, "");
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	assert_string_equal(h.text, "0:one 1:two ");
	store_unlisten(f->st, &h.l);
}

static void what_never_touches_the_disk_is_told_at_the_end_of_the_turn(void **state)
{
	struct store_fixture *f = *state;
	struct feed_item item = { .kind = FEED_TYPING, .room_id = STR("r") };
	struct heard h;

	listen(f, &h);
	store_feed_now(f->st, &item);
	assert_string_equal(h.text, "");
	loop_uv_run_once(f->uv, false);
	assert_string_equal(h.text, "4:r ");
	store_unlisten(f->st, &h.l);
}

static void positions_only_grow(void **state)
{
	struct store_fixture *f = *state;
	int64_t last = store_durable_pos(f->st);

	for (int round = 0; round < 3; round++) {
		struct told t = teller(f);

		for (int i = 0; i < 5000; i++) {
			int64_t pos;

			assert_int_equal(store_begin(f->st), ERR_OK);
			pos = store_next_pos(f->st);
			assert_true(pos > last);
			last = pos;
			if (i % 3)
				store_rollback(f->st);
			else
				assert_int_equal(store_commit(f->st), ERR_OK);
		}
		assert_true(store_durable_pos(f->st) < last);
		store_durable(f->st, &t.w);
		run_until(f, &t);
		assert_int_equal(t.durable_pos, last);
		store_fixture_close(f);
		store_fixture_open(f);
	}
}

/* Commits back to back, without waiting for their syncs. Returns the longest WAL, but for the
 * longest commit: what collects during a sync is one, and a busy disk takes its time. */
static int64_t load(struct store_fixture *f, int n, bool asks)
{
	int64_t most = 0;
	int64_t longest = 0;
	int64_t before = 0;

	store_fixture_close(f);
	f->options.checkpoint_kib = 64;
	f->options.wal_limit_kib = 256;
	store_fixture_open(f);
	for (int i = 0; i < n; i++) {
		struct told t = teller(f);
		struct store_health health;
		char text[600];

		memset(text, 'x', sizeof(text));
		(void)snprintf(text + 580, 20, "%d", i);
		if (asks && !store_ready(f->st, &t.w))
			run_until(f, &t);
		put_alone(f->st, text);
		loop_uv_run_once(f->uv, false);
		store_health(f->st, &health);
		if (health.wal_bytes > most)
			most = health.wal_bytes;
		if (health.wal_bytes - before > longest)
			longest = health.wal_bytes - before;
		before = health.wal_bytes;
	}
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	return most - longest;
}

static void the_wal_stays_below_its_limit_under_load(void **state)
{
	struct store_fixture *f = *state;
	struct store_health health;

	assert_true(load(f, 3000, true) < 1024 * 1024);
	store_health(f->st, &health);
	assert_true(health.checkpoints > 3);
}

/* The pass stands still here until it is let go: were it waited for, this would never end. */
static void who_does_not_ask_is_not_held_back_by_the_last_pass(void **state)
{
	struct store_fixture *f = *state;
	struct crash_vfs *v = crash_vfs_new("crash", 1);
	struct told asked;
	bool ready = true;

	store_fixture_close(f);
	f->options.vfs = "crash";
	f->options.checkpoint_kib = 64;
	f->options.wal_limit_kib = 64;
	store_fixture_open(f);
	asked = teller(f);
	crash_vfs_hold_checkpoints(v, true);
	for (int i = 0; i < 500 && ready; i++) {
		char text[600];

		memset(text, 'x', sizeof(text));
		(void)snprintf(text + 580, 20, "%d", i);
		put_alone(f->st, text);
		loop_uv_run_once(f->uv, false);
		(void)usleep(1000);
		ready = store_ready(f->st, &asked.w);
	}
	assert_false(ready);
	put_alone(f->st, "urgent");
	assert_true(has(f->st, "urgent"));
	run_until(f, &asked); /* nothing is held any more */
	assert_int_equal(asked.err, ERR_OK);
	crash_vfs_hold_checkpoints(v, false);
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	store_fixture_close(f);
	f->options.vfs = NULL;
	store_fixture_open(f);
	assert_true(has(f->st, "urgent"));
	crash_vfs_free(v);
}

static void writers_that_never_ask_are_held_back_in_the_end(void **state)
{
	assert_true(load(*state, 3000, false) < (8 * 256 + 512) * 1024);
}

static void full_durability_needs_no_sync_of_its_own(void **state)
{
	struct store_fixture *f = *state;
	struct store_health health;

	store_fixture_close(f);
	f->options.durability = STORE_FULL;
	store_fixture_open(f);
	put_alone(f->st, "a");
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	store_health(f->st, &health);
	assert_int_equal(health.batches, 1);
	assert_int_equal(health.syncs, 0);
}

static void without_a_thread_it_works_as_well(void **state)
{
	struct store_fixture *f = *state;

	store_fixture_close(f);
	f->options.uv = NULL;
	store_fixture_open(f);
	put_alone(f->st, "a");
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	assert_true(store_durable_pos(f->st) >= 0);
}

/* The reads of a turn and what it writes are one transaction of SQLite's, where nobody else
 * wrote in between: kith's own commands might, on a store that was left behind. */
static void a_write_after_reads_sees_what_another_process_wrote(void **state)
{
	struct store_fixture *f = *state;
	sqlite3 *other;

	put_alone(f->st, "a");
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	for (int i = 0; i < 2; i++) {
		assert_false(has(f->st, i ? "d" : "b"));
		if (i == 0)
			assert_int_equal(
				sqlite3_exec(other, "INSERT INTO name (text) VALUES ('b')",
					NULL, NULL, NULL),
				SQLITE_OK);
		assert_int_equal(store_begin(f->st), ERR_OK);
		assert_true(has(f->st, "b"));
		put(f->st, i ? "d" : "c");
		assert_int_equal(store_commit(f->st), ERR_OK);
		assert_int_equal(store_fixture_sync(f), ERR_OK);
	}
	sqlite3_close(other);
	store_fixture_close(f);
	store_fixture_open(f);
	assert_true(has(f->st, "b") && has(f->st, "c") && has(f->st, "d"));
}

static void closing_answers_who_waits(void **state)
{
	struct store_fixture *f = *state;
	struct told a = teller(f);
	struct told b = teller(f);

	put_alone(f->st, "a");
	store_durable(f->st, &a.w);
	loop_uv_run_once(f->uv, false);
	put_alone(f->st, "b");
	store_durable(f->st, &b.w);
	store_fixture_close(f);
	assert_int_equal(a.calls + b.calls, 2);
	assert_int_equal(b.err, ERR_OK);
	store_fixture_open(f);
	assert_true(has(f->st, "b"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, store_fixture_up, store_fixture_down)
	const struct CMUnitTest tests[] = {
		T(what_was_committed_is_there_after_reopening),
		T(a_clean_end_leaves_no_wal),
		T(waiters_are_called_later_and_in_order),
		T(one_sync_serves_a_whole_turn),
		T(a_read_waits_only_for_what_is_outstanding),
		T(a_transaction_that_wrote_nothing_costs_no_sync),
		T(a_cancelled_waiter_is_not_called),
		T(rolling_back_undoes_the_inner_transaction_alone),
		T(the_first_transaction_of_a_batch_is_undone_by_itself),
		T(the_feed_tells_in_order_what_became_durable),
		T(what_never_touches_the_disk_is_told_at_the_end_of_the_turn),
		T(positions_only_grow),
		T(the_wal_stays_below_its_limit_under_load),
		T(who_does_not_ask_is_not_held_back_by_the_last_pass),
		T(writers_that_never_ask_are_held_back_in_the_end),
		T(full_durability_needs_no_sync_of_its_own),
		T(without_a_thread_it_works_as_well),
		T(a_write_after_reads_sees_what_another_process_wrote),
		T(closing_answers_who_waits),
	};
	return RUN_TESTS(tests);
}
