#include "transport/iddoc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "transport/identity.h"
#include "transport/wire.h"

#define CTX     "kith-iddoc"
#define VERSION 1
#define TRAILER (32 + 64) /* signer, signature */

void iddoc_encode(const struct iddoc *d, const unsigned char signer_secret[64], struct buf *out)
{
	size_t at = out->n;
	unsigned char sig[64];

	assert(d->n_certs <= IDDOC_MAX_CERTS && d->n_revoked <= IDDOC_MAX_REVOKED);
	assert(d->n_homes <= IDDOC_MAX_HOMES);
	buf_put_u8(out, VERSION);
	buf_put_u8(out, (uint8_t)d->kind);
	buf_put(out, d->identity, 32);
	buf_put_be64(out, d->seq);
	buf_put(out, d->next, 32);
	buf_put_be16(out, d->mailbox_id);
	buf_put(out, d->mailbox, 32);
	buf_put_u8(out, (uint8_t)d->n_certs);
	for (size_t i = 0; i < d->n_certs; i++)
		buf_put_str(out, d->cert_bytes[i]);
	buf_put_u8(out, (uint8_t)d->n_revoked);
	for (size_t i = 0; i < d->n_revoked; i++) {
		buf_put(out, d->revoked[i].node, 32);
		buf_put_be64(out, d->revoked[i].time_ms);
	}
	buf_put_u8(out, (uint8_t)d->n_homes);
	for (size_t i = 0; i < d->n_homes; i++)
		buf_put(out, d->homes[i], 32);
	buf_put(out, d->signer, 32);
	wire_sign(sig, CTX, (struct str){ out->p + at, out->n - at }, signer_secret);
	buf_put(out, sig, sizeof(sig));
}

static enum err parse_certs(struct wire *w, struct iddoc *d, struct err_ctx *why)
{
	size_t n = wire_u8(w);

	if (n > IDDOC_MAX_CERTS)
		return err_set(why, ERR_MALFORMED, "an identity document with %zu nodes", n);
	for (size_t i = 0; i < n; i++) {
		enum err err;

		d->cert_bytes[i] = wire_bytes(w, CERT_LEN);
		if (w->bad)
			return err_set(why, ERR_MALFORMED, "a cut identity document");
		err = cert_parse(d->cert_bytes[i], &d->certs[i], why);
		if (err)
			return err;
		if (memcmp(d->certs[i].identity, d->identity, 32) != 0)
			return err_set(why, ERR_MALFORMED,
				"an identity document with another's certificate");
	}
	d->n_certs = n;
	return ERR_OK;
}

static void parse_lists(struct wire *w, struct iddoc *d)
{
	d->n_revoked = wire_u8(w);
	if (d->n_revoked > IDDOC_MAX_REVOKED) {
		w->bad = true;
		return;
	}
	for (size_t i = 0; i < d->n_revoked; i++) {
		wire_copy(w, d->revoked[i].node, 32);
		d->revoked[i].time_ms = wire_u64(w);
	}
	d->n_homes = wire_u8(w);
	if (d->n_homes > IDDOC_MAX_HOMES) {
		w->bad = true;
		return;
	}
	for (size_t i = 0; i < d->n_homes; i++)
		wire_copy(w, d->homes[i], 32);
}

static bool tlvs_ok(struct str tlvs)
{
	struct wire w = wire_of(tlvs);
	struct str value;
	uint8_t type;

	while (wire_tlv(&w, 0, &type, &value))
		;
	return wire_done(&w);
}

enum err iddoc_parse(struct str bytes, struct iddoc *out, struct err_ctx *why)
{
	static const char malformed[] = "not a version 1 identity document";
	struct wire w = wire_of(bytes);
	struct wire end;
	struct str sig;
	uint8_t kind;
	enum err err;

	if (bytes.n > IDDOC_MAX || bytes.n < TRAILER || wire_u8(&w) != VERSION)
		return err_set(why, ERR_MALFORMED, "%s", malformed);
	memset(out, 0, sizeof(*out));
	kind = wire_u8(&w);
	wire_copy(&w, out->identity, 32);
	out->seq = wire_u64(&w);
	wire_copy(&w, out->next, 32);
	out->mailbox_id = wire_u16(&w);
	wire_copy(&w, out->mailbox, 32);
	err = parse_certs(&w, out, why);
	if (err)
		return err;
	parse_lists(&w, out);
	if (w.bad || w.rest.n < TRAILER || kind > IDDOC_AMENDMENT)
		return err_set(why, ERR_MALFORMED, "%s", malformed);
	out->kind = (enum iddoc_kind)kind;
	if (!tlvs_ok(str_head(w.rest, w.rest.n - TRAILER)))
		return err_set(why, ERR_MALFORMED, "%s", malformed);
	end = wire_of(str_skip(w.rest, w.rest.n - TRAILER));
	wire_copy(&end, out->signer, 32);
	sig = wire_bytes(&end, 64);
	if (!identity_key_ok(out->identity))
		return err_set(why, ERR_MALFORMED, "an identity document for a bad key");
	if (out->kind == IDDOC_IDENTITY && memcmp(out->signer, out->identity, 32) != 0)
		return err_set(why, ERR_FORBIDDEN, "an identity document by another");
	if (!wire_verify((const unsigned char *)sig.p, CTX, str_head(bytes, bytes.n - 64),
		    out->signer))
		return err_set(
			why, ERR_FORBIDDEN, "an identity document with a wrong signature");
	return ERR_OK;
}

/* ---- sets ---- */

void iddoc_set_deinit(struct iddoc_set *s)
{
	buf_deinit(&s->base);
	for (size_t i = 0; i < s->n_amendments; i++)
		buf_deinit(&s->amendments[i]);
	s->n_amendments = 0;
}

/* What is in a set was parsed when it came in. */
static struct iddoc *parsed(const struct buf *bytes)
{
	struct iddoc *d = NEW(struct iddoc);
	enum err err = iddoc_parse(buf_str(bytes), d, NULL);

	assert(!err);
	(void)err;
	return d;
}

uint64_t iddoc_set_seq(const struct iddoc_set *s)
{
	struct wire w = wire_of(buf_str(&s->base));

	if (s->base.n == 0)
		return 0;
	wire_bytes(&w, 1 + 1 + 32);
	return wire_u64(&w);
}

static bool revokes(const struct iddoc *d, const unsigned char node[32])
{
	for (size_t i = 0; i < d->n_revoked; i++) {
		if (memcmp(d->revoked[i].node, node, 32) == 0)
			return true;
	}
	return false;
}

static bool set_revokes(
	const struct iddoc_set *s, const struct iddoc *base, const unsigned char node[32])
{
	bool found = revokes(base, node);

	for (size_t i = 0; i < s->n_amendments && !found; i++) {
		CLEANUP(freep) struct iddoc *d = parsed(&s->amendments[i]);

		found = revokes(d, node);
	}
	return found;
}

/* The identity's own word alone makes a granting node: a grant can't be passed on. */
static bool grants(const struct iddoc *base, const unsigned char node[32])
{
	for (size_t i = 0; i < base->n_certs; i++) {
		if (memcmp(base->certs[i].node, node, 32) == 0 &&
			base->certs[i].issuer_kind == CERT_BY_IDENTITY)
			return base->certs[i].flags & CERT_MAY_CERTIFY;
	}
	return false;
}

static void replace_base(struct iddoc_set *s, struct str bytes)
{
	iddoc_set_deinit(s);
	buf_put_str(&s->base, bytes);
}

static enum err merge_identity(
	struct iddoc_set *s, const struct iddoc *d, struct str bytes, bool *changed)
{
	uint64_t have = iddoc_set_seq(s);

	/* Two different documents of one seq are a mistake of their owner; every reader
	 * still has to end with the same one. */
	if (d->seq > have ||
		(d->seq == have && (s->base.n == 0 || str_cmp(bytes, buf_str(&s->base)) > 0))) {
		replace_base(s, bytes);
		*changed = true;
	}
	return ERR_OK;
}

static enum err merge_amendment(struct iddoc_set *s, const struct iddoc *base,
	const struct iddoc *d, struct str bytes, bool *changed, struct err_ctx *why)
{
	size_t at = 0;

	if (d->seq < base->seq)
		return ERR_OK; /* ended with the document that it amended */
	if (d->seq > base->seq)
		return err_set(why, ERR_NOT_FOUND, "an amendment to an unknown document");
	if (!grants(base, d->signer))
		return err_set(why, ERR_FORBIDDEN, "an amendment by a node without the right");
	for (; at < s->n_amendments; at++) {
		int order = str_cmp(buf_str(&s->amendments[at]), bytes);

		if (order == 0)
			return ERR_OK;
		if (order > 0)
			break;
	}
	if (s->n_amendments == IDDOC_MAX_AMENDMENTS)
		return err_set(why, ERR_FULL, "too many amendments");
	memmove(&s->amendments[at + 1], &s->amendments[at],
		(s->n_amendments - at) * sizeof(s->amendments[0]));
	s->amendments[at] = (struct buf){ 0 };
	buf_put_str(&s->amendments[at], bytes);
	s->n_amendments++;
	*changed = true;
	return ERR_OK;
}

enum err iddoc_set_merge(
	struct iddoc_set *s, struct str bytes, bool *changed, struct err_ctx *why)
{
	CLEANUP(freep) struct iddoc *d = NEW(struct iddoc);
	CLEANUP(freep) struct iddoc *base = NULL;
	enum err err = iddoc_parse(bytes, d, why);

	if (err)
		return err;
	*changed = false;
	if (s->base.n > 0) {
		base = parsed(&s->base);
		if (memcmp(base->identity, d->identity, 32) != 0)
			return err_set(why, ERR_INVALID, "a document of another identity");
	}
	if (d->kind == IDDOC_IDENTITY)
		return merge_identity(s, d, bytes, changed);
	if (!base)
		return err_set(why, ERR_NOT_FOUND, "an amendment to an unknown document");
	return merge_amendment(s, base, d, bytes, changed, why);
}

bool iddoc_set_revokes(const struct iddoc_set *s, const unsigned char node[32])
{
	CLEANUP(freep) struct iddoc *base = NULL;

	if (s->base.n == 0)
		return false;
	base = parsed(&s->base);
	return set_revokes(s, base, node);
}

static bool lists(const struct iddoc *d, const unsigned char node[32])
{
	for (size_t i = 0; i < d->n_certs; i++) {
		if (memcmp(d->certs[i].node, node, 32) == 0)
			return true;
	}
	return false;
}

static bool set_lists(
	const struct iddoc_set *s, const struct iddoc *base, const unsigned char node[32])
{
	bool found = lists(base, node);

	for (size_t i = 0; i < s->n_amendments && !found; i++) {
		CLEANUP(freep) struct iddoc *d = parsed(&s->amendments[i]);

		found = lists(d, node);
	}
	return found;
}

bool iddoc_set_allows(const struct iddoc_set *s, const struct cert *c)
{
	CLEANUP(freep) struct iddoc *base = NULL;

	if (s->base.n == 0)
		return c->issuer_kind == CERT_BY_IDENTITY;
	base = parsed(&s->base);
	if (memcmp(base->identity, c->identity, 32) != 0 || !set_lists(s, base, c->node) ||
		set_revokes(s, base, c->node))
		return false;
	if (c->issuer_kind == CERT_BY_IDENTITY)
		return true;
	return grants(base, c->issuer) && !set_revokes(s, base, c->issuer);
}
