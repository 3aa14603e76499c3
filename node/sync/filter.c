#include "node/sync/filter.h"

#include "node/base/base64.h"
#include "node/base/hash.h"
#include "node/base/limits.h"
#include "node/sync/answer.h"
#include "store/store.h"
#include "store/user_setting.h"

static enum err parse_fields(
	struct arena *a, const struct json *obj, struct event_fields *out, struct err_ctx *why)
{
	const struct json *fields = NULL;
	enum err err = json_opt_arr(obj, "event_fields", &fields, why);

	return err ? err : event_fields_parse(a, fields, out, why);
}

static enum err check_format(const struct json *obj, bool *federation, struct err_ctx *why)
{
	struct str format = STR("client");
	enum err err = json_opt_str(obj, "event_format", &format, why);

	if (err)
		return err;
	*federation = str_eq(format, STR("federation"));
	if (!*federation && !str_eq(format, STR("client")))
		return err_set(why, ERR_INVALID, "event_format is client or federation");
	return ERR_OK;
}

static enum err parse_part(struct arena *a, const struct json *obj, const char *key,
	struct event_filter *out, struct err_ctx *why)
{
	const struct json *part = NULL;
	enum err err = json_opt_obj(obj, key, &part, why);

	return err ? err : event_filter_parse(a, part, out, why);
}

enum err sync_filter_parse(
	struct arena *a, const struct json *obj, struct sync_filter *out, struct err_ctx *why)
{
	struct sync_filter f = { 0 };
	const struct json *room = NULL;
	enum err err;

	if (obj && !json_is(obj, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "a filter is an object");
	err = parse_fields(a, obj, &f.fields, why);
	if (!err)
		err = check_format(obj, &f.federation_format, why);
	if (!err)
		err = parse_part(a, obj, "presence", &f.presence, why);
	if (!err)
		err = parse_part(a, obj, "account_data", &f.account_data, why);
	if (!err)
		err = json_opt_obj(obj, "room", &room, why);
	if (!err)
		err = event_filter_parse(a, room, &f.rooms, why);
	if (!err)
		err = json_opt_bool(room, "include_leave", &f.include_leave, why);
	if (!err)
		err = parse_part(a, room, "timeline", &f.timeline, why);
	if (!err)
		err = parse_part(a, room, "state", &f.state, why);
	if (!err)
		err = parse_part(a, room, "ephemeral", &f.ephemeral, why);
	if (!err)
		err = parse_part(a, room, "account_data", &f.room_account_data, why);
	if (err)
		return err;
	if (!f.timeline.has_limit)
		f.timeline.limit = FILTER_TIMELINE_DEFAULT;
	if (f.timeline.limit > LIMIT_TIMELINE_EVENTS)
		f.timeline.limit = LIMIT_TIMELINE_EVENTS;
	*out = f;
	return ERR_OK;
}

/* 16 bytes of the hash, as text: never begins with '{'. */
static struct str id_of(struct arena *a, struct str json)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	unsigned char hash[HASH_BYTES];

	hash_bytes(json, hash);
	base64_put_url(&text, hash, 16);
	return arena_str(a, buf_str(&text));
}

enum err sync_filter_put(struct sync *s, struct arena *a, struct str user_id,
	const struct json *obj, struct str *filter_id, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf json = { 0 };
	struct sync_filter parsed;
	struct str id;
	enum err err = sync_filter_parse(a, obj, &parsed, why);

	if (err)
		return err;
	json_canonical(obj, &json);
	if (json.n > LIMIT_FILTER_BYTES)
		return err_set(why, ERR_TOO_LARGE, "a filter has at most %d bytes",
			(int)LIMIT_FILTER_BYTES);
	id = id_of(a, buf_str(&json));
	err = store_begin(s->o.store);
	if (err)
		return err;
	err = store_end(s->o.store, store_filter_put(s->o.store, user_id, id, buf_str(&json)));
	if (!err)
		*filter_id = id;
	return err;
}

static enum err get(struct store *st, struct arena *a, struct str user_id, struct str filter_id,
	struct str *json, struct err_ctx *why)
{
	enum err err = store_filter_get(st, a, user_id, filter_id, json);

	if (err == ERR_NOT_FOUND)
		return err_set(why, err, "there is no such filter");
	return err;
}

enum err sync_filter_get(struct sync *s, struct arena *a, struct str user_id,
	struct str filter_id, struct str *json, struct err_ctx *why)
{
	return get(s->o.store, a, user_id, filter_id, json, why);
}

enum err sync_filter_load(struct store *st, struct arena *a, struct str user_id,
	struct str param, struct sync_filter *out, struct err_ctx *why)
{
	struct json_limits limits = json_limits_client;
	const struct json *obj = NULL;
	enum err err = ERR_OK;

	limits.bytes = LIMIT_FILTER_BYTES;
	if (param.n && param.p[0] != '{') {
		err = get(st, a, user_id, param, &param, why);
		if (err == ERR_NOT_FOUND)
			err = ERR_INVALID;
	}
	if (!err && param.n)
		err = json_parse_in(a, param, &limits, &obj, why);
	if (err)
		return err;
	return sync_filter_parse(a, obj, out, why);
}
