#include <assert.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "transport/http_conn.h"

/* Smaller pieces are gathered into segments of this size. */
#define SEG_BYTES 4096

static const char *reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} table[] = {
		{ 200, "OK" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].status == status)
			return table[i].text;
	return "Status";
}

/* --- what is to be sent ----------------------------------------------------------------- */

static struct http_seg *add_seg(struct http_conn *c)
{
	struct http_seg *s = NEW(struct http_seg);
	*(c->out_last ? &c->out_last->next : &c->out) = s;
	c->out_last = s;
	return s;
}

void http_conn_put(struct http_conn *c, const void *p, size_t n)
{
	struct http_seg *s = c->out_last;
	if (n == 0)
		return;
	if (!s || s->bytes.n + n > SEG_BYTES)
		s = add_seg(c);
	buf_put(&s->bytes, p, n);
	c->out_bytes += n;
	http_conn_mark(c);
}

static void put_take(struct http_conn *c, struct buf *b)
{
	if (b->n == 0) {
		buf_deinit(b);
		return;
	}
	c->out_bytes += b->n;
	add_seg(c)->bytes = *b;
	*b = (struct buf){ 0 };
	http_conn_mark(c);
}

size_t http_conn_peek(const struct http_conn *c, void *p, size_t n)
{
	size_t got = 0;
	for (const struct http_seg *s = c->out; s && got < n; s = s->next) {
		struct str part = str_head(str_skip(buf_str(&s->bytes), s->at), n - got);
		memcpy((char *)p + got, part.p, part.n);
		got += part.n;
	}
	return got;
}

void http_conn_sent(struct http_conn *c, size_t n)
{
	assert(n <= c->out_bytes);
	c->out_bytes -= n;
	while (c->out) {
		struct http_seg *s = c->out;
		size_t left = s->bytes.n - s->at;
		if (left > n) {
			s->at += n;
			return;
		}
		n -= left;
		c->out = s->next;
		if (!c->out)
			c->out_last = NULL;
		buf_deinit(&s->bytes);
		free(s);
	}
}

void http_conn_drop_output(struct http_conn *c)
{
	http_conn_sent(c, c->out_bytes);
}

static void put_header(struct buf *out, const char *name, struct str value)
{
	buf_put_z(out, name);
	buf_put_z(out, ": ");
	buf_put_str(out, value);
	buf_put_z(out, "\r\n");
}

static void put_length(struct buf *out, int64_t length)
{
	buf_put_z(out, "Content-Length: ");
	buf_put_i64(out, length);
	buf_put_z(out, "\r\n");
}

void http_conn_put_answer(struct http_conn *c, const struct http_answer *a, bool keep_alive,
	bool chunked, bool http_1_0)
{
	struct buf h = { 0 };
	(void)buf_reserve(&h, 512 + a->headers.n);
	buf_put_z(&h, "HTTP/1.1 ");
	buf_put_i64(&h, a->status);
	buf_put_c(&h, ' ');
	buf_put_z(&h, reason(a->status));
	buf_put_z(&h, "\r\n");
	put_header(&h, "Date", str_of(http_server_date(c->server)));
	if (a->content_type.n)
		put_header(&h, "Content-Type", a->content_type);
	buf_put_str(&h, a->headers);
	if (chunked)
		buf_put_z(&h, "Transfer-Encoding: chunked\r\n");
	else if (a->length >= 0 && a->status != 204 && a->status != 304)
		put_length(&h, a->length);
	if (!keep_alive)
		buf_put_z(&h, "Connection: close\r\n");
	else if (http_1_0)
		buf_put_z(&h, "Connection: keep-alive\r\n");
	buf_put_z(&h, "\r\n");
	http_conn_put(c, h.p, h.n);
	buf_deinit(&h);
}

/* --- the exchange ----------------------------------------------------------------------- */

struct http_exchange *http_exchange_new(struct http_conn *c, struct arena *a)
{
	struct http_exchange *x = ARENA_NEW(a, struct http_exchange);
	x->conn = c;
	x->server = c->server;
	x->arena = a;
	x->address = arena_str(a, str_of(c->address));
	return x;
}

struct arena *http_exchange_arena(struct http_exchange *x)
{
	return x->arena;
}

struct str http_exchange_address(const struct http_exchange *x)
{
	return x->address;
}

void http_exchange_set_user(struct http_exchange *x, void *user)
{
	x->user = user;
}

void *http_exchange_user(const struct http_exchange *x)
{
	return x->user;
}

void http_exchange_read(struct http_exchange *x)
{
	struct http_conn *c = x->conn;
	if (!c || c->state != CONN_HELD)
		return;
	if (x->expects && c->in_at == c->in.n) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
		http_conn_put(c, go_on, sizeof(go_on) - 1);
	}
	x->expects = false;
	c->state = CONN_BODY;
	c->first_window = true;
	c->window_bytes = 0;
	http_conn_wait(c, FOR_BODY);
	http_conn_mark(c);
}

void http_exchange_pause(struct http_exchange *x, bool pause)
{
	x->paused = pause;
	if (x->conn)
		http_conn_mark(x->conn);
}

void http_exchange_park(struct http_exchange *x)
{
	if (!x->conn)
		return;
	x->conn->parked = true;
	http_conn_count(x->conn);
}

void http_exchange_answer(struct http_exchange *x, const struct http_answer *a)
{
	struct http_conn *c = x->conn;
	assert(!x->answered);
	x->answered = true;
	x->left = a->length;
	if (!c)
		return;
	c->parked = false;
	bool no_body = a->status == 204 || a->status == 304;
	if (no_body)
		x->left = 0;
	x->chunked = a->length < 0 && !x->http_1_0 && !no_body;
	if (a->length < 0 && !x->chunked && !no_body)
		c->close_next = true;
	/* The client that waits for 100 and gets an answer may send its body all the same, or
	 * not: nobody can tell what comes next on this connection. */
	if (x->expects || http_conn_leaves_body(c))
		c->close_next = true;
	http_conn_put_answer(c, a, !c->close_next, x->chunked, x->http_1_0);
}

static bool wants_more(struct http_exchange *x)
{
	if (!x->conn)
		return true;
	if (x->conn->out_bytes < LIMIT_HTTP_OUT_BUFFERED)
		return true;
	x->want_drain = true;
	return false;
}

/* Notes n more bytes of body; false if they aren't to be sent. */
static bool account(struct http_exchange *x, size_t n)
{
	assert(x->answered);
	if (x->left >= 0) {
		assert(n <= (uint64_t)x->left);
		x->left -= (int64_t)n;
	}
	return x->conn && !x->head_only && n > 0;
}

static void put_chunk_size(struct http_exchange *x, size_t n)
{
	struct buf b = { 0 };
	if (x->chunked) {
		buf_printf(&b, "%zx\r\n", n);
		http_conn_put(x->conn, b.p, b.n);
	}
	buf_deinit(&b);
}

bool http_exchange_write(struct http_exchange *x, struct str bytes)
{
	if (account(x, bytes.n)) {
		put_chunk_size(x, bytes.n);
		http_conn_put(x->conn, bytes.p, bytes.n);
		if (x->chunked)
			http_conn_put(x->conn, "\r\n", 2);
	}
	return wants_more(x);
}

bool http_exchange_write_take(struct http_exchange *x, struct buf *bytes)
{
	if (account(x, bytes->n)) {
		put_chunk_size(x, bytes->n);
		if (bytes->n <= SEG_BYTES)
			http_conn_put(x->conn, bytes->p, bytes->n);
		else
			put_take(x->conn, bytes);
		if (x->chunked)
			http_conn_put(x->conn, "\r\n", 2);
	}
	buf_deinit(bytes);
	return wants_more(x);
}

void http_exchange_end(struct http_exchange *x)
{
	struct http_conn *c = x->conn;
	if (c) {
		assert(c->x == x);
		bool whole = x->answered && (x->left <= 0 || x->head_only);
		if (!whole)
			c->dead = true;
		else if (x->chunked && !x->head_only)
			http_conn_put(c, "0\r\n\r\n", 5);
		c->x = NULL;
		http_conn_answered(c);
	}
	arena_free(x->arena);
}
