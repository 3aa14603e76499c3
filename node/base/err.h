/*
 * err: the one error type of kith.
 *
 * A function that can fail returns enum err; ERR_OK is 0, so `if (err)` reads as "if it
 * failed". The code says what the caller may do about it. The text, which is for a person
 * and never parsed, is written once, where the failure was seen, with err_set().
 */
#ifndef KITH_BASE_ERR_H
#define KITH_BASE_ERR_H

#include "node/base/compiler.h"

/* code, HTTP status and Matrix errcode used if it reaches a client (client-server API,
 * "Standard error response"). The last two are read where answers are
 * made, client-api/reply.c and federation/inbound.c. */
#define ERR_LIST(X) \
	X(OK, 200, "") \
	X(NOMEM, 503, "M_UNKNOWN")      /* let the request fail; the process goes on */ \
	X(IO, 503, "M_UNKNOWN")         /* disk or socket; may be tried again */ \
	X(FULL, 507, "M_UNKNOWN")       /* the disk or a quota is full; nothing was stored */ \
	X(MALFORMED, 400, "M_BAD_JSON") /* the peer's bytes break the format */ \
	X(INVALID, 400, "M_INVALID_PARAM") /* well-formed, but the value is not allowed */ \
	X(UNAUTHORIZED, 401, "M_UNKNOWN_TOKEN") \
	X(FORBIDDEN, 403, "M_FORBIDDEN") \
	X(NOT_FOUND, 404, "M_NOT_FOUND") \
	X(EXISTS, 409, "M_CONFLICT") /* what was to be made is there already */ \
	X(TOO_LARGE, 413, "M_TOO_LARGE") \
	X(LIMIT, 429, "M_LIMIT_EXCEEDED") /* too often; may be tried again later */ \
	X(UNREACHABLE, 502, "M_UNKNOWN")  /* no peer answered */ \
	X(TIMEOUT, 504, "M_UNKNOWN")      /* a peer did not answer in time */ \
	X(CORRUPT, 500, "M_UNKNOWN")      /* what was stored can't be read back */ \
	X(CANCELLED, 503, "M_UNKNOWN")    /* we are closing, or nobody waits any more */

enum err {
#define X(name, http, errcode) ERR_##name,
	ERR_LIST(X)
#undef X
};

struct err_ctx {
	char text[240];
};

const char *err_name(enum err e);

/* Formats into ctx (which may be NULL) and returns e, so that `return err_set(...)` works.
 * The first text stays: an outer caller that adds nothing new passes e along. */
enum err err_set(struct err_ctx *ctx, enum err e, const char *fmt, ...) PRINTF(3, 4);

/* In a function that returns enum err and whose locals clean up after themselves. */
#define TRY(expr) \
	do { \
		enum err try_err_ = (expr); \
		if (try_err_) \
			return try_err_; \
	} while (0)

#endif
