/* The part of a file that a Range header names. */
#include "client-api/range.h"
#include "node/base/compiler.h"
#include "tests/support/cmocka.h"

static void each_header_means_what_the_rfc_says(void **state)
{
	static const struct {
		const char *header;
		uint64_t size;
		enum range_kind kind;
		uint64_t first, length;
	} cases[] = {
		{ "bytes=0-0", 10, RANGE_PART, 0, 1 },
		{ "bytes=0-", 10, RANGE_PART, 0, 10 },
		{ "bytes=9-", 10, RANGE_PART, 9, 1 },
		{ "bytes=2-5", 10, RANGE_PART, 2, 4 },
		{ "BYTES= 2-5 ", 10, RANGE_PART, 2, 4 },
		{ "bytes=2-99", 10, RANGE_PART, 2, 8 },
		{ "bytes=0-18446744073709551615", 10, RANGE_PART, 0, 10 },
		{ "bytes=-3", 10, RANGE_PART, 7, 3 },
		{ "bytes=-30", 10, RANGE_PART, 0, 10 },
		{ "bytes=10-", 10, RANGE_NONE, 0, 0 },
		{ "bytes=10-11", 10, RANGE_NONE, 0, 0 },
		{ "bytes=-0", 10, RANGE_NONE, 0, 0 },
		{ "bytes=0-", 0, RANGE_NONE, 0, 0 },
		{ "bytes=-1", 0, RANGE_NONE, 0, 0 },
		{ "bytes=5-4", 10, RANGE_WHOLE, 0, 0 },
		{ "bytes=0-1,3-4", 10, RANGE_WHOLE, 0, 0 },
		{ "bytes=", 10, RANGE_WHOLE, 0, 0 },
		{ "bytes=-", 10, RANGE_WHOLE, 0, 0 },
		{ "bytes=a-", 10, RANGE_WHOLE, 0, 0 },
		{ "bytes=1-b", 10, RANGE_WHOLE, 0, 0 },
		{ "bytes=+1-2", 10, RANGE_WHOLE, 0, 0 },
		{ "bytes=18446744073709551616-", 10, RANGE_WHOLE, 0, 0 },
		{ "items=0-1", 10, RANGE_WHOLE, 0, 0 },
		{ "bytes 0-1", 10, RANGE_WHOLE, 0, 0 },
		{ "", 10, RANGE_WHOLE, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t first = 0, length = 0;
		enum range_kind kind =
			range_parse(str_of(cases[i].header), cases[i].size, &first, &length);

		if (kind != cases[i].kind || first != cases[i].first ||
			length != cases[i].length)
			fail_msg("%s: %d %llu %llu", cases[i].header, (int)kind,
				(unsigned long long)first, (unsigned long long)length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_header_means_what_the_rfc_says),
	};

	return RUN_TESTS(tests);
}
