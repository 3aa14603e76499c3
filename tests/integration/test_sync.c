/* Syncing against real rooms: what a client is told, once, and what it is not. */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/room/member.h"
#include "node/room/send.h"
#include "node/sync/filter.h"
#include "node/user/account_data.h"
#include "node/user/presence.h"
#include "node/user/push_rules.h"
#include "node/user/receipt.h"
#include "node/user/to_device.h"
#include "node/user/typing.h"
#include "store/membership.h"
#include "tests/support/sync_user.h"

struct rig {
	struct mesh m;
	struct mesh_node *node;
	struct sync_rig sync;
	struct sync_user alice, bob;
};

static int up(void **state)
{
	struct rig *r = NEW(struct rig);

	mesh_up(&r->m, 1);
	r->node = &r->m.nodes[0];
	(void)mesh_register(r->node, "alice");
	(void)mesh_register(r->node, "bob");
	sync_rig_up(&r->sync, r->node);
	sync_user_init(&r->alice, &r->sync, "alice");
	sync_user_init(&r->bob, &r->sync, "bob");
	*state = r;
	return 0;
}

static int down(void **state)
{
	struct rig *r = (struct rig *)*state;

	sync_rig_down(&r->sync);
	mesh_down(&r->m);
	free(r);
	return 0;
}

static const char *z(struct rig *r, struct str s)
{
	return arena_str(r->m.arena, s).p;
}

static const struct json *room_of(
	struct rig *r, const struct sync_user *u, const char *as, struct str room_id)
{
	return dig(u->answer, "rooms", as, z(r, room_id), NULL);
}

static const struct json *events(const struct json *room, const char *section)
{
	return dig(room, section, "events", NULL);
}

static const struct json *nth(const struct json *arr, size_t n)
{
	const struct json *j = json_first(arr);

	while (j && n--)
		j = json_next(j);
	return j;
}

static struct str text(const struct json *j, const char *key)
{
	struct str s = STR("");

	(void)json_as_str(json_get(j, key), &s);
	return s;
}

static bool flag(const struct json *j, const char *key)
{
	bool b = false;

	(void)json_as_bool(json_get(j, key), &b);
	return b;
}

static int64_t number(const struct json *j, const char *key)
{
	int64_t n = -1;

	(void)json_as_int(json_get(j, key), &n);
	return n;
}

/* The event of a type (and state key, unless NULL) in a section, or NULL. */
static const struct json *find(
	const struct json *room, const char *section, const char *type, struct str state_key)
{
	for (const struct json *e = json_first(events(room, section)); e; e = json_next(e))
		if (str_eq(text(e, "type"), str_of(type)) &&
			(!state_key.n || str_eq(text(e, "state_key"), state_key)))
			return e;
	return NULL;
}

static struct str say(struct rig *r, const char *who, struct str room, const char *body)
{
	char content[200];

	(void)snprintf(content, sizeof content, "{'msgtype':'m.text','body':'%s'}", body);
	return mesh_send(r->node, who, room, "m.room.message", content);
}

static void set_state(struct rig *r, struct str room, const char *type, const char *content)
{
	struct str json = arena_str(r->m.arena, str_of(content));
	struct room_send s = { .room_id = room,
		.sender = r->alice.user_id,
		.type = str_of(type),
		.is_state = true };

	for (size_t i = 0; i < json.n; i++)
		if (json.p[i] == '\'')
			((char *)json.p)[i] = '"';
	assert_int_equal(
		json_parse_in(r->m.arena, json, &json_limits_client, &s.content, NULL), ERR_OK);
	assert_int_equal(rooms_send(r->node->rooms, &s), ERR_OK);
}

/* A room with both in it; both have synced. */
static struct str room_of_two(struct rig *r)
{
	struct str room = mesh_create(r->node, "alice", "private_chat", NULL);

	assert_int_equal(
		mesh_member(r->node, "alice", room, MEMBER_INVITE, r->bob.user_id, NULL),
		ERR_OK);
	assert_int_equal(mesh_member(r->node, "bob", room, MEMBER_JOIN, STR(""), NULL), ERR_OK);
	(void)sync_now(&r->alice);
	(void)sync_now(&r->bob);
	return room;
}

static void a_new_room_comes_whole(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = mesh_create(r->node, "alice", "private_chat", NULL);
	const struct json *got;

	(void)sync_now(&r->alice);
	got = room_of(r, &r->alice, "join", room);
	assert_non_null(got);
	assert_int_equal(
		json_count(events(got, "timeline")) + json_count(events(got, "state")), 6);
	assert_non_null(find(got, "timeline", "m.room.create", STR("")));
	assert_false(flag(json_get(got, "timeline"), "limited"));
	assert_int_equal(number(json_get(got, "summary"), "m.joined_member_count"), 1);
	assert_null(json_get(nth(events(got, "timeline"), 0), "room_id"));
	(void)sync_now(&r->alice);
	assert_null(room_of(r, &r->alice, "join", room));
}

static void a_parked_poll_wakes_with_the_message(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = room_of_two(r), id;
	const struct json *got;

	sync_begin(&r->bob, 30000);
	mesh_settle(&r->m, 20);
	assert_true(r->bob.running);
	id = say(r, "alice", room, "hello");
	assert_int_equal(sync_end(&r->bob), ERR_OK);
	got = room_of(r, &r->bob, "join", room);
	assert_int_equal(json_count(events(got, "timeline")), 1);
	assert_true(str_eq(text(nth(events(got, "timeline"), 0), "event_id"), id));
	assert_int_equal(json_count(events(got, "state")), 0);
	assert_int_equal(
		number(json_get(got, "unread_notifications"), "notification_count"), 1);
	assert_null(json_get(got, "state_after"));
	/* The same token again: the same answer again. */
	(void)sync_now(&r->bob);
	assert_null(room_of(r, &r->bob, "join", room));
}

/* What wakes it comes first, and is not all. */
static void a_woken_poll_tells_everything_that_moved(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str one = room_of_two(r), two = room_of_two(r);
	const struct json *got;

	sync_begin(&r->bob, 30000);
	mesh_settle(&r->m, 20);
	assert_true(r->bob.running);
	(void)say(r, "alice", one, "hello");
	(void)say(r, "alice", two, "you too");
	set_state(r, one, "m.room.topic", "{'topic':'t'}");
	assert_int_equal(account_data_put(r->node->users, r->bob.account, STR(""),
				 STR("m.direct"), STR("{}"), NULL),
		ERR_OK);
	assert_int_equal(sync_end(&r->bob), ERR_OK);
	got = room_of(r, &r->bob, "join", one);
	assert_int_equal(json_count(events(got, "timeline")), 2);
	assert_int_equal(json_count(events(room_of(r, &r->bob, "join", two), "timeline")), 1);
	assert_non_null(find(r->bob.answer, "account_data", "m.direct", STR("")));

	/* One room alone. */
	sync_begin(&r->bob, 30000);
	mesh_settle(&r->m, 20);
	set_state(r, one, "m.room.topic", "{'topic':'u'}");
	assert_int_equal(sync_end(&r->bob), ERR_OK);
	got = room_of(r, &r->bob, "join", one);
	assert_int_equal(json_count(events(got, "timeline")), 1);
	assert_null(room_of(r, &r->bob, "join", two));
	(void)sync_now(&r->bob);
	assert_int_equal(json_count(dig(r->bob.answer, "rooms", "join", NULL)), 0);
}

static void a_poll_without_news_ends_in_time_and_moves_on(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = room_of_two(r), before = r->bob.since;

	sync_begin(&r->bob, 30);
	assert_int_equal(sync_end(&r->bob), ERR_OK);
	assert_null(room_of(r, &r->bob, "join", room));
	assert_true(str_eq(before, r->bob.since));
	assert_non_null(json_get(r->bob.answer, "device_one_time_keys_count"));
	r->bob.since = STR("s99999999_1_00000000_1_1");
	sync_begin(&r->bob, 0);
	assert_int_equal(sync_end(&r->bob), ERR_INVALID);
	r->bob.since = STR("nonsense");
	sync_begin(&r->bob, 0);
	assert_int_equal(sync_end(&r->bob), ERR_INVALID);
}

static void a_gap_is_limited_and_brings_its_state(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = room_of_two(r);
	const struct json *got;

	set_state(r, room, "m.room.topic", "{'topic':'one'}");
	for (int i = 0; i < 15; i++)
		(void)say(r, "alice", room, "filler");
	r->bob.filter = STR("{\"room\":{\"timeline\":{\"limit\":3}}}");
	(void)sync_now(&r->bob);
	got = room_of(r, &r->bob, "join", room);
	assert_int_equal(json_count(events(got, "timeline")), 3);
	assert_true(flag(json_get(got, "timeline"), "limited"));
	assert_int_equal(json_count(events(got, "state")), 1);
	assert_non_null(find(got, "state", "m.room.topic", STR("")));
}

static void state_after_has_what_the_timeline_changed(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = room_of_two(r);
	const struct json *got;

	set_state(r, room, "m.room.topic", "{'topic':'one'}");
	r->bob.state_after = STATE_AFTER;
	(void)sync_now(&r->bob);
	got = room_of(r, &r->bob, "join", room);
	assert_null(json_get(got, "state"));
	assert_non_null(find(got, "state_after", "m.room.topic", STR("")));
	assert_non_null(find(got, "timeline", "m.room.topic", STR("")));
	(void)say(r, "alice", room, "and so on");
	r->bob.state_after = STATE_AFTER_UNSTABLE;
	(void)sync_now(&r->bob);
	got = room_of(r, &r->bob, "join", room);
	assert_non_null(json_get(got, "org.matrix.msc4222.state_after"));
	assert_int_equal(json_count(events(got, "org.matrix.msc4222.state_after")), 0);
}

static void an_invite_shows_what_the_room_is(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = mesh_create(r->node, "alice", "private_chat", NULL);
	const struct json *got;

	set_state(r, room, "m.room.name", "{'name':'Den'}");
	(void)sync_now(&r->bob);
	sync_begin(&r->bob, 30000);
	assert_int_equal(
		mesh_member(r->node, "alice", room, MEMBER_INVITE, r->bob.user_id, NULL),
		ERR_OK);
	assert_int_equal(sync_end(&r->bob), ERR_OK);
	got = room_of(r, &r->bob, "invite", room);
	assert_non_null(find(got, "invite_state", "m.room.name", STR("")));
	assert_non_null(find(got, "invite_state", "m.room.member", r->bob.user_id));
	assert_null(room_of(r, &r->bob, "join", room));

	assert_int_equal(
		mesh_member(r->node, "bob", room, MEMBER_LEAVE, STR(""), NULL), ERR_OK);
	(void)sync_now(&r->bob);
	got = room_of(r, &r->bob, "leave", room);
	assert_int_equal(json_count(events(got, "timeline")), 1);
	assert_null(room_of(r, &r->bob, "invite", room));
}

static void joining_brings_all_state_and_leaving_ends_it(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = mesh_create(r->node, "alice", "public_chat", NULL);
	struct str last;
	const struct json *got;

	for (int i = 0; i < 20; i++)
		(void)say(r, "alice", room, "before");
	(void)sync_now(&r->bob);
	assert_int_equal(mesh_member(r->node, "bob", room, MEMBER_JOIN, STR(""), NULL), ERR_OK);
	(void)sync_now(&r->bob);
	got = room_of(r, &r->bob, "join", room);
	assert_non_null(find(got, "state", "m.room.create", STR("")));
	assert_non_null(find(got, "state", "m.room.power_levels", STR("")));
	assert_non_null(find(got, "state", "m.room.member", r->alice.user_id));
	assert_true(flag(json_get(got, "timeline"), "limited"));
	assert_non_null(find(got, "timeline", "m.room.member", r->bob.user_id));

	last = say(r, "alice", room, "still seen");
	assert_int_equal(
		mesh_member(r->node, "bob", room, MEMBER_LEAVE, STR(""), NULL), ERR_OK);
	(void)say(r, "alice", room, "not seen");
	(void)sync_now(&r->bob);
	got = room_of(r, &r->bob, "leave", room);
	assert_int_equal(json_count(events(got, "timeline")), 2);
	assert_true(str_eq(text(nth(events(got, "timeline"), 0), "event_id"), last));
	(void)say(r, "alice", room, "nor this");
	(void)sync_now(&r->bob);
	assert_null(room_of(r, &r->bob, "leave", room));
	r->bob.since = STR("");
	(void)sync_now(&r->bob);
	assert_null(room_of(r, &r->bob, "leave", room));
	r->bob.since = STR("");
	r->bob.filter = STR("{\"room\":{\"include_leave\":true}}");
	(void)sync_now(&r->bob);
	got = room_of(r, &r->bob, "leave", room);
	assert_non_null(find(got, "state", "m.room.create", STR("")));
	for (const struct json *e = json_first(events(got, "timeline")); e; e = json_next(e))
		assert_false(str_eq(text(json_get(e, "content"), "body"), STR("not seen")));
}

static void lazy_members_come_once(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = room_of_two(r);
	const struct json *got;

	r->bob.filter = STR("{\"room\":{\"state\":{\"lazy_load_members\":true},\"timeline\":{"
			    "\"limit\":1}}}");
	r->bob.since = STR("");
	set_state(r, room, "m.room.name", "{'name':'Den'}");
	(void)say(r, "bob", room, "me");
	(void)sync_now(&r->bob);
	got = room_of(r, &r->bob, "join", room);
	assert_non_null(find(got, "state", "m.room.member", r->bob.user_id));
	assert_null(find(got, "state", "m.room.member", r->alice.user_id));
	(void)say(r, "alice", room, "first");
	(void)sync_now(&r->bob);
	got = room_of(r, &r->bob, "join", room);
	assert_non_null(find(got, "state", "m.room.member", r->alice.user_id));
	(void)say(r, "alice", room, "second");
	(void)sync_now(&r->bob);
	got = room_of(r, &r->bob, "join", room);
	assert_int_equal(json_count(events(got, "state")), 0);
}

static void typing_and_receipts_are_told_and_private_ones_are_not(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = room_of_two(r), id = say(r, "bob", room, "read me");
	const struct json *got, *receipt;

	(void)sync_now(&r->alice);
	(void)sync_now(&r->bob);
	sync_begin(&r->bob, 30000);
	assert_int_equal(
		typing_set(r->node->typing, room, r->alice.user_id, true, 5000, NULL), ERR_OK);
	assert_int_equal(sync_end(&r->bob), ERR_OK);
	got = find(room_of(r, &r->bob, "join", room), "ephemeral", "m.typing", STR(""));
	assert_int_equal(json_count(dig(got, "content", "user_ids", NULL)), 1);
	assert_int_equal(
		typing_set(r->node->typing, room, r->alice.user_id, false, 0, NULL), ERR_OK);
	(void)sync_now(&r->bob);
	got = find(room_of(r, &r->bob, "join", room), "ephemeral", "m.typing", STR(""));
	assert_int_equal(json_count(dig(got, "content", "user_ids", NULL)), 0);

	sync_begin(&r->bob, 30000);
	assert_int_equal(receipts_set(r->node->receipts, room, r->alice.user_id,
				 STR("m.read.private"), id, STR(""), NULL),
		ERR_OK);
	(void)sync_now(&r->alice);
	got = find(room_of(r, &r->alice, "join", room), "ephemeral", "m.receipt", STR(""));
	receipt = dig(got, "content", z(r, id), "m.read.private", z(r, r->alice.user_id), NULL);
	assert_true(number(receipt, "ts") > 0);
	assert_true(r->bob.running);
	assert_int_equal(receipts_set(r->node->receipts, room, r->alice.user_id, STR("m.read"),
				 id, STR("main"), NULL),
		ERR_OK);
	assert_int_equal(sync_end(&r->bob), ERR_OK);
	got = find(room_of(r, &r->bob, "join", room), "ephemeral", "m.receipt", STR(""));
	receipt = dig(got, "content", z(r, id), "m.read", z(r, r->alice.user_id), NULL);
	assert_str_equal(text(receipt, "thread_id"), "main");
	assert_null(dig(got, "content", z(r, id), "m.read.private", NULL));
}

static void unread_counts_follow_rules_and_receipts(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = room_of_two(r), id = STR("");
	const struct json *got;

	for (int i = 0; i < 3; i++)
		id = say(r, "alice", room, "hey");
	(void)sync_now(&r->bob);
	got = json_get(room_of(r, &r->bob, "join", room), "unread_notifications");
	assert_int_equal(number(got, "notification_count"), 3);
	assert_int_equal(number(got, "highlight_count"), 0);
	(void)say(r, "alice", room, "oh bob!");
	(void)sync_now(&r->bob);
	got = json_get(room_of(r, &r->bob, "join", room), "unread_notifications");
	assert_int_equal(number(got, "notification_count"), 4);
	assert_int_equal(receipts_set(r->node->receipts, room, r->bob.user_id, STR("m.read"),
				 id, STR(""), NULL),
		ERR_OK);
	(void)sync_now(&r->bob);
	got = json_get(room_of(r, &r->bob, "join", room), "unread_notifications");
	assert_int_equal(number(got, "notification_count"), 1);
	assert_int_equal(
		push_rules_set_enabled(r->sync.push_rules, r->bob.user_id,
			(struct push_rule_name){ STR("override"), STR(".m.rule.master") }, true,
			NULL),
		ERR_OK);
	(void)say(r, "alice", room, "silence");
	(void)sync_now(&r->bob);
	got = json_get(room_of(r, &r->bob, "join", room), "unread_notifications");
	assert_int_equal(number(got, "notification_count"), 0);
}

static void account_data_and_push_rules_come_when_they_change(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = room_of_two(r);
	const struct json *got;

	r->alice.since = STR("");
	(void)sync_now(&r->alice);
	assert_non_null(find(r->alice.answer, "account_data", "m.push_rules", STR("")));
	sync_begin(&r->alice, 30000);
	assert_int_equal(account_data_put(r->node->users, r->alice.account, STR(""),
				 STR("m.direct"), STR("{\"a\":[]}"), NULL),
		ERR_OK);
	assert_int_equal(sync_end(&r->alice), ERR_OK);
	assert_non_null(find(r->alice.answer, "account_data", "m.direct", STR("")));
	assert_null(find(r->alice.answer, "account_data", "m.push_rules", STR("")));
	sync_begin(&r->alice, 30000);
	assert_int_equal(account_data_put(r->node->users, r->alice.account, room, STR("m.tag"),
				 STR("{\"tags\":{}}"), NULL),
		ERR_OK);
	assert_int_equal(sync_end(&r->alice), ERR_OK);
	got = room_of(r, &r->alice, "join", room);
	assert_non_null(find(got, "account_data", "m.tag", STR("")));
	assert_int_equal(json_count(events(got, "timeline")), 0);
	sync_begin(&r->alice, 30000);
	assert_int_equal(
		push_rules_set_enabled(r->sync.push_rules, r->alice.user_id,
			(struct push_rule_name){ STR("override"), STR(".m.rule.master") }, true,
			NULL),
		ERR_OK);
	assert_int_equal(sync_end(&r->alice), ERR_OK);
	assert_non_null(find(r->alice.answer, "account_data", "m.push_rules", STR("")));
}

static void to_device_messages_stay_until_the_next_token(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct user_caller from = { .user_id = r->alice.user_id,
		.device_id = STR("DEVICE"),
		.account = r->alice.account,
		.device = r->alice.device };
	const struct json *messages;
	struct str before;

	(void)sync_now(&r->bob);
	before = r->bob.since;
	assert_int_equal(json_parse_in(r->m.arena,
				 arena_printf(r->m.arena, "{\"%.*s\":{\"*\":{\"n\":1}}}",
					 STR_FMT(r->bob.user_id)),
				 &json_limits_client, &messages, NULL),
		ERR_OK);
	sync_begin(&r->bob, 30000);
	assert_int_equal(
		to_device_send(r->node->users, &from, STR("m.test"), STR("t1"), messages, NULL),
		ERR_OK);
	assert_int_equal(sync_end(&r->bob), ERR_OK);
	assert_int_equal(json_count(events(r->bob.answer, "to_device")), 1);
	r->bob.since = before;
	(void)sync_now(&r->bob);
	assert_int_equal(json_count(events(r->bob.answer, "to_device")), 1);
	before = r->bob.since;
	(void)sync_now(&r->bob);
	assert_int_equal(json_count(events(r->bob.answer, "to_device")), 0);
	r->bob.since = before;
	(void)sync_now(&r->bob);
	assert_int_equal(json_count(events(r->bob.answer, "to_device")), 0);
}

static void logging_out_ends_a_parked_poll(void **state)
{
	struct rig *r = (struct rig *)*state;

	(void)sync_now(&r->bob);
	sync_begin(&r->bob, 30000);
	mesh_settle(&r->m, 5);
	store_feed_now(r->node->store,
		&(struct feed_item){ .kind = FEED_TOKEN_REVOKED,
			.user_id = r->bob.user_id,
			.device_id = STR("DEVICE") });
	assert_int_equal(sync_end(&r->bob), ERR_UNAUTHORIZED);
	sync_begin(&r->bob, 30000);
	mesh_settle(&r->m, 5);
	sync_cancel(&r->bob.op);
	mesh_settle(&r->m, 5);
	assert_null(r->bob.answer);
	r->bob.running = false;
}

static void filters_say_what_comes(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = room_of_two(r);
	const struct json *filter, *got;
	struct str id, again;

	r->bob.filter = STR("{\"room\":{\"timeline\":{\"types\":[\"m.room.*\"],"
			    "\"not_senders\":[\"@x:y\"],\"contains_url\":true}}}");
	(void)say(r, "alice", room, "no url");
	(void)sync_now(&r->bob);
	assert_null(room_of(r, &r->bob, "join", room));
	(void)mesh_send(r->node, "alice", room, "m.room.message",
		"{'msgtype':'m.image','body':'x','url':'mxc://a/b'}");
	(void)sync_now(&r->bob);
	got = room_of(r, &r->bob, "join", room);
	assert_int_equal(json_count(events(got, "timeline")), 1);

	assert_int_equal(json_parse_in(r->m.arena,
				 STR("{\"room\":{\"rooms\":[],\"state\":{\"types\":[]}}}"),
				 &json_limits_client, &filter, NULL),
		ERR_OK);
	assert_int_equal(
		sync_filter_put(r->sync.sync, r->m.arena, r->bob.user_id, filter, &id, NULL),
		ERR_OK);
	assert_int_equal(
		sync_filter_put(r->sync.sync, r->m.arena, r->bob.user_id, filter, &again, NULL),
		ERR_OK);
	assert_true(str_eq(id, again));
	r->bob.filter = id;
	(void)say(r, "alice", room, "not wanted");
	(void)sync_now(&r->bob);
	assert_null(room_of(r, &r->bob, "join", room));
	r->alice.filter = id;
	sync_begin(&r->alice, 0);
	assert_int_equal(sync_end(&r->alice), ERR_INVALID);
	r->bob.filter = STR("{\"room\":{\"timeline\":{\"limit\":\"5\"}}}");
	sync_begin(&r->bob, 0);
	assert_int_equal(sync_end(&r->bob), ERR_MALFORMED);
}

static void presence_reaches_those_who_share_a_room(void **state)
{
	struct rig *r = (struct rig *)*state;

	(void)room_of_two(r);
	(void)sync_now(&r->bob);
	sync_begin(&r->bob, 30000);
	mesh_settle(&r->m, 5);
	assert_int_equal(presence_set(r->node->presence, r->alice.user_id, PRESENCE_UNAVAILABLE,
				 STR("tea"), NULL),
		ERR_OK);
	assert_int_equal(sync_end(&r->bob), ERR_OK);
	assert_str_equal(text(json_get(nth(events(r->bob.answer, "presence"), 0), "content"),
				 "status_msg"),
		"tea");
}

static const struct json *parse(struct rig *r, struct str text)
{
	const struct json *j;

	assert_int_equal(json_parse_in(r->m.arena, text, &json_limits_peer, &j, NULL), ERR_OK);
	return j;
}

/* Somebody of another server in the room, as far as the store is concerned. */
static struct str put_stranger(struct rig *r, struct str room)
{
	struct str user_id = STR("@eve:them.example");

	assert_int_equal(store_begin(r->node->store), ERR_OK);
	assert_int_equal(store_membership_put(r->node->store,
				 &(struct store_member){ .room_id = room,
					 .user_id = user_id,
					 .membership = MEMBERSHIP_JOIN }),
		ERR_OK);
	assert_int_equal(store_commit(r->node->store), ERR_OK);
	return user_id;
}

static void what_other_servers_tell_is_of_their_own_users(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = room_of_two(r), eve = put_stranger(r, room);
	struct str id = say(r, "bob", room, "read me"), us = str_of(r->node->name);
	struct str them = STR("them.example");
	struct arena *a = r->m.arena;
	const struct json *typing, *receipt, *presence, *got;

	typing = parse(r,
		arena_printf(a, "{\"room_id\":\"%.*s\",\"user_id\":\"%.*s\",\"typing\":true}",
			STR_FMT(room), STR_FMT(eve)));
	receipt = parse(r,
		arena_printf(a,
			"{\"%.*s\":{\"m.read\":{\"%.*s\":{\"data\":{\"ts\":5},"
			"\"event_ids\":[\"%.*s\"]}}}}",
			STR_FMT(room), STR_FMT(eve), STR_FMT(id)));
	presence = parse(r,
		arena_printf(a, "{\"push\":[{\"user_id\":\"%.*s\",\"presence\":\"online\"}]}",
			STR_FMT(eve)));
	assert_int_equal(typing_receive(r->node->typing, us, typing, NULL), ERR_FORBIDDEN);
	assert_int_equal(receipts_receive(r->node->receipts, us, receipt, NULL), ERR_OK);
	assert_int_equal(presence_receive(r->node->presence, us, presence, NULL), ERR_OK);
	(void)sync_now(&r->alice);
	got = room_of(r, &r->alice, "join", room);
	assert_null(find(got, "ephemeral", "m.typing", STR("")));
	assert_null(find(got, "ephemeral", "m.receipt", STR("")));

	assert_int_equal(typing_receive(r->node->typing, them, typing, NULL), ERR_OK);
	assert_int_equal(receipts_receive(r->node->receipts, them, receipt, NULL), ERR_OK);
	assert_int_equal(presence_receive(r->node->presence, them, presence, NULL), ERR_OK);
	(void)sync_now(&r->alice);
	got = room_of(r, &r->alice, "join", room);
	assert_non_null(find(got, "ephemeral", "m.typing", STR("")));
	assert_non_null(find(got, "ephemeral", "m.receipt", STR("")));
	assert_str_equal(text(nth(events(r->alice.answer, "presence"), 0), "sender"),
		"@eve:them.example");
}

static void malformed_edus_are_refused_and_change_nothing(void **state)
{
	static const char *const typing[] = {
		"{}", "[]", "{\"room_id\":5}",
		"{\"room_id\":\"!r:x\",\"user_id\":\"@eve:them.example\",\"typing\":\"yes\"}",
		"{\"room_id\":\"nonsense\",\"user_id\":\"@eve:them.example\",\"typing\":true}"
	};
	static const char *const receipts[] = { "[]", "{\"!r:x\":[]}",
		"{\"!r:x\":{\"m.read\":[]}}",
		"{\"!r:x\":{\"m.read\":{\"@eve:them.example\":{}}}}",
		"{\"!r:x\":{\"m.read\":{\"@eve:them.example\":{\"event_ids\":[5]}}}}",
		"{\"!r:x\":{\"m.read\":{\"@eve:them.example\":{\"event_ids\":[\"$x\"],"
		"\"data\":{\"ts\":-1}}}}}" };
	static const char *const presence[] = { "{}", "{\"push\":{}}", "{\"push\":[5]}",
		"{\"push\":[{\"user_id\":\"eve\",\"presence\":\"online\"}]}",
		"{\"push\":[{\"user_id\":\"@eve:them.example\",\"presence\":\"here\"}]}" };
	struct rig *r = (struct rig *)*state;
	struct str them = STR("them.example");

	for (size_t i = 0; i < ARRAY_LEN(typing); i++)
		assert_int_equal(typing_receive(r->node->typing, them,
					 parse(r, str_of(typing[i])), NULL),
			ERR_MALFORMED);
	for (size_t i = 0; i < ARRAY_LEN(receipts); i++)
		assert_int_equal(receipts_receive(r->node->receipts, them,
					 parse(r, str_of(receipts[i])), NULL),
			ERR_MALFORMED);
	for (size_t i = 0; i < ARRAY_LEN(presence); i++)
		assert_int_equal(presence_receive(r->node->presence, them,
					 parse(r, str_of(presence[i])), NULL),
			ERR_MALFORMED);
}

static void receipts_for_other_rooms_events_are_refused(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct str room = room_of_two(r), other = room_of_two(r);
	struct str id = say(r, "alice", other, "elsewhere");
	struct receipts *receipts = r->node->receipts;

	assert_int_equal(
		receipts_set(receipts, room, r->bob.user_id, STR("m.read"), id, STR(""), NULL),
		ERR_NOT_FOUND);
	assert_int_equal(
		receipts_set(receipts, other, r->bob.user_id, STR("m.seen"), id, STR(""), NULL),
		ERR_INVALID);
	assert_int_equal(receipts_set(receipts, other, r->bob.user_id, STR("m.fully_read"), id,
				 STR("main"), NULL),
		ERR_INVALID);
	assert_int_equal(receipts_set(receipts, other, STR("@carol:x"), STR("m.read"), id,
				 STR(""), NULL),
		ERR_FORBIDDEN);
	assert_int_equal(receipts_set(receipts, other, r->bob.user_id, STR("m.fully_read"), id,
				 STR(""), NULL),
		ERR_OK);
	(void)sync_now(&r->bob);
	assert_non_null(find(
		room_of(r, &r->bob, "join", other), "account_data", "m.fully_read", STR("")));
}

static void the_oldest_of_too_many_polls_is_answered(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct sync_user polls[33];

	(void)sync_now(&r->bob);
	for (size_t i = 0; i < ARRAY_LEN(polls); i++) {
		polls[i] = r->bob;
		sync_begin(&polls[i], 30000);
		mesh_settle(&r->m, 1);
	}
	assert_int_equal(sync_end(&polls[0]), ERR_OK);
	for (size_t i = 1; i < ARRAY_LEN(polls); i++) {
		assert_true(polls[i].running);
		sync_cancel(&polls[i].op);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		T(a_new_room_comes_whole),
		T(a_parked_poll_wakes_with_the_message),
		T(a_woken_poll_tells_everything_that_moved),
		T(a_poll_without_news_ends_in_time_and_moves_on),
		T(a_gap_is_limited_and_brings_its_state),
		T(state_after_has_what_the_timeline_changed),
		T(an_invite_shows_what_the_room_is),
		T(joining_brings_all_state_and_leaving_ends_it),
		T(lazy_members_come_once),
		T(typing_and_receipts_are_told_and_private_ones_are_not),
		T(unread_counts_follow_rules_and_receipts),
		T(account_data_and_push_rules_come_when_they_change),
		T(to_device_messages_stay_until_the_next_token),
		T(logging_out_ends_a_parked_poll),
		T(filters_say_what_comes),
		T(presence_reaches_those_who_share_a_room),
		T(what_other_servers_tell_is_of_their_own_users),
		T(malformed_edus_are_refused_and_change_nothing),
		T(receipts_for_other_rooms_events_are_refused),
		T(the_oldest_of_too_many_polls_is_answered),
	};
	return RUN_TESTS(tests);
}
