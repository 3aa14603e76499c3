/*
 * e2e_shape: what keys must look like before they are kept or passed on (security.md, F10), and
 * the signatures in them.
 */
#ifndef KITH_USER_E2E_SHAPE_H
#define KITH_USER_E2E_SHAPE_H

#include "node/base/arena.h"
#include "node/base/buf.h"
#include "node/base/err.h"
#include "node/json/json.h"

/* One key with its signatures, as it is stored. */
#define E2E_KEY_BYTES 16384U

/* Device keys of that user and device. ERR_MALFORMED. */
enum err e2e_shape_device_keys(const struct json *keys, struct str user_id,
	struct str device_id, struct err_ctx *why) MUST_CHECK;

/* A cross-signing key of that user and usage; its one public key's text. ERR_MALFORMED. */
enum err e2e_shape_cross_key(const struct json *key, struct str user_id, struct str usage,
	struct str *public_key, struct err_ctx *why) MUST_CHECK;

/* A one-time or fallback key, named algorithm:id. The parts point into name. */
enum err e2e_shape_one_time_key(struct str name, const struct json *key, struct str *algorithm,
	struct str *key_id, struct err_ctx *why) MUST_CHECK;

/* The public key's bytes. ERR_MALFORMED. */
enum err e2e_shape_ed25519(struct str base64, unsigned char out[32]) MUST_CHECK;

/* Are they one key, but for signatures and unsigned? */
bool e2e_shape_same(const struct json *a, const struct json *b);

/* Appends obj without unsigned, with the signatures of both; those of more (may
 * be NULL) win. Only signers accepted by `keep` (NULL: all) are taken from more. */
void e2e_shape_merge(const struct json *obj, const struct json *more,
	bool (*keep)(void *arg, struct str user_id, struct str key_id), void *arg,
	struct buf *out);

#endif
