#include "tests/support/net_double.h"

#include <assert.h>
#include <stdlib.h>

#include "node/base/alloc.h"

#define MAX_CUTS 4

struct net {
	struct loop *loop;
	struct {
		const struct transport *a, *b;
	} cuts[MAX_CUTS];
	struct transport *nodes;
	size_t busy;
	bool lose;
	void (*seen)(void *arg, const char *from, const char *to, enum transport_method method,
		struct str path, struct str body);
	void *arg;
};

struct transport {
	struct net *net;
	struct transport *next;
	const char *name;
	unsigned char node[32];
	bool up;
	struct transport_handler handler;
	struct transport_listener *listeners;
	struct transport_call *calls;
};

enum stage { GOING, ASKED, COMING };

/* A request with its answer, from one node to another. */
struct transport_call {
	struct net *net;
	struct transport *from; /* NULL: cancelled, done() was called or will not be */
	struct transport *to;   /* NULL: gone */
	struct transport_call *next;
	enum stage stage;
	struct transport_request rq; /* strings are in the buffers below */
	struct buf name, path, body;
	struct transport_incoming in;
	struct loop_deferred deferred;
	enum err err;
	unsigned status;
	struct buf type, disposition, answer;
	uint64_t length; /* announced */
	uint64_t retry_after_ms;
};

struct net *net_new(struct loop *loop)
{
	struct net *n = NEW(struct net);

	n->loop = loop;
	return n;
}

void net_free(struct net *n)
{
	assert(!n->nodes && n->busy == 0);
	free(n);
}

size_t net_busy(const struct net *n)
{
	return n->busy;
}

void net_watch(struct net *n,
	void (*seen)(void *arg, const char *from, const char *to, enum transport_method method,
		struct str path, struct str body),
	void *arg)
{
	n->seen = seen;
	n->arg = arg;
}

void net_lose_answer(struct net *n)
{
	n->lose = true;
}

static struct transport *node_find(struct net *n, struct str name)
{
	struct transport *t = n->nodes;

	while (t && !str_eq(str_of(t->name), name))
		t = t->next;
	return t;
}

static bool linked(const struct net *n, const struct transport *a, const struct transport *b)
{
	if (!a || !b || !a->up || !b->up)
		return false;
	for (size_t i = 0; i < MAX_CUTS; i++)
		if ((n->cuts[i].a == a && n->cuts[i].b == b) ||
			(n->cuts[i].a == b && n->cuts[i].b == a))
			return false;
	return true;
}

static void tell(struct transport *t, struct transport *peer)
{
	for (struct transport_listener *l = t->listeners; l; l = l->next) {
		bool up = linked(t->net, t, peer);
		struct acked acked = { 0 };

		if (up && peer->handler.acked)
			acked.upto = peer->handler.acked(
				peer->handler.arg, str_of(t->name), t->node);
		if (acked.upto && l->acked)
			l->acked(l->arg, str_of(peer->name), &acked);
		if (up && l->peer_up)
			l->peer_up(l->arg, str_of(peer->name));
		if (!up && l->peer_down)
			l->peer_down(l->arg, str_of(peer->name));
	}
}

struct transport *net_join(struct net *n, const char *name)
{
	struct transport *t = NEW(struct transport);

	t->net = n;
	t->name = name;
	t->up = true;
	memcpy(t->node, name, strlen(name) < 32 ? strlen(name) : 32);
	t->next = n->nodes;
	n->nodes = t;
	for (struct transport *o = t->next; o; o = o->next)
		tell(o, t);
	return t;
}

void net_connect(struct transport *t, bool up)
{
	if (t->up == up)
		return;
	t->up = up;
	for (struct transport *o = t->net->nodes; o; o = o->next) {
		if (o == t || !o->up)
			continue;
		tell(o, t);
		tell(t, o);
	}
}

void net_cut(struct transport *a, struct transport *b, bool cut)
{
	struct net *n = a->net;
	size_t i = 0;

	for (; i < MAX_CUTS; i++)
		if (cut ? !n->cuts[i].a : n->cuts[i].a == a && n->cuts[i].b == b)
			break;
	assert(i < MAX_CUTS);
	n->cuts[i].a = cut ? a : NULL;
	n->cuts[i].b = cut ? b : NULL;
	tell(a, b);
	tell(b, a);
}

static void unlink_call(struct transport_call *c)
{
	struct transport_call **at = &c->from->calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
}

static void call_free(struct transport_call *c)
{
	c->net->busy--;
	buf_deinit(&c->name);
	buf_deinit(&c->path);
	buf_deinit(&c->body);
	buf_deinit(&c->type);
	buf_deinit(&c->disposition);
	buf_deinit(&c->answer);
	free(c);
}

static void answer(struct transport_call *c)
{
	struct transport_response res = { .status = c->status,
		.content_type = buf_str(&c->type),
		.disposition = buf_str(&c->disposition),
		.retry_after_ms = c->retry_after_ms,
		.length = c->answer.n };

	unlink_call(c);
	if (!c->err && c->rq.on_body)
		(void)c->rq.on_body(c->rq.arg, &res, buf_str(&c->answer));
	else
		res.body = buf_str(&c->answer);
	c->rq.done(c->rq.arg, c->err, c->err ? NULL : &res, c->err ? "the double says so" : "");
}

/* What happens next with a call, on a turn of its own. */
static void step(struct loop_deferred *d)
{
	struct transport_call *c = CONTAINER_OF(d, struct transport_call, deferred);
	bool up = linked(c->net, c->from, c->to);

	if (c->stage == GOING && up && c->to->handler.request) {
		c->stage = ASKED;
		if (c->net->seen)
			c->net->seen(c->net->arg, c->from->name, c->to->name, c->rq.method,
				buf_str(&c->path), buf_str(&c->body));
		c->in = (struct transport_incoming){ .origin = str_of(c->from->name),
			.origin_node = c->from->node,
			.sequence = c->rq.sequence,
			.method = c->rq.method,
			.path = buf_str(&c->path),
			.body = buf_str(&c->body) };
		c->to->handler.request(c->to->handler.arg, &c->in);
		return;
	}
	if (!up && !c->err)
		c->err = ERR_UNREACHABLE;
	if (c->stage == GOING && up)
		c->status = 503;
	if (c->from)
		answer(c);
	call_free(c);
}

struct transport_call *transport_request(
	struct transport *t, const struct transport_request *rq)
{
	struct transport_call *c = NEW(struct transport_call);

	c->net = t->net;
	c->net->busy++;
	c->from = t;
	c->to = node_find(t->net, rq->name);
	c->rq = *rq;
	buf_put_str(&c->name, rq->name);
	buf_put_str(&c->path, rq->path);
	buf_put_str(&c->body, rq->body);
	c->next = t->calls;
	t->calls = c;
	c->deferred.fn = step;
	loop_defer(t->net->loop, &c->deferred);
	return c;
}

void transport_cancel(struct transport_call *c)
{
	c->err = ERR_CANCELLED;
	if (c->stage == ASKED)
		return; /* told with the answer, which the handler owes */
	loop_defer(c->net->loop, &c->deferred);
}

void transport_call_consumed(struct transport_call *c, size_t n)
{
	(void)c;
	(void)n;
}

static void come_back(struct transport_call *c)
{
	c->stage = COMING;
	if (c->net->lose)
		c->err = ERR_UNREACHABLE;
	c->net->lose = false;
	loop_defer(c->net->loop, &c->deferred);
}

void transport_respond(struct transport_incoming *in, const struct transport_response *res)
{
	struct transport_call *c = CONTAINER_OF(in, struct transport_call, in);

	c->status = res->status;
	c->retry_after_ms = res->retry_after_ms;
	buf_put_str(&c->type, res->content_type);
	buf_put_str(&c->disposition, res->disposition);
	buf_put_str(&c->answer, res->body);
	come_back(c);
}

void transport_respond_begin(
	struct transport_incoming *in, const struct transport_response *res)
{
	struct transport_call *c = CONTAINER_OF(in, struct transport_call, in);

	c->status = res->status;
	c->length = res->length;
	buf_put_str(&c->type, res->content_type);
	buf_put_str(&c->disposition, res->disposition);
}

enum err transport_respond_write(struct transport_incoming *in, struct str piece, bool *more)
{
	struct transport_call *c = CONTAINER_OF(in, struct transport_call, in);

	buf_put_str(&c->answer, piece);
	assert(c->answer.n <= c->length);
	*more = true;
	if (c->answer.n == c->length)
		come_back(c);
	return ERR_OK;
}

void transport_respond_abort(struct transport_incoming *in)
{
	struct transport_call *c = CONTAINER_OF(in, struct transport_call, in);

	c->err = ERR_UNREACHABLE;
	come_back(c);
}

void transport_serve(struct transport *t, const struct transport_handler *handler)
{
	t->handler = *handler;
}

void transport_listen(struct transport *t, struct transport_listener *l)
{
	l->next = t->listeners;
	t->listeners = l;
}

void transport_unlisten(struct transport *t, struct transport_listener *l)
{
	struct transport_listener **at = &t->listeners;

	while (*at && *at != l)
		at = &(*at)->next;
	if (*at)
		*at = l->next;
}

bool transport_connected(const struct transport *t, struct str name)
{
	const struct transport *peer = node_find(t->net, name);

	return linked(t->net, t, peer);
}

/* Nobody is a contact: names are made up. */
bool transport_peer_get(const struct transport *t, struct str name, struct transport_peer *out)
{
	const struct transport *peer = node_find(t->net, name);

	if (peer)
		*out = (struct transport_peer){ .name = str_of(peer->name),
			.level = TRANSPORT_ACQUAINTANCE,
			.connected = linked(t->net, t, peer) };
	return peer != NULL;
}

enum err transport_allow(struct transport *t, struct str name, enum transport_level level)
{
	(void)t;
	(void)name;
	(void)level;
	return ERR_OK;
}

void transport_free(struct transport *t)
{
	struct transport **at = &t->net->nodes;

	while (t->calls) {
		struct transport_call *c = t->calls;

		c->err = ERR_CANCELLED;
		answer(c);
		c->from = NULL;
	}
	for (struct transport *o = t->net->nodes; o; o = o->next)
		for (struct transport_call *c = o->calls; c; c = c->next)
			if (c->to == t)
				c->to = NULL;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	free(t);
}
