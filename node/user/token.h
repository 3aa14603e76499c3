/*
 * token: secrets that we hand out (security.md, T1): 256 random bits as text, kept by us only
 * as a BLAKE2b hash, and looked up by it.
 */
#ifndef KITH_USER_TOKEN_H
#define KITH_USER_TOKEN_H

#include "node/base/clock.h"
#include "node/base/str.h"

#define TOKEN_CHARS      48
#define TOKEN_HASH_BYTES 32

struct token {
	char text[TOKEN_CHARS]; /* NUL-terminated */
};

/* prefix: at most 4 characters that tell what it is. */
void token_make(const struct rng *rng, const char *prefix, struct token *out);
/* n <= 32 random bytes as base64url text, for ids and one-time tokens. */
void token_make_short(const struct rng *rng, size_t n, struct token *out);
void token_hash(struct str text, unsigned char hash[TOKEN_HASH_BYTES]);

/* n <= 20 random capital letters, as clients expect of device ids. */
void token_device_id(const struct rng *rng, size_t n, char *out);

static inline struct str token_str(const struct token *t)
{
	return str_of(t->text);
}

#endif
