#include "node/federation/quota.h"

#include "node/base/limits.h"
#include <stdio.h>

#include "tests/support/cmocka.h"

#define DAY_MS 86400000u

static const struct str alice = STR_INIT("alice.test"), bob = STR_INIT("bob.test");

static void a_day_has_so_many_bytes(void **state)
{
	struct quota q;
	uint64_t wait = 0;

	(void)state;
	quota_init(&q);
	assert_int_equal(quota_bytes(&q, alice, LIMIT_PEER_DAY_BYTES - 10, 500, &wait), ERR_OK);
	assert_int_equal(quota_bytes(&q, alice, 11, 1000, &wait), ERR_LIMIT);
	assert_int_equal(wait, DAY_MS - 500);
	assert_int_equal(quota_bytes(&q, alice, 10, 1000, &wait), ERR_OK);
	assert_int_equal(quota_bytes(&q, alice, 1, 500 + DAY_MS - 1, &wait), ERR_LIMIT);
	assert_int_equal(wait, 1);
	assert_int_equal(quota_bytes(&q, bob, 11, 1000, &wait), ERR_OK);
	assert_int_equal(quota_bytes(&q, alice, 1, 500 + DAY_MS, &wait), ERR_OK);
	assert_int_equal(quota_bytes(&q, bob, SIZE_MAX, 1000, &wait), ERR_LIMIT);
	quota_deinit(&q);
}

static void a_day_has_so_many_new_rooms(void **state)
{
	struct quota q;
	uint64_t wait = 0;

	(void)state;
	quota_init(&q);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(quota_room(&q, alice, 10, 0, &wait), ERR_OK);
	assert_int_equal(quota_room(&q, alice, 10, 7, &wait), ERR_LIMIT);
	assert_int_equal(wait, DAY_MS - 7);
	assert_int_equal(quota_room(&q, alice, 20, 7, &wait), ERR_OK); /* a contact by now */
	assert_int_equal(quota_room(&q, bob, 10, 7, &wait), ERR_OK);
	assert_int_equal(quota_room(&q, alice, 10, DAY_MS, &wait), ERR_OK);
	quota_deinit(&q);
}

static void who_was_here_long_ago_is_forgotten(void **state)
{
	struct quota q;
	uint64_t wait;
	char name[32];

	(void)state;
	quota_init(&q);
	for (unsigned i = 0; i < QUOTA_SERVERS; i++) {
		(void)snprintf(name, sizeof(name), "s%u.test", i);
		assert_int_equal(
			quota_bytes(&q, str_of(name), 1, i < 10 ? 50 : 0, &wait), ERR_OK);
	}
	assert_int_equal(quota_bytes(&q, alice, 1, DAY_MS + 10, &wait), ERR_OK);
	assert_int_equal(q.servers.n, 11);
	quota_deinit(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_has_so_many_bytes),
		cmocka_unit_test(a_day_has_so_many_new_rooms),
		cmocka_unit_test(who_was_here_long_ago_is_forgotten),
	};

	return RUN_TESTS(tests);
}
