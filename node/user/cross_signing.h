/*
 * cross_signing: a user's master, self-signing and user-signing keys, and the signatures that
 * bind devices and other users to them (module end_to_end_encryption, "Cross-signing").
 *
 * A user's own signatures are stored in the objects that they sign; what a user's user-signing
 * key says of others is stored apart, and shown to that user alone.
 */
#ifndef KITH_USER_CROSS_SIGNING_H
#define KITH_USER_CROSS_SIGNING_H

#include "node/user/users.h"

/* device_signing/upload. What authentication it needs: none for the first keys or for the same
 * ones again ("server-side: POST device_signing/upload"). */
enum err cross_signing_needs_auth(struct users *u, const struct user_caller *who,
	const struct json *body, bool *needs, struct err_ctx *why) MUST_CHECK;
/* Checks the keys and their signatures, then stores. ERR_MALFORMED, ERR_INVALID
 * (M_INVALID_SIGNATURE when *bad_signature). */
enum err cross_signing_upload(struct users *u, const struct user_caller *who,
	const struct json *body, bool *bad_signature, struct err_ctx *why) MUST_CHECK;

/* signatures/upload: {user_id: {key_id: signed object}}; appends {"failures":{...}}. */
enum err cross_signing_signatures(struct users *u, const struct user_caller *who,
	const struct json *body, struct buf *out, struct err_ctx *why) MUST_CHECK;

/* The stored key of a user, local or cached: usage is "master", "self_signing" or
 * "user_signing"; with viewer's signatures on it where viewer (may be empty) may see them.
 * ERR_NOT_FOUND. */
enum err cross_signing_get(struct users *u, struct arena *a, struct str user_id,
	struct str usage, struct str viewer, struct str *json) MUST_CHECK;

/* A master key's text as the viewer may see it: with what the viewer's own user-signing key
 * says. json and *out are in a. */
enum err cross_signing_view(struct users *u, struct arena *a, struct str user_id,
	struct str public_key, struct str json, struct str viewer, struct str *out) MUST_CHECK;

/* A key of another server's user as that server gave it; shape is checked here, an object of
 * the wrong shape or user is ERR_MALFORMED. */
enum err cross_signing_put_remote(struct users *u, struct str user_id, struct str usage,
	const struct json *key, struct err_ctx *why) MUST_CHECK;

#endif
