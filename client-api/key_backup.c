/*
 * key_backup: backups of room keys (module end_to_end_encryption, "Server-side key backups").
 */
#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/base/limits.h"
#include "node/user/backup.h"

/* Versions are numbers of ours; any other text names none. */
static bool parse_version(struct str s, int64_t *out)
{
	return str_to_i64(s, out) && *out > 0 && (s.n == 1 || s.p[0] != '0');
}

static enum err no_version(struct request *r)
{
	return err_set(&r->why, ERR_NOT_FOUND, "Unknown backup version");
}

static enum err parse_backup(
	struct request *r, struct str *algorithm, const struct json **auth_data)
{
	enum err err = json_str(r->body, "algorithm", algorithm, &r->why);

	if (!err && (algorithm->n == 0 || algorithm->n > LIMIT_ID_BYTES))
		err = err_set(&r->why, ERR_INVALID, "algorithm has 1 to 255 bytes");
	return err ? err : json_obj(r->body, "auth_data", auth_data, &r->why);
}

static enum err post_version(struct request *r)
{
	const struct json *auth_data = NULL;
	struct str algorithm;
	int64_t version;
	struct jw w;
	enum err err = parse_backup(r, &algorithm, &auth_data);

	if (!err)
		err = backup_version_new(
			r->api->users, r->caller.account, algorithm, auth_data, &version);
	if (err)
		return err;
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_str(&w, "version", arena_printf(r->arena, "%lld", (long long)version));
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static enum err write_version(struct request *r, int64_t version)
{
	struct buf out = { 0 };
	enum err err = backup_version_write(r->api->users, r->caller.account, version, &out);

	if (!err) {
		reply_json(r, &out);
		return ERR_OK;
	}
	buf_deinit(&out);
	return err == ERR_NOT_FOUND && version == 0
		? err_set(&r->why, err, "No current backup version")
		: err_set(&r->why, err, "Unknown backup version");
}

static enum err get_current(struct request *r)
{
	return write_version(r, 0);
}

static enum err get_version(struct request *r)
{
	int64_t version;

	return parse_version(r->args[0], &version) ? write_version(r, version) : no_version(r);
}

static enum err put_version(struct request *r)
{
	const struct json *auth_data = NULL;
	struct str algorithm, named = r->args[0];
	int64_t version;
	enum err err = parse_backup(r, &algorithm, &auth_data);

	if (!err)
		err = json_opt_str(r->body, "version", &named, &r->why);
	if (err)
		return err;
	if (!str_eq(named, r->args[0]))
		return err_set(&r->why, ERR_INVALID, "version is not that of the path");
	if (!parse_version(r->args[0], &version))
		return no_version(r);
	err = backup_version_set(
		r->api->users, r->caller.account, version, algorithm, auth_data, &r->why);
	if (!err)
		reply_empty(r);
	return err;
}

static enum err delete_version(struct request *r)
{
	int64_t version;
	enum err err;

	if (!parse_version(r->args[0], &version))
		return no_version(r);
	err = backup_version_delete(r->api->users, r->caller.account, version);
	if (!err)
		reply_empty(r);
	return err == ERR_NOT_FOUND ? no_version(r) : err;
}

/* The version of the query and the room and session of the path. */
static enum err parse_path(struct request *r, struct backup_path *out)
{
	struct str version;

	*out = (struct backup_path){ .account = r->caller.account };
	if (!request_query(r, "version", &version))
		return err_set(&r->why, ERR_INVALID, "version is missing");
	if (!parse_version(version, &out->version))
		return no_version(r);
	for (size_t i = 0; i < r->n_args; i++)
		if (r->args[i].n == 0)
			return err_set(&r->why, ERR_INVALID, "an id of the path is empty");
	if (r->n_args > 0)
		out->room_id = r->args[0];
	if (r->n_args > 1)
		out->session_id = r->args[1];
	return ERR_OK;
}

static void wrong_version(struct request *r)
{
	struct buf out = { 0 };
	struct jw w = jw_to(&out);
	int64_t current = 0;

	if (backup_version_current(r->api->users, r->caller.account, &current) != ERR_OK)
		current = 0;
	jw_obj(&w);
	if (current)
		jw_kv_str(&w, "current_version",
			arena_printf(r->arena, "%lld", (long long)current));
	jw_kv_z(&w, "errcode", "M_WRONG_ROOM_KEYS_VERSION");
	jw_kv_z(&w, "error", "Wrong backup version.");
	jw_end(&w);
	reply_json_status(r, 403, &out);
}

static enum err put_keys(struct request *r)
{
	struct backup_path path;
	struct buf out = { 0 };
	enum err err = parse_path(r, &path);

	if (!err)
		err = backup_keys_put(r->api->users, &path, r->body, &out, &r->why);
	if (!err) {
		reply_json(r, &out);
		return ERR_OK;
	}
	buf_deinit(&out);
	if (err != ERR_FORBIDDEN)
		return err;
	wrong_version(r);
	return ERR_OK;
}

static enum err get_keys(struct request *r)
{
	struct backup_path path;
	struct buf out = { 0 };
	enum err err = parse_path(r, &path);

	if (!err)
		err = backup_keys_write(r->api->users, &path, &out, &r->why);
	if (err)
		buf_deinit(&out);
	else
		reply_json(r, &out);
	return err;
}

static enum err delete_keys(struct request *r)
{
	struct backup_path path;
	struct buf out = { 0 };
	enum err err = parse_path(r, &path);

	if (!err)
		err = backup_keys_delete(r->api->users, &path, &out, &r->why);
	if (err)
		buf_deinit(&out);
	else
		reply_json(r, &out);
	return err;
}

#define VERSION "/_matrix/client/v3/room_keys/version"
#define KEYS    "/_matrix/client/v3/room_keys/keys"
#define ROOM    KEYS "/{roomId}"
#define SESSION KEYS "/{roomId}/{sessionId}"

const struct route key_backup_routes[] = {
	{ "getRoomKeysVersionCurrent", "GET", VERSION, AUTH_TOKEN, COST_READ, get_current },
	{ "postRoomKeysVersion", "POST", VERSION, AUTH_TOKEN, COST_WRITE, post_version,
		BODY_OBJECT },
	{ "getRoomKeysVersion", "GET", VERSION "/{version}", AUTH_TOKEN, COST_READ,
		get_version },
	{ "putRoomKeysVersion", "PUT", VERSION "/{version}", AUTH_TOKEN, COST_WRITE,
		put_version, BODY_OBJECT },
	{ "deleteRoomKeysVersion", "DELETE", VERSION "/{version}", AUTH_TOKEN, COST_WRITE,
		delete_version },
	{ "getRoomKeys", "GET", KEYS, AUTH_TOKEN, COST_READ, get_keys },
	{ "putRoomKeys", "PUT", KEYS, AUTH_TOKEN, COST_WRITE, put_keys, BODY_OBJECT,
		LIMIT_BODY_KEYS },
	{ "deleteRoomKeys", "DELETE", KEYS, AUTH_TOKEN, COST_WRITE, delete_keys },
	{ "getRoomKeysByRoomId", "GET", ROOM, AUTH_TOKEN, COST_READ, get_keys },
	{ "putRoomKeysByRoomId", "PUT", ROOM, AUTH_TOKEN, COST_WRITE, put_keys, BODY_OBJECT,
		LIMIT_BODY_KEYS },
	{ "deleteRoomKeysByRoomId", "DELETE", ROOM, AUTH_TOKEN, COST_WRITE, delete_keys },
	{ "getRoomKeyBySessionId", "GET", SESSION, AUTH_TOKEN, COST_READ, get_keys },
	{ "putRoomKeyBySessionId", "PUT", SESSION, AUTH_TOKEN, COST_WRITE, put_keys,
		BODY_OBJECT },
	{ "deleteRoomKeyBySessionId", "DELETE", SESSION, AUTH_TOKEN, COST_WRITE, delete_keys },
	{ 0 },
};
