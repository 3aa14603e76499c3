/*
 * base64 as Matrix writes it: unpadded out; padded or not in (appendices, "Unpadded Base64").
 */
#ifndef KITH_BASE_BASE64_H
#define KITH_BASE_BASE64_H

#include "node/base/buf.h"
#include "node/base/err.h"

#include <stdbool.h>

void base64_put(struct buf *out, const void *p, size_t n);
void base64_put_url(struct buf *out, const void *p, size_t n); /* RFC 4648 section 5 alphabet */

/* Decodes into exactly n bytes at p. ERR_MALFORMED for other characters or another length; bits
 * behind the last byte are ignored. Not for secrets: the time that it takes tells of the text.
 */
enum err base64_get_exact(void *p, size_t n, struct str text, bool url) MUST_CHECK;

/* Appends the decoded bytes to out. */
enum err base64_get(struct buf *out, struct str text, bool url) MUST_CHECK;

/* The 32 bytes of a hash, in the one way that base64_put() or base64_put_url() writes them. */
#define BASE64_HASH_CHARS 43
bool base64_get_hash(unsigned char hash[32], struct str text, bool url);

#endif
