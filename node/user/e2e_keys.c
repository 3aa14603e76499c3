#include "node/user/e2e_keys.h"

#include "node/base/limits.h"
#include "node/user/device_list.h"
#include "node/user/e2e_shape.h"
#include "node/user/users_impl.h"

#define USUAL_ALGORITHM "signed_curve25519"

/* signed_curve25519 is always there: some clients take a missing count as unknown, not as 0,
 * and then upload no more. */
enum err e2e_keys_write_counts(struct users *u, int64_t device, struct jw *w)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_key_count *counts;
	bool usual = false;
	size_t n;
	enum err err = store_one_time_key_counts(u->store, a, device, &counts, &n);

	if (err)
		return err;
	jw_obj(w);
	for (size_t i = 0; i < n; i++) {
		usual = usual || str_eq(counts[i].algorithm, STR(USUAL_ALGORITHM));
		jw_key_str(w, counts[i].algorithm);
		jw_int(w, counts[i].n);
	}
	if (!usual)
		jw_kv_int(w, USUAL_ALGORITHM, 0);
	jw_end(w);
	return ERR_OK;
}

enum err e2e_keys_write_fallback(struct users *u, int64_t device, struct jw *w)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct str *algorithms;
	size_t n;
	enum err err = store_fallback_key_unused(u->store, a, device, &algorithms, &n);

	if (err)
		return err;
	jw_arr(w);
	for (size_t i = 0; i < n; i++)
		jw_str(w, algorithms[i]);
	jw_end(w);
	return ERR_OK;
}

/* The parts of keys/upload, checked. NULL: not in the body. */
struct upload {
	struct users *u;
	const struct user_caller *who;
	struct arena *a;
	const struct json *device_keys;
	const struct json *one_time_keys;
	const struct json *fallback_keys;
	struct err_ctx *why;
};

static enum err check_upload(struct upload *up, const struct json *body)
{
	struct str algorithm, key_id;
	enum err err = json_opt_obj(body, "device_keys", &up->device_keys, up->why);

	if (!err)
		err = json_opt_obj(body, "one_time_keys", &up->one_time_keys, up->why);
	if (!err)
		err = json_opt_obj(body, "fallback_keys", &up->fallback_keys, up->why);
	if (!err && up->device_keys)
		err = e2e_shape_device_keys(
			up->device_keys, up->who->user_id, up->who->device_id, up->why);
	for (const struct json *m = json_first(up->one_time_keys); m && !err; m = json_next(m))
		err = e2e_shape_one_time_key(json_key(m), m, &algorithm, &key_id, up->why);
	for (const struct json *m = json_first(up->fallback_keys); m && !err; m = json_next(m))
		err = e2e_shape_one_time_key(json_key(m), m, &algorithm, &key_id, up->why);
	return err;
}

static enum err too_large(struct upload *up)
{
	return err_set(up->why, ERR_TOO_LARGE, "a key has at most %u bytes", E2E_KEY_BYTES);
}

static enum err put_device_keys(struct upload *up)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct store_device d;
	const struct json *old = NULL;
	bool same;
	enum err err =
		store_device_get(up->u->store, up->a, up->who->account, up->who->device_id, &d);

	if (!err && d.device_keys.n)
		err = json_parse_in(up->a, d.device_keys, &json_limits_peer, &old, NULL);
	if (err)
		return err == ERR_MALFORMED ? ERR_CORRUPT : err;
	/* The same keys again keep the signatures that cross-signing gave them. */
	same = old && e2e_shape_same(old, up->device_keys);
	e2e_shape_merge(
		same ? old : up->device_keys, same ? up->device_keys : NULL, NULL, NULL, &text);
	if (str_eq(buf_str(&text), d.device_keys))
		return ERR_OK;
	if (text.n > E2E_KEY_BYTES)
		return too_large(up);
	err = store_device_set_keys(up->u->store, d.nid, buf_str(&text));
	return err ? err : device_list_changed(up->u, up->who->user_id, d.device_id);
}

static struct store_key key_of(struct upload *up, const struct json *m, struct buf *text)
{
	struct store_key key = { 0 };

	buf_clear(text);
	json_canonical(m, text);
	key.json = buf_str(text);
	(void)str_cut(json_key(m), ':', &key.algorithm, &key.key_id);
	return key;
}

static enum err put_one_time_keys(struct upload *up)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct store_key_count *counts;
	size_t n;
	enum err err = ERR_OK;

	for (const struct json *m = json_first(up->one_time_keys); m && !err;
		m = json_next(m)) {
		struct store_key key = key_of(up, m, &text);
		struct str old;

		if (key.json.n > E2E_KEY_BYTES)
			return too_large(up);
		err = store_one_time_key_get(
			up->u->store, up->a, up->who->device, key.algorithm, key.key_id, &old);
		if (err == ERR_NOT_FOUND)
			err = store_one_time_key_put(up->u->store, up->who->device, &key);
		else if (!err && !str_eq(old, key.json))
			err = err_set(up->why, ERR_INVALID,
				"one-time key %.*s is there with another content",
				STR_FMT(json_key(m)));
	}
	if (!err)
		err = store_one_time_key_counts(
			up->u->store, up->a, up->who->device, &counts, &n);
	for (size_t i = 0; !err && i < n; i++)
		if (counts[i].n > LIMIT_ONE_TIME_KEYS)
			err = err_set(up->why, ERR_INVALID,
				"at most %d one-time keys of an algorithm",
				LIMIT_ONE_TIME_KEYS);
	return err;
}

/* A key that is there already stays used if it was: a client that repeats itself must not make
 * the server forget that. */
static enum err put_fallback_keys(struct upload *up)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	enum err err = ERR_OK;

	for (const struct json *m = json_first(up->fallback_keys); m && !err;
		m = json_next(m)) {
		struct store_key key = key_of(up, m, &text);
		struct store_key old;

		if (key.json.n > E2E_KEY_BYTES)
			return too_large(up);
		err = store_fallback_key_get(
			up->u->store, up->a, up->who->device, key.algorithm, &old);
		if (!err && str_eq(old.key_id, key.key_id) && str_eq(old.json, key.json))
			continue;
		if (!err || err == ERR_NOT_FOUND)
			err = store_fallback_key_put(up->u->store, up->who->device, &key);
	}
	return err;
}

static enum err put_upload(struct upload *up)
{
	enum err err = ERR_OK;

	if (up->device_keys)
		err = put_device_keys(up);
	if (!err)
		err = put_one_time_keys(up);
	if (!err)
		err = put_fallback_keys(up);
	if (!err && (up->one_time_keys || up->fallback_keys))
		store_feed(up->u->store,
			&(struct feed_item){ .kind = FEED_KEY_COUNTS,
				.pos = store_next_pos(up->u->store),
				.user_id = up->who->user_id,
				.device_id = up->who->device_id });
	return err;
}

enum err e2e_keys_upload(struct users *u, const struct user_caller *who,
	const struct json *body, struct buf *out, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct upload up = { .u = u, .who = who, .a = a, .why = why };
	struct jw w = jw_to(out);
	enum err err = check_upload(&up, body);

	/* matrix-js-sdk asks for the counts with an empty upload: nothing to write then. */
	if (!err && (up.device_keys || up.one_time_keys || up.fallback_keys)) {
		err = store_begin(u->store);
		if (!err)
			err = store_end(u->store, put_upload(&up));
	}
	if (err)
		return err;
	jw_obj(&w);
	jw_key(&w, "one_time_key_counts");
	err = e2e_keys_write_counts(u, who->device, &w);
	if (!err)
		jw_end(&w);
	return err;
}
