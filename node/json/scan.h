/*
 * scan: the strict scanner that every foreign byte passes before cJSON sees it (security.md,
 * J1). Private to node/json.
 */
#ifndef KITH_JSON_SCAN_H
#define KITH_JSON_SCAN_H

#include "node/json/json.h"

/* What stands, in a cJSON string, for a number that is kept as text, and for U+0000: bytes that
 * UTF-8 never has. */
#define SCAN_NUMBER_MARK "\xc0\x81"
#define SCAN_NUL_MARK    "\xc0\x80"

/* The deepest nesting that any limits may ask for: cJSON recurses, up to this. */
#define SCAN_DEPTH_MAX 1000

/* Checks that in is one JSON value within limits. *out is the text for cJSON: in itself, or, if
 * something had to be rewritten, memory that *owned then holds. Duplicate keys are not seen
 * here. ERR_MALFORMED, ERR_NOMEM. *is_json is then true if a limit was passed, rather than the
 * grammar broken. */
enum err json_scan(struct str in, const struct json_limits *limits, struct str *out,
	char **owned, bool *is_json, struct err_ctx *why) MUST_CHECK;

#endif
