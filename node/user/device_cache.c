#include "node/user/device_cache.h"

#include "node/base/limits.h"
#include "node/user/cross_signing.h"
#include "node/user/device_list.h"
#include "node/user/e2e_shape.h"
#include "store/cross_signing.h"
#include "store/device_list.h"

#define LOG_MODULE "devices"

/* Of one user elsewhere; more are left out. */
#define REMOTE_DEVICES_MAX 1000

enum err device_cache_look(struct users *u, struct str user_id, enum device_cache_state *out)
{
	struct store_remote_user user;
	bool tracked = false;
	enum err err = store_device_list_tracked(u->store, user_id, &tracked);

	if (err)
		return err;
	if (!tracked) {
		*out = DEVICE_CACHE_UNTRACKED;
		return ERR_OK;
	}
	err = store_remote_user_get(u->store, user_id, &user);
	if (err && err != ERR_NOT_FOUND)
		return err;
	*out = err || user.is_stale ? DEVICE_CACHE_STALE : DEVICE_CACHE_FRESH;
	return ERR_OK;
}

/* What of a device may be kept. Its name is cut to what our own may have. */
static enum err put_device(struct users *u, struct str user_id, struct str device_id,
	const struct json *keys, struct str display_name, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };

	if (device_id.n == 0 || device_id.n > LIMIT_ID_BYTES)
		return err_set(
			why, ERR_MALFORMED, "a device id has 1 to %d bytes", LIMIT_ID_BYTES);
	if (keys) {
		enum err err = e2e_shape_device_keys(keys, user_id, device_id, why);

		if (err)
			return err;
		e2e_shape_merge(keys, NULL, NULL, NULL, &text);
	}
	if (text.n > E2E_KEY_BYTES)
		return err_set(
			why, ERR_MALFORMED, "device keys have at most %u bytes", E2E_KEY_BYTES);
	if (display_name.n > LIMIT_DISPLAYNAME_BYTES)
		display_name = (struct str){ 0 };
	return store_remote_device_put(u->store, user_id,
		&(struct store_remote_device){ device_id, display_name, buf_str(&text) });
}

static enum err fill_devices(struct users *u, struct str user_id, const struct json *devices)
{
	enum err err = store_remote_device_clear(u->store, user_id);
	size_t n = 0;

	for (const struct json *m = json_first(devices); m && !err && n < REMOTE_DEVICES_MAX;
		m = json_next(m), n++) {
		struct str device_id = { 0 }, name = { 0 };

		if (!json_as_str(json_get(m, "device_id"), &device_id))
			continue;
		(void)json_as_str(json_get(m, "device_display_name"), &name);
		err = put_device(u, user_id, device_id, json_get(m, "keys"), name, NULL);
		if (err == ERR_MALFORMED)
			err = ERR_OK;
	}
	return err;
}

/* NULL: the user has none (any more). */
static enum err fill_key(
	struct users *u, struct str user_id, struct str usage, const struct json *key)
{
	enum err err = ERR_MALFORMED;

	if (key)
		err = cross_signing_put_remote(u, user_id, usage, key, NULL);
	return err == ERR_MALFORMED ? store_cross_key_delete(u->store, user_id, usage) : err;
}

static enum err fill(struct users *u, struct str user_id, int64_t stream_id,
	const struct json *devices, const struct json *reply)
{
	enum err err = fill_devices(u, user_id, devices);

	if (!err)
		err = fill_key(u, user_id, STR("master"), json_get(reply, "master_key"));
	if (!err)
		err = fill_key(
			u, user_id, STR("self_signing"), json_get(reply, "self_signing_key"));
	if (!err)
		err = store_remote_user_put(u->store, user_id,
			&(struct store_remote_user){ .stream_id = stream_id });
	return err;
}

enum err device_cache_fill(
	struct users *u, struct str user_id, const struct json *reply, struct err_ctx *why)
{
	const struct json *devices = NULL;
	struct str named;
	int64_t stream_id = 0;
	enum err err = json_str(reply, "user_id", &named, why);

	if (!err)
		err = json_int(reply, "stream_id", 0, JSON_INT_MAX, &stream_id, why);
	if (!err)
		err = json_arr(reply, "devices", &devices, why);
	if (err)
		return err;
	if (!str_eq(named, user_id))
		return err_set(why, ERR_MALFORMED, "devices of another user");
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, fill(u, user_id, stream_id, devices, reply));
}

enum err device_cache_membership(struct users *u, struct str user_id)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_user_list gone = { 0 };
	enum err err = users_is_local(u, user_id)
		? store_remote_user_untracked(u->store, a, &gone)
		: store_remote_user_untracked_one(u->store, a, user_id, &gone);

	if (err || gone.n == 0)
		return err;
	err = store_begin(u->store);
	if (err)
		return err;
	for (size_t i = 0; i < gone.n && !err; i++)
		err = store_remote_user_delete(u->store, gone.ids[i]);
	return store_end(u->store, err);
}

/*
 * m.device_list_update and m.signing_key_update.
 */

struct update {
	struct str user_id;
	struct str device_id;
	struct str display_name;
	int64_t stream_id;
	const struct json *prev_id;
	const struct json *keys;
	bool deleted;
};

static enum err parse_update(const struct json *content, struct update *up, struct err_ctx *why)
{
	enum err err = json_str(content, "user_id", &up->user_id, why);

	if (!err)
		err = json_str(content, "device_id", &up->device_id, why);
	if (!err)
		err = json_int(content, "stream_id", 0, JSON_INT_MAX, &up->stream_id, why);
	if (!err)
		err = json_opt_arr(content, "prev_id", &up->prev_id, why);
	if (!err)
		err = json_opt_obj(content, "keys", &up->keys, why);
	if (!err)
		err = json_opt_bool(content, "deleted", &up->deleted, why);
	if (!err)
		err = json_opt_str(content, "device_display_name", &up->display_name, why);
	return err;
}

static enum err check_origin(struct str origin, struct str user_id, struct err_ctx *why)
{
	struct str localpart, server;

	if (!id_user(user_id, &localpart, &server) || !str_eq(server, origin))
		return err_set(
			why, ERR_FORBIDDEN, "user_id is no user of %.*s", STR_FMT(origin));
	return ERR_OK;
}

/* Does the update follow what we have? The first of all names none before it. */
static bool follows(const struct update *up, int64_t known)
{
	const struct json *m = json_first(up->prev_id);
	int64_t prev;

	if (!m)
		return known == 0;
	for (; m; m = json_next(m))
		if (!json_as_int(m, &prev) || prev != known)
			return false;
	return true;
}

static enum err apply(struct users *u, const struct update *up)
{
	struct store_remote_user user;
	enum err err = store_remote_user_get(u->store, up->user_id, &user);

	if (err == ERR_NOT_FOUND)
		return ERR_OK; /* nobody asked yet: nothing is kept */
	if (err || user.is_stale || up->stream_id <= user.stream_id)
		return err;
	if (!follows(up, user.stream_id)) {
		user.is_stale = true;
		return store_remote_user_put(u->store, up->user_id, &user);
	}
	if (up->deleted)
		err = store_remote_device_delete(u->store, up->user_id, up->device_id);
	else
		err = put_device(
			u, up->user_id, up->device_id, up->keys, up->display_name, NULL);
	user.is_stale = err == ERR_MALFORMED; /* perhaps they say it better when asked */
	user.stream_id = up->stream_id;
	if (err && err != ERR_MALFORMED)
		return err;
	return store_remote_user_put(u->store, up->user_id, &user);
}

static enum err take_update(struct users *u, const struct update *up)
{
	enum err err = apply(u, up);

	return err ? err : device_list_note(u, up->user_id);
}

enum err users_receive_device_list(
	struct users *u, struct str origin, const struct json *content, struct err_ctx *why)
{
	struct update up = { 0 };
	bool tracked = false;
	enum err err = parse_update(content, &up, why);

	if (!err)
		err = check_origin(origin, up.user_id, why);
	if (!err)
		err = store_device_list_tracked(u->store, up.user_id, &tracked);
	if (err || !tracked)
		return err;
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, take_update(u, &up));
}

static enum err take_keys(struct users *u, struct str user_id, const struct json *content)
{
	static const char *const members[] = { "master_key", "self_signing_key" };
	static const char *const names[] = { "master", "self_signing" };
	struct store_remote_user user;
	enum err err = store_remote_user_get(u->store, user_id, &user);
	bool kept = err == ERR_OK;

	if (err == ERR_NOT_FOUND)
		err = ERR_OK;
	for (size_t i = 0; kept && i < ARRAY_LEN(members) && !err; i++) {
		const struct json *key = json_get(content, members[i]);

		if (key)
			err = cross_signing_put_remote(u, user_id, str_of(names[i]), key, NULL);
		if (err == ERR_MALFORMED) {
			user.is_stale = true;
			err = store_remote_user_put(u->store, user_id, &user);
		}
	}
	return err ? err : device_list_note(u, user_id);
}

enum err users_receive_signing_keys(
	struct users *u, struct str origin, const struct json *content, struct err_ctx *why)
{
	struct str user_id = { 0 };
	bool tracked = false;
	enum err err = json_str(content, "user_id", &user_id, why);

	if (!err)
		err = check_origin(origin, user_id, why);
	if (!err)
		err = store_device_list_tracked(u->store, user_id, &tracked);
	if (err || !tracked)
		return err;
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, take_keys(u, user_id, content));
}
