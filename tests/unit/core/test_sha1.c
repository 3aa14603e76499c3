#include "node/core/sha1.h"

#include <stdio.h>

#include "tests/support/cmocka.h"

static void is(const char *text, const char *hex)
{
	unsigned char out[SHA1_BYTES];
	char got[2 * SHA1_BYTES + 1];

	sha1(str_of(text), out);
	for (size_t i = 0; i < SHA1_BYTES; i++)
		(void)snprintf(got + 2 * i, 3, "%02x", out[i]);
	assert_string_equal(got, hex);
}

/* FIPS 180-4's examples, and the lengths around a block's end. */
static void published_values(void **state)
{
	(void)state;
	is("", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	is("abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
	is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		"84983e441c3bd26ebaae4aa1f95129e5e54670f1");
	is("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklm"
	   "nopqrlmnopqrsmnopqrstnopqrstu",
		"a49b2446a02c645bf419f995b67091253a04a259");
	is("0123456789012345678901234567890123456789012345678901234",
		"9f3a4ce7f66b1b74c34da2c5d732c39f81e0f8df");
	is("0123456789012345678901234567890123456789012345678901234567890123",
		"cf0800f7644ace3cb4c3fa33388d3ba0ea3c8b6e");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(published_values) };

	return RUN_TESTS(tests);
}
