/*
 * An object taken apart as it comes: however it is cut, the same pieces come out.
 */
#include "node/json/split.h"

#include "node/base/alloc.h"
#include "tests/support/cmocka.h"

struct got {
	struct buf text;
	enum err say; /* of element() */
};

static enum err put(struct got *g, char mark, struct str key, struct str text)
{
	buf_printf(&g->text, "%c%.*s=%.*s;", mark, STR_FMT(key), STR_FMT(text));
	return g->say;
}

static enum err element(void *arg, struct str key, struct str text)
{
	return put(arg, '*', key, text);
}

static enum err member(void *arg, struct str key, struct str text)
{
	(void)put(arg, '.', key, text);
	return ERR_OK;
}

/* Fed in pieces of so many bytes. */
static enum err run(struct got *g, struct str json, size_t step, size_t max)
{
	struct json_split s = {
		.max_element = max, .element = element, .member = member, .arg = g
	};
	enum err err = ERR_OK;

	json_split_init(&s);
	while (json.n && !err) {
		err = json_split_feed(&s, str_head(json, step));
		json = str_skip(json, step);
	}
	if (!err)
		err = json_split_end(&s);
	json_split_deinit(&s);
	return err;
}

static void pieces_come_out_however_it_is_cut(void **state)
{
	static const struct {
		const char *json;
		const char *pieces;
	} cases[] = {
		{ "{}", "" },
		{ " { } ", "" },
		{ "{\"a\":[]}", "" },
		{ "{\"a\":1}", ".a=1;" },
		{ "{\"a\":[1, 2 ,{\"x\":[3,\"]\"]}],\"b\":\"c\"}",
			"*a=1;*a=2;*a={\"x\":[3,\"]\"]};.b=\"c\";" },
		{ "{\"a\":[\"q\\\"]\",null],\"b\":{\"}\":\"\\\\\"},\"c\":true}",
			"*a=\"q\\\"]\";*a=null;.b={\"}\":\"\\\\\"};.c=true;" },
		{ "{\"k\\\"\":-1.5e3 , \"b\":[[1],[]]}", ".k\\\"=-1.5e3;*b=[1];*b=[];" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t step = 1; step < 12; step++) {
			struct got g = { 0 };

			assert_int_equal(run(&g, str_of(cases[i].json), step, 100), ERR_OK);
			assert_str_equal(buf_str(&g.text), cases[i].pieces);
			buf_deinit(&g.text);
		}
}

static void what_is_no_object_is_refused(void **state)
{
	static const char *const cases[] = { "", "[", "[]", "x", "{", "{\"a\"",
		"{\"a\":", "{\"a\":}", "{\"a\":,}", "{\"a\":1,}", "{\"a\":[1,]}",
		"{\"a\":[,1]}", "{\"a\":[1}", "{\"a\":[1]", "{\"a\" 1}", "{a:1}", "{\"a\":1 2}",
		"{\"a\":[1 2]}", "{\"a\":1}}", "{\"a\":\"", "{}{}", "{\"a\":1]" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct got g = { 0 };

		if (run(&g, str_of(cases[i]), 3, 100) != ERR_MALFORMED)
			fail_msg("taken: %s", cases[i]);
		buf_deinit(&g.text);
	}
}

static void an_element_has_a_bound(void **state)
{
	struct got g = { 0 };

	(void)state;
	assert_int_equal(run(&g, STR("{\"a\":[\"12345678\"]}"), 4, 10), ERR_OK);
	assert_int_equal(run(&g, STR("{\"a\":[\"123456789\"]}"), 4, 10), ERR_TOO_LARGE);
	assert_int_equal(run(&g, STR("{\"a\":[1234567890]}"), 4, 10), ERR_OK);
	assert_int_equal(run(&g, STR("{\"a\":[12345678901]}"), 4, 10), ERR_TOO_LARGE);
	assert_int_equal(run(&g, STR("{\"a1234567890\":1}"), 4, 10), ERR_TOO_LARGE);
	buf_deinit(&g.text);
}

static void the_taker_ends_it(void **state)
{
	struct got g = { .say = ERR_LIMIT };

	(void)state;
	assert_int_equal(run(&g, STR("{\"a\":[1,2]}"), 4, 10), ERR_LIMIT);
	assert_str_equal(buf_str(&g.text), "*a=1;");
	buf_deinit(&g.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_come_out_however_it_is_cut),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(an_element_has_a_bound),
		cmocka_unit_test(the_taker_ends_it),
	};
	return RUN_TESTS(tests);
}
