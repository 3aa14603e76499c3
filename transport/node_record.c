#include "transport/node_record.h"

#include <string.h>

#include "transport/identity.h"
#include "transport/wire.h"

#define CTX          "kith-node"
#define VERSION      1
#define SIGNATURE    64
#define LOCATORS_MAX 3
#define DEPTH_MAX    64
#define TLV_OWNER    1
#define DAY_MS       86400000ull

void node_record_encode(
	const struct node_record *r, const unsigned char node_secret[64], struct buf *out)
{
	size_t at = out->n;
	unsigned char sig[SIGNATURE];

	buf_put_u8(out, VERSION);
	buf_put(out, r->node, 32);
	buf_put_be64(out, r->seq);
	buf_put_be32(out, r->lifetime_s);
	buf_put_u8(out, r->class);
	buf_put_u8(out, r->sleeping);
	buf_put_u8(out, (uint8_t)r->n_endpoints);
	for (size_t i = 0; i < r->n_endpoints; i++)
		endpoint_put(&r->endpoints[i], out);
	buf_put_u8(out, 0); /* locators belong to open mode */
	if (r->owner[0])
		wire_put_tlv(out, TLV_OWNER, str_of(r->owner));
	wire_sign(sig, CTX, (struct str){ out->p + at, out->n - at }, node_secret);
	buf_put(out, sig, sizeof(sig));
}

static void get_endpoints(struct wire *w, struct node_record *r)
{
	size_t n = wire_u8(w);

	if (n > ENDPOINTS_MAX)
		w->bad = true;
	for (size_t i = 0; i < n && !w->bad; i++) {
		bool known;

		endpoint_get(w, &r->endpoints[r->n_endpoints], &known);
		r->n_endpoints += known;
	}
}

static void skip_locators(struct wire *w)
{
	size_t n = wire_u8(w);

	if (n > LOCATORS_MAX)
		w->bad = true;
	for (size_t i = 0; i < n && !w->bad; i++) {
		uint8_t depth;

		wire_bytes(w, 4);
		depth = wire_u8(w);
		if (depth > DEPTH_MAX)
			w->bad = true;
		wire_bytes(w, 4 * (size_t)depth);
	}
}

static bool get_tlvs(struct str tlvs, struct node_record *r)
{
	struct wire w = wire_of(tlvs);
	struct str value;
	uint8_t type;

	while (wire_tlv(&w, 1u << TLV_OWNER, &type, &value)) {
		if (value.n >= sizeof(r->owner))
			return false;
		memcpy(r->owner, value.p, value.n);
		r->owner[value.n] = '\0';
	}
	return wire_done(&w) && strlen(r->owner) < sizeof(r->owner);
}

enum err node_record_parse(
	struct str bytes, int64_t now_ms, struct node_record *out, struct err_ctx *why)
{
	struct wire w = wire_of(bytes);
	struct node_record r = { 0 };
	uint8_t version = wire_u8(&w);

	if (bytes.n > NODE_RECORD_MAX || version != VERSION)
		return err_set(why, ERR_MALFORMED, "not a version 1 node record");
	wire_copy(&w, r.node, 32);
	r.seq = wire_u64(&w);
	r.lifetime_s = wire_u32(&w);
	r.class = wire_u8(&w);
	r.sleeping = wire_u8(&w);
	get_endpoints(&w, &r);
	skip_locators(&w);
	if (w.bad || w.rest.n < SIGNATURE || r.class > 3 || r.sleeping > 1 ||
		r.lifetime_s > NODE_RECORD_LIFETIME_MAX ||
		!get_tlvs(str_head(w.rest, w.rest.n - SIGNATURE), &r) ||
		!identity_key_ok(r.node))
		return err_set(why, ERR_MALFORMED, "a malformed node record");
	if (!wire_verify((const unsigned char *)bytes.p + bytes.n - SIGNATURE, CTX,
		    str_head(bytes, bytes.n - SIGNATURE), r.node))
		return err_set(why, ERR_FORBIDDEN, "a node record with a wrong signature");
	if (r.seq > (now_ms > 0 ? (uint64_t)now_ms : 0) + DAY_MS)
		return err_set(why, ERR_INVALID, "a node record from the future");
	*out = r;
	return ERR_OK;
}
