/*
 * Any bytes: what json_parse takes has a canonical form that it takes again, that is its own
 * canonical form, and that the writer and the edits leave alone.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/json/json.h"

static void read_all(const struct json *j)
{
	struct str s;
	int64_t i;
	double d;
	bool b;

	for (const struct json *m = json_first(j); m; m = json_next(m)) {
		(void)json_as_str(m, &s);
		(void)json_as_int(m, &i);
		(void)json_as_wide_int(m, &i);
		(void)json_as_double(m, &d);
		(void)json_as_bool(m, &b);
		if (json_is(j, JSON_OBJECT))
			FUZZ_CHECK(json_get_str(j, json_key(m)) == m);
	}
}

static void round_trip(const struct json *j, const struct json_limits *limits)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(buf_deinit) struct buf again = { 0 };
	CLEANUP(json_freep) struct json *copy = NULL;
	struct jw w = jw_to(&again);

	json_canonical(j, &text);
	FUZZ_CHECK(json_parse(buf_str(&text), limits, &copy, NULL) == ERR_OK);
	FUZZ_CHECK(json_equal(j, copy));
	FUZZ_CHECK(json_is_strict(j) == json_is_strict(copy) || !limits->integers_only);
	jw_json(&w, copy);
	FUZZ_CHECK(str_eq(buf_str(&text), buf_str(&again)));
	if (!json_is(j, JSON_OBJECT))
		return;
	buf_clear(&again);
	json_canonical_edited(j, NULL, 0, &again);
	FUZZ_CHECK(str_eq(buf_str(&text), buf_str(&again)));
	buf_clear(&again);
	json_canonical_without(j, NULL, 0, &again);
	FUZZ_CHECK(str_eq(buf_str(&text), buf_str(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct json_limits *const limits[] = { &json_limits_client, &json_limits_event,
		&json_limits_peer };
	const struct str text = { (const char *)data, size };

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		CLEANUP(json_freep) struct json *j = NULL;
		struct err_ctx why = { 0 };

		if (json_parse(text, limits[i], &j, &why)) {
			FUZZ_CHECK(why.text[0]);
			continue;
		}
		read_all(j);
		round_trip(j, limits[i]);
	}
	return 0;
}
