/*
 * request_impl: private to router.c, request.c and reply.c.
 *
 * A request goes one way:
 *
 *   READING --body whole--> HANDLING --replied--> HELD --durable--> SENDING --all of it-->
 * (gone) |                       ^                   ^
 *      +---- refused ----------|-------------------+
 *      +---- BODY_STREAM ------+ (the sink gets the rest of the body meanwhile)
 *
 * When the client is gone nothing is sent any more, but it goes the same way: whoever has the
 * request may still reply, and the store may still call.
 */
#ifndef KITH_CLIENT_API_REQUEST_IMPL_H
#define KITH_CLIENT_API_REQUEST_IMPL_H

#include "client-api/reply.h"
#include "client-api/router.h"

enum request_phase { REQUEST_READING, REQUEST_HANDLING, REQUEST_HELD, REQUEST_SENDING };

struct request_impl {
	struct request r;
	struct router *router;
	struct responder *to;
	enum request_phase phase;
	bool aborted;
	bool in_process;
	bool head_only;
	bool dropped;        /* no answer: the connection closes */
	bool body_started;   /* request_body_start() was called */
	bool body_complete;  /* the sink's end() was called */
	bool too_large;      /* the body: whatever is replied becomes a 413 */
	int64_t body_length; /* as promised; -1: not */
	uint64_t body_got;
	struct buf body; /* what came so far; freed with the arena */
	const struct request_sink *sink;
	struct str limit_key; /* who pays */
	struct str login_key; /* whose password is tried */
	uint64_t wait_ms;     /* for an ERR_LIMIT */

	unsigned status;
	const char *errcode; /* for the log; NULL: no error */
	struct str content_type;
	struct buf headers; /* further lines */
	struct buf out;     /* the answer, or what was streamed while it was held */
	bool streaming;
	bool finished; /* reply_finish() was called */
	int64_t length;
	void (*drained)(struct request *r);
	bool want_drain;
	struct loop_deferred deferred;
};

static inline struct request_impl *request_impl(const struct request *r)
{
	return r->impl;
}

/* router.c: the answer is chosen (status, content_type, out, length): hold and send it. */
void router_hold(struct request_impl *q);
/* The stream has ended. */
void router_finish(struct request_impl *q);

/* reply.c: a standard error response in q; any earlier answer is forgotten. */
void reply_set_error(struct request_impl *q, unsigned status, const char *errcode,
	struct str text, uint64_t retry_after_ms);
void reply_set_err(struct request_impl *q, enum err err);

#define ROUTER_CORS \
	"Access-Control-Allow-Origin: *\r\n" \
	"Access-Control-Allow-Methods: GET, POST, PUT, DELETE, OPTIONS\r\n" \
	"Access-Control-Allow-Headers: X-Requested-With, Content-Type, Authorization\r\n"

#endif
