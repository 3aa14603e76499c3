/*
 * What users keep and tell: profiles, account data, tags, the directory, backups of room keys,
 * messages to devices.
 */
#include <stdio.h>
#include <stdlib.h>

#include "node/base/limits.h"
#include "node/user/to_device.h"
#include "store/outbox.h"
#include "tests/support/api.h"
#include "tests/support/cmocka.h"
#include "tests/support/room_maker.h"

#define V3   "/_matrix/client/v3"
#define USER V3 "/user/@alice:here.example"

static void a_profile_is_changed_by_its_user_alone(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user bob = api_register(f, "bob");
	const char *name = V3 "/profile/@alice:here.example/displayname";
	const char *avatar = V3 "/profile/@alice:here.example/avatar_url";
	const char *all = V3 "/profile/@alice:here.example";
	char long_name[LIMIT_DISPLAYNAME_BYTES + 2] = { 0 };
	const struct json *a;

	(void)api_callf(f, bob.token, 403, "PUT", name, "{'displayname':'Eve'}");
	(void)api_callf(f, alice.token, 200, "PUT", name, "{'displayname':'Alice \xc3\x84'}");
	a = api_call(f, bob.token, 200, "GET", name, NULL);
	assert_string_equal(api_text(f, a, "displayname", NULL), "Alice \xc3\x84");
	(void)api_callf(f, alice.token, 400, "PUT", avatar, "{'avatar_url':'http://x/y'}");
	(void)api_callf(f, alice.token, 200, "PUT", avatar, "{'avatar_url':'mxc://x/y'}");
	a = api_callf(f, alice.token, 400, "PUT", avatar, "{'displayname':'x'}");
	assert_string_equal(api_errcode(f, a), "M_MISSING_PARAM");
	a = api_call(f, NULL, 200, "GET", all, NULL);
	assert_int_equal(json_count(a), 2);
	(void)api_callf(f, alice.token, 200, "PUT", avatar, "{'avatar_url':''}");
	(void)api_call(f, NULL, 404, "GET", avatar, NULL);
	(void)api_call(f, alice.token, 200, "DELETE", name, NULL);
	(void)api_call(f, NULL, 404, "GET", name, NULL);
	(void)api_call(f, alice.token, 404, "GET", V3 "/profile/@no:here.example", NULL);
	(void)api_call(f, alice.token, 404, "GET", V3 "/profile/@no:there.example", NULL);
	(void)api_call(f, alice.token, 400, "GET", V3 "/profile/no", NULL);

	memset(long_name, 'n', LIMIT_DISPLAYNAME_BYTES + 1);
	(void)api_callf(f, alice.token, 400, "PUT", name, "{'displayname':'%s'}", long_name);
	long_name[LIMIT_DISPLAYNAME_BYTES] = '\0';
	(void)api_callf(f, alice.token, 200, "PUT", name, "{'displayname':'%s'}", long_name);
}

static void custom_profile_fields_hold_any_json(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	const char *tz = V3 "/profile/@alice:here.example/m.tz";
	const char *own = V3 "/profile/@alice:here.example/org.example.thing";
	const struct json *a;
	int64_t n;

	(void)api_callf(f, alice.token, 200, "PUT", tz, "{'m.tz':'Europe/London'}");
	(void)api_callf(f, alice.token, 400, "PUT", tz, "{'m.tz':1}");
	(void)api_callf(f, alice.token, 200, "PUT", own, "{'org.example.thing':{'a':[1]}}");
	a = api_call(f, alice.token, 200, "GET", own, NULL);
	assert_true(json_as_int(json_first(api_at(a, "org.example.thing", "a", NULL)), &n) &&
		n == 1);
	(void)api_callf(f, alice.token, 400, "PUT", V3 "/profile/@alice:here.example/Thing",
		"{'Thing':1}");
	(void)api_callf(f, alice.token, 400, "PUT", V3 "/profile/@alice:here.example/a..b",
		"{'a..b':1}");
}

static void a_profile_has_less_than_64_kib(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	char *big = calloc(1, 65000);
	const struct json *a;

	memset(big, 'x', 40000);
	(void)api_callf(f, alice.token, 200, "PUT",
		V3 "/profile/@alice:here.example/org.example.one", "{'org.example.one':'%s'}",
		big);
	a = api_callf(f, alice.token, 400, "PUT",
		V3 "/profile/@alice:here.example/org.example.two", "{'org.example.two':'%s'}",
		big);
	assert_string_equal(api_errcode(f, a), "M_PROFILE_TOO_LARGE");
	(void)api_call(
		f, NULL, 404, "GET", V3 "/profile/@alice:here.example/org.example.two", NULL);
	free(big);
}

static void account_data_is_kept_for_its_user(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user bob = api_register(f, "bob");
	const char *global = USER "/account_data/m.direct";
	const char *room = USER "/rooms/!r:x/account_data/m.direct";
	char *big = calloc(1, LIMIT_ACCOUNT_DATA_BYTES + 10);
	const struct json *a;

	(void)api_call(f, alice.token, 404, "GET", global, NULL);
	(void)api_callf(f, alice.token, 200, "PUT", global, "{'a':'global'}");
	(void)api_callf(f, alice.token, 200, "PUT", room, "{'a':'room'}");
	a = api_call(f, alice.token, 200, "GET", global, NULL);
	assert_string_equal(api_text(f, a, "a", NULL), "global");
	a = api_call(f, alice.token, 200, "GET", room, NULL);
	assert_string_equal(api_text(f, a, "a", NULL), "room");
	(void)api_call(f, bob.token, 403, "GET", global, NULL);
	(void)api_callf(f, bob.token, 403, "PUT", room, "{}");
	(void)api_call(f, NULL, 401, "GET", global, NULL);
	a = api_callf(f, alice.token, 405, "PUT", USER "/account_data/m.push_rules", "{}");
	assert_string_equal(api_errcode(f, a), "M_BAD_JSON");
	(void)api_callf(
		f, alice.token, 405, "PUT", USER "/rooms/!r:x/account_data/m.fully_read", "{}");
	(void)api_callf(
		f, alice.token, 400, "PUT", USER "/rooms/noroom/account_data/m.x", "{}");

	memset(big, 'x', LIMIT_ACCOUNT_DATA_BYTES);
	a = api_callf(f, alice.token, 413, "PUT", global, "{'a':'%s'}", big);
	assert_string_equal(api_errcode(f, a), "M_TOO_LARGE");
	big[LIMIT_ACCOUNT_DATA_BYTES - strlen("{'a':''}")] = '\0';
	(void)api_callf(f, alice.token, 200, "PUT", global, "{'a':'%s'}", big);
	free(big);
}

static void tags_are_set_one_by_one(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	const char *tags = USER "/rooms/!r:x/tags";
	const struct json *a = api_call(f, alice.token, 200, "GET", tags, NULL);

	assert_int_equal(json_count(json_get(a, "tags")), 0);
	(void)api_callf(f, alice.token, 200, "PUT", USER "/rooms/!r:x/tags/m.favourite",
		"{'order':0.5}");
	(void)api_callf(f, alice.token, 200, "PUT", USER "/rooms/!r:x/tags/u.work", "{}");
	a = api_call(f, alice.token, 200, "GET", USER "/rooms/!r:x/account_data/m.tag", NULL);
	assert_int_equal(json_count(json_get(a, "tags")), 2);
	(void)api_call(
		f, alice.token, 200, "DELETE", USER "/rooms/!r:x/tags/m.favourite", NULL);
	a = api_call(f, alice.token, 200, "GET", tags, NULL);
	assert_int_equal(json_count(json_get(a, "tags")), 1);
	assert_non_null(api_at(a, "tags", "u.work", NULL));
}

static void each_contact(void *arg,
	void (*each)(void *each_arg, struct str user_id, struct str name), void *each_arg)
{
	(void)arg;
	each(each_arg, STR("@bob:there.example"), STR("Bob of there"));
}

static void the_directory_finds_people_here_in_rooms_and_paired(void **state)
{
	static const struct user_contact_ops contacts = { each_contact };
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	const char *target = V3 "/user_directory/search";
	struct room_maker room;
	const struct json *a;
	bool limited;

	(void)api_register(f, "bobby");
	users_set_contact_ops(f->users, &contacts, NULL);
	room_maker_init(&room, f->store->st, STR("!room:here.example"));
	(void)room_maker_send(&room, "m.room.member", "@carol:far.example",
		STR("@carol:far.example"),
		"{\"membership\":\"join\",\"displayname\":\"Carol BOBSON\"}");
	(void)room_maker_send(&room, "m.room.member", "@bob:gone.example",
		STR("@bob:gone.example"), "{\"membership\":\"leave\"}");
	room_maker_deinit(&room);

	a = api_callf(f, alice.token, 200, "POST", target, "{'search_term':'BOB'}");
	assert_int_equal(json_count(json_get(a, "results")), 3);
	a = api_callf(f, alice.token, 200, "POST", target, "{'search_term':'bob','limit':1}");
	assert_int_equal(json_count(json_get(a, "results")), 1);
	assert_true(json_as_bool(json_get(a, "limited"), &limited) && limited);
	a = api_callf(f, alice.token, 200, "POST", target, "{'search_term':'alice'}");
	assert_int_equal(json_count(json_get(a, "results")), 1);
	a = api_callf(f, alice.token, 200, "POST", target, "{'search_term':'bobson'}");
	assert_string_equal(
		api_text(f, json_first(json_get(a, "results")), "display_name", NULL),
		"Carol BOBSON");
}

/*
 * Backups.
 */

#define KEY(first, verified) \
	"{'first_message_index':" first ",'forwarded_count':0,'is_verified':" verified \
	",'session_data':{'ciphertext':'" first "'}}"

static void backups_keep_the_better_key_of_a_session(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	const char *one = V3 "/room_keys/keys/!r:x/s1?version=1";
	const struct json *a;

	(void)api_call(f, alice.token, 404, "GET", V3 "/room_keys/version", NULL);
	a = api_callf(f, alice.token, 200, "POST", V3 "/room_keys/version",
		"{'algorithm':'m.megolm_backup.v1','auth_data':{'public_key':'x'}}");
	assert_string_equal(api_text(f, a, "version", NULL), "1");

	a = api_callf(f, alice.token, 200, "PUT", one, KEY("5", "false"));
	assert_int_equal(api_int(a, "count", NULL), 1);
	assert_string_equal(api_text(f, a, "etag", NULL), "1");
	a = api_callf(f, alice.token, 200, "PUT", one, KEY("6", "false")); /* worse */
	assert_string_equal(api_text(f, a, "etag", NULL), "1");
	a = api_callf(f, alice.token, 200, "PUT", one, KEY("4", "false"));
	assert_string_equal(api_text(f, a, "etag", NULL), "2");
	a = api_callf(f, alice.token, 200, "PUT", one, KEY("9", "true"));
	assert_string_equal(api_text(f, a, "etag", NULL), "3");
	a = api_callf(f, alice.token, 200, "PUT", one, KEY("1", "false"));
	assert_string_equal(api_text(f, a, "etag", NULL), "3");
	a = api_call(f, alice.token, 200, "GET", one, NULL);
	assert_string_equal(api_text(f, a, "session_data", "ciphertext", NULL), "9");
	(void)api_callf(f, alice.token, 400, "PUT", one, "{'first_message_index':1}");
}

static void backups_are_read_and_deleted_at_every_depth(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user bob = api_register(f, "bob");
	const char *keys = V3 "/room_keys/keys?version=1";
	const char *room = V3 "/room_keys/keys/!r:x?version=1";
	const struct json *a;

	(void)api_callf(f, alice.token, 200, "POST", V3 "/room_keys/version",
		"{'algorithm':'a','auth_data':{}}");
	a = api_callf(f, alice.token, 200, "PUT", keys,
		"{'rooms':{'!r:x':{'sessions':{'a':" KEY("1", "true") ",'b':" KEY(
			"2", "true") "}},'!q:x':{'sessions':{'a':" KEY("3", "true") "}}}}");
	assert_int_equal(api_int(a, "count", NULL), 3);
	a = api_call(f, alice.token, 200, "GET", keys, NULL);
	assert_int_equal(json_count(json_get(a, "rooms")), 2);
	assert_int_equal(json_count(api_at(a, "rooms", "!r:x", "sessions", NULL)), 2);
	assert_int_equal(
		api_int(a, "rooms", "!q:x", "sessions", "a", "first_message_index", NULL), 3);
	a = api_call(f, alice.token, 200, "GET", room, NULL);
	assert_int_equal(json_count(json_get(a, "sessions")), 2);
	(void)api_call(f, alice.token, 404, "GET", V3 "/room_keys/keys/!r:x/c?version=1", NULL);
	a = api_call(f, alice.token, 200, "GET", V3 "/room_keys/keys/!none:x?version=1", NULL);
	assert_int_equal(json_count(json_get(a, "sessions")), 0);
	(void)api_call(f, bob.token, 404, "GET", keys, NULL);

	a = api_call(
		f, alice.token, 200, "DELETE", V3 "/room_keys/keys/!r:x/a?version=1", NULL);
	assert_int_equal(api_int(a, "count", NULL), 2);
	a = api_call(f, alice.token, 200, "DELETE", room, NULL);
	assert_int_equal(api_int(a, "count", NULL), 1);
	a = api_call(f, alice.token, 200, "DELETE", keys, NULL);
	assert_int_equal(api_int(a, "count", NULL), 0);
}

static void keys_go_into_the_current_backup_alone(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	const char *version = "{'algorithm':'a','auth_data':{'n':%d}}";
	const struct json *a;

	(void)api_callf(f, alice.token, 200, "POST", V3 "/room_keys/version", version, 1);
	(void)api_callf(f, alice.token, 200, "POST", V3 "/room_keys/version", version, 2);
	a = api_callf(f, alice.token, 403, "PUT", V3 "/room_keys/keys/!r:x/s?version=1",
		KEY("1", "true"));
	assert_string_equal(api_errcode(f, a), "M_WRONG_ROOM_KEYS_VERSION");
	assert_string_equal(api_text(f, a, "current_version", NULL), "2");
	(void)api_callf(f, alice.token, 404, "PUT", V3 "/room_keys/keys/!r:x/s?version=7",
		KEY("1", "true"));
	(void)api_callf(f, alice.token, 404, "PUT", V3 "/room_keys/keys/!r:x/s?version=x",
		KEY("1", "true"));

	(void)api_callf(f, alice.token, 200, "PUT", V3 "/room_keys/version/2", version, 3);
	a = api_call(f, alice.token, 200, "GET", V3 "/room_keys/version", NULL);
	assert_int_equal(api_int(a, "auth_data", "n", NULL), 3);
	(void)api_callf(f, alice.token, 400, "PUT", V3 "/room_keys/version/2",
		"{'algorithm':'b','auth_data':{}}");
	(void)api_callf(f, alice.token, 400, "PUT", V3 "/room_keys/version/2",
		"{'algorithm':'a','auth_data':{},'version':'1'}");

	(void)api_call(f, alice.token, 200, "DELETE", V3 "/room_keys/version/2", NULL);
	(void)api_call(f, alice.token, 200, "DELETE", V3 "/room_keys/version/2", NULL);
	(void)api_call(f, alice.token, 404, "GET", V3 "/room_keys/version/2", NULL);
	(void)api_call(f, alice.token, 404, "DELETE", V3 "/room_keys/version/9", NULL);
	a = api_call(f, alice.token, 200, "GET", V3 "/room_keys/version", NULL);
	assert_string_equal(api_text(f, a, "version", NULL), "1");
	a = api_callf(f, alice.token, 200, "POST", V3 "/room_keys/version", version, 4);
	assert_string_equal(api_text(f, a, "version", NULL), "3");
}

/*
 * Messages to devices.
 */

static int64_t device_of(struct api_fixture *f, const char *token)
{
	struct user_caller who;

	assert_int_equal(users_authenticate(
				 f->users, str_of(token), STR(""), f->arena, &who, NULL, NULL),
		ERR_OK);
	return who.device;
}

static struct to_device_page page(struct api_fixture *f, const char *token, size_t limit)
{
	struct to_device_page p;

	assert_int_equal(to_device_since(f->users, f->arena, device_of(f, token), 0, INT64_MAX,
				 limit, &p),
		ERR_OK);
	return p;
}

static void a_message_is_delivered_once_to_each_device(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user bob = api_register(f, "bob");
	struct api_user bob2 = api_login(f, "bob", "TWO");
	const char *all = "{'messages':{'@bob:here.example':{'*':{'n':%d}}}}";
	const char *one = "{'messages':{'@bob:here.example':{'TWO':{'n':%d}}}}";
	struct to_device_page p;

	(void)api_callf(f, alice.token, 200, "PUT", V3 "/sendToDevice/m.t/1", all, 1);
	(void)api_callf(f, alice.token, 200, "PUT", V3 "/sendToDevice/m.t/1", all, 1);
	(void)api_callf(f, alice.token, 200, "PUT", V3 "/sendToDevice/m.other/1", one, 2);
	(void)api_callf(f, bob.token, 200, "PUT", V3 "/sendToDevice/m.t/1", one, 3);
	(void)api_callf(f, alice.token, 200, "PUT", V3 "/sendToDevice/m.t/2",
		"{'messages':{'@nobody:here.example':{'*':{}}}}");
	assert_int_equal(page(f, bob.token, 100).n, 1);
	assert_int_equal(page(f, alice.token, 100).n, 0);
	p = page(f, bob2.token, 100);
	assert_int_equal(p.n, 3);
	assert_string_equal(p.messages[0].json.p,
		"{\"content\":{\"n\":1},\"sender\":\"@alice:here.example\",\"type\":\"m.t\"}");
	assert_string_equal(p.messages[2].json.p,
		"{\"content\":{\"n\":3},\"sender\":\"@bob:here.example\",\"type\":\"m.t\"}");

	p = page(f, bob2.token, 2);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.next, p.messages[1].pos);
	assert_int_equal(to_device_delete(f->users, device_of(f, bob2.token), p.next), ERR_OK);
	p = page(f, bob2.token, 2);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.next, INT64_MAX);
}

static void messages_of_other_servers_are_taken_from_their_users_once(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	static const char text[] =
		"{\"sender\":\"@bob:there.example\",\"type\":\"m.t\",\"message_id\":\"x\","
		"\"messages\":{\"@alice:here.example\":{\"*\":{\"n\":1}},"
		"\"@carol:far.example\":{\"*\":{}}}}";
	const struct json *edu;

	assert_int_equal(
		json_parse_in(f->arena, str_of(text), &json_limits_peer, &edu, NULL), ERR_OK);
	assert_int_equal(users_receive_to_device(f->users, STR("evil.example"), edu, NULL),
		ERR_FORBIDDEN);
	assert_int_equal(page(f, alice.token, 10).n, 0);
	assert_int_equal(
		users_receive_to_device(f->users, STR("there.example"), edu, NULL), ERR_OK);
	assert_int_equal(
		users_receive_to_device(f->users, STR("there.example"), edu, NULL), ERR_OK);
	assert_int_equal(page(f, alice.token, 10).n, 1);
	assert_int_equal(
		json_parse_in(f->arena, STR("{\"sender\":1}"), &json_limits_peer, &edu, NULL),
		ERR_OK);
	assert_int_equal(users_receive_to_device(f->users, STR("there.example"), edu, NULL),
		ERR_MALFORMED);
}

static void messages_to_other_servers_wait_in_the_outbox(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	const struct outbox_waiting *edus;
	const struct json *edu;
	char *big = calloc(1, 50001);
	size_t n;

	memset(big, 'x', 50000);
	(void)api_callf(f, alice.token, 200, "PUT", V3 "/sendToDevice/m.t/1",
		"{'messages':{'@bob:there.example':{'D':{'n':1},'*':{'n':2}},"
		"'@carol:there.example':{'C':{}},'@dan:far.example':{'D':{}}}}");
	assert_int_equal(outbox_edus(f->store->st, f->arena, STR("there.example"), f->wall_ms,
				 10, &edus, &n),
		ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(
		json_parse_in(f->arena, edus[0].json, &json_limits_peer, &edu, NULL), ERR_OK);
	assert_string_equal(api_text(f, edu, "edu_type", NULL), "m.direct_to_device");
	assert_string_equal(api_text(f, edu, "content", "sender", NULL), "@alice:here.example");
	assert_int_equal(
		api_int(edu, "content", "messages", "@bob:there.example", "D", "n", NULL), 1);
	assert_int_equal(json_count(api_at(edu, "content", "messages", NULL)), 2);

	/* more than an EDU holds goes in several */
	(void)api_callf(f, alice.token, 200, "PUT", V3 "/sendToDevice/m.t/2",
		"{'messages':{'@bob:there.example':{'A':{'x':'%s'},'B':{'x':'%s'}}}}", big,
		big);
	assert_int_equal(outbox_edus(f->store->st, f->arena, STR("there.example"), f->wall_ms,
				 10, &edus, &n),
		ERR_OK);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(
			json_parse_in(f->arena, edus[i].json, &json_limits_peer, &edu, NULL),
			ERR_OK);
	free(big);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, api_up, api_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_profile_is_changed_by_its_user_alone),
		TEST(custom_profile_fields_hold_any_json),
		TEST(a_profile_has_less_than_64_kib),
		TEST(account_data_is_kept_for_its_user),
		TEST(tags_are_set_one_by_one),
		TEST(the_directory_finds_people_here_in_rooms_and_paired),
		TEST(backups_keep_the_better_key_of_a_session),
		TEST(backups_are_read_and_deleted_at_every_depth),
		TEST(keys_go_into_the_current_backup_alone),
		TEST(a_message_is_delivered_once_to_each_device),
		TEST(messages_of_other_servers_are_taken_from_their_users_once),
		TEST(messages_to_other_servers_wait_in_the_outbox),
	};

	return RUN_TESTS(tests);
}
