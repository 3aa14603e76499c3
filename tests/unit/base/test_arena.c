#include "tests/support/cmocka.h"

#include "node/base/alloc.h"
#include "node/base/arena.h"
#include "node/base/buf.h"

static void blocks_are_zeroed_and_apart(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	char *last = NULL;

	(void)state;
	for (size_t n = 1; n < 9000; n = n * 2 + 1) {
		char *p = arena_alloc(a, n);

		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
		if (last)
			assert_int_equal((unsigned char)*last, 0xff);
		last = p;
	}
}

static void what_a_stranger_sizes_can_fail(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();

	(void)state;
	alloc_fail_at(1);
	assert_null(arena_try(a, 100000));
	assert_non_null(arena_try(a, 100000));
	assert_null(arena_try(a, SIZE_MAX));
}

static void count(void *arg)
{
	++*(int *)arg;
}

static void deferred_calls_run_once(void **state)
{
	struct arena *a = arena_new();
	int n = 0;

	(void)state;
	arena_defer(a, count, &n);
	arena_defer(a, count, &n);
	arena_free(a);
	assert_int_equal(n, 2);
}

static void a_buffer_grows_and_drops(void **state)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };

	(void)state;
	buf_printf(&b, "%s=%d;", "x", 5);
	buf_put_i64(&b, INT64_MIN);
	assert_str_equal(buf_str(&b), "x=5;-9223372036854775808");
	buf_drop(&b, 4);
	assert_str_equal(buf_str(&b), "-9223372036854775808");
	buf_clear(&b);
	buf_put_be32(&b, 0x01020304);
	assert_memory_equal(b.p, "\1\2\3\4", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_zeroed_and_apart),
		cmocka_unit_test(what_a_stranger_sizes_can_fail),
		cmocka_unit_test(deferred_calls_run_once),
		cmocka_unit_test(a_buffer_grows_and_drops),
	};
	return RUN_TESTS(tests);
}
