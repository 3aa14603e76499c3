#include "transport/wire.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#define SIGN_CTX 16

struct str wire_bytes(struct wire *w, size_t n)
{
	struct str s = { NULL, 0 };

	if (w->bad || n > w->rest.n) {
		w->bad = true;
		return s;
	}
	s = str_head(w->rest, n);
	w->rest = str_skip(w->rest, n);
	return s;
}

static uint64_t big_endian(struct wire *w, size_t n)
{
	struct str s = wire_bytes(w, n);
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

uint8_t wire_u8(struct wire *w)
{
	return (uint8_t)big_endian(w, 1);
}

uint16_t wire_u16(struct wire *w)
{
	return (uint16_t)big_endian(w, 2);
}

uint32_t wire_u32(struct wire *w)
{
	return (uint32_t)big_endian(w, 4);
}

uint64_t wire_u64(struct wire *w)
{
	return big_endian(w, 8);
}

uint64_t wire_varint(struct wire *w)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = wire_u8(w);

		if (w->bad)
			return 0;
		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b & 0x80)
			continue;
		if (b == 0 && shift > 0)
			break; /* not the shortest form */
		return v;
	}
	w->bad = true;
	return 0;
}

void wire_copy(struct wire *w, void *out, size_t n)
{
	struct str s = wire_bytes(w, n);

	if (n && s.n == n)
		memcpy(out, s.p, n);
	else
		memset(out, 0, n);
}

struct str wire_var_bytes(struct wire *w, size_t max)
{
	uint64_t n = wire_varint(w);

	if (n > max)
		w->bad = true;
	return wire_bytes(w, (size_t)n);
}

bool wire_done(const struct wire *w)
{
	return !w->bad && w->rest.n == 0;
}

bool wire_tlv(struct wire *w, uint64_t known, uint8_t *type, struct str *value)
{
	while (!w->bad && w->rest.n > 0) {
		uint8_t t = wire_u8(w);
		struct str v = wire_var_bytes(w, w->rest.n);

		if (w->bad)
			break;
		if (t < 64 && known >> t & 1) {
			*type = t;
			*value = v;
			return true;
		}
		if (t & 0x80)
			w->bad = true;
	}
	return false;
}

void wire_put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_put_u8(b, (uint8_t)(v | 0x80));
	buf_put_u8(b, (uint8_t)v);
}

size_t wire_varint_len(uint64_t v)
{
	size_t n = 1;

	for (; v >= 0x80; v >>= 7)
		n++;
	return n;
}

void wire_put_var_bytes(struct buf *b, struct str s)
{
	wire_put_varint(b, s.n);
	buf_put_str(b, s);
}

void wire_put_tlv(struct buf *b, uint8_t type, struct str value)
{
	buf_put_u8(b, type);
	wire_put_var_bytes(b, value);
}

/* Always 32 bytes and then cut: BLAKE2b's length is one of its parameters, and H8 and H4 are
 * the first bytes of H. */
static void hash(void *out, size_t n, const unsigned char *key, size_t key_n, const char *p,
	size_t data_n)
{
	unsigned char full[WIRE_HASH];

	assert(n <= sizeof(full));
	crypto_generichash(
		full, sizeof(full), (const unsigned char *)(p ? p : ""), data_n, key, key_n);
	memcpy(out, full, n);
	sodium_memzero(full, sizeof(full));
}

void wire_hash(void *out, size_t n, const char *ctx, struct str data)
{
	unsigned char key[32] = { 0 };

	if (!ctx) {
		hash(out, n, NULL, 0, data.p, data.n);
		return;
	}
	assert(strlen(ctx) <= sizeof(key));
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): padded with zeros */
	memcpy(key, ctx, strlen(ctx));
	hash(out, n, key, sizeof(key), data.p, data.n);
}

void wire_hash_secret(void *out, size_t n, const unsigned char secret[32], struct str data)
{
	hash(out, n, secret, 32, data.p, data.n);
}

static void signed_bytes(struct buf *b, const char *ctx, struct str body)
{
	char pad[SIGN_CTX] = { 0 };

	assert(strlen(ctx) <= sizeof(pad));
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): padded with zeros */
	memcpy(pad, ctx, strlen(ctx));
	buf_put(b, pad, sizeof(pad));
	buf_put_str(b, body);
}

void wire_sign(
	unsigned char sig[64], const char *ctx, struct str body, const unsigned char secret[64])
{
	CLEANUP(buf_deinit) struct buf b = { 0 };

	signed_bytes(&b, ctx, body);
	crypto_sign_detached(sig, NULL, (unsigned char *)b.p, b.n, secret);
}

bool wire_verify(const unsigned char sig[64], const char *ctx, struct str body,
	const unsigned char public_key[32])
{
	CLEANUP(buf_deinit) struct buf b = { 0 };

	signed_bytes(&b, ctx, body);
	return crypto_sign_verify_detached(sig, (unsigned char *)b.p, b.n, public_key) == 0;
}
