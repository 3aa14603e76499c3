#include "transport/cert.h"

#include <string.h>

#include "transport/identity.h"
#include "transport/wire.h"

#define CTX      "kith-cert"
#define VERSION  1
#define SIGNED   (CERT_LEN - 64)
#define GRACE_MS 86400000ull

void cert_encode(const struct cert *c, const unsigned char issuer_secret[64], struct buf *out)
{
	size_t at = out->n;
	unsigned char sig[64];

	buf_put_u8(out, VERSION);
	buf_put_u8(out, c->flags);
	buf_put(out, c->identity, 32);
	buf_put(out, c->node, 32);
	buf_put_be64(out, c->not_before_ms);
	buf_put_be64(out, c->not_after_ms);
	buf_put_be32(out, c->generation);
	buf_put_u8(out, (uint8_t)c->issuer_kind);
	buf_put(out, c->issuer, 32);
	wire_sign(sig, CTX, (struct str){ out->p + at, SIGNED }, issuer_secret);
	buf_put(out, sig, sizeof(sig));
}

enum err cert_parse(struct str bytes, struct cert *out, struct err_ctx *why)
{
	struct wire w = wire_of(bytes);
	struct cert c = { 0 };
	unsigned char sig[64];
	uint8_t version = wire_u8(&w), kind;

	c.flags = wire_u8(&w);
	wire_copy(&w, c.identity, 32);
	wire_copy(&w, c.node, 32);
	c.not_before_ms = wire_u64(&w);
	c.not_after_ms = wire_u64(&w);
	c.generation = wire_u32(&w);
	kind = wire_u8(&w);
	wire_copy(&w, c.issuer, 32);
	wire_copy(&w, sig, sizeof(sig));
	if (!wire_done(&w) || version != VERSION || kind > CERT_BY_NODE)
		return err_set(why, ERR_MALFORMED, "not a version 1 certificate");
	c.issuer_kind = (enum cert_issuer)kind;
	if (c.issuer_kind == CERT_BY_IDENTITY && memcmp(c.issuer, c.identity, 32) != 0)
		return err_set(why, ERR_MALFORMED, "a certificate by another identity");
	if (c.issuer_kind == CERT_BY_NODE && memcmp(c.issuer, c.node, 32) == 0)
		return err_set(why, ERR_MALFORMED, "a node that certifies itself");
	if (!identity_key_ok(c.identity) || !identity_key_ok(c.node))
		return err_set(why, ERR_MALFORMED, "a certificate for a bad key");
	if (!wire_verify(sig, CTX, str_head(bytes, SIGNED), c.issuer))
		return err_set(why, ERR_FORBIDDEN, "a certificate with a wrong signature");
	*out = c;
	return ERR_OK;
}

bool cert_in_time(const struct cert *c, int64_t now_ms)
{
	uint64_t now = now_ms > 0 ? (uint64_t)now_ms : 0;

	if (now + GRACE_MS < c->not_before_ms)
		return false;
	return c->not_after_ms == 0 || now <= c->not_after_ms ||
		now - c->not_after_ms <= GRACE_MS;
}
