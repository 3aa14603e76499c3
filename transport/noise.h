/*
 * noise: the Noise protocol framework, revision 34, with 25519, ChaChaPoly and BLAKE2b.
 *
 * The patterns that overlay.md section 4 uses. Pure: the ephemeral key comes from the caller's
 * random bytes. A struct noise goes through its messages in order; after the first error it is
 * of no more use. All structs hold secrets: wipe them with noise_wipe().
 */
#ifndef KITH_TRANSPORT_NOISE_H
#define KITH_TRANSPORT_NOISE_H

#include "node/base/buf.h"
#include "node/base/err.h"

#define NOISE_TAG     16
#define NOISE_HASH    64
#define NOISE_MAX_MSG 65535

enum noise_pattern { NOISE_IK, NOISE_IKPSK1, NOISE_XX };

/* One direction after the handshake, or the handshake's own cipher. */
struct noise_cipher {
	unsigned char k[32];
	uint64_t n; /* number of the next message */
	bool has_key;
};

struct noise_keys {
	const unsigned char *secret; /* X25519, borrowed as long as the handshake */
	const unsigned char *public_key;
};

struct noise {
	/* Out: known once a message brought it (noise_has_rs). */
	unsigned char rs[32];
	bool has_rs;

	/* Private to noise.c. */
	enum noise_pattern pattern;
	bool initiator;
	unsigned message; /* the next one's number, from 0 */
	struct noise_keys s;
	unsigned char e[32], e_public[32], re[32], psk[32];
	struct noise_cipher cipher;
	unsigned char ck[NOISE_HASH], h[NOISE_HASH];
};

/* rs: the responder's static key, for an initiator of IK and IKPSK1, else NULL. psk may come
 * later, by noise_set_psk(), but before the message that uses it. */
void noise_init(struct noise *n, enum noise_pattern pattern, bool initiator,
	struct str prologue, struct noise_keys s, const unsigned char *rs);
void noise_set_psk(struct noise *n, const unsigned char psk[32]);

/* Appends the next message. ephemeral: 32 random bytes, used if the message has a new
 * ephemeral key. ERR_FORBIDDEN: the peer gave a key of low order. */
enum err noise_write(struct noise *n, const unsigned char ephemeral[32], struct str payload,
	struct buf *out) MUST_CHECK;

/* Appends the payload of the peer's next message. ERR_MALFORMED: too short. ERR_FORBIDDEN: not
 * authentic; nothing is appended then. */
enum err noise_read(struct noise *n, struct str message, struct buf *payload) MUST_CHECK;

bool noise_finished(const struct noise *n);

/* The ciphers for what we send and what we receive. Only when finished. */
void noise_split(const struct noise *n, struct noise_cipher *tx, struct noise_cipher *rx);

/* NOISE_HASH bytes that stand for this handshake (channel binding). Only when finished. */
const unsigned char *noise_hash(const struct noise *n);

void noise_wipe(struct noise *n);
void noise_cipher_wipe(struct noise_cipher *c);

/* Appends plain encrypted, with its tag, and counts the nonce up. */
void noise_seal(struct noise_cipher *c, struct str ad, struct str plain, struct buf *out);
/* ERR_FORBIDDEN: wrong tag; nothing appended, the counter stays. */
enum err noise_open(
	struct noise_cipher *c, struct str ad, struct str sealed, struct buf *plain) MUST_CHECK;
void noise_rekey(struct noise_cipher *c);

#endif
