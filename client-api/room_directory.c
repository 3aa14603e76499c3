/*
 * Aliases and published rooms (client-server API, "Room aliases", "Published room directory").
 */
#include "client-api/reply.h"
#include "client-api/request.h"
#include "client-api/rooms.h"
#include "client-api/routes.h"
#include "node/room/directory.h"

struct resolving {
	struct directory_lookup lookup;
	struct request *request;
};

static void resolved(struct directory_lookup *l, enum err err)
{
	struct resolving *x = l->owner;
	struct request *r = x->request;
	struct jw w;

	if (err) {
		r->why = l->why;
		directory_lookup_deinit(l);
		reply_err(r, err);
		return;
	}
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_str(&w, "room_id", l->room_id);
	jw_key(&w, "servers");
	jw_arr(&w);
	for (size_t i = 0; i < l->n_servers; i++)
		jw_str(&w, l->servers[i]);
	jw_end(&w);
	jw_end(&w);
	directory_lookup_deinit(l);
	reply_end(r);
}

static enum err get_alias(struct request *r)
{
	struct resolving *x = ARENA_NEW(r->arena, struct resolving);

	x->request = r;
	x->lookup =
		(struct directory_lookup){ .alias = r->args[0], .done = resolved, .owner = x };
	directory_resolve(r->api->rooms, &x->lookup);
	return ERR_OK;
}

static enum err set_alias(struct request *r)
{
	struct str room_id;
	enum err err = json_str(r->body, "room_id", &room_id, &r->why);

	if (!err)
		err = directory_alias_put(
			r->api->rooms, r->args[0], room_id, r->caller.user_id, &r->why);
	if (err == ERR_EXISTS) {
		reply_error(r, 409, "M_UNKNOWN", "%s", r->why.text);
		return ERR_OK;
	}
	if (!err)
		reply_empty(r);
	return err;
}

static enum err delete_alias(struct request *r)
{
	enum err err =
		directory_alias_delete(r->api->rooms, r->args[0], r->caller.user_id, &r->why);

	if (!err)
		reply_empty(r);
	return err;
}

static enum err get_local_aliases(struct request *r)
{
	struct buf out = { 0 };

	return room_reply_read(r,
		directory_room_aliases(
			r->api->rooms, r->args[0], r->caller.user_id, &out, &r->why),
		&out);
}

static enum err get_visibility(struct request *r)
{
	bool published;
	struct jw w;
	enum err err = directory_visibility_get(r->api->rooms, r->args[0], &published, &r->why);

	if (err)
		return err;
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_z(&w, "visibility", published ? "public" : "private");
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static enum err set_visibility(struct request *r)
{
	struct str visibility = STR("public");
	bool publish;
	enum err err = json_opt_str(r->body, "visibility", &visibility, &r->why);

	if (err)
		return err;
	publish = str_eq(visibility, STR("public"));
	if (!publish && !str_eq(visibility, STR("private")))
		return err_set(&r->why, ERR_INVALID, "visibility: public or private");
	err = directory_visibility_put(
		r->api->rooms, r->args[0], r->caller.user_id, publish, &r->why);
	if (!err)
		reply_empty(r);
	return err;
}

static enum err list_rooms(struct request *r, const struct directory_query *q)
{
	struct buf out = { 0 };
	struct str server;

	if (request_query(r, "server", &server) && server.n &&
		!str_eq(server, r->api->server_name))
		return err_set(&r->why, ERR_NOT_FOUND, "only our own rooms are listed");
	return room_reply_read(
		r, directory_public_rooms(r->api->rooms, q, &out, &r->why), &out);
}

static enum err get_public_rooms(struct request *r)
{
	struct directory_query q = { 0 };
	enum err err = request_query_int(r, "limit", 0, INT32_MAX, &q.limit);

	if (err)
		return err;
	request_query(r, "since", &q.since);
	return list_rooms(r, &q);
}

/* There are no networks but this one. */
static enum err check_other_networks(struct request *r, const struct json *filter)
{
	const struct json *room_types = NULL;
	struct str instance;
	bool all;
	enum err err = json_opt_bool(r->body, "include_all_networks", &all, &r->why);

	if (!err)
		err = json_opt_str(r->body, "third_party_instance_id", &instance, &r->why);
	if (!err && filter)
		err = json_opt_arr(filter, "room_types", &room_types, &r->why);
	for (const struct json *t = json_first(room_types); t && !err; t = json_next(t))
		if (!json_is(t, JSON_STRING) && !json_is(t, JSON_NULL))
			err = err_set(&r->why, ERR_MALFORMED, "a room type is no string");
	return err;
}

static enum err query_public_rooms(struct request *r)
{
	struct directory_query q = { 0 };
	const struct json *filter = NULL;
	enum err err = json_opt_int(r->body, "limit", 0, INT32_MAX, &q.limit, &r->why);

	if (!err)
		err = json_opt_str(r->body, "since", &q.since, &r->why);
	if (!err)
		err = json_opt_obj(r->body, "filter", &filter, &r->why);
	if (!err && filter)
		err = json_opt_str(filter, "generic_search_term", &q.search, &r->why);
	if (!err)
		err = check_other_networks(r, filter);
	return err ? err : list_rooms(r, &q);
}

#define DIRECTORY "/_matrix/client/v3/directory"

const struct route room_directory_routes[] = {
	{ "getRoomIdByAlias", "GET", DIRECTORY "/room/{roomAlias}", AUTH_UNLESS_LOCAL,
		COST_KEYS, get_alias },
	{ "setRoomAlias", "PUT", DIRECTORY "/room/{roomAlias}", AUTH_TOKEN, COST_WRITE,
		set_alias },
	{ "deleteRoomAlias", "DELETE", DIRECTORY "/room/{roomAlias}", AUTH_TOKEN, COST_WRITE,
		delete_alias },
	{ "getLocalAliases", "GET", "/_matrix/client/v3/rooms/{roomId}/aliases", AUTH_TOKEN,
		COST_READ, get_local_aliases },
	{ "getRoomVisibilityOnDirectory", "GET", DIRECTORY "/list/room/{roomId}",
		AUTH_UNLESS_LOCAL, COST_READ, get_visibility },
	{ "setRoomVisibilityOnDirectory", "PUT", DIRECTORY "/list/room/{roomId}", AUTH_TOKEN,
		COST_WRITE, set_visibility },
	{ "getPublicRooms", "GET", "/_matrix/client/v3/publicRooms", AUTH_UNLESS_LOCAL,
		COST_KEYS, get_public_rooms },
	{ "queryPublicRooms", "POST", "/_matrix/client/v3/publicRooms", AUTH_TOKEN, COST_KEYS,
		query_public_rooms },
	{ 0 },
};
