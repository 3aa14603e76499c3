/*
 * str: a borrowed run of bytes.
 *
 * Never owns, never NUL-terminated by promise, may hold NUL bytes. A struct str is
 * valid for as long as whatever it was cut from: say which in the header that returns it.
 */
#ifndef KITH_BASE_STR_H
#define KITH_BASE_STR_H

#include "node/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(lit) ((struct str){ "" lit "", sizeof(lit) - 1 })
/* For tables: STR is a compound literal, which a static initialiser may not hold. */
#define STR_INIT(lit) \
	{ \
		"" lit "", sizeof(lit) - 1 \
	}
#define STR_FMT(s) (int)(s).n, (s).p /* for "%.*s" */

static inline struct str str_of(const char *z)
{
	return (struct str){ z, z ? strlen(z) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
		(suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* s without its first n bytes (all of them if it has fewer). */
static inline struct str str_skip(struct str s, size_t n)
{
	if (n > s.n)
		n = s.n;
	return (struct str){ s.p + n, s.n - n };
}

/* At most the first n bytes of s. */
static inline struct str str_head(struct str s, size_t n)
{
	return (struct str){ s.p, n < s.n ? n : s.n };
}

/* Bytewise order, shorter first among equal prefixes: below 0, 0 or above 0. Bytewise order
 * of UTF-8 is Unicode code point order, which is what canonical JSON sorts by. */
int str_cmp(struct str a, struct str b);

/* ASCII letters without their case. */
bool str_eq_nocase(struct str a, struct str b);

/* Position of the first c, or s.n if there is none. */
size_t str_find(struct str s, char c);

/* True and the position of needle in *at, or false. An empty needle is at 0. */
bool str_find_str(struct str s, struct str needle, size_t *at);

/* Cuts s at its first sep: head gets what is before, the return value says if sep was there;
 * rest gets what is behind (empty if there was none). */
bool str_cut(struct str s, char sep, struct str *head, struct str *rest);

/* Without ASCII blanks (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str s);

/* Decimal digits alone (a leading '-' too for str_to_i64): false for an empty string, anything
 * else, or a value that doesn't fit; *out is then untouched. */
bool str_to_u64(struct str s, uint64_t *out);
bool str_to_i64(struct str s, int64_t *out);

/* Strict UTF-8 (RFC 3629): no surrogates, no overlong forms. */
bool str_is_utf8(struct str s);

#endif
