#include "tests/support/cmocka.h"

#include <stdlib.h>

#include "node/room/splice.h"

static const char event[] = "{\"content\":{\"body\":\"a \\\"}] b\",\"n\":[1,{\"x\":[]}]},"
			    "\"depth\":-7,\"ok\":true,\"s\":\"\\\\\",\"type\":\"m.x\"}";

static void members_are_cut_out_whole(void **state)
{
	struct str e = str_of(event);
	struct splice_member m;
	size_t at = 0;

	(void)state;
	assert_true(splice_next(e, &at, &m));
	assert_str_equal(m.key, "content");
	assert_str_equal(m.value, "{\"body\":\"a \\\"}] b\",\"n\":[1,{\"x\":[]}]}");
	assert_true(splice_next(e, &at, &m));
	assert_str_equal(m.value, "-7");
	assert_true(splice_next(e, &at, &m));
	assert_str_equal(m.value, "true");
	assert_true(splice_next(e, &at, &m));
	assert_str_equal(m.value, "\"\\\\\"");
	assert_true(splice_next(e, &at, &m));
	assert_str_equal(splice_string(m.value), "m.x");
	assert_false(splice_next(e, &at, &m));
	assert_str_equal(splice_get(e, "ok"), "true");
	assert_int_equal(splice_get(e, "none").n, 0);
}

static void arrays_are_walked(void **state)
{
	struct str v;
	size_t at = 0;

	(void)state;
	assert_true(splice_element(STR("[\"a,]\",[1,2],{}]"), &at, &v));
	assert_str_equal(v, "\"a,]\"");
	assert_true(splice_element(STR("[\"a,]\",[1,2],{}]"), &at, &v));
	assert_str_equal(v, "[1,2]");
	assert_true(splice_element(STR("[\"a,]\",[1,2],{}]"), &at, &v));
	assert_str_equal(v, "{}");
	assert_false(splice_element(STR("[\"a,]\",[1,2],{}]"), &at, &v));
}

static void what_is_no_object_ends_the_walk(void **state)
{
	static const char *const cases[] = { "", "{", "{}", "[]", "{\"a\"",
		"{\"a\":", "{\"a\":\"", "{\"a\":[", "{a:1}", "\"x\"" };
	struct splice_member m;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		char *exact; /* so that reading past the end is seen */
		size_t n = strlen(cases[k]);
		size_t at = 0;
		unsigned members = 0;

		exact = malloc(n ? n : 1);
		assert_non_null(exact);
		memcpy(exact, cases[k], n);
		while (splice_next((struct str){ exact, n }, &at, &m))
			members++;
		assert_true(members <= 1);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_cut_out_whole),
		cmocka_unit_test(arrays_are_walked),
		cmocka_unit_test(what_is_no_object_ends_the_walk),
	};
	return RUN_TESTS(tests);
}
