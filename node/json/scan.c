#include "node/json/scan.h"

#include <assert.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/json/number.h"

/*
 *   VALUE --scalar, empty {} or []--> AFTER --"," in []--> VALUE
 *     |                                 |
 *     +--"{"--> KEY --"...":--> VALUE   +--"," in {}--> KEY
 *     +--"["--> VALUE                   +--"}" or "]"--> AFTER, or END at depth 0
 */
enum state { VALUE, KEY, AFTER, END };

struct frame {
	bool array;
	size_t keys;
};

struct scan {
	const char *p; /* next byte */
	const char *begin;
	const char *end;
	const struct json_limits *limits;
	bool *is_json;
	struct err_ctx *why;
	size_t values;
	unsigned depth;

	/* Rewriting: everything before copied is in out already. The worst that can grow is
	 * "-0,", from three bytes to seven. */
	const char *copied;
	char *out; /* owned; NULL: nothing was rewritten yet */
	size_t n_out;

	struct frame stack[SCAN_DEPTH_MAX];
};

static enum err bad(struct scan *s, const char *what)
{
	return err_set(s->why, ERR_MALFORMED, "bad JSON at byte %zu: %s",
		(size_t)(s->p - s->begin), what);
}

static enum err over(struct scan *s, const char *what)
{
	*s->is_json = true;
	return bad(s, what);
}

static void put(struct scan *s, const char *p, size_t n)
{
	if (n)
		memcpy(s->out + s->n_out, p, n);
	s->n_out += n;
}

/* Everything up to at is copied as it is; what is between at and s->p is left out. */
static enum err rewrite(struct scan *s, const char *at)
{
	if (!s->out) {
		s->out = alloc_try((size_t)(s->end - s->begin) / 3 * 7 + 16);
		if (!s->out)
			return err_set(s->why, ERR_NOMEM, "out of memory");
	}
	put(s, s->copied, (size_t)(at - s->copied));
	s->copied = s->p;
	return ERR_OK;
}

static void skip_blanks(struct scan *s)
{
	while (s->p < s->end &&
		(*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
		s->p++;
}

static bool take(struct scan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
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

/* The four digits behind \u. -1 if they are not. */
static int take_hex(struct scan *s)
{
	int v = 0;

	if (s->end - s->p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_value(s->p[i]);

		if (digit < 0)
			return -1;
		v = v * 16 + digit;
	}
	s->p += 4;
	return v;
}

/* s->p is behind "\u". */
static enum err scan_unicode_escape(struct scan *s)
{
	const char *at = s->p - 2;
	int v = take_hex(s);
	enum err err;

	if (v < 0)
		return bad(s, "bad escape");
	if (v == 0) {
		err = rewrite(s, at);
		if (err)
			return err;
		put(s, SCAN_NUL_MARK, 2);
		return ERR_OK;
	}
	if (v >= 0xdc00 && v <= 0xdfff)
		return bad(s, "lone surrogate");
	if (v < 0xd800 || v > 0xdbff)
		return ERR_OK;
	if (!take(s, '\\') || !take(s, 'u'))
		return bad(s, "lone surrogate");
	v = take_hex(s);
	if (v < 0xdc00 || v > 0xdfff)
		return bad(s, "lone surrogate");
	return ERR_OK;
}

/* s->p is behind the opening quote. The whole text is known to be UTF-8. */
static enum err scan_string(struct scan *s)
{
	while (s->p < s->end) {
		char c = *s->p++;

		if (c == '"')
			return ERR_OK;
		if ((unsigned char)c < 0x20) {
			s->p--;
			return bad(s, "control character in a string");
		}
		if (c != '\\')
			continue;
		if (s->p == s->end)
			break;
		c = *s->p++;
		if (c == 'u') {
			enum err err = scan_unicode_escape(s);

			if (err)
				return err;
		} else if (!c || !strchr("\"\\/bfnrt", c)) {
			return bad(s, "bad escape");
		}
	}
	return bad(s, "string without an end");
}

static bool take_digits(struct scan *s)
{
	const char *at = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > at;
}

static bool take_number(struct scan *s)
{
	(void)take(s, '-');
	if (!take(s, '0') && !take_digits(s))
		return false;
	if (take(s, '.') && !take_digits(s))
		return false;
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '-'))
			(void)take(s, '+');
		return take_digits(s);
	}
	return true;
}

static enum err scan_number(struct scan *s)
{
	const char *at = s->p;
	struct str text;
	bool minus_zero;
	int64_t i;
	double d;
	enum err err;

	if (!take_number(s))
		return bad(s, "not a value");
	text = (struct str){ at, (size_t)(s->p - at) };
	minus_zero = text.n == 2 && text.p[0] == '-' && text.p[1] == '0';
	if (!minus_zero && number_is_integer_text(text) && number_to_int(text, &i))
		return ERR_OK;
	if (s->limits->integers_only)
		return over(s, "number that is no integer within 2^53 - 1");
	if (!number_is_integer_text(text) && !number_to_double(text, &d))
		return over(s, "number too large");
	err = rewrite(s, at);
	if (err)
		return err;
	put(s, "\"" SCAN_NUMBER_MARK, 3);
	put(s, text.p, text.n);
	put(s, "\"", 1);
	return ERR_OK;
}

static enum err scan_scalar(struct scan *s)
{
	static const struct str words[] = { STR_INIT("true"), STR_INIT("false"),
		STR_INIT("null") };
	struct str rest = { s->p, (size_t)(s->end - s->p) };

	if (take(s, '"'))
		return scan_string(s);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_starts(rest, words[i])) {
			s->p += words[i].n;
			return ERR_OK;
		}
	}
	return scan_number(s);
}

static enum err open_container(struct scan *s, bool array, enum state *next)
{
	if (s->depth >= s->limits->depth)
		return over(s, "nested too deeply");
	s->stack[s->depth++] = (struct frame){ .array = array };
	skip_blanks(s);
	if (take(s, array ? ']' : '}')) {
		s->depth--;
		*next = AFTER;
		return ERR_OK;
	}
	*next = array ? VALUE : KEY;
	return ERR_OK;
}

static enum err scan_value(struct scan *s, enum state *next)
{
	if (++s->values > s->limits->values)
		return over(s, "too many values");
	if (s->p == s->end)
		return bad(s, "ends too early");
	if (take(s, '{'))
		return open_container(s, false, next);
	if (take(s, '['))
		return open_container(s, true, next);
	*next = AFTER;
	return scan_scalar(s);
}

static enum err scan_key(struct scan *s, enum state *next)
{
	enum err err;

	if (++s->stack[s->depth - 1].keys > s->limits->keys)
		return over(s, "too many keys in an object");
	if (!take(s, '"'))
		return bad(s, "a key is expected");
	err = scan_string(s);
	if (err)
		return err;
	skip_blanks(s);
	if (!take(s, ':'))
		return bad(s, "':' is expected");
	*next = VALUE;
	return ERR_OK;
}

static enum err scan_after(struct scan *s, enum state *next)
{
	const struct frame *top;

	if (s->depth == 0) {
		*next = END;
		return s->p == s->end ? ERR_OK : bad(s, "something follows the value");
	}
	top = &s->stack[s->depth - 1];
	if (take(s, ',')) {
		*next = top->array ? VALUE : KEY;
		return ERR_OK;
	}
	if (!take(s, top->array ? ']' : '}'))
		return bad(s, "',' or an end is expected");
	s->depth--;
	*next = AFTER;
	return ERR_OK;
}

static enum err scan_all(struct scan *s)
{
	enum state state = VALUE;
	enum err err = ERR_OK;

	while (!err && state != END) {
		skip_blanks(s);
		switch (state) {
		case VALUE: err = scan_value(s, &state); break;
		case KEY: err = scan_key(s, &state); break;
		case AFTER: err = scan_after(s, &state); break;
		case END: break;
		}
	}
	return err;
}

enum err json_scan(struct str in, const struct json_limits *limits, struct str *out,
	char **owned, bool *is_json, struct err_ctx *why)
{
	UNCLEARED struct scan s;
	enum err err;

	assert(limits->depth <= SCAN_DEPTH_MAX);
	s.p = s.begin = s.copied = in.p;
	s.end = in.p + in.n;
	s.limits = limits;
	s.is_json = is_json;
	s.why = why;
	*is_json = false;
	s.values = 0;
	s.depth = 0;
	s.out = NULL;
	s.n_out = 0;
	if (!str_is_utf8(in))
		return err_set(why, ERR_MALFORMED, "bad JSON: not UTF-8");
	err = scan_all(&s);
	if (!err && s.out)
		err = rewrite(&s, s.end);
	if (err) {
		free(s.out);
		return err;
	}
	*out = s.out ? (struct str){ s.out, s.n_out } : in;
	*owned = s.out;
	return ERR_OK;
}
