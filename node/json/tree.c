#include "node/json/tree.h"

#include <assert.h>

#include "node/json/scan.h"

int tree_key_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	size_t i = 0;
	unsigned char ca;
	unsigned char cb;

	while (i < n && a.p[i] == b.p[i])
		i++;
	if (i == n)
		return a.n < b.n ? -1 : a.n > b.n;
	ca = (unsigned char)a.p[i];
	cb = (unsigned char)b.p[i];
	if (ca == 0xc0)
		ca = 0;
	if (cb == 0xc0)
		cb = 0;
	return ca < cb ? -1 : 1;
}

static int node_cmp(const cJSON *a, const cJSON *b)
{
	return tree_key_cmp(str_of(a->string), str_of(b->string));
}

static cJSON *merge(cJSON *a, cJSON *b)
{
	cJSON *head = NULL;
	cJSON **tail = &head;

	while (a && b) {
		cJSON **least = node_cmp(a, b) <= 0 ? &a : &b;

		*tail = *least;
		tail = &(*least)->next;
		*least = (*least)->next;
	}
	*tail = a ? a : b;
	return head;
}

/* Bottom-up merge sort of a list: runs[i] has 2^i nodes or none. */
static cJSON *sort(cJSON *list)
{
	cJSON *runs[64] = { 0 };
	cJSON *sorted = NULL;

	while (list) {
		cJSON *run = list;
		size_t i = 0;

		list = list->next;
		run->next = NULL;
		for (; runs[i]; i++) {
			run = merge(runs[i], run);
			runs[i] = NULL;
		}
		runs[i] = run;
	}
	for (size_t i = 0; i < 64; i++)
		sorted = merge(runs[i], sorted);
	return sorted;
}

static bool is_sorted(const cJSON *list)
{
	for (; list && list->next; list = list->next) {
		if (node_cmp(list, list->next) >= 0)
			return false;
	}
	return true;
}

/* Sorts, sets the backward links again as cJSON keeps them, and looks for duplicates. */
static enum err finish_object(cJSON *obj, struct err_ctx *why)
{
	cJSON *last = NULL;
	cJSON *first = obj->child;

	if (!first || is_sorted(first))
		return ERR_OK;
	first = sort(first);
	assert(first);
	obj->child = first;
	for (cJSON *m = first; m; last = m, m = m->next) {
		m->prev = last;
		if (last && node_cmp(last, m) == 0)
			return err_set(why, ERR_MALFORMED, "bad JSON: duplicate key %.100s",
				m->string);
	}
	first->prev = last;
	return ERR_OK;
}

static enum err index_object(cJSON *obj, size_t n, struct err_ctx *why)
{
	size_t i = 0;
	cJSON **index = cJSON_malloc(n * sizeof(cJSON *));

	if (!index)
		return err_set(why, ERR_NOMEM, "out of memory");
	for (cJSON *m = obj->child; m; m = m->next)
		index[i++] = m;
	obj->valuestring = (char *)index;
	return ERR_OK;
}

static enum err finish_container(cJSON *node, struct err_ctx *why)
{
	size_t n = 0;

	if (cJSON_IsObject(node)) {
		enum err err = finish_object(node, why);

		if (err)
			return err;
	}
	for (const cJSON *m = node->child; m; m = m->next)
		n++;
	node->valueint = (int)n;
	if (cJSON_IsObject(node) && n >= TREE_INDEX_MIN)
		return index_object(node, n, why);
	return ERR_OK;
}

enum err tree_finish(cJSON *root, struct err_ctx *why)
{
	UNCLEARED cJSON *path[SCAN_DEPTH_MAX + 1]; /* containers that we are in */
	cJSON *node = root;
	size_t depth = 0;

	for (;;) {
		if (cJSON_IsObject(node) || cJSON_IsArray(node)) {
			enum err err = finish_container(node, why);

			if (err)
				return err;
			if (node->child) {
				path[depth++] = node;
				node = node->child;
				continue;
			}
		}
		while (depth > 0 && !node->next)
			node = path[--depth];
		if (depth == 0)
			return ERR_OK;
		node = node->next;
	}
}

bool tree_number_text(const cJSON *node, struct str *out)
{
	if (!cJSON_IsString(node) || (unsigned char)node->valuestring[0] != 0xc0 ||
		(unsigned char)node->valuestring[1] != 0x81)
		return false;
	*out = str_of(node->valuestring + 2);
	return true;
}
