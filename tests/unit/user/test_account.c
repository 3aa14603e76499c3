/*
 * Accounts through the client API: registering, logging in and out, refreshing, passwords,
 * devices, and the sessions of user-interactive authentication.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/limits.h"
#include "node/user/account.h"
#include "store/account.h"
#include "tests/support/api.h"
#include "tests/support/cmocka.h"

#define V3 "/_matrix/client/v3"

static void expect_gone(struct api_fixture *f, const char *token)
{
	const struct json *a = api_call(f, token, 401, "GET", V3 "/account/whoami", NULL);

	assert_string_equal(api_errcode(f, a), "M_UNKNOWN_TOKEN");
}

static void registering_takes_the_flow_that_the_first_answer_names(void **state)
{
	struct api_fixture *f = *state;
	const struct json *a = api_call(f, NULL, 401, "POST", V3 "/register", "{}");
	const char *session = api_text(f, a, "session", NULL);

	assert_string_equal(api_text(f,
				    json_first(api_at(json_first(api_at(a, "flows", NULL)),
					    "stages", NULL)),
				    NULL),
		"m.login.dummy");
	a = api_callf(f, NULL, 200, "POST", V3 "/register",
		"{'username':'alice','password':'pw','device_id':'PHONE',"
		"'auth':{'type':'m.login.dummy','session':'%s'}}",
		session);
	assert_string_equal(api_text(f, a, "user_id", NULL), "@alice:here.example");
	assert_string_equal(api_text(f, a, "device_id", NULL), "PHONE");
	a = api_call(f, api_text(f, a, "access_token", NULL), 200, "GET", V3 "/account/whoami",
		NULL);
	assert_string_equal(api_text(f, a, "user_id", NULL), "@alice:here.example");
	assert_string_equal(api_text(f, a, "device_id", NULL), "PHONE");
}

static void names_are_checked_before_anything_else(void **state)
{
	static const struct {
		const char *name;
		const char *errcode;
	} cases[] = {
		{ "alice", "M_USER_IN_USE" },
		{ "Alice", "M_USER_IN_USE" },
		{ "a b", "M_INVALID_USERNAME" },
		{ "a:b", "M_INVALID_USERNAME" },
		{ "@a", "M_INVALID_USERNAME" },
		{ "\xc3\xa4", "M_INVALID_USERNAME" },
	};
	struct api_fixture *f = *state;

	(void)api_register(f, "alice");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct json *a = api_callf(f, NULL, 400, "POST", V3 "/register",
			"{'username':'%s'}", cases[i].name);

		assert_string_equal(api_errcode(f, a), cases[i].errcode);
	}
	(void)api_call(f, NULL, 400, "GET", V3 "/register/available?username=alice", NULL);
	(void)api_call(f, NULL, 200, "GET", V3 "/register/available?username=bob", NULL);
	(void)api_call(f, NULL, 400, "GET", V3 "/register/available", NULL);
}

static void wrong_types_are_bad_json(void **state)
{
	static const struct {
		const char *method;
		const char *target;
		const char *body;
	} cases[] = {
		{ "POST", V3 "/register", "{\"username\":1}" },
		{ "POST", V3 "/register", "{\"password\":[]}" },
		{ "POST", V3 "/register", "{\"inhibit_login\":\"yes\"}" },
		{ "POST", V3 "/register", "{\"device_id\":{}}" },
		{ "POST", V3 "/register", "{\"auth\":\"x\"}" },
		{ "POST", V3 "/login", "{}" },
		{ "POST", V3 "/login", "{\"type\":3}" },
		{ "POST", V3 "/login", "{\"type\":\"m.login.password\",\"identifier\":\"a\"}" },
		{ "POST", V3 "/login",
			"{\"type\":\"m.login.password\",\"user\":\"a\",\"password\":1}" },
		{ "POST", V3 "/refresh", "{\"refresh_token\":1}" },
		{ "PUT", V3 "/devices/X", "{\"display_name\":1}" },
		{ "POST", V3 "/delete_devices", "{\"devices\":\"X\"}" },
		{ "POST", V3 "/delete_devices", "{\"devices\":[1]}" },
		{ "POST", V3 "/account/password", "{\"new_password\":1}" },
		{ "POST", V3 "/user_directory/search", "{\"search_term\":1}" },
		{ "POST", V3 "/user_directory/search",
			"{\"search_term\":\"a\",\"limit\":\"b\"}" },
		{ "POST", V3 "/keys/upload", "{\"device_keys\":[]}" },
		{ "POST", V3 "/keys/upload", "{\"device_keys\":{}}" },
		{ "POST", V3 "/keys/upload", "{\"one_time_keys\":{\"nocolon\":\"x\"}}" },
		{ "POST", V3 "/keys/upload", "{\"one_time_keys\":{\"a:b\":1}}" },
		{ "POST", V3 "/keys/query", "{}" },
		{ "POST", V3 "/keys/query", "{\"device_keys\":{\"@a:b\":{}}}" },
		{ "POST", V3 "/keys/query", "{\"device_keys\":{\"a\":[]}}" },
		{ "POST", V3 "/keys/claim", "{\"one_time_keys\":{\"@a:b\":[]}}" },
		{ "POST", V3 "/keys/device_signing/upload", "{\"master_key\":1}" },
		{ "POST", V3 "/keys/signatures/upload", "{\"@a:b\":1}" },
		{ "PUT", V3 "/sendToDevice/t/1", "{}" },
		{ "PUT", V3 "/sendToDevice/t/1", "{\"messages\":{\"@a:b\":{\"D\":1}}}" },
		{ "POST", V3 "/room_keys/version", "{\"algorithm\":\"a\"}" },
		{ "PUT", V3 "/profile/@alice:here.example/displayname", "{\"displayname\":1}" },
		{ "PUT", V3 "/user/@alice:here.example/rooms/!r:x/tags/u.a",
			"{\"order\":\"first\"}" },
	};
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct json *a = api_call(
			f, alice.token, 400, cases[i].method, cases[i].target, cases[i].body);

		if (strcmp(api_errcode(f, a), "M_BAD_JSON"))
			fail_msg(
				"%s %s: %s", cases[i].target, cases[i].body, api_errcode(f, a));
	}
}

static void a_wrong_password_and_an_unknown_user_get_the_same_answer(void **state)
{
	struct api_fixture *f = *state;
	const char *fmt = "{'type':'m.login.password','user':'%s','password':'%s'}";
	const struct json *a, *b;

	(void)api_register(f, "alice");
	(void)api_callf(f, NULL, 200, "POST", V3 "/login", fmt, "alice", "pw");
	(void)api_callf(f, NULL, 200, "POST", V3 "/login", fmt, "@alice:here.example", "pw");
	a = api_callf(f, NULL, 403, "POST", V3 "/login", fmt, "alice", "wrong");
	b = api_callf(f, NULL, 403, "POST", V3 "/login", fmt, "nobody", "wrong");
	assert_true(json_equal(a, b));
	(void)api_callf(f, NULL, 403, "POST", V3 "/login", fmt, "@alice:other.example", "pw");
	a = api_callf(f, NULL, 400, "POST", V3 "/login", "{'type':'m.login.magic'}");
	assert_string_equal(api_errcode(f, a), "M_UNKNOWN");
}

static void logging_in_again_with_a_device_ends_its_old_token(void **state)
{
	struct api_fixture *f = *state;
	struct api_user first, second, other;

	(void)api_register(f, "alice");
	first = api_login(f, "alice", "PHONE");
	other = api_login(f, "alice", NULL);
	second = api_login(f, "alice", "PHONE");
	expect_gone(f, first.token);
	(void)api_call(f, second.token, 200, "POST", V3 "/logout", NULL);
	expect_gone(f, second.token);
	(void)api_call(f, other.token, 404, "GET", V3 "/devices/PHONE", NULL);
	(void)api_call(f, other.token, 200, "POST", V3 "/logout/all", NULL);
	expect_gone(f, other.token);
}

static void a_refresh_token_lives_until_its_successor_is_used(void **state)
{
	struct api_fixture *f = *state;
	const struct json *a, *b, *c;
	const char *refresh;

	(void)api_register(f, "alice");
	a = api_callf(f, NULL, 200, "POST", V3 "/login",
		"{'type':'m.login.password','user':'alice','password':'pw',"
		"'refresh_token':true}");
	refresh = api_text(f, a, "refresh_token", NULL);
	f->wall_ms += api_int(a, "expires_in_ms", NULL);
	b = api_call(f, api_text(f, a, "access_token", NULL), 401, "GET", V3 "/account/whoami",
		NULL);
	assert_true(json_is(json_get(b, "soft_logout"), JSON_BOOL));

	/* The answer may be lost: asking again works, and the first pair is worth nothing. */
	b = api_callf(f, NULL, 200, "POST", V3 "/refresh", "{'refresh_token':'%s'}", refresh);
	c = api_callf(f, NULL, 200, "POST", V3 "/refresh", "{'refresh_token':'%s'}", refresh);
	expect_gone(f, api_text(f, b, "access_token", NULL));
	(void)api_callf(f, NULL, 401, "POST", V3 "/refresh", "{'refresh_token':'%s'}",
		api_text(f, b, "refresh_token", NULL));

	(void)api_call(f, api_text(f, c, "access_token", NULL), 200, "GET",
		V3 "/account/whoami", NULL);
	(void)api_callf(f, NULL, 401, "POST", V3 "/refresh", "{'refresh_token':'%s'}", refresh);
}

static void the_database_holds_no_usable_token(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	char command[256];

	assert_int_equal(store_fixture_sync(f->store), ERR_OK);
	(void)snprintf(command, sizeof(command), "grep -qaF -- '%s' %s/*", alice.token + 3,
		f->store->dir);
	assert_int_not_equal(system(command), 0);
	(void)snprintf(command, sizeof(command), "grep -qaF 'alice' %s/*", f->store->dir);
	assert_int_equal(system(command), 0);
}

static const char *uia_session(struct api_fixture *f, const char *token, const char *method,
	const char *target, const char *body)
{
	return api_text(f, api_call(f, token, 401, method, target, body), "session", NULL);
}

static void an_authentication_is_for_one_operation_of_one_user_once(void **state)
{
	static const char auth[] = "{'auth':{'type':'m.login.password','password':'pw',"
				   "'identifier':{'type':'m.id.user','user':'%s'},"
				   "'session':'%s'}}";
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user bob = api_register(f, "bob");
	const struct json *a;
	const char *session;

	(void)api_login(f, "alice", "ONE");
	(void)api_login(f, "alice", "TWO");
	session = uia_session(f, alice.token, "DELETE", V3 "/devices/ONE", "{}");

	/* another device, another user, another operation */
	a = api_callf(f, alice.token, 403, "DELETE", V3 "/devices/TWO", auth, "alice", session);
	assert_string_equal(api_errcode(f, a), "M_FORBIDDEN");
	(void)api_callf(f, bob.token, 403, "DELETE", V3 "/devices/ONE", auth, "bob", session);
	(void)api_callf(
		f, alice.token, 403, "POST", V3 "/account/deactivate", auth, "alice", session);
	(void)api_call(f, alice.token, 200, "GET", V3 "/devices/TWO", NULL);

	/* somebody else's password, the wrong one */
	a = api_callf(f, alice.token, 403, "DELETE", V3 "/devices/ONE", auth, "bob", session);
	assert_string_equal(api_errcode(f, a), "M_FORBIDDEN");
	a = api_callf(f, alice.token, 401, "DELETE", V3 "/devices/ONE",
		"{'auth':{'type':'m.login.password','password':'no','session':'%s'}}", session);
	assert_string_equal(api_errcode(f, a), "M_FORBIDDEN");
	assert_string_equal(api_text(f, a, "session", NULL), session);

	(void)api_callf(
		f, alice.token, 200, "DELETE", V3 "/devices/ONE", auth, "alice", session);
	(void)api_call(f, alice.token, 404, "GET", V3 "/devices/ONE", NULL);
	(void)api_login(f, "alice", "ONE");
	(void)api_callf(f, alice.token, 401, "DELETE", V3 "/devices/ONE",
		"{'auth':{'session':'%s'}}", session);
}

static void an_authentication_is_bound_to_what_the_body_names(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	const char *session;

	(void)api_login(f, "alice", "ONE");
	(void)api_login(f, "alice", "TWO");
	session = uia_session(
		f, alice.token, "POST", V3 "/delete_devices", "{\"devices\":[\"ONE\"]}");
	(void)api_callf(f, alice.token, 403, "POST", V3 "/delete_devices",
		"{'devices':['TWO'],'auth':{'type':'m.login.password','password':'pw',"
		"'session':'%s'}}",
		session);
	(void)api_call(f, alice.token, 200, "GET", V3 "/devices/TWO", NULL);
	(void)api_callf(f, alice.token, 200, "POST", V3 "/delete_devices",
		"{'auth':{'type':'m.login.password','password':'pw','session':'%s'},"
		"'devices':['ONE']}",
		session);
	(void)api_call(f, alice.token, 404, "GET", V3 "/devices/ONE", NULL);
}

static void a_login_upgrades_a_cheap_hash(void **state)
{
	struct api_fixture *f = *state;
	struct store_account before, after;

	(void)api_register(f, "alice");
	assert_int_equal(
		store_account_get(f->store->st, f->arena, STR("@alice:here.example"), &before),
		ERR_OK);
	f->users_options.password_low_cost = false;
	api_restart(f);
	(void)api_login(f, "alice", NULL);
	assert_int_equal(
		store_account_get(f->store->st, f->arena, STR("@alice:here.example"), &after),
		ERR_OK);
	assert_false(str_eq(before.password, after.password));
	(void)api_login(f, "alice", NULL);
}

static void a_login_token_lives_two_minutes_and_goes_with_its_device(void **state)
{
	static const char ask[] = "{'auth':{'type':'m.login.password','password':'pw'}}";
	static const char use[] = "{'type':'m.login.token','token':'%s'}";
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user phone = api_login(f, "alice", "PHONE");
	const char *token;

	token = api_text(f,
		api_callf(
			f, alice.token, 200, "POST", "/_matrix/client/v1/login/get_token", ask),
		"login_token", NULL);
	f->mono_ms += 119999;
	(void)api_callf(f, NULL, 200, "POST", V3 "/login", use, token);
	(void)api_callf(f, NULL, 403, "POST", V3 "/login", use, token);

	token = api_text(f,
		api_callf(
			f, alice.token, 200, "POST", "/_matrix/client/v1/login/get_token", ask),
		"login_token", NULL);
	f->mono_ms += 120000;
	(void)api_callf(f, NULL, 403, "POST", V3 "/login", use, token);

	token = api_text(f,
		api_callf(
			f, phone.token, 200, "POST", "/_matrix/client/v1/login/get_token", ask),
		"login_token", NULL);
	(void)api_call(f, phone.token, 200, "POST", V3 "/logout", NULL);
	(void)api_callf(f, NULL, 403, "POST", V3 "/login", use, token);
}

static void an_authentication_ends_after_15_minutes(void **state)
{
	struct api_fixture *f = *state;
	const char *fmt = "{'username':'alice','password':'pw',"
			  "'auth':{'type':'m.login.dummy','session':'%s'}}";
	const char *session = uia_session(f, NULL, "POST", V3 "/register", "{}");
	const struct json *a;

	f->mono_ms += LIMIT_UIA_MS;
	a = api_callf(f, NULL, 401, "POST", V3 "/register", fmt, session);
	assert_string_not_equal(api_text(f, a, "session", NULL), session);
	session = uia_session(f, NULL, "POST", V3 "/register", "{}");
	f->mono_ms += LIMIT_UIA_MS - 1;
	(void)api_callf(f, NULL, 200, "POST", V3 "/register", fmt, session);
}

static void closed_registration_takes_the_owners_token_once(void **state)
{
	struct api_fixture *f = *state;
	const char *fmt = "{'username':'%s','password':'pw','auth':{"
			  "'type':'m.login.registration_token','token':'%s'}}";
	const struct json *a;
	struct stat st;
	char token[64];

	f->users_options.registration = REGISTRATION_CLOSED;
	f->users_options.owner_token_path = f->owner_token_path;
	api_restart(f);
	(void)snprintf(token, sizeof(token), "%s", users_owner_token(f->users).p);
	assert_int_equal(strlen(token), 22);
	assert_int_equal(stat(f->owner_token_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	/* kept over a restart */
	api_restart(f);
	assert_string_equal(users_owner_token(f->users).p, token);

	(void)api_callf(f, NULL, 401, "POST", V3 "/register",
		"{'username':'eve','password':'pw','auth':{'type':'m.login.registration_token',"
		"'token':'%s'}}",
		"wrong");
	a = api_callf(f, NULL, 400, "POST", V3 "/register",
		"{'username':'eve','password':'pw','auth':{'type':'m.login.dummy'}}");
	assert_string_equal(api_errcode(f, a), "M_INVALID_PARAM");
	a = api_callf(f, NULL, 200, "POST", V3 "/register", fmt, "owner", token);
	assert_true(users_is_admin(f->users, STR("@owner:here.example")));
	assert_int_not_equal(stat(f->owner_token_path, &st), 0);

	a = api_callf(f, NULL, 403, "POST", V3 "/register", fmt, "eve", token);
	assert_string_equal(api_errcode(f, a), "M_FORBIDDEN");
	(void)api_call(f, NULL, 403, "POST", V3 "/register", "{}");
	(void)api_call(f, NULL, 403, "POST", V3 "/register?kind=guest", "{}");
	(void)api_call(f, NULL, 403, "GET", V3 "/register/available?username=eve", NULL);
	api_restart(f);
	assert_int_equal(users_owner_token(f->users).n, 0);
}

static void registration_tokens_are_used_up(void **state)
{
	struct api_fixture *f = *state;
	const char *fmt = "{'username':'%s','password':'pw','auth':{"
			  "'type':'m.login.registration_token','token':'%s'}}";
	const char *valid =
		"/_matrix/client/v1/register/m.login.registration_token/validity?token=twice";
	bool yes;

	f->users_options.registration = REGISTRATION_TOKEN;
	api_restart(f);
	assert_int_equal(account_token_new(f->users, STR("twice"), 2, 0), ERR_OK);
	assert_int_equal(account_token_new(f->users, STR("twice"), 2, 0), ERR_EXISTS);
	assert_int_equal(account_token_new(f->users, STR("soon"), -1, f->wall_ms + 10), ERR_OK);
	assert_true(json_as_bool(json_get(api_call(f, NULL, 200, "GET", valid, NULL), "valid"),
			    &yes) &&
		yes);
	(void)api_callf(f, NULL, 200, "POST", V3 "/register", fmt, "a", "twice");
	(void)api_callf(f, NULL, 200, "POST", V3 "/register", fmt, "b", "twice");
	(void)api_callf(f, NULL, 401, "POST", V3 "/register", fmt, "c", "twice");
	assert_true(json_as_bool(json_get(api_call(f, NULL, 200, "GET", valid, NULL), "valid"),
			    &yes) &&
		!yes);
	(void)api_callf(f, NULL, 200, "POST", V3 "/register", fmt, "d", "soon");
	f->wall_ms += 10;
	(void)api_callf(f, NULL, 401, "POST", V3 "/register", fmt, "e", "soon");
}

static void a_new_password_ends_the_other_devices(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user other = api_login(f, "alice", NULL);
	const char *login = "{'type':'m.login.password','user':'alice','password':'%s'}";

	(void)api_callf(f, alice.token, 401, "POST", V3 "/account/password",
		"{'new_password':'new','auth':{'type':'m.login.password','password':'no'}}");
	(void)api_call(f, other.token, 200, "GET", V3 "/account/whoami", NULL);
	(void)api_callf(f, alice.token, 200, "POST", V3 "/account/password",
		"{'new_password':'new','auth':{'type':'m.login.password','password':'pw'}}");
	expect_gone(f, other.token);
	(void)api_call(f, alice.token, 200, "GET", V3 "/account/whoami", NULL);
	(void)api_callf(f, NULL, 403, "POST", V3 "/login", login, "pw");
	(void)api_callf(f, NULL, 200, "POST", V3 "/login", login, "new");
}

static void a_deactivated_account_is_gone_and_its_name_stays_taken(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user bob = api_register(f, "bob");
	const struct json *a;

	(void)api_callf(f, bob.token, 200, "POST", V3 "/account/deactivate",
		"{'auth':{'type':'m.login.password','password':'pw'}}");
	expect_gone(f, bob.token);
	(void)api_callf(f, NULL, 403, "POST", V3 "/login",
		"{'type':'m.login.password','user':'bob','password':'pw'}");
	a = api_callf(f, NULL, 400, "POST", V3 "/register", "{'username':'bob'}");
	assert_string_equal(api_errcode(f, a), "M_USER_IN_USE");
	(void)api_call(f, alice.token, 404, "GET", V3 "/profile/@bob:here.example", NULL);
}

static void devices_are_their_users_alone(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user bob = api_register(f, "bob");
	char target[128], name[128] = { 0 };
	const struct json *a;

	memset(name, 'n', LIMIT_DEVICE_NAME_BYTES + 1);
	(void)snprintf(target, sizeof(target), V3 "/devices/%s", alice.device_id);
	(void)api_callf(f, alice.token, 200, "PUT", target, "{'display_name':'my phone'}");
	a = api_call(f, alice.token, 200, "GET", target, NULL);
	assert_string_equal(api_text(f, a, "display_name", NULL), "my phone");
	assert_string_equal(api_text(f, a, "device_id", NULL), alice.device_id);
	a = api_call(f, alice.token, 200, "GET", V3 "/devices", NULL);
	assert_int_equal(json_count(json_get(a, "devices")), 1);
	(void)api_call(f, bob.token, 404, "GET", target, NULL);
	(void)api_callf(f, bob.token, 404, "PUT", target, "{'display_name':'mine'}");
	(void)api_callf(f, bob.token, 200, "DELETE", target,
		"{'auth':{'type':'m.login.password','password':'pw'}}");
	(void)api_call(f, alice.token, 200, "GET", target, NULL);
	(void)api_callf(f, alice.token, 400, "PUT", target, "{'display_name':'%s'}", name);
	name[LIMIT_DEVICE_NAME_BYTES] = '\0';
	(void)api_callf(f, alice.token, 200, "PUT", target, "{'display_name':'%s'}", name);
}

static void a_locked_account_may_only_log_out(void **state)
{
	struct api_fixture *f = *state;
	struct api_user owner = api_register(f, "owner");
	struct api_user bob = api_register(f, "bob");
	const char *lock = "/_matrix/client/v1/admin/lock/@bob:here.example";
	const struct json *a;

	(void)api_callf(f, bob.token, 403, "PUT", lock, "{'locked':true}");
	(void)api_callf(f, owner.token, 200, "PUT", lock, "{'locked':true}");
	a = api_call(f, bob.token, 401, "GET", V3 "/account/whoami", NULL);
	assert_string_equal(api_errcode(f, a), "M_USER_LOCKED");
	(void)api_callf(f, owner.token, 200, "PUT", lock, "{'locked':false}");
	(void)api_call(f, bob.token, 200, "GET", V3 "/account/whoami", NULL);
	(void)api_callf(f, owner.token, 403, "PUT",
		"/_matrix/client/v1/admin/lock/@owner:here.example", "{'locked':true}");
	(void)api_callf(f, owner.token, 404, "PUT",
		"/_matrix/client/v1/admin/lock/@nobody:here.example", "{'locked':true}");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, api_up, api_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registering_takes_the_flow_that_the_first_answer_names),
		TEST(names_are_checked_before_anything_else),
		TEST(wrong_types_are_bad_json),
		TEST(a_wrong_password_and_an_unknown_user_get_the_same_answer),
		TEST(logging_in_again_with_a_device_ends_its_old_token),
		TEST(a_refresh_token_lives_until_its_successor_is_used),
		TEST(the_database_holds_no_usable_token),
		TEST(an_authentication_is_for_one_operation_of_one_user_once),
		TEST(an_authentication_is_bound_to_what_the_body_names),
		TEST(a_login_upgrades_a_cheap_hash),
		TEST(a_login_token_lives_two_minutes_and_goes_with_its_device),
		TEST(an_authentication_ends_after_15_minutes),
		TEST(closed_registration_takes_the_owners_token_once),
		TEST(registration_tokens_are_used_up),
		TEST(a_new_password_ends_the_other_devices),
		TEST(a_deactivated_account_is_gone_and_its_name_stays_taken),
		TEST(devices_are_their_users_alone),
		TEST(a_locked_account_may_only_log_out),
	};

	return RUN_TESTS(tests);
}
