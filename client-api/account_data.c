/*
 * account_data: what clients keep for their user (modules account_data, tags).
 */
#include "node/user/account_data.h"

#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/user/push_rules.h"

/* The server's own: written by other endpoints. */
static bool is_managed(struct str type)
{
	return str_eq(type, STR("m.fully_read")) || str_eq(type, STR("m.push_rules"));
}

static enum err write_push_rules(struct request *r, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf rules = { 0 };
	struct jw w = jw_to(out);
	enum err err = push_rules_put(r->api->push_rules, r->caller.user_id, &rules);

	if (err)
		return err;
	jw_obj(&w);
	jw_kv_raw(&w, "global", buf_str(&rules));
	jw_end(&w);
	return ERR_OK;
}

static enum err get(struct request *r, struct str room_id, struct str type)
{
	struct buf out = { 0 };
	struct str content;
	enum err err = request_is_caller(r, r->args[0]);

	if (err)
		return err;
	if (room_id.n == 0 && str_eq(type, STR("m.push_rules")) && r->api->push_rules) {
		err = write_push_rules(r, &out);
	} else {
		err = account_data_get(
			r->api->users, r->arena, r->caller.account, room_id, type, &content);
		if (!err)
			buf_put_str(&out, content);
	}
	if (err) {
		buf_deinit(&out);
		return err_set(&r->why, err, "there is no account data of that type");
	}
	reply_json(r, &out);
	return ERR_OK;
}

static enum err put(struct request *r, struct str room_id, struct str type)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	enum err err = request_is_caller(r, r->args[0]);

	if (err)
		return err;
	if (is_managed(type)) {
		reply_error(r, 405, "M_BAD_JSON", "Cannot set %.*s through this API.",
			STR_FMT(type));
		return ERR_OK;
	}
	json_canonical(r->body, &text);
	err = account_data_put(
		r->api->users, r->caller.account, room_id, type, buf_str(&text), &r->why);
	if (!err)
		reply_empty(r);
	return err;
}

static enum err get_global(struct request *r)
{
	return get(r, STR(""), r->args[1]);
}

static enum err put_global(struct request *r)
{
	return put(r, STR(""), r->args[1]);
}

/* An empty room id in the path is not the global one. */
static enum err check_room(struct request *r)
{
	if (r->args[1].n == 0)
		return err_set(&r->why, ERR_INVALID, "not a room id");
	return ERR_OK;
}

static enum err get_in_room(struct request *r)
{
	enum err err = check_room(r);

	return err ? err : get(r, r->args[1], r->args[2]);
}

static enum err put_in_room(struct request *r)
{
	enum err err = check_room(r);

	return err ? err : put(r, r->args[1], r->args[2]);
}

static enum err get_tags(struct request *r)
{
	struct buf out = { 0 };
	struct str content = STR("{\"tags\":{}}");
	enum err err = request_is_caller(r, r->args[0]);

	if (!err)
		err = check_room(r);
	if (!err)
		err = account_data_get(r->api->users, r->arena, r->caller.account, r->args[1],
			STR("m.tag"), &content);
	if (err && err != ERR_NOT_FOUND)
		return err;
	buf_put_str(&out, content);
	reply_json(r, &out);
	return ERR_OK;
}

static enum err change_tag(struct request *r, bool put_it)
{
	enum err err = request_is_caller(r, r->args[0]);

	if (!err)
		err = check_room(r);
	if (err)
		return err;
	if (put_it)
		err = account_data_tag_put(r->api->users, r->caller.account, r->args[1],
			r->args[2], r->body, &r->why);
	else
		err = account_data_tag_delete(
			r->api->users, r->caller.account, r->args[1], r->args[2], &r->why);
	if (!err)
		reply_empty(r);
	return err;
}

static enum err put_tag(struct request *r)
{
	return change_tag(r, true);
}

static enum err delete_tag(struct request *r)
{
	return change_tag(r, false);
}

#define USER "/_matrix/client/v3/user/{userId}"
#define ROOM USER "/rooms/{roomId}"

const struct route account_data_routes[] = {
	{ "getAccountData", "GET", USER "/account_data/{type}", AUTH_TOKEN, COST_READ,
		get_global },
	{ "setAccountData", "PUT", USER "/account_data/{type}", AUTH_TOKEN, COST_WRITE,
		put_global, BODY_OBJECT },
	{ "getAccountDataPerRoom", "GET", ROOM "/account_data/{type}", AUTH_TOKEN, COST_READ,
		get_in_room },
	{ "setAccountDataPerRoom", "PUT", ROOM "/account_data/{type}", AUTH_TOKEN, COST_WRITE,
		put_in_room, BODY_OBJECT },
	{ "getRoomTags", "GET", ROOM "/tags", AUTH_TOKEN, COST_READ, get_tags },
	{ "setRoomTag", "PUT", ROOM "/tags/{tag}", AUTH_TOKEN, COST_WRITE, put_tag,
		BODY_OBJECT },
	{ "deleteRoomTag", "DELETE", ROOM "/tags/{tag}", AUTH_TOKEN, COST_WRITE, delete_tag },
	{ 0 },
};
