/* event_index: an event is found by its ids wherever its keys are by now. */
#include "store/event_index.h"

#include <stdio.h>

#include <sqlite3.h>

#include "store/event.h"
#include "store/reader.h"
#include "store/room.h"
#include "tests/support/cmocka.h"
#include "tests/support/room_maker.h"
#include "tests/support/store_fixture.h"

#define ALICE  STR("@alice:here.example")
#define EVENTS 1200 /* with two keys each: what is in memory is written twice */

static struct room_maker maker;

static int up(void **state)
{
	if (store_fixture_up(state))
		return -1;
	room_maker_init(
		&maker, ((struct store_fixture *)*state)->st, STR("!room:here.example"));
	return 0;
}

static int down(void **state)
{
	room_maker_deinit(&maker);
	return store_fixture_down(state);
}

static struct str txn_of(int i, char text[16])
{
	(void)snprintf(text, 16, "t%d", i);
	return str_of(text);
}

/* In the caller's transaction. */
static const struct event *put(int i)
{
	const struct event *e;
	char content[32];
	char txn[16];
	int64_t nid;
	int64_t pos;

	(void)snprintf(content, sizeof(content), "{\"i\":%d}", i);
	e = room_maker_event(&maker, "m.x", NULL, ALICE, content);
	assert_int_equal(
		room_maker_put(&maker, e, STORE_LOCAL, STR("DEV"), txn_of(i, txn), &nid, &pos),
		ERR_OK);
	return e;
}

/* Both ways say the same, and what was expected. */
static void expect(struct store *st, const struct event *e, int i, bool there)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	enum err want = there ? ERR_OK : ERR_NOT_FOUND;
	struct store_event got;
	char txn[16];
	struct str id;
	int64_t nid;

	assert_int_equal(store_event_find(st, e->event_id, &nid, NULL), want);
	assert_int_equal(store_event_get(st, a, e->event_id, &got), want);
	assert_int_equal(store_event_by_txn(st, a, ALICE, STR("DEV"), maker.room_id, e->type,
				 txn_of(i, txn), &id),
		want);
	if (!there)
		return;
	assert_int_equal(nid, got.nid);
	assert_true(str_eq(got.json, e->json));
	assert_true(str_eq(id, e->event_id));
}

static int64_t number(struct store_fixture *f, const char *sql)
{
	sqlite3_stmt *q;
	sqlite3 *db;
	int64_t n;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return n;
}

/* Each once; of all events that are said to have theirs, and of no others but the next. */
static void expect_keys(struct store_fixture *f)
{
	int64_t n = number(f, "SELECT count(*) FROM event_key");
	int64_t least = number(f,
		"SELECT count(*) + count(txn_id) FROM event WHERE nid <="
		" (SELECT value FROM meta WHERE key = 'keyed')");

	assert_true(n >= least && n < least + EVENT_INDEX_RECENT);
	assert_int_equal(number(f,
				 "SELECT count(*) FROM event_key k LEFT JOIN event e"
				 " ON e.nid = k.event WHERE e.nid IS NULL"),
		0);
}

static void reopen(struct store_fixture *f)
{
	store_fixture_close(f);
	store_fixture_open(f);
	maker.st = f->st;
	maker.key.server_name = store_server_name(f->st);
}

static void send_all(struct store_fixture *f, const struct event **sent)
{
	for (int i = 0; i < EVENTS; i++) {
		assert_int_equal(store_begin(maker.st), ERR_OK);
		sent[i] = put(i);
		assert_int_equal(store_commit(maker.st), ERR_OK);
		expect(maker.st, sent[i], i, true);
		expect(maker.st, sent[i / 2], i / 2, true);
		if (i % 270 == 269) {
			assert_int_equal(store_fixture_sync(f), ERR_OK);
			reopen(f);
		}
	}
	assert_int_equal(store_fixture_sync(f), ERR_OK);
}

static void events_are_found_wherever_their_keys_are(void **state)
{
	static const struct event *sent[EVENTS];
	struct store_fixture *f = *state;
	struct store *reader;

	send_all(f, sent);
	assert_int_equal(number(f, "SELECT count(*) > 1900 FROM event_key"), 1);
	expect_keys(f);
	reader = store_reader_new(f->st);
	assert_int_equal(store_reader_open(reader), ERR_OK);
	for (int i = 0; i < EVENTS; i++) {
		expect(f->st, sent[i], i, true);
		expect(reader, sent[i], i, true);
	}
	/* What comes later a reader finds, too. */
	assert_int_equal(store_begin(f->st), ERR_OK);
	sent[0] = put(EVENTS);
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	expect(reader, sent[0], EVENTS, true);
	store_reader_free(reader);
}

static void what_was_undone_is_not_found(void **state)
{
	static const struct event *sent[EVENTS];
	struct room_maker before;

	(void)state;
	for (int round = 0; round < 2; round++) {
		before = maker;
		assert_int_equal(store_begin(maker.st), ERR_OK);
		for (int i = 0; i < EVENTS; i++)
			sent[i] = put(i);
		expect(maker.st, sent[7], 7, true);
		if (round == 0) {
			store_rollback(maker.st);
			maker = before;
			for (int i = 0; i < EVENTS; i += 50)
				expect(maker.st, sent[i], i, false);
		}
	}
	assert_int_equal(store_commit(maker.st), ERR_OK);
	for (int i = 0; i < EVENTS; i++)
		expect(maker.st, sent[i], i, true);
}

/* Undone without a look into the database: transactions within transactions, at every length.
 */
static void only_what_was_undone_is_not_found(void **state)
{
	static const struct event *sent[EVENTS];
	static bool there[EVENTS];
	struct room_maker before[3];
	unsigned rng = 1;
	int n = 0;

	(void)state;
	while (n + 12 < EVENTS) {
		int from[3];

		assert_int_equal(store_begin(maker.st), ERR_OK);
		for (int depth = 0; depth < 3; depth++) {
			before[depth] = maker;
			from[depth] = n;
			assert_int_equal(store_begin(maker.st), ERR_OK);
			for (unsigned i = (rng = rng * 1103515245 + 12345) >> 16 & 3; i > 0;
				i--) {
				there[n] = true;
				sent[n] = put(n);
				n++;
			}
		}
		for (int depth = 2; depth >= 0; depth--) {
			bool kept = (rng = rng * 1103515245 + 12345) >> 16 & 1;

			if (kept) {
				assert_int_equal(store_commit(maker.st), ERR_OK);
				continue;
			}
			store_rollback(maker.st);
			maker = before[depth];
			for (int i = from[depth]; i < n; i++)
				there[i] = false;
		}
		assert_int_equal(store_commit(maker.st), ERR_OK);
		for (int i = n > 20 ? n - 20 : 0; i < n; i++)
			expect(maker.st, sent[i], i, there[i]);
	}
	for (int i = 0; i < n; i++)
		expect(maker.st, sent[i], i, there[i]);
}

static void a_purged_room_leaves_no_key(void **state)
{
	static const struct event *sent[EVENTS];
	struct store_fixture *f = *state;

	send_all(f, sent);
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_room_purge(f->st, maker.room_id), ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);
	for (int i = 0; i < EVENTS; i += 50)
		expect(f->st, sent[i], i, false);
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	assert_int_equal(number(f, "SELECT count(*) FROM event_key"), 0);
}

static void an_event_that_gets_another_number_is_found(void **state)
{
	struct store_fixture *f = *state;
	const struct event *e = room_maker_event(&maker, "m.x", NULL, ALICE, "{}");
	struct store_event_new new = { .event = e, .flags = STORE_OUTLIER | STORE_AFAR };
	int64_t nid;
	int64_t now;
	int64_t pos;

	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_event_put(f->st, &new, &nid, &pos), ERR_OK);
	for (int round = 0; round < 2; round++) {
		new.flags = STORE_OUTLIER;
		assert_int_equal(store_event_settle(f->st, &new), ERR_OK);
		assert_int_equal(store_event_find(f->st, e->event_id, &now, NULL), ERR_OK);
		assert_true(now > nid);
		nid = now;
		for (int i = 0; i < EVENTS / 2; i++)
			(void)put(round * EVENTS + i);
	}
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	reopen(f);
	assert_int_equal(store_event_find(f->st, e->event_id, &now, NULL), ERR_OK);
	assert_int_equal(now, nid);
	expect_keys(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		T(events_are_found_wherever_their_keys_are),
		T(what_was_undone_is_not_found),
		T(only_what_was_undone_is_not_found),
		T(a_purged_room_leaves_no_key),
		T(an_event_that_gets_another_number_is_found),
	};
	return RUN_TESTS(tests);
}
