/*
 * login_token: a token by which another device of the same person logs in once, without the
 * password (client-server API, "Token-based"; POST login/get_token).
 *
 * In memory alone: it lives two minutes, and a restart means asking again. At most 16 at a
 * time, the oldest goes first; of one account only the last counts.
 */
#ifndef KITH_USER_LOGIN_TOKEN_H
#define KITH_USER_LOGIN_TOKEN_H

#include "node/user/account.h"

struct login_token;

/* The text is in a. Whoever asks has given his password just now. */
void login_token_new(struct users *u, const struct user_caller *who, struct arena *a,
	struct str *token, int64_t *expires_in_ms);

/* Uses the token up. ERR_FORBIDDEN in the call: unknown, used, too old, or the device that
 * asked for it has logged out since. */
void login_token_login(struct users *u, struct str token, const struct account_device *device,
	struct account_call *c);

/* For users.c. */
void login_token_free_all(struct users *u);

#endif
