#include "node/core/glob.h"

/* Simple case folding of two-byte UTF-8, which never changes the length. */
static unsigned fold_char(unsigned c)
{
	if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
		(c >= 0x410 && c <= 0x42f))
		return c + 0x20;
	if (c >= 0x400 && c <= 0x40f)
		return c + 0x50;
	/* Pairs, capital first: even capitals up to U+0137, odd ones up to U+0148, ... */
	if ((c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) ||
		(c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481) ||
		(c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f))
		return c | 1;
	if (((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) && (c & 1))
		return c + 1;
	return c;
}

struct str glob_fold(struct arena *a, struct str s)
{
	struct str copy = arena_str(a, s);
	unsigned char *p = (unsigned char *)copy.p;

	for (size_t i = 0; i < s.n; i++) {
		unsigned c;

		if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] = (unsigned char)(p[i] + ('a' - 'A'));
		if (p[i] < 0xc2 || p[i] > 0xdf || i + 1 == s.n)
			continue;
		c = fold_char(((p[i] & 0x1fu) << 6) | (p[i + 1] & 0x3fu));
		p[i] = (unsigned char)(0xc0 | (c >> 6));
		p[i + 1] = (unsigned char)(0x80 | (c & 0x3f));
		i++;
	}
	return copy;
}

/* What is matched, and where matches may begin and end. */
struct match {
	struct str text;
	enum glob_mode mode;
	bool literal; /* "?" means itself */
};

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		c == '_';
}

static bool begins_ok(const struct match *m, size_t at)
{
	if (m->mode == GLOB_WHOLE)
		return at == 0;
	return at == 0 || !is_word(m->text.p[at - 1]);
}

static bool ends_ok(const struct match *m, size_t at)
{
	if (m->mode == GLOB_WHOLE)
		return at == m->text.n;
	return at == m->text.n || !is_word(m->text.p[at]);
}

static bool is_inside(struct str text, size_t at)
{
	return at < text.n && ((unsigned char)text.p[at] & 0xc0) == 0x80;
}

/* Does part, which holds no "*", match at this place? *end: behind it. */
static bool matches_at(const struct match *m, struct str part, size_t at, size_t *end)
{
	for (size_t i = 0; i < part.n; i++) {
		if (at == m->text.n)
			return false;
		if (part.p[i] == '?' && !m->literal) {
			at++;
			while (is_inside(m->text, at))
				at++;
		} else if (part.p[i] == m->text.p[at]) {
			at++;
		} else {
			return false;
		}
	}
	*end = at;
	return true;
}

/* The first place from *at where part could match: where its text up to a "?" is. */
static bool candidate(const struct match *m, struct str part, size_t *at)
{
	struct str fixed = m->literal ? part : str_head(part, str_find(part, '?'));
	size_t skip;

	while (is_inside(m->text, *at))
		++*at;
	if (*at > m->text.n || !str_find_str(str_skip(m->text, *at), fixed, &skip))
		return false;
	*at += skip;
	return true;
}

/* The first place from *at where part matches within what first and last ask for. The first
 * one is as good as any: the "*" behind it takes what another would have. */
static bool find(const struct match *m, struct str part, bool first, bool last, size_t *at)
{
	size_t end;

	if (m->mode == GLOB_WHOLE && last && (m->literal || str_find(part, '?') == part.n)) {
		if (part.n > m->text.n || m->text.n - part.n < *at)
			return false;
		*at = m->text.n - part.n; /* the only place */
	}
	for (; candidate(m, part, at); ++*at) {
		if (m->mode == GLOB_WHOLE && first && *at > 0)
			return false;
		if ((!first || begins_ok(m, *at)) && matches_at(m, part, *at, &end) &&
			(!last || ends_ok(m, end))) {
			*at = end;
			return true;
		}
	}
	return false;
}

bool glob_match(struct str pattern, struct str text, enum glob_mode mode)
{
	const struct match m = { text, mode, false };
	struct str part;
	bool first = true;
	size_t at = 0;

	for (;;) {
		bool more = str_cut(pattern, '*', &part, &pattern);
		/* An empty part at either end is a "*": it reaches the end of the text, which
		 * is a boundary. */
		bool bound = part.n > 0 || (first && !more);

		if (bound && !find(&m, part, first, !more, &at))
			return false;
		if (!more)
			return true;
		first = false;
	}
}

bool glob_has_words(struct str words, struct str text)
{
	const struct match m = { text, GLOB_WORDS, true };
	size_t at = 0;

	return words.n > 0 && find(&m, words, true, true, &at);
}
