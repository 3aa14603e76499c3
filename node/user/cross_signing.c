#include "node/user/cross_signing.h"

#include "node/core/sign.h"
#include "node/user/device_list.h"
#include "node/user/e2e_shape.h"
#include "node/user/users_impl.h"
#include "store/cross_signing.h"

enum { MASTER, SELF_SIGNING, USER_SIGNING, N_USAGES };

static const struct {
	const char *member;
	const char *usage;
} usages[N_USAGES] = {
	[MASTER] = { "master_key", "master" },
	[SELF_SIGNING] = { "self_signing_key", "self_signing" },
	[USER_SIGNING] = { "user_signing_key", "user_signing" },
};

/* The keys of a body and those that are stored. */
struct keys {
	const struct json *new[N_USAGES]; /* NULL: not in the body */
	struct str new_public[N_USAGES];
	const struct json *old[N_USAGES]; /* NULL: there is none */
	struct str old_public[N_USAGES];
};

static enum err parse_stored(struct arena *a, struct str text, const struct json **out)
{
	enum err err = json_parse_in(a, text, &json_limits_peer, out, NULL);

	return err == ERR_MALFORMED ? ERR_CORRUPT : err;
}

static enum err read_keys(struct users *u, struct arena *a, struct str user_id,
	const struct json *body, struct keys *k, struct err_ctx *why)
{
	enum err err = ERR_OK;

	*k = (struct keys){ 0 };
	for (int i = 0; i < N_USAGES && !err; i++) {
		struct str usage = str_of(usages[i].usage);
		struct store_cross_key stored;

		err = json_opt_obj(body, usages[i].member, &k->new[i], why);
		if (!err && k->new[i])
			err = e2e_shape_cross_key(
				k->new[i], user_id, usage, &k->new_public[i], why);
		if (err)
			break;
		err = store_cross_key_get(u->store, a, user_id, usage, &stored);
		if (err == ERR_NOT_FOUND) {
			err = ERR_OK;
		} else if (!err) {
			k->old_public[i] = stored.key_id;
			err = parse_stored(a, stored.json, &k->old[i]);
		}
	}
	return err;
}

enum err cross_signing_needs_auth(struct users *u, const struct user_caller *who,
	const struct json *body, bool *needs, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct keys k;
	enum err err = read_keys(u, a, who->user_id, body, &k, why);

	if (err)
		return err;
	*needs = false;
	for (int i = 0; k.old[MASTER] && i < N_USAGES; i++)
		if (k.new[i] && (!k.old[i] || !e2e_shape_same(k.new[i], k.old[i])))
			*needs = true;
	return ERR_OK;
}

/* The two subordinate keys are signed by the master key, the one given or the one stored. */
static enum err check_signed(
	const struct keys *k, struct str user_id, bool *bad_signature, struct err_ctx *why)
{
	struct str master = k->new[MASTER] ? k->new_public[MASTER] : k->old_public[MASTER];
	CLEANUP(buf_deinit) struct buf key_id = { 0 };
	unsigned char public_key[32];

	if (!k->new[SELF_SIGNING] && !k->new[USER_SIGNING])
		return ERR_OK;
	if (master.n == 0 || e2e_shape_ed25519(master, public_key) != ERR_OK)
		return err_set(why, ERR_NOT_FOUND, "there is no master key");
	buf_printf(&key_id, "ed25519:%.*s", STR_FMT(master));
	for (int i = SELF_SIGNING; i < N_USAGES; i++) {
		if (!k->new[i])
			continue;
		if (sign_json_verify(k->new[i], user_id, buf_str(&key_id), public_key, NULL)) {
			*bad_signature = true;
			return err_set(why, ERR_INVALID,
				"the %s key is not signed by the master key", usages[i].usage);
		}
	}
	return ERR_OK;
}

/* Key ids and device ids share a namespace; so do the keys among themselves. */
static enum err check_names(struct users *u, const struct user_caller *who,
	const struct keys *k, struct err_ctx *why)
{
	for (int i = 0; i < N_USAGES; i++) {
		if (!k->new[i])
			continue;
		if (users_device_exists(u, who->user_id, k->new_public[i]))
			return err_set(why, ERR_FORBIDDEN, "a device has the name of the key");
		for (int n = 0; n < i; n++)
			if (k->new[n] && str_eq(k->new_public[n], k->new_public[i]))
				return err_set(why, ERR_INVALID, "two keys are the same");
	}
	return ERR_OK;
}

static enum err put_key(struct users *u, const struct user_caller *who, const struct keys *k,
	int i, bool *changed)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	bool same = k->old[i] && e2e_shape_same(k->new[i], k->old[i]);
	enum err err;

	/* The same key again may bring more signatures, and keeps those that it has. */
	e2e_shape_merge(
		same ? k->old[i] : k->new[i], same ? k->new[i] : NULL, NULL, NULL, &text);
	if (text.n > E2E_KEY_BYTES)
		return ERR_TOO_LARGE;
	err = store_cross_key_put(u->store, who->user_id,
		&(struct store_cross_key){
			str_of(usages[i].usage), k->new_public[i], buf_str(&text) });
	if (!err && !same && i == USER_SIGNING)
		err = store_user_signature_clear(u->store, who->account);
	*changed = *changed || !same;
	return err;
}

static enum err put_keys(struct users *u, const struct user_caller *who, const struct keys *k)
{
	bool master_changed = k->new[MASTER] &&
		!(k->old[MASTER] && e2e_shape_same(k->new[MASTER], k->old[MASTER]));
	bool changed = false;
	enum err err = ERR_OK;

	for (int i = 0; i < N_USAGES && !err; i++) {
		if (k->new[i])
			err = put_key(u, who, k, i, &changed);
		else if (master_changed && k->old[i]) /* signed by the old one */
			err = store_cross_key_delete(
				u->store, who->user_id, str_of(usages[i].usage));
	}
	if (err || !changed)
		return err;
	return device_list_changed(u, who->user_id, (struct str){ 0 });
}

enum err cross_signing_upload(struct users *u, const struct user_caller *who,
	const struct json *body, bool *bad_signature, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct keys k;
	enum err err = read_keys(u, a, who->user_id, body, &k, why);

	*bad_signature = false;
	if (!err)
		err = check_signed(&k, who->user_id, bad_signature, why);
	if (!err)
		err = check_names(u, who, &k, why);
	if (!err)
		err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, put_keys(u, who, &k));
}

/*
 * Reading.
 */

/* Adds what the viewer's user-signing key says of a master key. */
static enum err add_user_signatures(struct users *u, struct arena *a, int64_t viewer_account,
	struct str viewer, struct str user_id, const struct store_cross_key *key,
	struct str *json)
{
	CLEANUP(buf_deinit) struct buf more = { 0 };
	CLEANUP(buf_deinit) struct buf merged = { 0 };
	struct jw w = jw_to(&more);
	struct store_user_signature *list;
	const struct json *obj, *extra;
	size_t n;
	enum err err = store_user_signature_list(
		u->store, a, viewer_account, user_id, key->key_id, &list, &n);

	if (err || n == 0)
		return err;
	jw_obj(&w);
	jw_key(&w, "signatures");
	jw_obj(&w);
	jw_key_str(&w, viewer);
	jw_obj(&w);
	for (size_t i = 0; i < n; i++) {
		jw_key_str(&w, list[i].key_id);
		jw_str(&w, list[i].signature);
	}
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	err = parse_stored(a, key->json, &obj);
	if (!err)
		err = parse_stored(a, buf_str(&more), &extra);
	if (err)
		return err;
	e2e_shape_merge(obj, extra, NULL, NULL, &merged);
	*json = arena_str(a, buf_str(&merged));
	return ERR_OK;
}

enum err cross_signing_view(struct users *u, struct arena *a, struct str user_id,
	struct str public_key, struct str json, struct str viewer, struct str *out)
{
	struct store_cross_key key = { STR("master"), public_key, json };
	struct store_account account;
	struct str seen = json;
	enum err err;

	if (viewer.n == 0 || str_eq(viewer, user_id)) {
		*out = json;
		return ERR_OK;
	}
	err = users_account(u, a, viewer, &account);
	if (!err)
		err = add_user_signatures(u, a, account.nid, viewer, user_id, &key, &seen);
	if (!err)
		*out = seen;
	return err;
}

enum err cross_signing_get(struct users *u, struct arena *a, struct str user_id,
	struct str usage, struct str viewer, struct str *json)
{
	struct store_cross_key key;
	enum err err = store_cross_key_get(u->store, a, user_id, usage, &key);

	if (err)
		return err;
	if (!str_eq(usage, STR("master"))) {
		*json = key.json;
		return ERR_OK;
	}
	return cross_signing_view(u, a, user_id, key.key_id, key.json, viewer, json);
}

enum err cross_signing_put_remote(struct users *u, struct str user_id, struct str usage,
	const struct json *key, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct str public_key;
	enum err err = e2e_shape_cross_key(key, user_id, usage, &public_key, why);

	if (err)
		return err;
	e2e_shape_merge(key, NULL, NULL, NULL, &text);
	if (text.n > E2E_KEY_BYTES)
		return err_set(why, ERR_MALFORMED, "a key has at most %u bytes", E2E_KEY_BYTES);
	return store_cross_key_put(u->store, user_id,
		&(struct store_cross_key){ usage, public_key, buf_str(&text) });
}
