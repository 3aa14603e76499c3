#include "node/user/session.h"

#include "node/base/limits.h"
#include "node/user/device_list.h"
#include "store/cross_signing.h"

/* An access token that can be refreshed lives this long. */
#define ACCESS_TOKEN_MS INT64_C(3600000)

#define DEVICE_ID_CHARS 10

/* Opaque, but text that can stand in a path and a log. */
static bool device_id_ok(struct str s)
{
	if (s.n == 0 || s.n > LIMIT_ID_BYTES)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ||
			(unsigned char)s.p[i] == 0xc0)
			return false;
	return true;
}

static enum err make_tokens(struct users *u, struct arena *a, const struct store_session *s,
	bool refreshable, struct account_session *out)
{
	struct store_session row = *s;
	struct token access, refresh;
	unsigned char access_hash[TOKEN_HASH_BYTES];
	unsigned char refresh_hash[TOKEN_HASH_BYTES];
	int64_t nid;
	enum err err;

	token_make(u->o.rng, "kt_", &access);
	token_hash(token_str(&access), access_hash);
	row.access_hash = access_hash;
	if (refreshable) {
		token_make(u->o.rng, "kr_", &refresh);
		token_hash(token_str(&refresh), refresh_hash);
		row.refresh_hash = refresh_hash;
		row.expires_ts = users_now(u) + ACCESS_TOKEN_MS;
	}
	err = store_session_put(u->store, &row, &nid);
	if (err)
		return err;
	out->access_token = arena_str(a, token_str(&access));
	out->refresh_token =
		refreshable ? arena_str(a, token_str(&refresh)) : (struct str){ 0 };
	out->expires_in_ms = refreshable ? ACCESS_TOKEN_MS : 0;
	return ERR_OK;
}

static enum err new_device(struct users *u, struct arena *a,
	const struct store_account *account, const struct account_device *device,
	struct store_device *out, struct err_ctx *why)
{
	struct store_device *all;
	char made_up[DEVICE_ID_CHARS + 1];
	struct store_device d = { .account = account->nid, .device_id = device->device_id };
	bool taken = false;
	size_t n;
	enum err err = store_device_list(u->store, a, account->nid, &all, &n);

	if (err)
		return err;
	if (n >= LIMIT_USER_DEVICES)
		return err_set(why, ERR_INVALID, "the account has %zu devices: log one out", n);
	if (d.device_id.n == 0) {
		token_device_id(u->o.rng, DEVICE_ID_CHARS, made_up);
		d.device_id = arena_str(a, str_of(made_up));
	}
	if (device->display_name.n > LIMIT_DEVICE_NAME_BYTES)
		return err_set(why, ERR_INVALID, "the device name is too long");
	err = store_cross_key_has(u->store, account->user_id, d.device_id, &taken);
	if (err)
		return err;
	if (taken)
		return err_set(
			why, ERR_FORBIDDEN, "a cross-signing key has the name of this device");
	d.display_name = device->display_name;
	d.last_seen_ts = users_now(u);
	d.last_seen_address = device->address;
	err = store_device_put(u->store, &d, &d.nid);
	if (err)
		return err;
	*out = d;
	return device_list_changed(u, account->user_id, d.device_id);
}

static void tell_revoked(struct users *u, struct str user_id, const struct store_device *d)
{
	store_feed(u->store,
		&(struct feed_item){ .kind = FEED_TOKEN_REVOKED,
			.pos = store_next_pos(u->store),
			.user_id = user_id,
			.device_id = d->device_id });
}

/* The device logs in anew: what it had before is worth nothing, parked polls too. */
static enum err end_tokens(
	struct users *u, struct str user_id, const struct store_device *d, struct str address)
{
	enum err err = store_session_delete_device(u->store, d->nid);

	if (!err)
		tell_revoked(u, user_id, d);
	return err ? err : store_device_seen(u->store, d->nid, users_now(u), address);
}

enum err session_start(struct users *u, struct arena *a, const struct store_account *account,
	const struct account_device *device, struct account_session *out, struct err_ctx *why)
{
	struct store_device d = { 0 };
	struct account_session made = { .user_id = arena_str(a, account->user_id) };
	struct store_session s = { .account = account->nid };
	enum err err = ERR_NOT_FOUND;

	if (device->device_id.n && !device_id_ok(device->device_id))
		return err_set(why, ERR_INVALID, "the device id is too long or not text");
	if (device->device_id.n)
		err = store_device_get(u->store, a, account->nid, device->device_id, &d);
	if (err == ERR_NOT_FOUND)
		err = new_device(u, a, account, device, &d, why);
	else if (!err)
		err = end_tokens(u, account->user_id, &d, device->address);
	if (err)
		return err;
	s.device = d.nid;
	made.device_id = arena_str(a, d.device_id);
	err = make_tokens(u, a, &s, device->refresh_token, &made);
	if (!err)
		*out = made;
	return err;
}

enum err session_renew(struct users *u, struct arena *a, const struct store_login *old,
	struct account_session *out)
{
	struct account_session made = { .user_id = old->account.user_id,
		.device_id = old->device_id };
	struct store_session s = {
		.account = old->session.account,
		.device = old->session.device,
		.previous = old->session.nid,
	};
	enum err err = ERR_OK;

	/* The refresh token is itself in use now: what it was made from ends. */
	if (old->session.previous)
		err = store_session_confirm(u->store, &old->session);
	/* A client that repeats itself never saw the answer before. */
	if (!err)
		err = store_session_drop_next(u->store, old->session.nid);
	if (!err)
		err = make_tokens(u, a, &s, true, &made);
	if (!err)
		*out = made;
	return err;
}

enum err session_end_device(struct users *u, struct str user_id, const struct store_device *d)
{
	enum err err = store_device_delete(u->store, d->nid);

	if (err)
		return err;
	tell_revoked(u, user_id, d);
	return device_list_changed(u, user_id, d->device_id);
}

enum err session_end_all(struct users *u, struct str user_id, int64_t account, int64_t except)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_device *all;
	size_t n;
	enum err err = store_device_list(u->store, a, account, &all, &n);

	for (size_t i = 0; i < n && !err; i++)
		if (all[i].nid != except)
			err = session_end_device(u, user_id, &all[i]);
	return err;
}
