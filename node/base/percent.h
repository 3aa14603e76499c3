/*
 * percent: percent-decoding of path segments and query values (RFC 3986).
 */
#ifndef KITH_BASE_PERCENT_H
#define KITH_BASE_PERCENT_H

#include "node/base/arena.h"
#include "node/base/str.h"

#include <stdbool.h>

/* Decodes once, into a. False for a broken escape, for a NUL, and for what then is no UTF-8. */
bool percent_decode(struct arena *a, struct str s, bool plus_is_blank, struct str *out);

#endif
