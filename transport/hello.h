/*
 * hello: what two nodes say before anything else (overlay.md, section 4).
 *
 * OPEN, REPLY and RETRY travel in the clear around the Noise messages; HELLO travels inside
 * them and carries the certificate.
 *
 * HELLO TLVs beyond overlay.md's 1 to 5: 6 is the user id of the node's owner (so that a
 * pairing tells both people whom to write to), 7 the session epoch (8 random bytes: a peer that
 * says the same one as before still has the session's state, and the session goes on over the
 * new link), 8 what of the peer's outbox is committed (transport/acked.h).
 */
#ifndef KITH_TRANSPORT_HELLO_H
#define KITH_TRANSPORT_HELLO_H

#include "node/base/buf.h"
#include "node/base/err.h"
#include "transport/cert.h"
#include "transport/noise.h"

#define HELLO_VERSION 1
#define OPEN_LEN      32
#define OPEN_BOUND    16 /* the part that a cookie covers */
#define REPLY_LEN     24
#define RETRY_LEN     24
#define COOKIE_LEN    16
#define COOKIE_NONCE  8
#define INVITE_ID_LEN 8
#define EPOCH_LEN     8

#define RECORD_MAX_SMALL 16384
#define RECORD_MAX_LARGE 65519

enum capability {
	CAP_TRANSIT = 1,
	CAP_MAILBOX = 2,
	CAP_SEARCH = 4,
	CAP_ZSTD = 8,
	CAP_MOBILE = 16,
};

struct open {
	enum noise_pattern pattern;
	uint8_t lowest, highest;
	uint8_t flags;
	unsigned char invite_id[INVITE_ID_LEN];
	unsigned char cookie[COOKIE_LEN];
};

void open_encode(const struct open *o, unsigned char out[OPEN_LEN]);
/* Exactly OPEN_LEN bytes; ERR_MALFORMED. Versions are the caller's matter. */
enum err open_parse(struct str bytes, struct open *out) MUST_CHECK;

struct reply {
	bool retry;
	uint8_t version, flags; /* of a REPLY */
	uint8_t difficulty;     /* of a RETRY */
	unsigned char cookie[COOKIE_LEN];
};

void reply_encode(const struct reply *r, unsigned char out[REPLY_LEN]);
enum err reply_parse(struct str bytes, struct reply *out) MUST_CHECK;

struct hello {
	uint8_t version, flags;
	struct str cert_bytes; /* CERT_LEN */
	struct cert cert;      /* parsed only */
	uint32_t capabilities;
	uint64_t iddoc_seq;
	uint16_t max_record;
	struct str observed; /* address as we see the peer, 6 or 18 bytes, or empty */
	struct str owner;    /* user id, or empty */
	struct str epoch;    /* EPOCH_LEN bytes, or empty */
	struct str acked;    /* as acked_put() has it, or empty */
};

/* Appends. */
void hello_encode(const struct hello *h, struct buf *out);
/* Everything in out is borrowed from bytes. The certificate is checked (cert_parse), and that
 * its node key is the Noise static key rs. An owner that isn't a user of the certified identity
 * is ERR_MALFORMED. */
enum err hello_parse(struct str bytes, const unsigned char rs[32], struct hello *out,
	struct err_ctx *why) MUST_CHECK;

/* True for "@localpart:name" with exactly this server name, at most 255 bytes. */
bool hello_owner_ok(struct str user_id, const unsigned char identity[32]);

#endif
