#include "node/json/json.h"

#include <math.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/json/number.h"
#include "node/json/scan.h"
#include "node/json/tree.h"

const struct json_limits json_limits_client = {
	.bytes = LIMIT_BODY_KEYS,
	.values = LIMIT_CLIENT_JSON_VALUES,
	.keys = LIMIT_CLIENT_JSON_KEYS,
	.depth = LIMIT_CLIENT_JSON_DEPTH,
};
const struct json_limits json_limits_event = {
	.bytes = LIMIT_PEER_JSON_BYTES,
	.values = LIMIT_PEER_JSON_VALUES,
	.keys = LIMIT_PEER_JSON_VALUES,
	.depth = LIMIT_EVENT_JSON_DEPTH,
	.integers_only = true,
};
const struct json_limits json_limits_peer = {
	.bytes = LIMIT_PEER_JSON_BYTES,
	.values = LIMIT_PEER_JSON_VALUES,
	.keys = LIMIT_PEER_JSON_VALUES,
	.depth = LIMIT_EVENT_JSON_DEPTH,
};

/* *is_json says of an ERR_MALFORMED that a limit was passed or a key given twice. */
static enum err parse(struct str bytes, const struct json_limits *limits, struct json **out,
	bool *is_json, struct err_ctx *why)
{
	CLEANUP(freep) char *owned = NULL;
	struct str text;
	cJSON *root;
	enum err err;

	if (bytes.n > limits->bytes)
		return err_set(why, ERR_TOO_LARGE, "%zu bytes of JSON, at most %zu are allowed",
			bytes.n, limits->bytes);
	err = json_scan(bytes, limits, &text, &owned, is_json, why);
	if (err)
		return err;
	/* The scanner took it, so only memory can be missing. */
	root = cJSON_ParseWithLength(text.p, text.n);
	if (!root)
		return err_set(why, ERR_NOMEM, "out of memory");
	err = tree_finish(root, why);
	if (err) {
		*is_json = true;
		cJSON_Delete(root);
		return err;
	}
	*out = (struct json *)(void *)root;
	return ERR_OK;
}

enum err json_parse(struct str bytes, const struct json_limits *limits, struct json **out,
	struct err_ctx *why)
{
	bool is_json = false;

	return parse(bytes, limits, out, &is_json, why);
}

static void free_deferred(void *arg)
{
	json_free(arg);
}

enum err json_parse_in(struct arena *a, struct str bytes, const struct json_limits *limits,
	const struct json **out, struct err_ctx *why)
{
	bool is_json = false;

	return json_parse_body(a, bytes, limits, out, &is_json, why);
}

enum err json_parse_body(struct arena *a, struct str bytes, const struct json_limits *limits,
	const struct json **out, bool *is_json, struct err_ctx *why)
{
	struct json *j = NULL;
	enum err err = parse(bytes, limits, &j, is_json, why);

	if (err)
		return err;
	arena_defer(a, free_deferred, j);
	*out = j;
	return ERR_OK;
}

void json_free(struct json *j)
{
	cJSON_Delete((cJSON *)(void *)j);
}

void json_freep(struct json **j)
{
	json_free(*j);
}

enum json_type json_type(const struct json *j)
{
	const cJSON *node = tree_node(j);
	struct str text;

	switch (node->type & 0xff) {
	case cJSON_False:
	case cJSON_True: return JSON_BOOL;
	case cJSON_Number: return JSON_NUMBER;
	case cJSON_String: return tree_number_text(node, &text) ? JSON_NUMBER : JSON_STRING;
	case cJSON_Array: return JSON_ARRAY;
	case cJSON_Object: return JSON_OBJECT;
	default: return JSON_NULL;
	}
}

static const cJSON *find_indexed(const cJSON *obj, struct str key)
{
	cJSON *const *index = (cJSON *const *)(const void *)obj->valuestring;
	size_t lo = 0;
	size_t hi = (size_t)obj->valueint;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = tree_key_cmp(key, str_of(index[mid]->string));

		if (c == 0)
			return index[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

const struct json *json_get_str(const struct json *obj, struct str key)
{
	const cJSON *node = tree_node(obj);

	if (!json_is(obj, JSON_OBJECT))
		return NULL;
	if (node->valuestring)
		return tree_json(find_indexed(node, key));
	for (const cJSON *m = node->child; m; m = m->next) {
		if (str_eq(str_of(m->string), key))
			return tree_json(m);
	}
	return NULL;
}

const struct json *json_get(const struct json *obj, const char *key)
{
	return json_get_str(obj, str_of(key));
}

bool json_as_str(const struct json *j, struct str *out)
{
	if (!json_is(j, JSON_STRING))
		return false;
	*out = str_of(tree_node(j)->valuestring);
	return true;
}

bool json_as_int(const struct json *j, int64_t *out)
{
	struct str text;

	if (!json_is(j, JSON_NUMBER))
		return false;
	if (tree_number_text(tree_node(j), &text))
		return number_to_int(text, out);
	*out = (int64_t)tree_node(j)->valuedouble;
	return true;
}

bool json_as_wide_int(const struct json *j, int64_t *out)
{
	struct str text;

	if (json_as_int(j, out))
		return !tree_number_text(tree_node(j), &text) || number_is_integer_text(text);
	return json_is(j, JSON_NUMBER) && tree_number_text(tree_node(j), &text) &&
		number_is_integer_text(text) && str_to_i64(text, out);
}

bool json_as_double(const struct json *j, double *out)
{
	struct str text;

	if (!json_is(j, JSON_NUMBER))
		return false;
	if (tree_number_text(tree_node(j), &text))
		return number_to_double(text, out);
	*out = tree_node(j)->valuedouble;
	return true;
}

bool json_as_bool(const struct json *j, bool *out)
{
	if (!json_is(j, JSON_BOOL))
		return false;
	*out = cJSON_IsTrue(tree_node(j));
	return true;
}

const struct json *json_first(const struct json *j)
{
	return j ? tree_json(tree_node(j)->child) : NULL;
}

const struct json *json_next(const struct json *j)
{
	return tree_json(tree_node(j)->next);
}

struct str json_key(const struct json *j)
{
	return str_of(tree_node(j)->string);
}

size_t json_count(const struct json *j)
{
	return j && (json_is(j, JSON_OBJECT) || json_is(j, JSON_ARRAY))
		? (size_t)tree_node(j)->valueint
		: 0;
}

static enum err wrong(struct err_ctx *why, const char *key, const char *what)
{
	return err_set(why, ERR_MALFORMED, "%s must be %s", key, what);
}

static enum err missing(struct err_ctx *why, const char *key)
{
	return err_set(why, ERR_MALFORMED, "%s is missing", key);
}

/* The value of a member, which is there. */
static enum err read_str(
	const struct json *m, const char *key, struct str *out, struct err_ctx *why)
{
	return json_as_str(m, out) ? ERR_OK : wrong(why, key, "a string");
}

static enum err read_int(const struct json *m, const char *key, int64_t lo, int64_t hi,
	int64_t *out, struct err_ctx *why)
{
	int64_t v;

	if (!json_as_int(m, &v))
		return wrong(why, key, "an integer");
	if (v < lo || v > hi)
		return err_set(why, ERR_MALFORMED, "%s must be between %lld and %lld", key,
			(long long)lo, (long long)hi);
	*out = v;
	return ERR_OK;
}

static enum err read_bool(const struct json *m, const char *key, bool *out, struct err_ctx *why)
{
	return json_as_bool(m, out) ? ERR_OK : wrong(why, key, "true or false");
}

static enum err read_type(const struct json *m, const char *key, enum json_type type,
	const struct json **out, struct err_ctx *why)
{
	if (!json_is(m, type))
		return wrong(why, key, type == JSON_OBJECT ? "an object" : "an array");
	*out = m;
	return ERR_OK;
}

static const struct json *present(const struct json *obj, const char *key)
{
	const struct json *m = json_get(obj, key);

	return json_is(m, JSON_NULL) ? NULL : m;
}

enum err json_str(const struct json *obj, const char *key, struct str *out, struct err_ctx *why)
{
	const struct json *m = json_get(obj, key);

	return m ? read_str(m, key, out, why) : missing(why, key);
}

enum err json_int(const struct json *obj, const char *key, int64_t lo, int64_t hi, int64_t *out,
	struct err_ctx *why)
{
	const struct json *m = json_get(obj, key);

	return m ? read_int(m, key, lo, hi, out, why) : missing(why, key);
}

enum err json_bool(const struct json *obj, const char *key, bool *out, struct err_ctx *why)
{
	const struct json *m = json_get(obj, key);

	return m ? read_bool(m, key, out, why) : missing(why, key);
}

enum err json_obj(
	const struct json *obj, const char *key, const struct json **out, struct err_ctx *why)
{
	const struct json *m = json_get(obj, key);

	return m ? read_type(m, key, JSON_OBJECT, out, why) : missing(why, key);
}

enum err json_arr(
	const struct json *obj, const char *key, const struct json **out, struct err_ctx *why)
{
	const struct json *m = json_get(obj, key);

	return m ? read_type(m, key, JSON_ARRAY, out, why) : missing(why, key);
}

enum err json_opt_str(
	const struct json *obj, const char *key, struct str *out, struct err_ctx *why)
{
	const struct json *m = present(obj, key);

	return m ? read_str(m, key, out, why) : ERR_OK;
}

enum err json_opt_int(const struct json *obj, const char *key, int64_t lo, int64_t hi,
	int64_t *out, struct err_ctx *why)
{
	const struct json *m = present(obj, key);

	return m ? read_int(m, key, lo, hi, out, why) : ERR_OK;
}

enum err json_opt_bool(const struct json *obj, const char *key, bool *out, struct err_ctx *why)
{
	const struct json *m = present(obj, key);

	return m ? read_bool(m, key, out, why) : ERR_OK;
}

enum err json_opt_obj(
	const struct json *obj, const char *key, const struct json **out, struct err_ctx *why)
{
	const struct json *m = present(obj, key);

	return m ? read_type(m, key, JSON_OBJECT, out, why) : ERR_OK;
}

enum err json_opt_arr(
	const struct json *obj, const char *key, const struct json **out, struct err_ctx *why)
{
	const struct json *m = present(obj, key);

	return m ? read_type(m, key, JSON_ARRAY, out, why) : ERR_OK;
}
