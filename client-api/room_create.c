/*
 * Creating rooms (client-server API, "Creation") and replacing them (module room_upgrades).
 */
#include "client-api/reply.h"
#include "client-api/request.h"
#include "client-api/rooms.h"
#include "client-api/routes.h"
#include "node/base/limits.h"
#include "node/room/create.h"
#include "node/room/upgrade.h"

struct creating {
	struct room_create create;
	struct request *request;
};

static void created(struct room_create *c, enum err err)
{
	struct creating *x = c->owner;
	struct request *r = x->request;
	struct jw w;

	if (err) {
		room_reply_error(r, err, c->errcode, &c->why);
		return;
	}
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_str(&w, "room_id", str_of(c->room_id));
	jw_end(&w);
	reply_end(r);
}

static enum err read_visibility(struct request *r, bool *public)
{
	struct str visibility = STR("private");
	enum err err = json_opt_str(r->body, "visibility", &visibility, &r->why);

	if (err)
		return err;
	*public = str_eq(visibility, STR("public"));
	if (!*public && !str_eq(visibility, STR("private")))
		return err_set(&r->why, ERR_INVALID, "visibility: public or private");
	return ERR_OK;
}

static enum err read_create(struct request *r, struct room_create *c)
{
	const struct json *b = r->body;
	enum err err = read_visibility(r, &c->public);

	if (!err)
		err = json_opt_str(b, "room_version", &c->version, &r->why);
	if (!err)
		err = json_opt_str(b, "preset", &c->preset, &r->why);
	if (!err)
		err = json_opt_str(b, "room_alias_name", &c->alias_localpart, &r->why);
	if (!err)
		err = json_opt_str(b, "name", &c->name, &r->why);
	if (!err)
		err = json_opt_str(b, "topic", &c->topic, &r->why);
	if (!err)
		err = json_opt_bool(b, "is_direct", &c->is_direct, &r->why);
	if (!err)
		err = json_opt_obj(b, "creation_content", &c->creation_content, &r->why);
	if (!err)
		err = json_opt_arr(b, "initial_state", &c->initial_state, &r->why);
	if (!err)
		err = json_opt_obj(
			b, "power_level_content_override", &c->power_levels, &r->why);
	if (!err)
		err = json_opt_arr(b, "invite", &c->invite, &r->why);
	return err;
}

static enum err create_room(struct request *r)
{
	struct creating *x = ARENA_NEW(r->arena, struct creating);
	const struct json *invite_3pid = NULL;
	enum err err = read_create(r, &x->create);

	if (!err)
		err = json_opt_arr(r->body, "invite_3pid", &invite_3pid, &r->why);
	if (err)
		return err;
	if (json_first(invite_3pid))
		return err_set(&r->why, ERR_INVALID,
			"invite_3pid: this server knows no identity server");
	x->request = r;
	x->create.creator = r->caller.user_id;
	x->create.done = created;
	x->create.owner = x;
	rooms_create(r->api->rooms, &x->create);
	return ERR_OK;
}

static enum err upgrade_room(struct request *r)
{
	struct room_upgrade u = { .room_id = r->args[0], .user_id = r->caller.user_id };
	struct jw w;
	enum err err = json_str(r->body, "new_version", &u.version, &r->why);

	if (!err)
		err = json_opt_arr(
			r->body, "additional_creators", &u.additional_creators, &r->why);
	if (err)
		return err;
	err = rooms_upgrade(r->api->rooms, &u);
	if (err) {
		room_reply_error(r, err, u.errcode, &u.why);
		return ERR_OK;
	}
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_str(&w, "replacement_room", str_of(u.replacement));
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

const struct route room_create_routes[] = {
	{ "createRoom", "POST", "/_matrix/client/v3/createRoom", AUTH_TOKEN, COST_WRITE,
		create_room, BODY_AUTO, 0, SUSPENDED_MAY_NOT },
	{ "upgradeRoom", "POST", "/_matrix/client/v3/rooms/{roomId}/upgrade", AUTH_TOKEN,
		COST_WRITE, upgrade_room, BODY_AUTO, 0, SUSPENDED_MAY_NOT },
	{ 0 },
};
