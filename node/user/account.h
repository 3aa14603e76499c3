/*
 * account: registering, logging in and out, refreshing tokens, passwords, the end of an account
 * (client-server API, "Legacy API").
 *
 * What needs a password hash goes to the thread pool and comes back through a struct
 * account_call; the rest answers at once.
 */
#ifndef KITH_USER_ACCOUNT_H
#define KITH_USER_ACCOUNT_H

#include "node/user/users.h"

/* The longest access token, refresh token and device id that we make. */
#define ACCOUNT_TOKEN_CHARS 64

/* What a client gets when it is let in. Strings are in the arena given. */
struct account_session {
	struct str user_id;
	struct str device_id;
	struct str access_token;
	struct str refresh_token; /* empty if none was asked for */
	int64_t expires_in_ms;    /* 0: does not expire */
};

struct account_call {
	/* Once, on the loop, never before the start function returned. Strings of session
	 * (empty without a login) are borrowed for the call. */
	void (*done)(
		struct account_call *c, enum err err, const struct account_session *session);
	void *arg;
	struct err_ctx why;
	const char *errcode; /* set if the spec has a word of its own for it: M_USER_IN_USE */
};

struct account_device {
	struct str device_id; /* empty: a new one */
	struct str display_name;
	struct str address; /* where it is, as text; empty if not known */
	bool refresh_token; /* the client can refresh */
};

struct account_register {
	struct str localpart; /* empty: one is made up; capitals become small letters */
	struct str password;  /* empty: none, so no password login */
	struct account_device device;
	bool inhibit_login;
	bool is_admin; /* the very first account always is */
	/* Empty: whoever calls has decided. Else it is used up: ERR_FORBIDDEN if it can't be.
	 */
	struct str registration_token;
};

/* Makes an account, and logs in unless inhibit_login. No registration rule is asked: that was
 * the caller's. ERR_INVALID (M_INVALID_USERNAME), ERR_EXISTS (M_USER_IN_USE), ERR_LIMIT (too
 * many hashes waiting). Inputs are copied. */
void account_create(
	struct users *u, const struct account_register *reg, struct account_call *c);

/* For register/available: ERR_INVALID, ERR_EXISTS. Capitals count as small letters. */
enum err account_available(
	struct users *u, struct str name, const char **errcode, struct err_ctx *why) MUST_CHECK;

/* user is a localpart or a whole id. An unknown user costs the same work as a wrong password,
 * and gets the same ERR_FORBIDDEN. */
void account_login(struct users *u, struct str user, struct str password,
	const struct account_device *device, struct account_call *c);

/* As after a right password: whoever calls knows who it is. user_id empty: ERR_FORBIDDEN. */
void account_login_trusted(struct users *u, struct str user_id,
	const struct account_device *device, struct account_call *c);

/* Only whether the password is right: ERR_OK or ERR_FORBIDDEN. */
void account_check_password(
	struct users *u, struct str user_id, struct str password, struct account_call *c);

/* except_device: nid of the device that stays logged in, 0 for none. ERR_NOT_FOUND. */
void account_set_password(struct users *u, struct str user_id, struct str password,
	bool logout_devices, int64_t except_device, struct account_call *c);

/* POST refresh. ERR_UNAUTHORIZED. */
enum err account_refresh(struct users *u, struct str refresh_token, struct arena *a,
	struct account_session *out, struct err_ctx *why) MUST_CHECK;

/* The device goes with the token. */
enum err account_logout(struct users *u, const struct user_caller *who) MUST_CHECK;
enum err account_logout_all(struct users *u, const struct user_caller *who) MUST_CHECK;

/* Ends every token, deletes devices, keys, backups, account data and profile, leaves the rooms;
 * the name is never given again. */
enum err account_deactivate(struct users *u, struct str user_id) MUST_CHECK;

/* Registration tokens, made by an admin: uses_allowed < 0: any number; expiry_ts 0: none.
 * ERR_EXISTS. */
enum err account_token_new(
	struct users *u, struct str token, int64_t uses_allowed, int64_t expiry_ts) MUST_CHECK;
bool account_token_valid(struct users *u, struct str token);

/* Locked accounts may only log out; suspended ones only read and leave. ERR_NOT_FOUND. */
enum err account_set_locked(struct users *u, struct str user_id, bool locked) MUST_CHECK;
enum err account_set_suspended(struct users *u, struct str user_id, bool suspended) MUST_CHECK;
enum err account_state(struct users *u, struct str user_id, bool *locked, bool *suspended,
	bool *is_admin) MUST_CHECK;

/* For admins and `kith status`. */
int64_t account_count(struct users *u);

/* openid/request_token: a token that a third party may exchange for the user id. */
enum err account_openid(struct users *u, const struct user_caller *who, struct arena *a,
	struct str *token, int64_t *expires_in_s) MUST_CHECK;

#endif
