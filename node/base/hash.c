#include "node/base/hash.h"

#include <sodium.h>
#include <stdlib.h>

struct hash {
	crypto_generichash_state state;
};

struct hash *hash_new(void)
{
	/* libsodium wants the state on a line of 64 bytes. */
	struct hash *h = (struct hash *)aligned_alloc(64, (sizeof *h + 63) / 64 * 64);

	if (!h)
		abort();
	crypto_generichash_init(&h->state, NULL, 0, HASH_BYTES);
	return h;
}

void hash_free(struct hash *h)
{
	free(h);
}

void hash_update(struct hash *h, const void *p, size_t n)
{
	crypto_generichash_update(&h->state, (const unsigned char *)p, n);
}

void hash_final(struct hash *h, unsigned char out[HASH_BYTES])
{
	crypto_generichash_final(&h->state, out, HASH_BYTES);
}

void hash_bytes(struct str s, unsigned char out[HASH_BYTES])
{
	crypto_generichash(out, HASH_BYTES, (const unsigned char *)s.p, s.n, NULL, 0);
}
