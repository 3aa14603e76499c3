#include "tests/support/cmocka.h"

#include "node/core/redact.h"

/* An event of one type with a content; its redacted content in the versions from and up to. */
static const struct {
	const char *type;
	const char *content;
	int from;
	int to;
	const char *redacted;
} cases[] = {
	{ "m.room.message", "{\"body\":\"x\",\"membership\":1}", 1, 12, "{}" },
	{ "m.room.member",
		"{\"membership\":\"join\",\"displayname\":\"A\","
		"\"join_authorised_via_users_server\":\"@b:c\","
		"\"third_party_invite\":{\"display_name\":\"x\",\"signed\":{\"mxid\":1}}}",
		1, 8, "{\"membership\":\"join\"}" },
	{ "m.room.member",
		"{\"membership\":\"join\",\"displayname\":\"A\","
		"\"join_authorised_via_users_server\":\"@b:c\","
		"\"third_party_invite\":{\"display_name\":\"x\",\"signed\":{\"mxid\":1}}}",
		9, 10,
		"{\"join_authorised_via_users_server\":\"@b:c\",\"membership\":\"join\"}" },
	{ "m.room.member",
		"{\"membership\":\"join\",\"displayname\":\"A\","
		"\"join_authorised_via_users_server\":\"@b:c\","
		"\"third_party_invite\":{\"display_name\":\"x\",\"signed\":{\"mxid\":1}}}",
		11, 12,
		"{\"join_authorised_via_users_server\":\"@b:c\",\"membership\":\"join\","
		"\"third_party_invite\":{\"signed\":{\"mxid\":1}}}" },
	{ "m.room.member", "{\"membership\":\"invite\",\"third_party_invite\":{\"x\":1}}", 11,
		12, "{\"membership\":\"invite\",\"third_party_invite\":{}}" },
	{ "m.room.member", "{\"third_party_invite\":\"x\"}", 11, 12, "{}" },
	{ "m.room.create", "{\"creator\":\"@a:b\",\"room_version\":\"9\"}", 1, 10,
		"{\"creator\":\"@a:b\"}" },
	{ "m.room.create", "{\"creator\":\"@a:b\",\"room_version\":\"9\"}", 11, 12,
		"{\"creator\":\"@a:b\",\"room_version\":\"9\"}" },
	{ "m.room.join_rules", "{\"join_rule\":\"public\",\"allow\":[],\"x\":1}", 1, 7,
		"{\"join_rule\":\"public\"}" },
	{ "m.room.join_rules", "{\"join_rule\":\"public\",\"allow\":[],\"x\":1}", 8, 12,
		"{\"allow\":[],\"join_rule\":\"public\"}" },
	{ "m.room.power_levels",
		"{\"ban\":1,\"events\":{\"x\":1},\"events_default\":2,\"invite\":3,\"kick\":4,"
		"\"notifications\":{},\"redact\":5,\"state_default\":6,\"users\":{\"@a:b\":7},"
		"\"users_default\":8}",
		1, 10,
		"{\"ban\":1,\"events\":{\"x\":1},\"events_default\":2,\"kick\":4,\"redact\":5,"
		"\"state_default\":6,\"users\":{\"@a:b\":7},\"users_default\":8}" },
	{ "m.room.power_levels", "{\"ban\":1,\"invite\":3,\"notifications\":{}}", 11, 12,
		"{\"ban\":1,\"invite\":3}" },
	{ "m.room.aliases", "{\"aliases\":[\"#a:b\"],\"x\":1}", 1, 5,
		"{\"aliases\":[\"#a:b\"]}" },
	{ "m.room.aliases", "{\"aliases\":[\"#a:b\"],\"x\":1}", 6, 12, "{}" },
	{ "m.room.history_visibility", "{\"history_visibility\":\"shared\",\"x\":1}", 1, 12,
		"{\"history_visibility\":\"shared\"}" },
	{ "m.room.redaction", "{\"redacts\":\"$x\",\"reason\":\"y\"}", 1, 10, "{}" },
	{ "m.room.redaction", "{\"redacts\":\"$x\",\"reason\":\"y\"}", 11, 12,
		"{\"redacts\":\"$x\"}" },
};

static void content_keeps_what_its_version_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int v = cases[i].from; v <= cases[i].to; v++) {
			CLEANUP(buf_deinit) struct buf text = { 0 };
			CLEANUP(buf_deinit) struct buf out = { 0 };
			CLEANUP(buf_deinit) struct buf expected = { 0 };
			CLEANUP(json_freep) struct json *pdu = NULL;

			buf_printf(&text, "{\"type\":\"%s\",\"content\":%s}", cases[i].type,
				cases[i].content);
			buf_printf(&expected, "{\"content\":%s,\"type\":\"%s\"}",
				cases[i].redacted, cases[i].type);
			assert_int_equal(
				json_parse(buf_str(&text), &json_limits_event, &pdu, NULL),
				ERR_OK);
			redact_put(pdu, room_version_at((size_t)v - 1), true, &out);
			if (!str_eq(buf_str(&out), buf_str(&expected)))
				fail_msg("version %d: %.*s", v, STR_FMT(buf_str(&out)));
		}
	}
}

static const char top[] =
	"{\"auth_events\":[],\"content\":{\"body\":\"x\"},\"depth\":1,\"event_id\":\"$x:y\","
	"\"extra\":1,\"hashes\":{\"sha256\":\"h\"},\"membership\":\"join\",\"origin\":\"o\","
	"\"origin_server_ts\":2,\"prev_events\":[],\"prev_state\":[],\"redacts\":\"$y\","
	"\"room_id\":\"!r:y\",\"sender\":\"@a:b\",\"signatures\":{\"b\":{\"k\":\"s\"}},"
	"\"state_key\":\"\",\"type\":\"t\",\"unsigned\":{\"age\":1}}";
static const char top_before_11[] =
	"{\"auth_events\":[],\"content\":{},\"depth\":1,\"event_id\":\"$x:y\","
	"\"hashes\":{\"sha256\":\"h\"},\"membership\":\"join\",\"origin\":\"o\","
	"\"origin_server_ts\":2,\"prev_events\":[],\"prev_state\":[],"
	"\"room_id\":\"!r:y\",\"sender\":\"@a:b\",\"signatures\":{\"b\":{\"k\":\"s\"}},"
	"\"state_key\":\"\",\"type\":\"t\"}";
static const char top_from_11[] =
	"{\"auth_events\":[],\"content\":{},\"depth\":1,\"event_id\":\"$x:y\","
	"\"hashes\":{\"sha256\":\"h\"},\"origin_server_ts\":2,\"prev_events\":[],"
	"\"room_id\":\"!r:y\",\"sender\":\"@a:b\",\"signatures\":{\"b\":{\"k\":\"s\"}},"
	"\"state_key\":\"\",\"type\":\"t\"}";

static void the_top_level_keeps_what_its_version_says(void **state)
{
	(void)state;
	for (int v = 1; v <= 12; v++) {
		CLEANUP(buf_deinit) struct buf out = { 0 };
		CLEANUP(buf_deinit) struct buf again = { 0 };
		CLEANUP(json_freep) struct json *pdu = NULL;
		CLEANUP(json_freep) struct json *redacted = NULL;
		const struct room_version *version = room_version_at((size_t)v - 1);

		assert_int_equal(
			json_parse(str_of(top), &json_limits_event, &pdu, NULL), ERR_OK);
		redact_put(pdu, version, true, &out);
		assert_str_equal(buf_str(&out), v < 11 ? top_before_11 : top_from_11);
		assert_int_equal(
			json_parse(buf_str(&out), &json_limits_event, &redacted, NULL), ERR_OK);
		redact_put(redacted, version, true, &again);
		assert_true(str_eq(buf_str(&out), buf_str(&again)));
		buf_clear(&again);
		redact_put(pdu, version, false, &again);
		assert_false(str_find_str(buf_str(&again), STR("signatures"), &(size_t){ 0 }));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_keeps_what_its_version_says),
		cmocka_unit_test(the_top_level_keeps_what_its_version_says),
	};
	return RUN_TESTS(tests);
}
