#include "client-api/router.h"

#include <assert.h>
#include <stdlib.h>

#include "client-api/hosts.h"
#include "client-api/limiter.h"
#include "client-api/match.h"
#include "client-api/request_impl.h"
#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/base/percent.h"

#define LOG_MODULE "api"

/* Kinds of refusals that get a line of their own in each minute. */
#define LOG_KINDS 16

struct router {
	struct api *api;
	struct match_tree *tree;
	struct log_limit refusals[LOG_KINDS];
};

struct router *router_new(struct api *api, const struct route *const *tables)
{
	struct router *r = NEW(struct router);
	r->api = api;
	r->tree = match_new();
	for (; *tables; tables++)
		for (const struct route *route = *tables; route->operation; route++) {
			bool added = match_add(r->tree, route);
			assert(added);
			(void)added;
		}
	return r;
}

void router_free(struct router *r)
{
	if (!r)
		return;
	match_free(r->tree);
	free(r);
}

struct api *router_api(struct router *r)
{
	return r->api;
}

/* --- answering -------------------------------------------------------------------------- */

static uint64_t now_ms(const struct router *r)
{
	return clock_mono_ms(r->api->clock);
}

/* Errors that a well-behaved client gets every day aren't worth a line. */
static bool is_worth_a_line(const struct request_impl *q)
{
	if (q->status >= 500 || q->status == 413 || q->status == 421 || q->status == 429)
		return true;
	return q->status >= 400 && q->status != 404 && !q->r.caller.user_id.n;
}

static void log_refusal(struct request_impl *q)
{
	struct router *router = q->router;
	const struct log *log = router->api->log;
	struct str path = str_head(q->r.path, 200);

	if (!q->errcode)
		return;
	if (!is_worth_a_line(q)) {
		log_debug(log, "%.*s %.*s status=%u errcode=%s", STR_FMT(q->r.method),
			STR_FMT(path), q->status, q->errcode);
		return;
	}
	struct log_limit *limit = &router->refusals[q->status % LOG_KINDS];
	unsigned dropped = limit->dropped;
	if (!log_limit(limit, now_ms(router)))
		return;
	limit->dropped = 0;
	log_info(log, "refused %.*s %.*s status=%u errcode=%s from=%.*s more=%u",
		STR_FMT(q->r.method), STR_FMT(path), q->status, q->errcode,
		STR_FMT(q->r.address), dropped);
}

/* What the answer itself costs (route.h), and a wrong password its user. */
static void charge_answer(struct request_impl *q)
{
	const struct route *route = q->r.route;
	struct limiter *limiter = q->router->api->limiter;
	bool denied = q->status == 401 || q->status == 403;

	if (denied && q->login_key.n)
		limiter_count(limiter, COST_LOGIN, q->login_key, now_ms(q->router));
	if (!route || q->in_process)
		return;
	bool login = route->cost == COST_LOGIN && denied;
	bool account = route->cost == COST_REGISTER && q->status == 200;
	if (login || account)
		limiter_count(limiter, route->cost, q->limit_key, now_ms(q->router));
}

/* q is gone afterwards. */
static void end(struct request_impl *q)
{
	struct responder *to = q->to;
	buf_deinit(&q->body);
	buf_deinit(&q->headers);
	buf_deinit(&q->out);
	to->ops->end(to);
}

static void send_answer(struct request_impl *q)
{
	static const struct str cors = STR_INIT(ROUTER_CORS);
	struct responder *to = q->to;

	q->phase = REQUEST_SENDING;
	if (q->aborted || q->dropped) {
		if (!q->streaming || q->finished)
			end(q);
		else
			buf_clear(&q->out);
		return;
	}
	struct str headers = cors;
	if (q->headers.n) {
		buf_put_str(&q->headers, cors);
		headers = buf_str(&q->headers);
	}
	to->ops->head(to, q->status, q->content_type, headers, q->length);
	bool more = to->ops->write_take(to, &q->out);
	if (!q->streaming || q->finished) {
		end(q);
		return;
	}
	if (!q->want_drain || !more)
		return; /* router_drained() follows where it is waited for */
	q->want_drain = false;
	q->drained(&q->r);
}

static void on_durable(void *arg, enum err err)
{
	struct request_impl *q = arg;
	if (err) {
		/* What the answer says may not have been stored. */
		q->r.why.text[0] = '\0';
		bool unfinished = q->streaming && !q->finished;
		if (unfinished) {
			q->dropped = true;
		} else {
			q->streaming = false;
			reply_set_err(q, err);
		}
	}
	log_refusal(q);
	charge_answer(q);
	send_answer(q);
}

static void on_deferred(struct loop_deferred *d)
{
	on_durable(CONTAINER_OF(d, struct request_impl, deferred), ERR_OK);
}

void router_hold(struct request_impl *q)
{
	struct api *api = q->router->api;
	if (q->too_large) {
		q->dropped = q->streaming = false;
		reply_set_error(
			q, 413, "M_TOO_LARGE", STR("The request's body is too large"), 0);
	}
	q->phase = REQUEST_HELD;
	if (api->ops && api->ops->durable) {
		api->ops->durable(api->ops->arg, q->r.arena, on_durable, q);
		return;
	}
	q->deferred.fn = on_deferred;
	loop_defer(api->loop, &q->deferred);
}

static void on_finish_deferred(struct loop_deferred *d)
{
	end(CONTAINER_OF(d, struct request_impl, deferred));
}

void router_finish(struct request_impl *q)
{
	if (q->phase != REQUEST_SENDING)
		return; /* send_answer() ends it */
	/* Whoever called may be inside of drained() or a sink: it goes when they are done. */
	q->deferred.fn = on_finish_deferred;
	loop_defer(q->router->api->loop, &q->deferred);
}

void router_drained(struct request *r)
{
	struct request_impl *q = request_impl(r);
	if (!q->want_drain || q->finished)
		return;
	q->want_drain = false;
	q->drained(r);
}

void router_aborted(struct request *r)
{
	struct request_impl *q = request_impl(r);
	q->aborted = true;
	if (q->phase == REQUEST_READING) {
		reply_drop(r);
		return;
	}
	if ((q->phase == REQUEST_HELD && !q->streaming) || q->finished)
		return;
	if (r->on_abort)
		r->on_abort(r);
	else if (q->streaming)
		reply_finish(r);
	else if (q->body_started && !q->body_complete)
		reply_drop(r);
}

struct str router_refusal(
	struct router *r, unsigned status, const char *address, struct buf *body)
{
	static const struct str headers = STR_INIT(ROUTER_CORS);
	struct log_limit *limit = &r->refusals[status % LOG_KINDS];
	unsigned dropped = limit->dropped;
	if (log_limit(limit, now_ms(r)))
		log_info(r->api->log,
			"refused what is no good request status=%u from=%s more=%u", status,
			address, dropped);
	const char *errcode = status == 413 ? "M_TOO_LARGE"
		: status == 503             ? "M_LIMIT_EXCEEDED"
					    : "M_UNKNOWN";
	const char *text = status == 408 ? "The request took too long"
		: status == 503          ? "Too many requests at once"
		: status == 413          ? "The request is too large"
		: status == 431 || status == 414
		? "The request's headers are too large"
		: "This is no request that the server understands";
	struct jw w = jw_to(body);
	jw_obj(&w);
	jw_kv_z(&w, "errcode", errcode);
	jw_kv_z(&w, "error", text);
	jw_end(&w);
	return headers;
}

/* --- checks before the handler ---------------------------------------------------------- */

static void refuse(
	struct request_impl *q, unsigned status, const char *errcode, struct str text)
{
	reply_set_error(q, status, errcode, text, 0);
	router_hold(q);
}

static void answer_preflight(struct request_impl *q)
{
	struct str asked;
	buf_put_z(&q->out, "{}");
	q->status = 200;
	q->content_type = STR("application/json");
	q->length = (int64_t)q->out.n;
	buf_put_z(&q->headers, "Access-Control-Max-Age: 86400\r\n");
	if (request_header(&q->r, "access-control-request-private-network", &asked) &&
		str_eq(asked, STR("true")))
		buf_put_z(&q->headers, "Access-Control-Allow-Private-Network: true\r\n");
	router_hold(q);
}

/* The route for this method, or an answer that says that there is none. */
static const struct route *pick_route(struct request_impl *q, const struct match *m)
{
	struct str method = q->head_only ? STR("GET") : q->r.method;
	for (size_t i = 0; m->routes[i]; i++)
		if (str_eq(method, str_of(m->routes[i]->method)))
			return m->routes[i];
	refuse(q, 405, "M_UNRECOGNIZED", STR("This endpoint has no such method"));
	buf_put_z(&q->headers, "Allow: OPTIONS");
	for (size_t i = 0; m->routes[i]; i++)
		buf_printf(&q->headers, ", %s", m->routes[i]->method);
	buf_put_z(&q->headers, "\r\n");
	return NULL;
}

static bool find_route(struct request_impl *q)
{
	struct match m;
	if (!match_find(q->router->tree, q->r.path, &m)) {
		refuse(q, 404, "M_UNRECOGNIZED", STR("There is no such endpoint"));
		return false;
	}
	const struct route *route = pick_route(q, &m);
	if (!route)
		return false;
	for (size_t i = 0; i < m.n_args; i++) {
		if (percent_decode(q->r.arena, m.args[i], false, &q->r.args[i]))
			continue;
		refuse(q, 400, "M_INVALID_PARAM", STR("The path is not percent-encoded UTF-8"));
		return false;
	}
	q->r.n_args = m.n_args;
	q->r.route = route;
	return true;
}

static enum route_body body_kind(const struct route *route)
{
	if (route->body != BODY_AUTO)
		return route->body;
	switch (route->method[0]) {
	case 'G': return BODY_NONE;
	case 'P': return route->method[1] == 'U' ? BODY_OBJECT : BODY_OPTIONAL;
	default: return BODY_OPTIONAL;
	}
}

/* A page may send these without a preflight; JSON it may not (security.md L3). */
static bool check_content_type(struct request_impl *q)
{
	enum route_body kind = body_kind(q->r.route);
	struct str type = q->r.content_type;

	if (!q->r.cross_origin || kind == BODY_STREAM || kind == BODY_NONE || !q->body_length)
		return true;
	type = str_trim(str_head(type, str_find(type, ';')));
	if (str_eq_nocase(type, STR("application/json")))
		return true;
	refuse(q, 415, "M_NOT_JSON", STR("Content-Type must be application/json"));
	return false;
}

static bool find_token(struct request_impl *q, struct str authorization)
{
	static const struct str bearer = STR_INIT("Bearer ");
	if (authorization.n > bearer.n &&
		str_eq_nocase(str_head(authorization, bearer.n), bearer)) {
		q->r.token = str_trim(str_skip(authorization, bearer.n));
		return q->r.token.n > 0;
	}
	return q->router->api->query_token &&
		request_query(&q->r, "access_token", &q->r.token) && q->r.token.n > 0;
}

static bool is_logout(const struct route *route)
{
	return strcmp(route->operation, "logout") == 0 ||
		strcmp(route->operation, "logout_all") == 0;
}

static bool authenticate(struct request_impl *q, struct str authorization)
{
	const struct api_ops *ops = q->router->api->ops;
	const struct route *route = q->r.route;
	enum route_auth kind = route->auth;

	if (kind == AUTH_NONE)
		return true;
	bool needed = kind == AUTH_TOKEN || kind == AUTH_TOKEN_OR_GUEST ||
		(kind == AUTH_UNLESS_LOCAL && q->r.cross_origin);
	if (!find_token(q, authorization)) {
		if (!needed)
			return true;
		refuse(q, 401, "M_MISSING_TOKEN", STR("An access token is needed"));
		return false;
	}
	enum err err = ops->authenticate(ops->arg, q->r.token, request_address(&q->r),
		q->r.arena, &q->r.caller, &q->r.why);
	if (err) {
		q->r.caller.user_id = (struct str){ 0 };
		reply_set_err(q, err);
		router_hold(q);
		return false;
	}
	if (q->r.caller.locked && !is_logout(route)) {
		refuse(q, 401, "M_USER_LOCKED", STR("This account is locked"));
		return false;
	}
	if (q->r.caller.suspended && route->suspended == SUSPENDED_MAY_NOT) {
		refuse(q, 403, "M_USER_SUSPENDED",
			STR("You cannot perform this action while suspended."));
		return false;
	}
	if (q->r.caller.guest && kind == AUTH_TOKEN) {
		refuse(q, 403, "M_GUEST_ACCESS_FORBIDDEN", STR("Guests may not do this"));
		return false;
	}
	return true;
}

static bool check_rate(struct request_impl *q, struct str origin)
{
	struct limiter *limiter = q->router->api->limiter;
	enum route_cost cost = q->r.route->cost;

	bool failures = cost == COST_LOGIN || cost == COST_REGISTER;
	if (!limiter || q->in_process || (q->r.caller.owner && cost != COST_LOGIN))
		return true;
	if (q->r.caller.user_id.n)
		q->limit_key = q->r.caller.user_id;
	else if (origin.n)
		q->limit_key = arena_printf(q->r.arena, "%.*s %.*s", STR_FMT(q->r.address),
			STR_FMT(str_head(origin, 200)));
	else
		q->limit_key = q->r.address;
	uint64_t wait = limiter_wait_ms(limiter, cost, q->limit_key, now_ms(q->router));
	if (wait) {
		reply_limited(&q->r, wait);
		return false;
	}
	if (!failures)
		limiter_count(limiter, cost, q->limit_key, now_ms(q->router));
	return true;
}

static uint64_t body_limit(const struct request_impl *q)
{
	return q->r.route->body_limit ? q->r.route->body_limit : LIMIT_BODY_DEFAULT;
}

static void refuse_size(struct request_impl *q)
{
	q->too_large = true;
	if (q->body_started && q->r.on_abort)
		q->r.on_abort(&q->r); /* whatever it replies, then or later, becomes a 413 */
	else
		router_hold(q);
}

/* --- the body and the handler ----------------------------------------------------------- */

/* Ends a request whose handler returned err. */
static void after_handler(struct request_impl *q, enum err err)
{
	if (err) {
		assert(q->phase == REQUEST_HANDLING); /* it had replied, and failed as well */
		reply_set_err(q, err);
		router_hold(q);
		return;
	}
	bool has_all = body_kind(q->r.route) != BODY_STREAM || q->body_complete;
	if (q->phase == REQUEST_HANDLING && has_all)
		q->to->ops->park(q->to);
}

static void run_handler(struct request_impl *q)
{
	q->phase = REQUEST_HANDLING;
	after_handler(q, q->r.route->handler(&q->r));
}

static void on_ready(void *arg, enum err err)
{
	struct request_impl *q = arg;

	if (!err) {
		run_handler(q);
		return;
	}
	reply_set_err(q, err);
	router_hold(q);
}

/* What may write waits while the store writes its log into the database (store_ready()). */
static void run_when_ready(struct request_impl *q)
{
	const struct api_ops *ops = q->router->api->ops;

	if (q->r.route->method[0] == 'G' || !ops || !ops->ready ||
		ops->ready(ops->arg, q->r.arena, on_ready, q)) {
		run_handler(q);
		return;
	}
	q->phase = REQUEST_HANDLING;
	q->to->ops->park(q->to);
}

static void parse_body_and_run(struct request_impl *q)
{
	struct str text = buf_str(&q->body);
	enum route_body kind = body_kind(q->r.route);

	if (kind == BODY_NONE) {
		run_when_ready(q);
		return;
	}
	if (kind == BODY_OPTIONAL && str_trim(text).n == 0)
		text = STR("{}");
	q->r.body_bytes = text;
	bool is_json = false;
	enum err err = json_parse_body(
		q->r.arena, text, &json_limits_client, &q->r.body, &is_json, &q->r.why);
	if (err == ERR_MALFORMED) {
		refuse(q, 400, is_json ? "M_BAD_JSON" : "M_NOT_JSON", str_of(q->r.why.text));
	} else if (err) {
		reply_set_err(q, err);
		router_hold(q);
	} else if (!json_is(q->r.body, JSON_OBJECT)) {
		refuse(q, 400, "M_BAD_JSON", STR("The body must be a JSON object"));
	} else {
		run_when_ready(q);
	}
}

void router_body(struct request *r, struct str bytes)
{
	struct request_impl *q = request_impl(r);
	bool streamed = q->body_started;

	q->body_got += bytes.n;
	if (q->phase != REQUEST_READING && !(streamed && q->phase == REQUEST_HANDLING))
		return; /* nobody wants it any more */
	if (q->too_large)
		return;
	if (q->body_got > body_limit(q)) {
		refuse_size(q);
		return;
	}
	if (!streamed) {
		if (body_kind(r->route) != BODY_NONE)
			buf_put_str(&q->body, bytes);
		return;
	}
	after_handler(q, q->sink->data(r, bytes));
}

void router_body_end(struct request *r)
{
	struct request_impl *q = request_impl(r);
	if (q->phase == REQUEST_READING) {
		parse_body_and_run(q);
		return;
	}
	if (!q->body_started || q->phase != REQUEST_HANDLING || q->too_large)
		return;
	q->body_complete = true;
	after_handler(q, q->sink->end(r));
}

/* --- the beginning ---------------------------------------------------------------------- */

static struct request_impl *request_impl_new(struct router *router, const struct router_head *h)
{
	struct request_impl *q = ARENA_NEW(h->arena, struct request_impl);
	q->router = router;
	q->to = h->to;
	q->in_process = h->in_process;
	q->body_length = h->length;
	q->head_only = str_eq(h->method, STR("HEAD"));
	q->r = (struct request){
		.api = router->api,
		.arena = h->arena,
		.method = h->method,
		.target = h->target,
		.content_type = h->content_type,
		.host = h->host,
		.user_agent = h->user_agent,
		.address = h->address,
		.cross_origin = (h->origin.n && !hosts_is_own_page(h->host, h->origin)) ||
			str_eq_nocase(h->sec_fetch_site, STR("cross-site")),
		.impl = q,
	};
	(void)str_cut(h->target, '?', &q->r.path, &q->r.query);
	return q;
}

struct request *router_begin(struct router *router, const struct router_head *h)
{
	struct request_impl *q = request_impl_new(router, h);
	struct request *r = &q->r;

	if (!q->in_process && !hosts_is_ours(router->api, h->host)) {
		refuse(q, 421, "M_FORBIDDEN", STR("This server has another name"));
		return r;
	}
	if (str_eq(h->method, STR("OPTIONS"))) {
		answer_preflight(q);
		return r;
	}
	if (!find_route(q) || !check_content_type(q) || !authenticate(q, h->authorization) ||
		!check_rate(q, h->origin))
		return r;
	if (h->length > 0 && (uint64_t)h->length > body_limit(q)) {
		refuse_size(q);
		return r;
	}
	if (body_kind(r->route) == BODY_STREAM)
		run_handler(q);
	else if (h->length == 0)
		parse_body_and_run(q);
	else
		q->to->ops->read_body(q->to);
	return r;
}
