/* cmocka.h with the headers that it needs first, for every test. Output is TAP, for meson. */
#ifndef KITH_TESTS_CMOCKA_H
#define KITH_TESTS_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/base/str.h"

#define assert_str_equal(a, z) \
	do { \
		struct str got_ = (a); \
		assert_int_equal(got_.n, strlen(z)); \
		assert_memory_equal(got_.p, z, got_.n); \
	} while (0)

#define RUN_TESTS(tests) \
	(cmocka_set_message_output(CM_OUTPUT_TAP), cmocka_run_group_tests(tests, NULL, NULL))

#endif
