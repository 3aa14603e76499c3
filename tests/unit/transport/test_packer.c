#include "transport/packer.h"

#include <string.h>

#include "tests/support/cmocka.h"

/* One text message as it goes to a friend: nothing of it is in the specification's examples. */
static const struct str message = STR_INIT(
	"{\"origin\":\"k5rqvvxkvbfhoyfwdrqbyeqzl2wgzoyzvyuzo7iyhgmbphdxaeza\",\"origin_server_"
	"ts\":"
	"1795484159000,\"pdus\":[{\"auth_events\":[\"$"
	"hnPq9nQJ8Xk0oBpWJ3e4lMV1yqC7dFgRzTtUuAaSsDk\","
	"\"$Zx1cVbN8mLkJhGfDsAqWeRtYuIoPpOiUyTrEwQ0a9Xs\"],\"content\":{\"body\":\"Shall we "
	"meet at "
	"nine?\",\"msgtype\":\"m.text\"},\"depth\":42,\"hashes\":{\"sha256\":"
	"\"p0oI9uY8tR7eW6qA5sD4fG3h"
	"J2kL1zX0cV9bN8mQ7wE\"},\"origin_server_ts\":1795484158990,\"prev_events\":[\"$"
	"qAzWsXeDcRfVtGb"
	"YhNuJmIkOlP0123456789AbCdEfG\"],\"room_id\":\"!"
	"Lk9jH8gF7dS6aP5oI4uY3tR2eW1qZ0xC9vB8nM7lK6j\","
	"\"sender\":\"@carol:k5rqvvxkvbfhoyfwdrqbyeqzl2wgzoyzvyuzo7iyhgmbphdxaeza\","
	"\"signatures\":{"
	"\"k5rqvvxkvbfhoyfwdrqbyeqzl2wgzoyzvyuzo7iyhgmbphdxaeza\":{\"ed25519:0\":"
	"\"Qw1eR2tY3uI4oP5aS6dF"
	"7gH8jK9lZ0xC1vB2nM3qW4eR5tY6uI7oP8aS9dF0gH1jK2lZ3xC4vB5nM6qW7eR8tY\"}},\"type\":"
	"\"m.room.message\"}]}");

static int up(void **state)
{
	*state = packer_new();
	return 0;
}

static int down(void **state)
{
	packer_free(*state);
	return 0;
}

static void what_is_packed_unpacks(void **state)
{
	struct buf packed = { 0 }, plain = { 0 };
	uint8_t flags = packer_pack(*state, message, &packed);

	assert_int_equal(flags, PACK_ZSTD | PACK_DICTIONARY);
	assert_int_equal(
		packer_unpack(*state, flags, buf_str(&packed), message.n, &plain), ERR_OK);
	assert_true(str_eq(buf_str(&plain), message));
	/* The dictionary knows the shape; what is left are the ids, hashes and words. */
	assert_in_range(packed.n, 1, message.n * 6 / 10);
	buf_deinit(&packed);
	buf_deinit(&plain);
}

static void short_and_random_bodies_go_as_they_are(void **state)
{
	static char text[5000];
	struct buf packed = { 0 };
	uint32_t x = 1;

	memset(text, 'a', sizeof(text));
	assert_int_equal(packer_pack(*state, (struct str){ text, 127 }, &packed), 0);
	assert_int_not_equal(packer_pack(*state, (struct str){ text, 128 }, &packed), 0);
	for (size_t i = 0; i < sizeof(text); i++) {
		x = x * 1664525 + 1013904223;
		text[i] = (char)(x >> 24);
	}
	buf_clear(&packed);
	assert_int_equal(packer_pack(*state, (struct str){ text, sizeof(text) }, &packed), 0);
	assert_int_equal(packed.n, 0);
	buf_deinit(&packed);
}

static void more_than_is_allowed_is_not_unpacked(void **state)
{
	static char zeros[1 << 20];
	struct buf packed = { 0 }, plain = { 0 };
	uint8_t flags = packer_pack(*state, (struct str){ zeros, sizeof(zeros) }, &packed);

	assert_in_range(packed.n, 1, 1000);
	assert_int_equal(
		packer_unpack(*state, flags, buf_str(&packed), sizeof(zeros) - 1, &plain),
		ERR_TOO_LARGE);
	assert_int_equal(plain.n, 0);
	assert_int_equal(
		packer_unpack(*state, flags, buf_str(&packed), sizeof(zeros), &plain), ERR_OK);
	buf_deinit(&packed);
	buf_deinit(&plain);
}

static void what_was_cut_or_says_something_else_is_malformed(void **state)
{
	struct buf packed = { 0 }, plain = { 0 };
	uint8_t flags = packer_pack(*state, message, &packed);

	for (size_t n = 0; n < packed.n; n++)
		assert_int_not_equal(packer_unpack(*state, flags, str_head(buf_str(&packed), n),
					     65536, &plain),
			ERR_OK);
	/* The flags and the frame must agree on the dictionary. */
	assert_int_equal(packer_unpack(*state, PACK_ZSTD, buf_str(&packed), 65536, &plain),
		ERR_MALFORMED);
	/* "aaa...": a frame without a dictionary, as another implementation may send. */
	assert_int_equal(packer_unpack(*state, PACK_ZSTD,
				 STR("\x28\xb5\x2f\xfd\x20\x05\x2b\x00\x00"
				     "a"),
				 65536, &plain),
		ERR_OK);
	assert_true(str_eq(buf_str(&plain), STR("aaaaa")));
	assert_int_equal(
		packer_unpack(*state, flags, STR("nonsense"), 100, &plain), ERR_MALFORMED);
	buf_deinit(&packed);
	buf_deinit(&plain);
}

/* Every text packs the same whatever went before: nothing is learnt from a neighbour's. */
static void no_body_depends_on_another(void **state)
{
	struct buf first = { 0 }, again = { 0 };

	(void)packer_pack(*state, message, &first);
	(void)packer_pack(*state, message, &again);
	assert_true(str_eq(buf_str(&first), buf_str(&again)));
	buf_deinit(&first);
	buf_deinit(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_packed_unpacks, up, down),
		cmocka_unit_test_setup_teardown(
			short_and_random_bodies_go_as_they_are, up, down),
		cmocka_unit_test_setup_teardown(more_than_is_allowed_is_not_unpacked, up, down),
		cmocka_unit_test_setup_teardown(
			what_was_cut_or_says_something_else_is_malformed, up, down),
		cmocka_unit_test_setup_teardown(no_body_depends_on_another, up, down),
	};

	return RUN_TESTS(tests);
}
