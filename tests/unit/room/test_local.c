/*
 * Rooms of one server: creating, sending, members, reading.
 */
#include "tests/support/cmocka.h"
#include "tests/support/room_rig.h"

#include "node/core/event_filter.h"
#include "node/room/directory.h"
#include "node/room/upgrade.h"

static struct room_rig rig;
static struct rig_server *a;

static int up(void **state)
{
	(void)state;
	room_rig_up(&rig, 1);
	a = &rig.servers[0];
	return 0;
}

static int down(void **state)
{
	(void)state;
	room_rig_down(&rig);
	return 0;
}

static bool contains(struct str s, const char *z)
{
	size_t at;

	return str_find_str(s, str_of(z), &at);
}

static void a_room_is_created_in_both_versions(void **state)
{
	static const char *const versions[] = { "11", "12" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct str room = rig_create(a, versions[i], "public_chat");

		assert_int_equal(room.p[0], '!');
		assert_true(contains(rig_state(a, room, "m.room.create", ""), versions[i]));
		assert_str_equal(rig_state(a, room, "m.room.join_rules", ""),
			"{\"join_rule\":\"public\"}");
		assert_int_equal(rig_membership(a, room, "alice"), MEMBERSHIP_JOIN);
		assert_str_equal(str_of(rooms_version(a->rooms, room)->name), versions[i]);
	}
}

static void messages_are_read_back_in_order(void **state)
{
	struct str room = rig_create(a, "12", NULL);

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct str body = arena_printf(rig.arena, "{\"body\":\"m%d\"}", i);

		assert_int_equal(
			rig_send(a, room, "alice", "m.room.message", NULL, body.p, NULL),
			ERR_OK);
	}
	room_rig_settle(&rig);
	assert_str_equal(rig_messages(a, room, "alice"), "m4 m3 m2 m1 m0");
	assert_str_equal(rig_messages(a, room, "mallory"), "FORBIDDEN");
}

static void a_transaction_id_is_used_once(void **state)
{
	struct str room = rig_create(a, "12", NULL);
	struct room_send s = { .room_id = room,
		.sender = STR("@alice:a.test"),
		.type = STR("m.room.message"),
		.content = rig_json(&rig, STR("{\"body\":\"once\"}")),
		.device_id = STR("DEV"),
		.txn_id = STR("t1") };
	struct room_send again = s;
	struct room_send other = s;

	(void)state;
	assert_int_equal(rooms_send(a->rooms, &s), ERR_OK);
	assert_int_equal(rooms_send(a->rooms, &again), ERR_OK);
	assert_string_equal(s.event_id, again.event_id);
	other.device_id = STR("DEV2");
	assert_int_equal(rooms_send(a->rooms, &other), ERR_OK);
	assert_string_not_equal(s.event_id, other.event_id);
}

static void state_that_is_so_stays(void **state)
{
	struct str room = rig_create(a, "12", NULL);
	struct str first;
	struct str second;

	(void)state;
	assert_int_equal(rig_send(a, room, "alice", "m.room.topic", "",
				 "{\"topic\":\"x\",\"n\":1}", &first),
		ERR_OK);
	assert_int_equal(rig_send(a, room, "alice", "m.room.topic", "",
				 "{\"n\":1,\"topic\":\"x\"}", &second),
		ERR_OK);
	assert_true(str_eq(first, second));
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.topic", "", "{\"topic\":\"y\"}", &second),
		ERR_OK);
	assert_false(str_eq(first, second));
	assert_str_equal(rig_state(a, room, "m.room.topic", ""), "{\"topic\":\"y\"}");
}

static void what_nobody_may_send_is_refused(void **state)
{
	static const struct {
		const char *user;
		const char *type;
		const char *key;
		const char *content;
		enum err err;
	} cases[] = {
		{ "alice", "m.room.create", "", "{}", ERR_INVALID },
		{ "alice", "m.room.member", NULL, "{}", ERR_INVALID },
		{ "alice", "", NULL, "{}", ERR_INVALID },
		{ "bob", "m.room.message", NULL, "{}", ERR_FORBIDDEN },
		{ "alice", "x", "@bob:a.test", "{}", ERR_FORBIDDEN },
		{ "alice", "m.room.canonical_alias", "", "{\"alias\":\"#no:a.test\"}",
			ERR_INVALID },
		{ "alice", "m.room.canonical_alias", "", "{\"alias\":7}", ERR_MALFORMED },
		{ "alice", "m.room.redaction", NULL, "{}", ERR_INVALID },
		{ "alice", "m.room.power_levels", "", "{\"users\":{\"@alice:a.test\":100}}",
			ERR_MALFORMED },
	};
	struct str room = rig_create(a, "12", NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(rig_send(a, room, cases[i].user, cases[i].type, cases[i].key,
					 cases[i].content, NULL),
			cases[i].err);
	assert_int_equal(
		rig_send(a, STR("!no:a.test"), "alice", "x", NULL, "{}", NULL), ERR_FORBIDDEN);
}

static void membership_goes_its_ways(void **state)
{
	struct str room = rig_create(a, "11", NULL);

	(void)state;
	assert_int_equal(rig_member(a, MEMBER_JOIN, room, "bob", NULL), ERR_FORBIDDEN);
	assert_int_equal(rig_member(a, MEMBER_INVITE, room, "alice", "@bob:a.test"), ERR_OK);
	assert_int_equal(rig_membership(a, room, "bob"), MEMBERSHIP_INVITE);
	assert_int_equal(rig_member(a, MEMBER_JOIN, room, "bob", NULL), ERR_OK);
	assert_int_equal(rig_membership(a, room, "bob"), MEMBERSHIP_JOIN);
	assert_int_equal(rig_member(a, MEMBER_JOIN, room, "bob", NULL), ERR_OK);
	assert_int_equal(
		rig_member(a, MEMBER_KICK, room, "bob", "@alice:a.test"), ERR_FORBIDDEN);
	assert_int_equal(rig_member(a, MEMBER_KICK, room, "alice", "@bob:a.test"), ERR_OK);
	assert_int_equal(rig_membership(a, room, "bob"), MEMBERSHIP_LEAVE);
	assert_int_equal(
		rig_member(a, MEMBER_KICK, room, "alice", "@bob:a.test"), ERR_FORBIDDEN);
	assert_int_equal(rig_member(a, MEMBER_BAN, room, "alice", "@bob:a.test"), ERR_OK);
	assert_int_equal(
		rig_member(a, MEMBER_INVITE, room, "alice", "@bob:a.test"), ERR_FORBIDDEN);
	assert_int_equal(rig_member(a, MEMBER_UNBAN, room, "alice", "@bob:a.test"), ERR_OK);
	assert_int_equal(
		rig_member(a, MEMBER_UNBAN, room, "alice", "@bob:a.test"), ERR_FORBIDDEN);
	assert_int_equal(rig_membership(a, room, "bob"), MEMBERSHIP_LEAVE);
	assert_int_equal(rooms_forget(a->rooms, room, STR("@bob:a.test"), NULL), ERR_OK);
	assert_int_equal(rooms_forget(a->rooms, room, STR("@alice:a.test"), NULL), ERR_INVALID);
	assert_int_equal(
		rooms_forget(a->rooms, room, STR("@carol:a.test"), NULL), ERR_NOT_FOUND);
	assert_int_equal(rig_member(a, MEMBER_LEAVE, room, "alice", NULL), ERR_OK);
	assert_false(rooms_is_in_room(a->rooms, room));
}

static void history_is_seen_as_its_setting_says(void **state)
{
	static const struct {
		const char *setting;
		const char *seen; /* by bob, invited after "one", joined after "two" */
	} cases[] = {
		{ "world_readable", "three two one" },
		{ "shared", "three two one" },
		{ "invited", "three two" },
		{ "joined", "three" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str room = rig_create(a, "12", NULL);
		struct str setting = arena_printf(
			rig.arena, "{\"history_visibility\":\"%s\"}", cases[i].setting);

		assert_int_equal(rig_send(a, room, "alice", "m.room.history_visibility", "",
					 setting.p, NULL),
			ERR_OK);
		assert_int_equal(rig_send(a, room, "alice", "m.room.message", NULL,
					 "{\"body\":\"one\"}", NULL),
			ERR_OK);
		assert_int_equal(
			rig_member(a, MEMBER_INVITE, room, "alice", "@bob:a.test"), ERR_OK);
		assert_int_equal(rig_send(a, room, "alice", "m.room.message", NULL,
					 "{\"body\":\"two\"}", NULL),
			ERR_OK);
		assert_int_equal(rig_member(a, MEMBER_JOIN, room, "bob", NULL), ERR_OK);
		assert_int_equal(rig_send(a, room, "alice", "m.room.message", NULL,
					 "{\"body\":\"three\"}", NULL),
			ERR_OK);
		room_rig_settle(&rig);
		assert_str_equal(rig_messages(a, room, "bob"), cases[i].seen);

		/* What comes after leaving is for the world's rooms alone. */
		assert_int_equal(rig_member(a, MEMBER_LEAVE, room, "bob", NULL), ERR_OK);
		assert_int_equal(rig_send(a, room, "alice", "m.room.message", NULL,
					 "{\"body\":\"four\"}", NULL),
			ERR_OK);
		room_rig_settle(&rig);
		assert_int_equal(contains(rig_messages(a, room, "bob"), "four"), i == 0);
		assert_true(contains(rig_messages(a, room, "bob"), "three"));
	}
}

static void redacted_content_is_gone(void **state)
{
	static const char *const versions[] = { "11", "12" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct str room = rig_create(a, versions[i], NULL);
		struct room_reader reader = { STR("@alice:a.test"), STR("D"), room };
		struct room_send s = { .room_id = room,
			.sender = STR("@alice:a.test"),
			.type = STR("m.room.redaction"),
			.content = rig_json(&rig, STR("{\"reason\":\"r\"}")) };
		struct str event;
		struct buf out = { 0 };

		assert_int_equal(rig_send(a, room, "alice", "m.room.message", NULL,
					 "{\"body\":\"secret\"}", &event),
			ERR_OK);
		s.redacts = event;
		assert_int_equal(rooms_send(a->rooms, &s), ERR_OK);
		assert_int_equal(room_read_event(a->rooms, &reader, event, &out, NULL), ERR_OK);
		assert_false(contains(buf_str(&out), "secret"));
		assert_true(contains(buf_str(&out), "redacted_because"));
		assert_true(contains(buf_str(&out), s.event_id));
		buf_clear(&out);
		assert_int_equal(
			room_read_event(a->rooms, &reader, str_of(s.event_id), &out, NULL),
			ERR_OK);
		assert_true(contains(buf_str(&out), "\"redacts\":\"$"));
		buf_deinit(&out);
	}
}

static void others_events_are_redacted_with_power_alone(void **state)
{
	struct str room = rig_create(a, "12", "public_chat");
	struct room_send s = { .room_id = room,
		.type = STR("m.room.redaction"),
		.content = rig_json(&rig, STR("{}")) };
	struct str event;

	(void)state;
	assert_int_equal(rig_member(a, MEMBER_JOIN, room, "bob", NULL), ERR_OK);
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.message", NULL, "{\"body\":\"x\"}", &event),
		ERR_OK);
	s.redacts = event;
	s.sender = STR("@bob:a.test");
	assert_int_equal(rooms_send(a->rooms, &s), ERR_FORBIDDEN);
	assert_int_equal(
		rig_send(a, room, "bob", "m.room.message", NULL, "{\"body\":\"x\"}", &event),
		ERR_OK);
	s.redacts = event;
	s.sender = STR("@alice:a.test");
	assert_int_equal(rooms_send(a->rooms, &s), ERR_OK);
}

static void relations_are_bundled_and_listed(void **state)
{
	struct str room = rig_create(a, "12", NULL);
	struct room_reader reader = { STR("@alice:a.test"), STR("D"), room };
	struct room_relations q = { .limit = 10 };
	struct str root;
	struct str child;
	struct str text;
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(rig_send(a, room, "alice", "m.room.message", NULL,
				 "{\"body\":\"root\"}", &root),
		ERR_OK);
	text = arena_printf(rig.arena,
		"{\"body\":\"reply\",\"m.relates_to\":{\"rel_type\":\"m.thread\","
		"\"event_id\":\"%.*s\"}}",
		STR_FMT(root));
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.message", NULL, text.p, &child), ERR_OK);
	text = arena_printf(rig.arena,
		"{\"body\":\"* new\",\"m.new_content\":{\"body\":\"new\"},\"m.relates_to\":{"
		"\"rel_type\":\"m.replace\",\"event_id\":\"%.*s\"}}",
		STR_FMT(root));
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.message", NULL, text.p, NULL), ERR_OK);
	assert_int_equal(room_read_event(a->rooms, &reader, root, &out, NULL), ERR_OK);
	assert_true(contains(buf_str(&out),
		"\"m.thread\":{\"count\":1,\"current_user_"
		"participated\":true,\"latest_event\":{"));
	assert_true(contains(buf_str(&out), "\"m.replace\":{"));
	assert_true(contains(buf_str(&out), "* new"));
	rig_json(&rig, buf_str(&out));

	buf_clear(&out);
	q.event_id = root;
	assert_int_equal(room_read_relations(a->rooms, &reader, &q, &out, NULL), ERR_OK);
	assert_int_equal(json_count(json_get(rig_json(&rig, buf_str(&out)), "chunk")), 2);
	buf_clear(&out);
	q.rel_type = STR("m.thread");
	q.limit = 1;
	assert_int_equal(room_read_relations(a->rooms, &reader, &q, &out, NULL), ERR_OK);
	assert_true(contains(buf_str(&out), "reply"));
	assert_false(contains(buf_str(&out), "next_batch"));

	buf_clear(&out);
	assert_int_equal(
		room_read_threads(a->rooms, &reader, true, STR(""), 10, &out, NULL), ERR_OK);
	assert_int_equal(json_count(json_get(rig_json(&rig, buf_str(&out)), "chunk")), 1);
	buf_deinit(&out);
}

static void context_has_both_sides(void **state)
{
	struct str room = rig_create(a, "12", NULL);
	struct room_reader reader = { STR("@alice:a.test"), STR("D"), room };
	struct str ids[5];
	struct buf out = { 0 };
	const struct json *body;
	struct str s;

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct str text = arena_printf(rig.arena, "{\"body\":\"m%d\"}", i);

		assert_int_equal(
			rig_send(a, room, "alice", "m.room.message", NULL, text.p, &ids[i]),
			ERR_OK);
	}
	assert_int_equal(
		room_read_context(a->rooms, &reader, ids[2], 2, NULL, &out, NULL), ERR_OK);
	body = rig_json(&rig, buf_str(&out));
	assert_true(json_as_str(json_get(json_get(body, "event"), "event_id"), &s));
	assert_true(str_eq(s, ids[2]));
	assert_true(json_as_str(
		json_get(json_first(json_get(body, "events_before")), "event_id"), &s));
	assert_true(str_eq(s, ids[1]));
	assert_true(json_as_str(
		json_get(json_first(json_get(body, "events_after")), "event_id"), &s));
	assert_true(str_eq(s, ids[3]));
	assert_true(json_count(json_get(body, "state")) > 4);
	buf_deinit(&out);
}

static void an_alias_is_made_used_and_taken_away(void **state)
{
	struct str room = rig_create(a, "12", "public_chat");
	struct err_ctx why = { 0 };
	struct str found;

	(void)state;
	assert_int_equal(directory_alias_put(
				 a->rooms, STR("#x:a.test"), room, STR("@alice:a.test"), &why),
		ERR_OK);
	assert_int_equal(directory_alias_put(
				 a->rooms, STR("#x:a.test"), room, STR("@alice:a.test"), &why),
		ERR_EXISTS);
	assert_int_equal(directory_alias_put(
				 a->rooms, STR("#x:b.test"), room, STR("@alice:a.test"), NULL),
		ERR_INVALID);
	assert_int_equal(rig_send(a, room, "alice", "m.room.canonical_alias", "",
				 "{\"alias\":\"#x:a.test\"}", NULL),
		ERR_OK);
	assert_int_equal(rig_join_via(a, STR("#x:a.test"), "bob", NULL), ERR_OK);
	assert_int_equal(rig_join_via(a, STR("#none:a.test"), "bob", NULL), ERR_NOT_FOUND);
	assert_int_equal(rig_membership(a, room, "bob"), MEMBERSHIP_JOIN);
	assert_int_equal(
		directory_alias_delete(a->rooms, STR("#x:a.test"), STR("@bob:a.test"), NULL),
		ERR_FORBIDDEN);
	assert_int_equal(
		directory_alias_delete(a->rooms, STR("#x:a.test"), STR("@alice:a.test"), NULL),
		ERR_OK);
	assert_int_equal(directory_alias_get(a->rooms, rig.arena, STR("#x:a.test"), &found),
		ERR_NOT_FOUND);
	assert_str_equal(rig_state(a, room, "m.room.canonical_alias", ""), "{}");
}

static void restricted_rooms_let_members_of_others_in(void **state)
{
	struct str club = rig_create(a, "12", "public_chat");
	struct str room = rig_create(a, "12", NULL);
	struct str rules = arena_printf(rig.arena,
		"{\"join_rule\":\"restricted\",\"allow\":[{\"type\":\"m.room_membership\","
		"\"room_id\":\"%.*s\"}]}",
		STR_FMT(club));

	(void)state;
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.join_rules", "", rules.p, NULL), ERR_OK);
	assert_int_equal(rig_member(a, MEMBER_JOIN, room, "bob", NULL), ERR_FORBIDDEN);
	assert_int_equal(rig_member(a, MEMBER_JOIN, club, "bob", NULL), ERR_OK);
	assert_int_equal(rig_member(a, MEMBER_JOIN, room, "bob", NULL), ERR_OK);
	assert_true(contains(rig_state(a, room, "m.room.member", "@bob:a.test"),
		"\"join_authorised_via_users_server\":\"@alice:a.test\""));
}

static void an_upgrade_moves_the_room(void **state)
{
	static const struct {
		const char *from;
		const char *to;
	} cases[] = { { "11", "12" }, { "12", "11" }, { "11", "11" }, { "12", "12" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str room = rig_create(a, cases[i].from, "public_chat");
		struct str alias = arena_printf(rig.arena, "#u%zu:a.test", i);
		struct room_upgrade u = { .room_id = room,
			.user_id = STR("@alice:a.test"),
			.version = str_of(cases[i].to) };
		struct room_upgrade not_allowed = u;
		struct str new_room;
		struct str found;

		assert_int_equal(rig_send(a, room, "alice", "m.room.topic", "",
					 "{\"topic\":\"kept\"}", NULL),
			ERR_OK);
		assert_int_equal(
			directory_alias_put(a->rooms, alias, room, u.user_id, NULL), ERR_OK);
		assert_int_equal(
			rig_member(a, MEMBER_BAN, room, "alice", "@troll:a.test"), ERR_OK);
		not_allowed.user_id = STR("@bob:a.test");
		assert_int_equal(rooms_upgrade(a->rooms, &not_allowed), ERR_FORBIDDEN);
		if (rooms_upgrade(a->rooms, &u))
			fail_msg("%s to %s: %s", cases[i].from, cases[i].to, u.why.text);
		new_room = str_of(u.replacement);
		assert_true(
			contains(rig_state(a, room, "m.room.tombstone", ""), u.replacement));
		assert_true(contains(rig_state(a, new_room, "m.room.create", ""), room.p));
		assert_str_equal(
			rig_state(a, new_room, "m.room.topic", ""), "{\"topic\":\"kept\"}");
		assert_int_equal(rig_membership(a, new_room, "troll"), MEMBERSHIP_BAN);
		assert_int_equal(
			directory_alias_get(a->rooms, rig.arena, alias, &found), ERR_OK);
		assert_true(str_eq(found, new_room));
		assert_true(contains(rig_state(a, room, "m.room.power_levels", ""),
			"\"events_default\":50"));
	}
}

static void two_nodes_of_history_are_told_apart_by_members_at(void **state)
{
	struct str room = rig_create(a, "12", "public_chat");
	struct room_reader reader = { STR("@alice:a.test"), STR("D"), room };
	struct buf out = { 0 };
	struct str at;

	(void)state;
	room_rig_settle(&rig);
	at = arena_printf(rig.arena, "s%lld_1_0", (long long)store_durable_pos(a->st));
	assert_int_equal(rig_member(a, MEMBER_JOIN, room, "bob", NULL), ERR_OK);
	assert_int_equal(
		room_read_members(a->rooms, &reader, at, STR(""), STR(""), &out, NULL), ERR_OK);
	assert_false(contains(buf_str(&out), "@bob:a.test"));
	buf_clear(&out);
	assert_int_equal(
		room_read_members(a->rooms, &reader, STR(""), STR("join"), STR(""), &out, NULL),
		ERR_OK);
	assert_true(contains(buf_str(&out), "@bob:a.test"));
	buf_clear(&out);
	assert_int_equal(
		room_read_members(a->rooms, &reader, STR(""), STR(""), STR("join"), &out, NULL),
		ERR_OK);
	assert_false(contains(buf_str(&out), "@bob:a.test"));
	assert_int_equal(
		room_read_members(a->rooms, &reader, STR(""), STR("x"), STR(""), &out, NULL),
		ERR_INVALID);
	buf_clear(&out);
	assert_int_equal(room_read_joined_members(a->rooms, &reader, &out, NULL), ERR_OK);
	assert_true(contains(buf_str(&out), "@bob:a.test"));
	buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_room_is_created_in_both_versions, up, down),
		cmocka_unit_test_setup_teardown(messages_are_read_back_in_order, up, down),
		cmocka_unit_test_setup_teardown(a_transaction_id_is_used_once, up, down),
		cmocka_unit_test_setup_teardown(state_that_is_so_stays, up, down),
		cmocka_unit_test_setup_teardown(what_nobody_may_send_is_refused, up, down),
		cmocka_unit_test_setup_teardown(membership_goes_its_ways, up, down),
		cmocka_unit_test_setup_teardown(history_is_seen_as_its_setting_says, up, down),
		cmocka_unit_test_setup_teardown(redacted_content_is_gone, up, down),
		cmocka_unit_test_setup_teardown(
			others_events_are_redacted_with_power_alone, up, down),
		cmocka_unit_test_setup_teardown(relations_are_bundled_and_listed, up, down),
		cmocka_unit_test_setup_teardown(context_has_both_sides, up, down),
		cmocka_unit_test_setup_teardown(an_alias_is_made_used_and_taken_away, up, down),
		cmocka_unit_test_setup_teardown(
			restricted_rooms_let_members_of_others_in, up, down),
		cmocka_unit_test_setup_teardown(an_upgrade_moves_the_room, up, down),
		cmocka_unit_test_setup_teardown(
			two_nodes_of_history_are_told_apart_by_members_at, up, down),
	};
	return RUN_TESTS(tests);
}
