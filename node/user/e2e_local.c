#include "node/user/e2e_local.h"

#include "node/base/limits.h"
#include "node/user/cross_signing.h"
#include "node/user/e2e_keys.h"
#include "store/cross_signing.h"
#include "store/device_list.h"

static const char *const part_names[] = { "device_keys", "master_keys", "self_signing_keys",
	"user_signing_keys" };

void e2e_answer_init(struct e2e_answer *r)
{
	*r = (struct e2e_answer){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(r->w); i++) {
		r->w[i] = jw_to(&r->text[i]);
		jw_obj(&r->w[i]);
	}
}

void e2e_answer_deinit(struct e2e_answer *r)
{
	for (size_t i = 0; i < ARRAY_LEN(r->text); i++)
		buf_deinit(&r->text[i]);
}

void e2e_answer_write(struct e2e_answer *r, struct jw *w, bool own)
{
	for (size_t i = 0; i < ARRAY_LEN(r->w); i++) {
		jw_end(&r->w[i]);
		if (i != E2E_USER_SIGNING || own)
			jw_kv_raw(w, part_names[i], buf_str(&r->text[i]));
	}
}

bool e2e_wanted(const struct json *wanted, struct str device_id)
{
	const struct json *m = json_first(wanted);
	struct str s;

	if (!m)
		return true;
	for (; m; m = json_next(m))
		if (json_as_str(m, &s) && str_eq(s, device_id))
			return true;
	return false;
}

void e2e_write_device(struct jw *w, struct str json, struct str display_name)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct jw inner = jw_to(&text);

	/* What is stored is an object with members and without unsigned: its last brace makes
	 * room for it. */
	buf_put_str(&text, str_head(json, json.n - 1));
	buf_put_z(&text, ",\"unsigned\":");
	jw_obj(&inner);
	if (display_name.n)
		jw_kv_str(&inner, "device_display_name", display_name);
	jw_end(&inner);
	buf_put_z(&text, "}");
	jw_raw(w, buf_str(&text));
}

static enum err write_cross_keys(struct users *u, struct arena *a, struct str user_id,
	struct str viewer, struct e2e_answer *r)
{
	static const struct {
		int part;
		const char *usage;
	} keys[] = { { E2E_MASTER, "master" }, { E2E_SELF_SIGNING, "self_signing" },
		{ E2E_USER_SIGNING, "user_signing" } };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct str json;
		enum err err;

		if (keys[i].part == E2E_USER_SIGNING && !str_eq(viewer, user_id))
			continue;
		err = cross_signing_get(u, a, user_id, str_of(keys[i].usage), viewer, &json);
		if (err == ERR_NOT_FOUND)
			continue;
		if (err)
			return err;
		jw_key_str(&r->w[keys[i].part], user_id);
		jw_raw(&r->w[keys[i].part], json);
	}
	return ERR_OK;
}

enum err e2e_local_query(struct users *u, struct arena *a, struct str user_id,
	const struct json *wanted, struct str viewer, struct e2e_answer *r)
{
	struct jw *w = &r->w[E2E_DEVICES];
	struct store_account account;
	struct store_device *devices;
	size_t n;
	enum err err = users_account(u, a, user_id, &account);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = store_device_list(u->store, a, account.nid, &devices, &n);
	if (err)
		return err;
	jw_key_str(w, user_id);
	jw_obj(w);
	for (size_t i = 0; i < n; i++) {
		if (devices[i].device_keys.n == 0 || !e2e_wanted(wanted, devices[i].device_id))
			continue;
		jw_key_str(w, devices[i].device_id);
		e2e_write_device(w, devices[i].device_keys, devices[i].display_name);
	}
	jw_end(w);
	return write_cross_keys(u, a, user_id, viewer, r);
}

enum err e2e_cached_query(struct users *u, struct arena *a, struct str user_id,
	const struct json *wanted, struct str viewer, struct e2e_answer *r)
{
	struct jw *w = &r->w[E2E_DEVICES];
	struct store_remote_device *devices;
	size_t n;
	enum err err = store_remote_device_list(u->store, a, user_id, &devices, &n);

	if (err)
		return err;
	jw_key_str(w, user_id);
	jw_obj(w);
	for (size_t i = 0; i < n; i++) {
		if (devices[i].device_keys.n == 0 || !e2e_wanted(wanted, devices[i].device_id))
			continue;
		jw_key_str(w, devices[i].device_id);
		e2e_write_device(w, devices[i].device_keys, devices[i].display_name);
	}
	jw_end(w);
	return write_cross_keys(u, a, user_id, viewer, r);
}

/* Whether the user has only one key left of any kind is his client's to know: its counts moved.
 */
static void tell_counts(struct users *u, struct str user_id, const struct store_device *d)
{
	store_feed(u->store,
		&(struct feed_item){ .kind = FEED_KEY_COUNTS,
			.pos = store_next_pos(u->store),
			.user_id = user_id,
			.device_id = d->device_id });
}

static enum err claim_one(struct users *u, struct arena *a, struct str user_id,
	const struct store_device *d, struct str algorithm, struct jw *w)
{
	struct store_key key;
	bool fallback;
	enum err err =
		store_one_time_key_claim(u->store, a, d->nid, algorithm, &key, &fallback);

	if (err)
		return err;
	tell_counts(u, user_id, d);
	jw_key_str(w, d->device_id);
	jw_obj(w);
	jw_key_str(
		w, arena_printf(a, "%.*s:%.*s", STR_FMT(key.algorithm), STR_FMT(key.key_id)));
	jw_raw(w, key.json);
	jw_end(w);
	return ERR_OK;
}

enum err e2e_local_claim(struct users *u, struct arena *a, struct str user_id,
	const struct json *devices, struct jw *w)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct jw inner = jw_to(&text);
	struct store_account account;
	enum err err = users_account(u, a, user_id, &account);
	bool any = false;

	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	jw_obj(&inner);
	for (const struct json *m = json_first(devices); m; m = json_next(m)) {
		struct store_device d;
		struct str algorithm;

		err = store_device_get(u->store, a, account.nid, json_key(m), &d);
		if (!err && json_as_str(m, &algorithm))
			err = claim_one(u, a, user_id, &d, algorithm, &inner);
		if (err && err != ERR_NOT_FOUND)
			return err;
		any = any || !err;
	}
	jw_end(&inner);
	if (any) {
		jw_key_str(w, user_id);
		jw_raw(w, buf_str(&text));
	}
	return ERR_OK;
}

static enum err check_users(const struct json *map, struct err_ctx *why)
{
	struct str localpart, server;
	size_t n = 0;

	for (const struct json *m = json_first(map); m; m = json_next(m), n++)
		if (!id_user(json_key(m), &localpart, &server))
			return err_set(why, ERR_MALFORMED, "a key is no user id");
	if (n > LIMIT_KEYS_QUERY_USERS)
		return err_set(
			why, ERR_INVALID, "at most %d users at once", LIMIT_KEYS_QUERY_USERS);
	return ERR_OK;
}

enum err e2e_check_claim(const struct json *one_time_keys, struct err_ctx *why)
{
	struct str s;

	for (const struct json *m = json_first(one_time_keys); m; m = json_next(m)) {
		if (!json_is(m, JSON_OBJECT))
			return err_set(
				why, ERR_MALFORMED, "one_time_keys: a user's is no object");
		for (const struct json *d = json_first(m); d; d = json_next(d))
			if (!json_as_str(d, &s))
				return err_set(why, ERR_MALFORMED,
					"one_time_keys: an algorithm is no string");
	}
	return check_users(one_time_keys, why);
}

enum err e2e_check_query(const struct json *device_keys, struct err_ctx *why)
{
	struct str s;

	for (const struct json *m = json_first(device_keys); m; m = json_next(m)) {
		if (!json_is(m, JSON_ARRAY))
			return err_set(why, ERR_MALFORMED, "device_keys: a user's is no array");
		for (const struct json *d = json_first(m); d; d = json_next(d))
			if (!json_as_str(d, &s))
				return err_set(why, ERR_MALFORMED,
					"device_keys: a device id is no string");
	}
	return check_users(device_keys, why);
}

/*
 * For other servers.
 */

enum err users_serve_keys_query(
	struct users *u, const struct json *body, struct buf *out, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct json *wanted = NULL;
	struct e2e_answer r;
	struct jw w = jw_to(out);
	enum err err = json_obj(body, "device_keys", &wanted, why);

	if (!err)
		err = e2e_check_query(wanted, why);
	if (err)
		return err;
	e2e_answer_init(&r);
	for (const struct json *m = json_first(wanted); m && !err; m = json_next(m))
		err = e2e_local_query(u, a, json_key(m), m, (struct str){ 0 }, &r);
	if (!err) {
		jw_obj(&w);
		e2e_answer_write(&r, &w, false);
		jw_end(&w);
	}
	e2e_answer_deinit(&r);
	return err;
}

static enum err claim_all(struct users *u, const struct json *wanted, struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct jw w = jw_to(out);
	enum err err = ERR_OK;

	jw_obj(&w);
	jw_key(&w, "one_time_keys");
	jw_obj(&w);
	for (const struct json *m = json_first(wanted); m && !err; m = json_next(m))
		err = e2e_local_claim(u, a, json_key(m), m, &w);
	jw_end(&w);
	jw_end(&w);
	return err;
}

enum err users_serve_keys_claim(
	struct users *u, const struct json *body, struct buf *out, struct err_ctx *why)
{
	const struct json *wanted = NULL;
	enum err err = json_obj(body, "one_time_keys", &wanted, why);

	if (!err)
		err = e2e_check_claim(wanted, why);
	if (!err)
		err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, claim_all(u, wanted, out));
}

enum err users_serve_devices(
	struct users *u, struct str user_id, struct buf *out, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account account;
	struct store_device *devices;
	struct store_cross_key key;
	struct jw w = jw_to(out);
	int64_t stream_id = 0;
	size_t n = 0;
	enum err err = users_account(u, a, user_id, &account);

	if (err == ERR_NOT_FOUND)
		return err_set(why, err, "there is no such user");
	if (!err)
		err = store_device_list(u->store, a, account.nid, &devices, &n);
	if (!err)
		err = store_device_list_stream_id(u->store, user_id, &stream_id);
	if (err)
		return err;
	jw_obj(&w);
	jw_key(&w, "devices");
	jw_arr(&w);
	for (size_t i = 0; i < n; i++) {
		if (devices[i].device_keys.n == 0)
			continue;
		jw_obj(&w);
		if (devices[i].display_name.n)
			jw_kv_str(&w, "device_display_name", devices[i].display_name);
		jw_kv_str(&w, "device_id", devices[i].device_id);
		jw_kv_raw(&w, "keys", devices[i].device_keys);
		jw_end(&w);
	}
	jw_end(&w);
	if (store_cross_key_get(u->store, a, user_id, STR("master"), &key) == ERR_OK)
		jw_kv_raw(&w, "master_key", key.json);
	if (store_cross_key_get(u->store, a, user_id, STR("self_signing"), &key) == ERR_OK)
		jw_kv_raw(&w, "self_signing_key", key.json);
	jw_kv_int(&w, "stream_id", stream_id);
	jw_kv_str(&w, "user_id", user_id);
	jw_end(&w);
	return ERR_OK;
}
