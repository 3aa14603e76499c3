#include "node/inprocess.h"

#include <stdlib.h>

#include "client-api/router.h"
#include "node/base/alloc.h"
#include "node/base/arena.h"
#include "node/base/buf.h"
#include "node/inbox.h"
#include "node/loop_uv.h"
#include "node/node.h"

/* One call. Its strings are in the request's arena, which it frees at the end. */
struct inprocess {
	struct responder responder;
	struct inbox_job job;
	struct loop_deferred body;
	struct node *node;
	struct arena *arena;
	struct request *request;
	struct str method;
	struct str target;
	struct str authorization;
	struct str content_type;
	struct str bytes;
	unsigned status;
	struct str answer_type;
	struct buf answer;
	kith_response_fn *done;
	void *arg;
};

static struct inprocess *of(struct responder *to)
{
	return CONTAINER_OF(to, struct inprocess, responder);
}

static void to_head(struct responder *to, unsigned status, struct str content_type,
	struct str headers, int64_t length)
{
	struct inprocess *c = of(to);

	(void)headers, (void)length;
	c->status = status;
	c->answer_type = arena_str(c->arena, content_type);
}

/* The caller takes it whole, so it is never too much. */
static bool to_write(struct responder *to, struct str bytes)
{
	buf_put_str(&of(to)->answer, bytes);
	return true;
}

static bool to_write_take(struct responder *to, struct buf *bytes)
{
	struct inprocess *c = of(to);

	if (c->answer.n == 0) {
		buf_deinit(&c->answer);
		c->answer = *bytes;
		*bytes = (struct buf){ 0 };
		return true;
	}
	buf_put_str(&c->answer, buf_str(bytes));
	buf_deinit(bytes);
	return true;
}

static void to_end(struct responder *to)
{
	struct inprocess *c = of(to);
	struct arena *arena = c->arena;

	loop_undefer(loop_uv_loop(c->node->loop), &c->body);
	c->done(c->arg, (int)c->status, c->answer_type.n ? c->answer_type.p : "", c->answer.p,
		c->answer.n);
	buf_deinit(&c->answer);
	arena_free(arena);
}

static void give_end(struct loop_deferred *d)
{
	struct inprocess *c = CONTAINER_OF(d, struct inprocess, body);

	router_body_end(c->request);
}

static void give_whole(struct loop_deferred *d)
{
	struct inprocess *c = CONTAINER_OF(d, struct inprocess, body);

	/* Taken back by to_end if the bytes alone already bring the answer: c is gone then. */
	c->body.fn = give_end;
	loop_defer(loop_uv_loop(c->node->loop), &c->body);
	router_body(c->request, c->bytes);
}

static void to_read_body(struct responder *to)
{
	struct inprocess *c = of(to);

	c->body.fn = c->bytes.n ? give_whole : give_end;
	loop_defer(loop_uv_loop(c->node->loop), &c->body);
}

static void to_pause_body(struct responder *to, bool pause)
{
	(void)to, (void)pause; /* it is all in memory already */
}

static void to_park(struct responder *to)
{
	(void)to;
}

static bool to_header(struct responder *to, const char *name, struct str *value)
{
	(void)to, (void)name, (void)value;
	return false;
}

static const struct responder_ops ops = { to_head, to_write, to_write_take, to_end,
	to_read_body, to_pause_body, to_park, to_header };

static void begin(struct inbox_job *job)
{
	struct inprocess *c = CONTAINER_OF(job, struct inprocess, job);
	struct router_head head = { .arena = c->arena,
		.to = &c->responder,
		.method = c->method,
		.target = c->target,
		.content_type = c->content_type,
		.authorization = c->authorization,
		.address = STR("in-process"),
		.length = (int64_t)c->bytes.n,
		.in_process = true };

	c->request = router_begin(c->node->router, &head);
}

void inprocess_post(
	struct node *n, const struct kith_request *req, kith_response_fn *done, void *arg)
{
	struct arena *a = arena_new();
	struct inprocess *c = ARENA_NEW(a, struct inprocess);

	*c = (struct inprocess){ .responder.ops = &ops,
		.job.run = begin,
		.node = n,
		.arena = a,
		.method = arena_str(a, str_of(req->method)),
		.target = arena_str(a, str_of(req->target)),
		.content_type = arena_str(
			a, str_of(req->content_type ? req->content_type : "application/json")),
		.bytes = arena_str(a, (struct str){ req->body, req->body_len }),
		.done = done,
		.arg = arg };
	if (req->access_token)
		c->authorization = arena_printf(a, "Bearer %s", req->access_token);
	inbox_post(n->inbox, &c->job);
}
