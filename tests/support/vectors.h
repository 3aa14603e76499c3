/* vectors: a JSON file of tests/vectors as a tree. */
#ifndef KITH_TESTS_VECTORS_H
#define KITH_TESTS_VECTORS_H

#include <stdio.h>

#include "node/json/json.h"

/* name is relative to VECTORS, which meson defines. The tree is the arena's. */
static inline const struct json *vectors_read(struct arena *a, const char *name)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	char path[1024];
	const struct json *out = NULL;
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", VECTORS, name);
	f = fopen(path, "rb");
	if (!f)
		return NULL;
	do {
		n = fread(buf_reserve(&text, 65536), 1, 65536, f);
		text.n += n;
	} while (n);
	(void)fclose(f);
	if (json_parse_in(a, buf_str(&text), &json_limits_peer, &out, NULL))
		return NULL;
	return out;
}

#endif
