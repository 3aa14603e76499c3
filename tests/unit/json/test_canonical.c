#include "tests/support/cmocka.h"

#include "node/json/json.h"
#include "tests/support/vectors.h"

static void check(const char *text, const char *canonical)
{
	struct json *j = NULL;
	CLEANUP(buf_deinit) struct buf out = { 0 };

	assert_int_equal(json_parse(str_of(text), &json_limits_peer, &j, NULL), ERR_OK);
	json_canonical(j, &out);
	json_free(j);
	if (!str_eq(buf_str(&out), str_of(canonical)))
		fail_msg("%s became %.*s", text, STR_FMT(buf_str(&out)));
}

static void canonical_form_is_sorted_and_short(void **state)
{
	(void)state;
	check(" { \"b\" : [ ] , \"a\" : { } , \"\" : null } ", "{\"\":null,\"a\":{},\"b\":[]}");
	check("[{\"b\":1,\"a\":[true,false,{\"d\":[],\"c\":\"x\"}]},[]]",
		"[{\"a\":[true,false,{\"c\":\"x\",\"d\":[]}],\"b\":1},[]]");
	check("\"\\u0022\\u005c\\/\\u0008\\u0009\\u000a\\u000c\\u000d\\u0001\\u001f\\u007f\"",
		"\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0001\\u001f\x7f\"");
	check("\"\\u65E5\\ud83d\\ude00\\u0000\\u00001\"",
		"\"\xe6\x97\xa5\xf0\x9f\x98\x80\\u0000\\u00001\"");
}

/* Code point order: U+0000 first, and U+FFFF before U+10000 (UTF-16 has them the other way). */
static void keys_are_ordered_by_code_point(void **state)
{
	(void)state;
	check("{\"\\ud800\\udc00\":1,\"\\uffff\":2,\"a\":3,\"\\u0000\":4,\"a\\u0000\":5,"
	      "\"\\u0001\":6,\"aa\":7,\"\":8}",
		"{\"\":8,\"\\u0000\":4,\"\\u0001\":6,\"a\":3,\"a\\u0000\":5,\"aa\":7,"
		"\"\xef\xbf\xbf\":2,\"\xf0\x90\x80\x80\":1}");
}

static void numbers_are_exact(void **state)
{
	(void)state;
	check("[9007199254740991,-9007199254740991,2147483648,-0,0,1e10,1404838188000]",
		"[9007199254740991,-9007199254740991,2147483648,0,0,10000000000,"
		"1404838188000]");
	/* What only rooms of versions 1 to 5 hold, as Python writes it. */
	check("[9007199254740993,123456789012345678901234567890]",
		"[9007199254740993,123456789012345678901234567890]");
	check("[1.0,-0.0,0.1,1.50,1e16,1e22,1.5e300,1e-4,1e-5,123456789.125,0.00012345]",
		"[1.0,-0.0,0.1,1.5,1e+16,1e+22,1.5e+300,0.0001,1e-05,123456789.125,0."
		"00012345]");
	check("[10000000000.0,1234567890123456.0,12345678901234567.0,5e-324,0."
	      "30000000000000004]",
		"[10000000000.0,1234567890123456.0,1.2345678901234568e+16,5e-324,0."
		"30000000000000004]");
}

/* Inputs and canonical forms as text, from the specification and from Python's json module. */
static void vectors_of_others_come_out_the_same(void **state)
{
	static const char *const files[] = { "canonical_json.json", "canonical_python.json" };
	CLEANUP(arena_freep) struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		const struct json *root = vectors_read(a, files[i]);

		assert_true(json_count(json_get(root, "vectors")) >= 10);
		for (const struct json *v = json_first(json_get(root, "vectors")); v;
			v = json_next(v)) {
			CLEANUP(buf_deinit) struct buf out = { 0 };
			const struct json *j;
			struct str input;
			struct str canonical;

			assert_int_equal(json_str(v, "input", &input, NULL), ERR_OK);
			assert_int_equal(json_str(v, "canonical", &canonical, NULL), ERR_OK);
			assert_int_equal(
				json_parse_in(a, input, &json_limits_peer, &j, NULL), ERR_OK);
			json_canonical(j, &out);
			if (!str_eq(buf_str(&out), canonical))
				fail_msg("%.*s became %.*s", STR_FMT(input),
					STR_FMT(buf_str(&out)));
		}
	}
}

static void named_members_are_left_out(void **state)
{
	static const char *const keys[] = { "signatures", "unsigned" };
	struct json *j = NULL;
	CLEANUP(buf_deinit) struct buf out = { 0 };

	(void)state;
	assert_int_equal(json_parse(STR("{\"unsigned\":{},\"b\":{\"unsigned\":1},\"a\":1,"
					"\"signatures\":{\"x\":{}}}"),
				 &json_limits_event, &j, NULL),
		ERR_OK);
	json_canonical_without(j, keys, 2, &out);
	json_free(j);
	assert_str_equal(buf_str(&out), "{\"a\":1,\"b\":{\"unsigned\":1}}");
}

static void equality_ignores_order_and_notation(void **state)
{
	struct json *a = NULL;
	struct json *b = NULL;

	(void)state;
	assert_int_equal(
		json_parse(STR("{\"a\":\"\\u0061\",\"b\":[1]}"), &json_limits_event, &a, NULL),
		ERR_OK);
	assert_int_equal(
		json_parse(STR("{\"b\":[1],\"a\":\"a\"}"), &json_limits_event, &b, NULL),
		ERR_OK);
	assert_true(json_equal(a, b));
	assert_false(json_equal(a, json_get(b, "b")));
	assert_false(json_equal(a, NULL));
	assert_true(json_equal(NULL, NULL));
	json_free(a);
	json_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical_form_is_sorted_and_short),
		cmocka_unit_test(keys_are_ordered_by_code_point),
		cmocka_unit_test(numbers_are_exact),
		cmocka_unit_test(vectors_of_others_come_out_the_same),
		cmocka_unit_test(named_members_are_left_out),
		cmocka_unit_test(equality_ignores_order_and_notation),
	};
	return RUN_TESTS(tests);
}
