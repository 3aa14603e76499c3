/*
 * map: from strings to pointers.
 *
 * Open addressing over SipHash with a key of its own for each map, so that nobody outside can
 * choose keys that collide. Keys are borrowed: they must live as long as their entry (usually
 * in the value itself). Values are the caller's.
 */
#ifndef KITH_BASE_MAP_H
#define KITH_BASE_MAP_H

#include "node/base/str.h"

struct map_slot;

struct map {
	size_t n; /* entries */

	/* Private to map.c. */
	struct map_slot *slots;
	size_t cap;  /* a power of two, or 0 */
	size_t used; /* entries and the marks of removed ones */
	unsigned char key[16];
};

void map_init(struct map *m);
void map_deinit(struct map *m); /* frees no value; the map is empty and usable afterwards */

/* NULL if there is none. */
void *map_get(const struct map *m, struct str key);

/* Replaces what was there and returns it, or NULL. value must not be NULL. */
void *map_put(struct map *m, struct str key, void *value);

/* Returns what was there, or NULL. */
void *map_del(struct map *m, struct str key);

/* Walks all entries in no order: *at starts as 0; NULL at the end. The entry just returned may
 * be removed during the walk, nothing may be added. */
void *map_next(const struct map *m, size_t *at);

#endif
