#include "tests/support/cmocka.h"

#include <sodium.h>

#include "node/base/limits.h"
#include "node/core/event.h"
#include "tests/support/vectors.h"

#define ID   "$acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk"
#define ID2  "$AcR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk"
#define ROOM "!acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk"

/* A good version 12 event, member by member; a case replaces one, or leaves it out. */
static const char *const good[][2] = {
	{ "auth_events", "[\"" ID "\"]" },
	{ "content", "{\"body\":\"x\"}" },
	{ "depth", "3" },
	{ "hashes", "{\"sha256\":\"h\"}" },
	{ "origin_server_ts", "1000" },
	{ "prev_events", "[\"" ID "\"]" },
	{ "room_id", "\"" ROOM "\"" },
	{ "sender", "\"@alice:example.org\"" },
	{ "signatures", "{}" },
	{ "type", "\"m.room.message\"" },
};

static void put(struct buf *out, const char *key, const char *value)
{
	bool replaced = false;

	buf_clear(out);
	buf_put_z(out, "{");
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		bool here = key && !strcmp(good[i][0], key);

		replaced |= here;
		if (here && !value)
			continue;
		buf_printf(out, "%s\"%s\":%s", out->n > 1 ? "," : "", good[i][0],
			here ? value : good[i][1]);
	}
	if (key && !replaced)
		buf_printf(out, ",\"%s\":%s", key, value);
	buf_put_z(out, "}");
}

static enum err parse_as(const char *version, const char *key, const char *value)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(event_freep) struct event *e = NULL;

	put(&text, key, value);
	return event_parse(buf_str(&text), room_version_find(str_of(version)), &e, NULL);
}

#define X64  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X255 X64 X64 X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
	const char *key;
	const char *value; /* NULL: left out */
	bool ok;
} shapes[] = {
	{ NULL, NULL, true },
	{ "state_key", "\"\"", true },
	{ "state_key", "\"" X255 "\"", true },
	{ "state_key", "\"" X255 "x\"", false },
	{ "state_key", "1", false },
	{ "state_key", "null", false },
	{ "state_key", "\"a\\u0000\"", false },
	{ "type", NULL, false },
	{ "type", "\"" X255 "\"", true },
	{ "type", "\"" X255 "x\"", false },
	{ "type", "7", false },
	{ "type", "\"\\u0000\"", false },
	{ "sender", NULL, false },
	{ "sender", "\"alice\"", false },
	{ "sender", "\"@:example.org\"", true },
	{ "sender", "[]", false },
	{ "content", NULL, false },
	{ "content", "[]", false },
	{ "content", "\"x\"", false },
	{ "content", "{\"a\":\"\\u0000\"}", true },
	{ "content", "{\"a\":1.5}", false },
	{ "content", "{\"a\":9007199254740992}", false },
	{ "content", "{\"a\":-0}", false },
	{ "depth", NULL, false },
	{ "depth", "-1", false },
	{ "depth", "0", true },
	{ "depth", "9007199254740991", true },
	{ "depth", "9007199254740992", false },
	{ "depth", "\"1\"", false },
	{ "origin_server_ts", NULL, false },
	{ "origin_server_ts", "\"1\"", false },
	{ "origin_server_ts", "-1", true },
	{ "room_id", NULL, false },
	{ "room_id", "\"!room:example.org\"", false },
	{ "room_id", "1", false },
	{ "prev_events", NULL, false },
	{ "prev_events", "[]", false },
	{ "prev_events", "{}", false },
	{ "prev_events", "[1]", false },
	{ "prev_events", "[\"$x\"]", false },
	{ "prev_events", "[\"$x:example.org\"]", false },
	{ "prev_events", "[[\"" ID "\",{}]]", false },
	{ "prev_events", "[\"" ID "\",\"" ID "\"]", true },
	{ "auth_events", NULL, false },
	{ "auth_events", "[]", true },
	{ "auth_events", "\"\"", false },
	{ "auth_events", "[null]", false },
	{ "signatures", NULL, false },
	{ "signatures", "[]", false },
	{ "hashes", NULL, false },
	{ "hashes", "\"\"", false },
	{ "hashes", "{}", false },
	{ "hashes", "{\"sha256\":1}", false },
	{ "unsigned", "[]", true },
	{ "unsigned", "{\"age\":1}", true },
	{ "extra", "true", true },
};

static void shapes_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		enum err err = parse_as("12", shapes[i].key, shapes[i].value);

		if (err != (shapes[i].ok ? ERR_OK : ERR_MALFORMED))
			fail_msg("%s: %.80s: %s", shapes[i].key,
				shapes[i].value ? shapes[i].value : "-", err_name(err));
	}
}

/* n ids that differ, as a JSON array. */
static const char *ids(struct buf *out, unsigned n)
{
	buf_clear(out);
	buf_put_z(out, "[");
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%s\"$%ccR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJ%c\"",
			i ? "," : "", 'A' + (int)i, "AEIMQUYcgkosw048"[i % 16]);
	buf_put_z(out, "]");
	buf_put_u8(out, 0);
	return out->p;
}

static void sizes_hold_at_their_edges(void **state)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(buf_deinit) struct buf body = { 0 };
	size_t rest;

	(void)state;
	assert_int_equal(parse_as("12", "prev_events", ids(&text, LIMIT_PREV_EVENTS)), ERR_OK);
	assert_int_equal(parse_as("12", "prev_events", ids(&text, LIMIT_PREV_EVENTS + 1)),
		ERR_MALFORMED);
	assert_int_equal(parse_as("12", "auth_events", ids(&text, LIMIT_AUTH_EVENTS)), ERR_OK);
	assert_int_equal(parse_as("12", "auth_events", ids(&text, LIMIT_AUTH_EVENTS + 1)),
		ERR_MALFORMED);

	put(&text, "content", "{\"body\":\"\"}");
	rest = LIMIT_EVENT_BYTES - text.n;
	buf_put_z(&body, "{\"body\":\"");
	for (size_t i = 0; i < rest; i++)
		buf_put_z(&body, "x");
	buf_put_z(&body, "\"}");
	buf_put_u8(&body, 0);
	assert_int_equal(parse_as("12", "content", body.p), ERR_OK);
	body.n -= 3;
	buf_put_z(&body, "x\"}");
	buf_put_u8(&body, 0);
	assert_int_equal(parse_as("12", "content", body.p), ERR_TOO_LARGE);
}

static void old_versions_take_what_they_always_took(void **state)
{
	(void)state;
	assert_int_equal(parse_as("11", NULL, NULL), ERR_MALFORMED);
	assert_int_equal(parse_as("11", "room_id", "\"!r:example.org\""), ERR_OK);
	assert_int_equal(parse_as("6", "room_id", "\"!r:example.org\""), ERR_OK);
	assert_int_equal(parse_as("3", "room_id", "\"!r:example.org\""), ERR_MALFORMED);
}

static void versions_1_to_5_keep_their_numbers(void **state)
{
	static const char text[] =
		"{\"auth_events\":[],\"content\":{\"a\":1.0,\"b\":12345678901234567890,\"c\":-"
		"0.0},"
		"\"depth\":9223372036854775807,\"event_id\":\"$1:example.org\",\"hashes\":"
		"{\"sha256\":\"\"},\"origin_server_ts\":1,\"prev_events\":[[\"$0:example.org\","
		"{\"sha256\":\"x\"}]],\"room_id\":\"!r:example.org\",\"sender\":\"@a:example."
		"org\","
		"\"signatures\":{},\"type\":\"x\"}";
	CLEANUP(event_freep) struct event *e = NULL;

	(void)state;
	assert_int_equal(
		event_parse(str_of(text), room_version_find(STR("1")), &e, NULL), ERR_OK);
	assert_str_equal(e->json, text);
	assert_str_equal(e->event_id, "$1:example.org");
	assert_int_equal(e->n_prev_events, 1);
	assert_str_equal(e->prev_events[0], "$0:example.org");
	assert_true(e->depth == INT64_MAX);
}

static void an_event_is_its_canonical_form(void **state)
{
	static const char text[] =
		"{ \"unsigned\": {\"age\": 5}, \"type\":\"m.room.member\",\"state_key\":"
		"\"@alice:example.org\",\"sender\":\"@alice:example.org\",\"event_id\":\"$"
		"bogus\","
		"\"depth\":3,\"auth_events\":[],\"prev_events\":[\"" ID "\",\"" ID "\",\"" ID2
		"\"],"
		"\"origin_server_ts\":1000,\"room_id\":\"" ROOM "\",\"signatures\":{},"
		"\"hashes\":{\"sha256\":\"h\"},\"content\":{\"membership\":\"join\"}}";
	CLEANUP(event_freep) struct event *e = NULL;
	CLEANUP(event_freep) struct event *stored = NULL;
	CLEANUP(event_freep) struct event *redacted = NULL;

	(void)state;
	assert_int_equal(
		event_parse(str_of(text), room_version_find(STR("12")), &e, NULL), ERR_OK);
	assert_str_equal(e->json,
		"{\"auth_events\":[],\"content\":{\"membership\":\"join\"},\"depth\":3,"
		"\"hashes\":"
		"{\"sha256\":\"h\"},\"origin_server_ts\":1000,\"prev_events\":[\"" ID "\",\"" ID
		"\",\"" ID2 "\"],\"room_id\":\"" ROOM
		"\",\"sender\":\"@alice:example.org\",\"signatures\":{},\"state_key\":"
		"\"@alice:example.org\",\"type\":\"m.room.member\"}");
	assert_int_equal(e->n_prev_events, 2);
	assert_true(event_is(e, "m.room.member", "@alice:example.org"));
	assert_true(event_is(e, "m.room.member", NULL));
	assert_false(event_is(e, "m.room.member", ""));
	assert_false(event_hash_ok(e));
	assert_int_equal(event_from_store(e->json, e->event_id, e->version, &stored), ERR_OK);
	assert_true(str_eq(stored->event_id, e->event_id));
	assert_int_equal(event_redact(e, &redacted), ERR_OK);
	assert_true(str_eq(redacted->event_id, e->event_id));
	assert_int_equal(
		event_from_store(STR("{\"type\":1}"), e->event_id, e->version, &redacted),
		ERR_CORRUPT);
}

static void a_create_event_names_its_room_in_version_12(void **state)
{
	static const char text[] =
		"{\"auth_events\":[],\"content\":{\"room_version\":\"12\"},\"depth\":1,"
		"\"hashes\":"
		"{\"sha256\":\"h\"},\"origin_server_ts\":1000,\"prev_events\":[],"
		"\"sender\":\"@alice:example.org\",\"signatures\":{},\"state_key\":\"\","
		"\"type\":\"m.room.create\"}";
	CLEANUP(event_freep) struct event *e = NULL;

	(void)state;
	assert_int_equal(
		event_parse(str_of(text), room_version_find(STR("12")), &e, NULL), ERR_OK);
	assert_int_equal(e->room_id.n, 44);
	assert_int_equal(e->room_id.p[0], '!');
	assert_true(str_eq(str_skip(e->room_id, 1), str_skip(e->event_id, 1)));
	assert_int_equal(parse_as("12", "type", "\"m.room.create\""), ERR_MALFORMED);
	assert_int_equal(event_parse(str_of(text), room_version_find(STR("11")), &e, NULL),
		ERR_MALFORMED);
}

static void redactions_name_their_event_where_the_version_says(void **state)
{
	static const char text[] =
		"{\"auth_events\":[],\"content\":{\"redacts\":\"" ID2
		"\"},\"depth\":1,\"hashes\":"
		"{\"sha256\":\"h\"},\"origin_server_ts\":1,\"prev_events\":[\"" ID
		"\"],\"redacts\":\"" ID
		"\",\"room_id\":\"!r:b\",\"sender\":\"@a:b\",\"signatures\":{},"
		"\"type\":\"m.room.redaction\"}";
	CLEANUP(event_freep) struct event *v10 = NULL;
	CLEANUP(event_freep) struct event *v11 = NULL;

	(void)state;
	assert_int_equal(
		event_parse(str_of(text), room_version_find(STR("10")), &v10, NULL), ERR_OK);
	assert_str_equal(v10->redacts, ID);
	assert_int_equal(
		event_parse(str_of(text), room_version_find(STR("11")), &v11, NULL), ERR_OK);
	assert_str_equal(v11->redacts, ID2);
}

/* tests/vectors/NOTICE says where they are from. */
static void another_server_names_and_redacts_alike(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct json *list = json_get(vectors_read(a, "events.json"), "vectors");

	(void)state;
	assert_true(json_count(list) >= 40);
	for (const struct json *v = json_first(list); v; v = json_next(v)) {
		CLEANUP(event_freep) struct event *e = NULL;
		CLEANUP(event_freep) struct event *redacted = NULL;
		struct str version;
		struct str pdu;
		struct str id;
		struct str form;
		bool hash_ok = false;

		assert_int_equal(json_str(v, "version", &version, NULL), ERR_OK);
		assert_int_equal(json_str(v, "pdu", &pdu, NULL), ERR_OK);
		assert_int_equal(json_str(v, "event_id", &id, NULL), ERR_OK);
		assert_int_equal(json_str(v, "redacted", &form, NULL), ERR_OK);
		assert_int_equal(json_bool(v, "hash_ok", &hash_ok, NULL), ERR_OK);
		assert_int_equal(
			event_parse(pdu, room_version_find(version), &e, NULL), ERR_OK);
		if (!str_eq(e->event_id, id) || event_hash_ok(e) != hash_ok)
			fail_msg("version %.*s: %.*s", STR_FMT(version), STR_FMT(pdu));
		assert_int_equal(event_redact(e, &redacted), ERR_OK);
		if (!str_eq(redacted->json, form))
			fail_msg("version %.*s: %.*s", STR_FMT(version), STR_FMT(form));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_are_checked),
		cmocka_unit_test(sizes_hold_at_their_edges),
		cmocka_unit_test(old_versions_take_what_they_always_took),
		cmocka_unit_test(versions_1_to_5_keep_their_numbers),
		cmocka_unit_test(an_event_is_its_canonical_form),
		cmocka_unit_test(a_create_event_names_its_room_in_version_12),
		cmocka_unit_test(another_server_names_and_redacts_alike),
		cmocka_unit_test(redactions_name_their_event_where_the_version_says),
	};
	return sodium_init() < 0 ? 1 : RUN_TESTS(tests);
}
