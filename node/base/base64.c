#include "node/base/base64.h"

#include <sodium.h>

static void put(struct buf *out, const void *p, size_t n, int variant)
{
	size_t room = sodium_base64_encoded_len(n, variant); /* with its NUL */

	sodium_bin2base64(buf_reserve(out, room), room, p, n, variant);
	out->n += room - 1;
}

void base64_put(struct buf *out, const void *p, size_t n)
{
	put(out, p, n, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

void base64_put_url(struct buf *out, const void *p, size_t n)
{
	put(out, p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* Bytes that text decodes to, after dropping right padding; false for wrong padding. */
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

/* The last 2 or 3 characters of an unpadded text, as the 1 or 2 bytes at p. Filled up to a
 * whole group, bits that no byte has are dropped instead of refused: other servers take them,
 * and the specification's own test key has some. */
static bool get_tail(unsigned char *p, struct str tail, int variant)
{
	char group[4] = { 'A', 'A', 'A', 'A' };
	unsigned char bytes[3];
	size_t got;

	memcpy(group, tail.p, tail.n);
	if (sodium_base642bin(bytes, 3, group, 4, NULL, &got, NULL, variant) || got != 3)
		return false;
	memcpy(p, bytes, tail.n - 1);
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(group, sizeof(group));
	return true;
}

enum err base64_get_exact(void *p, size_t n, struct str text, bool url)
{
	int variant = url ? sodium_base64_VARIANT_URLSAFE_NO_PADDING
			  : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
	size_t tail;
	size_t whole;
	size_t got;

	if (!strip_padding(&text))
		return ERR_MALFORMED;
	tail = text.n % 4;
	whole = text.n / 4 * 3;
	if (whole + (tail ? tail - 1 : 0) != n)
		return ERR_MALFORMED;
	if (whole &&
		(sodium_base642bin(p, n, text.p, text.n - tail, NULL, &got, NULL, variant) ||
			got != whole))
		return ERR_MALFORMED;
	if (tail &&
		!get_tail((unsigned char *)p + whole, str_skip(text, text.n - tail), variant))
		return ERR_MALFORMED;
	return ERR_OK;
}

enum err base64_get(struct buf *out, struct str text, bool url)
{
	size_t n;
	enum err err;

	if (!strip_padding(&text))
		return ERR_MALFORMED;
	n = text.n / 4 * 3 + (text.n % 4 ? text.n % 4 - 1 : 0);
	err = base64_get_exact(buf_reserve(out, n + 1), n, text, url);
	if (!err)
		out->n += n;
	return err;
}
