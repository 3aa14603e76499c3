/*
 * hash: BLAKE2b-256 over bytes that come in pieces: names of media files, ids of filters.
 * What Matrix prescribes (SHA-256 of events) is in node/core.
 */
#ifndef KITH_BASE_HASH_H
#define KITH_BASE_HASH_H

#include "node/base/str.h"

#define HASH_BYTES 32

struct hash; /* owned by one thread at a time */

struct hash *hash_new(void);
void hash_free(struct hash *h); /* NULL is fine */
void hash_update(struct hash *h, const void *p, size_t n);
void hash_final(struct hash *h, unsigned char out[HASH_BYTES]); /* once */

void hash_bytes(struct str s, unsigned char out[HASH_BYTES]);

#endif
