#include "transport/acked.h"

#include "tests/support/cmocka.h"

static void what_is_said_is_read(void **state)
{
	struct acked a = { .upto = 1000 }, got;
	struct buf b = { 0 };

	(void)state;
	(void)ranges_add(&a.more, 1002, 1003);
	(void)ranges_add(&a.more, 1500, 9000);
	acked_put(&a, &b);
	assert_true(acked_get(buf_str(&b), &got));
	assert_true(acked_has(&got, 1) && acked_has(&got, 1000) && acked_has(&got, 1002));
	assert_true(acked_has(&got, 1500) && acked_has(&got, 8999));
	assert_false(acked_has(&got, 1001) || acked_has(&got, 1003) || acked_has(&got, 1499));
	assert_false(acked_has(&got, 9000));
	for (size_t n = 0; n < b.n; n++)
		assert_false(acked_get(str_head(buf_str(&b), n), &got));
	buf_deinit(&b);
}

static void nonsense_is_refused(void **state)
{
	static const struct str bad[] = {
		STR_INIT(""), STR_INIT("\x05\x00\x00"), /* something behind it */
		STR_INIT("\x05\x01\x00\x01"),           /* a run that touches the one before */
		STR_INIT("\x05\x01\x01\x00"),           /* an empty one */
		STR_INIT("\x05\x21"),                   /* more than 32 */
		STR_INIT(
			"\x05\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* past 2^64 */
		STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x01\x01"),
		STR_INIT("\x85\x00\x00"), /* not the shortest form */
	};
	struct acked got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(acked_get(bad[i], &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_is_read),
		cmocka_unit_test(nonsense_is_refused),
	};

	return RUN_TESTS(tests);
}
