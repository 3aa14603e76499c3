/*
 * cross_signing: cross-signing keys of users, ours and others', and our users' signatures on
 * others' keys.
 */
#ifndef KITH_STORE_CROSS_SIGNING_H
#define KITH_STORE_CROSS_SIGNING_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

struct store_cross_key {
	struct str usage;
	struct str key_id; /* the public key's text */
	struct str json;
};

/* ERR_NOT_FOUND. */
enum err store_cross_key_get(struct store *st, struct arena *a, struct str user_id,
	struct str usage, struct store_cross_key *out) MUST_CHECK;
enum err store_cross_key_put(
	struct store *st, struct str user_id, const struct store_cross_key *k) MUST_CHECK;
enum err store_cross_key_delete(
	struct store *st, struct str user_id, struct str usage) MUST_CHECK;
/* Has the user a cross-signing key of that public key? */
enum err store_cross_key_has(
	struct store *st, struct str user_id, struct str key_id, bool *has) MUST_CHECK;

struct store_user_signature {
	struct str key_id; /* what signed, with the algorithm */
	struct str signature;
};
enum err store_user_signature_put(struct store *st, int64_t account, struct str user_id,
	struct str master_key, const struct store_user_signature *s, int64_t pos) MUST_CHECK;
enum err store_user_signature_list(struct store *st, struct arena *a, int64_t account,
	struct str user_id, struct str master_key, struct store_user_signature **out,
	size_t *n) MUST_CHECK;
/* Those made with a key that is replaced. */
enum err store_user_signature_clear(struct store *st, int64_t account) MUST_CHECK;

#endif
