/*
 * wire: reading and writing the overlay's byte formats (overlay.md, section 1).
 *
 * A reader never runs past its input: the first field that doesn't fit marks it bad, after
 * which every read gives zero or an empty string, so a parser reads all its fields and asks
 * wire_done() once at the end. Integers are big-endian; varint is unsigned LEB128 in its
 * shortest form.
 */
#ifndef KITH_TRANSPORT_WIRE_H
#define KITH_TRANSPORT_WIRE_H

#include "node/base/buf.h"
#include "node/base/err.h"

#include <stdbool.h>

#define WIRE_HASH 32

struct wire {
	struct str rest;
	bool bad;
};

static inline struct wire wire_of(struct str s)
{
	return (struct wire){ .rest = s };
}

uint8_t wire_u8(struct wire *w);
uint16_t wire_u16(struct wire *w);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);
uint64_t wire_varint(struct wire *w);
struct str wire_bytes(struct wire *w, size_t n);       /* exactly n, borrowed from the input */
void wire_copy(struct wire *w, void *out, size_t n);   /* zeros when there are fewer */
struct str wire_var_bytes(struct wire *w, size_t max); /* varint length and that many */

/* True if nothing went wrong and nothing is left. */
bool wire_done(const struct wire *w);

/*
 * The next TLV, until the input ends: false at the end or when it is bad. An unknown type (not
 * below 8 * sizeof known, or its bit not set in known) with the high bit clear is skipped; with
 * it set the reader is bad.
 */
bool wire_tlv(struct wire *w, uint64_t known, uint8_t *type, struct str *value);

void wire_put_varint(struct buf *b, uint64_t v);
size_t wire_varint_len(uint64_t v);
void wire_put_var_bytes(struct buf *b, struct str s);
void wire_put_tlv(struct buf *b, uint8_t type, struct str value);

/* BLAKE2b of n bytes (up to 32), keyed with an ASCII context or with a 32-byte secret; ctx NULL
 * is no key. */
void wire_hash(void *out, size_t n, const char *ctx, struct str data);
void wire_hash_secret(void *out, size_t n, const unsigned char secret[32], struct str data);

/* Ed25519 over ctx padded to 16 bytes and body. */
void wire_sign(unsigned char sig[64], const char *ctx, struct str body,
	const unsigned char secret[64]);
bool wire_verify(const unsigned char sig[64], const char *ctx, struct str body,
	const unsigned char public_key[32]);

#endif
