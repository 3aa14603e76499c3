#include "node/json/json.h"

#include "node/json/number.h"
#include "node/json/scan.h"
#include "node/json/tree.h"
#include "node/json/write.h"

static void put_scalar(struct buf *out, const cJSON *node)
{
	struct str text;

	switch (node->type & 0xff) {
	case cJSON_False: buf_put_z(out, "false"); break;
	case cJSON_True: buf_put_z(out, "true"); break;
	case cJSON_Number: buf_put_i64(out, (int64_t)node->valuedouble); break;
	case cJSON_String:
		if (tree_number_text(node, &text))
			number_put_text(out, text);
		else
			write_string(out, str_of(node->valuestring));
		break;
	default: buf_put_z(out, "null"); break;
	}
}

static bool is_container(const cJSON *node)
{
	return cJSON_IsObject(node) || cJSON_IsArray(node);
}

/* What stands before a value: its key, and the brackets that it opens. */
static void put_opening(struct buf *out, const cJSON *node, bool is_member)
{
	if (is_member) {
		write_string(out, str_of(node->string));
		buf_put_c(out, ':');
	}
	if (is_container(node))
		buf_put_c(out, cJSON_IsObject(node) ? '{' : '[');
	else
		put_scalar(out, node);
}

static void put_closing(struct buf *out, const cJSON *node)
{
	if (is_container(node))
		buf_put_c(out, cJSON_IsObject(node) ? '}' : ']');
}

void json_canonical(const struct json *j, struct buf *out)
{
	UNCLEARED const cJSON *path[SCAN_DEPTH_MAX + 1];
	const cJSON *node = tree_node(j);
	size_t depth = 0;

	put_opening(out, node, false);
	for (;;) {
		if (is_container(node) && node->child) {
			path[depth++] = node;
			node = node->child;
			put_opening(out, node, cJSON_IsObject(path[depth - 1]));
			continue;
		}
		put_closing(out, node);
		while (depth > 0 && !node->next) {
			node = path[--depth];
			put_closing(out, node);
		}
		if (depth == 0)
			return;
		node = node->next;
		buf_put_c(out, ',');
		put_opening(out, node, cJSON_IsObject(path[depth - 1]));
	}
}

static void put_member(struct buf *out, bool *first, struct str key)
{
	if (!*first)
		buf_put_c(out, ',');
	*first = false;
	write_string(out, key);
	buf_put_c(out, ':');
}

static bool is_named(struct str key, const char *const *keys, size_t n_keys)
{
	for (size_t i = 0; i < n_keys; i++) {
		if (str_eq(key, str_of(keys[i])))
			return true;
	}
	return false;
}

void json_canonical_without(
	const struct json *obj, const char *const *keys, size_t n_keys, struct buf *out)
{
	bool first = true;

	buf_put_c(out, '{');
	for (const struct json *m = json_first(obj); m; m = json_next(m)) {
		if (is_named(json_key(m), keys, n_keys))
			continue;
		put_member(out, &first, json_key(m));
		json_canonical(m, out);
	}
	buf_put_c(out, '}');
}

void json_canonical_edited(
	const struct json *obj, const struct json_edit *edits, size_t n, struct buf *out)
{
	const struct json *m = json_first(obj);
	bool first = true;
	size_t i = 0;

	buf_put_c(out, '{');
	while (m || i < n) {
		int c = !m ? 1 : i == n ? -1 : tree_key_cmp(json_key(m), edits[i].key);

		if (c < 0) {
			put_member(out, &first, json_key(m));
			json_canonical(m, out);
		} else if (edits[i].value.p) {
			put_member(out, &first, edits[i].key);
			buf_put_str(out, edits[i].value);
		}
		if (c <= 0)
			m = json_next(m);
		if (c >= 0)
			i++;
	}
	buf_put_c(out, '}');
}

bool json_is_strict(const struct json *j)
{
	UNCLEARED const cJSON *path[SCAN_DEPTH_MAX + 1];
	const cJSON *node = tree_node(j);
	struct str text;
	size_t depth = 0;

	for (;;) {
		if (tree_number_text(node, &text))
			return false;
		if (is_container(node) && node->child) {
			path[depth++] = node;
			node = node->child;
			continue;
		}
		while (depth > 0 && !node->next)
			node = path[--depth];
		if (depth == 0)
			return true;
		node = node->next;
	}
}

bool json_equal(const struct json *a, const struct json *b)
{
	CLEANUP(buf_deinit) struct buf text_a = { 0 };
	CLEANUP(buf_deinit) struct buf text_b = { 0 };

	if (!a || !b)
		return a == b;
	json_canonical(a, &text_a);
	json_canonical(b, &text_b);
	return str_eq(buf_str(&text_a), buf_str(&text_b));
}
