/*
 * base32 (RFC 4648, lower case out, no padding): server names, invites, recovery codes.
 */
#ifndef KITH_BASE_BASE32_H
#define KITH_BASE_BASE32_H

#include "node/base/buf.h"
#include "node/base/err.h"

/* Appends the text of n bytes. */
void base32_put(struct buf *out, const void *p, size_t n);

/* Decodes text of either case, appending to out. ERR_MALFORMED for any other character, a
 * length that no byte string has, or leftover bits that are not zero. */
enum err base32_get(struct buf *out, struct str text) MUST_CHECK;

#endif
