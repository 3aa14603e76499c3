#include "transport/invite.h"

#include <string.h>

#include "node/base/base32.h"
#include "transport/identity.h"

#define VERSION   1
#define CHECK     4
#define HOMES_MAX 2
#define TLV_ROOM  1
#define TLV_HINT  2

void invite_psk(const unsigned char secret[INVITE_SECRET], unsigned char psk[32])
{
	wire_hash(psk, 32, "kith-invite", (struct str){ (const char *)secret, INVITE_SECRET });
}

void invite_id(const unsigned char secret[INVITE_SECRET], unsigned char id[INVITE_ID_LEN])
{
	wire_hash(id, INVITE_ID_LEN, "kith-invite-id",
		(struct str){ (const char *)secret, INVITE_SECRET });
}

void invite_encode(const struct invite *v, struct buf *text)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	unsigned char check[CHECK];
	size_t at;

	buf_put_u8(&b, VERSION);
	buf_put_u8(&b, v->flags);
	buf_put(&b, v->identity, 32);
	buf_put(&b, v->node, 32);
	buf_put(&b, v->secret, INVITE_SECRET);
	buf_put_be32(&b, v->expiry_min);
	buf_put_u8(&b, (uint8_t)v->n_endpoints);
	for (size_t i = 0; i < v->n_endpoints; i++)
		endpoint_put(&v->endpoints[i], &b);
	buf_put_u8(&b, 0);
	if (v->room[0])
		wire_put_tlv(&b, TLV_ROOM, str_of(v->room));
	if (v->hint[0])
		wire_put_tlv(&b, TLV_HINT, str_of(v->hint));
	wire_hash(check, sizeof(check), NULL, buf_str(&b));
	buf_put(&b, check, sizeof(check));

	buf_put_z(text, "kith:1");
	at = text->n;
	base32_put(text, b.p, b.n);
	for (size_t i = at - 6; i < text->n; i++) {
		if (text->p[i] >= 'a' && text->p[i] <= 'z')
			text->p[i] = (char)(text->p[i] - 32);
	}
}

static enum err get_text(struct str text, struct buf *out, struct err_ctx *why)
{
	struct str head, rest;

	text = str_trim(text);
	if (str_cut(text, '#', &head, &rest))
		text = rest;
	if (text.n > INVITE_TEXT_MAX || text.n < 6 ||
		!str_eq_nocase(str_head(text, 5), STR("kith:")))
		return err_set(why, ERR_MALFORMED, "an invite begins with kith:1");
	if (text.p[5] != '1')
		return err_set(why, ERR_MALFORMED,
			"this invite is of a newer kind: a newer kith can read it");
	if (base32_get(out, str_skip(text, 6)) != ERR_OK)
		return err_set(why, ERR_MALFORMED, "the invite was not copied whole");
	return ERR_OK;
}

static void get_endpoints(struct wire *w, struct invite *v)
{
	size_t n = wire_u8(w);

	if (n > INVITE_ENDPOINTS)
		w->bad = true;
	for (size_t i = 0; i < n && !w->bad; i++) {
		bool known;

		endpoint_get(w, &v->endpoints[v->n_endpoints], &known);
		v->n_endpoints += known;
	}
	/* Homes are nodes that pass things on; this version asks the inviter alone. */
	n = wire_u8(w);
	if (n > HOMES_MAX)
		w->bad = true;
	for (size_t i = 0; i < n && !w->bad; i++) {
		struct endpoint home;
		bool known;

		wire_bytes(w, 32);
		endpoint_get(w, &home, &known);
	}
}

static bool text_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return false;
	}
	return str_is_utf8(s);
}

static bool get_tlvs(struct wire *w, struct invite *v)
{
	struct str value;
	uint8_t type;

	while (wire_tlv(w, 1u << TLV_ROOM | 1u << TLV_HINT, &type, &value)) {
		char *to = type == TLV_ROOM ? v->room : v->hint;
		size_t max = (type == TLV_ROOM ? sizeof(v->room) : sizeof(v->hint)) - 1;

		if (value.n > max || !text_ok(value))
			return false;
		memcpy(to, value.p, value.n);
		to[value.n] = '\0';
	}
	return wire_done(w);
}

enum err invite_parse(struct str text, struct invite *out, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	struct invite v = { 0 };
	unsigned char check[CHECK];
	struct wire w;
	uint8_t version;
	enum err err = get_text(text, &b, why);

	if (err)
		return err;
	if (b.n < CHECK)
		return err_set(why, ERR_MALFORMED, "the invite was not copied whole");
	wire_hash(check, sizeof(check), NULL, str_head(buf_str(&b), b.n - CHECK));
	if (memcmp(check, b.p + b.n - CHECK, CHECK) != 0)
		return err_set(why, ERR_MALFORMED, "the invite was not copied whole");
	w = wire_of(str_head(buf_str(&b), b.n - CHECK));
	version = wire_u8(&w);
	v.flags = wire_u8(&w);
	wire_copy(&w, v.identity, 32);
	wire_copy(&w, v.node, 32);
	wire_copy(&w, v.secret, INVITE_SECRET);
	v.expiry_min = wire_u32(&w);
	get_endpoints(&w, &v);
	if (w.bad || version != VERSION || !get_tlvs(&w, &v) || !identity_key_ok(v.identity) ||
		!identity_key_ok(v.node))
		return err_set(why, ERR_MALFORMED, "this is no invite that this kith can read");
	*out = v;
	return ERR_OK;
}
