/*
 * e2e_keys: device keys, one-time keys, fallback keys (module end_to_end_encryption, "Key
 * distribution").
 *
 * The server stores what devices sign and hands it out; it never has a private key. What comes
 * from other servers is checked for shape before it is kept (security.md, F10).
 */
#ifndef KITH_USER_E2E_KEYS_H
#define KITH_USER_E2E_KEYS_H

#include "node/user/users.h"

/* For device_one_time_keys_count and device_unused_fallback_key_types in /sync: writes an
 * object {"signed_curve25519": n, ...} (always with signed_curve25519) and an array of names.
 */
enum err e2e_keys_write_counts(struct users *u, int64_t device, struct jw *w) MUST_CHECK;
enum err e2e_keys_write_fallback(struct users *u, int64_t device, struct jw *w) MUST_CHECK;

/* POST keys/upload: checks everything, then stores everything. Appends the answer. ERR_INVALID
 * (a one-time key of the same id with other content), ERR_MALFORMED. */
enum err e2e_keys_upload(struct users *u, const struct user_caller *who,
	const struct json *body, struct buf *out, struct err_ctx *why) MUST_CHECK;

/* POST keys/query and keys/claim. Each server is asked at once, with the same deadline. */
struct e2e_keys_call {
	/* Once, on the loop, never before the start function returned; reply is the answer's
	 * text, borrowed for the call. */
	void (*done)(struct e2e_keys_call *c, enum err err, struct str reply);
	void *arg;
	struct err_ctx why;
};
/* ERR_MALFORMED, ERR_INVALID at once; then done is not called. body is borrowed until then. */
enum err e2e_keys_query(struct users *u, const struct user_caller *who, const struct json *body,
	struct e2e_keys_call *c, struct err_ctx *why) MUST_CHECK;
enum err e2e_keys_claim(struct users *u, const struct user_caller *who, const struct json *body,
	struct e2e_keys_call *c, struct err_ctx *why) MUST_CHECK;

#endif
