#include "client-api/rooms.h"

#include "client-api/reply.h"
#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/room/member.h"

/* Statuses of errcodes that aren't the one of the error. */
static unsigned status_of(const char *errcode)
{
	static const struct {
		const char *errcode;
		unsigned status;
	} statuses[] = {
		{ "M_INVALID_ROOM_STATE", 400 },
		{ "M_UNSUPPORTED_ROOM_VERSION", 400 },
		{ "M_INCOMPATIBLE_ROOM_VERSION", 400 },
		{ "M_ROOM_IN_USE", 400 },
		{ "M_BAD_ALIAS", 400 },
		{ "M_MISSING_PARAM", 400 },
		{ "M_UNABLE_TO_AUTHORISE_JOIN", 400 },
		{ "M_UNABLE_TO_GRANT_JOIN", 400 },
		{ "M_FORBIDDEN", 403 },
	};

	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (!strcmp(errcode, statuses[i].errcode))
			return statuses[i].status;
	return 400;
}

void room_reply_error(
	struct request *r, enum err err, const char *errcode, const struct err_ctx *why)
{
	if (errcode) {
		reply_error(r, status_of(errcode), errcode, "%s", why->text);
		return;
	}
	r->why = *why;
	reply_err(r, err);
}

enum err room_reader_of(struct request *r, struct room_reader *out)
{
	if (!id_room(r->args[0]))
		return err_set(&r->why, ERR_INVALID, "this is no room id");
	*out = (struct room_reader){ .user_id = r->caller.user_id,
		.device_id = r->caller.device_id,
		.room_id = r->args[0] };
	return ERR_OK;
}

enum err room_reply_read(struct request *r, enum err err, struct buf *out)
{
	if (err) {
		buf_deinit(out);
		return err;
	}
	reply_json(r, out);
	return ERR_OK;
}

enum err room_query_filter(struct request *r, const struct event_filter **out)
{
	struct event_filter *filter;
	const struct json *tree;
	struct str text;
	enum err err;

	*out = NULL;
	if (!request_query(r, "filter", &text) || !text.n)
		return ERR_OK;
	filter = ARENA_NEW(r->arena, struct event_filter);
	err = json_parse_in(r->arena, text, &json_limits_client, &tree, &r->why);
	if (!err && !json_is(tree, JSON_OBJECT))
		err = err_set(&r->why, ERR_MALFORMED, "filter: not an object");
	if (!err)
		err = event_filter_parse(r->arena, tree, filter, &r->why);
	if (!err)
		*out = filter;
	return err;
}

enum err room_query_dir(struct request *r, char otherwise, bool *forward)
{
	struct str dir;

	if (!request_query(r, "dir", &dir)) {
		*forward = otherwise == 'f';
		return otherwise ? ERR_OK : err_set(&r->why, ERR_INVALID, "dir: f or b");
	}
	*forward = str_eq(dir, STR("f"));
	if (!*forward && !str_eq(dir, STR("b")))
		return err_set(&r->why, ERR_INVALID, "dir: f or b");
	return ERR_OK;
}

void room_reply_event_id(struct request *r, const char *event_id)
{
	struct jw w;

	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_z(&w, "event_id", event_id);
	jw_end(&w);
	reply_end(r);
}

struct changing {
	struct room_member member;
	struct request *request;
	bool event; /* the answer is its id */
};

static void changed(struct room_member *m, enum err err)
{
	struct changing *x = m->owner;
	struct request *r = x->request;
	struct jw w;

	if (err) {
		room_reply_error(r, err, m->errcode, &m->why);
	} else if (x->event) {
		room_reply_event_id(r, m->event_id);
	} else if (m->action == MEMBER_JOIN || m->action == MEMBER_KNOCK) {
		reply_begin(r, &w);
		jw_obj(&w);
		jw_kv_z(&w, "room_id", m->room_id);
		jw_end(&w);
		reply_end(r);
	} else {
		reply_empty(r);
	}
}

void room_change_member(struct request *r, const struct room_member *m, bool event)
{
	struct changing *x = ARENA_NEW(r->arena, struct changing);

	x->member = *m;
	x->member.sender = r->caller.user_id;
	x->member.done = changed;
	x->member.owner = x;
	x->request = r;
	x->event = event;
	rooms_member(r->api->rooms, &x->member);
}
