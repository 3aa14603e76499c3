#include "tests/support/cmocka.h"

#include <time.h>

#include "node/base/buf.h"
#include "node/core/glob.h"
#include "node/core/server_acl.h"

static const struct {
	struct str pattern;
	struct str text;
	enum glob_mode mode;
	bool matches;
} cases[] = {
	{ STR_INIT("lunc?*"), STR_INIT("Lunch plans"), GLOB_WHOLE, true },
	{ STR_INIT("lunc?*"), STR_INIT("LUNCH"), GLOB_WHOLE, true },
	{ STR_INIT("lunc?*"), STR_INIT(" lunch"), GLOB_WHOLE, false },
	{ STR_INIT("lunc?*"), STR_INIT("lunc"), GLOB_WHOLE, false },
	{ STR_INIT(""), STR_INIT(""), GLOB_WHOLE, true },
	{ STR_INIT(""), STR_INIT("x"), GLOB_WHOLE, false },
	{ STR_INIT("*"), STR_INIT(""), GLOB_WHOLE, true },
	{ STR_INIT("**"), STR_INIT("abc"), GLOB_WHOLE, true },
	{ STR_INIT("a*c"), STR_INIT("abc"), GLOB_WHOLE, true },
	{ STR_INIT("a*c"), STR_INIT("ac"), GLOB_WHOLE, true },
	{ STR_INIT("a*c"), STR_INIT("abcd"), GLOB_WHOLE, false },
	{ STR_INIT("ab*ba"), STR_INIT("aba"), GLOB_WHOLE, false },
	{ STR_INIT("*ab"), STR_INIT("abab"), GLOB_WHOLE, true },
	{ STR_INIT("*a?"), STR_INIT("abab"), GLOB_WHOLE, true },
	{ STR_INIT("*a?"), STR_INIT("aba"), GLOB_WHOLE, false },
	{ STR_INIT("a*b*c*d"), STR_INIT("a__c_b_c_d"), GLOB_WHOLE, true },
	{ STR_INIT("a*b*c*d"), STR_INIT("a__c_b_d"), GLOB_WHOLE, false },
	{ STR_INIT("?"), STR_INIT("\xf0\x9f\x98\x80"), GLOB_WHOLE, true },
	{ STR_INIT("??"), STR_INIT("\xc3\xa9"), GLOB_WHOLE, false },
	{ STR_INIT("?x"), STR_INIT("\xc3\xa9x"), GLOB_WHOLE, true },
	{ STR_INIT("\xc3\x89lodie"), STR_INIT("\xc3\xa9LODIE"), GLOB_WHOLE, true },
	{ STR_INIT("\xd0\x96"), STR_INIT("\xd0\xb6"), GLOB_WHOLE, true },
	{ STR_INIT("\xc5\xa0"), STR_INIT("\xc5\xa1"), GLOB_WHOLE, true },

	{ STR_INIT("ex*ple"), STR_INIT("An example event."), GLOB_WORDS, true },
	{ STR_INIT("ex*ple"), STR_INIT("exple"), GLOB_WORDS, true },
	{ STR_INIT("ex*ple"), STR_INIT("An exciting triple-whammy"), GLOB_WORDS, true },
	{ STR_INIT("ex*ple"), STR_INIT("An exciting triples"), GLOB_WORDS, false },
	{ STR_INIT("cake"), STR_INIT("Cake?"), GLOB_WORDS, true },
	{ STR_INIT("cake"), STR_INIT("pancake"), GLOB_WORDS, false },
	{ STR_INIT("cake"), STR_INIT("cakes, cake"), GLOB_WORDS, true },
	{ STR_INIT("cake"), STR_INIT("cake_1"), GLOB_WORDS, false },
	{ STR_INIT("cake*"), STR_INIT("a cakewalk"), GLOB_WORDS, true },
	{ STR_INIT("*cake"), STR_INIT("a pancake"), GLOB_WORDS, true },
	{ STR_INIT("*cake*"), STR_INIT("pancakes"), GLOB_WORDS, true },
	{ STR_INIT("a?c"), STR_INIT("xabc abc"), GLOB_WORDS, true },
	{ STR_INIT("\xc3\xa9t\xc3\xa9"), STR_INIT("l'\xc3\xa9t\xc3\xa9 !"), GLOB_WORDS, true },
};

static void globs_match_as_the_specification_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new();

		if (glob_match(glob_fold(a, cases[i].pattern), glob_fold(a, cases[i].text),
			    cases[i].mode) != cases[i].matches)
			fail_msg("%.*s on %.*s", STR_FMT(cases[i].pattern),
				STR_FMT(cases[i].text));
	}
}

static void words_are_taken_as_they_are(void **state)
{
	(void)state;
	assert_true(glob_has_words(STR("a*b"), STR("see a*b here")));
	assert_false(glob_has_words(STR("a*b"), STR("see axb here")));
	assert_false(glob_has_words(STR("a?b"), STR("axb")));
	assert_false(glob_has_words(STR(""), STR("x")));
	assert_false(glob_has_words(STR("bob"), STR("bobby")));
	assert_true(glob_has_words(STR("bob"), STR("bobby and bob")));
}

static void hostile_patterns_cost_little(void **state)
{
	CLEANUP(buf_deinit) struct buf pattern = { 0 };
	CLEANUP(buf_deinit) struct buf text = { 0 };
	clock_t start = clock();

	(void)state;
	for (int i = 0; i < 500; i++)
		buf_put_z(&pattern, "*a");
	buf_put_z(&pattern, "*b");
	for (int i = 0; i < 60000; i++)
		buf_put_z(&text, "a");
	for (int i = 0; i < 100; i++)
		assert_false(glob_match(buf_str(&pattern), buf_str(&text), GLOB_WORDS));
	buf_clear(&pattern);
	for (int i = 0; i < 500; i++)
		buf_put_z(&pattern, "*?a");
	buf_put_z(&pattern, "*?b");
	for (int i = 0; i < 100; i++)
		assert_false(glob_match(buf_str(&pattern), buf_str(&text), GLOB_WHOLE));
	assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
}

static const struct {
	const char *content;
	struct str server;
	bool allowed;
} acls[] = {
	{ "{\"allow\":[\"*\"]}", STR_INIT("example.org"), true },
	{ "{\"allow\":[\"*\"],\"deny\":[\"*.evil.com\",\"evil.com\"]}", STR_INIT("evil.com"),
		false },
	{ "{\"allow\":[\"*\"],\"deny\":[\"*.evil.com\"]}", STR_INIT("a.EVIL.com:8448"), false },
	{ "{\"allow\":[\"*\"],\"deny\":[\"*.evil.com\"]}", STR_INIT("evil.com"), true },
	{ "{}", STR_INIT("example.org"), false },
	{ "{\"allow\":\"*\"}", STR_INIT("example.org"), false },
	{ "{\"allow\":[1,\"example.org\"]}", STR_INIT("Example.org:1"), true },
	{ "{\"allow\":[\"*\"],\"allow_ip_literals\":false}", STR_INIT("1.2.3.4"), false },
	{ "{\"allow\":[\"*\"],\"allow_ip_literals\":false}", STR_INIT("1.2.3.4:80"), false },
	{ "{\"allow\":[\"*\"],\"allow_ip_literals\":false}", STR_INIT("[::1]:80"), false },
	{ "{\"allow\":[\"*\"],\"allow_ip_literals\":false}", STR_INIT("1.2.3.256"), true },
	{ "{\"allow\":[\"*\"],\"allow_ip_literals\":\"no\"}", STR_INIT("1.2.3.4"), true },
	{ "{\"allow\":[\"*\"],\"deny\":[\"[::1]\"]}", STR_INIT("[::1]:80"), false },
};

static void access_lists_let_in_whom_they_allow(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(acls); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new();
		const struct json *content;

		assert_int_equal(json_parse_in(a, str_of(acls[i].content), &json_limits_event,
					 &content, NULL),
			ERR_OK);
		if (server_acl_allows(server_acl_compile(a, content), acls[i].server) !=
			acls[i].allowed)
			fail_msg("case %zu", i);
	}
	assert_true(server_acl_allows(NULL, STR("example.org")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(globs_match_as_the_specification_says),
		cmocka_unit_test(words_are_taken_as_they_are),
		cmocka_unit_test(hostile_patterns_cost_little),
		cmocka_unit_test(access_lists_let_in_whom_they_allow),
	};
	return RUN_TESTS(tests);
}
