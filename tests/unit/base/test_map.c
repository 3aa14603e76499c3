#include "tests/support/cmocka.h"

#include <stdio.h>

#include "node/base/map.h"

static char keys[1000][8];
static int values[1000];

static void a_thousand_entries_come_and_go(void **state)
{
	struct map m;
	size_t at = 0;
	size_t seen = 0;

	(void)state;
	map_init(&m);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		assert_null(map_put(&m, str_of(keys[i]), &values[i]));
	}
	for (int i = 0; i < 1000; i += 2)
		assert_ptr_equal(map_del(&m, str_of(keys[i])), &values[i]);
	assert_int_equal(m.n, 500);
	for (int i = 0; i < 1000; i++)
		assert_ptr_equal(map_get(&m, str_of(keys[i])), i % 2 ? &values[i] : NULL);
	while (map_next(&m, &at))
		seen++;
	assert_int_equal(seen, 500);
	assert_ptr_equal(map_put(&m, str_of(keys[1]), &values[0]), &values[1]);
	map_deinit(&m);
}

static void churn_does_not_grow_the_table(void **state)
{
	struct map m;

	(void)state;
	map_init(&m);
	for (int i = 0; i < 100000; i++) {
		(void)map_put(&m, str_of(i % 2 ? "a" : "b"), &values[0]);
		(void)map_del(&m, str_of(i % 2 ? "a" : "b"));
	}
	assert_int_equal(m.n, 0);
	assert_true(m.cap <= 16);
	map_deinit(&m);
}

static void an_empty_key_is_a_key(void **state)
{
	struct map m;

	(void)state;
	map_init(&m);
	assert_null(map_get(&m, (struct str){ 0 }));
	(void)map_put(&m, (struct str){ 0 }, &values[3]);
	assert_ptr_equal(map_get(&m, STR("")), &values[3]);
	map_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_entries_come_and_go),
		cmocka_unit_test(churn_does_not_grow_the_table),
		cmocka_unit_test(an_empty_key_is_a_key),
	};
	return RUN_TESTS(tests);
}
