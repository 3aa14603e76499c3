/*
 * http1: HTTP/1.1 requests out of bytes (RFC 9112), for servers.
 *
 * Pure: no I/O, no memory of its own. Stricter than the RFC has to be wherever two readers
 * could see two different requests in the same bytes (security.md H1): lines end in CRLF alone,
 * no folded headers, one Content-Length of digits, `chunked` alone as Transfer-Encoding, never
 * both. The target is kept exactly as sent, since signatures cover it and identifiers hold
 * encoded slashes.
 */
#ifndef KITH_TRANSPORT_HTTP1_H
#define KITH_TRANSPORT_HTTP1_H

#include "node/base/limits.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http1_result {
	HTTP1_MORE, /* not whole yet */
	HTTP1_OK,
	HTTP1_BAD /* refuse with the status in hand, and close */
};

/* How far the end of a head was searched for, so that a client that sends bytes one by one
 * costs no more than one that doesn't. Zeroed before each request. */
struct http1_scan {
	size_t at;
	size_t line;    /* where the line at hand begins */
	size_t headers; /* where they begin, behind the request line */
	unsigned lines;
};

/* Is a whole head (with its empty line) at the front of in, which has grown since the last
 * call? HTTP1_OK: it is *used bytes long. HTTP1_BAD: *status is 400, 414 or 431. in must begin
 * with the request; http1_skip_blank() first. */
enum http1_result http1_scan(
	struct http1_scan *s, struct str in, size_t *used, unsigned *status);

/* Bytes of empty lines in front of a request, which RFC 9112 2.2 has servers ignore. */
size_t http1_skip_blank(struct str in);

struct http1_header {
	struct str name;
	struct str value; /* without blanks at its ends */
};

struct http1_head {
	struct str method;
	struct str target; /* origin form as sent; of an absolute form, what follows the host */
	struct str host;   /* of Host, or of an absolute target; empty: there was none */
	unsigned minor;    /* 1, or 0 of HTTP/1.0 */
	struct http1_header *headers;
	size_t n_headers;

	uint64_t content_length; /* 0 if there is none */
	bool has_length;
	bool chunked;
	bool keep_alive;      /* the client wants to go on using the connection */
	bool expect_continue; /* it waits for 100 before it sends the body */
};

/* Parses a whole head as http1_scan() found it; headers is where to put them. Everything in
 * *out points into head. HTTP1_OK or HTTP1_BAD with *status 400, 415 (Content-Encoding), 417
 * (Expect), 431, 505. */
enum http1_result http1_parse(struct str head,
	struct http1_header headers[LIMIT_HTTP_HEADER_LINES], struct http1_head *out,
	unsigned *status);

/* The value of the first header of that name, in any case; false if there is none. */
bool http1_header(const struct http1_head *h, const char *name, struct str *value);

/* A body's framing, from its head. */
struct http1_body {
	enum http1_body_state {
		HTTP1_BODY_DONE, /* zeroed: no body */
		HTTP1_BODY_LENGTH,
		HTTP1_BODY_SIZE,      /* a chunk's size line */
		HTTP1_BODY_CHUNK,     /* its bytes */
		HTTP1_BODY_CHUNK_END, /* the CRLF behind them */
		HTTP1_BODY_TRAILER,   /* lines behind the last chunk, dropped */
	} state;
	uint64_t left;        /* of the body or chunk */
	unsigned trailers;    /* lines so far */
	size_t trailer_bytes; /* of them */
};

void http1_body_init(struct http1_body *b, const struct http1_head *h);

/* Takes from the front of in: *used bytes of it are done with, and *data is the part of them
 * that is body (it may be empty). HTTP1_OK: the body is whole, and what is behind *used is the
 * next request. HTTP1_MORE: call again; at once if *used is not 0, else with more bytes.
 * HTTP1_BAD: broken chunks. */
enum http1_result http1_body_take(
	struct http1_body *b, struct str in, size_t *used, struct str *data);

#endif
