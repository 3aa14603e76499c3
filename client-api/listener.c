#include "client-api/listener.h"

#include <stdlib.h>

#include "node/base/alloc.h"

struct client_listener {
	struct http_server *server;
	struct router *router;
};

/* One exchange seen as a responder; in the exchange's arena. */
struct call {
	struct responder responder;
	struct http_exchange *x;
	struct request *request;
	struct http1_head head;
};

static struct call *call_of(struct responder *to)
{
	return CONTAINER_OF(to, struct call, responder);
}

static void to_head(struct responder *to, unsigned status, struct str content_type,
	struct str headers, int64_t length)
{
	http_exchange_answer(call_of(to)->x,
		&(struct http_answer){ .status = status,
			.content_type = content_type,
			.headers = headers,
			.length = length });
}

static bool to_write(struct responder *to, struct str bytes)
{
	return http_exchange_write(call_of(to)->x, bytes);
}

static bool to_write_take(struct responder *to, struct buf *bytes)
{
	return http_exchange_write_take(call_of(to)->x, bytes);
}

static void to_end(struct responder *to)
{
	http_exchange_end(call_of(to)->x);
}

static void to_read_body(struct responder *to)
{
	http_exchange_read(call_of(to)->x);
}

static void to_pause_body(struct responder *to, bool pause)
{
	http_exchange_pause(call_of(to)->x, pause);
}

static void to_park(struct responder *to)
{
	http_exchange_park(call_of(to)->x);
}

static bool to_header(struct responder *to, const char *name, struct str *value)
{
	return http1_header(&call_of(to)->head, name, value);
}

static const struct responder_ops ops = {
	.head = to_head,
	.write = to_write,
	.write_take = to_write_take,
	.end = to_end,
	.read_body = to_read_body,
	.pause_body = to_pause_body,
	.park = to_park,
	.header = to_header,
};

static struct str header(const struct http1_head *head, const char *name)
{
	struct str v = { 0 };
	(void)http1_header(head, name, &v);
	return v;
}

static void on_request(void *arg, struct http_exchange *x, const struct http1_head *head)
{
	struct client_listener *l = arg;
	struct call *c = ARENA_NEW(http_exchange_arena(x), struct call);

	c->responder.ops = &ops;
	c->x = x;
	c->head = *head;
	http_exchange_set_user(x, c);
	const struct router_head h = {
		.arena = http_exchange_arena(x),
		.to = &c->responder,
		.method = head->method,
		.target = head->target,
		.host = head->host,
		.content_type = header(head, "content-type"),
		.authorization = header(head, "authorization"),
		.origin = header(head, "origin"),
		.sec_fetch_site = header(head, "sec-fetch-site"),
		.user_agent = header(head, "user-agent"),
		.address = http_exchange_address(x),
		.length = head->chunked ? -1 : (int64_t)head->content_length,
	};
	c->request = router_begin(l->router, &h);
}

static struct request *request_of(struct http_exchange *x)
{
	struct call *c = http_exchange_user(x);
	return c->request;
}

static void on_body(struct http_exchange *x, struct str bytes)
{
	router_body(request_of(x), bytes);
}

static void on_body_end(struct http_exchange *x)
{
	router_body_end(request_of(x));
}

static void on_drained(struct http_exchange *x)
{
	router_drained(request_of(x));
}

static void on_aborted(struct http_exchange *x)
{
	router_aborted(request_of(x));
}

static void on_refused(void *arg, const char *address, struct http_answer *a, struct buf *body)
{
	struct client_listener *l = arg;
	a->content_type = STR("application/json");
	a->headers = router_refusal(l->router, a->status, address, body);
}

enum err client_listener_new(const struct client_listener_options *o,
	struct client_listener **out, struct err_ctx *why)
{
	struct client_listener *l = NEW(struct client_listener);
	const struct api *api = router_api(o->router);
	l->router = o->router;
	const struct http_server_options so = {
		.lws = o->lws,
		.uv = o->uv,
		.loop = api->loop,
		.clock = api->clock,
		.log = api->log,
		.host = o->host,
		.port = o->port,
		.handler = {
			.request = on_request,
			.body = on_body,
			.body_end = on_body_end,
			.drained = on_drained,
			.aborted = on_aborted,
			.refused = on_refused,
			.arg = l,
		},
		.headers_ms = o->headers_ms,
		.idle_ms = o->idle_ms,
		.stalled_ms = o->stalled_ms,
		.max_conns = o->max_conns,
		.max_active = o->max_active,
		.max_address = o->max_address,
	};
	enum err err = http_server_new(&so, &l->server, why);
	if (err) {
		free(l);
		return err;
	}
	*out = l;
	return ERR_OK;
}

uint16_t client_listener_port(const struct client_listener *l)
{
	return http_server_port(l->server);
}

bool client_listener_is_loopback(const struct client_listener *l)
{
	return http_server_is_loopback(l->server);
}

struct http_server_stats client_listener_stats(const struct client_listener *l)
{
	return http_server_stats(l->server);
}

void client_listener_free(struct client_listener *l)
{
	if (!l)
		return;
	http_server_free(l->server);
	free(l);
}
