/* Paths and queries of server-server requests. */
#include "tests/support/cmocka.h"

#include "node/federation/uri.h"

static void what_is_put_together_is_taken_apart_again(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	CLEANUP(buf_deinit) struct buf path = { 0 };
	const struct str args[] = { STR("!room/with?odd%things"), STR("@\xc3\xa4:b.example") };
	struct str got[2];
	struct str raw;
	struct str query;
	struct str value;

	(void)state;
	uri_put_path(&path, "/a/%s/b/%s", args, 2);
	uri_put_query(&path, "v", STR("$one+two &"));
	uri_put_query(&path, "v", STR("$second"));
	uri_put_query(&path, "limit", STR("5"));
	assert_str_equal(buf_str(&path),
		"/a/%21room%2Fwith%3Fodd%25things/b/%40%C3%A4%3Ab.example"
		"?v=%24one%2Btwo%20%26&v=%24second&limit=5");
	(void)str_cut(buf_str(&path), '?', &raw, &query);
	assert_true(uri_match(a, raw, "/a/{x}/b/{y}", got, 2));
	assert_true(str_eq(got[0], args[0]) && str_eq(got[1], args[1]));
	assert_true(uri_query(a, query, "v", 0, &value));
	assert_str_equal(value, "$one+two &");
	assert_true(uri_query(a, query, "v", 1, &value));
	assert_str_equal(value, "$second");
	assert_false(uri_query(a, query, "v", 2, &value));
	assert_true(uri_query(a, query, "limit", 0, &value));
	assert_false(uri_query(a, query, "imit", 0, &value));
}

static void paths_match_whole_or_not_at_all(void **state)
{
	static const struct {
		const char *path;
		bool matches;
	} cases[] = {
		{ "/a/x/b", true },
		{ "/a/%41/b", true },
		{ "/a/x/b/", false },
		{ "/a//b", false },
		{ "/a/x", false },
		{ "/a/x/c", false },
		{ "/a/x/b/c", false },
		{ "a/x/b", false },
		{ "", false },
		{ "/a/%4/b", false },
		{ "/a/%zz/b", false },
		{ "/a/%00/b", false },
		{ "/a/%ff/b", false },
		{ "/a/x%2Fy/b", true },
	};
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct str got[1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(uri_match(a, str_of(cases[i].path), "/a/{x}/b", got, 1),
			cases[i].matches);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_together_is_taken_apart_again),
		cmocka_unit_test(paths_match_whole_or_not_at_all),
	};

	return RUN_TESTS(tests);
}
