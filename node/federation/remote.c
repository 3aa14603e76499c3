#include "node/federation/remote.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/json/json.h"

/* Of a refusal that comes in pieces: as much as says why. */
#define REFUSAL_MAX 65536

struct remote_call {
	void (*done)(void *arg, const struct remote_answer *answer);
	bool (*piece)(void *arg, struct str bytes);
	void *arg;
	struct buf refusal;
	struct loop_deferred late; /* asked after the end */
};

enum err remote_status(unsigned status, struct str body, struct err_ctx *why)
{
	CLEANUP(json_freep) struct json *j = NULL;
	struct str errcode = STR("M_UNKNOWN");
	struct str error = { 0 };
	enum err err = ERR_UNREACHABLE;

	if (status == 200)
		return ERR_OK;
	if (status == 403 || status == 401)
		err = ERR_FORBIDDEN;
	else if (status == 404)
		err = ERR_NOT_FOUND;
	else if (status == 429)
		err = ERR_LIMIT;
	else if (status >= 400 && status < 500)
		err = ERR_INVALID;
	if (!json_parse(body, &json_limits_peer, &j, NULL)) {
		(void)json_as_str(json_get(j, "errcode"), &errcode);
		(void)json_as_str(json_get(j, "error"), &error);
	}
	return err_set(why, err, "%u %.*s: %.*s", status, STR_FMT(str_head(errcode, 64)),
		STR_FMT(str_head(error, 120)));
}

enum err remote_failure(enum err err, const char *text, struct err_ctx *why)
{
	switch (err) {
	case ERR_TIMEOUT:
	case ERR_CANCELLED:
	case ERR_TOO_LARGE:
	case ERR_MALFORMED: break;
	case ERR_OK:
	case ERR_NOMEM:
	case ERR_IO:
	case ERR_FULL:
	case ERR_INVALID:
	case ERR_UNAUTHORIZED:
	case ERR_FORBIDDEN: /* transport's policy, not the other server's word */
	case ERR_NOT_FOUND:
	case ERR_EXISTS:
	case ERR_LIMIT:
	case ERR_UNREACHABLE:
	case ERR_CORRUPT: err = ERR_UNREACHABLE; break;
	}
	return err_set(why, err, "%s", text && *text ? text : "no answer");
}

static void answered(
	void *arg, enum err err, const struct transport_response *res, const char *why)
{
	struct remote_call *call = arg;
	struct remote_answer answer = { 0 };

	if (err) {
		answer.err = remote_failure(err, why, &answer.why);
	} else {
		answer.body = call->refusal.n ? buf_str(&call->refusal) : res->body;
		answer.retry_after_ms = res->retry_after_ms;
		answer.acked = res->acked;
		answer.err = remote_status(res->status, answer.body, &answer.why);
	}
	call->done(call->arg, &answer);
	buf_deinit(&call->refusal);
	free(call);
}

static bool got_piece(void *arg, const struct transport_response *head, struct str bytes)
{
	struct remote_call *call = arg;

	if (head->status == 200)
		return call->piece(call->arg, bytes);
	buf_put_str(&call->refusal, str_head(bytes, REFUSAL_MAX - call->refusal.n));
	return true;
}

static void too_late(struct loop_deferred *d)
{
	answered(CONTAINER_OF(d, struct remote_call, late), ERR_CANCELLED, NULL,
		"the node is closing");
}

struct transport_call *remote_ask(struct federation *f, const struct remote_question *q)
{
	struct remote_call *call = NEW(struct remote_call);

	*call = (struct remote_call){ .done = q->done, .piece = q->piece, .arg = q->arg };
	/* What the thread pool gives back while the node closes may want to go on. */
	if (f->stopped) {
		call->late.fn = too_late;
		loop_defer(f->o.loop, &call->late);
		return NULL;
	}
	return transport_request(f->o.transport,
		&(struct transport_request){ .name = q->server,
			.method = q->method,
			.path = q->path,
			.body = q->body,
			.sequence = q->sequence,
			.deadline_ms = q->deadline_ms,
			.class = q->class,
			.done = answered,
			.on_body = q->piece ? got_piece : NULL,
			.arg = call });
}
