#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/transport_int.h"

#define DEADLINE_MS      30000
#define DEADLINE_BULK_MS 300000
#define UNPAIRED         "no address is known; pair with its owner by an invite"
#define HELD_MAX         67108864 /* of a body kept in memory, unless asked for less */

/*
 * A call waits in its contact's list, first without a stream (WAITING), then with one (SENT).
 * When it ends it goes to the transport's list of ended ones, whose done() the end of the turn
 * calls: so no caller is ever entered from inside a session.
 */
struct transport_call {
	struct transport_call *next;
	struct transport *t;
	struct contact *contact; /* NULL when it ended, or was never sent anywhere */
	struct peer *peer;
	struct stream *stream;
	struct loop_timer *deadline;
	enum transport_class class;
	char *coalesce_key;
	struct request_head head; /* path in buf path */
	struct buf path, body;
	size_t size; /* counted in contact->queued while WAITING */

	void (*done)(
		void *arg, enum err err, const struct transport_response *res, const char *why);
	bool (*on_body)(void *arg, const struct transport_response *head, struct str piece);
	void *arg;
	uint64_t max_response;

	/* The answer. */
	struct buf in_head; /* what the strings of response point into */
	struct acked acked;
	bool has_head;
	uint8_t flags;
	struct transport_response response;
	struct buf in_body;
	uint64_t got;
	size_t held;

	enum err err;
	char why[128];
};

static void call_unlink(struct transport_call *call)
{
	struct transport_call **at;

	if (!call->contact)
		return;
	at = &call->contact->calls;
	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	if (!call->stream)
		call->contact->queued -= call->size;
	call->contact = NULL;
}

static void call_end(struct transport_call *call, enum err err, const char *why)
{
	struct transport *t = call->t;
	struct transport_call **at = &t->ended_calls;

	call_unlink(call);
	if (call->stream)
		stream_release(call->stream);
	call->stream = NULL;
	loop_timer_free(t->o.loop, call->deadline);
	call->deadline = NULL;
	call->err = err;
	(void)snprintf(call->why, sizeof(call->why), "%s", why ? why : "");
	while (*at)
		at = &(*at)->next;
	call->next = NULL;
	*at = call;
	loop_defer(t->o.loop, &t->ended);
}

static void call_free(struct transport_call *call)
{
	free(call->coalesce_key);
	buf_deinit(&call->path);
	buf_deinit(&call->body);
	buf_deinit(&call->in_head);
	buf_deinit(&call->in_body);
	free(call);
}

void calls_tell(struct transport *t)
{
	struct transport_call *call;

	while ((call = t->ended_calls) != NULL) {
		t->ended_calls = call->next;
		call->response.body = buf_str(&call->in_body);
		call->done(call->arg, call->err, call->err ? NULL : &call->response, call->why);
		call_free(call);
	}
}

static void on_deadline(void *arg)
{
	struct transport_call *call = arg;

	call_end(call, ERR_TIMEOUT,
		call->stream ? "no answer in time" : "no connection came up in time");
}

static void put_body(struct transport_call *call, struct peer *p, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf small = { 0 };
	struct request_head h = call->head;
	struct str body = buf_str(&call->body);
	bool zstd = link_peer(p->link->link)->capabilities & CAP_ZSTD;

	if (zstd)
		h.flags = packer_pack(call->t->packer, body, &small);
	if (h.flags)
		body = buf_str(&small);
	h.path = buf_str(&call->path);
	h.length = body.n;
	request_put(&h, out);
	buf_put_str(out, body);
}

static bool call_send(struct transport_call *call, struct peer *p)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct stream *st = stream_open(p->session, call, call->class == TRANSPORT_BULK);

	if (!st)
		return false;
	call->contact->queued -= call->size;
	call->stream = st;
	call->peer = p;
	put_body(call, p, &out);
	buf_deinit(&call->body);
	stream_write(st, buf_str(&out), true);
	return true;
}

void calls_up(struct contact *c)
{
	struct peer *p = contact_session_peer(c);

	for (struct transport_call *call = c->calls; p && call; call = call->next) {
		if (!call->stream && !call_send(call, p))
			return; /* session_streams_free comes back */
	}
}

void calls_down(struct contact *c, const char *why)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "not reached: %s", why);
	while (c->calls)
		call_end(c->calls, ERR_UNREACHABLE, text);
}

void calls_session_gone(struct contact *c, struct peer *p, const char *why)
{
	struct transport_call *next;

	for (struct transport_call *call = c->calls; call; call = next) {
		next = call->next;
		if (call->stream && call->peer == p)
			call_end(call, ERR_UNREACHABLE, why);
	}
}

void calls_end(struct transport *t, enum err err, const char *why)
{
	for (struct contact *c = t->contacts; c; c = c->next) {
		while (c->calls)
			call_end(c->calls, err, why);
	}
}

size_t calls_count(const struct transport *t)
{
	size_t n = 0;

	for (const struct contact *c = t->contacts; c; c = c->next) {
		for (const struct transport_call *call = c->calls; call; call = call->next)
			n++;
	}
	return n;
}

/* ---- asking ---- */

static void coalesce(struct contact *c, const struct transport_request *rq)
{
	struct transport_call *next;

	if (rq->class != TRANSPORT_LATEST || rq->coalesce_key.n == 0)
		return;
	for (struct transport_call *call = c->calls; call; call = next) {
		next = call->next;
		if (!call->stream && call->coalesce_key &&
			str_eq(str_of(call->coalesce_key), rq->coalesce_key))
			call_end(call, ERR_CANCELLED, "a newer one took its place");
	}
}

static bool path_ok(struct str path)
{
	const struct str prefix = STR(REQUEST_PREFIX);

	if (!str_starts(path, prefix) || path.n > prefix.n + REQUEST_PATH_MAX)
		return false;
	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] <= ' ' || path.p[i] >= 127)
			return false;
	}
	return true;
}

static struct transport_call *call_new(struct transport *t, const struct transport_request *rq)
{
	struct transport_call *call = NEW(struct transport_call);

	call->t = t;
	call->class = rq->class;
	call->head.method = rq->method;
	call->head.sequence = rq->sequence;
	if (rq->coalesce_key.n > 0)
		call->coalesce_key = xstrdup(rq->coalesce_key);
	buf_put_str(&call->path, str_skip(rq->path, STR(REQUEST_PREFIX).n));
	buf_put_str(&call->body, rq->body);
	call->size = call->path.n + call->body.n + 64;
	call->done = rq->done;
	call->on_body = rq->on_body;
	call->arg = rq->arg;
	call->max_response = rq->max_response;
	if (!call->max_response)
		call->max_response = rq->on_body ? UINT64_MAX : HELD_MAX;
	return call;
}

/* Why a request can't be made; ERR_OK: it can. */
static enum err refuse(const struct transport *t, const struct contact *c,
	const struct transport_request *rq, const char **why)
{
	*why = NULL;
	if (t->closing) {
		*why = "the node is closing";
		return ERR_CANCELLED;
	}
	if (!c || c->level == TRANSPORT_STRANGER)
		*why = "its owner and you aren't paired: one invites the other first";
	else if (blocked_key(t, c->identity))
		*why = "blocked";
	else if (!path_ok(rq->path))
		*why = "not a path that can be asked for";
	if (*why)
		return ERR_FORBIDDEN;
	if (rq->body.n > TRANSPORT_MAX_BODY || c->queued + rq->body.n > CALLS_QUEUED_MAX) {
		*why = "too much is queued for that server";
		return ERR_LIMIT;
	}
	return ERR_OK;
}

/* Nothing is up: dial, unless that failed a moment ago. */
static void reach(struct contact *c)
{
	uint64_t now = now_of(c->t);
	bool any = false;

	for (struct peer *p = c->peers; p; p = p->next) {
		if (!p->failed_ms || now - p->failed_ms >= REFUSE_AGAIN_MS)
			dial_want(p);
		any = any || p->dialling || (p->link && !link_asleep_until_ms(p->link->link));
		if (p->link && !any)
			(void)snprintf(c->last_error, sizeof(c->last_error), "it sleeps");
	}
	if (!any)
		calls_down(c, c->last_error[0] ? c->last_error : UNPAIRED);
}

struct transport_call *transport_request(
	struct transport *t, const struct transport_request *rq)
{
	struct contact *c = contact_by_name(t, rq->name);
	struct transport_call *call = call_new(t, rq), **at;
	uint64_t deadline_ms = rq->deadline_ms;
	const char *why;
	enum err err = refuse(t, c, rq, &why);

	if (err || !c) {
		call_end(call, err, why);
		return call;
	}
	coalesce(c, rq);
	if (!deadline_ms)
		deadline_ms = rq->class == TRANSPORT_BULK ? DEADLINE_BULK_MS : DEADLINE_MS;
	call->contact = c;
	call->deadline = loop_timer_new(t->o.loop, on_deadline, call);
	loop_timer_set(t->o.loop, call->deadline, deadline_ms);
	c->queued += call->size;
	for (at = &c->calls; *at;)
		at = &(*at)->next;
	*at = call;
	if (contact_up(c))
		calls_up(c);
	else
		reach(c);
	return call;
}

void transport_cancel(struct transport_call *call)
{
	if (call->contact)
		call_end(call, ERR_CANCELLED, "cancelled");
}

void transport_call_consumed(struct transport_call *call, size_t n)
{
	if (n > call->held)
		n = call->held;
	call->held -= n;
	if (call->stream)
		stream_consumed(call->stream, n);
}

/* ---- the answer ---- */

void call_reset(struct transport_call *call)
{
	call_end(call, ERR_UNREACHABLE, "the peer gave up");
}

/* False: the call has ended. */
static bool take_head(struct transport_call *call, struct str *bytes)
{
	struct response_head h;
	size_t used, before = call->in_head.n;
	enum err err;

	buf_put_str(&call->in_head, str_head(*bytes, REQUEST_HEAD_MAX + 1));
	err = response_get(buf_str(&call->in_head), &h, &used);
	if (err == ERR_LIMIT) {
		*bytes = str_skip(*bytes, bytes->n);
		return true;
	}
	if (err || h.length > call->max_response) {
		call_end(call, err ? ERR_MALFORMED : ERR_TOO_LARGE,
			err ? "the answer is malformed" : "the answer is too large");
		return false;
	}
	call->has_head = true;
	call->flags = h.flags;
	call->response = (struct transport_response){ h.status, h.content_type, h.disposition,
		h.retry_after_ms, h.length, STR(""), NULL };
	if (acked_get(h.acked, &call->acked))
		call->response.acked = &call->acked;
	*bytes = str_skip(*bytes, used - before);
	return true;
}

/* Bytes that the caller holds on to are given back by it, all others at once. */
static void take_body(struct transport_call *call, struct str bytes)
{
	bool hold = false;

	call->got += bytes.n;
	if (call->on_body && !call->flags) {
		call->held += bytes.n;
		hold = !call->on_body(call->arg, &call->response, bytes);
		if (!hold)
			call->held -= bytes.n;
	} else {
		buf_put_str(&call->in_body, bytes);
	}
	if (!hold && call->stream)
		stream_consumed(call->stream, bytes.n);
}

static void finish(struct transport_call *call)
{
	struct buf plain = { 0 };
	enum err err;

	if (!call->has_head || call->got != call->response.length) {
		call_end(call, ERR_MALFORMED, "the answer was cut");
		return;
	}
	if (call->flags) {
		uint64_t max = call->max_response < HELD_MAX ? call->max_response : HELD_MAX;

		err = packer_unpack(
			call->t->packer, call->flags, buf_str(&call->in_body), max, &plain);
		if (err) {
			buf_deinit(&plain);
			call_end(call, err, "the answer can't be unpacked");
			return;
		}
		buf_deinit(&call->in_body);
		call->in_body = plain;
		call->response.length = plain.n;
		if (call->on_body) {
			(void)call->on_body(call->arg, &call->response, buf_str(&plain));
			buf_clear(&call->in_body);
		}
	}
	call_end(call, ERR_OK, NULL);
}

void call_data(struct transport_call *call, struct str bytes, bool fin)
{
	if (!call->has_head) {
		size_t all = bytes.n;

		if (!take_head(call, &bytes))
			return;
		stream_consumed(call->stream, all - bytes.n);
	}
	if (bytes.n > call->response.length - call->got) {
		call_end(call, ERR_MALFORMED, "the answer is longer than it said");
		return;
	}
	if (bytes.n > 0)
		take_body(call, bytes);
	if (fin && call->contact)
		finish(call);
}
