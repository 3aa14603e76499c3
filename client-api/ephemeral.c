/* ephemeral: modules typing_notifications, receipts, read_markers and presence. */
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/user/presence.h"
#include "node/user/receipt.h"
#include "node/user/typing.h"

#define TYPING_DEFAULT_MS 30000

static enum err set_typing(struct request *r)
{
	int64_t timeout_ms = TYPING_DEFAULT_MS;
	bool is_typing;
	enum err err = request_is_caller(r, r->args[1]);

	if (!err)
		err = json_bool(r->body, "typing", &is_typing, &r->why);
	if (!err)
		err = json_opt_int(r->body, "timeout", 0, JSON_INT_MAX, &timeout_ms, &r->why);
	if (!err)
		err = typing_set(
			r->api->typing, r->args[0], r->args[1], is_typing, timeout_ms, &r->why);
	if (err)
		return err;
	presence_active(r->api->presence, r->caller.user_id);
	reply_empty(r);
	return ERR_OK;
}

static enum err post_receipt(struct request *r)
{
	struct str thread_id = { 0 };
	enum err err = json_opt_str(r->body, "thread_id", &thread_id, &r->why);

	if (!err && json_is(json_get(r->body, "thread_id"), JSON_STRING) && !thread_id.n)
		err = err_set(&r->why, ERR_INVALID, "thread_id is empty");
	if (!err)
		err = receipts_set(r->api->receipts, r->args[0], r->caller.user_id, r->args[1],
			r->args[2], thread_id, &r->why);
	if (err)
		return err;
	presence_active(r->api->presence, r->caller.user_id);
	reply_empty(r);
	return ERR_OK;
}

static enum err set_read_markers(struct request *r)
{
	static const char *const types[] = { "m.fully_read", "m.read", "m.read.private" };
	struct str event_ids[ARRAY_LEN(types)] = { { 0 } };
	enum err err = ERR_OK;

	/* All of it is looked at before any of it is done. */
	for (size_t i = 0; i < ARRAY_LEN(types) && !err; i++)
		err = json_opt_str(r->body, types[i], &event_ids[i], &r->why);
	for (size_t i = 0; i < ARRAY_LEN(types) && !err; i++)
		if (event_ids[i].n)
			err = receipts_set(r->api->receipts, r->args[0], r->caller.user_id,
				str_of(types[i]), event_ids[i], STR(""), &r->why);
	if (err)
		return err;
	presence_active(r->api->presence, r->caller.user_id);
	reply_empty(r);
	return ERR_OK;
}

static enum err get_presence(struct request *r)
{
	struct presence_info info;
	struct jw w;
	enum err err = presence_get_for(
		r->api->presence, r->arena, r->caller.user_id, r->args[0], &info, &r->why);

	if (err)
		return err;
	reply_begin(r, &w);
	presence_write(&info, &w);
	reply_end(r);
	return ERR_OK;
}

static enum err set_presence(struct request *r)
{
	struct str text, status_msg = { 0 };
	enum presence_state state;
	enum err err = request_is_caller(r, r->args[0]);

	if (!err)
		err = json_str(r->body, "presence", &text, &r->why);
	if (!err)
		err = json_opt_str(r->body, "status_msg", &status_msg, &r->why);
	if (!err && !presence_parse(text, &state))
		err = err_set(
			&r->why, ERR_INVALID, "presence is online, offline or unavailable");
	if (!err)
		err = presence_set(r->api->presence, r->args[0], state, status_msg, &r->why);
	if (err)
		return err;
	reply_empty(r);
	return ERR_OK;
}

const struct route ephemeral_routes[] = {
	{ "setTyping", "PUT", "/_matrix/client/v3/rooms/{roomId}/typing/{userId}", AUTH_TOKEN,
		COST_WRITE, set_typing },
	{ "postReceipt", "POST",
		"/_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}", AUTH_TOKEN,
		COST_WRITE, post_receipt },
	{ "setReadMarker", "POST", "/_matrix/client/v3/rooms/{roomId}/read_markers", AUTH_TOKEN,
		COST_WRITE, set_read_markers },
	{ "getPresence", "GET", "/_matrix/client/v3/presence/{userId}/status", AUTH_TOKEN,
		COST_READ, get_presence },
	{ "setPresence", "PUT", "/_matrix/client/v3/presence/{userId}/status", AUTH_TOKEN,
		COST_WRITE, set_presence },
	{ 0 },
};
