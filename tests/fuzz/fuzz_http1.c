/*
 * Any bytes as a connection of pipelined requests: however they are cut into pieces, the codec
 * sees the same requests and bodies and ends in the same place (two readings of the same bytes
 * are how requests are smuggled), and everything that it hands out lies inside of the input.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/buf.h"
#include "transport/http1.h"

/* What was read, as text. */
static void note(struct buf *out, const char *what, struct str s)
{
	buf_put_z(out, what);
	buf_put_be32(out, (uint32_t)s.n);
	buf_put_str(out, s);
}

static bool inside(struct str part, struct str whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void note_head(struct buf *out, struct str text, const struct http1_head *h)
{
	struct str v;
	FUZZ_CHECK(inside(h->method, text) && inside(h->target, text) && inside(h->host, text));
	FUZZ_CHECK(h->n_headers <= LIMIT_HTTP_HEADER_LINES);
	FUZZ_CHECK(h->method.n > 0 && h->target.n > 0);
	FUZZ_CHECK(!(h->chunked && h->has_length));
	note(out, "method", h->method);
	note(out, "target", h->target);
	note(out, "host", h->host);
	for (size_t i = 0; i < h->n_headers; i++) {
		struct http1_header f = h->headers[i];
		FUZZ_CHECK(inside(f.name, text) && inside(f.value, text));
		FUZZ_CHECK(!memchr(f.value.p, '\n', f.value.n));
		note(out, "name", f.name);
		note(out, "value", f.value);
	}
	FUZZ_CHECK(http1_header(h, "x-none-such", &v) || true);
	buf_put_be64(out, h->content_length);
	buf_put_u8(out, (uint8_t)(h->chunked | h->keep_alive << 1 | h->expect_continue << 2));
}

struct reader {
	struct http1_scan scan;
	struct http1_body body;
	bool in_body;
	bool ended;
	size_t at;
};

/* Reads on with the first have bytes of in; false: nothing more to do with them. */
static bool step(struct reader *r, struct str in, size_t have, struct buf *out)
{
	struct http1_header headers[LIMIT_HTTP_HEADER_LINES];
	struct str rest = str_skip(str_head(in, have), r->at), data;
	struct http1_head head;
	unsigned status = 0;
	size_t used = 0;

	if (r->in_body) {
		enum http1_result got = http1_body_take(&r->body, rest, &used, &data);
		FUZZ_CHECK(used <= rest.n || got == HTTP1_BAD);
		FUZZ_CHECK(inside(data, rest));
		if (got == HTTP1_BAD) {
			note(out, "bad body", (struct str){ 0 });
			r->ended = true;
			return false;
		}
		buf_put_str(out, data);
		r->at += used;
		r->in_body = got != HTTP1_OK;
		return got == HTTP1_OK || used > 0;
	}
	if (r->scan.at == 0) {
		r->at += http1_skip_blank(rest);
		rest = str_skip(str_head(in, have), r->at);
	}
	enum http1_result got = http1_scan(&r->scan, rest, &used, &status);
	if (got == HTTP1_OK) {
		FUZZ_CHECK(used <= rest.n);
		r->at += used;
		r->scan = (struct http1_scan){ 0 };
		got = http1_parse(str_head(rest, used), headers, &head, &status);
		if (got == HTTP1_OK) {
			note_head(out, str_head(rest, used), &head);
			http1_body_init(&r->body, &head);
			r->in_body = true;
			return true;
		}
	}
	if (got == HTTP1_BAD) {
		FUZZ_CHECK(status >= 400 && status < 600);
		note(out, "bad head", (struct str){ 0 });
		r->ended = true;
	}
	return false;
}

static void read_in_pieces(struct str in, size_t piece, struct buf *out)
{
	struct reader r = { 0 };
	for (size_t have = 0; have <= in.n && !r.ended;) {
		while (!r.ended && step(&r, in, have, out))
			;
		if (have == in.n)
			break;
		have = have + piece < in.n ? have + piece : in.n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = { 1, 3, 64 };
	const struct str in = { (const char *)data, size };
	CLEANUP(buf_deinit) struct buf whole = { 0 };

	read_in_pieces(in, size + 1, &whole);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		CLEANUP(buf_deinit) struct buf cut = { 0 };
		read_in_pieces(in, pieces[i], &cut);
		FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&cut)));
	}
	return 0;
}
