#include "node/federation/edu.h"

#include "node/json/json.h"
#include "node/room/rooms.h"
#include "node/user/presence.h"
#include "node/user/receipt.h"
#include "node/user/typing.h"
#include "node/user/users.h"
#include "store/store.h"

#define LOG_MODULE "federation"

static enum err to_device(struct federation *f, struct str origin, const struct json *content,
	struct err_ctx *why)
{
	return users_receive_to_device(f->o.users, origin, content, why);
}

static enum err device_list(struct federation *f, struct str origin, const struct json *content,
	struct err_ctx *why)
{
	return users_receive_device_list(f->o.users, origin, content, why);
}

static enum err signing_keys(struct federation *f, struct str origin,
	const struct json *content, struct err_ctx *why)
{
	return users_receive_signing_keys(f->o.users, origin, content, why);
}

static enum err typing(struct federation *f, struct str origin, const struct json *content,
	struct err_ctx *why)
{
	struct str room_id;
	enum err err = json_str(content, "room_id", &room_id, why);

	if (err || !f->o.typing)
		return err;
	if (!rooms_server_allowed(f->o.rooms, room_id, origin))
		return err_set(why, ERR_FORBIDDEN, "shut out of %.*s", STR_FMT(room_id));
	return typing_receive(f->o.typing, origin, content, why);
}

static enum err presence(struct federation *f, struct str origin, const struct json *content,
	struct err_ctx *why)
{
	return f->o.presence ? presence_receive(f->o.presence, origin, content, why) : ERR_OK;
}

/* The content has a member for each room: those of rooms that shut the origin out are left
 * away. */
static enum err receipt(struct federation *f, struct str origin, const struct json *content,
	struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(json_freep) struct json *allowed = NULL;
	struct jw w = jw_to(&text);
	bool all = true;
	enum err err;

	if (!f->o.receipts)
		return ERR_OK;
	jw_obj(&w);
	for (const struct json *m = json_first(content); m; m = json_next(m)) {
		if (!rooms_server_allowed(f->o.rooms, json_key(m), origin)) {
			all = false;
			continue;
		}
		jw_key_str(&w, json_key(m));
		jw_json(&w, m);
	}
	jw_end(&w);
	if (all)
		return receipts_receive(f->o.receipts, origin, content, why);
	err = json_parse(buf_str(&text), &json_limits_peer, &allowed, why);
	return err ? err : receipts_receive(f->o.receipts, origin, allowed, why);
}

static const struct edu_type {
	const char *name;
	bool stored;
	enum err (*receive)(struct federation *f, struct str origin, const struct json *content,
		struct err_ctx *why);
} types[] = {
	{ "m.direct_to_device", true, to_device },
	{ "m.device_list_update", true, device_list },
	{ "m.signing_key_update", true, signing_keys },
	{ "m.receipt", true, receipt },
	{ "m.typing", false, typing },
	{ "m.presence", false, presence },
};

static const struct edu_type *type_of(const struct json *edu)
{
	struct str name;

	if (!json_as_str(json_get(edu, "edu_type"), &name))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq(name, str_of(types[i].name)))
			return &types[i];
	return NULL;
}

bool edu_is_stored(const struct json *edu)
{
	const struct edu_type *type = type_of(edu);

	return type && type->stored;
}

enum err edu_receive(struct federation *f, struct str origin, const struct json *edu)
{
	const struct edu_type *type = type_of(edu);
	const struct json *content;
	struct err_ctx why = { 0 };
	enum err err;

	if (!type)
		return ERR_OK;
	err = json_obj(edu, "content", &content, &why);
	if (!err)
		err = store_begin(f->o.store);
	/* What one that turns out to be malformed wrote goes away again. */
	if (!err)
		err = store_end(f->o.store, type->receive(f, origin, content, &why));
	if (err == ERR_LIMIT || err == ERR_IO || err == ERR_FULL || err == ERR_NOMEM ||
		err == ERR_CORRUPT)
		return err;
	if (err)
		log_debug(f->o.log, "%s of %.*s dropped: %s", type->name, STR_FMT(origin),
			why.text);
	return ERR_OK;
}
