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

enum err base64_get_exact(void *p, size_t n, struct str text, bool url)
{
	int variant = url ? sodium_base64_VARIANT_URLSAFE_NO_PADDING
			  : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
	size_t got;

	if (!strip_padding(&text) || text.n / 4 * 3 > n)
		return ERR_MALFORMED;
	if (sodium_base642bin(p, n, text.p, text.n, NULL, &got, NULL, variant) || got != n)
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
