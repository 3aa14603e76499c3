#include "node/federation/inbound.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/base32.h"
#include "node/base/limits.h"
#include "node/base/map.h"
#include "node/federation/quota.h"
#include "node/federation/sender.h"
#include "node/federation/uri.h"
#include "store/outbox.h"

#define LOG_MODULE "federation"

/* A device of another server, and up to where its transactions are durable here. */
struct committed {
	char *key; /* its node key in base32, a blank, the origin; owned, the map's key */
	uint64_t upto;
};

struct inbound {
	struct federation *f;
	struct map committed; /* struct committed, owned */
	struct quota quota;
	struct inbound_request *open;
	size_t n_open;
	struct log_limit refused;
};

static const char *const method_names[] = {
	[TRANSPORT_GET] = "GET",
	[TRANSPORT_PUT] = "PUT",
	[TRANSPORT_POST] = "POST",
	[TRANSPORT_DELETE] = "DELETE",
};

static const struct {
	unsigned status;
	const char *errcode;
} errors[] = {
#define X(name, http, errcode) [ERR_##name] = { http, errcode },
	ERR_LIST(X)
#undef X
};

struct inbound *inbound_new(struct federation *f)
{
	struct inbound *in = NEW(struct inbound);

	in->f = f;
	map_init(&in->committed);
	quota_init(&in->quota);
	return in;
}

static void free_request(struct inbound_request *r)
{
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	if (r->f)
		r->f->inbound->n_open--;
	buf_deinit(&r->reply);
	arena_free(r->arena); /* r is in it */
}

static void respond(struct inbound_request *r, unsigned status, struct str body)
{
	if (r->in)
		transport_respond(r->in,
			&(struct transport_response){ .status = status,
				.retry_after_ms = r->retry_after_ms,
				.body = body });
	r->in = NULL;
}

void inbound_stop(struct inbound *in)
{
	for (struct inbound_request *r = in->open; r; r = r->next)
		respond(r, 503,
			STR("{\"errcode\":\"M_UNKNOWN\",\"error\":\"The server is "
			    "stopping\"}"));
}

/* Those whose handlers are still at work stay, on a list of their own, until they answer. */
void inbound_free(struct inbound *in)
{
	struct inbound_request *next;
	struct committed *c;
	size_t at = 0;

	if (!in)
		return;
	for (struct inbound_request *r = in->open; r; r = next) {
		next = r->next;
		if (r->status || r->parked) {
			store_durable_cancel(in->f->o.store, &r->durable);
			free_request(r);
			continue;
		}
		*r->link = r->next;
		if (r->next)
			r->next->link = r->link;
		r->f = NULL;
		r->next = NULL;
		r->link = &r->next;
	}
	while ((c = map_next(&in->committed, &at))) {
		free(c->key);
		free(c);
	}
	map_deinit(&in->committed);
	quota_deinit(&in->quota);
	free(in);
}

size_t inbound_waiting(const struct inbound *in)
{
	return in->n_open;
}

/* ---- what is committed ---- */

/* Read from the store when it is first asked for, which is before anything of that device is
 * written by this process: so what is there is durable. */
static struct committed *committed_by(struct inbound *in, struct str origin, struct str node)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(buf_deinit) struct buf key = { 0 };
	struct outbox_received last;
	struct committed *c;

	base32_put(&key, (const unsigned char *)node.p, node.n);
	buf_put_u8(&key, ' ');
	buf_put_str(&key, origin);
	c = map_get(&in->committed, buf_str(&key));
	if (c)
		return c;
	a = arena_new();
	c = NEW(struct committed);
	c->key = xstrdup(buf_str(&key));
	if (!outbox_received_get(in->f->o.store, a, origin, node, &last) && last.response.n > 0)
		c->upto = last.sequence;
	map_put(&in->committed, str_of(c->key), c);
	return c;
}

uint64_t inbound_acked(void *arg, struct str origin, const unsigned char node[32])
{
	struct inbound *in = arg;

	if (!in->f->running)
		return 0;
	return committed_by(in, origin, (struct str){ (const char *)node, 32 })->upto;
}

void inbound_will_commit(struct inbound_request *r)
{
	r->commits = r->sequence > 0 && r->origin_node.n > 0;
	if (r->commits)
		(void)committed_by(r->f->inbound, r->origin, r->origin_node);
}

static void note_committed(struct inbound_request *r)
{
	struct committed *c = committed_by(r->f->inbound, r->origin, r->origin_node);

	if (r->sequence > c->upto)
		c->upto = r->sequence;
}

/* ---- answering ---- */

static void durable(struct store_waiter *w, enum err err)
{
	struct inbound_request *r = CONTAINER_OF(w, struct inbound_request, durable);

	if (err)
		respond(r, 503,
			STR("{\"errcode\":\"M_UNKNOWN\",\"error\":\"It could not be "
			    "stored\"}"));
	else {
		if (r->commits && r->status == 200 && r->f)
			note_committed(r);
		respond(r, r->status, buf_str(&r->reply));
	}
	free_request(r);
}

static void finish(struct inbound_request *r, unsigned status)
{
	if ((!r->in && !r->commits) || !r->f) {
		free_request(r);
		return;
	}
	r->status = status;
	r->durable = (struct store_waiter){ .fn = durable };
	store_durable(r->f->o.store, &r->durable);
}

void inbound_reply(struct inbound_request *r, struct buf *body)
{
	buf_deinit(&r->reply);
	r->reply = *body;
	*body = (struct buf){ 0 };
	finish(r, 200);
}

void inbound_reply_empty(struct inbound_request *r)
{
	buf_clear(&r->reply);
	buf_put_z(&r->reply, "{}");
	finish(r, 200);
}

void inbound_error_status(
	struct inbound_request *r, unsigned status, const char *errcode, const char *text)
{
	struct jw w = jw_to(&r->reply);

	buf_clear(&r->reply);
	jw_obj(&w);
	jw_kv_z(&w, "errcode", errcode);
	jw_kv_z(&w, "error", str_is_utf8(str_of(text)) ? text : "");
	if (r->retry_after_ms)
		jw_kv_int(&w, "retry_after_ms", (int64_t)r->retry_after_ms);
	jw_end(&w);
	finish(r, status);
}

void inbound_error(struct inbound_request *r, enum err err)
{
	inbound_error_status(r, errors[err].status,
		r->errcode ? r->errcode : errors[err].errcode,
		r->why.text[0] ? r->why.text : err_name(err));
}

struct transport_incoming *inbound_take(struct inbound_request *r)
{
	struct transport_incoming *t = r->in;

	r->in = NULL;
	if (t)
		t->arg = NULL;
	free_request(r);
	return t;
}

bool inbound_query(struct inbound_request *r, const char *name, struct str *out)
{
	return uri_query(r->arena, r->query, name, 0, out);
}

/* ---- dispatching ---- */

/* The route of a path, or NULL; *known says if another method has one. */
static const struct inbound_route *find_route(
	struct inbound_request *r, struct str path, const char *method, bool *known)
{
	*known = false;
	for (const struct inbound_route *route = inbound_routes; route->path; route++) {
		if (!uri_match(r->arena, path, route->path, r->args, INBOUND_MAX_ARGS))
			continue;
		*known = true;
		if (strcmp(route->method, method) == 0)
			return route;
	}
	return NULL;
}

static enum err read_body(struct inbound_request *r)
{
	enum err err;

	if (r->in->method != TRANSPORT_PUT && r->in->method != TRANSPORT_POST)
		return ERR_OK;
	err = json_parse_in(r->arena, r->in->body, &json_limits_peer, &r->body, &r->why);
	if (err) {
		r->errcode = err == ERR_MALFORMED ? "M_NOT_JSON" : NULL;
		return err;
	}
	return json_is(r->body, JSON_OBJECT)
		? ERR_OK
		: err_set(&r->why, ERR_MALFORMED, "the body is not an object");
}

/* ---- what one server may have us store in a day ---- */

static enum err limited(struct inbound_request *r, enum err err, const char *what)
{
	return err ? err_set(&r->why, err, "%s: %.*s has sent enough for today", what,
			     STR_FMT(r->origin))
		   : ERR_OK;
}

enum err inbound_new_room(struct inbound_request *r)
{
	const struct federation *f = r->f;
	struct transport_peer peer;
	bool contact = transport_peer_get(f->o.transport, r->origin, &peer) &&
		peer.level == TRANSPORT_CONTACT;
	enum err err = ERR_OK;

	if (!f->o.unlimited)
		err = quota_room(&f->inbound->quota, r->origin,
			contact ? LIMIT_PEER_DAY_ROOMS : LIMIT_STRANGER_DAY_INVITES,
			loop_now_ms(f->o.loop), &r->retry_after_ms);
	return limited(r, err, "an invite");
}

/* What is asked for costs nothing that stays; what is put does. */
static enum err take_bytes(struct inbound_request *r)
{
	const struct federation *f = r->f;
	enum err err = ERR_OK;

	if (!f->o.unlimited && r->in->method == TRANSPORT_PUT)
		err = quota_bytes(&f->inbound->quota, r->origin, r->in->body.n,
			loop_now_ms(f->o.loop), &r->retry_after_ms);
	return limited(r, err, "a request");
}

static size_t open_of(const struct inbound *in, struct str origin)
{
	size_t n = 0;

	for (const struct inbound_request *r = in->open; r; r = r->next)
		n += str_eq(r->origin, origin);
	return n;
}

static struct inbound_request *request_new(struct inbound *in, struct transport_incoming *t)
{
	struct arena *arena = arena_new();
	struct inbound_request *r = ARENA_NEW(arena, struct inbound_request);

	r->f = in->f;
	r->arena = arena;
	r->origin = t->origin;
	r->origin_node = (struct str){ (const char *)t->origin_node, t->origin_node ? 32 : 0 };
	/* Handlers may outlive transport's request. */
	r->origin = arena_str(arena, r->origin);
	if (r->origin_node.n)
		r->origin_node = arena_str(arena, r->origin_node);
	r->sequence = t->sequence;
	r->in = t;
	t->arg = r;
	t->on_abort = NULL;
	r->next = in->open;
	r->link = &in->open;
	if (r->next)
		r->next->link = &r->next;
	in->open = r;
	in->n_open++;
	return r;
}

static void refuse(struct inbound_request *r, enum err err)
{
	struct inbound *in = r->f->inbound;

	if (log_limit(&in->refused, clock_mono_ms(in->f->o.clock)))
		log_info(in->f->o.log, "%s of %.*s refused: %s (%u more like it)",
			r->route->operation, STR_FMT(r->origin),
			r->why.text[0] ? r->why.text : err_name(err), in->refused.dropped);
	inbound_error(r, err);
}

static void handle(struct inbound_request *r)
{
	enum err err = r->route->handler(r);

	if (err)
		refuse(r, err);
}

static void ready(struct store_waiter *w, enum err err)
{
	struct inbound_request *r = CONTAINER_OF(w, struct inbound_request, durable);

	r->parked = false;
	if (err)
		inbound_error(r, err);
	else
		handle(r);
}

/* What writes waits while the store wants no writes. */
static void handle_when_ready(struct inbound_request *r)
{
	r->durable = (struct store_waiter){ .fn = ready };
	r->parked = strcmp(r->route->method, "GET") != 0 &&
		!store_ready(r->f->o.store, &r->durable);
	if (!r->parked)
		handle(r);
}

void inbound_request(void *arg, struct transport_incoming *t)
{
	struct inbound *in = arg;
	struct inbound_request *r = request_new(in, t);
	const struct inbound_route *route;
	struct str path;
	bool known;
	enum err err;

	if (!in->f->running) {
		inbound_error_status(r, 503, "M_UNKNOWN", "The server is stopping");
		return;
	}
	sender_peer_seen(in->f->sender, r->origin);
	(void)str_cut(t->path, '?', &path, &r->query);
	r->query = arena_str(r->arena, r->query);
	if (open_of(in, r->origin) > LIMIT_PEER_IN_FLIGHT) {
		inbound_error_status(r, 429, "M_LIMIT_EXCEEDED", "Too many requests at once");
		return;
	}
	route = find_route(r, path, method_names[t->method], &known);
	if (!route) {
		inbound_error_status(r, known ? 405 : 404, "M_UNRECOGNIZED",
			known ? "This path has no such method" : "No such endpoint");
		return;
	}
	r->route = route;
	err = take_bytes(r);
	if (!err)
		err = read_body(r);
	if (err)
		refuse(r, err);
	else
		handle_when_ready(r);
}
