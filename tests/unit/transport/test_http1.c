#include "transport/http1.h"

#include <stdio.h>

#include "node/base/buf.h"
#include "tests/support/cmocka.h"

#define GET_ "GET / HTTP/1.1\r\n"
#define HOST "Host: localhost\r\n"
#define POST "POST /x HTTP/1.1\r\n" HOST

/* The status with which a head is refused, 0 if it is taken, 1 if it isn't whole. */
static unsigned judge(struct str in, struct http1_head *h)
{
	static struct http1_header headers[LIMIT_HTTP_HEADER_LINES];
	struct http1_scan scan = { 0 };
	unsigned status = 0;
	size_t used = 0;

	enum http1_result r = http1_scan(&scan, in, &used, &status);
	if (r == HTTP1_MORE)
		return 1;
	if (r == HTTP1_BAD)
		return status;
	assert_int_equal(used, in.n);
	return http1_parse(in, headers, h, &status) == HTTP1_OK ? 0 : status;
}

static void a_request_is_read_as_it_was_sent(void **state)
{
	struct http1_head h;
	struct str v;
	(void)state;
	assert_int_equal(judge(STR("PUT /_matrix/a%2Fb//./../c?q=%20+&r HTTP/1.1\r\n"
				   "Host: 127.0.0.1:8008\r\nX-Empty:\r\n"
				   "Content-Length: 12\r\nUser-agent: \t a b \r\n\r\n"),
				 &h),
		0);
	assert_str_equal(h.method, "PUT");
	assert_str_equal(h.target, "/_matrix/a%2Fb//./../c?q=%20+&r");
	assert_str_equal(h.host, "127.0.0.1:8008");
	assert_int_equal(h.content_length, 12);
	assert_true(h.keep_alive && h.has_length && !h.chunked && h.minor == 1);
	assert_true(http1_header(&h, "USER-AGENT", &v));
	assert_str_equal(v, "a b");
	assert_true(http1_header(&h, "x-empty", &v) && v.n == 0);
	assert_false(http1_header(&h, "x-other", &v));
}

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
	static const struct {
		struct str head;
		unsigned status;
	} cases[] = {
		{ STR_INIT(POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
			400 },
		{ STR_INIT(POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"),
			400 },
		{ STR_INIT(POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), 400 },
		{ STR_INIT(POST "Content-Length: 1\r\ncontent-length: 2\r\n\r\n"), 400 },
		{ STR_INIT(POST "Content-Length: 1, 1\r\n\r\n"), 400 },
		{ STR_INIT(POST "Content-Length: +1\r\n\r\n"), 400 },
		{ STR_INIT(POST "Content-Length: -1\r\n\r\n"), 400 },
		{ STR_INIT(POST "Content-Length: 0x1\r\n\r\n"), 400 },
		{ STR_INIT(POST "Content-Length: 1 1\r\n\r\n"), 400 },
		{ STR_INIT(POST "Content-Length:\r\n\r\n"), 400 },
		{ STR_INIT(POST "Content-Length: 18446744073709551616\r\n\r\n"), 400 },
		{ STR_INIT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 400 },
		{ STR_INIT(POST "Transfer-Encoding: xchunked\r\n\r\n"), 400 },
		{ STR_INIT(POST
			  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
			400 },
		{ STR_INIT(POST "Transfer-Encoding: identity\r\n\r\n"), 400 },
		{ STR_INIT(POST "Transfer-Encoding : chunked\r\n\r\n"), 400 },
		{ STR_INIT(POST "Transfer-Encoding:\013chunked\r\n\r\n"), 400 },
		{ STR_INIT(POST "X: a\r\n b\r\n\r\n"), 400 }, /* folded */
		{ STR_INIT(POST " X: a\r\n\r\n"), 400 },      /* blank in front */
		{ STR_INIT(POST ": a\r\n\r\n"), 400 },        /* nameless */
		{ STR_INIT(POST "novalue\r\n\r\n"), 400 },
		{ STR_INIT(POST "X: a\nY: b\r\n\r\n"), 400 }, /* bare LF */
		{ STR_INIT(POST "X: a\rY: b\r\n\r\n"), 400 }, /* bare CR */
		{ STR_INIT(POST "X: a\0b\r\n\r\n"), 400 },
		{ STR_INIT(POST "X\0: a\r\n\r\n"), 400 },
		{ STR_INIT("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT(GET_ HOST HOST "\r\n"), 400 },
		{ STR_INIT(GET_ "\r\n"), 400 },
		{ STR_INIT(GET_ "Host: a b\r\n\r\n"), 400 },
		{ STR_INIT(GET_ "Host: user@localhost\r\n\r\n"), 400 },
		{ STR_INIT(GET_ "Host: localhost/x\r\n\r\n"), 400 },
		{ STR_INIT("GET  / HTTP/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("GET /a b HTTP/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("GET /#f HTTP/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("GET x HTTP/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("GET * HTTP/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("GET /\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("GET / http/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("GET / HTTP/1.1 \r\n" HOST "\r\n"), 400 },
		{ STR_INIT("G(T / HTTP/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("GET / HTTP/2.0\r\n" HOST "\r\n"), 505 },
		{ STR_INIT("GET / HTTP/1.2\r\n" HOST "\r\n"), 505 },
		{ STR_INIT("GET http://u@localhost/ HTTP/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("GET http://localhost HTTP/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("GET ftp://localhost/ HTTP/1.1\r\n" HOST "\r\n"), 400 },
		{ STR_INIT("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"),
			400 },
		{ STR_INIT(POST "Content-Encoding: gzip\r\n\r\n"), 415 },
		{ STR_INIT(POST "Expect: a miracle\r\n\r\n"), 417 },
		{ STR_INIT("\n"), 400 },
		{ STR_INIT("GET / HTTP/1.1\n"), 400 },
	};
	struct http1_head h;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned got = judge(cases[i].head, &h);
		if (got != cases[i].status)
			fail_msg("case %zu: %u instead of %u: %s", i, got, cases[i].status,
				cases[i].head.p);
	}
}

static void lenience_where_it_is_harmless(void **state)
{
	struct http1_head h;
	(void)state;
	assert_int_equal(
		judge(STR("GET http://LocalHost:80/a?b HTTP/1.1\r\nHost: x\r\n\r\n"), &h), 0);
	assert_str_equal(h.host, "LocalHost:80");
	assert_str_equal(h.target, "/a?b");
	assert_int_equal(judge(STR("GET / HTTP/1.0\r\n\r\n"), &h), 0);
	assert_true(h.host.n == 0 && !h.keep_alive);
	assert_int_equal(
		judge(STR("GET / HTTP/1.0\r\nConnection: a , Keep-Alive\r\n\r\n"), &h), 0);
	assert_true(h.keep_alive);
	assert_int_equal(judge(STR(GET_ HOST "Connection: keep-alive, close\r\n\r\n"), &h), 0);
	assert_false(h.keep_alive);
	assert_int_equal(judge(STR("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), &h), 0);
	assert_int_equal(
		judge(STR(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n"), &h), 0);
	assert_true(h.expect_continue);
	assert_int_equal(judge(STR(POST "Transfer-Encoding: Chunked\r\n\r\n"), &h), 0);
	assert_true(h.chunked);
	assert_int_equal(http1_skip_blank(STR("\r\n\r\nGET")), 4);
	assert_int_equal(http1_skip_blank(STR("\r")), 0);
}

static void repeat(struct buf *b, char c, size_t n)
{
	memset(buf_reserve(b, n), c, n);
	b->n += n;
}

static unsigned judge_buf(struct buf *b)
{
	struct http1_head h;
	unsigned status = judge(buf_str(b), &h);
	buf_deinit(b);
	return status;
}

static void limits_hold_at_their_edges(void **state)
{
	(void)state;
	for (int over = 0; over < 2; over++) {
		struct buf b = { 0 };
		buf_put_z(&b, "GET /");
		repeat(&b, 'a', LIMIT_HTTP_REQUEST_LINE - 14 + (size_t)over);
		buf_put_z(&b, " HTTP/1.1\r\n" HOST "\r\n");
		assert_int_equal(judge_buf(&b), over ? 414 : 0);

		buf_put_z(&b, GET_ HOST "X: ");
		repeat(&b, 'a', LIMIT_HTTP_HEADERS - 17 - 3 + (size_t)over);
		buf_put_z(&b, "\r\n\r\n");
		assert_int_equal(judge_buf(&b), over ? 431 : 0);

		buf_put_z(&b, GET_ HOST);
		for (int i = 1; i < LIMIT_HTTP_HEADER_LINES + over; i++)
			buf_put_z(&b, "X: a\r\n");
		buf_put_z(&b, "\r\n");
		assert_int_equal(judge_buf(&b), over ? 431 : 0);
	}
}

static void limits_hold_before_the_line_ends(void **state)
{
	struct buf b = { 0 };
	(void)state;
	repeat(&b, 'a', LIMIT_HTTP_REQUEST_LINE + 2);
	assert_int_equal(judge_buf(&b), 414);
	buf_put_z(&b, GET_ "X: ");
	repeat(&b, 'a', LIMIT_HTTP_HEADERS);
	assert_int_equal(judge_buf(&b), 431);
}

static void a_head_may_come_byte_by_byte(void **state)
{
	static const struct str head = STR_INIT(GET_ HOST "A: b\r\n\r\nnext");
	struct http1_scan scan = { 0 };
	unsigned status;
	size_t used;
	(void)state;
	for (size_t n = 0; n < head.n - 4; n++)
		assert_int_equal(
			http1_scan(&scan, str_head(head, n), &used, &status), HTTP1_MORE);
	assert_int_equal(http1_scan(&scan, head, &used, &status), HTTP1_OK);
	assert_int_equal(used, head.n - 4);
}

/* Feeds a chunked body in pieces of step bytes; returns what is left of it, or -1 if refused.
 */
static long feed(struct str in, size_t step, struct buf *got)
{
	struct http1_body b = { .state = HTTP1_BODY_SIZE };
	size_t at = 0, have = 0;
	for (;;) {
		struct str data;
		size_t used;
		enum http1_result r =
			http1_body_take(&b, (struct str){ in.p + at, have - at }, &used, &data);
		if (r == HTTP1_BAD)
			return -1;
		buf_put_str(got, data);
		at += used;
		if (r == HTTP1_OK)
			return (long)(in.n - at);
		if (used)
			continue;
		if (have == in.n)
			return -2;
		have = have + step < in.n ? have + step : in.n;
	}
}

static void chunks_are_joined_whatever_their_pieces(void **state)
{
	static const struct str in = STR_INIT(
		"5\r\nhello\r\n1;x=y\r\n,\r\n00A\r\n 0123456\r\n\r\n0\r\nT: v\r\n\r\nGET");
	(void)state;
	for (size_t step = 1; step < in.n; step++) {
		struct buf got = { 0 };
		assert_int_equal(feed(in, step, &got), 3);
		assert_str_equal(buf_str(&got), "hello, 0123456\r\n");
		buf_deinit(&got);
	}
}

static void broken_chunks_are_refused(void **state)
{
	static const struct str cases[] = {
		STR_INIT("\r\n"),
		STR_INIT("x\r\n"),
		STR_INIT("-1\r\n"),
		STR_INIT(" 1\r\na"),
		STR_INIT("0x1\r\na"),
		STR_INIT("1\na"),
		STR_INIT("1\r\nab\r\n"),
		STR_INIT("1\r\na\n"),
		STR_INIT("1\r\na\r\r"),
		STR_INIT("11111111111111111\r\n"),
		STR_INIT("1 x\r\na"),
		STR_INIT("1 \r\na"),
		STR_INIT("1;\001\r\na"),
		STR_INIT("0\r\nnocolon\r\n\r\n"),
		STR_INIT("0\r\n: x\r\n\r\n"),
		STR_INIT("0\r\n\n"),
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf got = { 0 };
		if (feed(cases[i], 1, &got) != -1)
			fail_msg("case %zu was taken: %s", i, cases[i].p);
		buf_deinit(&got);
	}
}

static void a_chunk_line_and_the_trailers_are_bounded(void **state)
{
	struct buf b = { 0 }, got = { 0 };
	(void)state;
	buf_put_z(&b, "1;");
	repeat(&b, 'x', 300);
	assert_int_equal(feed(buf_str(&b), 400, &got), -1);
	buf_clear(&b);
	buf_put_z(&b, "0\r\n");
	for (int i = 0; i < 65; i++)
		buf_put_z(&b, "T: v\r\n");
	buf_put_z(&b, "\r\n");
	assert_int_equal(feed(buf_str(&b), 4096, &got), -1);
	buf_deinit(&b);
	buf_deinit(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_read_as_it_was_sent),
		cmocka_unit_test(what_could_be_read_in_two_ways_is_refused),
		cmocka_unit_test(lenience_where_it_is_harmless),
		cmocka_unit_test(limits_hold_at_their_edges),
		cmocka_unit_test(limits_hold_before_the_line_ends),
		cmocka_unit_test(a_head_may_come_byte_by_byte),
		cmocka_unit_test(chunks_are_joined_whatever_their_pieces),
		cmocka_unit_test(broken_chunks_are_refused),
		cmocka_unit_test(a_chunk_line_and_the_trailers_are_bounded),
	};
	return RUN_TESTS(tests);
}
