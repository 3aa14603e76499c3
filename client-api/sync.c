/* sync: the client-server API's "Syncing" and "Filtering". */
#include "node/sync/sync.h"

#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/base/limits.h"
#include "node/sync/filter.h"

struct sync_call {
	struct sync_op op;
	struct request *request;
};

static void on_synced(struct sync_op *op, enum err err)
{
	struct request *r = CONTAINER_OF(op, struct sync_call, op)->request;

	r->on_abort = NULL;
	if (!err) {
		reply_json(r, &op->body);
		return;
	}
	buf_deinit(&op->body);
	r->why = op->why;
	reply_err(r, err);
}

static void sync_aborted(struct request *r)
{
	sync_cancel(&((struct sync_call *)r->ctx)->op);
	reply_drop(r);
}

static enum err parse_state_after(struct request *r, enum sync_state_after *out)
{
	bool stable = false, unstable = false;
	enum err err = request_query_bool(r, "use_state_after", &stable);

	if (!err)
		err = request_query_bool(r, "org.matrix.msc4222.use_state_after", &unstable);
	if (err)
		return err;
	if (stable)
		*out = STATE_AFTER;
	else if (unstable)
		*out = STATE_AFTER_UNSTABLE;
	return ERR_OK;
}

static enum err get_sync(struct request *r)
{
	struct sync_call *call = ARENA_NEW(r->arena, struct sync_call);
	struct sync_op *op = &call->op;
	int64_t timeout_ms = 0;
	enum err err = request_query_int(r, "timeout", 0, INT64_MAX, &timeout_ms);

	if (!err)
		err = request_query_bool(r, "full_state", &op->full_state);
	if (!err)
		err = parse_state_after(r, &op->state_after);
	if (err)
		return err;
	(void)request_query(r, "since", &op->since);
	(void)request_query(r, "filter", &op->filter);
	(void)request_query(r, "set_presence", &op->set_presence);
	op->sync = r->api->sync;
	op->arena = r->arena;
	op->user_id = r->caller.user_id;
	op->device_id = r->caller.device_id;
	op->account = r->caller.account;
	op->device = r->caller.device;
	op->timeout_ms = (uint64_t)timeout_ms;
	op->done = on_synced;
	call->request = r;
	r->ctx = call;
	r->on_abort = sync_aborted;
	sync_start(op);
	return ERR_OK;
}

static enum err define_filter(struct request *r)
{
	struct str filter_id;
	struct jw w;
	enum err err = request_is_caller(r, r->args[0]);

	if (!err)
		err = sync_filter_put(
			r->api->sync, r->arena, r->args[0], r->body, &filter_id, &r->why);
	if (err)
		return err;
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_str(&w, "filter_id", filter_id);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static enum err get_filter(struct request *r)
{
	struct str json;
	struct jw w;
	enum err err = request_is_caller(r, r->args[0]);

	if (!err)
		err = sync_filter_get(
			r->api->sync, r->arena, r->args[0], r->args[1], &json, &r->why);
	if (err)
		return err;
	reply_begin(r, &w);
	jw_raw(&w, json);
	reply_end(r);
	return ERR_OK;
}

const struct route sync_routes[] = {
	{ "sync", "GET", "/_matrix/client/v3/sync", AUTH_TOKEN_OR_GUEST, COST_FREE, get_sync },
	{ "defineFilter", "POST", "/_matrix/client/v3/user/{userId}/filter",
		AUTH_TOKEN_OR_GUEST, COST_WRITE, define_filter, BODY_OBJECT,
		LIMIT_FILTER_BYTES },
	{ "getFilter", "GET", "/_matrix/client/v3/user/{userId}/filter/{filterId}",
		AUTH_TOKEN_OR_GUEST, COST_READ, get_filter },
	{ 0 },
};
