/*
 * sign: Ed25519 signatures of JSON objects and events (appendices "Signing JSON", server-server
 * API "Signing Events"). Keys are named `ed25519:x`.
 */
#ifndef KITH_CORE_SIGN_H
#define KITH_CORE_SIGN_H

#include "node/base/err.h"
#include "node/core/event.h"

struct sign_key {
	struct str server_name;      /* borrowed */
	struct str key_id;           /* "ed25519:0", borrowed */
	const unsigned char *secret; /* 64 bytes, libsodium's form; borrowed */
};

/* Appends the canonical text of obj (without unsigned and old signatures of ours) with key's
 * signature added to its signatures. */
enum err sign_json(
	const struct json *obj, const struct sign_key *key, struct buf *out) MUST_CHECK;

/* ERR_FORBIDDEN if signatures[server][key_id] is missing or wrong. */
enum err sign_json_verify(const struct json *obj, struct str server, struct str key_id,
	const unsigned char public_key[32], struct err_ctx *why) MUST_CHECK;

/* Over the redacted event without signatures and unsigned. */
enum err sign_event_verify(const struct event *e, struct str server, struct str key_id,
	const unsigned char public_key[32], struct err_ctx *why) MUST_CHECK;

/* The servers whose signatures an event needs (sender's; that of an authorising user in a
 * restricted join; the event id's in versions 1 and 2; none for an m.room.member with
 * third_party_invite's sender exception). At most 3. Returns their number. */
size_t sign_event_servers(const struct event *e, struct str out[3]);

#endif
