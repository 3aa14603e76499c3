#include "node/federation/uri.h"

#include <assert.h>

#include "node/base/percent.h"

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
			return percent_decode(a, value, true, out);
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
			if (got.n == 0 || !percent_decode(a, got, false, &args[n++]))
				return false;
		} else if (!str_eq(segment, got)) {
			return false;
		}
	}
	return true;
}
