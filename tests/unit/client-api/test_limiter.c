#include "client-api/limiter.h"

#include <stdio.h>

#include "tests/support/cmocka.h"

static void a_bucket_gives_its_burst_then_its_rate(void **state)
{
	struct limiter *l = limiter_new();
	uint64_t now = 1000000;
	(void)state;
	for (int i = 0; i < 200; i++) {
		assert_int_equal(limiter_wait_ms(l, COST_WRITE, STR("@a:b"), now), 0);
		limiter_count(l, COST_WRITE, STR("@a:b"), now);
	}
	assert_int_equal(limiter_wait_ms(l, COST_WRITE, STR("@a:b"), now), 20);
	assert_int_equal(limiter_wait_ms(l, COST_WRITE, STR("@a:b"), now + 19), 1);
	assert_int_equal(limiter_wait_ms(l, COST_WRITE, STR("@a:b"), now + 20), 0);
	assert_int_equal(limiter_wait_ms(l, COST_WRITE, STR("@other:b"), now), 0);
	assert_int_equal(limiter_wait_ms(l, COST_KEYS, STR("@a:b"), now), 0);
	limiter_free(l);
}

static void who_goes_on_all_the_same_waits_no_longer_than_a_bucket(void **state)
{
	struct limiter *l = limiter_new();
	(void)state;
	for (int i = 0; i < 1000; i++)
		limiter_count(l, COST_LOGIN, STR("10.0.0.1"), 5);
	assert_int_equal(limiter_wait_ms(l, COST_LOGIN, STR("10.0.0.1"), 5), 12000);
	limiter_free(l);
}

static void an_ipv6_household_is_one(void **state)
{
	struct limiter *l = limiter_new();
	(void)state;
	for (int i = 0; i < 5; i++)
		limiter_count(l, COST_LOGIN, STR("2001:db8:1:2:3:4:5:6"), 5);
	assert_true(limiter_wait_ms(l, COST_LOGIN, STR("2001:db8:1:2:ffff::1"), 5) > 0);
	assert_int_equal(limiter_wait_ms(l, COST_LOGIN, STR("2001:db8:1:3::1"), 5), 0);
	limiter_free(l);
}

static void memory_is_bounded(void **state)
{
	struct limiter *l = limiter_new();
	char who[32];
	(void)state;
	for (int i = 0; i < LIMITER_BUCKETS_MAX + 10; i++) {
		snprintf(who, sizeof(who), "@u%d:x", i);
		for (int k = 0; k < 5; k++)
			limiter_count(l, COST_LOGIN, str_of(who), 5);
	}
	assert_int_equal(limiter_wait_ms(l, COST_LOGIN, STR("@u9:x"), 5), 0); /* dropped */
	assert_true(limiter_wait_ms(l, COST_LOGIN, STR("@u10:x"), 5) > 0);
	limiter_free(l);
}

static void without_a_limiter_nothing_is_limited(void **state)
{
	(void)state;
	limiter_count(NULL, COST_LOGIN, STR("x"), 5);
	assert_int_equal(limiter_wait_ms(NULL, COST_LOGIN, STR("x"), 5), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_gives_its_burst_then_its_rate),
		cmocka_unit_test(who_goes_on_all_the_same_waits_no_longer_than_a_bucket),
		cmocka_unit_test(an_ipv6_household_is_one),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(without_a_limiter_nothing_is_limited),
	};
	return RUN_TESTS(tests);
}
