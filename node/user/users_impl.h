/*
 * users_impl: what the files of node/user share. Not for anyone else.
 */
#ifndef KITH_USER_USERS_IMPL_H
#define KITH_USER_USERS_IMPL_H

#include "node/base/map.h"
#include "node/core/id.h"
#include "node/user/password.h"
#include "node/user/token.h"
#include "node/user/users.h"
#include "store/account.h"
#include "store/device.h"
#include "store/store.h"

struct login_token;
struct uia_session;

/* A call that comes at the end of this turn, or when users is freed. */
struct users_later {
	void (*fn)(struct users_later *l, bool cancelled);

	/* Private to users.c. */
	struct users *users;
	struct loop_deferred deferred;
	struct users_later *next;
	struct users_later *prev;
};

struct users {
	struct users_options o;
	struct store *store;
	const struct user_remote_ops *remote;
	void *remote_arg;
	const struct user_room_ops *rooms;
	void *rooms_arg;
	const struct user_contact_ops *contacts;
	void *contacts_arg;
	struct passwords *passwords;
	struct users_later *later; /* a list */

	/* uia.c: sessions by id, and in order of birth. */
	struct map uia;
	struct uia_session *uia_oldest;
	struct uia_session *uia_newest;

	struct login_token *login_tokens; /* login_token.c: the newest first */

	struct token owner_token;       /* empty: none */
	char *owner_token_path;         /* owned, NULL: none */
	struct store_listener listener; /* memberships: device_cache.h */
};

void users_later(struct users *u, struct users_later *l);

static inline int64_t users_now(const struct users *u)
{
	return clock_wall_ms(u->o.clock);
}

/* owner_token.c: the one-time token for the first account (security.md, L2). */
enum err owner_token_open(struct users *u, struct err_ctx *why) MUST_CHECK;
bool owner_token_matches(const struct users *u, struct str token);
void owner_token_used(struct users *u);

/* uia.c */
void uia_free_all(struct users *u);

/* ERR_NOT_FOUND for a user that is not ours, not there or deactivated. */
enum err users_account(struct users *u, struct arena *a, struct str user_id,
	struct store_account *out) MUST_CHECK;

#endif
