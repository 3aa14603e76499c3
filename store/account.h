/*
 * account: rows of local accounts, their logins and the tokens that let people in.
 *
 * Strings that come back are copies in the arena given. Tokens are hashes (node/user/token.h).
 */
#ifndef KITH_STORE_ACCOUNT_H
#define KITH_STORE_ACCOUNT_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

struct store_account {
	int64_t nid;
	struct str user_id;
	struct str password; /* empty: none */
	bool is_admin;
	bool is_locked;
	bool is_suspended;
	bool is_deactivated;
};

/* ERR_NOT_FOUND. Deactivated accounts are found. */
enum err store_account_get(struct store *st, struct arena *a, struct str user_id,
	struct store_account *out) MUST_CHECK;
enum err store_account_user_id(
	struct store *st, struct arena *a, int64_t account, struct str *user_id) MUST_CHECK;
/* ERR_EXISTS. a->nid is not read. */
enum err store_account_put(struct store *st, const struct store_account *a, int64_t created_ts,
	int64_t *nid) MUST_CHECK;
/* Everything but user_id. */
enum err store_account_update(struct store *st, const struct store_account *a) MUST_CHECK;
enum err store_account_count(struct store *st, int64_t *n) MUST_CHECK;
/* Deletes all that belongs to the account but its row and its devices. */
enum err store_account_clear(struct store *st, int64_t account) MUST_CHECK;

struct store_session {
	int64_t nid;
	int64_t account;
	int64_t device;
	const unsigned char *access_hash;  /* 32 bytes */
	const unsigned char *refresh_hash; /* 32 bytes or NULL */
	int64_t expires_ts;
	int64_t previous;
};

/* A login with the rows that it belongs to. */
struct store_login {
	struct store_session session; /* without the hashes */
	struct store_account account; /* without the password */
	struct str device_id;
	int64_t last_seen_ts;
};

enum err store_session_put(
	struct store *st, const struct store_session *s, int64_t *nid) MUST_CHECK;
/* ERR_NOT_FOUND. */
enum err store_session_by_access(struct store *st, struct arena *a, const unsigned char *hash,
	struct store_login *out) MUST_CHECK;
enum err store_session_by_refresh(struct store *st, struct arena *a, const unsigned char *hash,
	struct store_login *out) MUST_CHECK;
/* The session is in use: the one before it ends. */
enum err store_session_confirm(struct store *st, const struct store_session *s) MUST_CHECK;
/* Ends those that were made from previous and never used. */
enum err store_session_drop_next(struct store *st, int64_t previous) MUST_CHECK;
enum err store_session_delete_device(struct store *st, int64_t device) MUST_CHECK;

/* uses_left below 0: any number; expires_ts 0: never. ERR_EXISTS. */
enum err store_registration_token_put(
	struct store *st, struct str token, int64_t uses_left, int64_t expires_ts) MUST_CHECK;
/* ERR_NOT_FOUND: unknown, used up or expired. */
enum err store_registration_token_check(
	struct store *st, struct str token, int64_t now_ts) MUST_CHECK;
enum err store_registration_token_use(
	struct store *st, struct str token, int64_t now_ts) MUST_CHECK;

/* Drops expired ones, too. */
enum err store_openid_put(struct store *st, const unsigned char *hash, int64_t account,
	int64_t now_ts, int64_t expires_ts) MUST_CHECK;
enum err store_openid_get(struct store *st, struct arena *a, const unsigned char *hash,
	int64_t now_ts, struct str *user_id) MUST_CHECK;

#endif
