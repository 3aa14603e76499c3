/*
 * alloc: memory of sizes that we chose ourselves.
 *
 * These abort when there is none: a node that can't get 100 bytes is gone already, and it
 * restarts clean because nothing acknowledged is lost. What a stranger sizes is bounded first
 * and then asked of alloc_try(), which can fail (style.md, section 3).
 */
#ifndef KITH_BASE_ALLOC_H
#define KITH_BASE_ALLOC_H

#include "node/base/compiler.h"
#include "node/base/str.h"

#include <stddef.h>

void *xalloc(size_t n);               /* n zeroed bytes, owned by the caller: free() */
void *xcalloc(size_t n, size_t size); /* n * size zeroed bytes */
void *xrealloc(void *p, size_t n);
char *xstrdup(struct str s); /* an owned copy with a NUL behind it */

#define NEW(type) ((type *)xalloc(sizeof(type)))

/* n zeroed bytes or NULL: for sizes that came from outside. */
void *alloc_try(size_t n) MUST_CHECK;

/* Tests alone: let the n-th alloc_try of this thread from now fail (0: none). */
void alloc_fail_at(unsigned n);

/* For CLEANUP(freep) on any pointer from malloc and its kin. */
void freep(void *pp);

#endif
