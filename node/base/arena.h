/*
 * arena: memory that lives exactly as long as one request, operation or answer.
 *
 * Nothing in an arena is freed singly. An arena belongs to one thread. Small blocks come from
 * chunks, 2 KiB and then 4 KiB each; what is larger than 1 KiB gets a chunk of its own.
 */
#ifndef KITH_BASE_ARENA_H
#define KITH_BASE_ARENA_H

#include "node/base/compiler.h"
#include "node/base/str.h"

#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);
void arena_freep(struct arena **a); /* for CLEANUP */

/* n zeroed bytes, aligned for any type; aborts when memory is out. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_calloc(struct arena *a, size_t n, size_t size);
/* As arena_alloc, but NULL when memory is out: for sizes that a stranger chose. */
void *arena_try(struct arena *a, size_t n) MUST_CHECK;

/* A copy of s in the arena, with a NUL behind it that is not counted. */
struct str arena_str(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

/* Calls fn(arg) when the arena is freed, latest first: for the odd thing that owns more than
 * memory of ours (a parsed JSON tree). */
void arena_defer(struct arena *a, void (*fn)(void *arg), void *arg);

/* Bytes taken from the system so far. */
size_t arena_size(const struct arena *a);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
