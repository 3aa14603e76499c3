/* event_fields: paths, escapes, what is too long or too many, and what is no path. */
#include "tests/support/cmocka.h"

#include "node/core/event_fields.h"

static const char event[] =
	"{\"content\":{\"a.b\":1,\"a\\\\b\":2,\"body\":\"x\",\"deep\":{\"er\":{"
	"\"m\":3,\"n\":null}},\"list\":[{\"x\":1}]},\"sender\":\"@a:b\","
	"\"type\":\"t\"}";

static const struct json *parse(struct arena *a, const char *text)
{
	const struct json *j;

	assert_int_equal(json_parse_in(a, str_of(text), &json_limits_client, &j, NULL), ERR_OK);
	return j;
}

static void paths_take_what_they_name(void **state)
{
	static const struct {
		const char *fields, *left;
	} cases[] = {
		{ "[]", "{}" },
		{ "[\"type\"]", "{\"type\":\"t\"}" },
		{ "[\"no\",\"content.no\",\"type.no\",\"\",\".\"]", "{}" },
		{ "[\"content.body\"]", "{\"content\":{\"body\":\"x\"}}" },
		{ "[\"content.body\",\"sender\"]",
			"{\"content\":{\"body\":\"x\"},\"sender\":\"@a:b\"}" },
		{ "[\"content.deep.er.n\"]", "{\"content\":{\"deep\":{\"er\":{\"n\":null}}}}" },
		{ "[\"content.deep.er.m\",\"content.deep.er.n\"]",
			"{\"content\":{\"deep\":{\"er\":{\"m\":3,\"n\":null}}}}" },
		{ "[\"content.deep.er.m\",\"content.deep\"]",
			"{\"content\":{\"deep\":{\"er\":{\"m\":3,\"n\":null}}}}" },
		{ "[\"content.a\\\\.b\"]", "{\"content\":{\"a.b\":1}}" },
		{ "[\"content.a\\\\\\\\b\"]", "{\"content\":{\"a\\\\b\":2}}" },
		{ "[\"content.a.b\"]", "{}" },
		{ "[\"content.list.x\"]", "{}" },
		{ "[\"content.list\"]", "{\"content\":{\"list\":[{\"x\":1}]}}" },
		{ "[\"type\",\"type\"]", "{\"type\":\"t\"}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		CLEANUP(buf_deinit) struct buf out = { 0 };
		struct jw w = jw_to(&out);
		struct event_fields f;

		assert_int_equal(
			event_fields_parse(a, parse(a, cases[i].fields), &f, NULL), ERR_OK);
		assert_true(f.set);
		event_fields_put(&f, parse(a, event), &w);
		assert_str_equal(buf_str(&out), cases[i].left);
		arena_free(a);
	}
}

static void what_is_no_list_of_paths_is_refused(void **state)
{
	struct arena *a = arena_new();
	struct event_fields f;

	(void)state;
	assert_int_equal(event_fields_parse(a, parse(a, "[\"a\",1]"), &f, NULL), ERR_MALFORMED);
	assert_int_equal(event_fields_parse(a, parse(a, "[null]"), &f, NULL), ERR_MALFORMED);
	assert_int_equal(event_fields_parse(a, NULL, &f, NULL), ERR_OK);
	assert_false(f.set);
	arena_free(a);
}

/* More is sent than was asked for; nothing is lost, and no stack grows. */
static void too_much_is_sent_whole(void **state)
{
	struct arena *a = arena_new();
	CLEANUP(buf_deinit) struct buf many = { 0 }, deep = { 0 }, path = { 0 }, out = { 0 };
	struct jw w = jw_to(&out);
	struct event_fields f;

	(void)state;
	buf_put_u8(&many, '[');
	for (int i = 0; i <= EVENT_FIELDS_MAX; i++)
		buf_printf(&many, "%s\"f%d\"", i ? "," : "", i);
	buf_put_z(&many, "]");
	buf_put_u8(&many, 0);
	assert_int_equal(event_fields_parse(a, parse(a, many.p), &f, NULL), ERR_OK);
	assert_false(f.set);

	buf_put_z(&path, "[\"k");
	for (int i = 1; i < 40; i++)
		buf_put_z(&path, ".k");
	buf_put_z(&path, "\"]");
	buf_put_u8(&path, 0);
	for (int i = 0; i < 40; i++)
		buf_put_z(&deep, "{\"k\":");
	buf_put_z(&deep, "{\"last\":1}");
	for (int i = 0; i < 40; i++)
		buf_put_u8(&deep, '}');
	buf_put_u8(&deep, 0);
	assert_int_equal(event_fields_parse(a, parse(a, path.p), &f, NULL), ERR_OK);
	event_fields_put(&f, parse(a, deep.p), &w);
	assert_str_equal(buf_str(&out), deep.p);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_take_what_they_name),
		cmocka_unit_test(what_is_no_list_of_paths_is_refused),
		cmocka_unit_test(too_much_is_sent_whole),
	};

	return RUN_TESTS(tests);
}
