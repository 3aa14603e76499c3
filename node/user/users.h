/*
 * users: the accounts of this node and what belongs to them.
 *
 * client-server API "Client Authentication", "User Data" and the modules end_to_end_encryption,
 * device_management, send_to_device, account_data, tags. struct users is the service; the other
 * headers of this folder are its parts, each of them functions over it:
 *
 *   account.h      register, log in and out, refresh, change password, deactivate
 *   uia.h          user-interactive authentication
 *   device.h       a user's devices
 *   profile.h      display name, avatar and other fields, of our users and of others'
 *   account_data.h global and for each room, tags
 *   directory.h    the user directory
 *   e2e_keys.h     device, one-time and fallback keys: upload, query, claim
 *   cross_signing.h, backup.h, to_device.h, device_list.h
 *
 * Everything runs on the loop thread. What other servers know comes through
 * struct user_remote_ops (federation fills it), what rooms must do through struct
 * user_room_ops, whom the owner paired with through struct user_contact_ops; all three are set
 * once by node.c before the first request.
 */
#ifndef KITH_USER_USERS_H
#define KITH_USER_USERS_H

#include "node/base/arena.h"
#include "node/base/clock.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/loop.h"
#include "node/base/str.h"
#include "node/user/remote.h"

struct users;
struct store;
struct sign_key;

enum users_registration { REGISTRATION_CLOSED, REGISTRATION_TOKEN, REGISTRATION_OPEN };

struct users_options {
	struct store *store;
	struct loop *loop;
	const struct clock *clock;
	const struct rng *rng;
	const struct log *log;      /* may be NULL */
	struct str server_name;     /* borrowed, as everything here, as long as users lives */
	const struct sign_key *key; /* signs what we answer to other servers; may be NULL */
	enum users_registration registration;
	bool password_low_cost;     /* a cheap hash: tests and LAN parties */
	unsigned password_parallel; /* hashes at once; 0: 2 */
	/* Where the one-time token for the first account is kept (security.md, L2). It is made,
	 * mode 0600, when there is no account, and removed when there is one. NULL: there is
	 * none, so with closed registration only account_create() makes accounts. */
	const char *owner_token_path;
};

/* *out is owned: users_free(). ERR_IO, ERR_CORRUPT. */
enum err users_new(const struct users_options *options, struct users **out,
	struct err_ctx *why) MUST_CHECK;
/* Pending operations end: their callbacks are called with ERR_CANCELLED first. */
void users_free(struct users *u);

void users_set_remote_ops(struct users *u, const struct user_remote_ops *ops, void *arg);
void users_set_room_ops(struct users *u, const struct user_room_ops *ops, void *arg);
void users_set_contact_ops(struct users *u, const struct user_contact_ops *ops, void *arg);

/* The token for the first account as text, empty if it is used or there is none. */
struct str users_owner_token(const struct users *u);

/* Whose node it is: the user id of the first account, in a; empty while there is none. */
struct str users_owner(struct users *u, struct arena *a);

enum users_registration users_registration(const struct users *u);

/* Who a request speaks for. Strings live in the arena that they were asked with. */
struct user_caller {
	struct str user_id;
	struct str device_id; /* empty: a token without a device */
	int64_t account;      /* nids of the store */
	int64_t device;
	int64_t session; /* the token */
	bool is_admin;
	bool is_guest;
	bool is_locked; /* may only log out ("Account locking") */
	bool is_suspended;
};

/* Whose token it is. ERR_UNAUTHORIZED for an unknown one; *soft_logout (may be NULL) is then
 * true if the device is still there and the client should ask for a new token alone ("Soft
 * logout"). May write (a refreshed token's first use ends the old one; last seen), in a
 * transaction of its own; a disk that takes no writes keeps nobody out. address is text, empty
 * if not known. */
enum err users_authenticate(struct users *u, struct str token, struct str address,
	struct arena *a, struct user_caller *out, bool *soft_logout,
	struct err_ctx *why) MUST_CHECK;

/* Of our server name. */
bool users_is_local(const struct users *u, struct str user_id);
/* Our user, with an account that is not deactivated. */
bool users_exists(struct users *u, struct str user_id);
bool users_device_exists(struct users *u, struct str user_id, struct str device_id);
bool users_is_admin(struct users *u, struct str user_id);

/*
 * What other servers send us. origin is the authenticated name. content is the EDU's content.
 * ERR_MALFORMED: dropped. ERR_LIMIT: not taken, the sender keeps it. Inside the caller's
 * transaction; what has to be asked of the other server goes on by itself afterwards.
 */
enum err users_receive_to_device(struct users *u, struct str origin, const struct json *content,
	struct err_ctx *why) MUST_CHECK; /* m.direct_to_device */
enum err users_receive_device_list(struct users *u, struct str origin,
	const struct json *content, struct err_ctx *why) MUST_CHECK; /* m.device_list_update */
enum err users_receive_signing_keys(struct users *u, struct str origin,
	const struct json *content, struct err_ctx *why) MUST_CHECK; /* m.signing_key_update */

/*
 * What other servers ask us (server-server API "Querying for information", "Device Management",
 * "End-to-End Encryption"): each appends the whole answer. ERR_NOT_FOUND, ERR_MALFORMED.
 */
enum err users_serve_profile(struct users *u, struct str user_id, struct str field,
	struct buf *out, struct err_ctx *why) MUST_CHECK; /* field empty: all */
enum err users_serve_devices(
	struct users *u, struct str user_id, struct buf *out, struct err_ctx *why) MUST_CHECK;
enum err users_serve_keys_query(struct users *u, const struct json *body, struct buf *out,
	struct err_ctx *why) MUST_CHECK;
enum err users_serve_keys_claim(struct users *u, const struct json *body, struct buf *out,
	struct err_ctx *why) MUST_CHECK;
enum err users_serve_openid(
	struct users *u, struct str token, struct buf *out, struct err_ctx *why) MUST_CHECK;

#endif
