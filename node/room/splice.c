#include "node/room/splice.h"

/* The position behind the string that begins at i (a quote), or 0. */
static size_t skip_string(struct str s, size_t i)
{
	for (i++; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}

/* The position behind the value that begins at i, or 0. */
static size_t skip_value(struct str s, size_t i)
{
	size_t depth = 0;

	while (i < s.n) {
		char c = s.p[i];

		if (c == '"') {
			i = skip_string(s, i);
			if (!i)
				return 0;
		} else if (c == '{' || c == '[') {
			depth++;
			i++;
		} else if (c == '}' || c == ']') {
			if (!depth)
				return i;
			depth--;
			i++;
		} else if (c == ',' && !depth) {
			return i;
		} else {
			i++;
			continue; /* inside a number or a word, or ':' below the top */
		}
		if (!depth && (c == '"' || c == '}' || c == ']'))
			return i;
	}
	return depth ? 0 : i;
}

/* Steps over the opening bracket or a comma to the next item; false at the end. */
static bool to_item(struct str s, size_t *at, char open)
{
	if (*at == 0) {
		if (s.n < 2 || s.p[0] != open)
			return false;
		*at = 1;
	} else if (*at < s.n && s.p[*at] == ',') {
		(*at)++;
	}
	return *at < s.n && s.p[*at] != '}' && s.p[*at] != ']';
}

bool splice_next(struct str obj, size_t *at, struct splice_member *m)
{
	size_t key;
	size_t colon;
	size_t end;

	if (!to_item(obj, at, '{') || obj.p[*at] != '"')
		return false;
	key = *at;
	colon = skip_string(obj, key);
	if (!colon || colon >= obj.n || obj.p[colon] != ':')
		return false;
	end = skip_value(obj, colon + 1);
	if (!end)
		return false;
	m->key = (struct str){ obj.p + key + 1, colon - key - 2 };
	m->value = (struct str){ obj.p + colon + 1, end - colon - 1 };
	*at = end;
	return true;
}

struct str splice_get(struct str obj, const char *key)
{
	struct str wanted = str_of(key);
	struct splice_member m;

	for (size_t at = 0; splice_next(obj, &at, &m);)
		if (str_eq(m.key, wanted))
			return m.value;
	return (struct str){ 0 };
}

struct str splice_string(struct str value)
{
	if (value.n < 2 || value.p[0] != '"' || memchr(value.p, '\\', value.n))
		return (struct str){ 0 };
	return (struct str){ value.p + 1, value.n - 2 };
}

bool splice_element(struct str arr, size_t *at, struct str *value)
{
	size_t end;

	if (!to_item(arr, at, '['))
		return false;
	end = skip_value(arr, *at);
	if (!end)
		return false;
	*value = (struct str){ arr.p + *at, end - *at };
	*at = end;
	return true;
}
