/* Filters, push rules, presence and media: what was written is what is read. */
#include "tests/support/cmocka.h"

#include "node/base/arena.h"
#include "store/media.h"
#include "store/user_setting.h"
#include "tests/support/store_fixture.h"

#define HASH "0123456789abcdef0123456789abcdef"

static void settings_are_kept_for_each_user(void **state)
{
	struct store_fixture *f = (struct store_fixture *)*state;
	struct arena *a = arena_new();
	struct str text;
	int64_t pos;

	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_filter_put(f->st, STR("@a:x"), STR("f"), STR("{}")), ERR_OK);
	assert_int_equal(store_filter_put(f->st, STR("@a:x"), STR("f"), STR("{}")), ERR_OK);
	assert_int_equal(store_push_rules_put(f->st, STR("@a:x"), 7, STR("{\"a\":1}")), ERR_OK);
	assert_int_equal(store_push_rules_put(f->st, STR("@a:x"), 9, STR("{\"a\":2}")), ERR_OK);
	assert_int_equal(store_presence_put(f->st, STR("@a:x"), STR("out")), ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);

	assert_int_equal(store_filter_get(f->st, a, STR("@a:x"), STR("f"), &text), ERR_OK);
	assert_str_equal(text, "{}");
	assert_int_equal(
		store_filter_get(f->st, a, STR("@b:x"), STR("f"), &text), ERR_NOT_FOUND);
	assert_int_equal(store_push_rules_get(f->st, a, STR("@a:x"), &pos, &text), ERR_OK);
	assert_int_equal(pos, 9);
	assert_str_equal(text, "{\"a\":2}");
	assert_int_equal(store_presence_get(f->st, a, STR("@a:x"), &text), ERR_OK);
	assert_str_equal(text, "out");
	arena_free(a);
}

static struct store_media file(struct str server, struct str id, struct str hash, int64_t used)
{
	return (struct store_media){ .server = server,
		.media_id = id,
		.hash = hash,
		.size = 100,
		.content_type = STR("text/plain"),
		.filename = STR("a.txt"),
		.user_id = server.n ? STR("") : STR("@a:x"),
		.created_ts = 1000,
		.used_ts = used };
}

static void a_reserved_id_is_filled_once(void **state)
{
	struct store_fixture *f = (struct store_fixture *)*state;
	struct arena *a = arena_new();
	struct store_media m = file(STR(""), STR("id"), STR(""), 1), got;
	int64_t n;

	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_media_put(f->st, &m), ERR_OK);
	assert_int_equal(store_media_put(f->st, &m), ERR_EXISTS);
	assert_int_equal(store_media_pending(f->st, STR("@a:x"), 999, &n), ERR_OK);
	assert_int_equal(n, 1);
	m.hash = STR(HASH);
	assert_int_equal(store_media_fill(f->st, &m), ERR_OK);
	assert_int_equal(store_media_fill(f->st, &m), ERR_NOT_FOUND);
	assert_int_equal(store_media_pending(f->st, STR("@a:x"), 999, &n), ERR_OK);
	assert_int_equal(n, 0);
	m.media_id = STR("late");
	m.hash = STR("");
	assert_int_equal(store_media_put(f->st, &m), ERR_OK);
	assert_int_equal(store_media_pending(f->st, STR("@a:x"), 1000, &n), ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_int_equal(store_media_get(f->st, a, STR(""), STR("id"), &got), ERR_OK);
	assert_str_equal(got.hash, HASH);
	assert_str_equal(got.user_id, "@a:x");
	assert_int_equal(store_media_get(f->st, a, STR(""), STR("late"), &got), ERR_NOT_FOUND);
	arena_free(a);
}

static void the_cache_gives_up_what_was_unused_longest(void **state)
{
	struct store_fixture *f = (struct store_fixture *)*state;
	struct arena *a = arena_new();
	struct store_media ours = file(STR(""), STR("o"), STR(HASH), 1);
	struct store_media theirs = file(STR("b"), STR("t"), STR(HASH), 20), m;
	struct store_thumbnail thumb = { .server = STR(""),
		.media_id = STR("o"),
		.width = 32,
		.height = 32,
		.crop = true,
		.hash = STR(HASH),
		.size = 11,
		.content_type = STR("image/png"),
		.used_ts = 10 };
	struct store_thumbnail t;
	bool is_thumbnail, used;
	int64_t bytes;

	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_media_put(f->st, &ours), ERR_OK);
	assert_int_equal(store_media_put(f->st, &theirs), ERR_OK);
	assert_int_equal(store_thumbnail_put(f->st, &thumb), ERR_OK);
	assert_int_equal(store_media_cached(f->st, &bytes), ERR_OK);
	assert_int_equal(bytes, 111);
	assert_int_equal(store_media_oldest(f->st, a, &is_thumbnail, &m, &t), ERR_OK);
	assert_true(is_thumbnail);
	assert_int_equal(store_thumbnail_used(f->st, &thumb, 30), ERR_OK);
	assert_int_equal(store_media_oldest(f->st, a, &is_thumbnail, &m, &t), ERR_OK);
	assert_false(is_thumbnail);
	assert_str_equal(m.media_id, "t");
	assert_int_equal(store_media_delete(f->st, STR("b"), STR("t")), ERR_OK);
	assert_int_equal(store_media_hash_used(f->st, STR(HASH), &used), ERR_OK);
	assert_true(used);
	assert_int_equal(store_thumbnail_delete(f->st, &thumb), ERR_OK);
	assert_int_equal(store_thumbnail_hash_used(f->st, STR(HASH), &used), ERR_OK);
	assert_false(used);
	assert_int_equal(store_media_oldest(f->st, a, &is_thumbnail, &m, &t), ERR_NOT_FOUND);
	assert_int_equal(store_commit(f->st), ERR_OK);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			settings_are_kept_for_each_user, store_fixture_up, store_fixture_down),
		cmocka_unit_test_setup_teardown(
			a_reserved_id_is_filled_once, store_fixture_up, store_fixture_down),
		cmocka_unit_test_setup_teardown(the_cache_gives_up_what_was_unused_longest,
			store_fixture_up, store_fixture_down),
	};
	return RUN_TESTS(tests);
}
