/* Event filters: absent lists, empty ones, wildcards, and what is no filter. */
#include "tests/support/cmocka.h"

#include "node/core/event_filter.h"

static struct event_filter parsed(struct arena *a, const char *text)
{
	struct event_filter f;
	const struct json *j;

	assert_int_equal(json_parse_in(a, str_of(text), &json_limits_client, &j, NULL), ERR_OK);
	assert_int_equal(event_filter_parse(a, j, &f, NULL), ERR_OK);
	return f;
}

static void lists_take_and_leave_out(void **state)
{
	static const struct {
		const char *filter, *type, *sender, *room;
		bool passes;
	} cases[] = {
		{ "{}", "t", "@a:x", "!r:x", true },
		{ "{\"types\":[]}", "t", "@a:x", "!r:x", false },
		{ "{\"types\":[\"m.room.*\"]}", "m.room.name", "@a:x", "!r:x", true },
		{ "{\"types\":[\"m.room.*\"]}", "m.roomx", "@a:x", "!r:x", false },
		{ "{\"types\":[\"*name\",\"x\"]}", "m.room.name", "@a:x", "!r:x", true },
		{ "{\"not_types\":[\"*\"]}", "t", "@a:x", "!r:x", false },
		{ "{\"types\":[\"t\"],\"not_types\":[\"t\"]}", "t", "@a:x", "!r:x", false },
		{ "{\"senders\":[\"@a:x\"]}", "t", "@a:x", "!r:x", true },
		{ "{\"senders\":[\"@b:x\"]}", "t", "@a:x", "!r:x", false },
		{ "{\"senders\":[\"@b:x\"]}", "t", "", "!r:x", true },
		{ "{\"not_senders\":[\"@a:x\"]}", "t", "@a:x", "!r:x", false },
		{ "{\"rooms\":[\"!q:x\"]}", "t", "@a:x", "!r:x", false },
		{ "{\"not_rooms\":[\"!r:x\"]}", "t", "@a:x", "!r:x", false },
		{ "{\"types\":null}", "t", "@a:x", "!r:x", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct event_filter f = parsed(a, cases[i].filter);

		assert_int_equal(event_filter_match(&f, str_of(cases[i].type),
					 str_of(cases[i].sender), str_of(cases[i].room)),
			cases[i].passes);
		arena_free(a);
	}
}

static void contains_url_asks_for_a_string(void **state)
{
	struct arena *a = arena_new();
	struct event_filter with = parsed(a, "{\"contains_url\":true}");
	struct event_filter without = parsed(a, "{\"contains_url\":false}");
	const struct json *url, *none;

	assert_int_equal(
		json_parse_in(a, STR("{\"url\":\"x\"}"), &json_limits_client, &url, NULL),
		ERR_OK);
	assert_int_equal(
		json_parse_in(a, STR("{\"url\":{}}"), &json_limits_client, &none, NULL),
		ERR_OK);
	assert_true(event_filter_match_content(&with, url));
	assert_false(event_filter_match_content(&with, none));
	assert_false(event_filter_match_content(&without, url));
	assert_true(event_filter_match_content(&without, none));
	arena_free(a);
}

static void what_is_no_filter_is_refused(void **state)
{
	static const struct {
		const char *filter;
		enum err err;
	} cases[] = {
		{ "[]", ERR_MALFORMED },
		{ "{\"limit\":\"5\"}", ERR_MALFORMED },
		{ "{\"limit\":-1}", ERR_INVALID },
		{ "{\"types\":\"t\"}", ERR_MALFORMED },
		{ "{\"types\":[5]}", ERR_MALFORMED },
		{ "{\"senders\":[\"bob\"]}", ERR_INVALID },
		{ "{\"rooms\":[\"@bob:x\"]}", ERR_INVALID },
		{ "{\"contains_url\":1}", ERR_MALFORMED },
		{ "{\"lazy_load_members\":\"true\"}", ERR_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct event_filter f;
		const struct json *j;

		assert_int_equal(json_parse_in(a, str_of(cases[i].filter), &json_limits_client,
					 &j, NULL),
			ERR_OK);
		assert_int_equal(event_filter_parse(a, j, &f, NULL), cases[i].err);
		arena_free(a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_take_and_leave_out),
		cmocka_unit_test(contains_url_asks_for_a_string),
		cmocka_unit_test(what_is_no_filter_is_refused),
	};
	return RUN_TESTS(tests);
}
