/*
 * Reading events (client-server API, "Getting events for a room", "Relationships API", modules
 * event_context and threading).
 */
#include "client-api/reply.h"
#include "client-api/request.h"
#include "client-api/rooms.h"
#include "client-api/routes.h"
#include "node/base/limits.h"

#define PAGE_DEFAULT 10
#define CONTEXT_MAX  100

static enum err query_limit(struct request *r, int64_t max, unsigned *out)
{
	int64_t limit = PAGE_DEFAULT;
	enum err err = request_query_int(r, "limit", -1, max, &limit);

	if (!err && limit < 0)
		err = err_set(&r->why, ERR_INVALID, "limit must not be negative");
	*out = (unsigned)limit;
	return err;
}

static enum err get_event(struct request *r)
{
	struct buf out = { 0 };
	struct room_reader reader;
	enum err err = room_reader_of(r, &reader);

	if (err)
		return err;
	return room_reply_read(
		r, room_read_event(r->api->rooms, &reader, r->args[1], &out, &r->why), &out);
}

static enum err get_context(struct request *r)
{
	struct buf out = { 0 };
	struct room_reader reader;
	const struct event_filter *filter = NULL;
	unsigned limit = 0;
	enum err err = room_reader_of(r, &reader);

	if (!err)
		err = query_limit(r, CONTEXT_MAX, &limit);
	if (!err)
		err = room_query_filter(r, &filter);
	if (err)
		return err;
	return room_reply_read(r,
		room_read_context(
			r->api->rooms, &reader, r->args[1], limit, filter, &out, &r->why),
		&out);
}

struct reading {
	struct room_messages messages;
	struct request *request;
};

static void read_messages(struct room_messages *m, enum err err)
{
	struct reading *x = m->owner;
	struct request *r = x->request;

	if (err) {
		buf_deinit(&m->out);
		room_reply_error(r, err, NULL, &m->why);
	} else {
		reply_json(r, &m->out);
	}
}

static enum err get_messages(struct request *r)
{
	struct reading *x = ARENA_NEW(r->arena, struct reading);
	struct room_messages *m = &x->messages;
	enum err err = room_reader_of(r, &m->reader);

	if (!err)
		err = room_query_dir(r, 0, &m->forward);
	if (!err)
		err = query_limit(r, LIMIT_MESSAGES_PAGE, &m->limit);
	if (!err)
		err = room_query_filter(r, &m->filter);
	if (err)
		return err;
	if (m->filter && m->filter->has_limit && m->filter->limit < m->limit)
		m->limit = (unsigned)m->filter->limit;
	request_query(r, "from", &m->from);
	request_query(r, "to", &m->to);
	m->done = read_messages;
	m->owner = x;
	x->request = r;
	room_messages_start(r->api->rooms, m);
	return ERR_OK;
}

static enum err get_relations(struct request *r)
{
	struct buf out = { 0 };
	struct room_reader reader;
	struct room_relations q = { .event_id = r->args[1] };
	enum err err = room_reader_of(r, &reader);

	if (!err)
		err = room_query_dir(r, 'b', &q.forward);
	if (!err)
		err = query_limit(r, LIMIT_MESSAGES_PAGE, &q.limit);
	if (!err)
		err = request_query_bool(r, "recurse", &q.recurse);
	if (err)
		return err;
	if (r->n_args > 2)
		q.rel_type = r->args[2];
	if (r->n_args > 3)
		q.type = r->args[3];
	request_query(r, "from", &q.from);
	request_query(r, "to", &q.to);
	return room_reply_read(
		r, room_read_relations(r->api->rooms, &reader, &q, &out, &r->why), &out);
}

static enum err get_threads(struct request *r)
{
	struct buf out = { 0 };
	struct room_reader reader;
	struct str include = STR("all");
	struct str from = STR("");
	unsigned limit = 0;
	enum err err = room_reader_of(r, &reader);

	if (!err)
		err = query_limit(r, CONTEXT_MAX, &limit);
	if (err)
		return err;
	request_query(r, "include", &include);
	request_query(r, "from", &from);
	if (!str_eq(include, STR("all")) && !str_eq(include, STR("participated")))
		return err_set(&r->why, ERR_INVALID, "include: all or participated");
	return room_reply_read(r,
		room_read_threads(r->api->rooms, &reader, str_eq(include, STR("participated")),
			from, limit ? limit : 1, &out, &r->why),
		&out);
}

static enum err get_at_time(struct request *r)
{
	struct buf out = { 0 };
	struct room_reader reader;
	struct str text;
	int64_t ts = 0;
	bool forward = false;
	enum err err = room_reader_of(r, &reader);

	if (!err && !request_query(r, "ts", &text))
		err = err_set(&r->why, ERR_INVALID, "ts: when?");
	if (!err)
		err = request_query_int(r, "ts", 0, JSON_INT_MAX, &ts);
	if (!err)
		err = room_query_dir(r, 'f', &forward);
	if (err)
		return err;
	return room_reply_read(
		r, room_read_at_time(r->api->rooms, &reader, ts, forward, &out, &r->why), &out);
}

#define ROOM      "/_matrix/client/v3/rooms/{roomId}"
#define RELATIONS "/_matrix/client/v1/rooms/{roomId}/relations/{eventId}"

const struct route room_read_routes[] = {
	{ "getOneRoomEvent", "GET", ROOM "/event/{eventId}", AUTH_TOKEN, COST_READ, get_event },
	{ "getEventContext", "GET", ROOM "/context/{eventId}", AUTH_TOKEN, COST_READ,
		get_context },
	{ "getRoomEvents", "GET", ROOM "/messages", AUTH_TOKEN, COST_READ, get_messages },
	{ "getRelatingEvents", "GET", RELATIONS, AUTH_TOKEN, COST_READ, get_relations },
	{ "getRelatingEventsWithRelType", "GET", RELATIONS "/{relType}", AUTH_TOKEN, COST_READ,
		get_relations },
	{ "getRelatingEventsWithRelTypeAndEventType", "GET", RELATIONS "/{relType}/{eventType}",
		AUTH_TOKEN, COST_READ, get_relations },
	{ "getThreadRoots", "GET", "/_matrix/client/v1/rooms/{roomId}/threads", AUTH_TOKEN,
		COST_READ, get_threads },
	{ "getEventByTimestamp", "GET", "/_matrix/client/v1/rooms/{roomId}/timestamp_to_event",
		AUTH_TOKEN, COST_READ, get_at_time },
	{ 0 },
};
