#include "transport/http_conn.h"

#include <assert.h>
#include <stdlib.h>

#include "node/base/limits.h"

#define DISCARD_MAX 65536 /* of a body that nobody wanted, to keep the connection */
#define BODY_RATE   1024u /* bytes a second, after the first window */

static struct str unread(const struct http_conn *c)
{
	return str_skip(buf_str(&c->in), c->in_at);
}

static void consume(struct http_conn *c, size_t n)
{
	c->in_at += n;
	if (c->in_at < c->in.n)
		return;
	buf_deinit(&c->in); /* an idle connection holds no buffer */
	c->in_at = 0;
}

/* The pass shuts our side when all is written, and waits FOR_CLOSE. */
static void linger(struct http_conn *c)
{
	c->state = CONN_LINGER;
	c->parked = false;
	http_conn_wait_not(c);
	http_conn_mark(c);
}

void http_conn_abort(struct http_conn *c)
{
	struct http_exchange *x = c->x;
	if (!x)
		return;
	c->x = NULL;
	x->conn = NULL;
	http_server_options(c->server)->handler.aborted(x);
}

void http_conn_refuse(struct http_conn *c, unsigned status)
{
	const struct http_handler *h = &http_server_options(c->server)->handler;
	struct http_answer a = { .status = status };
	struct buf body = { 0 };
	bool begun = c->x && c->x->answered;

	http_conn_abort(c);
	if (begun) { /* half an answer can't be taken back */
		c->dead = true;
		http_conn_mark(c);
		return;
	}
	h->refused(h->arg, c->address, &a, &body);
	a.length = (int64_t)body.n;
	http_conn_put_answer(c, &a, false, false, false);
	http_conn_put(c, body.p, body.n);
	buf_deinit(&body);
	linger(c);
}

/* A whole head of n bytes is at the front. */
static void begin_exchange(struct http_conn *c, size_t n)
{
	const struct http_handler *handler = &http_server_options(c->server)->handler;
	struct http1_header headers[LIMIT_HTTP_HEADER_LINES];
	struct http1_head head;
	unsigned status;

	struct arena *a = arena_new();
	struct str text = arena_str(a, str_head(unread(c), n));
	consume(c, n);
	c->scan = (struct http1_scan){ 0 };
	if (http1_parse(text, headers, &head, &status) != HTTP1_OK) {
		arena_free(a);
		http_conn_refuse(c, status);
		return;
	}
	if (http_server_is_full(c->server)) {
		arena_free(a);
		http_conn_refuse(c, 503);
		return;
	}
	http_server_count_request(c->server);
	if (head.n_headers) {
		struct http1_header *kept = arena_calloc(a, head.n_headers, sizeof(*kept));
		memcpy(kept, headers, head.n_headers * sizeof(*kept));
		head.headers = kept;
	}

	struct http_exchange *x = http_exchange_new(c, a);
	x->head_only = str_eq(head.method, STR("HEAD"));
	x->http_1_0 = head.minor == 0;
	x->expects = head.expect_continue && (head.content_length || head.chunked);
	http1_body_init(&c->body, &head);
	c->x = x;
	c->state = CONN_HELD;
	c->close_next = !head.keep_alive;
	c->parked = false;
	http_conn_wait_not(c);
	http_conn_count(c);
	handler->request(handler->arg, x, &head); /* x may be gone after this line */
}

static bool read_head(struct http_conn *c)
{
	size_t n;
	unsigned status;

	consume(c, c->scan.at ? 0 : http1_skip_blank(unread(c)));
	struct str in = unread(c);
	if (in.n == 0)
		return false;
	http_conn_count(c);
	switch (http1_scan(&c->scan, in, &n, &status)) {
	case HTTP1_OK: begin_exchange(c, n); return true;
	case HTTP1_BAD: http_conn_refuse(c, status); return false;
	case HTTP1_MORE: break;
	}
	if (!patience_is(&c->patience, FOR_HEAD))
		http_conn_wait(c, FOR_HEAD);
	return false;
}

/* One piece of the body at hand; false: no more for now. */
static bool read_body(struct http_conn *c)
{
	const struct http_handler *h = &http_server_options(c->server)->handler;
	struct str data;
	size_t used;

	if (c->x->paused)
		return false;
	enum http1_result r = http1_body_take(&c->body, unread(c), &used, &data);
	if (r == HTTP1_BAD) {
		http_conn_refuse(c, 400);
		return false;
	}
	if (r == HTTP1_OK) {
		c->state = CONN_WAIT;
		http_conn_wait_not(c);
	}
	c->window_bytes += used;
	struct http_exchange *x = c->x;
	if (data.n)
		h->body(x, data); /* x may be gone after this line */
	consume(c, used);
	if (r == HTTP1_OK && c->x == x)
		h->body_end(x);
	return r == HTTP1_OK || used > 0;
}

static bool discard_body(struct http_conn *c)
{
	struct str data;
	size_t used;

	enum http1_result r = http1_body_take(&c->body, unread(c), &used, &data);
	consume(c, used);
	c->discarded += used;
	if (r == HTTP1_BAD || c->discarded > DISCARD_MAX) {
		linger(c);
		return false;
	}
	if (r == HTTP1_OK) {
		c->state = CONN_HEAD;
		http_conn_wait(c, FOR_REQUEST);
		http_conn_count(c);
	}
	return r == HTTP1_OK || used > 0;
}

bool http_conn_leaves_body(const struct http_conn *c)
{
	return c->body.state == HTTP1_BODY_LENGTH && c->body.left > DISCARD_MAX;
}

void http_conn_answered(struct http_conn *c)
{
	bool more_to_come = c->body.state != HTTP1_BODY_DONE;

	if (!c->dead && c->close_next) {
		linger(c);
	} else if (more_to_come) {
		c->state = CONN_DISCARD;
		c->discarded = 0;
		c->first_window = true;
		c->window_bytes = 0;
		http_conn_wait(c, FOR_BODY);
	} else {
		c->state = CONN_HEAD;
		http_conn_wait(c, FOR_REQUEST);
	}
	c->parked = false;
	http_conn_count(c);
	http_conn_mark(c);
}

void http_conn_take(struct http_conn *c, struct str bytes)
{
	if (c->state == CONN_LINGER || c->dead)
		return;
	buf_put(&c->in, bytes.p, bytes.n);
	http_conn_mark(c);
}

void http_conn_read(struct http_conn *c)
{
	bool more = true;
	while (more && !c->dead) {
		/* A client that sends requests and reads no answers gets no further. */
		if (c->state == CONN_HEAD && c->out_bytes >= LIMIT_HTTP_OUT_BUFFERED)
			return;
		switch (c->state) {
		case CONN_HEAD: more = read_head(c); break;
		case CONN_BODY: more = read_body(c); break;
		case CONN_DISCARD: more = discard_body(c); break;
		case CONN_LINGER:
			consume(c, unread(c).n);
			more = false;
			break;
		case CONN_HELD:
		case CONN_WAIT: more = false; break;
		}
	}
	/* What was consumed goes when it is the larger part, so that nothing is moved often. */
	if (c->in_at > 4096 && c->in_at > c->in.n / 2) {
		buf_drop(&c->in, c->in_at);
		c->in_at = 0;
	}
}

void http_conn_late(struct http_conn *c, unsigned kind)
{
	bool paused = c->x && c->x->paused;
	size_t enough = (size_t)http_server_options(c->server)->body_ms * BODY_RATE / 1000;

	switch (kind) {
	case FOR_BODY:
		if (c->first_window || paused || c->window_bytes >= enough) {
			c->first_window = false;
			c->window_bytes = 0;
			http_conn_wait(c, FOR_BODY);
			return;
		}
		if (c->state == CONN_BODY) {
			http_conn_refuse(c, 408);
			return;
		}
		break;
	case FOR_HEAD: http_conn_refuse(c, 408); return;
	case FOR_READER:
	case FOR_REQUEST:
	case FOR_CLOSE: break;
	}
	c->dead = true;
	http_conn_mark(c);
}
