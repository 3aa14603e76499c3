#include "tests/support/cmocka.h"

#include <sodium.h>

#include "node/base/base32.h"
#include "node/core/id.h"

#define HASH "acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk"

static bool user(struct str s)
{
	return id_user(s, NULL, NULL);
}

static bool alias(struct str s)
{
	return id_room_alias(s, NULL, NULL);
}

static bool mxc(struct str s)
{
	return id_mxc(s, NULL, NULL);
}

static const struct {
	bool (*ok)(struct str s);
	struct str text;
	bool expected;
} cases[] = {
	{ id_server_name, STR_INIT("matrix.org"), true },
	{ id_server_name, STR_INIT("matrix.org:8888"), true },
	{ id_server_name, STR_INIT("1.2.3.4:1234"), true },
	{ id_server_name, STR_INIT("[1234:5678::abcd]"), true },
	{ id_server_name, STR_INIT("[1234:5678::abcd]:5678"), true },
	{ id_server_name, STR_INIT("localhost"), true },
	{ id_server_name, STR_INIT(""), false },
	{ id_server_name, STR_INIT("matrix.org:"), false },
	{ id_server_name, STR_INIT("matrix.org:123456"), false },
	{ id_server_name, STR_INIT("matrix.org:8x"), false },
	{ id_server_name, STR_INIT("matrix.org:1:2"), false },
	{ id_server_name, STR_INIT("mat_rix.org"), false },
	{ id_server_name, STR_INIT("mat rix.org"), false },
	{ id_server_name, STR_INIT("matrix.org/"), false },
	{ id_server_name, STR_INIT("m\xc3\xa9.org"), false },
	{ id_server_name, STR_INIT("[::1"), false },
	{ id_server_name, STR_INIT("[::1]x"), false },
	{ id_server_name, STR_INIT("[:]"), false },
	{ id_server_name, STR_INIT("[::g]"), false },
	{ id_server_name, STR_INIT("matrix\0.org"), false },

	{ user, STR_INIT("@alice:example.org"), true },
	{ user, STR_INIT("@alice:example.org:8448"), true },
	{ user, STR_INIT("@Al ice!\xc3\xa9:example.org"), true },
	{ user, STR_INIT("@al\x01ice:example.org"), true },
	{ user, STR_INIT("@:example.org"), true },
	{ user, STR_INIT("alice:example.org"), false },
	{ user, STR_INIT("@alice"), false },
	{ user, STR_INIT("@alice:"), false },
	{ user, STR_INIT("@al:ice:example.org"), false },
	{ user, STR_INIT("@al\0ice:example.org"), false },
	{ user, STR_INIT("@al\xc0\x80ice:example.org"), false },
	{ user, STR_INIT("@al\xffice:example.org"), false },
	{ user, STR_INIT(""), false },

	{ id_room, STR_INIT("!abc:example.org"), true },
	{ id_room, STR_INIT("!" HASH), true },
	{ id_room, STR_INIT("!abc"), false },
	{ id_room, STR_INIT("!" HASH "x"), false },
	{ id_room, STR_INIT("!acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"), false },
	{ id_room, STR_INIT("#abc:example.org"), false },

	{ alias, STR_INIT("#room:example.org"), true },
	{ alias, STR_INIT("#r\xc3\xa9!:example.org"), true },
	{ alias, STR_INIT("#:example.org"), false },
	{ alias, STR_INIT("#room"), false },

	{ id_event, STR_INIT("$" HASH), true },
	{ id_event, STR_INIT("$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"), true },
	{ id_event, STR_INIT("$1234:example.org"), true },
	{ id_event, STR_INIT("$"), false },
	{ id_event, STR_INIT("$1234"), false },
	{ id_event, STR_INIT("$:example.org"), false },
	/* 43 characters whose last one has bits that no 32 bytes have */
	{ id_event, STR_INIT("$acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJl"), false },

	{ mxc, STR_INIT("mxc://example.org/aBc_-1"), true },
	{ mxc, STR_INIT("mxc://example.org:8448/a"), true },
	{ mxc, STR_INIT("mxc://example.org/"), false },
	{ mxc, STR_INIT("mxc:///a"), false },
	{ mxc, STR_INIT("mxc://example.org/a/b"), false },
	{ mxc, STR_INIT("mxc://example.org/.."), false },
	{ mxc, STR_INIT("http://example.org/a"), false },
};

static void ids_have_the_grammar_of_the_appendices(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (cases[i].ok(cases[i].text) != cases[i].expected)
			fail_msg("case %zu: %.*s", i, STR_FMT(cases[i].text));
	}
}

static void ids_have_255_bytes_at_most(void **state)
{
	char text[257];
	const char tail[] = ":example.org";

	(void)state;
	memset(text, 'a', sizeof(text));
	text[0] = '@';
	memcpy(text + 255 - strlen(tail), tail, strlen(tail));
	assert_true(user((struct str){ text, 255 }));
	memset(text + 1, 'a', sizeof(text) - 1);
	memcpy(text + 256 - strlen(tail), tail, strlen(tail));
	assert_false(user((struct str){ text, 256 }));
	memset(text, 'a', sizeof(text));
	assert_true(id_server_name((struct str){ text, 255 }));
	assert_false(id_server_name((struct str){ text, 256 }));
}

static void parts_point_into_the_id(void **state)
{
	struct str local;
	struct str server;

	(void)state;
	assert_true(id_user(STR("@alice:example.org:8448"), &local, &server));
	assert_str_equal(local, "alice");
	assert_str_equal(server, "example.org:8448");
	assert_str_equal(id_server_of(STR("@alice:example.org:8448")), "example.org:8448");
	assert_int_equal(id_server_of(STR("!" HASH)).n, 0);
	assert_true(id_mxc(STR("mxc://example.org/abc"), &server, &local));
	assert_str_equal(server, "example.org");
	assert_str_equal(local, "abc");
	assert_true(id_user_strict(STR("a.b_c=d-e/f+9")));
	assert_false(id_user_strict(STR("Alice")));
	assert_false(id_user_strict(STR("")));
	assert_false(id_user_strict(STR("a:b")));
}

static void a_kith_name_is_a_key(void **state)
{
	unsigned char pk[32];
	unsigned char sk[64];
	unsigned char got[32] = { 0 };
	static const unsigned char seed[32] = { 7 };
	CLEANUP(buf_deinit) struct buf name = { 0 };
	CLEANUP(buf_deinit) struct buf zero = { 0 };
	static const unsigned char small_order[32] = { 1 };

	(void)state;
	(void)crypto_sign_seed_keypair(pk, sk, seed);
	base32_put(&name, pk, sizeof(pk));
	assert_int_equal(name.n, 52);
	assert_true(id_kith_name(buf_str(&name), got));
	assert_memory_equal(got, pk, 32);
	assert_true(id_server_name(buf_str(&name)));
	name.p[0] = (char)(name.p[0] - 'a' + 'A');
	assert_false(id_kith_name(buf_str(&name), NULL));
	base32_put(&zero, small_order, sizeof(small_order));
	assert_false(id_kith_name(buf_str(&zero), NULL));
	assert_false(id_kith_name(STR("matrix.org"), NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_have_the_grammar_of_the_appendices),
		cmocka_unit_test(ids_have_255_bytes_at_most),
		cmocka_unit_test(parts_point_into_the_id),
		cmocka_unit_test(a_kith_name_is_a_key),
	};
	return sodium_init() < 0 ? 1 : RUN_TESTS(tests);
}
