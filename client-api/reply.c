#include "client-api/reply.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "client-api/request_impl.h"
#include "node/base/limits.h"

static const struct {
	unsigned status;
	const char *errcode;
} table[] = {
#define X(name, http, errcode) [ERR_##name] = { http, errcode },
	ERR_LIST(X)
#undef X
};

static bool may_reply(const struct request_impl *q)
{
	return q->phase == REQUEST_READING || q->phase == REQUEST_HANDLING;
}

static void forget_answer(struct request_impl *q)
{
	buf_clear(&q->out);
	buf_clear(&q->headers);
}

static void set_answer(struct request_impl *q, unsigned status, struct str content_type)
{
	q->status = status;
	q->content_type = content_type;
	q->length = (int64_t)q->out.n;
}

/* What is said of an error to someone who may be a web page that wants to know who lives here
 * (security.md L4). */
static struct str discreet(struct request_impl *q, unsigned status, struct str text)
{
	if (!q->r.cross_origin || q->r.caller.user_id.n)
		return text;
	return status < 500 ? STR("The request was refused") : STR("The request failed");
}

void reply_set_error(struct request_impl *q, unsigned status, const char *errcode,
	struct str text, uint64_t retry_after_ms)
{
	forget_answer(q);
	while (!str_is_utf8(text)) /* it may have been cut inside of a character */
		text.n--;
	struct jw w = jw_to(&q->out);
	jw_obj(&w);
	jw_kv_z(&w, "errcode", errcode);
	jw_kv_str(&w, "error", discreet(q, status, text));
	if (status == 401 && strcmp(errcode, "M_UNKNOWN_TOKEN") == 0)
		jw_kv_bool(&w, "soft_logout", q->r.caller.soft_logout);
	if (strcmp(errcode, "M_USER_LOCKED") == 0)
		jw_kv_bool(&w, "soft_logout", true);
	if (retry_after_ms) {
		jw_kv_int(&w, "retry_after_ms", (int64_t)retry_after_ms);
		buf_printf(&q->headers, "Retry-After: %llu\r\n",
			(unsigned long long)((retry_after_ms + 999) / 1000));
	}
	jw_end(&w);
	q->errcode = errcode;
	set_answer(q, status, STR("application/json"));
}

/* For errors that no handler knows more about. */
static struct str usual_text(enum err err)
{
	if (err == ERR_FULL)
		return STR("The disk is full: nothing was stored. Make room and try again");
	if (err == ERR_IO)
		return STR("The disk failed: nothing was stored. Try again later");
	if (err == ERR_CORRUPT)
		return STR("What was stored is damaged: nothing is written any more, what can "
			   "be read still is. See kith check");
	if (err == ERR_NOMEM)
		return STR("There is too little memory for this request now");
	return STR("The request could not be served");
}

void reply_set_err(struct request_impl *q, enum err err)
{
	assert(err != ERR_OK);
	struct str text = str_of(q->r.why.text);
	if (!text.n)
		text = usual_text(err);
	uint64_t wait_ms = err != ERR_LIMIT ? 0 : q->wait_ms ? q->wait_ms : 1000;
	reply_set_error(q, table[err].status, table[err].errcode, text, wait_ms);
}

void reply_json_status(struct request *r, unsigned status, struct buf *out)
{
	struct request_impl *q = request_impl(r);
	assert(may_reply(q));
	buf_deinit(&q->out);
	q->out = *out;
	*out = (struct buf){ 0 };
	set_answer(q, status, STR("application/json"));
	router_hold(q);
}

void reply_json(struct request *r, struct buf *out)
{
	reply_json_status(r, 200, out);
}

void reply_empty(struct request *r)
{
	struct buf out = { 0 };
	buf_put_z(&out, "{}");
	reply_json(r, &out);
}

void reply_begin(struct request *r, struct jw *w)
{
	struct request_impl *q = request_impl(r);
	assert(may_reply(q));
	buf_clear(&q->out);
	*w = jw_to(&q->out);
}

void reply_end(struct request *r)
{
	struct request_impl *q = request_impl(r);
	assert(may_reply(q));
	set_answer(q, 200, STR("application/json"));
	router_hold(q);
}

void reply_error(struct request *r, unsigned status, const char *errcode, const char *fmt, ...)
{
	struct request_impl *q = request_impl(r);
	struct err_ctx text;
	va_list ap;

	assert(may_reply(q));
	va_start(ap, fmt);
	vsnprintf(text.text, sizeof(text.text), fmt, ap);
	va_end(ap);
	reply_set_error(q, status, errcode, str_of(text.text), 0);
	router_hold(q);
}

void reply_err(struct request *r, enum err err)
{
	struct request_impl *q = request_impl(r);
	assert(may_reply(q));
	reply_set_err(q, err);
	router_hold(q);
}

void reply_limited(struct request *r, uint64_t retry_after_ms)
{
	struct request_impl *q = request_impl(r);
	assert(may_reply(q));
	reply_set_error(q, 429, "M_LIMIT_EXCEEDED", STR("Too many requests: try again later"),
		retry_after_ms ? retry_after_ms : 1);
	router_hold(q);
}

void reply_drop(struct request *r)
{
	struct request_impl *q = request_impl(r);
	assert(may_reply(q));
	forget_answer(q);
	q->dropped = true;
	router_hold(q);
}

void reply_header(struct request *r, const char *name, struct str value)
{
	struct request_impl *q = request_impl(r);
	assert(may_reply(q));
	buf_printf(&q->headers, "%s: ", name);
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		buf_put_u8(&q->headers, c < 0x20 || c == 0x7f ? '?' : c);
	}
	buf_put_z(&q->headers, "\r\n");
}

void reply_bytes(struct request *r, unsigned status, const char *content_type, struct str bytes)
{
	struct request_impl *q = request_impl(r);
	assert(may_reply(q));
	buf_clear(&q->out);
	buf_put_str(&q->out, bytes);
	set_answer(q, status, arena_str(r->arena, str_of(content_type)));
	router_hold(q);
}

void reply_redirect(struct request *r, unsigned status, struct str location)
{
	reply_header(r, "Location", location);
	reply_bytes(r, status, "application/json", STR("{}"));
}

void reply_stream(struct request *r, unsigned status, const char *content_type, int64_t length,
	void (*drained)(struct request *r))
{
	struct request_impl *q = request_impl(r);
	assert(may_reply(q));
	buf_clear(&q->out);
	set_answer(q, status, arena_str(r->arena, str_of(content_type)));
	q->streaming = true;
	q->length = length;
	q->drained = drained;
	router_hold(q);
}

bool reply_write(struct request *r, struct str bytes)
{
	struct request_impl *q = request_impl(r);
	assert(q->streaming && !q->finished);
	if (q->aborted)
		return true;
	bool more;
	if (q->phase == REQUEST_SENDING) {
		more = q->to->ops->write(q->to, bytes);
	} else {
		buf_put_str(&q->out, bytes);
		more = q->out.n < LIMIT_HTTP_OUT_BUFFERED;
	}
	q->want_drain = !more;
	return more;
}

void reply_finish(struct request *r)
{
	struct request_impl *q = request_impl(r);
	assert(q->streaming && !q->finished);
	q->finished = true;
	router_finish(q);
}

bool reply_is_gone(const struct request *r)
{
	const struct request_impl *q = request_impl(r);
	return q->aborted || q->phase == REQUEST_SENDING;
}
