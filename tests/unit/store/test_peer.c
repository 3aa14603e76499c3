/* What the overlay keeps: byte strings with zeros in them, by kind, over a restart. */
#include "store/peer.h"

#include "tests/support/cmocka.h"
#include "tests/support/store_fixture.h"

struct seen {
	unsigned n;
	char text[64];
	enum err stop;
};

static enum err collect(void *arg, struct str key, struct str value)
{
	struct seen *s = arg;

	s->n++;
	assert_true(strlen(s->text) + key.n + value.n + 3 < sizeof(s->text));
	strncat(s->text, key.p, key.n);
	strncat(s->text, "=", 2);
	strncat(s->text, value.p, value.n);
	strncat(s->text, ";", 2);
	return s->stop;
}

static void values_are_kept_by_kind_and_key(void **state)
{
	struct store_fixture *f = (struct store_fixture *)*state;
	struct seen s = { 0 };

	assert_int_equal(store_peer_put(f->st, 1, STR("b"), STR("2")), ERR_OK);
	assert_int_equal(store_peer_put(f->st, 1, STR("a"), STR("1")), ERR_OK);
	assert_int_equal(store_peer_put(f->st, 1, STR("b"), STR("3")), ERR_OK);
	assert_int_equal(store_peer_put(f->st, 2, STR("a"), STR("")), ERR_OK);
	assert_int_equal(store_peer_put(f->st, 2, STR("x\0y"), STR("\0")), ERR_OK);
	assert_int_equal(store_peer_del(f->st, 2, STR("x\0z")), ERR_OK);
	assert_int_equal(store_fixture_sync(f), ERR_OK);
	store_fixture_close(f);
	store_fixture_open(f);
	assert_int_equal(store_peer_load(f->st, 1, collect, &s), ERR_OK);
	assert_string_equal(s.text, "a=1;b=3;");
	s = (struct seen){ 0 };
	assert_int_equal(store_peer_load(f->st, 2, collect, &s), ERR_OK);
	assert_int_equal(s.n, 2);
	assert_int_equal(store_peer_del(f->st, 2, STR("x\0y")), ERR_OK);
	s = (struct seen){ .stop = ERR_CORRUPT };
	assert_int_equal(store_peer_load(f->st, 2, collect, &s), ERR_CORRUPT);
	assert_string_equal(s.text, "a=;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			values_are_kept_by_kind_and_key, store_fixture_up, store_fixture_down),
	};

	return RUN_TESTS(tests);
}
