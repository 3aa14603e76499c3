/*
 * buf: owned bytes that grow.
 *
 * A zeroed struct buf is an empty one. Growth aborts when memory is out, so a buffer that a
 * stranger fills must be bounded by its caller before it is appended to.
 */
#ifndef KITH_BASE_BUF_H
#define KITH_BASE_BUF_H

#include "node/base/compiler.h"
#include "node/base/str.h"

#include <stdarg.h>
#include <stdint.h>

struct buf {
	char *p; /* owned */
	size_t n;
	size_t cap;
};

void buf_deinit(struct buf *b); /* for CLEANUP too; leaves an empty buffer */

/* Room for extra more bytes behind the n in use; returns where they begin. */
char *buf_grow(struct buf *b, size_t extra);
static inline char *buf_reserve(struct buf *b, size_t extra)
{
	return b->cap - b->n >= extra ? b->p + b->n : buf_grow(b, extra);
}
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_str(struct buf *b, struct str s);
void buf_put_z(struct buf *b, const char *z);
void buf_put_u8(struct buf *b, uint8_t v);
static inline void buf_put_c(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->n++;
}
void buf_put_be16(struct buf *b, uint16_t v);
void buf_put_be32(struct buf *b, uint32_t v);
void buf_put_be64(struct buf *b, uint64_t v);
void buf_put_i64(struct buf *b, int64_t v); /* decimal text */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

/* Drops the first n bytes (what was consumed) and moves the rest to the front. */
void buf_drop(struct buf *b, size_t n);

static inline struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

static inline void buf_clear(struct buf *b)
{
	b->n = 0;
}

/* The buffer's memory as an owned NUL-terminated string; b is empty afterwards. */
char *buf_detach_z(struct buf *b);

#endif
