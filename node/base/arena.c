#include "node/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/alloc.h"

#define CHUNK_BYTES 4096
#define FIRST_BYTES 2048 /* a request that waits must not weigh more than its connection */
#define INNER_BYTES 512  /* in the arena's own memory: many need no more */
#define ALIGN       ((size_t)16)

struct chunk {
	struct chunk *next;
	size_t size; /* of bytes */
	size_t used;
	_Alignas(16) char bytes[];
};

struct deferred {
	struct deferred *next;
	void (*fn)(void *arg);
	void *arg;
};

struct arena {
	struct chunk *chunks; /* the one at the head is being filled */
	struct deferred *deferred;
	size_t size;
	struct chunk inner; /* the first one; its bytes are behind it */
};

struct arena *arena_new(void)
{
	struct arena *a = xalloc(sizeof(*a) + INNER_BYTES);

	a->inner.size = INNER_BYTES;
	a->chunks = &a->inner;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct deferred *d = a->deferred; d; d = d->next)
		d->fn(d->arg);
	for (struct chunk *c = a->chunks; c;) {
		struct chunk *next = c->next;

		if (c != &a->inner)
			free(c);
		c = next;
	}
	free(a);
}

void arena_freep(struct arena **a)
{
	arena_free(*a);
}

/* A chunk of its own goes behind the one being filled, so that one is not wasted. */
static struct chunk *add_chunk(struct arena *a, size_t bytes, bool own, void *(*get)(size_t))
{
	struct chunk *c = get(sizeof(*c) + bytes);

	if (!c)
		return NULL;
	c->size = bytes;
	if (own) {
		c->next = a->chunks->next;
		a->chunks->next = c;
	} else {
		c->next = a->chunks;
		a->chunks = c;
	}
	a->size += sizeof(*c) + bytes;
	return c;
}

static void *take(struct arena *a, size_t n, void *(*get)(size_t))
{
	struct chunk *c = a->chunks;
	size_t size;
	void *p;

	if (__builtin_add_overflow(n, ALIGN - 1, &size))
		return NULL;
	size &= ~(ALIGN - 1);
	if (size == 0)
		size = ALIGN;
	if (size > CHUNK_BYTES / 4)
		c = add_chunk(a, size, true, get);
	else if (c->size - c->used < size)
		c = add_chunk(a, (c == &a->inner ? FIRST_BYTES : CHUNK_BYTES) - sizeof(*c),
			false, get);
	if (!c)
		return NULL;
	p = c->bytes + c->used;
	c->used += size;
	return p;
}

void *arena_try(struct arena *a, size_t n)
{
	return take(a, n, alloc_try);
}

void *arena_alloc(struct arena *a, size_t n)
{
	void *p = take(a, n, xalloc);

	if (!p) { /* n overflowed */
		(void)fputs("kith: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		bytes = SIZE_MAX;
	return arena_alloc(a, bytes);
}

struct str arena_str(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	va_list again;
	struct str s = { 0 };
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0) {
		char *p = arena_alloc(a, (size_t)n + 1);

		(void)vsnprintf(p, (size_t)n + 1, fmt, again);
		s = (struct str){ p, (size_t)n };
	}
	va_end(again);
	return s;
}

void arena_defer(struct arena *a, void (*fn)(void *arg), void *arg)
{
	struct deferred *d = ARENA_NEW(a, struct deferred);

	*d = (struct deferred){ .next = a->deferred, .fn = fn, .arg = arg };
	a->deferred = d;
}

size_t arena_size(const struct arena *a)
{
	return a->size;
}
