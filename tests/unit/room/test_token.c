#include "tests/support/cmocka.h"

#include "node/room/token.h"

static void a_place_reads_back_as_written(void **state)
{
	static const int64_t cases[] = { 0, 1, -1, INT64_MAX, INT64_MIN };
	struct buf b = { 0 };
	int64_t pos;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		buf_clear(&b);
		token_put(&b, cases[k]);
		assert_int_equal(token_parse(buf_str(&b), &pos, NULL), ERR_OK);
		assert_true(pos == cases[k]);
	}
	buf_deinit(&b);
}

static void a_sync_token_is_a_place(void **state)
{
	int64_t pos = 0;

	(void)state;
	assert_int_equal(token_parse(STR("s42_1_0"), &pos, NULL), ERR_OK);
	assert_int_equal(pos, 42);
	assert_int_equal(token_parse(STR("s43"), &pos, NULL), ERR_OK);
	assert_int_equal(pos, 43);
}

static void anything_else_is_refused(void **state)
{
	static const char *const cases[] = { "", "t", "s", "x1", "t1_2", "s_1", "1", "t1x",
		"t+1", "t9223372036854775808" };
	int64_t pos = 7;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(cases); k++)
		assert_int_equal(token_parse(str_of(cases[k]), &pos, NULL), ERR_INVALID);
	assert_int_equal(pos, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_reads_back_as_written),
		cmocka_unit_test(a_sync_token_is_a_place),
		cmocka_unit_test(anything_else_is_refused),
	};
	return RUN_TESTS(tests);
}
