#include "node/user/device.h"

#include "node/base/limits.h"
#include "node/user/device_list.h"
#include "node/user/session.h"

static void write_device(struct jw *w, const struct store_device *d)
{
	jw_obj(w);
	jw_kv_str(w, "device_id", d->device_id);
	if (d->display_name.n)
		jw_kv_str(w, "display_name", d->display_name);
	if (d->last_seen_ts)
		jw_kv_int(w, "last_seen_ts", d->last_seen_ts);
	if (d->last_seen_address.n)
		jw_kv_str(w, "last_seen_ip", d->last_seen_address);
	jw_end(w);
}

enum err device_write_all(struct users *u, int64_t account, struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct jw w = jw_to(out);
	struct store_device *all;
	size_t n;
	enum err err = store_device_list(u->store, a, account, &all, &n);

	if (err)
		return err;
	jw_obj(&w);
	jw_key(&w, "devices");
	jw_arr(&w);
	for (size_t i = 0; i < n; i++)
		write_device(&w, &all[i]);
	jw_end(&w);
	jw_end(&w);
	return ERR_OK;
}

enum err device_write(struct users *u, int64_t account, struct str device_id, struct buf *out,
	struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct jw w = jw_to(out);
	struct store_device d;
	enum err err = store_device_get(u->store, a, account, device_id, &d);

	if (err == ERR_NOT_FOUND)
		return err_set(why, err, "there is no such device");
	if (err)
		return err;
	write_device(&w, &d);
	return ERR_OK;
}

/* What we keep of a device's connections is the last one. */
static void write_sessions(struct jw *w, const struct store_device *d)
{
	jw_obj(w);
	jw_key(w, "sessions");
	jw_arr(w);
	jw_obj(w);
	jw_key(w, "connections");
	jw_arr(w);
	jw_obj(w);
	if (d->last_seen_address.n)
		jw_kv_str(w, "ip", d->last_seen_address);
	if (d->last_seen_ts)
		jw_kv_int(w, "last_seen", d->last_seen_ts);
	jw_end(w);
	jw_end(w);
	jw_end(w);
	jw_end(w);
	jw_end(w);
}

enum err device_write_whois(
	struct users *u, struct str user_id, struct buf *out, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct jw w = jw_to(out);
	struct store_account account;
	struct store_device *all;
	size_t n;
	enum err err = users_account(u, a, user_id, &account);

	if (err == ERR_NOT_FOUND)
		return err_set(why, err, "there is no such user");
	if (!err)
		err = store_device_list(u->store, a, account.nid, &all, &n);
	if (err)
		return err;
	jw_obj(&w);
	jw_key(&w, "devices");
	jw_obj(&w);
	for (size_t i = 0; i < n; i++) {
		jw_key_str(&w, all[i].device_id);
		write_sessions(&w, &all[i]);
	}
	jw_end(&w);
	jw_kv_str(&w, "user_id", user_id);
	jw_end(&w);
	return ERR_OK;
}

static enum err rename_device(struct users *u, const struct user_caller *who,
	const struct store_device *d, struct str display_name)
{
	enum err err = store_device_rename(u->store, d->nid, display_name);

	return err ? err : device_list_changed(u, who->user_id, d->device_id);
}

enum err device_rename(struct users *u, const struct user_caller *who, struct str device_id,
	struct str display_name, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_device d;
	enum err err = store_device_get(u->store, a, who->account, device_id, &d);

	if (err == ERR_NOT_FOUND)
		return err_set(why, err, "there is no such device");
	if (err)
		return err;
	if (display_name.n > LIMIT_DEVICE_NAME_BYTES)
		return err_set(why, ERR_INVALID, "a device name has at most %d bytes",
			LIMIT_DEVICE_NAME_BYTES);
	if (str_eq(d.display_name, display_name))
		return ERR_OK;
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, rename_device(u, who, &d, display_name));
}

static enum err delete_devices(struct users *u, struct arena *a, const struct user_caller *who,
	const struct str *device_ids, size_t n)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < n && !err; i++) {
		struct store_device d;

		err = store_device_get(u->store, a, who->account, device_ids[i], &d);
		if (err == ERR_NOT_FOUND)
			err = ERR_OK;
		else if (!err)
			err = session_end_device(u, who->user_id, &d);
	}
	return err;
}

enum err device_delete(
	struct users *u, const struct user_caller *who, const struct str *device_ids, size_t n)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	enum err err = store_begin(u->store);

	if (err)
		return err;
	return store_end(u->store, delete_devices(u, a, who, device_ids, n));
}
