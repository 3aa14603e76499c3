#include "transport/http1.h"

#include <assert.h>

/* A chunk's size and extensions, or one trailer, with the line end. */
#define CHUNK_LINE_MAX    256
#define TRAILER_BYTES_MAX 4096

/* RFC 9110, "tchar" */
static bool is_token_char(unsigned char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

/* Field values: no controls but the tab. */
static bool is_field_value(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool is_visible_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

static struct str trim_blanks(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_skip(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

size_t http1_skip_blank(struct str in)
{
	size_t n = 0;
	while (in.n - n >= 2 && in.p[n] == '\r' && in.p[n + 1] == '\n')
		n += 2;
	return n;
}

static enum http1_result bad(unsigned *status, unsigned value)
{
	*status = value;
	return HTTP1_BAD;
}

/* Is what there is up to at, the end of a line or of the bytes so far, too much already? A
 * line that hasn't ended may hold the CR of its end. */
static enum http1_result scan_bounds(
	const struct http1_scan *s, size_t at, bool ended, unsigned *status)
{
	size_t slack = ended ? 0 : 1;
	if (s->lines == 0)
		return at - s->line > LIMIT_HTTP_REQUEST_LINE + slack ? bad(status, 414)
								      : HTTP1_MORE;
	if (at - s->headers > LIMIT_HTTP_HEADERS + slack ||
		s->lines > LIMIT_HTTP_HEADER_LINES + slack)
		return bad(status, 431);
	return HTTP1_MORE;
}

enum http1_result http1_scan(
	struct http1_scan *s, struct str in, size_t *used, unsigned *status)
{
	assert(s->at <= in.n);
	if (str_eq(in, STR("\r")))
		return HTTP1_MORE; /* half of an empty line, which the caller skips */
	while (s->at < in.n) {
		const char *nl = memchr(in.p + s->at, '\n', in.n - s->at);
		if (!nl) {
			s->at = in.n;
			return scan_bounds(s, in.n, false, status);
		}
		size_t end = (size_t)(nl - in.p);
		if (end == s->line || in.p[end - 1] != '\r')
			return bad(status, 400); /* a bare LF */
		bool empty = end - 1 == s->line;
		if (!empty && scan_bounds(s, end - 1, true, status) == HTTP1_BAD)
			return HTTP1_BAD;
		s->at = end + 1;
		s->line = s->at;
		if (empty) {
			*used = s->at;
			return s->lines ? HTTP1_OK : bad(status, 400);
		}
		if (s->lines++ == 0)
			s->headers = s->at;
	}
	return HTTP1_MORE;
}

/* The next line of a whole head, without its CRLF. */
static struct str take_line(struct str *rest)
{
	struct str line = str_head(*rest, str_find(*rest, '\n'));
	*rest = str_skip(*rest, line.n + 1);
	if (line.n)
		line.n--; /* the CR: http1_scan() saw it */
	return line;
}

/* host[:port], as Host and absolute targets have it: what else a URL may hold is refused, and
 * who it is is the caller's to judge. */
static bool is_authority(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || (c && strchr(".-_:[]%", c));
		if (!good)
			return false;
	}
	return s.n > 0;
}

static bool parse_target(struct str t, struct http1_head *h, bool *absolute)
{
	static const char http[] = "http://", https[] = "https://";
	size_t skip = 0;

	*absolute = false;
	if (!is_visible_ascii(t) || str_find(t, '#') < t.n)
		return false;
	if (t.p[0] == '/' || (t.n == 1 && t.p[0] == '*' && str_eq(h->method, STR("OPTIONS")))) {
		h->target = t;
		return true;
	}
	if (str_eq_nocase(str_head(t, sizeof(http) - 1), STR("http://")))
		skip = sizeof(http) - 1;
	else if (str_eq_nocase(str_head(t, sizeof(https) - 1), STR("https://")))
		skip = sizeof(https) - 1;
	else
		return false;
	t = str_skip(t, skip);
	h->host = str_head(t, str_find(t, '/'));
	h->target = str_skip(t, h->host.n);
	*absolute = true;
	return h->target.n > 0 && is_authority(h->host);
}

static enum http1_result parse_request_line(
	struct str line, struct http1_head *h, bool *absolute, unsigned *status)
{
	struct str rest, target, version;
	if (!str_cut(line, ' ', &h->method, &rest) || !str_cut(rest, ' ', &target, &version))
		return bad(status, 400);
	if (!is_token(h->method) || h->method.n > 32)
		return bad(status, 400);
	if (version.n != 8 || !str_starts(version, STR("HTTP/")) || version.p[6] != '.')
		return bad(status, 400);
	if (version.p[5] != '1' || (version.p[7] != '0' && version.p[7] != '1'))
		return bad(status, 505);
	h->minor = (unsigned)(version.p[7] - '0');
	return parse_target(target, h, absolute) ? HTTP1_OK : bad(status, 400);
}

static enum http1_result parse_header_line(
	struct str line, struct http1_head *h, unsigned *status)
{
	struct str name, value;
	if (h->n_headers == LIMIT_HTTP_HEADER_LINES)
		return bad(status, 431);
	/* A folded line begins with a blank, and so has no token for a name. */
	if (!str_cut(line, ':', &name, &value) || !is_token(name) || !is_field_value(value))
		return bad(status, 400);
	h->headers[h->n_headers++] = (struct http1_header){ name, trim_blanks(value) };
	return HTTP1_OK;
}

static bool has_list_item(struct str list, struct str item)
{
	struct str head;
	for (bool more = true; more;) {
		more = str_cut(list, ',', &head, &list);
		if (str_eq_nocase(trim_blanks(head), item))
			return true;
	}
	return false;
}

/* What the headers seen so far say about framing. */
struct framing {
	unsigned hosts, lengths, codings;
	bool host_again; /* Host beside an absolute target is only checked for shape */
};

static void take_connection(struct http1_head *h, struct str value)
{
	if (has_list_item(value, STR("close")))
		h->keep_alive = false;
	else if (h->minor == 0 && has_list_item(value, STR("keep-alive")))
		h->keep_alive = true;
}

static enum http1_result take_framing(struct http1_head *h, const struct http1_header *f,
	struct framing *seen, unsigned *status)
{
	if (str_eq_nocase(f->name, STR("host"))) {
		if (seen->hosts++ || (f->value.n && !is_authority(f->value)))
			return bad(status, 400);
		if (!seen->host_again)
			h->host = f->value;
	} else if (str_eq_nocase(f->name, STR("content-length"))) {
		if (seen->lengths++ || !str_to_u64(f->value, &h->content_length))
			return bad(status, 400);
		h->has_length = true;
	} else if (str_eq_nocase(f->name, STR("transfer-encoding"))) {
		if (seen->codings++ || !str_eq_nocase(f->value, STR("chunked")))
			return bad(status, 400);
		h->chunked = true;
	} else if (str_eq_nocase(f->name, STR("content-encoding"))) {
		if (!str_eq_nocase(f->value, STR("identity")))
			return bad(status, 415);
	} else if (str_eq_nocase(f->name, STR("expect"))) {
		if (!str_eq_nocase(f->value, STR("100-continue")))
			return bad(status, 417);
		h->expect_continue = h->minor == 1;
	} else if (str_eq_nocase(f->name, STR("connection"))) {
		take_connection(h, f->value);
	}
	return HTTP1_OK;
}

enum http1_result http1_parse(struct str head,
	struct http1_header headers[LIMIT_HTTP_HEADER_LINES], struct http1_head *out,
	unsigned *status)
{
	struct framing seen = { 0 };
	struct http1_head *h = out;

	*h = (struct http1_head){ .headers = headers };
	if (parse_request_line(take_line(&head), h, &seen.host_again, status) != HTTP1_OK)
		return HTTP1_BAD;
	h->keep_alive = h->minor == 1;

	for (struct str line = take_line(&head); line.n; line = take_line(&head)) {
		if (parse_header_line(line, h, status) != HTTP1_OK)
			return HTTP1_BAD;
		if (take_framing(h, &h->headers[h->n_headers - 1], &seen, status) != HTTP1_OK)
			return HTTP1_BAD;
	}
	if (h->minor == 1 && seen.hosts == 0)
		return bad(status, 400);
	if (h->chunked && (h->has_length || h->minor == 0))
		return bad(status, 400);
	return HTTP1_OK;
}

bool http1_header(const struct http1_head *h, const char *name, struct str *value)
{
	struct str wanted = str_of(name);
	for (size_t i = 0; i < h->n_headers; i++) {
		if (!str_eq_nocase(h->headers[i].name, wanted))
			continue;
		*value = h->headers[i].value;
		return true;
	}
	return false;
}

void http1_body_init(struct http1_body *b, const struct http1_head *h)
{
	*b = (struct http1_body){ 0 };
	b->left = h->content_length;
	if (h->chunked)
		b->state = HTTP1_BODY_SIZE;
	else if (h->content_length)
		b->state = HTTP1_BODY_LENGTH;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A line of at most CHUNK_LINE_MAX bytes at the front of in. */
static enum http1_result take_short_line(struct str in, size_t *used, struct str *line)
{
	struct str window = str_head(in, CHUNK_LINE_MAX);
	size_t end = str_find(window, '\n');
	if (end == window.n)
		return window.n == CHUNK_LINE_MAX ? HTTP1_BAD : HTTP1_MORE;
	if (end == 0 || in.p[end - 1] != '\r')
		return HTTP1_BAD;
	*line = str_head(in, end - 1);
	*used = end + 1;
	return is_field_value(*line) ? HTTP1_OK : HTTP1_BAD;
}

/* 1*HEXDIG [chunk-ext]; extensions mean nothing to us. */
static bool parse_chunk_size(struct str line, uint64_t *size)
{
	uint64_t n = 0;
	size_t i = 0;
	for (; i < line.n && hex_digit(line.p[i]) >= 0; i++) {
		if (n >> 56)
			return false;
		n = n << 4 | (uint64_t)hex_digit(line.p[i]);
	}
	if (i == 0)
		return false;
	struct str ext = trim_blanks(str_skip(line, i));
	if (ext.n ? ext.p[0] != ';' : i != line.n)
		return false;
	*size = n;
	return true;
}

static enum http1_result take_size(struct http1_body *b, struct str in, size_t *used)
{
	struct str line;
	enum http1_result r = take_short_line(in, used, &line);
	if (r != HTTP1_OK)
		return r;
	if (!parse_chunk_size(line, &b->left))
		return HTTP1_BAD;
	b->state = b->left ? HTTP1_BODY_CHUNK : HTTP1_BODY_TRAILER;
	return HTTP1_MORE;
}

static enum http1_result take_chunk_end(struct http1_body *b, struct str in, size_t *used)
{
	if ((in.n >= 1 && in.p[0] != '\r') || (in.n >= 2 && in.p[1] != '\n'))
		return HTTP1_BAD;
	if (in.n < 2)
		return HTTP1_MORE;
	*used = 2;
	b->state = HTTP1_BODY_SIZE;
	return HTTP1_MORE;
}

static enum http1_result take_trailer(struct http1_body *b, struct str in, size_t *used)
{
	struct str line, name, value;
	enum http1_result r = take_short_line(in, used, &line);
	if (r != HTTP1_OK)
		return r;
	if (line.n == 0) {
		b->state = HTTP1_BODY_DONE;
		return HTTP1_OK;
	}
	b->trailer_bytes += *used;
	if (++b->trailers > LIMIT_HTTP_HEADER_LINES || b->trailer_bytes > TRAILER_BYTES_MAX)
		return HTTP1_BAD;
	return str_cut(line, ':', &name, &value) && is_token(name) ? HTTP1_MORE : HTTP1_BAD;
}

enum http1_result http1_body_take(
	struct http1_body *b, struct str in, size_t *used, struct str *data)
{
	*used = 0;
	*data = (struct str){ in.p, 0 };
	switch (b->state) {
	case HTTP1_BODY_DONE: return HTTP1_OK;
	case HTTP1_BODY_SIZE: return take_size(b, in, used);
	case HTTP1_BODY_CHUNK_END: return take_chunk_end(b, in, used);
	case HTTP1_BODY_TRAILER: return take_trailer(b, in, used);
	case HTTP1_BODY_LENGTH:
	case HTTP1_BODY_CHUNK: break;
	}
	*data = str_head(in, b->left < in.n ? (size_t)b->left : in.n);
	*used = data->n;
	b->left -= data->n;
	if (b->left)
		return HTTP1_MORE;
	if (b->state == HTTP1_BODY_CHUNK) {
		b->state = HTTP1_BODY_CHUNK_END;
		return HTTP1_MORE;
	}
	b->state = HTTP1_BODY_DONE;
	return HTTP1_OK;
}
