/*
 * POST keys/signatures/upload: signatures by cross-signing keys and devices.
 *
 * A user may publish three kinds (module end_to_end_encryption, "Key and signature security"):
 *   his self-signing key's on his devices;
 *   his devices' on his master key;
 *   his user-signing key's on others' master keys, which only he will see.
 * Each is verified; what fails is named in the answer and the others count.
 */
#include "node/core/sign.h"
#include "node/user/cross_signing.h"
#include "node/user/device_list.h"
#include "node/user/e2e_shape.h"
#include "node/user/users_impl.h"
#include "store/cross_signing.h"

struct upload {
	struct users *u;
	const struct user_caller *who;
	struct arena *a;
	bool own_keys; /* the master key got signatures */
	struct jw *failures;
	bool user_open; /* the failures of this user are being written */
	struct str user_id;
};

static void fail(struct upload *up, struct str key_id, const char *errcode, const char *error)
{
	if (!up->user_open) {
		jw_key_str(up->failures, up->user_id);
		jw_obj(up->failures);
		up->user_open = true;
	}
	jw_key_str(up->failures, key_id);
	jw_obj(up->failures);
	jw_kv_z(up->failures, "errcode", errcode);
	jw_kv_z(up->failures, "error", error);
	jw_end(up->failures);
}

static enum err parse(struct arena *a, struct str text, const struct json **out)
{
	enum err err = json_parse_in(a, text, &json_limits_peer, out, NULL);

	return err == ERR_MALFORMED ? ERR_CORRUPT : err;
}

/* The public key behind a signature's key id, if it may sign the thing. */
struct signer {
	struct upload *up;
	const struct json *object;
	bool by_devices; /* else by the key of key_id */
	struct str key_id;
	unsigned char public_key[32];
	size_t good;
	size_t bad;
};

static bool device_public_key(struct upload *up, struct str device_id, unsigned char out[32])
{
	CLEANUP(buf_deinit) struct buf name = { 0 };
	struct store_device d;
	const struct json *keys;
	struct str text;

	if (store_device_get(up->u->store, up->a, up->who->account, device_id, &d) ||
		d.device_keys.n == 0 || parse(up->a, d.device_keys, &keys))
		return false;
	buf_printf(&name, "ed25519:%.*s", STR_FMT(device_id));
	return json_as_str(json_get_str(json_get(keys, "keys"), buf_str(&name)), &text) &&
		e2e_shape_ed25519(text, out) == ERR_OK;
}

/* For e2e_shape_merge: keeps what is the user's own, allowed here, and true. */
static bool keep(void *arg, struct str user_id, struct str key_id)
{
	struct signer *s = arg;
	unsigned char device_key[32];
	const unsigned char *public_key = s->public_key;

	if (!str_eq(user_id, s->up->who->user_id))
		return false;
	if (s->by_devices) {
		if (!str_starts(key_id, STR("ed25519:")) ||
			!device_public_key(s->up, str_skip(key_id, 8), device_key))
			return false;
		public_key = device_key;
	} else if (!str_eq(key_id, s->key_id)) {
		return false;
	}
	if (sign_json_verify(s->object, user_id, key_id, public_key, NULL) == ERR_OK) {
		s->good++;
		return true;
	}
	s->bad++;
	return false;
}

/* The caller's key of a usage as the only signer that counts. */
static enum err signer_of(
	struct upload *up, const char *usage, const struct json *object, struct signer *out)
{
	struct store_cross_key key;
	enum err err =
		store_cross_key_get(up->u->store, up->a, up->who->user_id, str_of(usage), &key);

	*out = (struct signer){ .up = up, .object = object };
	if (!err)
		err = e2e_shape_ed25519(key.key_id, out->public_key);
	if (err)
		return err;
	out->key_id = arena_printf(up->a, "ed25519:%.*s", STR_FMT(key.key_id));
	return ERR_OK;
}

/* Merges the new signatures into what is stored: *text is empty if there was none. */
static bool merge(struct upload *up, struct str key_id, const struct json *stored,
	struct signer *s, struct buf *text)
{
	if (!e2e_shape_same(stored, s->object)) {
		fail(up, key_id, "M_INVALID_SIGNATURE", "not the key that is stored");
		return false;
	}
	e2e_shape_merge(stored, s->object, keep, s, text);
	if (text->n > E2E_KEY_BYTES) {
		fail(up, key_id, "M_TOO_LARGE", "a key can't hold more signatures");
		return false;
	}
	if (s->good == 0)
		fail(up, key_id, "M_INVALID_SIGNATURE",
			s->bad ? "a signature is wrong" : "no signature that could be kept");
	return s->good > 0;
}

static enum err sign_device(
	struct upload *up, const struct store_device *d, const struct json *obj)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	const struct json *stored;
	struct signer s;
	enum err err;

	if (d->device_keys.n == 0) {
		fail(up, d->device_id, "M_NOT_FOUND", "the device has no keys");
		return ERR_OK;
	}
	err = signer_of(up, "self_signing", obj, &s);
	if (err == ERR_NOT_FOUND) {
		fail(up, d->device_id, "M_NOT_FOUND", "there is no self-signing key");
		return ERR_OK;
	}
	if (!err)
		err = parse(up->a, d->device_keys, &stored);
	if (err || !merge(up, d->device_id, stored, &s, &text))
		return err;
	err = store_device_set_keys(up->u->store, d->nid, buf_str(&text));
	return err ? err : device_list_changed(up->u, up->who->user_id, d->device_id);
}

static enum err sign_own_master(struct upload *up, struct str key_id, const struct json *obj)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct signer s = { .up = up, .object = obj, .by_devices = true };
	struct store_cross_key key;
	const struct json *stored;
	enum err err =
		store_cross_key_get(up->u->store, up->a, up->who->user_id, STR("master"), &key);

	if (err == ERR_NOT_FOUND || (!err && !str_eq(key.key_id, key_id))) {
		fail(up, key_id, "M_NOT_FOUND", "no device and not the master key");
		return ERR_OK;
	}
	if (!err)
		err = parse(up->a, key.json, &stored);
	if (err || !merge(up, key_id, stored, &s, &text))
		return err;
	key.json = buf_str(&text);
	up->own_keys = true;
	return store_cross_key_put(up->u->store, up->who->user_id, &key);
}

/* Another user's master key. If we know it, it must be that one; if we don't, the signature is
 * kept for the day that we do, since nobody else is shown it. */
static enum err sign_other(struct upload *up, struct str key_id, const struct json *obj)
{
	struct store_cross_key known;
	const struct json *signature, *stored;
	struct str public_key, text;
	struct signer s;
	enum err err = e2e_shape_cross_key(obj, up->user_id, STR("master"), &public_key, NULL);

	if (err || !str_eq(public_key, key_id)) {
		fail(up, key_id, "M_BAD_JSON", "that is not this user's master key");
		return ERR_OK;
	}
	err = store_cross_key_get(up->u->store, up->a, up->user_id, STR("master"), &known);
	if (!err)
		err = parse(up->a, known.json, &stored);
	if (err && err != ERR_NOT_FOUND)
		return err;
	if (!err && !e2e_shape_same(stored, obj)) {
		fail(up, key_id, "M_INVALID_SIGNATURE", "not the key that is known");
		return ERR_OK;
	}
	err = signer_of(up, "user_signing", obj, &s);
	if (err == ERR_NOT_FOUND) {
		fail(up, key_id, "M_NOT_FOUND", "there is no user-signing key");
		return ERR_OK;
	}
	if (err)
		return err;
	signature = json_get_str(
		json_get_str(json_get(obj, "signatures"), up->who->user_id), s.key_id);
	if (!json_as_str(signature, &text) || !keep(&s, up->who->user_id, s.key_id)) {
		fail(up, key_id, "M_INVALID_SIGNATURE", "a signature is wrong or missing");
		return ERR_OK;
	}
	return store_user_signature_put(up->u->store, up->who->account, up->user_id, key_id,
		&(struct store_user_signature){ s.key_id, text }, store_next_pos(up->u->store));
}

static enum err sign_own(struct upload *up, struct str key_id, const struct json *obj)
{
	struct store_device d;
	enum err err = store_device_get(up->u->store, up->a, up->who->account, key_id, &d);

	if (err == ERR_NOT_FOUND)
		return sign_own_master(up, key_id, obj);
	return err ? err : sign_device(up, &d, obj);
}

static enum err take_all(struct upload *up, const struct json *body)
{
	bool others = false;
	enum err err = ERR_OK;

	for (const struct json *m = json_first(body); m && !err; m = json_next(m)) {
		bool own = str_eq(json_key(m), up->who->user_id);

		up->user_id = json_key(m);
		up->user_open = false;
		for (const struct json *k = json_first(m); k && !err; k = json_next(k))
			err = own ? sign_own(up, json_key(k), k)
				  : sign_other(up, json_key(k), k);
		others = others || !own;
		if (up->user_open)
			jw_end(up->failures);
	}
	if (!err && up->own_keys)
		err = device_list_changed(up->u, up->who->user_id, (struct str){ 0 });
	/* Wakes the user's other clients; whom they look at again, the signature's own
	 * position says. */
	if (!err && others)
		store_feed(up->u->store,
			&(struct feed_item){ .kind = FEED_DEVICE_LIST,
				.pos = store_next_pos(up->u->store),
				.user_id = up->who->user_id });
	return err;
}

static enum err check_body(const struct json *body, struct err_ctx *why)
{
	for (const struct json *m = json_first(body); m; m = json_next(m)) {
		if (!json_is(m, JSON_OBJECT))
			return err_set(why, ERR_MALFORMED, "a user's signatures are no object");
		for (const struct json *k = json_first(m); k; k = json_next(k))
			if (!json_is(k, JSON_OBJECT))
				return err_set(why, ERR_MALFORMED, "a signed key is no object");
	}
	return ERR_OK;
}

enum err cross_signing_signatures(struct users *u, const struct user_caller *who,
	const struct json *body, struct buf *out, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct jw w = jw_to(out);
	struct upload up = { .u = u, .who = who, .a = a, .failures = &w };
	enum err err = check_body(body, why);

	if (!err)
		err = store_begin(u->store);
	if (err)
		return err;
	jw_obj(&w);
	jw_key(&w, "failures");
	jw_obj(&w);
	err = store_end(u->store, take_all(&up, body));
	jw_end(&w);
	jw_end(&w);
	return err;
}
