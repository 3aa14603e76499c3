#include "node/base/percent.h"

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

bool percent_decode(struct arena *a, struct str s, bool plus_is_blank, struct str *out)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '+' && plus_is_blank) {
			c = ' ';
		} else if (c == '%') {
			bool whole = s.n - i > 2;
			int high = whole ? hex_value(s.p[i + 1]) : -1;
			int low = whole ? hex_value(s.p[i + 2]) : -1;

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
