#include "node/user/users_impl.h"

#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "node/user/device_cache.h"
#include "node/user/login_token.h"

#define LOG_MODULE "users"

/* Accounts are numbered from here and never deleted (deactivated ones stay). */
#define FIRST_ACCOUNT 1

/* "Last seen" is good to a quarter of an hour: a write for each request would cost a flush. */
#define LAST_SEEN_MS INT64_C(900000)

static void unlink_later(struct users_later *l)
{
	if (l->prev)
		l->prev->next = l->next;
	else
		l->users->later = l->next;
	if (l->next)
		l->next->prev = l->prev;
}

static void run_later(struct loop_deferred *d)
{
	struct users_later *l = CONTAINER_OF(d, struct users_later, deferred);

	unlink_later(l);
	l->fn(l, false);
}

void users_later(struct users *u, struct users_later *l)
{
	l->users = u;
	l->deferred = (struct loop_deferred){ .fn = run_later };
	l->prev = NULL;
	l->next = u->later;
	if (l->next)
		l->next->prev = l;
	u->later = l;
	loop_defer(u->o.loop, &l->deferred);
}

static void membership_changed(void *arg, const struct feed_item *item)
{
	struct users *u = arg;

	if (item->kind == FEED_MEMBERSHIP &&
		device_cache_membership(u, item->user_id) != ERR_OK)
		log_warn(u->o.log, "devices of users who left could not be forgotten");
}

enum err users_new(const struct users_options *options, struct users **out, struct err_ctx *why)
{
	struct users *u;
	enum err err;

	if (sodium_init() < 0)
		return err_set(why, ERR_IO, "libsodium can't be initialised");
	u = NEW(struct users);
	u->o = *options;
	u->store = options->store;
	map_init(&u->uia);
	u->passwords = passwords_new(
		options->loop, options->password_low_cost, options->password_parallel);
	if (options->owner_token_path)
		u->owner_token_path = xstrdup(str_of(options->owner_token_path));
	err = owner_token_open(u, why);
	if (err) {
		users_free(u);
		return err;
	}
	u->listener = (struct store_listener){ .item = membership_changed, .arg = u };
	store_listen(u->store, &u->listener);
	*out = u;
	return ERR_OK;
}

void users_free(struct users *u)
{
	if (!u)
		return;
	if (u->listener.item)
		store_unlisten(u->store, &u->listener);
	passwords_free(u->passwords);
	while (u->later) {
		struct users_later *l = u->later;

		unlink_later(l);
		loop_undefer(u->o.loop, &l->deferred);
		l->fn(l, true);
	}
	uia_free_all(u);
	login_token_free_all(u);
	map_deinit(&u->uia);
	sodium_memzero(&u->owner_token, sizeof(u->owner_token));
	free(u->owner_token_path);
	free(u);
}

void users_set_remote_ops(struct users *u, const struct user_remote_ops *ops, void *arg)
{
	u->remote = ops;
	u->remote_arg = arg;
}

void users_set_room_ops(struct users *u, const struct user_room_ops *ops, void *arg)
{
	u->rooms = ops;
	u->rooms_arg = arg;
}

void users_set_contact_ops(struct users *u, const struct user_contact_ops *ops, void *arg)
{
	u->contacts = ops;
	u->contacts_arg = arg;
}

struct str users_owner_token(const struct users *u)
{
	return token_str(&u->owner_token);
}

struct str users_owner(struct users *u, struct arena *a)
{
	struct str user_id = STR("");

	if (store_account_user_id(u->store, a, FIRST_ACCOUNT, &user_id))
		return STR("");
	return user_id;
}

enum users_registration users_registration(const struct users *u)
{
	return u->o.registration;
}

bool users_is_local(const struct users *u, struct str user_id)
{
	struct str localpart, server;

	return id_user(user_id, &localpart, &server) && str_eq(server, u->o.server_name);
}

enum err users_account(
	struct users *u, struct arena *a, struct str user_id, struct store_account *out)
{
	struct store_account found;
	enum err err;

	if (!users_is_local(u, user_id))
		return ERR_NOT_FOUND;
	err = store_account_get(u->store, a, user_id, &found);
	if (err)
		return err;
	if (found.is_deactivated)
		return ERR_NOT_FOUND;
	*out = found;
	return ERR_OK;
}

bool users_exists(struct users *u, struct str user_id)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account found;

	return users_account(u, a, user_id, &found) == ERR_OK;
}

bool users_is_admin(struct users *u, struct str user_id)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account found;

	return users_account(u, a, user_id, &found) == ERR_OK && found.is_admin;
}

bool users_device_exists(struct users *u, struct str user_id, struct str device_id)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account found;
	struct store_device device;

	return users_account(u, a, user_id, &found) == ERR_OK &&
		store_device_get(u->store, a, found.nid, device_id, &device) == ERR_OK;
}

/* The first use of a session ends the one it was refreshed from; and a note of when and from
 * where the device was last seen, now and then. */
static enum err note_use(
	struct users *u, const struct store_login *l, struct str address, int64_t now)
{
	bool confirm = l->session.previous != 0;
	bool seen = now - l->last_seen_ts > LAST_SEEN_MS || now < l->last_seen_ts;
	enum err err;

	if (!confirm && !seen)
		return ERR_OK;
	err = store_begin(u->store);
	if (err)
		return err;
	if (confirm)
		err = store_session_confirm(u->store, &l->session);
	if (!err && seen)
		err = store_device_seen(u->store, l->session.device, now, address);
	return store_end(u->store, err);
}

enum err users_authenticate(struct users *u, struct str token, struct str address,
	struct arena *a, struct user_caller *out, bool *soft_logout, struct err_ctx *why)
{
	unsigned char hash[TOKEN_HASH_BYTES];
	struct store_login l;
	int64_t now = users_now(u);
	enum err err;

	if (soft_logout)
		*soft_logout = false;
	token_hash(token, hash);
	err = store_session_by_access(u->store, a, hash, &l);
	if (err == ERR_NOT_FOUND || (!err && l.account.is_deactivated))
		return err_set(why, ERR_UNAUTHORIZED, "unknown access token");
	if (err)
		return err; /* of the disk: what it means is said where answers are made */
	if (l.session.expires_ts && now >= l.session.expires_ts) {
		if (soft_logout)
			*soft_logout = true;
		return err_set(why, ERR_UNAUTHORIZED, "the access token has expired");
	}
	/* A disk that takes no more writes must not lock anybody out of reading. */
	if (note_use(u, &l, address, now) != ERR_OK)
		log_warn(u->o.log, "the use of a token could not be noted user_id=%.*s",
			STR_FMT(l.account.user_id));
	*out = (struct user_caller){
		.user_id = l.account.user_id,
		.device_id = l.device_id,
		.account = l.session.account,
		.device = l.session.device,
		.session = l.session.nid,
		.is_admin = l.account.is_admin,
		.is_locked = l.account.is_locked,
		.is_suspended = l.account.is_suspended,
	};
	return ERR_OK;
}
