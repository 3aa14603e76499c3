#include "transport/hello.h"

#include <string.h>

#include <sodium.h>

#include "transport/acked.h"
#include "transport/identity.h"
#include "transport/wire.h"

#define TLV_OBSERVED 1
#define TLV_OWNER    6
#define TLV_EPOCH    7
#define TLV_ACKED    8
#define MAGIC        4

static const unsigned char magic_open[MAGIC] = { 'K', 'T', 'H', '1' };
static const unsigned char magic_reply[MAGIC] = { 'K', 'T', 'H', 'r' };
static const unsigned char magic_retry[MAGIC] = { 'K', 'T', 'H', 'c' };

static bool is_magic(struct str s, const unsigned char magic[MAGIC])
{
	return s.n == MAGIC && memcmp(s.p, magic, MAGIC) == 0;
}

void open_encode(const struct open *o, unsigned char out[OPEN_LEN])
{
	memcpy(out, magic_open, MAGIC);
	out[4] = (unsigned char)o->pattern;
	out[5] = o->lowest;
	out[6] = o->highest;
	out[7] = o->flags;
	memcpy(out + 8, o->invite_id, INVITE_ID_LEN);
	memcpy(out + 16, o->cookie, COOKIE_LEN);
}

enum err open_parse(struct str bytes, struct open *out)
{
	struct wire w = wire_of(bytes);
	struct open o = { 0 };
	struct str magic = wire_bytes(&w, MAGIC);
	uint8_t pattern = wire_u8(&w);

	o.lowest = wire_u8(&w);
	o.highest = wire_u8(&w);
	o.flags = wire_u8(&w);
	wire_copy(&w, o.invite_id, sizeof(o.invite_id));
	wire_copy(&w, o.cookie, sizeof(o.cookie));
	if (!wire_done(&w) || !is_magic(magic, magic_open) || pattern > NOISE_XX ||
		o.lowest > o.highest)
		return ERR_MALFORMED;
	o.pattern = (enum noise_pattern)pattern;
	if (o.pattern != NOISE_IKPSK1 && !sodium_is_zero(o.invite_id, sizeof(o.invite_id)))
		return ERR_MALFORMED;
	*out = o;
	return ERR_OK;
}

void reply_encode(const struct reply *r, unsigned char out[REPLY_LEN])
{
	memset(out, 0, REPLY_LEN);
	memcpy(out, r->retry ? magic_retry : magic_reply, MAGIC);
	out[4] = r->retry ? r->difficulty : r->version;
	out[5] = r->retry ? 0 : r->flags;
	memcpy(out + 8, r->cookie, COOKIE_LEN);
}

enum err reply_parse(struct str bytes, struct reply *out)
{
	struct wire w = wire_of(bytes);
	struct reply r = { 0 };
	struct str magic = wire_bytes(&w, MAGIC);
	uint8_t a = wire_u8(&w), b = wire_u8(&w);
	uint16_t zero = wire_u16(&w);

	wire_copy(&w, r.cookie, sizeof(r.cookie));
	r.retry = is_magic(magic, magic_retry);
	if (!wire_done(&w) || zero != 0 || (!r.retry && !is_magic(magic, magic_reply)) ||
		(r.retry && b != 0))
		return ERR_MALFORMED;
	if (r.retry) {
		r.difficulty = a;
	} else {
		r.version = a;
		r.flags = b;
	}
	*out = r;
	return ERR_OK;
}

static void put_optional(struct buf *out, uint8_t type, struct str value)
{
	if (value.n > 0)
		wire_put_tlv(out, type, value);
}

void hello_encode(const struct hello *h, struct buf *out)
{
	buf_put_u8(out, h->version);
	buf_put_u8(out, h->flags);
	buf_put_str(out, h->cert_bytes);
	buf_put_be32(out, h->capabilities);
	buf_put_be64(out, h->iddoc_seq);
	buf_put_be16(out, h->max_record);
	put_optional(out, TLV_OBSERVED, h->observed);
	put_optional(out, TLV_OWNER, h->owner);
	put_optional(out, TLV_EPOCH, h->epoch);
	put_optional(out, TLV_ACKED, h->acked);
}

bool hello_owner_ok(struct str user_id, const unsigned char identity[32])
{
	char name[IDENTITY_NAME_LEN + 1];
	struct str local;

	identity_name_of(identity, name);
	if (user_id.n > 255 || user_id.n < 1 + 1 + 1 + IDENTITY_NAME_LEN ||
		user_id.p[0] != '@' || !str_ends(user_id, str_of(name)) ||
		user_id.p[user_id.n - IDENTITY_NAME_LEN - 1] != ':')
		return false;
	local = str_head(str_skip(user_id, 1), user_id.n - IDENTITY_NAME_LEN - 2);
	for (size_t i = 0; i < local.n; i++) {
		/* What people can register on a kith node (appendices, "User Identifiers"). */
		if (local.p[i] <= ' ' || local.p[i] >= 127 || local.p[i] == ':')
			return false;
	}
	return true;
}

static bool parse_tlvs(struct wire *w, struct hello *h)
{
	const uint64_t known =
		1u << TLV_OBSERVED | 1u << TLV_OWNER | 1u << TLV_EPOCH | 1u << TLV_ACKED;
	struct acked acked;
	struct str value;
	uint8_t type;

	while (wire_tlv(w, known, &type, &value)) {
		if (type == TLV_OBSERVED)
			h->observed = value;
		else if (type == TLV_OWNER)
			h->owner = value;
		else if (type == TLV_EPOCH)
			h->epoch = value;
		else
			h->acked = value;
	}
	return wire_done(w) && (h->acked.n == 0 || acked_get(h->acked, &acked)) &&
		(h->observed.n == 0 || h->observed.n == 6 || h->observed.n == 18) &&
		(h->epoch.n == 0 || h->epoch.n == EPOCH_LEN);
}

enum err hello_parse(
	struct str bytes, const unsigned char rs[32], struct hello *out, struct err_ctx *why)
{
	struct wire w = wire_of(bytes);
	struct hello h = { 0 };
	unsigned char x[32];
	enum err err;

	h.version = wire_u8(&w);
	h.flags = wire_u8(&w);
	h.cert_bytes = wire_bytes(&w, CERT_LEN);
	h.capabilities = wire_u32(&w);
	h.iddoc_seq = wire_u64(&w);
	h.max_record = wire_u16(&w);
	if (!parse_tlvs(&w, &h) || h.max_record < RECORD_MAX_SMALL)
		return err_set(why, ERR_MALFORMED, "a malformed HELLO");
	err = cert_parse(h.cert_bytes, &h.cert, why);
	if (err)
		return err;
	if (crypto_sign_ed25519_pk_to_curve25519(x, h.cert.node) != 0 ||
		sodium_memcmp(x, rs, sizeof(x)) != 0)
		return err_set(why, ERR_FORBIDDEN, "a certificate of another node");
	if (h.owner.n > 0 && !hello_owner_ok(h.owner, h.cert.identity))
		return err_set(why, ERR_MALFORMED, "a HELLO with another server's user");
	*out = h;
	return ERR_OK;
}
