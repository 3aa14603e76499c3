#include "tests/support/cmocka.h"

#include "node/json/json.h"

static void the_writer_keeps_the_commas(void **state)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct jw w = jw_to(&out);
	struct json *j = NULL;

	(void)state;
	assert_int_equal(
		json_parse(STR("{\"y\":1.5,\"x\":[]}"), &json_limits_peer, &j, NULL), ERR_OK);
	jw_obj(&w);
	jw_kv_str(&w, "s", STR("a\"\n\xc0\x80\xc3\xa9"));
	jw_key(&w, "a");
	jw_arr(&w);
	jw_int(&w, -5);
	jw_obj(&w);
	jw_end(&w);
	jw_arr(&w);
	jw_end(&w);
	jw_null(&w);
	jw_double(&w, 0.5);
	jw_z(&w, "z");
	jw_end(&w);
	jw_kv_int(&w, "i", INT64_MIN);
	jw_kv_bool(&w, "b", true);
	jw_kv_z(&w, "z", "");
	jw_kv_raw(&w, "r", STR("{\"k\":[1, 2]}"));
	jw_kv_json(&w, "j", j);
	jw_end(&w);
	json_free(j);
	assert_str_equal(buf_str(&out),
		"{\"s\":\"a\\\"\\n\\u0000\xc3\xa9\",\"a\":[-5,{},[],null,0.5,\"z\"],"
		"\"i\":-9223372036854775808,\"b\":true,\"z\":\"\",\"r\":{\"k\":[1, 2]},"
		"\"j\":{\"x\":[],\"y\":1.5}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_writer_keeps_the_commas),
	};
	return RUN_TESTS(tests);
}
