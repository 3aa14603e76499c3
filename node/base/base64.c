#include "node/base/base64.h"

/* Each in one cache line, so that what is encoded leaves no trace in which line was read. */
static const char standard[64] __attribute__((aligned(64))) =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[64] __attribute__((aligned(64))) =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t encoded_length(size_t n)
{
	return n / 3 * 4 + (n % 3 ? n % 3 + 1 : 0);
}

static size_t decoded_length(size_t n)
{
	return n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0);
}

static void put(struct buf *out, const unsigned char *p, size_t n, const char *alphabet)
{
	size_t room = encoded_length(n);
	char *to = buf_reserve(out, room + 1);

	out->n += room;
	for (; n >= 3; n -= 3, p += 3) {
		*to++ = alphabet[p[0] >> 2];
		*to++ = alphabet[(p[0] << 4 | p[1] >> 4) & 63];
		*to++ = alphabet[(p[1] << 2 | p[2] >> 6) & 63];
		*to++ = alphabet[p[2] & 63];
	}
	if (!n)
		return;
	*to++ = alphabet[p[0] >> 2];
	*to++ = alphabet[(p[0] << 4 | (n > 1 ? p[1] >> 4 : 0)) & 63];
	if (n > 1)
		*to = alphabet[p[1] << 2 & 63];
}

void base64_put(struct buf *out, const void *p, size_t n)
{
	put(out, p, n, standard);
}

void base64_put_url(struct buf *out, const void *p, size_t n)
{
	put(out, p, n, url_safe);
}

/* Drops padding on the right; false for what no bytes are written as. */
static bool strip_padding(struct str *text)
{
	struct str s = *text;

	while (s.n && s.p[s.n - 1] == '=')
		s.n--;
	if (s.n != text->n && (text->n % 4 != 0 || text->n - s.n > 2))
		return false;
	*text = s;
	return s.n % 4 != 1;
}

/* -1 for what is in neither alphabet or only in the other. */
static int value_of(char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (url ? '-' : '+'))
		return 62;
	return c == (url ? '_' : '/') ? 63 : -1;
}

/* Decodes all of text, of a length that strip_padding() takes. Bits behind the last byte go to
 * *rest. */
static bool decode(unsigned char *p, struct str text, bool url, unsigned *rest)
{
	unsigned bits = 0;
	unsigned n = 0;

	for (size_t i = 0; i < text.n; i++) {
		int v = value_of(text.p[i], url);

		if (v < 0)
			return false;
		bits = bits << 6 | (unsigned)v;
		n += 6;
		if (n < 8)
			continue;
		n -= 8;
		*p++ = (unsigned char)(bits >> n);
		bits &= (1U << n) - 1;
	}
	*rest = bits;
	return true;
}

enum err base64_get_exact(void *p, size_t n, struct str text, bool url)
{
	unsigned rest;

	/* What is left over is ignored: other servers take it, and the specification's own test
	 * key has some. */
	if (!strip_padding(&text) || decoded_length(text.n) != n ||
		!decode(p, text, url, &rest))
		return ERR_MALFORMED;
	return ERR_OK;
}

enum err base64_get(struct buf *out, struct str text, bool url)
{
	size_t n;
	enum err err;

	if (!strip_padding(&text))
		return ERR_MALFORMED;
	n = decoded_length(text.n);
	err = base64_get_exact(buf_reserve(out, n + 1), n, text, url);
	if (!err)
		out->n += n;
	return err;
}

bool base64_get_hash(unsigned char hash[32], struct str text, bool url)
{
	unsigned rest;

	return text.n == BASE64_HASH_CHARS && decode(hash, text, url, &rest) && !rest;
}
