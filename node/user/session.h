/*
 * session: a device and the tokens of a login, made and ended. For the files of node/user; all
 * inside a transaction.
 */
#ifndef KITH_USER_SESSION_H
#define KITH_USER_SESSION_H

#include "node/user/account.h"
#include "node/user/users_impl.h"

/* ERR_INVALID: the device id is too long or no text, or has the name of a cross-signing key, or
 * there are too many devices. Strings of out are in the arena. */
enum err session_start(struct users *u, struct arena *a, const struct store_account *account,
	const struct account_device *device, struct account_session *out,
	struct err_ctx *why) MUST_CHECK;

/* New tokens for the device of an old login, which ends when they are used. */
enum err session_renew(struct users *u, struct arena *a, const struct store_login *old,
	struct account_session *out) MUST_CHECK;

/* The device goes, with its tokens, keys and messages; others are told. */
enum err session_end_device(
	struct users *u, struct str user_id, const struct store_device *d) MUST_CHECK;
/* All but the device of nid except (0: all). */
enum err session_end_all(
	struct users *u, struct str user_id, int64_t account, int64_t except) MUST_CHECK;

#endif
