#include "tests/sim/net.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "transport/endpoint.h"

#define MESSAGE_HEAD 14 /* of WebSocket, about; TCP and IP are not counted */

struct place {
	struct queue_loop *loop;
	struct link_ws *ws; /* NULL: nobody listens */
	uint64_t bytes, dials;
};

struct net {
	struct queue *q;
	struct net_model model;
	struct net_guillotine guillotine;
	size_t n;
	struct place *places;
	unsigned char *paths; /* n x n, enum net_path */
	struct pipe *pipes;
};

struct link_ws {
	struct link_ws_options o;
	struct net *net;
	size_t at;
	bool listens;
};

/* A message, or the end of the connection, on its way to one of the ends. */
struct flight {
	struct queue_event event;
	struct flight *next;
	struct ws_conn *to;
	struct buf bytes;
	enum { MESSAGE, SYN, ACCEPTED, END } kind;
	bool held;    /* by a path that loses it; then it is in no queue */
	bool arrived; /* lies in the receiver's socket */
};

struct ws_conn {
	struct pipe *pipe;
	size_t at;                     /* whose end */
	const struct ws_conn_ops *ops; /* NULL: the owner has let go, or was told */
	void *arg;
	bool open;
	uint64_t free_us;    /* the wire has taken what was sent */
	uint64_t arrival_us; /* of the last thing sent to this end */
	struct queue_event pump;
	struct queue_event read;
	char why[64];
};

/* Both ends of a connection. Freed when nobody has an end and nothing flies. */
struct pipe {
	struct pipe *next;
	struct net *net;
	struct ws_conn ends[2]; /* [0] dialled */
	struct flight *flights; /* in the order of sending */
	uint64_t arrived;       /* bytes, both ways */
	uint64_t held_us;       /* when the first message was held; 0: none */
	bool broken;
};

static struct ws_conn *other(struct ws_conn *c)
{
	return &c->pipe->ends[c == &c->pipe->ends[0]];
}

static enum net_path path_between(const struct net *net, size_t a, size_t b)
{
	return (enum net_path)net->paths[a * net->n + b];
}

static uint64_t now_us(const struct net *net)
{
	return net->q->now_us;
}

/* ---- ends ---- */

static void pipe_collect(struct pipe *p)
{
	struct pipe **at = &p->net->pipes;

	if (p->flights || p->ends[0].ops || p->ends[1].ops)
		return;
	for (int i = 0; i < 2; i++) {
		queue_cancel(p->net->q, &p->ends[i].pump);
		queue_cancel(p->net->q, &p->ends[i].read);
	}
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	free(p);
}

static void flight_free(struct flight *f)
{
	struct flight **at = &f->to->pipe->flights;

	queue_cancel(f->to->pipe->net->q, &f->event);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	buf_deinit(&f->bytes);
	free(f);
}

static void on_flight(struct queue_event *e);
static void on_read(struct queue_event *e);

/* After everything that was sent to that end before. */
static struct flight *send(struct ws_conn *to, int kind, uint64_t leaves_us)
{
	struct pipe *p = to->pipe;
	struct net *net = p->net;
	struct flight *f = NEW(struct flight), **at = &p->flights;
	uint64_t jitter = net->model.jitter_us ? queue_below(net->q, net->model.jitter_us) : 0;
	uint64_t at_us = leaves_us + net->model.latency_us + jitter;

	if (at_us <= to->arrival_us)
		at_us = to->arrival_us + 1;
	to->arrival_us = at_us;
	f->event.fn = on_flight;
	f->to = to;
	f->kind = kind;
	while (*at)
		at = &(*at)->next;
	*at = f;
	queue_at(net->q, &f->event, at_us);
	return f;
}

static void end_told(struct ws_conn *c)
{
	const struct ws_conn_ops *ops = c->ops;

	c->ops = NULL;
	c->open = false;
	queue_cancel(c->pipe->net->q, &c->pump);
	if (ops)
		ops->closed(c->arg, c->why[0] ? c->why : "the connection was closed");
}

/* Nothing more goes through; both ends hear of it a little later. */
static void pipe_break(struct pipe *p, const char *why)
{
	if (p->broken)
		return;
	p->broken = true;
	while (p->flights) /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it left the list */
		flight_free(p->flights);
	for (int i = 0; i < 2; i++) {
		struct ws_conn *c = &p->ends[i];

		(void)snprintf(c->why, sizeof(c->why), "%s", why);
		queue_cancel(p->net->q, &c->pump);
		c->open = false;
		if (c->ops)
			(void)send(c, END, now_us(p->net));
	}
}

/* ---- on the way ---- */

static void pump_at(struct ws_conn *c, uint64_t at_us)
{
	if (c->open && !c->pump.slot)
		queue_at(c->pipe->net->q, &c->pump, at_us > c->free_us ? at_us : c->free_us);
}

/* As lws: one message each time that the connection is writable. */
static void on_pump(struct queue_event *e)
{
	struct ws_conn *c = CONTAINER_OF(e, struct ws_conn, pump);
	struct pipe *p = c->pipe;
	struct net *net = p->net;
	CLEANUP(buf_deinit) struct buf out = { 0 };
	uint64_t took;

	if (!c->ops || !c->open || !c->ops->output(c->arg, &out) || !c->ops || !c->open)
		return;
	assert(out.n <= LINK_WS_MESSAGE_MAX);
	net->places[c->at].bytes += out.n + MESSAGE_HEAD;
	took = net->model.bytes_per_s
		? (out.n + MESSAGE_HEAD) * 1000000 / net->model.bytes_per_s
		: 0;
	c->free_us = now_us(net) + took + 1;
	send(other(c), MESSAGE, c->free_us)->bytes = out;
	out = (struct buf){ 0 };
	pump_at(c, c->free_us);
}

static void conn_init(struct pipe *p, int side, size_t at)
{
	struct ws_conn *c = &p->ends[side];

	c->pipe = p;
	c->at = at;
	c->pump.fn = on_pump;
	c->read.fn = on_read;
	c->pump.loop = c->read.loop = p->net->places[at].loop;
}

static void refuse(struct pipe *p, const char *why)
{
	struct ws_conn *c = &p->ends[0];

	(void)snprintf(c->why, sizeof(c->why), "%s", why);
	p->broken = true;
	(void)send(c, END, now_us(p->net));
}

static void arrived_syn(struct ws_conn *c)
{
	struct pipe *p = c->pipe;
	struct net *net = p->net;
	struct link_ws *ws = net->places[c->at].ws;
	const struct ws_conn_ops *ops = NULL;
	char from[32];
	struct gate_addr addr;

	if (!ws || !ws->listens) {
		refuse(p, "connection refused");
		return;
	}
	net_address(p->ends[0].at, from);
	addr = endpoint_parse_ip(from, 0);
	if (!ws->o.accepted(ws->o.arg, c, &addr, &ops, &c->arg)) {
		refuse(p, "connection reset");
		return;
	}
	c->ops = ops;
	c->open = true;
	(void)send(&p->ends[0], ACCEPTED, now_us(net));
	c->ops->open(c->arg);
	pump_at(c, now_us(net));
}

/* True: the blade fell, and the connection is broken. */
static bool guillotined(struct ws_conn *c, struct str bytes)
{
	struct pipe *p = c->pipe;
	const struct net_guillotine *g = &p->net->guillotine;
	uint64_t before = p->arrived;

	p->arrived += bytes.n;
	if (!g->armed || p->arrived <= g->after_bytes)
		return false;
	if (g->cut_short && before < g->after_bytes && c->ops)
		c->ops->message(c->arg, str_head(bytes, (size_t)(g->after_bytes - before)));
	pipe_break(p, "cut");
	return true;
}

static bool whole(const struct net *net, size_t a, size_t b, enum net_path but)
{
	return path_between(net, a, b) != but && path_between(net, b, a) != but;
}

static void on_flight(struct queue_event *e)
{
	struct flight *f = CONTAINER_OF(e, struct flight, event);
	struct ws_conn *c = f->to;
	struct pipe *p = c->pipe;
	struct net *net = p->net;

	/* What tells an end of a break that it would find out itself needs no path. */
	if (!p->broken && !whole(net, c->at, other(c)->at, NET_LOST)) {
		f->held = true;
		if (!p->held_us)
			p->held_us = now_us(net);
		return;
	}
	f->arrived = true;
	if (!c->read.slot)
		queue_at(net->q, &c->read, now_us(net));
}

static struct flight *first_arrived(const struct ws_conn *c)
{
	struct flight *f = c->pipe->flights;

	while (f && (f->to != c || !f->arrived))
		f = f->next;
	return f;
}

/* One thing in a turn: a busy node comes to each of its sockets in turn, as with epoll. */
static void on_read(struct queue_event *e)
{
	struct ws_conn *c = CONTAINER_OF(e, struct ws_conn, read);
	struct pipe *p = c->pipe;
	struct net *net = p->net;
	struct flight *f = first_arrived(c);
	CLEANUP(buf_deinit) struct buf bytes = { 0 };
	int kind;

	if (!f)
		return;
	kind = (int)f->kind;
	bytes = f->bytes;
	f->bytes = (struct buf){ 0 };
	flight_free(f);
	queue_trace(net->q, (uint64_t)kind << 32 | (uint64_t)c->at, bytes.n);
	if (kind == END) {
		p->broken = true;
		end_told(c);
	} else if (kind == SYN && !whole(net, c->at, other(c)->at, NET_CUT)) {
		refuse(p, "no route to host");
	} else if (kind == SYN) {
		arrived_syn(c);
	} else if (kind == ACCEPTED && c->ops) {
		c->open = true;
		c->ops->open(c->arg);
		pump_at(c, now_us(net));
	} else if (kind == MESSAGE && c->ops && !guillotined(c, buf_str(&bytes)) && c->ops) {
		c->ops->message(c->arg, buf_str(&bytes));
	}
	if (first_arrived(c))
		queue_at(net->q, &c->read, now_us(net));
	pipe_collect(p);
}

/* ---- link_ws.h ---- */

struct ws_conn *link_ws_dial(struct link_ws *ws, const struct gate_addr *to,
	const struct ws_conn_ops *ops, void *arg)
{
	struct net *net = ws->net;
	struct pipe *p = NEW(struct pipe);
	size_t at = (size_t)to->ip[2] << 8 | to->ip[3];

	assert(to->n == 4 && to->ip[0] == 10 && to->ip[1] == 77);
	p->net = net;
	p->next = net->pipes;
	net->pipes = p;
	conn_init(p, 0, ws->at);
	conn_init(p, 1, at < net->n ? at : ws->at);
	p->ends[0].ops = ops;
	p->ends[0].arg = arg;
	net->places[ws->at].dials++;
	if (at < net->n)
		(void)send(&p->ends[1], SYN, now_us(net));
	else
		refuse(p, "no such host");
	return &p->ends[0];
}

void ws_conn_wake(struct ws_conn *c)
{
	pump_at(c, now_us(c->pipe->net));
}

void ws_conn_close(struct ws_conn *c)
{
	struct pipe *p = c->pipe;

	c->ops = NULL;
	c->open = false;
	queue_cancel(p->net->q, &c->pump);
	if (!p->broken && other(c)->ops)
		(void)send(other(c), END,
			c->free_us > now_us(p->net) ? c->free_us : now_us(p->net));
	/* Not freed here: the caller may be inside one of its callbacks. */
	if (!p->flights && !other(c)->ops)
		(void)send(c, END, now_us(p->net));
}

static struct net *net_of(struct loop *loop)
{
	return queue_loop_of(loop)->net;
}

enum err link_ws_new(const struct link_ws_options *o, struct link_ws **out, struct err_ctx *why)
{
	struct link_ws *ws = NEW(struct link_ws);
	struct net *net = net_of(o->loop);

	(void)why;
	ws->o = *o;
	ws->net = net;
	while (net->places[ws->at].loop != queue_loop_of(o->loop))
		ws->at++;
	net->places[ws->at].ws = ws;
	*out = ws;
	return ERR_OK;
}

enum err link_ws_listen(
	struct link_ws *ws, const char *host, uint16_t port, struct err_ctx *why)
{
	(void)host;
	(void)port;
	(void)why;
	ws->listens = true;
	return ERR_OK;
}

uint16_t link_ws_port(const struct link_ws *ws)
{
	return ws->listens ? LINK_PORT : 0;
}

void link_ws_free(struct link_ws *ws)
{
	if (!ws)
		return;
	for (struct pipe *p = ws->net->pipes; p; p = p->next) {
		for (int i = 0; i < 2; i++) {
			if (p->ends[i].at == ws->at && p->ends[i].ops)
				ws_conn_close(&p->ends[i]);
		}
	}
	ws->net->places[ws->at].ws = NULL;
	free(ws);
}

/* ---- the net ---- */

struct net *net_new(struct queue *q, size_t n, const struct net_model *model)
{
	struct net *net = NEW(struct net);

	net->q = q;
	net->n = n;
	net->model = *model;
	net->places = xcalloc(n, sizeof(net->places[0]));
	net->paths = xcalloc(n * n, 1);
	return net;
}

void net_free(struct net *net)
{
	struct pipe *p;

	while ((p = net->pipes) != NULL) {
		assert(!p->ends[0].ops && !p->ends[1].ops);
		while (p->flights)
			flight_free(p->flights);
		pipe_collect(p);
	}
	free(net->places);
	free(net->paths);
	free(net);
}

void net_place(struct net *net, size_t i, struct queue_loop *l)
{
	net->places[i].loop = l;
	l->net = net;
}

void net_address(size_t i, char text[32])
{
	(void)snprintf(text, 32, "10.77.%u.%u", (unsigned)(i >> 8) & 255, (unsigned)i & 255);
}

enum net_path net_get(const struct net *net, size_t a, size_t b)
{
	return path_between(net, a, b);
}

static bool runs_between(const struct pipe *p, size_t a, size_t b)
{
	return (p->ends[0].at == a && p->ends[1].at == b) ||
		(p->ends[0].at == b && p->ends[1].at == a);
}

/* A path is whole again: what it held arrives, unless that took too long. */
static void release(struct pipe *p)
{
	struct net *net = p->net;
	uint64_t at_us = now_us(net) + net->model.latency_us;

	if (p->held_us && now_us(net) - p->held_us > NET_GIVES_UP_US) {
		pipe_break(p, "connection timed out");
		return;
	}
	p->held_us = 0;
	for (struct flight *f = p->flights; f; f = f->next) {
		if (f->arrived)
			continue;
		if (f->event.slot && f->event.at_us > at_us)
			at_us = f->event.at_us; /* nothing overtakes */
		f->held = false;
		queue_at(net->q, &f->event, at_us);
	}
	for (int i = 0; i < 2; i++) {
		if (p->ends[i].arrival_us < at_us)
			p->ends[i].arrival_us = at_us;
	}
}

void net_set(struct net *net, size_t a, size_t b, enum net_path path)
{
	struct pipe *next;

	net->paths[a * net->n + b] = (unsigned char)path;
	for (struct pipe *p = net->pipes; p; p = next) {
		next = p->next;
		if (!runs_between(p, a, b))
			continue;
		if (path == NET_CUT)
			pipe_break(p, "network is unreachable");
		else if (path_between(net, a, b) == NET_OPEN &&
			path_between(net, b, a) == NET_OPEN)
			release(p);
		pipe_collect(p);
	}
}

void net_guillotine(struct net *net, const struct net_guillotine *g)
{
	net->guillotine = *g;
}

uint64_t net_bytes(const struct net *net, size_t from)
{
	return net->places[from].bytes;
}

uint64_t net_dials(const struct net *net, size_t from)
{
	return net->places[from].dials;
}
