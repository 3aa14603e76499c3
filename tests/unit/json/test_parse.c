#include "tests/support/cmocka.h"

#include <stdio.h>
#include <time.h>

#include "node/base/limits.h"
#include "node/json/json.h"

static enum err parse(struct str text, const struct json_limits *limits)
{
	struct json *j = NULL;
	struct err_ctx why = { 0 };
	enum err err = json_parse(text, limits, &j, &why);

	assert_true(err == ERR_OK || why.text[0]);
	if (!err)
		json_free(j);
	return err;
}

static void the_grammar_is_strict(void **state)
{
	static const struct {
		struct str text;
		bool ok;
	} cases[] = {
		{ STR_INIT("{}"), true },
		{ STR_INIT(" [ 1 , 2.5e-3 , true , false , null ] \r\n"), true },
		{ STR_INIT("\"\\u00e9 \\ud83d\\ude00 \\\" \\\\ \\/ \\b\\f\\n\\r\\t\""), true },
		{ STR_INIT("{\"a\":{\"a\":1},\"A\":2,\"\":[]}"), true },
		{ STR_INIT("-0"), true },
		{ STR_INIT("\"\\u0000\""), true },
		{ STR_INIT("\"\x7f\""), true },
		{ STR_INIT(""), false },
		{ STR_INIT("  "), false },
		{ STR_INIT("{} {}"), false },
		{ STR_INIT("{}x"), false },
		{ STR_INIT("{}\0"), false },
		{ STR_INIT("\xef\xbb\xbf{}"), false },
		{ STR_INIT("[1,]"), false },
		{ STR_INIT("[,1]"), false },
		{ STR_INIT("[1 2]"), false },
		{ STR_INIT("{\"a\":1,}"), false },
		{ STR_INIT("{\"a\" 1}"), false },
		{ STR_INIT("{\"a\"}"), false },
		{ STR_INIT("{a:1}"), false },
		{ STR_INIT("{1:1}"), false },
		{ STR_INIT("[1}"), false },
		{ STR_INIT("{\"a\":1]"), false },
		{ STR_INIT("["), false },
		{ STR_INIT("{\"a\":"), false },
		{ STR_INIT("]"), false },
		{ STR_INIT("01"), false },
		{ STR_INIT("-01"), false },
		{ STR_INIT("1."), false },
		{ STR_INIT(".5"), false },
		{ STR_INIT("+1"), false },
		{ STR_INIT("1e"), false },
		{ STR_INIT("1e+"), false },
		{ STR_INIT("1e400"), false },
		{ STR_INIT("-"), false },
		{ STR_INIT("0x1"), false },
		{ STR_INIT("NaN"), false },
		{ STR_INIT("Infinity"), false },
		{ STR_INIT("tru"), false },
		{ STR_INIT("True"), false },
		{ STR_INIT("nullx"), false },
		{ STR_INIT("'a'"), false },
		{ STR_INIT("\"a"), false },
		{ STR_INIT("\"\\"), false },
		{ STR_INIT("\"\\x\""), false },
		{ STR_INIT("\"\\u12g4\""), false },
		{ STR_INIT("\"\\u12\""), false },
		{ STR_INIT("\"\\ud800\""), false },
		{ STR_INIT("\"\\ud800x\""), false },
		{ STR_INIT("\"\\ud800\\n\""), false },
		{ STR_INIT("\"\\ud800\\ud800\""), false },
		{ STR_INIT("\"\\udc00\""), false },
		{ STR_INIT("\"\n\""), false },
		{ STR_INIT("\"\x1f\""), false },
		{ STR_INIT("\"\0\""), false },
		{ STR_INIT("\"\xc0\x80\""), false },
		{ STR_INIT("\"\xc0\x81"
			   "5\""),
			false },
		{ STR_INIT("\"\xed\xa0\x80\""), false },
		{ STR_INIT("\"\xff\""), false },
		{ STR_INIT("\xc3\xa9"), false },
		{ STR_INIT("/* */ 1"), false },
		{ STR_INIT("\v1"), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum err err = parse(cases[i].text, &json_limits_client);

		if (err != (cases[i].ok ? ERR_OK : ERR_MALFORMED))
			fail_msg("%.*s: %s", STR_FMT(cases[i].text), err_name(err));
	}
}

static void a_key_comes_once(void **state)
{
	(void)state;
	assert_int_equal(parse(STR("{\"a\":1,\"a\":1}"), &json_limits_client), ERR_MALFORMED);
	assert_int_equal(
		parse(STR("{\"a\":1,\"\\u0061\":1}"), &json_limits_client), ERR_MALFORMED);
	assert_int_equal(parse(STR("[{\"b\":{\"z\":1,\"y\":1,\"z\":2}}]"), &json_limits_client),
		ERR_MALFORMED);
	assert_int_equal(parse(STR("{\"\\u0000\":1,\"\\u0000\":1}"), &json_limits_client),
		ERR_MALFORMED);
	assert_int_equal(parse(STR("{\"a\":1,\"A\":1}"), &json_limits_client), ERR_OK);
}

static void events_hold_integers_only(void **state)
{
	static const struct {
		struct str text;
		bool ok;
	} cases[] = {
		{ STR_INIT("[0,1,-1,9007199254740991,-9007199254740991]"), true },
		{ STR_INIT("9007199254740992"), false },
		{ STR_INIT("-9007199254740992"), false },
		{ STR_INIT("99999999999999999999999999"), false },
		{ STR_INIT("1.0"), false },
		{ STR_INIT("1e3"), false },
		{ STR_INIT("1E3"), false },
		{ STR_INIT("-0"), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(parse(cases[i].text, &json_limits_event),
			cases[i].ok ? ERR_OK : ERR_MALFORMED);
		assert_int_equal(parse(cases[i].text, &json_limits_peer), ERR_OK);
	}
}

/* n times open, then n times close. */
static struct str nested(struct buf *out, unsigned n)
{
	buf_clear(out);
	for (unsigned i = 0; i < n; i++)
		buf_put_z(out, i % 2 ? "[" : "{\"a\":");
	buf_put_z(out, "1");
	for (unsigned i = n; i-- > 0;)
		buf_put_z(out, i % 2 ? "]" : "}");
	return buf_str(out);
}

static void limits_hold_at_their_edges(void **state)
{
	struct json_limits limits = { .bytes = 10, .values = 4, .keys = 2, .depth = 2 };
	CLEANUP(buf_deinit) struct buf text = { 0 };

	(void)state;
	assert_int_equal(parse(STR("[1,2,    3"), &limits), ERR_MALFORMED);
	assert_int_equal(parse(STR("[1,2,  3]"), &limits), ERR_OK);
	assert_int_equal(parse(STR("[1,2,   3 ]"), &limits), ERR_TOO_LARGE);
	assert_int_equal(parse(STR("[1,2,3,4]"), &limits), ERR_MALFORMED);
	assert_int_equal(parse(STR("[[[]]]"), &limits), ERR_MALFORMED);
	assert_int_equal(parse(STR("[[1,2]]"), &limits), ERR_OK);
	limits.bytes = 100;
	assert_int_equal(parse(STR("{\"a\":1,\"b\":2}"), &limits), ERR_OK);
	assert_int_equal(parse(STR("{\"a\":1,\"b\":2,\"c\":3}"), &limits), ERR_MALFORMED);

	assert_int_equal(
		parse(nested(&text, LIMIT_CLIENT_JSON_DEPTH), &json_limits_client), ERR_OK);
	assert_int_equal(parse(nested(&text, LIMIT_CLIENT_JSON_DEPTH + 1), &json_limits_client),
		ERR_MALFORMED);
	assert_int_equal(
		parse(nested(&text, LIMIT_EVENT_JSON_DEPTH), &json_limits_event), ERR_OK);
	assert_int_equal(parse(nested(&text, LIMIT_EVENT_JSON_DEPTH + 1), &json_limits_event),
		ERR_MALFORMED);
}

/* Work is proportional to the input: the bounds are far above what it takes, and far below
 * what anything quadratic takes. */
static void hostile_shapes_cost_little(void **state)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	const unsigned n = 100000;
	clock_t start = clock();
	struct json *j = NULL;

	(void)state;
	for (unsigned i = 0; i < n; i++)
		buf_put_z(&text, "[");
	assert_int_equal(parse(buf_str(&text), &json_limits_event), ERR_MALFORMED);
	buf_clear(&text);
	buf_put_z(&text, "{");
	for (unsigned i = 0; i < n; i++)
		buf_printf(&text, "%s\"k%u\":%u", i ? "," : "", (i * 7919) % n, i);
	buf_put_z(&text, "}");
	assert_int_equal(json_parse(buf_str(&text), &json_limits_event, &j, NULL), ERR_OK);
	assert_int_equal(json_count(j), n);
	for (unsigned i = 0; i < n; i++) {
		char key[16];
		int64_t v = -1;

		(void)snprintf(key, sizeof(key), "k%u", (i * 7919) % n);
		assert_true(json_as_int(json_get(j, key), &v));
		assert_int_equal(v, i);
	}
	assert_null(json_get(j, "k"));
	json_free(j);
	assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
}

static const char doc[] =
	"{\"s\":\"text\",\"i\":42,\"big\":9007199254740993,\"f\":2.5,\"e\":1e3,\"b\":true,"
	"\"n\":null,\"o\":{\"x\":1},\"a\":[1,2,3],\"nul\":\"a\\u0000b\",\"edge\":"
	"9007199254740991}";

static void members_are_typed(void **state)
{
	struct json *j = NULL;
	struct err_ctx why = { 0 };
	struct str s = { 0 };
	int64_t i = 0;
	bool b = false;
	double d = 0;
	const struct json *sub = NULL;

	(void)state;
	assert_int_equal(json_parse(str_of(doc), &json_limits_client, &j, &why), ERR_OK);
	assert_int_equal(json_str(j, "s", &s, &why), ERR_OK);
	assert_str_equal(s, "text");
	assert_int_equal(json_str(j, "i", &s, &why), ERR_MALFORMED);
	assert_string_equal(why.text, "i must be a string");
	why = (struct err_ctx){ 0 };
	assert_int_equal(json_str(j, "S", &s, &why), ERR_MALFORMED);
	assert_string_equal(why.text, "S is missing");
	assert_int_equal(json_str(j, "big", &s, NULL), ERR_MALFORMED);
	assert_int_equal(json_str(json_get(j, "a"), "x", &s, NULL), ERR_MALFORMED);
	assert_int_equal(json_str(NULL, "x", &s, NULL), ERR_MALFORMED);

	assert_int_equal(json_int(j, "i", 0, 42, &i, NULL), ERR_OK);
	assert_int_equal(i, 42);
	assert_int_equal(json_int(j, "i", 0, 41, &i, NULL), ERR_MALFORMED);
	assert_int_equal(json_int(j, "i", 43, 50, &i, NULL), ERR_MALFORMED);
	assert_int_equal(json_int(j, "edge", 0, JSON_INT_MAX, &i, NULL), ERR_OK);
	assert_true(i == JSON_INT_MAX);
	assert_int_equal(json_int(j, "e", 0, JSON_INT_MAX, &i, NULL), ERR_OK);
	assert_int_equal(i, 1000);
	assert_int_equal(json_int(j, "f", 0, 9, &i, NULL), ERR_MALFORMED);
	assert_int_equal(json_int(j, "big", 0, INT64_MAX, &i, NULL), ERR_MALFORMED);
	assert_int_equal(json_int(j, "s", 0, 9, &i, NULL), ERR_MALFORMED);
	assert_true(json_as_double(json_get(j, "f"), &d) && d == 2.5);

	assert_int_equal(json_bool(j, "b", &b, NULL), ERR_OK);
	assert_true(b);
	assert_int_equal(json_bool(j, "i", &b, NULL), ERR_MALFORMED);
	assert_int_equal(json_obj(j, "o", &sub, NULL), ERR_OK);
	assert_int_equal(json_count(sub), 1);
	assert_int_equal(json_obj(j, "a", &sub, NULL), ERR_MALFORMED);
	assert_int_equal(json_arr(j, "a", &sub, NULL), ERR_OK);
	assert_int_equal(json_count(sub), 3);
	assert_int_equal(json_arr(j, "n", &sub, NULL), ERR_MALFORMED);

	assert_int_equal(json_opt_int(j, "none", 0, 9, &i, NULL), ERR_OK);
	assert_int_equal(json_opt_int(j, "n", 0, 9, &i, NULL), ERR_OK);
	assert_int_equal(i, 1000);
	assert_int_equal(json_opt_int(j, "s", 0, 9, &i, NULL), ERR_MALFORMED);
	assert_int_equal(json_opt_str(j, "a", &s, NULL), ERR_MALFORMED);
	assert_int_equal(json_opt_bool(j, "s", &b, NULL), ERR_MALFORMED);
	assert_int_equal(json_opt_obj(j, "s", &sub, NULL), ERR_MALFORMED);
	assert_int_equal(json_opt_arr(j, "o", &sub, NULL), ERR_MALFORMED);

	assert_int_equal(json_str(j, "nul", &s, NULL), ERR_OK);
	assert_str_equal(s,
		"a\xc0\x80"
		"b");
	assert_int_equal(json_type(json_get(j, "big")), JSON_NUMBER);
	json_free(j);
}

static void integral_numbers_are_integers_in_any_notation(void **state)
{
	static const struct {
		struct str text;
		bool ok;
		int64_t v;
	} cases[] = {
		{ STR_INIT("1.0"), true, 1 },
		{ STR_INIT("-1.500e1"), true, -15 },
		{ STR_INIT("0.0"), true, 0 },
		{ STR_INIT("0e99999999999999999999"), true, 0 },
		{ STR_INIT("100e-2"), true, 1 },
		{ STR_INIT("0.000000000000000000000000000001e30"), true, 1 },
		{ STR_INIT("9007199254740991.0"), true, JSON_INT_MAX },
		{ STR_INIT("9007199254740991.1"), false, 0 },
		{ STR_INIT("9007199254740992"), false, 0 },
		{ STR_INIT("1e15"), true, INT64_C(1000000000000000) },
		{ STR_INIT("1e16"), false, 0 },
		{ STR_INIT("0.1"), false, 0 },
		{ STR_INIT("1e-1"), false, 0 },
		{ STR_INIT("1e-99999999999999999999"), false, 0 },
		{ STR_INIT("10000000000000000000000000000"), false, 0 },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		struct json *j = NULL;
		int64_t v = 0;

		assert_int_equal(
			json_parse(cases[k].text, &json_limits_client, &j, NULL), ERR_OK);
		if (json_as_int(j, &v) != cases[k].ok || v != cases[k].v)
			fail_msg("%.*s", STR_FMT(cases[k].text));
		json_free(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_grammar_is_strict),
		cmocka_unit_test(a_key_comes_once),
		cmocka_unit_test(events_hold_integers_only),
		cmocka_unit_test(limits_hold_at_their_edges),
		cmocka_unit_test(hostile_shapes_cost_little),
		cmocka_unit_test(members_are_typed),
		cmocka_unit_test(integral_numbers_are_integers_in_any_notation),
	};
	return RUN_TESTS(tests);
}
