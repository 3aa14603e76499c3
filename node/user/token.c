#include "node/user/token.h"

#include <assert.h>
#include <stdio.h>

#include <sodium.h>

static void encode(char *out, size_t size, const unsigned char *bytes, size_t n)
{
	assert(sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING) <= size);
	sodium_bin2base64(out, size, bytes, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void token_make(const struct rng *rng, const char *prefix, struct token *out)
{
	unsigned char bytes[32];
	int n = snprintf(out->text, sizeof(out->text), "%s", prefix);

	assert(n >= 0 && n <= 4);
	rng_fill(rng, bytes, sizeof(bytes));
	encode(out->text + n, sizeof(out->text) - (size_t)n, bytes, sizeof(bytes));
	sodium_memzero(bytes, sizeof(bytes));
}

void token_make_short(const struct rng *rng, size_t n, struct token *out)
{
	unsigned char bytes[32];

	assert(n <= sizeof(bytes));
	rng_fill(rng, bytes, n);
	encode(out->text, sizeof(out->text), bytes, n);
	sodium_memzero(bytes, sizeof(bytes));
}

void token_hash(struct str text, unsigned char hash[TOKEN_HASH_BYTES])
{
	crypto_generichash(
		hash, TOKEN_HASH_BYTES, (const unsigned char *)text.p, text.n, NULL, 0);
}

void token_device_id(const struct rng *rng, size_t n, char *out)
{
	unsigned char bytes[20];

	assert(n <= sizeof(bytes));
	rng_fill(rng, bytes, n);
	for (size_t i = 0; i < n; i++)
		out[i] = (char)('A' + bytes[i] % 26);
	out[n] = '\0';
}
