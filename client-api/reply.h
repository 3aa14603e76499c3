/*
 * reply: the answer to a request.
 *
 * Each request gets exactly one. No answer leaves before everything committed so far is on
 * disk, so a handler never waits for durability itself; if the disk fails, the client gets that
 * error in place of the answer. After any of the calls below that end a reply the request must
 * not be touched any more. All of them may be called from inside the handler.
 */
#ifndef KITH_CLIENT_API_REPLY_H
#define KITH_CLIENT_API_REPLY_H

#include "client-api/request.h"
#include "node/base/buf.h"

/* 200 with a JSON text; takes what out holds, and leaves it empty. */
void reply_json(struct request *r, struct buf *out);
void reply_json_status(
	struct request *r, unsigned status, struct buf *out); /* say, 401 of UIA */
void reply_empty(struct request *r);                          /* 200 {} */

/*
 * The usual way to write one: the buffer belongs to the request.
 *     struct jw w;
 *     reply_begin(r, &w); jw_obj(&w); jw_kv_str(&w, "room_id", id); jw_end(&w);
 *     reply_end(r);
 * An error may still be replied in between; what was written is then thrown away.
 */
void reply_begin(struct request *r, struct jw *w);
void reply_end(struct request *r);

/* {"errcode", "error"} (client-server API, "Standard error response"). */
void reply_error(struct request *r, unsigned status, const char *errcode, const char *fmt, ...)
	PRINTF(4, 5);
/* As returning err from the handler, for one that waited; the text is r->why's. err is not
 * ERR_OK. */
void reply_err(struct request *r, enum err err);
/* 429 M_LIMIT_EXCEEDED with Retry-After. */
void reply_limited(struct request *r, uint64_t retry_after_ms);
/* Ends a request whose client is gone. For one whose client is not it closes the connection. */
void reply_drop(struct request *r);

/* Another header for the answer, before the call that ends or starts it. Borrowed until then.
 * CORS, Content-Type and Content-Length are not for here. */
void reply_header(struct request *r, const char *name, struct str value);

/*
 * Bytes of any type, whole or as a stream: downloads. No more than LIMIT_HTTP_OUT_BUFFERED is
 * kept: after reply_write returned false the producer waits for drained(), which comes once
 * for each false. length -1: not known. reply_finish ends the request; short of the promised
 * length it closes the connection. on_abort tells of a client gone, as ever.
 */
void reply_bytes(
	struct request *r, unsigned status, const char *content_type, struct str bytes);
void reply_stream(struct request *r, unsigned status, const char *content_type, int64_t length,
	void (*drained)(struct request *r));
bool reply_write(struct request *r, struct str bytes); /* true: more is welcome */
void reply_finish(struct request *r);
/* 302 or 307 to another place (downloads elsewhere, SSO). */
void reply_redirect(struct request *r, unsigned status, struct str location);

/* True once a reply was begun to be sent or was thrown away because the client is gone. */
bool reply_is_gone(const struct request *r);

#endif
