/*
 * list: rows collected into an array of an arena. For the files of store/ alone.
 */
#ifndef KITH_STORE_LIST_H
#define KITH_STORE_LIST_H

#include "node/base/arena.h"

#include <stddef.h>
#include <string.h>

/* Room for one more at the end of *items, of which *n are in use: doubles when it is full, so
 * that what is copied stays linear. cap starts as 0. */
static inline void *list_grow(
	struct arena *a, void *items, size_t n, size_t *cap, size_t item_size)
{
	void *more;

	if (n < *cap)
		return items;
	*cap = *cap ? *cap * 2 : 8;
	more = arena_calloc(a, *cap, item_size);
	if (n)
		memcpy(more, items, n * item_size);
	return more;
}

/* LIST_ADD(a, list, n, cap) = (struct x){ ... }; */
#define LIST_ADD(a, items, n, cap) \
	(*(__typeof__(items))__extension__({ \
		(items) = list_grow((a), (items), (n), &(cap), sizeof(*(items))); \
		(items) + (n)++; \
	}))

#endif
