/* What waits for other servers, and what they sent. */
#include "tests/support/cmocka.h"

#include <stdio.h>

#include "node/base/arena.h"
#include "store/membership.h"
#include "store/outbox.h"
#include "store/room.h"
#include "tests/support/store_fixture.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static void put(struct store_fixture *f, const char *to, enum outbox_class class,
	const char *key, const char *json, int64_t ts)
{
	assert_int_equal(outbox_put_edu(f->st, str_of(to),
				 &(struct outbox_edu){ class, str_of(key), str_of(json), ts }),
		ERR_OK);
}

static size_t edus(struct store_fixture *f, struct arena *a, const char *to, int64_t now,
	const struct outbox_waiting **out)
{
	size_t n;

	assert_int_equal(outbox_edus(f->st, a, str_of(to), now, 100, out, &n), ERR_OK);
	return n;
}

static void edus_wait_in_order_until_they_arrived(void **state)
{
	struct store_fixture *f = *state;
	struct arena *a = arena_new();
	const struct outbox_waiting *e;

	assert_int_equal(store_begin(f->st), ERR_OK);
	put(f, "b", OUTBOX_KEEP, "", "{\"n\":1}", 0);
	put(f, "c", OUTBOX_KEEP, "", "{\"n\":9}", 0);
	put(f, "b", OUTBOX_LATEST, "k", "{\"n\":2}", 100);
	put(f, "b", OUTBOX_KEEP, "", "{\"n\":3}", 0);
	put(f, "b", OUTBOX_LATEST, "k", "{\"n\":4}", 200);
	put(f, "here.example", OUTBOX_KEEP, "", "{\"n\":5}", 0);
	assert_int_equal(store_commit(f->st), ERR_OK);

	assert_int_equal(edus(f, a, "b", 300, &e), 3);
	assert_str_equal(e[0].json, "{\"n\":1}");
	assert_str_equal(e[1].json, "{\"n\":3}");
	assert_str_equal(e[2].json, "{\"n\":4}");
	assert_int_equal(edus(f, a, "here.example", 300, &e), 0);
	assert_int_equal(edus(f, a, "nobody", 300, &e), 0);
	/* A receipt gets old, what is kept does not. */
	assert_int_equal(edus(f, a, "b", 300 + 7 * DAY_MS, &e), 2);

	assert_int_equal(edus(f, a, "b", 300, &e), 3);
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(outbox_edus_done(f->st, STR("b"), e[1].pos), ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_int_equal(edus(f, a, "b", 300, &e), 1);
	assert_int_equal(edus(f, a, "c", 300, &e), 1);
	arena_free(a);
}

static void large_edus_are_refused(void **state)
{
	struct store_fixture *f = *state;
	static char big[70000];

	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(
		outbox_put_edu(f->st, STR("b"),
			&(struct outbox_edu){ OUTBOX_KEEP, STR(""), { big, sizeof(big) }, 0 }),
		ERR_TOO_LARGE);
	store_rollback(f->st);
}

static void take_now(void *arg, struct str destination, struct str key, struct str json)
{
	(void)snprintf(
		arg, 64, "%.*s %.*s %.*s", STR_FMT(destination), STR_FMT(key), STR_FMT(json));
}

static void what_is_only_for_now_is_never_stored(void **state)
{
	struct store_fixture *f = *state;
	struct arena *a = arena_new();
	const struct outbox_waiting *e;
	char got[64] = "";
	struct outbox_now now = { take_now, got };

	put(f, "b", OUTBOX_NOW, "k", "{}", 0);
	assert_string_equal(got, "");
	outbox_set_now(f->st, &now);
	put(f, "b", OUTBOX_NOW, "k", "{}", 0);
	assert_string_equal(got, "b k {}");
	assert_int_equal(edus(f, a, "b", 1, &e), 0);
	outbox_set_now(f->st, NULL);
	arena_free(a);
}

static void join(struct store_fixture *f, const char *user, enum membership membership)
{
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_membership_put(f->st,
				 &(struct store_member){ .room_id = STR("!r"),
					 .user_id = str_of(user),
					 .membership = membership }),
		ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);
}

static bool count_one(void *arg, const struct outbox_destination *d)
{
	size_t *n = arg;

	(*n)++;
	assert_str_equal(d->name, "b");
	return true;
}

static void destinations_have_positions(void **state)
{
	struct store_fixture *f = *state;
	struct arena *a = arena_new();
	struct outbox_destination d;
	int64_t first;
	int64_t again;
	size_t n = 0;

	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_room_put(f->st, STR("!r"), STR("12"), false), ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);
	join(f, "@me:here.example", MEMBERSHIP_JOIN);
	join(f, "@x:b", MEMBERSHIP_JOIN);
	assert_int_equal(outbox_joined_since(f->st, STR("!r"), STR("b"), &first), ERR_OK);
	join(f, "@y:b", MEMBERSHIP_JOIN);
	join(f, "@x:b", MEMBERSHIP_LEAVE);
	assert_int_equal(outbox_joined_since(f->st, STR("!r"), STR("b"), &again), ERR_OK);
	assert_int_equal(first, again);
	join(f, "@y:b", MEMBERSHIP_LEAVE);
	assert_int_equal(
		outbox_joined_since(f->st, STR("!r"), STR("b"), &again), ERR_NOT_FOUND);
	join(f, "@x:b", MEMBERSHIP_JOIN);
	assert_int_equal(outbox_joined_since(f->st, STR("!r"), STR("b"), &again), ERR_OK);
	assert_true(again > first);

	assert_int_equal(outbox_destination_get(f->st, a, STR("b"), &d), ERR_NOT_FOUND);
	assert_int_equal(outbox_destinations(f->st, a, count_one, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(outbox_destination_put(
				 f->st, &(struct outbox_destination){ STR("b"), 17, 5, 10 }),
		ERR_OK);
	assert_int_equal(outbox_destination_put(
				 f->st, &(struct outbox_destination){ STR("b"), 18, 6, 20 }),
		ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_int_equal(outbox_destination_get(f->st, a, STR("b"), &d), ERR_OK);
	assert_int_equal(d.pdu_pos, 18);
	assert_int_equal(d.retry_at_ms, 6);
	assert_int_equal(d.interval_ms, 20);
	arena_free(a);
}

static void the_last_transaction_of_each_device_is_known(void **state)
{
	struct store_fixture *f = *state;
	struct arena *a = arena_new();
	struct outbox_received r;

	assert_int_equal(outbox_received_get(f->st, a, STR("b"), STR("n1"), &r), ERR_NOT_FOUND);
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(outbox_received_put(f->st, STR("b"), STR("n1"), 1,
				 &(struct outbox_received){ 7, STR("t7"), true, STR("") }),
		ERR_OK);
	assert_int_equal(outbox_received_put(f->st, STR("b"), STR("n2"), 1,
				 &(struct outbox_received){ 3, STR("t3"), true, STR("{}") }),
		ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_int_equal(outbox_received_get(f->st, a, STR("b"), STR("n1"), &r), ERR_OK);
	assert_int_equal(r.sequence, 7);
	assert_str_equal(r.txn_id, "t7");
	assert_true(r.edus_done);
	assert_int_equal(r.response.n, 0);
	assert_int_equal(outbox_received_get(f->st, a, STR("b"), STR("n2"), &r), ERR_OK);
	assert_str_equal(r.response, "{}");
	arena_free(a);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, store_fixture_up, store_fixture_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(edus_wait_in_order_until_they_arrived),
		TEST(large_edus_are_refused),
		TEST(what_is_only_for_now_is_never_stored),
		TEST(destinations_have_positions),
		TEST(the_last_transaction_of_each_device_is_known),
	};

	return RUN_TESTS(tests);
}
