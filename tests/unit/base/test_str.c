#include "tests/support/cmocka.h"

#include "node/base/str.h"

static void numbers_that_do_not_fit_are_refused(void **state)
{
	uint64_t u = 7;
	int64_t i = 7;

	(void)state;
	assert_true(str_to_u64(STR("18446744073709551615"), &u));
	assert_true(u == UINT64_MAX);
	assert_false(str_to_u64(STR("18446744073709551616"), &u));
	assert_false(str_to_u64(STR(""), &u));
	assert_false(str_to_u64(STR("1x"), &u));
	assert_true(str_to_i64(STR("-9223372036854775808"), &i));
	assert_true(i == INT64_MIN);
	assert_false(str_to_i64(STR("9223372036854775808"), &i));
	assert_false(str_to_i64(STR("-"), &i));
	assert_true(i == INT64_MIN);
}

static void utf8_is_strict(void **state)
{
	static const struct {
		const char *z;
		bool ok;
	} cases[] = {
		{ "plain", true },
		{ "\xc3\xa9", true },
		{ "\xf0\x9f\x92\x96", true },
		{ "\xc0\x80", false },         /* overlong NUL */
		{ "\xed\xa0\x80", false },     /* surrogate */
		{ "\xf4\x90\x80\x80", false }, /* above U+10FFFF */
		{ "\xe2\x82", false },         /* cut */
		{ "\x80", false },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(cases); k++)
		assert_int_equal(str_is_utf8(str_of(cases[k].z)), cases[k].ok);
}

static void cutting_finds_the_first_separator(void **state)
{
	struct str head;
	struct str rest;
	size_t at;

	(void)state;
	assert_true(str_cut(STR("a:b:c"), ':', &head, &rest));
	assert_str_equal(head, "a");
	assert_str_equal(rest, "b:c");
	assert_false(str_cut(STR("abc"), ':', &head, &rest));
	assert_str_equal(head, "abc");
	assert_int_equal(rest.n, 0);
	assert_true(str_find_str(STR("abcabd"), STR("abd"), &at));
	assert_int_equal(at, 3);
	assert_false(str_find_str(STR("ab"), STR("abd"), &at));
	assert_str_equal(str_trim(STR(" \tx y\r\n")), "x y");
	assert_true(str_cmp(STR("a"), STR("ab")) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_that_do_not_fit_are_refused),
		cmocka_unit_test(utf8_is_strict),
		cmocka_unit_test(cutting_finds_the_first_separator),
	};
	return RUN_TESTS(tests);
}
