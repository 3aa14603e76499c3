#include "node/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/alloc.h"

void buf_deinit(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

char *buf_grow(struct buf *b, size_t extra)
{
	size_t need = b->n + extra;
	size_t cap = b->cap ? b->cap : 64;

	while (cap < need)
		cap += cap / 2 + 16;
	b->p = xrealloc(b->p, cap);
	b->cap = cap;
	return b->p + b->n;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(b, n), p, n);
	b->n += n;
}

void buf_put_str(struct buf *b, struct str s)
{
	buf_put(b, s.p, s.n);
}

void buf_put_z(struct buf *b, const char *z)
{
	buf_put(b, z, strlen(z));
}

void buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

static void put_be(struct buf *b, uint64_t v, size_t bytes)
{
	unsigned char out[8];

	for (size_t i = 0; i < bytes; i++)
		out[i] = (unsigned char)(v >> (8 * (bytes - 1 - i)));
	buf_put(b, out, bytes);
}

void buf_put_be16(struct buf *b, uint16_t v)
{
	put_be(b, v, 2);
}

void buf_put_be32(struct buf *b, uint32_t v)
{
	put_be(b, v, 4);
}

void buf_put_be64(struct buf *b, uint64_t v)
{
	put_be(b, v, 8);
}

void buf_put_i64(struct buf *b, int64_t v)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		digits[--at] = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		digits[--at] = '-';
	buf_put(b, digits + at, sizeof(digits) - at);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_list again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0) {
		(void)vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void buf_drop(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

char *buf_detach_z(struct buf *b)
{
	char *z;

	buf_put_u8(b, 0);
	z = b->p;
	*b = (struct buf){ 0 };
	return z;
}
