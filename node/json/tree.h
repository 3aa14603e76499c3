/*
 * tree: what node/json's files know of a struct json. Private to node/json.
 *
 * A struct json is a cJSON node. After parsing, the members of each object are linked in
 * canonical order. An array or object keeps its number of children in valueint; an object of
 * many members also keeps, where a string would have its text, an array of them for binary
 * search: cJSON_Delete frees it with the node.
 */
#ifndef KITH_JSON_TREE_H
#define KITH_JSON_TREE_H

#include "node/json/json.h"

#include <cjson/cJSON.h>

#define TREE_INDEX_MIN 16 /* members from which an object has the array */

static inline const cJSON *tree_node(const struct json *j)
{
	return (const cJSON *)(const void *)j;
}

static inline const struct json *tree_json(const cJSON *node)
{
	return (const struct json *)(const void *)node;
}

/* Orders keys by code point, where C0 80 is U+0000. */
int tree_key_cmp(struct str a, struct str b);

/* Sorts all objects and fills in what is said above. ERR_MALFORMED for a duplicate key,
 * ERR_NOMEM. */
enum err tree_finish(cJSON *root, struct err_ctx *why) MUST_CHECK;

/* True, and the text, for a number that is kept as text. */
bool tree_number_text(const cJSON *node, struct str *out);

#endif
