/*
 * iddoc: the identity document, which says what devices an identity has (overlay.md, section
 * 2).
 *
 * A document of kind 0 is signed by the identity key and states everything; the highest seq
 * wins. One of kind 1, signed by a granting node, amends the kind-0 document of the same seq:
 * it can only add. A set is a kind-0 document with its amendments; merging is commutative and
 * idempotent, and a revocation beats every certificate.
 */
#ifndef KITH_TRANSPORT_IDDOC_H
#define KITH_TRANSPORT_IDDOC_H

#include "node/base/buf.h"
#include "node/base/err.h"
#include "transport/cert.h"

#define IDDOC_MAX            6144
#define IDDOC_MAX_CERTS      16
#define IDDOC_MAX_REVOKED    64
#define IDDOC_MAX_HOMES      4
#define IDDOC_MAX_AMENDMENTS 16

enum iddoc_kind { IDDOC_IDENTITY = 0, IDDOC_AMENDMENT = 1 };

struct iddoc_revoked {
	unsigned char node[32];
	uint64_t time_ms;
};

struct iddoc {
	enum iddoc_kind kind;
	unsigned char identity[32];
	uint64_t seq;
	unsigned char next[32]; /* commitment to the next identity key; zero: none */
	uint16_t mailbox_id;    /* with a zero key: no mailbox key yet */
	unsigned char mailbox[32];
	struct cert certs[IDDOC_MAX_CERTS];
	struct str cert_bytes[IDDOC_MAX_CERTS]; /* borrowed: from the input, or to encode */
	size_t n_certs;
	struct iddoc_revoked revoked[IDDOC_MAX_REVOKED];
	size_t n_revoked;
	unsigned char homes[IDDOC_MAX_HOMES][32];
	size_t n_homes;
	unsigned char signer[32];
};

/* Appends the document, signed. cert_bytes are written as they are. */
void iddoc_encode(
	const struct iddoc *d, const unsigned char signer_secret[64], struct buf *out);

/* Shape, all signatures; an amendment's right to amend is checked when it is merged. out is
 * 14 kB: not for the stack of something that recurses. */
enum err iddoc_parse(struct str bytes, struct iddoc *out, struct err_ctx *why) MUST_CHECK;

/* A zeroed set knows nothing. */
struct iddoc_set {
	struct buf base;                             /* a kind-0 document, or empty */
	struct buf amendments[IDDOC_MAX_AMENDMENTS]; /* ordered by their bytes */
	size_t n_amendments;
};

void iddoc_set_deinit(struct iddoc_set *s);

/* Adds a document; *changed says if it taught anything. ERR_INVALID: of another identity than
 * the set. ERR_NOT_FOUND: an amendment to a document that we don't have. ERR_FORBIDDEN: not
 * signed by one who may. ERR_FULL: too many amendments. */
enum err iddoc_set_merge(
	struct iddoc_set *s, struct str bytes, bool *changed, struct err_ctx *why) MUST_CHECK;

/* 0 when nothing is known. */
uint64_t iddoc_set_seq(const struct iddoc_set *s);

/* A document states everything: a certificate counts if the set lists its node and doesn't
 * revoke it; one by a granting node, if that node too is listed with the right to certify and
 * not revoked. With nothing known, the identity's own word is enough. */
bool iddoc_set_allows(const struct iddoc_set *s, const struct cert *c);
bool iddoc_set_revokes(const struct iddoc_set *s, const unsigned char node[32]);

#endif
