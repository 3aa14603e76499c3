/*
 * cert: the certificate that binds a node key to an identity key (overlay.md, section 2).
 */
#ifndef KITH_TRANSPORT_CERT_H
#define KITH_TRANSPORT_CERT_H

#include "node/base/buf.h"
#include "node/base/err.h"

#define CERT_LEN 183

enum cert_flag {
	CERT_MAY_CERTIFY = 1,
	CERT_ALWAYS_ON = 2,
	CERT_MOBILE = 4,
};

enum cert_issuer {
	CERT_BY_IDENTITY = 0,
	CERT_BY_NODE = 1, /* a granting node of the same identity */
};

struct cert {
	uint8_t flags;
	unsigned char identity[32];
	unsigned char node[32];
	uint64_t not_before_ms;
	uint64_t not_after_ms; /* 0: never */
	uint32_t generation;
	enum cert_issuer issuer_kind;
	unsigned char issuer[32];
};

/* Appends the 183 bytes, signed by the issuer's secret key. */
void cert_encode(const struct cert *c, const unsigned char issuer_secret[64], struct buf *out);

/* Shape, keys and signature; time is not looked at. A certificate by a granting node is only
 * worth something if the identity document lists that node as such (iddoc_certified()). */
enum err cert_parse(struct str bytes, struct cert *out, struct err_ctx *why) MUST_CHECK;

/* With a day's grace at both ends, since clocks may be wrong. */
bool cert_in_time(const struct cert *c, int64_t now_ms);

#endif
