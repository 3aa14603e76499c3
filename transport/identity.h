/*
 * identity: who a node is (overlay.md, section 2).
 *
 * The identity key is a person's server; its base32 is the server name and it signs events as
 * `ed25519:0`. The node key is this device's and never copied. A certificate binds them, and
 * the identity document (transport/iddoc.h) tells others which devices are certified.
 *
 * Secrets lie in one sodium_malloc block, wiped by identity_free(). Any thread may read an
 * identity; nothing in it changes but through identity_set_document(), on the loop thread.
 */
#ifndef KITH_TRANSPORT_IDENTITY_H
#define KITH_TRANSPORT_IDENTITY_H

#include "node/base/buf.h"
#include "node/base/clock.h"
#include "node/base/err.h"

#include <stdbool.h>

#define IDENTITY_NAME_LEN     52 /* characters of a kith server name */
#define IDENTITY_CODE_LEN     65 /* a recovery code: 11 groups of 5 with '-' between */
#define IDENTITY_EVENT_KEY_ID "ed25519:0"

struct identity;

/* The recovery seed, shown to its owner once and kept nowhere. */
struct identity_recovery {
	unsigned char seed[32];
};

/* A new identity with its first certificate and document; *recovery is to be shown with
 * identity_recovery_code() and wiped with identity_recovery_wipe(). now_ms is wall time. */
struct identity *identity_new(
	const struct rng *rng, int64_t now_ms, struct identity_recovery *recovery);

/* The identity of a recovery seed on a new device: identity key number 0 with a new node key, a
 * certificate for it and a document whose seq is now_ms, so that it follows the lost one's: it
 * doesn't list the lost device, which whoever has met the new one therefore refuses. */
struct identity *identity_recover(
	const struct rng *rng, int64_t now_ms, const struct identity_recovery *recovery);

/* NULL is fine. */
void identity_free(struct identity *id);
void identity_freep(struct identity **id); /* for CLEANUP */

/* The server name: 52 characters and a NUL. Borrowed, as long as id. */
const char *identity_name(const struct identity *id);

/* Borrowed, as long as id. */
const unsigned char *identity_public(const struct identity *id); /* 32 bytes */
const unsigned char *identity_node_public(const struct identity *id);
/* 64 bytes, libsodium's form: what sign_key.secret of the event-signing key wants. */
const unsigned char *identity_secret(const struct identity *id);
const unsigned char *identity_node_secret(const struct identity *id);
/* The Noise static key pair of the node: X25519, 32 bytes each. */
const unsigned char *identity_noise_secret(const struct identity *id);
const unsigned char *identity_noise_public(const struct identity *id);
struct str identity_certificate(const struct identity *id); /* 183 bytes */
struct str identity_document(const struct identity *id);
uint64_t identity_document_seq(const struct identity *id);

/* Takes a newer document of this identity, which must hold a certificate of this node. */
enum err identity_set_document(
	struct identity *id, struct str document, struct err_ctx *why) MUST_CHECK;

/* A certificate of this node that has a year or less to go gets a successor for two more, in a
 * new document: true, and both are to be saved. It goes on from when the first one began, since
 * the clock may be wrong. */
bool identity_renew(struct identity *id, int64_t now_ms);

/* The server name of a public key: writes 52 characters and a NUL. */
void identity_name_of(const unsigned char public_key[32], char name[IDENTITY_NAME_LEN + 1]);

/* Back: false for anything that isn't exactly one (base32 that re-encodes to itself, a key
 * that identity_key_ok()). */
bool identity_name_parse(struct str name, unsigned char public_key[32]);

/* A canonical point of the prime-order group's curve that isn't of low order. */
bool identity_key_ok(const unsigned char public_key[32]);

/* "xxxxx-xxxxx-..." : 65 characters and a NUL. */
void identity_recovery_code(
	const struct identity_recovery *recovery, char code[IDENTITY_CODE_LEN + 1]);
/* Either case; blanks and '-' anywhere. ERR_MALFORMED says what is wrong (length, a character,
 * the check bytes) without repeating the code. */
enum err identity_recovery_parse(
	struct str code, struct identity_recovery *recovery, struct err_ctx *why) MUST_CHECK;
void identity_recovery_wipe(struct identity_recovery *recovery);

/* The text of the identity file (holds secrets: wipe it), and back. Damage of any kind is
 * ERR_CORRUPT. */
void identity_encode(const struct identity *id, struct buf *out);
enum err identity_decode(
	struct str text, struct identity **out, struct err_ctx *why) MUST_CHECK;

#endif
