#include "store/state.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/buf.h"
#include "store/membership.h"
#include "store/room.h"
#include "tests/support/cmocka.h"
#include "tests/support/room_maker.h"
#include "tests/support/store_fixture.h"

#define ALICE STR("@alice:here.example")

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

static int64_t set(const char *type, const char *key, const char *content)
{
	return room_maker_send(&maker, type, key, ALICE, content);
}

/*
 * A model of state groups, to compare with: group i is the state values[i] over KEYS keys,
 * where 0 is no entry and anything else an event.
 */
#define KEYS   40
#define GROUPS 600

struct model {
	int64_t group;
	int64_t values[KEYS];
};

static struct store_state change_of(char name[8], int key, int64_t event)
{
	(void)snprintf(name, 8, "k%d", key);
	return (struct store_state){ .type = str_of(key % 3 ? "m.a" : "m.b"),
		.state_key = str_of(name),
		.event = event };
}

static void check(const struct model *m)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct store_state_key some[2] = { { .type = STR("m.b"), .any_key = true },
		{ .type = STR("m.a"), .state_key = STR("k7") } };
	const struct store_state_entry *e;
	size_t n;
	size_t want = 0;
	size_t want_some = m->values[7] != 0;

	for (int k = 0; k < KEYS; k++) {
		char name[8];
		struct store_state c = change_of(name, k, 0);
		int64_t event = 0;
		enum err err =
			store_state_group_get(maker.st, m->group, c.type, c.state_key, &event);

		assert_int_equal(err, m->values[k] ? ERR_OK : ERR_NOT_FOUND);
		assert_int_equal(event, m->values[k]);
		want += m->values[k] != 0;
		want_some += k % 3 == 0 && m->values[k] != 0;
	}
	assert_int_equal(
		store_state_group_read(maker.st, a, m->group, NULL, 0, &e, &n), ERR_OK);
	assert_int_equal(n, want);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(e[i].event, m->values[atoi(e[i].state_key.p + 1)]);
		if (i > 0)
			assert_true(str_cmp(e[i - 1].type, e[i].type) < 0 ||
				str_cmp(e[i - 1].state_key, e[i].state_key) < 0);
	}
	assert_int_equal(
		store_state_group_read(maker.st, a, m->group, some, 2, &e, &n), ERR_OK);
	assert_int_equal(n, want_some);
}

static void groups_hold_what_they_were_given(void **state)
{
	static struct model groups[GROUPS];
	int64_t events[50];

	(void)state;
	srand(1);
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		events[i] = set("m.x", "", "{}");
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(
		store_state_group_new(maker.st, maker.room_id, 0, NULL, 0, &groups[0].group),
		ERR_OK);
	for (int i = 1; i < GROUPS; i++) {
		/* Mostly on the newest, now and then on an old one: a fork. */
		struct model *m = &groups[i];
		struct store_state changes[3];
		char names[3][8];
		int n = rand() % 4;

		*m = groups[rand() % 4 ? i - 1 : rand() % i];
		for (int c = 0; c < n; c++) {
			int key = rand() % KEYS;
			int64_t event = rand() % 5 ? events[rand() % 50] : 0;

			changes[c] = change_of(names[c], key, event);
			m->values[key] = event;
		}
		assert_int_equal(store_state_group_new(maker.st, maker.room_id, m->group,
					 changes, (size_t)n, &m->group),
			ERR_OK);
		assert_true(m->group > 0);
	}
	assert_int_equal(store_commit(maker.st), ERR_OK);
	for (int i = 0; i < GROUPS; i += 7)
		check(&groups[i]);
}

static void a_group_without_a_change_is_its_parent(void **state)
{
	struct store_state same = { .type = STR("m.room.create"), .state_key = STR("") };
	int64_t group = 0;

	(void)state;
	assert_int_equal(store_state_group_get(
				 maker.st, maker.group, same.type, same.state_key, &same.event),
		ERR_OK);
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(
		store_state_group_new(maker.st, maker.room_id, maker.group, &same, 1, &group),
		ERR_OK);
	assert_int_equal(store_commit(maker.st), ERR_OK);
	assert_int_equal(group, maker.group);
}

static void a_growing_room_is_not_quadratic(void **state)
{
	struct store_fixture *f = *state;
	struct store_health health;
	int64_t event = set("m.x", "", "{}");
	int64_t group = maker.group;

	assert_int_equal(store_fixture_sync(f), ERR_OK);
	assert_int_equal(store_begin(maker.st), ERR_OK);
	for (int i = 0; i < 3000; i++) {
		char name[32];
		struct store_state c = { .type = STR("m.room.member"), .event = event };

		(void)snprintf(name, sizeof(name), "@u%d:x", i);
		c.state_key = str_of(name);
		assert_int_equal(
			store_state_group_new(maker.st, maker.room_id, group, &c, 1, &group),
			ERR_OK);
	}
	assert_int_equal(store_commit(maker.st), ERR_OK);
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	store_health(f->st, &health);
	/* 3,000 entries of some 20 bytes; a snapshot every 100 events would be 1 MB and more.
	 */
	assert_true(health.wal_bytes < 700000);
}

static void current_state_moves_with_its_stream(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct store_state_delta *d;
	const struct str *rooms;
	struct store_event e;
	size_t n;
	int64_t got;
	int64_t first = set("m.room.topic", "", "{\"topic\":\"1\"}");
	int64_t second = set("m.room.topic", "", "{\"topic\":\"2\"}");
	int64_t name = set("m.room.name", "", "{\"name\":\"n\"}");

	(void)state;
	assert_int_equal(
		store_state_get(maker.st, maker.room_id, STR("m.room.topic"), STR(""), &got),
		ERR_OK);
	assert_int_equal(got, second);
	assert_int_equal(
		store_state_deltas(maker.st, a, maker.room_id, first - 1, INT64_MAX, &d, &n),
		ERR_OK);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		bool topic = str_eq(d[i].type, STR("m.room.topic"));

		assert_int_equal(d[i].before, 0);
		assert_int_equal(d[i].after, topic ? second : name);
	}
	assert_int_equal(
		store_state_deltas(maker.st, a, maker.room_id, first, second, &d, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(d[0].before, first);
	assert_int_equal(store_event_get_nid(maker.st, a, first, &e), ERR_OK);
	assert_int_equal(store_state_get_at(maker.st, maker.room_id, e.pos, STR("m.room.topic"),
				 STR(""), &got),
		ERR_OK);
	assert_int_equal(got, first);
	assert_int_equal(store_state_get_at(maker.st, maker.room_id, e.pos - 1,
				 STR("m.room.topic"), STR(""), &got),
		ERR_OK);
	assert_int_equal(got, 0);
	assert_int_equal(
		store_state_rooms_between(maker.st, a, first - 1, INT64_MAX, &rooms, &n),
		ERR_OK);
	assert_int_equal(n, 1);
}

static void a_replaced_state_loses_what_is_not_in_it(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct store_state_entry *e;
	struct store_state whole[2];
	size_t n;
	int64_t nid;

	(void)state;
	set("m.room.topic", "", "{}");
	assert_int_equal(store_state_read(maker.st, a, maker.room_id, NULL, 0, &e, &n), ERR_OK);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < 2; i++)
		whole[i] = (struct store_state){ e[i].type, e[i].state_key, e[i].event };
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(store_state_replace(maker.st, maker.room_id, 0, whole, 2), ERR_OK);
	assert_int_equal(store_commit(maker.st), ERR_OK);
	assert_int_equal(
		store_state_get(maker.st, maker.room_id, STR("m.room.topic"), STR(""), &nid),
		ERR_NOT_FOUND);
	assert_int_equal(store_membership_of(maker.st, maker.room_id, ALICE), MEMBERSHIP_JOIN);
}

static bool count(void *arg, const struct store_member *m)
{
	(void)m;
	++*(int *)arg;
	return true;
}

static void members_follow_the_state(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct str *list;
	const struct store_member_change *changes;
	struct store_member m;
	enum membership at;
	int64_t event;
	int64_t joined;
	unsigned counted;
	size_t n;
	int seen = 0;

	(void)state;
	set("m.room.member", "@bob:there.example", "{\"membership\":\"invite\"}");
	joined = set("m.room.member", "@bob:there.example", "{\"membership\":\"join\"}");
	assert_int_equal(
		store_membership_of(maker.st, maker.room_id, STR("@bob:there.example")),
		MEMBERSHIP_JOIN);
	assert_int_equal(
		store_membership_get(maker.st, a, maker.room_id, STR("@bob:there.example"), &m),
		ERR_OK);
	assert_int_equal(m.event, joined);
	assert_true(store_membership_share(maker.st, ALICE, STR("@bob:there.example")));
	assert_int_equal(
		store_membership_servers(maker.st, a, maker.room_id, &list, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_true(
		store_membership_server_joined(maker.st, maker.room_id, STR("there.example")));
	assert_int_equal(store_membership_sharing(maker.st, a, ALICE, &list, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_str_equal(list[0], "@bob:there.example");
	assert_int_equal(store_membership_user_servers(maker.st, a, ALICE, &list, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(
		store_membership_count(maker.st, maker.room_id, MEMBERSHIP_JOIN, &counted),
		ERR_OK);
	assert_int_equal(counted, 2);
	assert_int_equal(store_membership_local_members(
				 maker.st, a, maker.room_id, MEMBERSHIP_JOIN, count, &seen),
		ERR_OK);
	assert_int_equal(seen, 1);
	set("m.room.member", "@bob:there.example", "{\"membership\":\"leave\"}");
	assert_false(store_membership_share(maker.st, ALICE, STR("@bob:there.example")));
	assert_false(
		store_membership_server_joined(maker.st, maker.room_id, STR("there.example")));
	assert_int_equal(
		store_membership_server_rooms(maker.st, a, STR("there.example"), &list, &n),
		ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(
		store_membership_changes(maker.st, a, ALICE, 0, INT64_MAX, &changes, &n),
		ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(changes[0].before, MEMBERSHIP_NONE);
	assert_int_equal(changes[0].membership, MEMBERSHIP_JOIN);
	assert_int_equal(store_membership_at(maker.st, maker.room_id, ALICE, changes[0].pos - 1,
				 &at, &event),
		ERR_OK);
	assert_int_equal(at, MEMBERSHIP_NONE);
	assert_int_equal(store_membership_at(
				 maker.st, maker.room_id, ALICE, changes[0].pos, &at, &event),
		ERR_OK);
	assert_int_equal(at, MEMBERSHIP_JOIN);
}

static void an_invite_from_afar_stands_alone(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_member invite = { .room_id = STR("!far:there.example"),
		.user_id = ALICE,
		.membership = MEMBERSHIP_INVITE,
		.stripped = STR("[]") };
	struct store_member got;
	int seen = 0;

	(void)state;
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(store_room_put(maker.st, invite.room_id, STR("12"), true), ERR_OK);
	assert_int_equal(store_membership_put(maker.st, &invite), ERR_OK);
	assert_int_equal(store_commit(maker.st), ERR_OK);
	assert_int_equal(
		store_membership_get(maker.st, a, invite.room_id, ALICE, &got), ERR_OK);
	assert_str_equal(got.stripped, "[]");
	assert_int_equal(store_membership_rooms(maker.st, a, ALICE,
				 MEMBERSHIP_INVITE | MEMBERSHIP_JOIN, count, &seen),
		ERR_OK);
	assert_int_equal(seen, 2);
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(store_membership_forget(maker.st, invite.room_id, ALICE), ERR_OK);
	assert_int_equal(store_commit(maker.st), ERR_OK);
	assert_int_equal(
		store_membership_get(maker.st, a, invite.room_id, ALICE, &got), ERR_OK);
	assert_true(got.forgotten);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		T(groups_hold_what_they_were_given),
		T(a_group_without_a_change_is_its_parent),
		T(a_growing_room_is_not_quadratic),
		T(current_state_moves_with_its_stream),
		T(a_replaced_state_loses_what_is_not_in_it),
		T(members_follow_the_state),
		T(an_invite_from_afar_stands_alone),
	};
	return RUN_TESTS(tests);
}
