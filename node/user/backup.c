#include "node/user/backup.h"

#include "node/base/limits.h"
#include "node/user/users_impl.h"
#include "store/backup.h"

enum err backup_version_new(struct users *u, int64_t account, struct str algorithm,
	const struct json *auth_data, int64_t *version)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	enum err err = store_begin(u->store);

	if (err)
		return err;
	json_canonical(auth_data, &text);
	return store_end(u->store,
		store_backup_put(u->store, account, algorithm, buf_str(&text), version));
}

/* A deleted one counts as not there. */
static enum err find(struct users *u, struct arena *a, int64_t account, int64_t version,
	struct store_backup *out)
{
	enum err err = store_backup_get(u->store, a, account, version, out);

	return !err && out->is_deleted ? ERR_NOT_FOUND : err;
}

enum err backup_version_write(
	struct users *u, int64_t account, int64_t version, struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_backup b;
	struct jw w = jw_to(out);
	enum err err = find(u, a, account, version, &b);

	if (err)
		return err;
	jw_obj(&w);
	jw_kv_str(&w, "algorithm", b.algorithm);
	jw_kv_raw(&w, "auth_data", b.auth_data);
	jw_kv_int(&w, "count", b.count);
	jw_kv_str(&w, "etag", arena_printf(a, "%lld", (long long)b.etag));
	jw_kv_str(&w, "version", arena_printf(a, "%lld", (long long)b.version));
	jw_end(&w);
	return ERR_OK;
}

enum err backup_version_set(struct users *u, int64_t account, int64_t version,
	struct str algorithm, const struct json *auth_data, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct store_backup b;
	enum err err = find(u, a, account, version, &b);

	if (err == ERR_NOT_FOUND)
		return err_set(why, err, "Unknown backup version");
	if (err)
		return err;
	if (!str_eq(b.algorithm, algorithm))
		return err_set(why, ERR_INVALID, "Algorithm does not match");
	json_canonical(auth_data, &text);
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store,
		store_backup_set_auth_data(u->store, account, version, buf_str(&text)));
}

enum err backup_version_delete(struct users *u, int64_t account, int64_t version)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_backup b;
	enum err err = store_backup_get(u->store, a, account, version, &b);

	if (err || b.is_deleted)
		return err;
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, store_backup_delete(u->store, account, version));
}

enum err backup_version_current(struct users *u, int64_t account, int64_t *version)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_backup b = { 0 };
	enum err err = store_backup_get(u->store, a, account, 0, &b);

	if (err && err != ERR_NOT_FOUND)
		return err;
	*version = err ? 0 : b.version;
	return ERR_OK;
}

/*
 * Keys going in.
 */

struct put {
	struct users *u;
	const struct backup_path *path;
	struct arena *a;
	bool changed;
	struct err_ctx *why;
};

static enum err parse_key(const struct json *data, struct store_backup_key *k, struct buf *text,
	struct err_ctx *why)
{
	const struct json *session_data = NULL;
	enum err err = json_int(
		data, "first_message_index", 0, JSON_INT_MAX, &k->first_message_index, why);

	if (!err)
		err = json_int(
			data, "forwarded_count", 0, JSON_INT_MAX, &k->forwarded_count, why);
	if (!err)
		err = json_bool(data, "is_verified", &k->is_verified, why);
	if (!err)
		err = json_obj(data, "session_data", &session_data, why);
	if (err)
		return err;
	if (k->room_id.n == 0 || k->room_id.n > LIMIT_ID_BYTES || k->session_id.n == 0 ||
		k->session_id.n > LIMIT_ID_BYTES)
		return err_set(why, ERR_INVALID, "a room or session id is too long");
	buf_clear(text);
	json_canonical(session_data, text);
	k->session_data = buf_str(text);
	return ERR_OK;
}

struct old_key {
	bool found;
	struct store_backup_key k;
};

static void take_old(void *arg, const struct store_backup_key *k)
{
	struct old_key *old = arg;

	old->found = true;
	old->k = *k; /* its strings are not looked at */
}

/* "Key backup": verified before unverified, then the lower first_message_index, then the lower
 * forwarded_count; else the one that is there stays. */
static bool is_better(const struct store_backup_key *new, const struct store_backup_key *old)
{
	if (new->is_verified != old->is_verified)
		return new->is_verified;
	if (new->first_message_index != old->first_message_index)
		return new->first_message_index < old->first_message_index;
	return new->forwarded_count < old->forwarded_count;
}

static enum err put_session(
	struct put *p, struct str room_id, struct str session_id, const struct json *data)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct store_backup_key k = { .room_id = room_id, .session_id = session_id };
	struct old_key old = { 0 };
	enum err err = parse_key(data, &k, &text, p->why);

	if (!err)
		err = store_backup_key_each(p->u->store, p->path->account, p->path->version,
			room_id, session_id, take_old, &old);
	if (err || (old.found && !is_better(&k, &old.k)))
		return err;
	p->changed = true;
	return store_backup_key_put(p->u->store, p->path->account, p->path->version, &k);
}

static enum err put_room(struct put *p, struct str room_id, const struct json *room)
{
	const struct json *sessions = NULL;
	enum err err = json_obj(room, "sessions", &sessions, p->why);

	for (const struct json *m = err ? NULL : json_first(sessions); m && !err;
		m = json_next(m))
		err = put_session(p, room_id, json_key(m), m);
	return err;
}

static enum err put_all(struct put *p, const struct json *body)
{
	const struct json *rooms = NULL;
	enum err err = json_obj(body, "rooms", &rooms, p->why);

	for (const struct json *m = err ? NULL : json_first(rooms); m && !err; m = json_next(m))
		err = put_room(p, json_key(m), m);
	return err;
}

static enum err put(struct put *p, const struct json *body)
{
	const struct backup_path *path = p->path;
	enum err err = path->session_id.n
		? put_session(p, path->room_id, path->session_id, body)
		: path->room_id.n ? put_room(p, path->room_id, body)
				  : put_all(p, body);

	if (!err && p->changed)
		err = store_backup_bump(p->u->store, path->account, path->version);
	return err;
}

static enum err write_update(struct users *u, const struct backup_path *path, struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_backup b;
	struct jw w = jw_to(out);
	enum err err = store_backup_get(u->store, a, path->account, path->version, &b);

	if (err)
		return err;
	jw_obj(&w);
	jw_kv_int(&w, "count", b.count);
	jw_kv_str(&w, "etag", arena_printf(a, "%lld", (long long)b.etag));
	jw_end(&w);
	return ERR_OK;
}

enum err backup_keys_put(struct users *u, const struct backup_path *path,
	const struct json *body, struct buf *out, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct put p = { .u = u, .path = path, .a = a, .why = why };
	struct store_backup b;
	int64_t current = 0;
	enum err err = find(u, a, path->account, path->version, &b);

	if (err == ERR_NOT_FOUND)
		return err_set(why, err, "Unknown backup version");
	if (!err)
		err = backup_version_current(u, path->account, &current);
	if (err)
		return err;
	if (current != path->version)
		return err_set(why, ERR_FORBIDDEN, "Wrong backup version.");
	err = store_begin(u->store);
	if (err)
		return err;
	err = store_end(u->store, put(&p, body));
	return err ? err : write_update(u, path, out);
}

/*
 * Keys coming out.
 */

struct write {
	struct jw w;
	struct buf room; /* the open room's id; keys come room by room */
	bool open;
	size_t n;
};

static void write_key(struct jw *w, const struct store_backup_key *k)
{
	jw_obj(w);
	jw_kv_int(w, "first_message_index", k->first_message_index);
	jw_kv_int(w, "forwarded_count", k->forwarded_count);
	jw_kv_bool(w, "is_verified", k->is_verified);
	jw_kv_raw(w, "session_data", k->session_data);
	jw_end(w);
}

static void write_one(void *arg, const struct store_backup_key *k)
{
	struct write *out = arg;

	write_key(&out->w, k);
	out->n++;
}

static void write_in_room(void *arg, const struct store_backup_key *k)
{
	struct write *out = arg;

	jw_key_str(&out->w, k->session_id);
	write_key(&out->w, k);
}

static void close_room(struct write *out)
{
	if (!out->open)
		return;
	jw_end(&out->w);
	jw_end(&out->w);
	out->open = false;
}

static void write_in_all(void *arg, const struct store_backup_key *k)
{
	struct write *out = arg;

	if (!out->open || !str_eq(buf_str(&out->room), k->room_id)) {
		close_room(out);
		buf_clear(&out->room);
		buf_put_str(&out->room, k->room_id);
		jw_key_str(&out->w, k->room_id);
		jw_obj(&out->w);
		jw_key(&out->w, "sessions");
		jw_obj(&out->w);
		out->open = true;
	}
	write_in_room(arg, k);
}

static enum err write_keys(struct users *u, const struct backup_path *path, struct buf *out)
{
	struct write write = { .w = jw_to(out) };
	enum err err;

	if (path->session_id.n) {
		err = store_backup_key_each(u->store, path->account, path->version,
			path->room_id, path->session_id, write_one, &write);
		return !err && write.n == 0 ? ERR_NOT_FOUND : err;
	}
	jw_obj(&write.w);
	jw_key(&write.w, path->room_id.n ? "sessions" : "rooms");
	jw_obj(&write.w);
	err = store_backup_key_each(u->store, path->account, path->version, path->room_id,
		path->session_id, path->room_id.n ? write_in_room : write_in_all, &write);
	close_room(&write);
	jw_end(&write.w);
	jw_end(&write.w);
	buf_deinit(&write.room);
	return err;
}

enum err backup_keys_write(
	struct users *u, const struct backup_path *path, struct buf *out, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_backup b;
	enum err err = find(u, a, path->account, path->version, &b);

	if (err == ERR_NOT_FOUND)
		return err_set(why, err, "Unknown backup version");
	if (!err)
		err = write_keys(u, path, out);
	return err == ERR_NOT_FOUND ? err_set(why, err, "Key not found.") : err;
}

static enum err delete_keys(struct users *u, const struct backup_path *path)
{
	int64_t n = 0;
	enum err err = store_backup_key_delete(
		u->store, path->account, path->version, path->room_id, path->session_id, &n);

	if (err || n == 0)
		return err;
	return store_backup_bump(u->store, path->account, path->version);
}

enum err backup_keys_delete(
	struct users *u, const struct backup_path *path, struct buf *out, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_backup b;
	enum err err = find(u, a, path->account, path->version, &b);

	if (err == ERR_NOT_FOUND)
		return err_set(why, err, "Unknown backup version");
	if (!err)
		err = store_begin(u->store);
	if (err)
		return err;
	err = store_end(u->store, delete_keys(u, path));
	return err ? err : write_update(u, path, out);
}
