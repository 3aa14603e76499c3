#include <stdlib.h>
#include <string.h>

#include "transport/transport_int.h"

#define STALLED_MS 60000   /* without a byte of a request that isn't whole */
#define BULK_FROM  65536   /* answers longer than this wait for the interactive ones */
#define HELD_MAX   4194304 /* of one contact's requests, but for a lone larger one */
#define SERVE_MS   2       /* of a turn of the loop, for requests of all contacts */

/*
 *   READING --whole request--> WAITING --its turn--> ASKED --transport_respond()--> gone
 *      |                          |                    \--transport_respond_begin()-->
 *      |                          |                           ANSWERING --last byte--> gone
 *      +--reset, lost, stalled----+--> gone    (reset or lost while ASKED or ANSWERING: `gone`
 * is set, and it stays until the handler has answered)
 *
 * Those that wait are served by turns of contacts, not in the order in which they came, so that
 * who asks much waits for itself (security.md, O7): start-time fair queueing, each request
 * costs one. A contact's next request is tagged one behind its last, or with the tag of what is
 * being served if that is later; the lowest tag is next.
 */
struct incoming {
	struct transport_incoming in; /* first: what the handler holds */
	struct incoming *next;
	struct transport *t;
	struct peer *peer;
	struct stream *stream; /* NULL when gone */
	char origin[IDENTITY_NAME_LEN + 1];
	unsigned char node[32];
	struct loop_timer *patience; /* while it is read */
	bool zstd;                   /* the peer understands it */

	struct buf head;
	bool has_head;
	struct request_head request;
	struct buf path, body;
	size_t counted; /* in t->incoming_bytes */

	bool whole;              /* read, and waiting, with the handler, or refused */
	bool waiting;            /* in t->waiting */
	uint64_t tag;            /* its place there */
	struct incoming *behind; /* there */
	bool gone;
	bool starved;  /* told to wait for on_writable */
	uint64_t left; /* of the announced answer */
};

static void stop_waiting(struct incoming *in)
{
	loop_timer_free(in->t->o.loop, in->patience);
	in->patience = NULL;
}

static void leave_queue(struct incoming *in)
{
	struct incoming **at = &in->t->waiting;

	if (!in->waiting)
		return;
	while (*at != in)
		at = &(*at)->behind;
	*at = in->behind;
	in->waiting = false;
}

static void incoming_unlink(struct incoming *in)
{
	struct incoming **at;

	if (!in->t)
		return;
	stop_waiting(in);
	leave_queue(in);
	at = &in->t->incoming;
	while (*at != in)
		at = &(*at)->next;
	*at = in->next;
	in->t->incoming_bytes -= in->counted;
	in->t = NULL;
}

static void incoming_free(struct incoming *in)
{
	incoming_unlink(in);
	if (in->stream)
		stream_release(in->stream);
	buf_deinit(&in->head);
	buf_deinit(&in->path);
	buf_deinit(&in->body);
	free(in);
}

static void on_stalled(void *arg)
{
	incoming_free(arg);
}

void incoming_opened(struct peer *p, struct stream *st)
{
	struct transport *t = p->contact->t;
	struct incoming *in = NEW(struct incoming);

	in->t = t;
	in->peer = p;
	in->stream = st;
	memcpy(in->origin, p->contact->name, sizeof(in->origin));
	memcpy(in->node, p->node, sizeof(in->node));
	in->zstd = link_peer(p->link->link)->capabilities & CAP_ZSTD;
	in->patience = loop_timer_new(t->o.loop, on_stalled, in);
	loop_timer_set(t->o.loop, in->patience, STALLED_MS);
	in->next = t->incoming;
	t->incoming = in;
	stream_set_arg(st, in);
}

/* What goes wrong before the handler sees it gets a Matrix error all the same. */
static void refuse(struct incoming *in, unsigned status, const char *json)
{
	const struct transport_response res = { .status = status, .body = str_of(json) };

	stop_waiting(in);
	in->whole = true;
	transport_respond(&in->in, &res);
}

static void ask(struct incoming *in)
{
	struct transport *t = in->t;

	in->in.origin = str_of(in->origin);
	in->in.origin_node = in->node;
	in->in.sequence = in->request.sequence;
	in->in.method = in->request.method;
	in->in.path = buf_str(&in->path);
	in->in.body = buf_str(&in->body);
	if (!t->handler.request || t->closing) {
		refuse(in, 503, "{\"errcode\":\"M_UNKNOWN\",\"error\":\"Not ready yet\"}");
		return;
	}
	t->handler.request(t->handler.arg, &in->in);
}

/* ---- whose turn it is ---- */

/* For so long in each turn of the loop, so that the other contacts' requests are read too
 * before it goes on. */
void incomings_serve(struct transport *t)
{
	uint64_t began = clock_mono_ms(t->o.clock);
	struct incoming *in;

	while ((in = t->waiting) != NULL) {
		/* What was asked left the list. */
		t->serving_tag = in->tag; /* NOLINT(clang-analyzer-unix.Malloc) */
		leave_queue(in);
		ask(in);
		if (clock_mono_ms(t->o.clock) - began >= SERVE_MS)
			break;
	}
	if (t->waiting)
		loop_timer_set(t->o.loop, t->serve_timer, 0);
}

static void wait_for_turn(struct incoming *in)
{
	struct transport *t = in->t;
	struct contact *c = in->peer->contact;
	struct incoming **at = &t->waiting;

	stop_waiting(in);
	in->whole = true;
	in->waiting = true;
	in->tag = c->served_tag + 1 > t->serving_tag ? c->served_tag + 1 : t->serving_tag;
	c->served_tag = in->tag;
	while (*at && (*at)->tag <= in->tag)
		at = &(*at)->behind;
	in->behind = *at;
	*at = in;
	loop_defer(t->o.loop, &t->serve);
}

/* ---- what a contact may ask for ---- */

/* What all other requests of that contact hold that aren't answered yet. */
static size_t held_beside(const struct incoming *asking)
{
	size_t n = 0;

	for (const struct incoming *in = asking->t->incoming; in; in = in->next) {
		if (in != asking && strcmp(in->origin, asking->origin) == 0)
			n += in->counted;
	}
	return n;
}

/* What a request may still bring: a lone one is as large as any may be, several share. */
static size_t budget_left(const struct incoming *in)
{
	size_t beside = held_beside(in), all = in->t->incoming_bytes;
	size_t most = beside ? HELD_MAX : TRANSPORT_MAX_BODY;
	size_t own = beside < most ? most - beside : 0;
	size_t rest = all < INCOMING_BYTES ? INCOMING_BYTES - all : 0;

	return own < rest ? own : rest;
}

static void refuse_busy(struct incoming *in)
{
	refuse(in, 429, "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"error\":\"Too many requests\"}");
}

static void refuse_large(struct incoming *in)
{
	refuse(in, 413, "{\"errcode\":\"M_TOO_LARGE\",\"error\":\"The request is too large\"}");
}

/* False: it is answered or gone. */
static bool take_head(struct incoming *in, struct str *bytes)
{
	struct transport *t = in->t;
	size_t used, before = in->head.n;
	enum err err;

	buf_put_str(&in->head, str_head(*bytes, REQUEST_HEAD_MAX + 1));
	err = request_get(buf_str(&in->head), &in->request, &used);
	if (err == ERR_LIMIT) {
		*bytes = str_skip(*bytes, bytes->n);
		return true;
	}
	if (err) {
		peer_strike(in->peer, 1, "a malformed request");
		incoming_free(in);
		return false;
	}
	if (in->request.length > TRANSPORT_MAX_BODY) {
		refuse_large(in);
		return false;
	}
	if (in->request.length > budget_left(in)) {
		refuse_busy(in);
		return false;
	}
	in->has_head = true;
	in->counted = (size_t)in->request.length;
	t->incoming_bytes += in->counted;
	buf_put_z(&in->path, REQUEST_PREFIX);
	buf_put_str(&in->path, in->request.path);
	*bytes = str_skip(*bytes, used - before);
	return true;
}

/* A packed body counts as what it unpacks to: a few kilobytes can hold megabytes. False:
 * refused. */
static bool unpack(struct incoming *in)
{
	struct buf plain = { 0 };
	size_t left = budget_left(in);
	enum err err = packer_unpack(
		in->t->packer, in->request.flags, buf_str(&in->body), left, &plain);

	if (err) {
		buf_deinit(&plain);
		if (err == ERR_TOO_LARGE && left < TRANSPORT_MAX_BODY)
			refuse_busy(in);
		else if (err == ERR_TOO_LARGE)
			refuse_large(in);
		else
			refuse(in, 400,
				"{\"errcode\":\"M_NOT_JSON\",\"error\":\"The request can't be "
				"unpacked\"}");
		return false;
	}
	buf_deinit(&in->body);
	in->body = plain;
	in->t->incoming_bytes += plain.n - in->counted;
	in->counted = plain.n;
	return true;
}

static void finish(struct incoming *in)
{
	if (!in->has_head || in->body.n != in->request.length) {
		peer_strike(in->peer, 1, "a cut request");
		incoming_free(in);
		return;
	}
	buf_deinit(&in->head);
	if (in->request.flags && !unpack(in))
		return;
	wait_for_turn(in);
}

void incoming_data(struct incoming *in, struct str bytes, bool fin)
{
	size_t all = bytes.n;

	if (in->whole)
		return; /* refused: the rest isn't wanted */
	if (!in->has_head && !take_head(in, &bytes))
		return;
	if (bytes.n > in->request.length - in->body.n) {
		peer_strike(in->peer, 1, "a request longer than it said");
		incoming_free(in);
		return;
	}
	buf_put_str(&in->body, bytes);
	stream_consumed(in->stream, all);
	loop_timer_set(in->t->o.loop, in->patience, STALLED_MS);
	if (fin)
		finish(in);
}

void incoming_gone(struct incoming *in)
{
	if (in->stream)
		stream_release(in->stream);
	in->stream = NULL;
	if (!in->whole || in->waiting) {
		incoming_free(in);
		return;
	}
	if (in->gone)
		return;
	in->gone = true;
	if (in->in.on_abort)
		in->in.on_abort(&in->in);
}

void incoming_writable(struct incoming *in)
{
	if (!in->starved || stream_queued(in->stream) > TRANSPORT_WRITE_WINDOW / 2)
		return;
	in->starved = false;
	if (in->in.on_writable)
		in->in.on_writable(&in->in);
}

void incomings_session_gone(struct peer *p)
{
	struct incoming *in = p->contact->t->incoming;

	while (in) {
		/* What was freed left the list. */
		struct incoming *next = in->next; /* NOLINT(clang-analyzer-unix.Malloc) */
		bool hit = in->peer == p && in->stream;

		if (hit) {
			incoming_gone(in);
			next = p->contact->t->incoming; /* on_abort may have answered others */
		}
		in = next;
	}
	for (in = p->contact->t->incoming; in; in = in->next) {
		if (in->peer == p)
			in->peer = NULL;
	}
}

/* What the handlers still hold stays with them, until they answer it. */
void incomings_free(struct transport *t)
{
	struct incoming *in;

	while ((in = t->incoming) != NULL) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): likewise */
		incoming_unlink(in);
		incoming_gone(in);
	}
}

size_t incomings_count(const struct transport *t)
{
	size_t n = 0;

	for (const struct incoming *in = t->incoming; in; in = in->next)
		n++;
	return n;
}

void transport_serve(struct transport *t, const struct transport_handler *handler)
{
	t->handler = *handler;
}

/* ---- answers ---- */

void incoming_acked(struct transport *t, const struct contact *c, const unsigned char node[32],
	struct buf *out)
{
	struct str name = { (char *)c->name, IDENTITY_NAME_LEN };
	struct acked acked = { 0 };

	buf_clear(out);
	if (t->handler.acked)
		acked.upto = t->handler.acked(t->handler.arg, name, node);
	if (acked.upto > 0)
		acked_put(&acked, out);
}

static struct str committed(struct incoming *in, struct buf *out)
{
	incoming_acked(in->t, in->peer->contact, in->node, out);
	return buf_str(out);
}

static void put_head(struct incoming *in, const struct transport_response *res, uint8_t flags,
	uint64_t length)
{
	CLEANUP(buf_deinit) struct buf head = { 0 };
	CLEANUP(buf_deinit) struct buf acked = { 0 };
	const struct response_head h = {
		.status = res->status,
		.flags = flags,
		.content_type = str_head(res->content_type, REQUEST_FIELD_MAX),
		.disposition = str_head(res->disposition, REQUEST_FIELD_MAX),
		.retry_after_ms = res->retry_after_ms,
		.acked = in->request.sequence && in->peer ? committed(in, &acked) : STR(""),
		.length = length,
	};

	response_put(&h, &head);
	stream_write(in->stream, buf_str(&head), false);
}

void transport_respond(struct transport_incoming *asked, const struct transport_response *res)
{
	struct incoming *in = CONTAINER_OF(asked, struct incoming, in);
	CLEANUP(buf_deinit) struct buf small = { 0 };
	struct str body = res->body;
	uint8_t flags = 0;

	if (!in->gone) {
		/* Only JSON: media is packed already, and may be large. */
		if (in->zstd && res->content_type.n == 0)
			flags = packer_pack(in->t->packer, body, &small);
		if (flags)
			body = buf_str(&small);
		put_head(in, res, flags, body.n);
		stream_set_bulk(in->stream, body.n > BULK_FROM);
		stream_write(in->stream, body, true);
	}
	incoming_free(in);
}

void transport_respond_begin(
	struct transport_incoming *asked, const struct transport_response *res)
{
	struct incoming *in = CONTAINER_OF(asked, struct incoming, in);

	in->left = res->length;
	if (!in->gone) {
		put_head(in, res, 0, res->length);
		stream_set_bulk(in->stream, res->length > BULK_FROM);
		if (in->left == 0)
			stream_write(in->stream, STR(""), true);
	}
	if (in->left == 0)
		incoming_free(in);
}

enum err transport_respond_write(struct transport_incoming *asked, struct str piece, bool *more)
{
	struct incoming *in = CONTAINER_OF(asked, struct incoming, in);

	if (in->gone || piece.n > in->left)
		return ERR_CANCELLED;
	in->left -= piece.n;
	*more = false;
	stream_write(in->stream, piece, in->left == 0);
	if (in->left == 0) {
		incoming_free(in);
		return ERR_OK;
	}
	*more = stream_queued(in->stream) < TRANSPORT_WRITE_WINDOW;
	in->starved = !*more;
	return ERR_OK;
}

void transport_respond_abort(struct transport_incoming *asked)
{
	incoming_free(CONTAINER_OF(asked, struct incoming, in));
}
