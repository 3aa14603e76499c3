#include "node/base/alloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local unsigned fail_countdown; /* tests alone; 0 in the program */

static void *must(void *p)
{
	if (!p) {
		(void)fputs("kith: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *xalloc(size_t n)
{
	return must(calloc(1, n ? n : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return must(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n)
{
	return must(realloc(p, n ? n : 1));
}

char *xstrdup(struct str s)
{
	char *z = xalloc(s.n + 1);

	if (s.n)
		memcpy(z, s.p, s.n);
	return z;
}

void *alloc_try(size_t n)
{
	if (fail_countdown && --fail_countdown == 0)
		return NULL;
	return calloc(1, n ? n : 1);
}

void alloc_fail_at(unsigned n)
{
	fail_countdown = n;
}

void freep(void *pp)
{
	free(*(void **)pp);
}
