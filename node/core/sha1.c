#include "node/core/sha1.h"

#include <stdint.h>
#include <string.h>

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static void take_block(uint32_t h[5], const unsigned char block[64])
{
	uint32_t w[80];
	uint32_t v[5];

	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
			(uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (size_t i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(v, h, sizeof(v));
	for (size_t i = 0; i < 80; i++) {
		static const uint32_t k[] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
		uint32_t mix = i < 20       ? (v[1] & v[2]) | (~v[1] & v[3])
			: i >= 40 && i < 60 ? (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3])
					    : v[1] ^ v[2] ^ v[3];
		uint32_t next = rotate(v[0], 5) + mix + v[4] + k[i / 20] + w[i];

		v[4] = v[3];
		v[3] = v[2];
		v[2] = rotate(v[1], 30);
		v[1] = v[0];
		v[0] = next;
	}
	for (size_t i = 0; i < 5; i++)
		h[i] += v[i];
}

void sha1(struct str s, unsigned char out[SHA1_BYTES])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	unsigned char last[128] = { 0 };
	uint64_t bits = (uint64_t)s.n * 8;
	size_t done = 0;
	size_t rest;
	size_t end;

	for (; s.n - done >= 64; done += 64)
		take_block(h, (const unsigned char *)s.p + done);
	rest = s.n - done;
	if (rest)
		memcpy(last, s.p + done, rest);
	last[rest] = 0x80;
	end = rest < 56 ? 64 : 128;
	for (size_t i = 0; i < 8; i++)
		last[end - 1 - i] = (unsigned char)(bits >> (8 * i));
	for (size_t at = 0; at < end; at += 64)
		take_block(h, last + at);
	for (size_t i = 0; i < 5; i++)
		for (size_t j = 0; j < 4; j++)
			out[4 * i + j] = (unsigned char)(h[i] >> (24 - 8 * j));
}
