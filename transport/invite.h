/*
 * invite: how two people's nodes meet (overlay.md, section 5).
 *
 * `kith:1` and base32 of: version u8=1, flags u8, inviter identity 32, node 32, secret 16,
 * expiry u32 minutes since 1970, endpoints count u8 (<=3) x {type, len, value}, homes count u8
 * (<=2) x {node key 32, endpoint}, TLVs, check H4 of all before. Whoever holds the text may
 * pair, once or until it expires; the secret itself never travels: both sides derive the key
 * and the id from it.
 */
#ifndef KITH_TRANSPORT_INVITE_H
#define KITH_TRANSPORT_INVITE_H

#include "node/base/buf.h"
#include "node/base/err.h"
#include "transport/endpoint.h"
#include "transport/hello.h"

#define INVITE_ENDPOINTS 3
#define INVITE_HINT_MAX  32
#define INVITE_TEXT_MAX  4096
#define INVITE_SECRET    16

enum invite_flag {
	INVITE_SINGLE_USE = 1,
	INVITE_MUTUAL = 2,
	INVITE_ROOM = 4,
};

struct invite {
	uint8_t flags;
	unsigned char identity[32];
	unsigned char node[32];
	unsigned char secret[INVITE_SECRET];
	uint32_t expiry_min;
	struct endpoint endpoints[INVITE_ENDPOINTS];
	size_t n_endpoints;
	char room[256]; /* a room id or alias, or empty */
	char hint[INVITE_HINT_MAX + 1];
};

/* Upper case, so that a QR code can use its alphanumeric mode. */
void invite_encode(const struct invite *v, struct buf *text);

/* Takes either case, blanks around, and any link whose fragment is the invite. ERR_MALFORMED
 * with a text for the person who pasted it. */
enum err invite_parse(struct str text, struct invite *out, struct err_ctx *why) MUST_CHECK;

void invite_psk(const unsigned char secret[INVITE_SECRET], unsigned char psk[32]);
void invite_id(const unsigned char secret[INVITE_SECRET], unsigned char id[INVITE_ID_LEN]);

#endif
