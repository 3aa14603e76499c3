/*
 * json: strict reading of foreign JSON, over cJSON (style.md, section 5).
 *
 * json_parse() first runs a scanner of our own: RFC 8259 grammar, UTF-8, paired surrogates, no
 * raw control bytes, no BOM, no duplicate keys, bounded size, depth and count; then cJSON
 * builds the tree. Two things that cJSON can't hold are rewritten on the way in, with bytes
 * that UTF-8 never has, and turned back by every writer: an escaped NUL inside a string becomes
 * C0 80, and a number that a double can't hold exactly becomes a number value that keeps its
 * text. A struct str read from a tree may thus hold C0 80, which every grammar of ids refuses.
 *
 * Trees are immutable once parsed; the members of an object are kept in canonical order, those
 * of a big one are found by binary search. Reading is typed and total: a missing or wrongly
 * typed member is ERR_MALFORMED with a text that names the key. Look-ups are case-sensitive.
 */
#ifndef KITH_JSON_JSON_H
#define KITH_JSON_JSON_H

#include "node/base/arena.h"
#include "node/base/buf.h"
#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct json; /* one value: an object, array, string, ... */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_limits {
	size_t bytes;
	size_t values; /* in the whole document */
	size_t keys;   /* in one object */
	unsigned depth;
	bool integers_only; /* refuse '.', 'e' and anything beyond +-(2^53-1): room version 6 up
			     */
};

extern const struct json_limits json_limits_client; /* bodies of local clients */
extern const struct json_limits
	json_limits_event; /* events and what carries them, strict numbers */
extern const struct json_limits
	json_limits_peer; /* other bodies of servers: as event, any number */

/* The largest integer that canonical JSON holds, 2^53 - 1. */
#define JSON_INT_MAX INT64_C(9007199254740991)

/* Parses bytes, whole. *out is owned: json_free(). ERR_MALFORMED (also for a limit but that of
 * bytes), ERR_TOO_LARGE, ERR_NOMEM. */
enum err json_parse(struct str bytes, const struct json_limits *limits, struct json **out,
	struct err_ctx *why) MUST_CHECK;
/* As json_parse, but the tree is freed with the arena. */
enum err json_parse_in(struct arena *a, struct str bytes, const struct json_limits *limits,
	const struct json **out, struct err_ctx *why) MUST_CHECK;
/* As json_parse_in. *is_json tells, of an ERR_MALFORMED, JSON that is past a limit or has a key
 * twice (M_BAD_JSON) from what is none (M_NOT_JSON). */
enum err json_parse_body(struct arena *a, struct str bytes, const struct json_limits *limits,
	const struct json **out, bool *is_json, struct err_ctx *why) MUST_CHECK;
void json_free(struct json *j);
void json_freep(struct json **j);

enum json_type json_type(const struct json *j);
static inline bool json_is(const struct json *j, enum json_type t)
{
	return j && json_type(j) == t;
}

/* Member of an object, or NULL: also when obj is NULL or no object. */
const struct json *json_get(const struct json *obj, const char *key);
const struct json *json_get_str(const struct json *obj, struct str key);

/* Values; false if it is not of that type (or j is NULL). json_as_int also takes a number
 * written as 1.0 or 1e3 when it is integral and within +-(2^53-1). */
bool json_as_str(const struct json *j, struct str *out);
bool json_as_int(const struct json *j, int64_t *out);
/* Any integer that fits, written without point or exponent: rooms of versions 1 to 5. */
bool json_as_wide_int(const struct json *j, int64_t *out);
bool json_as_double(const struct json *j, double *out);
bool json_as_bool(const struct json *j, bool *out);

/* Required members. lo and hi are inclusive. The _obj and _arr forms return the member itself.
 */
enum err json_str(const struct json *obj, const char *key, struct str *out,
	struct err_ctx *why) MUST_CHECK;
enum err json_int(const struct json *obj, const char *key, int64_t lo, int64_t hi, int64_t *out,
	struct err_ctx *why) MUST_CHECK;
enum err json_bool(
	const struct json *obj, const char *key, bool *out, struct err_ctx *why) MUST_CHECK;
enum err json_obj(const struct json *obj, const char *key, const struct json **out,
	struct err_ctx *why) MUST_CHECK;
enum err json_arr(const struct json *obj, const char *key, const struct json **out,
	struct err_ctx *why) MUST_CHECK;

/* Optional members: *out keeps the value it had when the member is missing; a member of the
 * wrong type is an error all the same. null counts as missing. */
enum err json_opt_str(const struct json *obj, const char *key, struct str *out,
	struct err_ctx *why) MUST_CHECK;
enum err json_opt_int(const struct json *obj, const char *key, int64_t lo, int64_t hi,
	int64_t *out, struct err_ctx *why) MUST_CHECK;
enum err json_opt_bool(
	const struct json *obj, const char *key, bool *out, struct err_ctx *why) MUST_CHECK;
enum err json_opt_obj(const struct json *obj, const char *key, const struct json **out,
	struct err_ctx *why) MUST_CHECK;
enum err json_opt_arr(const struct json *obj, const char *key, const struct json **out,
	struct err_ctx *why) MUST_CHECK;

/* Walking: the first child of an array or object (NULL: none, or neither), and the next
 * sibling. json_key is the member's key, empty for elements of arrays. for (const struct json
 * *m = json_first(obj); m; m = json_next(m)) */
const struct json *json_first(const struct json *j);
const struct json *json_next(const struct json *j);
struct str json_key(const struct json *j);
size_t json_count(const struct json *j); /* children; kept, not counted */

bool json_equal(const struct json *a, const struct json *b); /* as canonical JSON would be */

/* Canonical JSON (appendices, "Canonical JSON"): sorted keys, shortest escapes, exact integers.
 * A number that is no integer is written as Python's json module writes it (room versions 1 to
 * 5); json_limits_event keeps them out everywhere else. */
void json_canonical(const struct json *j, struct buf *out);
/* Of an object, without the named top-level members: for hashes and signatures. */
void json_canonical_without(
	const struct json *obj, const char *const *keys, size_t n_keys, struct buf *out);

/* Of an object, with top-level members set or left out: edits are sorted by key, each key once.
 */
struct json_edit {
	struct str key;
	struct str value; /* canonical JSON text; p NULL: the member is left out */
};
void json_canonical_edited(
	const struct json *obj, const struct json_edit *edits, size_t n, struct buf *out);

/* True if j holds no number but integers within +-(2^53-1), so that it could be canonical JSON
 * (room version 6 and up) though it was parsed with json_limits_peer. */
bool json_is_strict(const struct json *j);

/*
 * Writing: straight into a buffer, commas kept by the writer. Depth at most 64.
 *     struct jw w = jw_to(&buf);
 *     jw_obj(&w); jw_key(&w, "room_id"); jw_str(&w, id); jw_end(&w);
 */
struct jw {
	struct buf *out;
	unsigned depth;
	uint64_t has_items; /* a bit for each depth */
	uint64_t is_array;
	bool after_key;
};

struct jw jw_to(struct buf *out);
void jw_obj(struct jw *w);
void jw_arr(struct jw *w);
void jw_end(struct jw *w); /* closes the innermost object or array */
void jw_key(struct jw *w, const char *key);
void jw_key_str(struct jw *w, struct str key);
void jw_str(struct jw *w, struct str s); /* s is UTF-8, C0 80 for NUL */
void jw_z(struct jw *w, const char *z);
void jw_int(struct jw *w, int64_t v);
void jw_double(struct jw *w, double v); /* finite */
void jw_bool(struct jw *w, bool v);
void jw_null(struct jw *w);
void jw_raw(struct jw *w, struct str json); /* one whole JSON value, unparsed */
void jw_json(struct jw *w, const struct json *j);
/* key and value at once, the usual case */
void jw_kv_str(struct jw *w, const char *key, struct str s);
void jw_kv_z(struct jw *w, const char *key, const char *z);
void jw_kv_int(struct jw *w, const char *key, int64_t v);
void jw_kv_bool(struct jw *w, const char *key, bool v);
void jw_kv_raw(struct jw *w, const char *key, struct str json);
void jw_kv_json(struct jw *w, const char *key, const struct json *j);

#endif
