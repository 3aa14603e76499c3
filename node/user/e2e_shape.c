#include "node/user/e2e_shape.h"

#include "node/base/base64.h"
#include "node/base/limits.h"

/* {user_id: {algorithm:key_id: text}} */
static enum err check_signatures(const struct json *obj, struct err_ctx *why)
{
	const struct json *signatures = NULL;
	struct str s;
	enum err err = json_opt_obj(obj, "signatures", &signatures, why);

	if (err)
		return err;
	for (const struct json *u = json_first(signatures); u; u = json_next(u)) {
		if (!json_is(u, JSON_OBJECT))
			return err_set(why, ERR_MALFORMED, "signatures: a user's is no object");
		for (const struct json *m = json_first(u); m; m = json_next(m))
			if (!json_as_str(m, &s))
				return err_set(
					why, ERR_MALFORMED, "signatures: one is no string");
	}
	return ERR_OK;
}

static enum err check_keys(const struct json *obj, struct err_ctx *why)
{
	const struct json *keys = NULL;
	struct str s;
	enum err err = json_obj(obj, "keys", &keys, why);

	if (err)
		return err;
	for (const struct json *m = json_first(keys); m; m = json_next(m))
		if (!json_as_str(m, &s) || json_key(m).n > LIMIT_ID_BYTES)
			return err_set(why, ERR_MALFORMED, "keys: one is no string");
	return ERR_OK;
}

enum err e2e_shape_device_keys(
	const struct json *keys, struct str user_id, struct str device_id, struct err_ctx *why)
{
	const struct json *algorithms = NULL;
	struct str user, device, s;
	enum err err;

	if (!json_is(keys, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "device keys are no object");
	err = json_str(keys, "user_id", &user, why);
	if (!err)
		err = json_str(keys, "device_id", &device, why);
	if (!err)
		err = json_arr(keys, "algorithms", &algorithms, why);
	if (!err)
		err = check_keys(keys, why);
	if (!err)
		err = check_signatures(keys, why);
	if (err)
		return err;
	for (const struct json *m = json_first(algorithms); m; m = json_next(m))
		if (!json_as_str(m, &s))
			return err_set(why, ERR_MALFORMED, "algorithms: one is no string");
	if (!str_eq(user, user_id) || !str_eq(device, device_id))
		return err_set(why, ERR_MALFORMED, "device keys of another user or device");
	return ERR_OK;
}

static bool has_usage(const struct json *usages, struct str usage)
{
	struct str s;

	for (const struct json *m = json_first(usages); m; m = json_next(m))
		if (json_as_str(m, &s) && str_eq(s, usage))
			return true;
	return false;
}

enum err e2e_shape_cross_key(const struct json *key, struct str user_id, struct str usage,
	struct str *public_key, struct err_ctx *why)
{
	const struct json *usages = NULL;
	const struct json *one;
	unsigned char bytes[32];
	struct str user, text;
	enum err err;

	if (!json_is(key, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "a cross-signing key is no object");
	err = json_str(key, "user_id", &user, why);
	if (!err)
		err = json_arr(key, "usage", &usages, why);
	if (!err)
		err = check_keys(key, why);
	if (!err)
		err = check_signatures(key, why);
	if (err)
		return err;
	one = json_first(json_get(key, "keys"));
	if (!str_eq(user, user_id) || !has_usage(usages, usage))
		return err_set(why, ERR_MALFORMED, "a %.*s key of another user or usage",
			STR_FMT(usage));
	if (!one || json_next(one) || !json_as_str(one, &text) ||
		!str_starts(json_key(one), STR("ed25519:")) ||
		!str_eq(str_skip(json_key(one), 8), text) ||
		e2e_shape_ed25519(text, bytes) != ERR_OK)
		return err_set(
			why, ERR_MALFORMED, "a %.*s key holds one ed25519 key", STR_FMT(usage));
	*public_key = text;
	return ERR_OK;
}

enum err e2e_shape_one_time_key(struct str name, const struct json *key, struct str *algorithm,
	struct str *key_id, struct err_ctx *why)
{
	struct str alg, id, s;
	enum err err = ERR_OK;

	if (name.n > LIMIT_ID_BYTES || !str_cut(name, ':', &alg, &id) || alg.n == 0 ||
		id.n == 0)
		return err_set(why, ERR_MALFORMED, "one-time keys are named algorithm:id");
	if (json_is(key, JSON_OBJECT)) {
		err = json_str(key, "key", &s, why);
		if (!err)
			err = check_signatures(key, why);
	} else if (!json_as_str(key, &s)) {
		err = err_set(why, ERR_MALFORMED, "a one-time key is no string or object");
	}
	if (err)
		return err;
	*algorithm = alg;
	*key_id = id;
	return ERR_OK;
}

enum err e2e_shape_ed25519(struct str base64, unsigned char out[32])
{
	return base64_get_exact(out, 32, base64, false);
}

static const char *const unsigned_members[] = { "signatures", "unsigned" };

bool e2e_shape_same(const struct json *a, const struct json *b)
{
	CLEANUP(buf_deinit) struct buf x = { 0 };
	CLEANUP(buf_deinit) struct buf y = { 0 };

	json_canonical_without(a, unsigned_members, 2, &x);
	json_canonical_without(b, unsigned_members, 2, &y);
	return str_eq(buf_str(&x), buf_str(&y));
}

struct merge {
	const struct json *old;
	const struct json *more;
	bool (*keep)(void *arg, struct str user_id, struct str key_id);
	void *arg;
};

static bool taken(const struct merge *m, struct str user_id, struct str key_id)
{
	const struct json *user = json_get_str(m->more, user_id);

	return json_get_str(user, key_id) && (!m->keep || m->keep(m->arg, user_id, key_id));
}

static void write_user(const struct merge *m, struct str user_id, struct jw *w)
{
	const struct json *old = json_get_str(m->old, user_id);
	const struct json *more = json_get_str(m->more, user_id);
	bool open = false;

	for (const struct json *s = json_first(old); s; s = json_next(s)) {
		if (taken(m, user_id, json_key(s)))
			continue;
		if (!open) {
			jw_key_str(w, user_id);
			jw_obj(w);
			open = true;
		}
		jw_key_str(w, json_key(s));
		jw_json(w, s);
	}
	for (const struct json *s = json_first(more); s; s = json_next(s)) {
		if (!taken(m, user_id, json_key(s)))
			continue;
		if (!open) {
			jw_key_str(w, user_id);
			jw_obj(w);
			open = true;
		}
		jw_key_str(w, json_key(s));
		jw_json(w, s);
	}
	if (open)
		jw_end(w);
}

void e2e_shape_merge(const struct json *obj, const struct json *more,
	bool (*keep)(void *arg, struct str user_id, struct str key_id), void *arg,
	struct buf *out)
{
	struct merge m = { json_get(obj, "signatures"), json_get(more, "signatures"), keep,
		arg };
	struct jw w = jw_to(out);

	jw_obj(&w);
	for (const struct json *v = json_first(obj); v; v = json_next(v)) {
		if (str_eq(json_key(v), STR("signatures")) ||
			str_eq(json_key(v), STR("unsigned")))
			continue;
		jw_key_str(&w, json_key(v));
		jw_json(&w, v);
	}
	jw_key(&w, "signatures");
	jw_obj(&w);
	for (const struct json *u = json_first(m.old); u; u = json_next(u))
		write_user(&m, json_key(u), &w);
	for (const struct json *u = json_first(m.more); u; u = json_next(u))
		if (!json_get_str(m.old, json_key(u)))
			write_user(&m, json_key(u), &w);
	jw_end(&w);
	jw_end(&w);
}
