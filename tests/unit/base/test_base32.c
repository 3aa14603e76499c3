#include "tests/support/cmocka.h"

#include "node/base/base32.h"
#include "node/base/base64.h"

static void rfc4648_vectors(void **state)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "my" }, { "fo", "mzxq" },
		{ "foo", "mzxw6" }, { "foob", "mzxw6yq" }, { "fooba", "mzxw6ytb" },
		{ "foobar", "mzxw6ytboi" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		CLEANUP(buf_deinit) struct buf text = { 0 };
		CLEANUP(buf_deinit) struct buf back = { 0 };

		base32_put(&text, pairs[i][0], strlen(pairs[i][0]));
		assert_str_equal(buf_str(&text), pairs[i][1]);
		assert_int_equal(base32_get(&back, buf_str(&text)), ERR_OK);
		assert_str_equal(buf_str(&back), pairs[i][0]);
	}
}

static void what_no_encoder_writes_is_refused(void **state)
{
	static const char *const bad[] = { "m", "mz1q", "mzx", "mb", "mzxq=", "mzxr", "my " };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(buf_deinit) struct buf out = { 0 };

		assert_int_equal(base32_get(&out, str_of(bad[i])), ERR_MALFORMED);
		assert_int_equal(out.n, 0);
	}
}

static void base64_takes_padding_and_writes_none(void **state)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(buf_deinit) struct buf back = { 0 };
	char two[2];

	(void)state;
	base64_put(&text, "fo", 2);
	assert_str_equal(buf_str(&text), "Zm8");
	assert_int_equal(base64_get(&back, STR("Zm8="), false), ERR_OK);
	assert_str_equal(buf_str(&back), "fo");
	assert_int_equal(base64_get_exact(two, 2, STR("Zm8"), false), ERR_OK);
	assert_int_equal(base64_get_exact(two, 2, STR("Zm9v"), false), ERR_MALFORMED);
	assert_int_equal(base64_get(&back, STR("Zm8=="), false), ERR_MALFORMED);
	assert_int_equal(base64_get(&back, STR("Z"), false), ERR_MALFORMED);
	assert_int_equal(base64_get(&back, STR("Zm 8"), false), ERR_MALFORMED);
	assert_int_equal(base64_get(&back, STR("_-8"), false), ERR_MALFORMED);
	assert_int_equal(base64_get(&back, STR("_-8"), true), ERR_OK);
}

static void base64_of_every_length_comes_back(void **state)
{
	static const char *const texts[] = { "", "AA", "AAE", "AAEC", "AAECAw", "AAECAwQ",
		"AAECAwQF" };
	unsigned char bytes[256];
	unsigned char again[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		CLEANUP(buf_deinit) struct buf text = { 0 };
		CLEANUP(buf_deinit) struct buf url = { 0 };

		base64_put(&text, bytes + sizeof(bytes) - n, n);
		base64_put_url(&url, bytes + sizeof(bytes) - n, n);
		assert_int_equal(base64_get_exact(again, n, buf_str(&text), false), ERR_OK);
		assert_memory_equal(again, bytes + sizeof(bytes) - n, n);
		assert_int_equal(base64_get_exact(again, n, buf_str(&url), true), ERR_OK);
		assert_memory_equal(again, bytes + sizeof(bytes) - n, n);
		if (n >= ARRAY_LEN(texts))
			continue;
		buf_clear(&text);
		base64_put(&text, bytes, n);
		assert_str_equal(buf_str(&text), texts[n]);
	}
}

static void a_hash_is_written_in_one_way(void **state)
{
	static const struct str good = STR_INIT("acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk");
	static const struct str bad[] = {
		STR_INIT("acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJl"), /* bits behind it */
		STR_INIT("acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJ"),
		STR_INIT("acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk="),
		STR_INIT("acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7Xc k"),
		STR_INIT("acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"),
		STR_INIT(""),
	};
	unsigned char hash[32];
	CLEANUP(buf_deinit) struct buf text = { 0 };

	(void)state;
	assert_true(base64_get_hash(hash, good, true));
	base64_put_url(&text, hash, sizeof(hash));
	assert_str_equal(buf_str(&text), good.p);
	assert_false(base64_get_hash(hash, good, false));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(base64_get_hash(hash, bad[i], true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc4648_vectors),
		cmocka_unit_test(what_no_encoder_writes_is_refused),
		cmocka_unit_test(base64_takes_padding_and_writes_none),
		cmocka_unit_test(base64_of_every_length_comes_back),
		cmocka_unit_test(a_hash_is_written_in_one_way),
	};
	return RUN_TESTS(tests);
}
