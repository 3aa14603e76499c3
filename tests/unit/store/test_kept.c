/* login_cache, server_cache: what is kept in memory is what the tables say. */
#include <stdio.h>

#include "store/account.h"
#include "store/device.h"
#include "store/membership.h"
#include "store/room.h"
#include "tests/support/cmocka.h"
#include "tests/support/store_fixture.h"

#define ROOM STR("!room:here.example")

static const unsigned char token[32] = { 3, 1, 4 };

static void login(struct store *st, int64_t *account, int64_t *device)
{
	struct store_account a = { .user_id = STR("@alice:here.example") };
	struct store_device d = { .device_id = STR("DEV") };
	struct store_session s = { .access_hash = token };

	assert_int_equal(store_begin(st), ERR_OK);
	assert_int_equal(store_account_put(st, &a, 0, account), ERR_OK);
	d.account = *account;
	assert_int_equal(store_device_put(st, &d, device), ERR_OK);
	s.account = *account;
	s.device = *device;
	assert_int_equal(store_session_put(st, &s, &s.nid), ERR_OK);
	assert_int_equal(store_commit(st), ERR_OK);
}

static enum err ask(struct store *st, struct arena *a, struct store_login *out)
{
	return store_session_by_access(st, a, token, out);
}

static void set_locked(struct store *st, int64_t account, bool locked)
{
	struct store_account a = { .nid = account, .is_locked = locked };

	assert_int_equal(store_account_update(st, &a), ERR_OK);
}

static void a_login_is_what_its_rows_say(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_fixture *f = *state;
	struct store_login got;
	int64_t account;
	int64_t device;

	assert_int_equal(ask(f->st, a, &got), ERR_NOT_FOUND);
	login(f->st, &account, &device);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask(f->st, a, &got), ERR_OK);
		assert_str_equal(got.account.user_id, "@alice:here.example");
		assert_str_equal(got.device_id, "DEV");
		assert_int_equal(got.session.device, device);
		assert_false(got.account.is_locked);
	}
	/* Undone: it was asked for meanwhile. */
	assert_int_equal(store_begin(f->st), ERR_OK);
	set_locked(f->st, account, true);
	assert_int_equal(ask(f->st, a, &got), ERR_OK);
	assert_true(got.account.is_locked);
	store_rollback(f->st);
	assert_int_equal(ask(f->st, a, &got), ERR_OK);
	assert_false(got.account.is_locked);
	/* Each of the three tables. */
	assert_int_equal(store_begin(f->st), ERR_OK);
	set_locked(f->st, account, true);
	assert_int_equal(ask(f->st, a, &got), ERR_OK);
	assert_true(got.account.is_locked);
	assert_int_equal(store_device_seen(f->st, device, 17, STR("::1")), ERR_OK);
	assert_int_equal(ask(f->st, a, &got), ERR_OK);
	assert_int_equal(got.last_seen_ts, 17);
	assert_int_equal(store_session_delete_device(f->st, device), ERR_OK);
	assert_int_equal(ask(f->st, a, &got), ERR_NOT_FOUND);
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_int_equal(ask(f->st, a, &got), ERR_NOT_FOUND);
}

/* In the caller's transaction. */
static void become(struct store *st, int i, enum membership membership)
{
	char user[40];
	struct store_member m = { .room_id = ROOM, .membership = membership, .event = 1 };

	(void)snprintf(user, sizeof(user), "@u:s%d.example", i);
	m.user_id = str_of(user);
	assert_int_equal(store_membership_put(st, &m), ERR_OK);
}

static void expect_servers(struct store *st, size_t want)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct str *servers;
	char name[40];
	unsigned joined;
	size_t n;

	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(store_membership_servers(st, a, ROOM, &servers, &n), ERR_OK);
		assert_int_equal(n, want);
		assert_int_equal(
			store_membership_count(st, ROOM, MEMBERSHIP_JOIN, &joined), ERR_OK);
		assert_int_equal(joined, want);
		for (size_t i = 0; i < n; i++) {
			(void)snprintf(name, sizeof(name), "s%zu.example", i);
			assert_str_equal(servers[i], name);
		}
	}
}

static void a_rooms_servers_are_those_of_its_members(void **state)
{
	struct store_fixture *f = *state;

	expect_servers(f->st, 0);
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_room_put(f->st, ROOM, STR("12"), false), ERR_OK);
	expect_servers(f->st, 0);
	for (int i = 0; i < 12; i++) {
		become(f->st, i, MEMBERSHIP_JOIN);
		expect_servers(f->st, (size_t)i + 1);
	}
	for (int i = 11; i > 3; i--) {
		become(f->st, i, MEMBERSHIP_LEAVE);
		expect_servers(f->st, (size_t)i);
	}
	assert_int_equal(store_commit(f->st), ERR_OK);
	expect_servers(f->st, 4);
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	assert_int_equal(store_begin(f->st), ERR_OK);
	become(f->st, 4, MEMBERSHIP_JOIN);
	expect_servers(f->st, 5);
	store_rollback(f->st);
	expect_servers(f->st, 4);
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_room_purge(f->st, ROOM), ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);
	expect_servers(f->st, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, store_fixture_up, store_fixture_down)
	const struct CMUnitTest tests[] = {
		T(a_login_is_what_its_rows_say),
		T(a_rooms_servers_are_those_of_its_members),
	};
	return RUN_TESTS(tests);
}
