/*
 * keyring: which public key signed (server-server API, "Retrieving server keys").
 *
 * The name of a kith server is its identity key, so `ed25519:0` of such a name needs no
 * question. Other key ids are asked of the server that they belong to (or of the one that
 * handed us the event), and believed because the answer is signed with the identity key. Many
 * signatures are checked on the thread pool.
 */
#ifndef KITH_FEDERATION_KEYRING_H
#define KITH_FEDERATION_KEYRING_H

#include "node/federation/parts.h"

#include <stdbool.h>

struct keyring *keyring_new(struct federation *f);
void keyring_free(struct keyring *k); /* no verification may wait for an answer */

/* room_ops.verify */
void keyring_verify(struct keyring *k, struct room_verify *v);

/* The key if it is known without a question: that of a kith name, or one learnt before that
 * was valid at ts (ms; of the event). */
bool keyring_find(const struct keyring *k, struct str server, struct str key_id, int64_t ts,
	unsigned char public_key[32]);

/* Takes a server's answer to GET key/v2/server: ERR_MALFORMED, ERR_FORBIDDEN (not its
 * signature, another name). */
enum err keyring_learn(struct keyring *k, struct str server, const struct json *answer,
	struct err_ctx *why) MUST_CHECK;

/* Our own answer to GET key/v2/server. */
enum err keyring_serve(const struct federation *f, int64_t now_ms, struct buf *out) MUST_CHECK;

#endif
