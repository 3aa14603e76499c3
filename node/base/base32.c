#include "node/base/base32.h"

void base32_put(struct buf *out, const void *p, size_t n)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	const unsigned char *in = p;
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | in[i];
		for (have += 8; have >= 5; have -= 5)
			buf_put_u8(out, (uint8_t)digits[bits >> (have - 5) & 31]);
	}
	if (have)
		buf_put_u8(out, (uint8_t)digits[bits << (5 - have) & 31]);
}

static int digit(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= '2' && c <= '7')
		return c - '2' + 26;
	return -1;
}

enum err base32_get(struct buf *out, struct str text)
{
	size_t before = out->n;
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < text.n; i++) {
		int d = digit(text.p[i]);

		if (d < 0)
			goto bad;
		bits = bits << 5 | (uint32_t)d;
		have += 5;
		if (have >= 8) {
			have -= 8;
			buf_put_u8(out, (uint8_t)(bits >> have));
		}
	}
	if (have >= 5 || (bits & ((1u << have) - 1)))
		goto bad;
	return ERR_OK;
bad:
	out->n = before;
	return ERR_MALFORMED;
}
