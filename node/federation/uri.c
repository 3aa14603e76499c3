#include "node/federation/uri.h"

#include <assert.h>

static bool unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '.' || c == '_' || c == '~';
}

void uri_put(struct buf *out, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char escaped[3] = { '%', hex[c >> 4], hex[c & 15] };

		if (unreserved(s.p[i]))
			buf_put(out, &s.p[i], 1);
		else
			buf_put(out, escaped, sizeof(escaped));
	}
}

void uri_put_path(struct buf *out, const char *fmt, const struct str *args, size_t n)
{
	size_t at = 0;

	for (const char *p = fmt; *p; p++) {
		if (p[0] == '%' && p[1] == 's') {
			assert(at < n);
			uri_put(out, args[at++]);
			p++;
		} else {
			buf_put(out, p, 1);
		}
	}
}

void uri_put_query(struct buf *out, const char *name, struct str value)
{
	buf_put_z(out, str_find(buf_str(out), '?') == out->n ? "?" : "&");
	buf_put_z(out, name);
	buf_put_z(out, "=");
	uri_put(out, value);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool uri_decode(struct arena *a, struct str s, bool plus_is_blank, struct str *out)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '+' && plus_is_blank)
			c = ' ';
		if (c == '%') {
			int high = i + 2 < s.n ? hex_value(s.p[i + 1]) : -1;
			int low = i + 2 < s.n ? hex_value(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return false;
		p[n++] = c;
	}
	*out = (struct str){ p, n };
	return str_is_utf8(*out);
}

bool uri_query(struct arena *a, struct str query, const char *name, size_t n, struct str *out)
{
	struct str rest = query;

	while (rest.n) {
		struct str pair;
		struct str key;
		struct str value;

		(void)str_cut(rest, '&', &pair, &rest);
		(void)str_cut(pair, '=', &key, &value);
		if (str_eq(key, str_of(name)) && n-- == 0)
			return uri_decode(a, value, true, out);
	}
	return false;
}

bool uri_match(
	struct arena *a, struct str path, const char *pattern, struct str *args, size_t max)
{
	struct str want = str_of(pattern);
	size_t n = 0;

	while (want.n || path.n) {
		struct str segment;
		struct str got;

		/* Both begin with the '/' before their next segment. */
		if (want.n == 0 || path.n == 0 || want.p[0] != '/' || path.p[0] != '/')
			return false;
		want = str_skip(want, 1);
		path = str_skip(path, 1);
		segment = str_head(want, str_find(want, '/'));
		got = str_head(path, str_find(path, '/'));
		want = str_skip(want, segment.n);
		path = str_skip(path, got.n);
		if (str_starts(segment, STR("{"))) {
			assert(n < max);
			if (got.n == 0 || !uri_decode(a, got, false, &args[n++]))
				return false;
		} else if (!str_eq(segment, got)) {
			return false;
		}
	}
	return true;
}
