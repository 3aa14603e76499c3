/*
 * Reading the state of a room (client-server API, "Getting events for a room").
 */
#include "client-api/reply.h"
#include "client-api/request.h"
#include "client-api/rooms.h"
#include "client-api/routes.h"

static enum err get_state(struct request *r)
{
	struct buf out = { 0 };
	struct room_reader reader;
	enum err err = room_reader_of(r, &reader);

	if (err)
		return err;
	return room_reply_read(r, room_read_state(r->api->rooms, &reader, &out, &r->why), &out);
}

static enum err get_state_event(struct request *r)
{
	struct buf out = { 0 };
	struct room_reader reader;
	struct str format = STR("content");
	struct str key = r->n_args > 2 ? r->args[2] : STR("");
	enum err err = room_reader_of(r, &reader);

	if (err)
		return err;
	request_query(r, "format", &format);
	if (!str_eq(format, STR("content")) && !str_eq(format, STR("event")))
		return err_set(&r->why, ERR_INVALID, "format: content or event");
	return room_reply_read(r,
		room_read_state_event(r->api->rooms, &reader, r->args[1], key,
			str_eq(format, STR("event")), &out, &r->why),
		&out);
}

#define STATE "/_matrix/client/v3/rooms/{roomId}/state"

const struct route room_state_routes[] = {
	{ "getRoomState", "GET", STATE, AUTH_TOKEN, COST_READ, get_state },
	{ "getRoomStateWithKey", "GET", STATE "/{eventType}/{stateKey}", AUTH_TOKEN, COST_READ,
		get_state_event },
	{ "getRoomStateWithKey", "GET", STATE "/{eventType}", AUTH_TOKEN, COST_READ,
		get_state_event },
	{ "getRoomStateWithKey", "GET", STATE "/{eventType}/", AUTH_TOKEN, COST_READ,
		get_state_event },
	{ 0 },
};
