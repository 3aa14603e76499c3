/*
 * Two and three whole nodes in one process, paired over real links on loopback: what friends
 * do.
 */
#include "tests/support/nodes.h"

#include "tests/support/cmocka.h"

#include <stdlib.h>

struct friends {
	struct test_node a, b, c;
	struct test_user alice, bob, carol;
};

static int two_paired(void **state)
{
	struct friends *f = calloc(1, sizeof(*f));

	node_new(&f->a);
	node_new(&f->b);
	f->alice = user_new(&f->a, "alice");
	f->bob = user_new(&f->b, "bob");
	(void)node_pair(&f->a, &f->b);
	*state = f;
	return 0;
}

static int three_paired(void **state)
{
	struct friends *f;

	(void)two_paired(state);
	f = *state;
	node_new(&f->c);
	f->carol = user_new(&f->c, "carol");
	(void)node_pair(&f->a, &f->c);
	(void)node_pair(&f->b, &f->c);
	return 0;
}

static int part(void **state)
{
	struct friends *f = *state;

	node_free(&f->a);
	node_free(&f->b);
	if (f->c.arena)
		node_free(&f->c);
	free(f);
	return 0;
}

/* What to look for in a sync answer. */
struct look {
	const char *room;
	const char *event_id;
	const char *text;
	size_t count;
};

static bool sees_invite(void *arg, const struct json *answer)
{
	struct look *l = arg;

	return at(answer, "rooms", "invite", l->room, NULL) != NULL;
}

static bool sees_join(void *arg, const struct json *answer)
{
	struct look *l = arg;

	return at(answer, "rooms", "join", l->room, NULL) != NULL;
}

static bool sees_event(void *arg, const struct json *answer)
{
	struct look *l = arg;
	const struct json *events =
		at(answer, "rooms", "join", l->room, "timeline", "events", NULL);
	struct str id;

	for (const struct json *e = json_first(events); e; e = json_next(e)) {
		if (json_as_str(json_get(e, "event_id"), &id) &&
			str_eq(id, str_of(l->event_id)))
			return true;
	}
	return false;
}

static const char *create_room(struct test_user *u, const char *body)
{
	return text_at(u->node,
		user_call(u, 200, "POST", body, "/_matrix/client/v3/createRoom"), "room_id",
		NULL);
}

static void invite_and_join(struct test_user *from, struct test_user *to, const char *room)
{
	struct look look = { .room = room };
	const char *path = enc(from->node, room);

	(void)user_call(from, 200, "POST", fmt(from->node, "{\"user_id\":\"%s\"}", to->user_id),
		"/_matrix/client/v3/rooms/%s/invite", path);
	(void)sync_until(to, "the invite", sees_invite, &look);
	(void)user_call(to, 200, "POST", "{}", "/_matrix/client/v3/rooms/%s/join", path);
	(void)sync_until(to, "the joined room", sees_join, &look);
}

static const char *say(struct test_user *u, const char *room, const char *text, int txn)
{
	return text_at(u->node,
		user_call(u, 200, "PUT",
			fmt(u->node, "{\"msgtype\":\"m.text\",\"body\":\"%s\"}", text),
			"/_matrix/client/v3/rooms/%s/send/m.room.message/%d",
			enc(u->node, room), txn),
		"event_id", NULL);
}

static void hears(struct test_user *u, const char *room, const char *event_id)
{
	struct look look = { .room = room, .event_id = event_id };

	(void)sync_until(u, fmt(u->node, "event %s", event_id), sees_event, &look);
}

static void friends_talk_both_ways(void **state)
{
	struct friends *f = *state;
	const char *room =
		create_room(&f->alice, "{\"preset\":\"private_chat\",\"name\":\"us\"}");

	invite_and_join(&f->alice, &f->bob, room);
	hears(&f->bob, room, say(&f->alice, room, "hello", 1));
	hears(&f->alice, room, say(&f->bob, room, "hello yourself", 1));
}

static void each_room_version_works(void **state)
{
	struct friends *f = *state;
	static const char *const versions[] = { "11", "12" };

	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		const char *room = create_room(
			&f->alice, fmt(&f->a, "{\"room_version\":\"%s\"}", versions[i]));

		invite_and_join(&f->alice, &f->bob, room);
		hears(&f->bob, room, say(&f->alice, room, "hello", (int)i));
	}
	/* What is not offered is not made. */
	(void)user_call(&f->alice, 400, "POST", "{\"room_version\":\"5\"}",
		"/_matrix/client/v3/createRoom");
}

/* All m.room.message events of a room that /messages has, walking backwards from now. */
static size_t count_history(struct test_user *u, const char *room)
{
	const char *from = NULL;
	size_t count = 0;

	for (int page = 0; page < 200; page++) {
		const struct json *j = user_call(u, 200, "GET", NULL,
			"/_matrix/client/v3/rooms/%s/messages?dir=b&limit=100%s%s",
			enc(u->node, room), from ? "&from=" : "",
			from ? enc(u->node, from) : "");
		struct str type;

		for (const struct json *e = json_first(json_get(j, "chunk")); e;
			e = json_next(e)) {
			if (json_as_str(json_get(e, "type"), &type) &&
				str_eq(type, STR("m.room.message")))
				count++;
		}
		if (!json_get(j, "end"))
			return count;
		from = text_at(u->node, j, "end", NULL);
	}
	fail_msg("/messages has no end");
	return 0;
}

static void a_friend_who_was_away_gets_all_of_it(void **state)
{
	struct friends *f = *state;
	const char *room = create_room(&f->alice, "{\"preset\":\"private_chat\"}");
	const char *last = NULL;

	invite_and_join(&f->alice, &f->bob, room);
	node_stop(&f->b);
	for (int i = 0; i < 500; i++)
		last = say(&f->alice, room, "while you were out", 100 + i);
	/* The outbox survives a restart of the sender as well. */
	node_stop(&f->a);
	node_start(&f->a);
	node_start(&f->b);
	hears(&f->bob, room, last);
	assert_int_equal(count_history(&f->bob, room), 500);
	hears(&f->alice, room, say(&f->bob, room, "quite a lot", 1));
}

static void profile_of_a_friend_is_asked_for(void **state)
{
	struct friends *f = *state;
	const struct json *j;

	(void)user_call(&f->bob, 200, "PUT", "{\"displayname\":\"Bob the Builder\"}",
		"/_matrix/client/v3/profile/%s/displayname", enc(&f->b, f->bob.user_id));
	j = user_call(&f->alice, 200, "GET", NULL, "/_matrix/client/v3/profile/%s",
		enc(&f->a, f->bob.user_id));
	assert_string_equal(text_at(&f->a, j, "displayname", NULL), "Bob the Builder");
}

static void the_directory_finds_a_paired_friend(void **state)
{
	struct friends *f = *state;
	const struct json *j =
		user_call(&f->alice, 200, "POST", "{\"search_term\":\"bob\",\"limit\":10}",
			"/_matrix/client/v3/user_directory/search");
	const struct json *first = json_first(json_get(j, "results"));

	assert_non_null(first);
	assert_string_equal(text_at(&f->a, first, "user_id", NULL), f->bob.user_id);
}

static bool sees_to_device(void *arg, const struct json *answer)
{
	struct look *l = arg;
	struct str type;

	for (const struct json *e = json_first(at(answer, "to_device", "events", NULL)); e;
		e = json_next(e)) {
		if (json_as_str(json_get(e, "type"), &type) && str_eq(type, str_of(l->text)))
			l->count++;
	}
	return l->count > 0;
}

static void to_device_messages_cross_once_and_survive(void **state)
{
	struct friends *f = *state;
	struct look look = { .text = "org.example.hi" };
	const char *body = fmt(&f->a, "{\"messages\":{\"%s\":{\"%s\":{\"n\":1}}}}",
		f->bob.user_id, f->bob.device_id);

	(void)sync_once(&f->bob, 0);
	node_stop(&f->b);
	for (int i = 0; i < 2; i++) /* a repeated transaction is one message */
		(void)user_call(&f->alice, 200, "PUT", body,
			"/_matrix/client/v3/sendToDevice/org.example.hi/t1");
	node_stop(&f->a);
	node_start(&f->a);
	node_start(&f->b);
	(void)sync_until(&f->bob, "the to-device message", sees_to_device, &look);
	(void)sync_once(&f->bob, 500);
	assert_int_equal(look.count, 1);
}

static void keys_of_a_friend_are_queried_and_claimed(void **state)
{
	struct friends *f = *state;
	const struct json *j;

	(void)user_call(&f->bob, 200, "POST",
		fmt(&f->b,
			"{\"device_keys\":{\"user_id\":\"%s\",\"device_id\":\"%s\","
			"\"algorithms\":[\"m.olm.v1.curve25519-aes-sha2\"],"
			"\"keys\":{\"curve25519:%s\":\"AAAA\",\"ed25519:%s\":\"BBBB\"},"
			"\"signatures\":{\"%s\":{\"ed25519:%s\":\"CCCC\"}}},"
			"\"one_time_keys\":{\"signed_curve25519:AAAAHg\":{\"key\":\"DDDD\","
			"\"signatures\":{\"%s\":{\"ed25519:%s\":\"EEEE\"}}}}}",
			f->bob.user_id, f->bob.device_id, f->bob.device_id, f->bob.device_id,
			f->bob.user_id, f->bob.device_id, f->bob.user_id, f->bob.device_id),
		"/_matrix/client/v3/keys/upload");
	j = user_call(&f->alice, 200, "POST",
		fmt(&f->a, "{\"device_keys\":{\"%s\":[]}}", f->bob.user_id),
		"/_matrix/client/v3/keys/query");
	assert_non_null(
		at(j, "device_keys", f->bob.user_id, f->bob.device_id, "signatures", NULL));
	j = user_call(&f->alice, 200, "POST",
		fmt(&f->a, "{\"one_time_keys\":{\"%s\":{\"%s\":\"signed_curve25519\"}}}",
			f->bob.user_id, f->bob.device_id),
		"/_matrix/client/v3/keys/claim");
	assert_non_null(at(j, "one_time_keys", f->bob.user_id, f->bob.device_id,
		"signed_curve25519:AAAAHg", NULL));
	/* It was the last one. */
	j = user_call(&f->alice, 200, "POST",
		fmt(&f->a, "{\"one_time_keys\":{\"%s\":{\"%s\":\"signed_curve25519\"}}}",
			f->bob.user_id, f->bob.device_id),
		"/_matrix/client/v3/keys/claim");
	assert_null(at(j, "one_time_keys", f->bob.user_id, f->bob.device_id,
		"signed_curve25519:AAAAHg", NULL));
}

static bool device_list_changed(void *arg, const struct json *answer)
{
	struct look *l = arg;
	struct str id;

	for (const struct json *u = json_first(at(answer, "device_lists", "changed", NULL)); u;
		u = json_next(u)) {
		if (json_as_str(u, &id) && str_eq(id, str_of(l->text)))
			return true;
	}
	return false;
}

static void a_friends_new_device_is_told(void **state)
{
	struct friends *f = *state;
	struct look look = { .text = f->bob.user_id };
	const char *room = create_room(&f->alice, "{\"preset\":\"private_chat\"}");

	invite_and_join(&f->alice, &f->bob, room);
	hears(&f->alice, room, say(&f->bob, room, "here", 1));
	(void)sync_once(&f->alice, 0);
	(void)sync_once(&f->alice, 0);
	(void)user_call(&f->bob, 200, "POST",
		fmt(&f->b,
			"{\"device_keys\":{\"user_id\":\"%s\",\"device_id\":\"%s\","
			"\"algorithms\":[],\"keys\":{\"ed25519:%s\":\"BBBB\"},"
			"\"signatures\":{}}}",
			f->bob.user_id, f->bob.device_id, f->bob.device_id),
		"/_matrix/client/v3/keys/upload");
	(void)sync_until(&f->alice, "bob in device_lists", device_list_changed, &look);
}

static bool sees_typing(void *arg, const struct json *answer)
{
	struct look *l = arg;
	struct str type;

	for (const struct json *e = json_first(
		     at(answer, "rooms", "join", l->room, "ephemeral", "events", NULL));
		e; e = json_next(e)) {
		if (json_as_str(json_get(e, "type"), &type) && str_eq(type, str_of(l->text)) &&
			json_first(json_get(e, "content")))
			return true;
	}
	return false;
}

static void types(struct friends *f, const char *room, bool typing)
{
	(void)user_call(&f->bob, 200, "PUT",
		typing ? "{\"typing\":true,\"timeout\":30000}" : "{\"typing\":false}",
		"/_matrix/client/v3/rooms/%s/typing/%s", enc(&f->b, room),
		enc(&f->b, f->bob.user_id));
}

static void typing_and_receipts_cross(void **state)
{
	struct friends *f = *state;
	const char *room = create_room(&f->alice, "{\"preset\":\"private_chat\"}");
	struct look typing = { .room = room, .text = "m.typing" };
	struct look receipt = { .room = room, .text = "m.receipt" };
	const char *event;

	invite_and_join(&f->alice, &f->bob, room);
	event = say(&f->alice, room, "read this", 1);
	hears(&f->bob, room, event);
	types(f, room, true);
	(void)sync_until(&f->alice, "bob typing", sees_typing, &typing);
	(void)user_call(&f->bob, 200, "POST", "{}",
		"/_matrix/client/v3/rooms/%s/receipt/m.read/%s", enc(&f->b, room),
		enc(&f->b, event));
	(void)sync_until(&f->alice, "bob's receipt", sees_typing, &receipt);
	/* Nothing was written since, so these go up to the position of the receipt again. */
	types(f, room, false);
	(void)sync_until(&f->alice, "bob typing no more", sees_typing, &typing);
	types(f, room, true);
	(void)sync_until(&f->alice, "bob typing again", sees_typing, &typing);
}

static bool left(void *arg, const struct json *answer)
{
	struct look *l = arg;

	return at(answer, "rooms", "leave", l->room, NULL) != NULL;
}

static void leaving_and_kicking_cross(void **state)
{
	struct friends *f = *state;
	const char *room = create_room(&f->alice, "{\"preset\":\"private_chat\"}");
	struct look look = { .room = room };

	invite_and_join(&f->alice, &f->bob, room);
	(void)user_call(&f->alice, 200, "POST",
		fmt(&f->a, "{\"user_id\":\"%s\",\"reason\":\"out\"}", f->bob.user_id),
		"/_matrix/client/v3/rooms/%s/kick", enc(&f->a, room));
	(void)sync_until(&f->bob, "being kicked", left, &look);
	(void)user_call(&f->bob, 403, "PUT", "{\"msgtype\":\"m.text\",\"body\":\"x\"}",
		"/_matrix/client/v3/rooms/%s/send/m.room.message/9", enc(&f->b, room));
	invite_and_join(&f->alice, &f->bob, room);
	(void)user_call(&f->bob, 200, "POST", "{}", "/_matrix/client/v3/rooms/%s/leave",
		enc(&f->b, room));
	(void)sync_until(&f->bob, "having left", left, &look);
}

static void an_invite_is_rejected(void **state)
{
	struct friends *f = *state;
	const char *room = create_room(&f->alice,
		fmt(&f->a, "{\"preset\":\"private_chat\",\"invite\":[\"%s\"]}",
			f->bob.user_id));
	struct look look = { .room = room };

	(void)sync_until(&f->bob, "the invite", sees_invite, &look);
	(void)user_call(&f->bob, 200, "POST", "{}", "/_matrix/client/v3/rooms/%s/leave",
		enc(&f->b, room));
	(void)sync_until(&f->bob, "the invite gone", left, &look);
}

static void three_share_a_room(void **state)
{
	struct friends *f = *state;
	const char *room = create_room(&f->alice, "{\"preset\":\"private_chat\"}");
	const char *event;

	invite_and_join(&f->alice, &f->bob, room);
	(void)say(&f->bob, room, "before carol", 1);
	invite_and_join(&f->alice, &f->carol, room);
	event = say(&f->carol, room, "hi both", 1);
	hears(&f->alice, room, event);
	hears(&f->bob, room, event);
	event = say(&f->bob, room, "hi carol", 2);
	hears(&f->carol, room, event);
	/* Two write while apart; all meet again. */
	node_stop(&f->c);
	hears(&f->alice, room, say(&f->bob, room, "without carol", 3));
	event = say(&f->alice, room, "still without", 4);
	node_start(&f->c);
	hears(&f->carol, room, event);
}

static void history_from_before_is_fetched(void **state)
{
	struct friends *f = *state;
	const char *room = create_room(&f->alice, "{\"preset\":\"private_chat\"}");

	for (int i = 0; i < 150; i++)
		(void)say(&f->alice, room, "long ago", i);
	invite_and_join(&f->alice, &f->bob, room);
	assert_int_equal(count_history(&f->bob, room), 150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(friends_talk_both_ways, two_paired, part),
		cmocka_unit_test_setup_teardown(each_room_version_works, two_paired, part),
		cmocka_unit_test_setup_teardown(
			a_friend_who_was_away_gets_all_of_it, two_paired, part),
		cmocka_unit_test_setup_teardown(
			profile_of_a_friend_is_asked_for, two_paired, part),
		cmocka_unit_test_setup_teardown(
			the_directory_finds_a_paired_friend, two_paired, part),
		cmocka_unit_test_setup_teardown(
			to_device_messages_cross_once_and_survive, two_paired, part),
		cmocka_unit_test_setup_teardown(
			keys_of_a_friend_are_queried_and_claimed, two_paired, part),
		cmocka_unit_test_setup_teardown(a_friends_new_device_is_told, two_paired, part),
		cmocka_unit_test_setup_teardown(typing_and_receipts_cross, two_paired, part),
		cmocka_unit_test_setup_teardown(leaving_and_kicking_cross, two_paired, part),
		cmocka_unit_test_setup_teardown(an_invite_is_rejected, two_paired, part),
		cmocka_unit_test_setup_teardown(three_share_a_room, three_paired, part),
		cmocka_unit_test_setup_teardown(
			history_from_before_is_fetched, two_paired, part),
	};
	return RUN_TESTS(tests);
}
