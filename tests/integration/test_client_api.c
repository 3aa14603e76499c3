/*
 * The dispatcher over real sockets: what every endpoint gets for free, and what a web page of
 * another origin must not (security.md L and H).
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "client-api/limiter.h"
#include "client-api/listener.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "tests/support/cmocka.h"
#include "tests/support/raw_http.h"
#include "transport/lws.h"

#define NAME "node-name-that-nobody-may-learn"

struct world {
	struct loop_uv *uv;
	struct lws_node *lws;
	struct api api;
	struct api_ops ops;
	struct router *router;
	struct client_listener *listener;
	uint16_t port;
	struct log log;
	struct buf logged;

	enum err disk;     /* what durable() tells */
	bool disk_is_slow; /* durable() waits for release() */
	bool not_ready;    /* ready() puts off */
	unsigned put_off;
	void (*ready_fn)(void *, enum err);
	void *ready_arg;
	struct loop_deferred durable;
	void (*durable_fn)(void *, enum err);
	void *durable_arg;
	unsigned held;

	struct request *parked;
	unsigned aborted;
	size_t uploaded;
	size_t streamed;
	enum err fail_with;
};

static struct world *the_world(struct request *r)
{
	return CONTAINER_OF(r->api, struct world, api);
}

/* --- endpoints -------------------------------------------------------------------------- */

static enum err echo(struct request *r)
{
	struct jw w;
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_z(&w, "operation", r->route->operation);
	jw_key(&w, "args");
	jw_arr(&w);
	for (size_t i = 0; i < r->n_args; i++)
		jw_str(&w, r->args[i]);
	jw_end(&w);
	jw_kv_str(&w, "user", r->caller.user_id);
	if (r->body)
		jw_kv_json(&w, "body", r->body);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static enum err query(struct request *r)
{
	struct str s = STR("none");
	int64_t n = 7;
	bool b = false;
	size_t at = 0, count = 0;
	struct str each;
	enum err err = request_query_int(r, "n", 0, 100, &n);
	if (!err)
		err = request_query_bool(r, "b", &b);
	if (err)
		return err;
	(void)request_query(r, "s", &s);
	while (request_query_each(r, "via", &at, &each))
		count++;
	struct jw w;
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_int(&w, "n", n);
	jw_kv_bool(&w, "b", b);
	jw_kv_str(&w, "s", s);
	jw_kv_int(&w, "via", (int64_t)count);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static enum err fail_here(struct request *r)
{
	return err_set(&r->why, the_world(r)->fail_with, "user @secret:" NAME " did it");
}

static enum err guess(struct request *r)
{
	struct str user = STR("");
	(void)request_query(r, "user", &user);
	enum err err = request_limit_login(r, user);
	return err ? err : fail_here(r);
}

static enum err in_use(struct request *r)
{
	reply_error(r, 400, "M_USER_IN_USE", "taken: %d", 5);
	return ERR_OK;
}

static void poll_aborted(struct request *r)
{
	the_world(r)->aborted++;
	the_world(r)->parked = NULL;
	reply_drop(r);
}

static enum err poll(struct request *r)
{
	the_world(r)->parked = r;
	r->on_abort = poll_aborted;
	return ERR_OK;
}

static enum err upload_data(struct request *r, struct str bytes)
{
	the_world(r)->uploaded += bytes.n;
	return ERR_OK;
}

static enum err upload_end(struct request *r)
{
	struct buf b = { 0 };
	buf_printf(&b, "{\"bytes\":%zu}", the_world(r)->uploaded);
	reply_json(r, &b);
	return ERR_OK;
}

static void upload_aborted(struct request *r)
{
	the_world(r)->aborted++;
	reply_drop(r);
}

static enum err upload(struct request *r)
{
	static const struct request_sink sink = { upload_data, upload_end };
	the_world(r)->uploaded = 0;
	r->on_abort = upload_aborted;
	request_body_start(r, &sink);
	return ERR_OK;
}

#define DOWNLOAD (3u * 1024 * 1024)

static void download_more(struct request *r)
{
	struct world *w = the_world(r);
	char piece[8192];
	memset(piece, 'd', sizeof(piece));
	while (w->streamed < DOWNLOAD) {
		w->streamed += sizeof(piece);
		if (!reply_write(r, (struct str){ piece, sizeof(piece) }))
			return;
	}
	reply_finish(r);
}

static enum err download(struct request *r)
{
	the_world(r)->streamed = 0;
	reply_header(r, "Content-Disposition", STR("attachment; filename=\"a\r\nb\""));
	reply_stream(r, 200, "image/png", DOWNLOAD, download_more);
	download_more(r);
	return ERR_OK;
}

#define P "/_matrix/client/v3"
static const struct route test_routes[] = {
	{ "open", "GET", P "/open/{x}", AUTH_NONE, COST_FREE, echo, BODY_AUTO, 0 },
	{ "optional", "GET", P "/optional", AUTH_OPTIONAL, COST_FREE, echo, BODY_AUTO, 0 },
	{ "profile", "GET", P "/profile/{userId}", AUTH_UNLESS_LOCAL, COST_FREE, echo,
		BODY_AUTO, 0 },
	{ "get", "GET", P "/thing/{a}/{b}", AUTH_TOKEN, COST_READ, echo, BODY_AUTO, 0 },
	{ "put", "PUT", P "/thing/{a}/{b}", AUTH_TOKEN, COST_WRITE, echo, BODY_AUTO, 64 },
	{ "post", "POST", P "/thing/{a}/{b}", AUTH_TOKEN, COST_WRITE, echo, BODY_AUTO, 0 },
	{ "guest", "GET", P "/guest", AUTH_TOKEN_OR_GUEST, COST_FREE, echo, BODY_AUTO, 0 },
	{ "query", "GET", P "/query", AUTH_NONE, COST_FREE, query, BODY_AUTO, 0 },
	{ "fail", "GET", P "/fail", AUTH_NONE, COST_FREE, fail_here, BODY_AUTO, 0 },
	{ "in_use", "POST", P "/in_use", AUTH_NONE, COST_FREE, in_use, BODY_AUTO, 0 },
	{ "login", "POST", P "/login", AUTH_NONE, COST_LOGIN, fail_here, BODY_AUTO, 0 },
	{ "guess", "POST", P "/guess", AUTH_OPTIONAL, COST_FREE, guess, BODY_AUTO, 0 },
	{ "logout", "POST", P "/logout", AUTH_TOKEN, COST_FREE, echo, BODY_AUTO, 0 },
	{ "sync", "GET", P "/sync", AUTH_TOKEN, COST_FREE, poll, BODY_AUTO, 0 },
	{ "upload", "POST", "/_matrix/media/v3/upload", AUTH_TOKEN, COST_FREE, upload,
		BODY_STREAM, 100000 },
	{ "download", "GET", P "/download", AUTH_NONE, COST_FREE, download, BODY_AUTO, 0 },
	{ 0 },
};

/* --- the world -------------------------------------------------------------------------- */

static enum err authenticate(void *arg, struct str token, struct str address, struct arena *a,
	struct caller *out, struct err_ctx *why)
{
	struct caller c = { .user_id = STR("@alice:" NAME), .device_id = STR("D") };
	(void)arg, (void)a, (void)address;
	if (str_eq(token, STR("guest")))
		c.guest = true;
	else if (str_eq(token, STR("locked")))
		c.locked = true;
	else if (str_eq(token, STR("owner")))
		c.owner = true;
	else if (!str_eq(token, STR("alice"))) {
		out->soft_logout = str_eq(token, STR("old"));
		return err_set(why, ERR_UNAUTHORIZED, "this token is not known");
	}
	*out = c;
	return ERR_OK;
}

static void on_durable(struct loop_deferred *d)
{
	struct world *w = CONTAINER_OF(d, struct world, durable);
	w->durable_fn(w->durable_arg, w->disk);
}

struct waiter {
	struct loop_deferred d;
	struct world *w;
	void (*fn)(void *, enum err);
	void *arg;
};

static void waiter_due(struct loop_deferred *d)
{
	struct waiter *wt = CONTAINER_OF(d, struct waiter, d);
	wt->fn(wt->arg, wt->w->disk);
}

static void durable(void *arg, struct arena *a, void (*fn)(void *, enum err), void *fn_arg)
{
	struct world *w = arg;
	if (w->disk_is_slow) {
		w->durable.fn = on_durable;
		w->durable_fn = fn;
		w->durable_arg = fn_arg;
		w->held++;
		return;
	}
	struct waiter *wt = ARENA_NEW(a, struct waiter);
	*wt = (struct waiter){ .d.fn = waiter_due, .w = w, .fn = fn, .arg = fn_arg };
	loop_defer(w->api.loop, &wt->d);
}

static bool ready(void *arg, struct arena *a, void (*fn)(void *, enum err), void *fn_arg)
{
	struct world *w = arg;
	(void)a;
	if (!w->not_ready)
		return true;
	w->put_off++;
	w->ready_fn = fn;
	w->ready_arg = fn_arg;
	return false;
}

static void write_log(void *arg, enum log_level level, const char *line)
{
	struct world *w = arg;
	(void)level;
	buf_put_z(&w->logged, line);
	buf_put_z(&w->logged, "\n");
}

static const struct route *const tables[] = { test_routes, basics_routes, NULL };

static int set_up(void **state)
{
	struct world *w = NEW(struct world);
	struct err_ctx why = { 0 };
	assert_int_equal(loop_uv_new(NULL, &w->uv), ERR_OK);
	assert_int_equal(lws_node_new(loop_uv_handle(w->uv), NULL, &w->lws, &why), ERR_OK);
	w->log = (struct log){ LOG_DEBUG, write_log, w };
	w->ops = (struct api_ops){ authenticate, durable, w, ready };
	w->api = (struct api){
		.loop = loop_uv_loop(w->uv),
		.clock = &clock_system,
		.rng = &rng_system,
		.log = &w->log,
		.ops = &w->ops,
		.limiter = limiter_new(),
		.server_name = STR(NAME),
		.default_room_version = STR("12"),
	};
	w->router = router_new(&w->api, tables);
	assert_int_equal(
		client_listener_new(&(struct client_listener_options){ .router = w->router,
					    .lws = w->lws,
					    .uv = loop_uv_handle(w->uv),
					    .host = "127.0.0.1" },
			&w->listener, &why),
		ERR_OK);
	w->port = client_listener_port(w->listener);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	client_listener_free(w->listener);
	lws_node_stop(w->lws);
	loop_uv_run(w->uv);
	lws_node_free(w->lws);
	router_free(w->router);
	limiter_free(w->api.limiter);
	loop_uv_free(w->uv);
	buf_deinit(&w->logged);
	free(w);
	return 0;
}

#define H       "Host: localhost:8008\r\n"
#define ALICE   "Authorization: Bearer alice\r\n"
#define PAGE    "Origin: https://evil.example\r\n"
#define IS_JSON "Content-Type: application/json\r\n"

struct case_ {
	const char *line; /* method and target */
	const char *headers;
	const char *body; /* NULL: none, and no Content-Length */
	unsigned status;
	const char *contains;
};

static void ask(struct world *w, const struct case_ *c, struct raw_answer *a)
{
	struct buf b = { 0 };
	buf_printf(&b, "%s HTTP/1.1\r\n%s", c->line, c->headers);
	if (c->body)
		buf_printf(&b, "Content-Length: %zu\r\n", strlen(c->body));
	buf_printf(&b, "\r\n%s", c->body ? c->body : "");
	buf_put_u8(&b, 0);
	raw_once(w->uv, w->port, b.p, a);
	buf_deinit(&b);
}

static void check(struct world *w, const struct case_ *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct raw_answer a = { 0 };
		size_t at;
		ask(w, &cases[i], &a);
		buf_put_u8(&a.body, 0);
		a.body.n--;
		if (a.status != cases[i].status)
			fail_msg("%s %s: %u %s", cases[i].line, cases[i].headers, a.status,
				a.body.p);
		if (!str_find_str(buf_str(&a.body), str_of(cases[i].contains), &at))
			fail_msg("%s %s: %s", cases[i].line, cases[i].headers, a.body.p);
		/* Every answer, errors included, is readable by a web client. */
		assert_str_equal(raw_header(&a, "Access-Control-Allow-Origin"), "*");
		assert_str_equal(raw_header(&a, "Access-Control-Allow-Methods"),
			"GET, POST, PUT, DELETE, OPTIONS");
		assert_str_equal(raw_header(&a, "Access-Control-Allow-Headers"),
			"X-Requested-With, Content-Type, Authorization");
		assert_false(raw_has_header(&a, "Access-Control-Allow-Credentials"));
		assert_false(raw_has_header(&a, "Set-Cookie"));
		assert_str_equal(raw_header(&a, "Content-Type"), "application/json");
		raw_answer_deinit(&a);
	}
}

/* --- tests ------------------------------------------------------------------------------ */

static void paths_methods_and_arguments(void **state)
{
	static const struct case_ cases[] = {
		{ "GET " P "/thing/a%2Fb/%C3%A4+", H ALICE, NULL, 200,
			"\"args\":[\"a/b\",\"\xc3\xa4+\"]" },
		{ "GET " P "/thing/a/", H ALICE, NULL, 200, "\"args\":[\"a\",\"\"]" },
		{ "GET " P "/thing/a/%00", H ALICE, NULL, 400, "M_INVALID_PARAM" },
		{ "GET " P "/thing/a/%ff", H ALICE, NULL, 400, "M_INVALID_PARAM" },
		{ "GET " P "/thing/a/%4", H ALICE, NULL, 400, "M_INVALID_PARAM" },
		{ "GET " P "/thing/a/%zz", H ALICE, NULL, 400, "M_INVALID_PARAM" },
		{ "GET " P "/nothing", H ALICE, NULL, 404, "M_UNRECOGNIZED" },
		{ "GET /", H, NULL, 404, "M_UNRECOGNIZED" },
		{ "DELETE " P "/thing/a/b", H ALICE, NULL, 405, "M_UNRECOGNIZED" },
		{ "PATCH " P "/thing/a/b", H ALICE, "{}", 405, "M_UNRECOGNIZED" },
		{ "GET " P "/query?n=5&b=true&s=a%26+b&via=x&via=y", H, NULL, 200,
			"{\"n\":5,\"b\":true,\"s\":\"a& b\",\"via\":2}" },
		{ "GET " P "/query?n=500&&=&s", H, NULL, 200,
			"{\"n\":100,\"b\":false,\"s\":\"\"" },
		{ "GET " P "/query?n=five", H, NULL, 400, "M_INVALID_PARAM" },
		{ "GET " P "/query?b=1", H, NULL, 400, "M_INVALID_PARAM" },
	};
	check(*state, cases, ARRAY_LEN(cases));
}

static void tokens(void **state)
{
	static const struct case_ cases[] = {
		{ "GET " P "/thing/a/b", H, NULL, 401, "M_MISSING_TOKEN" },
		{ "GET " P "/thing/a/b", H "Authorization: Basic alice\r\n", NULL, 401,
			"M_MISSING_TOKEN" },
		{ "GET " P "/thing/a/b", H "Authorization: Bearer\r\n", NULL, 401,
			"M_MISSING_TOKEN" },
		{ "GET " P "/thing/a/b?access_token=alice", H, NULL, 401, "M_MISSING_TOKEN" },
		{ "GET " P "/thing/a/b", H "Authorization: Bearer eve\r\n", NULL, 401,
			"\"M_UNKNOWN_TOKEN\",\"error\":\"this token is not "
			"known\",\"soft_logout\":false" },
		{ "GET " P "/thing/a/b", H "Authorization: bearer old\r\n", NULL, 401,
			"\"soft_logout\":true" },
		{ "GET " P "/thing/a/b", H "Authorization: Bearer guest\r\n", NULL, 403,
			"M_GUEST_ACCESS_FORBIDDEN" },
		{ "GET " P "/guest", H "Authorization: Bearer guest\r\n", NULL, 200, "@alice" },
		{ "GET " P "/guest", H "Authorization: Bearer locked\r\n", NULL, 401,
			"M_USER_LOCKED" },
		{ "POST " P "/logout", H "Authorization: Bearer locked\r\n", NULL, 200,
			"logout" },
		{ "GET " P "/optional", H, NULL, 200, "\"user\":\"\"" },
		{ "GET " P "/optional", H ALICE, NULL, 200, "@alice" },
		{ "GET " P "/optional", H "Authorization: Bearer eve\r\n", NULL, 401,
			"M_UNKNOWN_TOKEN" },
		{ "GET " P "/open/x", H "Authorization: Bearer eve\r\n", NULL, 200,
			"\"user\":\"\"" },
	};
	check(*state, cases, ARRAY_LEN(cases));
}

static void bodies(void **state)
{
	static char big[80];
	const struct case_ cases[] = {
		{ "PUT " P "/thing/a/b", H ALICE, "{\"x\":[1]}", 200, "\"body\":{\"x\":[1]}" },
		{ "PUT " P "/thing/a/b", H ALICE "Content-Type: text/plain\r\n", "{}", 200,
			"{}" },
		{ "PUT " P "/thing/a/b", H ALICE, "", 400, "M_NOT_JSON" },
		{ "PUT " P "/thing/a/b", H ALICE, NULL, 400, "M_NOT_JSON" },
		{ "PUT " P "/thing/a/b", H ALICE, "{", 400, "M_NOT_JSON" },
		{ "PUT " P "/thing/a/b", H ALICE, "{}x", 400, "M_NOT_JSON" },
		{ "PUT " P "/thing/a/b", H ALICE, "{\"a\":1,\"a\":2}", 400, "M_BAD_JSON" },
		{ "PUT " P "/thing/a/b", H ALICE, "[]", 400, "M_BAD_JSON" },
		{ "PUT " P "/thing/a/b", H ALICE, "null", 400, "M_BAD_JSON" },
		{ "PUT " P "/thing/a/b", H ALICE, big, 413, "M_TOO_LARGE" },
		{ "PUT " P "/thing/a/b", H "Content-Length: 99999999999\r\n" ALICE, NULL, 413,
			"M_TOO_LARGE" },
		{ "PUT " P "/thing/a/b", H "Content-Length: 99999999999\r\n", NULL, 401,
			"M_MISSING_TOKEN" },
		{ "POST " P "/thing/a/b", H ALICE, NULL, 200, "\"body\":{}" },
		{ "POST " P "/thing/a/b", H ALICE, " ", 200, "\"body\":{}" },
		{ "POST " P "/thing/a/b", H ALICE, "7", 400, "M_BAD_JSON" },
		{ "GET " P "/thing/a/b", H ALICE, "[[[", 200, "get" },
	};
	memset(big, ' ', 66);
	memcpy(big, "{}", 2);
	check(*state, cases, ARRAY_LEN(cases));
	big[64] = '\0';
	const struct case_ edge = { "PUT " P "/thing/a/b", H ALICE, big, 200, "{}" };
	check(*state, &edge, 1);
}

static void a_chunked_body_over_the_limit_is_refused(void **state)
{
	const struct case_ cases[] = {
		{ "PUT " P "/thing/a/b",
			H ALICE "Transfer-Encoding: chunked\r\n\r\n"
				"3f\r\n{\"a\":\"                                     "
				"                  \"}\r\n1\r\n \r\n0\r\n",
			NULL, 200, "body" },
		{ "PUT " P "/thing/a/b",
			H ALICE "Transfer-Encoding: chunked\r\n\r\n"
				"3f\r\n{\"a\":\"                                     "
				"                  \"}\r\n2\r\n  \r\n0\r\n",
			NULL, 413, "M_TOO_LARGE" },
	};
	check(*state, cases, ARRAY_LEN(cases));
}

static void foreign_hosts_are_refused_before_anything_else(void **state)
{
	static const struct case_ cases[] = {
		{ "GET /_matrix/client/versions", "Host: evil.example\r\n", NULL, 421,
			"errcode" },
		{ "GET " P "/open/x", "Host: localhost.evil.example\r\n" PAGE, NULL, 421,
			"errcode" },
		{ "POST " P "/login", "Host: evil.example:8008\r\n" IS_JSON, "{}", 421,
			"errcode" },
		{ "OPTIONS " P "/login", "Host: evil.example\r\n", NULL, 421, "errcode" },
		{ "GET http://evil.example/_matrix/client/versions", H, NULL, 421, "errcode" },
		{ "GET http://localhost/_matrix/client/versions", "Host: evil.example\r\n",
			NULL, 200, "v1.12" },
		{ "GET /_matrix/client/versions", "Host: a@localhost\r\n", NULL, 400,
			"errcode" },
		{ "GET /_matrix/client/versions", H H, NULL, 400, "errcode" },
		{ "GET /_matrix/client/versions", "", NULL, 400, "errcode" },
		{ "GET /_matrix/client/versions", "Host:\r\n", NULL, 421, "errcode" },
	};
	check(*state, cases, ARRAY_LEN(cases));
}

static void a_page_may_not_send_what_needs_no_preflight(void **state)
{
	static const struct case_ cases[] = {
		{ "POST " P "/in_use", H PAGE, "{}", 415, "errcode" },
		{ "POST " P "/in_use", H PAGE "Content-Type: text/plain\r\n", "{}", 415,
			"errcode" },
		{ "POST " P "/in_use",
			H PAGE "Content-Type: multipart/form-data; boundary=x\r\n", "{}", 415,
			"errcode" },
		{ "POST " P "/in_use",
			H "Sec-Fetch-Site: cross-site\r\n"
			  "Content-Type: application/x-www-form-urlencoded\r\n",
			"a=b", 415, "errcode" },
		{ "POST " P "/in_use", H PAGE "Content-Type: application/jsonx\r\n", "{}", 415,
			"errcode" },
		{ "POST " P "/in_use",
			H PAGE "Content-Type: Application/JSON; charset=utf-8\r\n", "{}", 400,
			"M_USER_IN_USE" },
		{ "POST " P "/in_use", H "Content-Type: text/plain\r\n", "{}", 400,
			"M_USER_IN_USE" },
		{ "POST /_matrix/media/v3/upload", H PAGE "Content-Type: text/plain\r\n", "x",
			401, "M_MISSING_TOKEN" },
	};
	check(*state, cases, ARRAY_LEN(cases));
}

static void a_page_learns_nothing_that_identifies(void **state)
{
	static const char *const lines[] = { "GET " P "/profile/x", "GET " P "/fail",
		"GET /_matrix/client/versions", "GET /.well-known/matrix/client",
		"GET " P "/nothing", "POST " P "/login" };
	static const struct case_ cases[] = {
		{ "GET " P "/profile/x", H PAGE, NULL, 401, "M_MISSING_TOKEN" },
		{ "GET " P "/profile/x", H "Sec-Fetch-Site: cross-site\r\n", NULL, 401,
			"M_MISSING_TOKEN" },
		{ "GET " P "/profile/x", H PAGE "Authorization: Bearer eve\r\n", NULL, 401,
			"M_UNKNOWN_TOKEN" },
		{ "GET " P "/profile/x", H PAGE ALICE, NULL, 200, "@alice" },
		{ "GET " P "/profile/x", H, NULL, 200, "profile" },
	};
	struct world *w = *state;
	w->fail_with = ERR_FORBIDDEN;
	check(w, cases, ARRAY_LEN(cases));
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct case_ c = { lines[i], H PAGE IS_JSON, NULL, 0, "" };
		struct raw_answer a = { 0 };
		size_t at;
		ask(w, &c, &a);
		assert_false(str_find_str(buf_str(&a.body), STR(NAME), &at));
		assert_false(str_find_str(buf_str(&a.body), STR("@secret"), &at));
		assert_false(str_find_str(buf_str(&a.head), STR(NAME), &at));
		raw_answer_deinit(&a);
	}
	const struct case_ own = { "GET " P "/fail", H, NULL, 403, "@secret" };
	check(w, &own, 1);
}

static void preflights_are_answered_before_anything_is_done(void **state)
{
	static const struct case_ cases[] = {
		{ "OPTIONS " P "/thing/a/b", H PAGE, NULL, 200, "{}" },
		{ "OPTIONS " P "/nothing", H PAGE, NULL, 200, "{}" },
		{ "OPTIONS *", H PAGE, NULL, 200, "{}" },
	};
	struct world *w = *state;
	struct raw_answer a = { 0 };
	check(w, cases, ARRAY_LEN(cases));
	const struct case_ net = { "OPTIONS " P "/login",
		H PAGE "Access-Control-Request-Private-Network: true\r\n", NULL, 200, "" };
	ask(w, &net, &a);
	assert_str_equal(raw_header(&a, "Access-Control-Allow-Private-Network"), "true");
	ask(w, &cases[0], &a);
	assert_false(raw_has_header(&a, "Access-Control-Allow-Private-Network"));
	raw_answer_deinit(&a);
}

static void errors_have_their_status_and_code(void **state)
{
	static const struct {
		enum err err;
		unsigned status;
		const char *errcode;
	} cases[] = {
		{ ERR_MALFORMED, 400, "M_BAD_JSON" },
		{ ERR_INVALID, 400, "M_INVALID_PARAM" },
		{ ERR_FORBIDDEN, 403, "M_FORBIDDEN" },
		{ ERR_NOT_FOUND, 404, "M_NOT_FOUND" },
		{ ERR_TOO_LARGE, 413, "M_TOO_LARGE" },
		{ ERR_LIMIT, 429, "M_LIMIT_EXCEEDED" },
		{ ERR_FULL, 507, "M_UNKNOWN" },
		{ ERR_UNREACHABLE, 502, "M_UNKNOWN" },
	};
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct case_ c = { "GET " P "/fail", H, NULL, cases[i].status,
			cases[i].errcode };
		w->fail_with = cases[i].err;
		check(w, &c, 1);
	}
	struct raw_answer a = { 0 };
	w->fail_with = ERR_LIMIT;
	raw_once(w->uv, w->port, "GET " P "/fail HTTP/1.1\r\n" H "\r\n", &a);
	assert_str_equal(raw_header(&a, "Retry-After"), "1");
	raw_answer_deinit(&a);
}

static void what_is_no_request_gets_a_matrix_error(void **state)
{
	static const struct {
		const char *bytes;
		unsigned status;
	} cases[] = {
		{ "GARBAGE\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 400 },
		{ "PUT / HTTP/1.1\r\n" H "Content-Encoding: gzip\r\n\r\n", 415 },
		{ "GET / HTTP/4.0\r\n\r\n", 505 },
	};
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct raw_answer a = { 0 };
		size_t at;
		raw_once(w->uv, w->port, cases[i].bytes, &a);
		assert_int_equal(a.status, cases[i].status);
		assert_true(str_find_str(buf_str(&a.body), STR("\"errcode\":\"M_"), &at));
		assert_str_equal(raw_header(&a, "Access-Control-Allow-Origin"), "*");
		assert_str_equal(raw_header(&a, "Content-Type"), "application/json");
		raw_answer_deinit(&a);
	}
}

static void no_answer_leaves_before_the_disk_has_it(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	w->disk_is_slow = true;
	raw_send_z(&r, "GET " P "/open/x HTTP/1.1\r\n" H "\r\n");
	raw_turn(w->uv, 20);
	assert_int_equal(w->held, 1);
	assert_int_equal(r.in.n, 0);
	loop_defer(w->api.loop, &w->durable);
	raw_answer(&r, &a);
	assert_int_equal(a.status, 200);

	raw_send_z(&r, "GET " P "/open/x HTTP/1.1\r\n" H "\r\n");
	raw_turn(w->uv, 20);
	w->disk = ERR_FULL;
	loop_defer(w->api.loop, &w->durable);
	raw_answer(&r, &a);
	assert_int_equal(a.status, 507);

	/* The client goes while its answer is held. */
	raw_send_z(&r, "GET " P "/open/x HTTP/1.1\r\n" H "\r\n");
	raw_turn(w->uv, 20);
	assert_int_equal(w->held, 3);
	raw_close(&r);
	raw_turn(w->uv, 20);
	loop_defer(w->api.loop, &w->durable);
	raw_turn(w->uv, 20);
	raw_answer_deinit(&a);
}

static void what_may_write_waits_until_the_store_is_ready(void **state)
{
#define PUT_THING "PUT " P "/thing/a/b HTTP/1.1\r\n" H ALICE "Content-Length: 2\r\n\r\n{}"
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	w->not_ready = true;
	raw_send_z(&r, PUT_THING);
	raw_turn(w->uv, 20);
	assert_int_equal(w->put_off, 1);
	assert_int_equal(r.in.n, 0);
	/* Who only reads is not put off. */
	raw_once(w->uv, w->port, "GET " P "/open/x HTTP/1.1\r\n" H "\r\n", &a);
	assert_int_equal(a.status, 200);
	w->ready_fn(w->ready_arg, ERR_OK);
	raw_answer(&r, &a);
	assert_int_equal(a.status, 200);

	raw_send_z(&r, PUT_THING);
	raw_turn(w->uv, 20);
	w->ready_fn(w->ready_arg, ERR_CANCELLED);
	raw_answer(&r, &a);
	assert_int_equal(a.status, 503);

	/* The client goes meanwhile. */
	raw_send_z(&r, PUT_THING);
	raw_turn(w->uv, 20);
	assert_int_equal(w->put_off, 3);
	raw_close(&r);
	raw_turn(w->uv, 20);
	w->ready_fn(w->ready_arg, ERR_OK);
	raw_turn(w->uv, 20);
	raw_answer_deinit(&a);
#undef PUT_THING
}

static void a_long_poll_hears_of_its_client(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "GET " P "/sync HTTP/1.1\r\n" H ALICE "\r\n");
	raw_turn(w->uv, 20);
	assert_non_null(w->parked);
	assert_int_equal(client_listener_stats(w->listener).active, 0);
	reply_empty(w->parked);
	raw_answer(&r, &a);
	assert_str_equal(buf_str(&a.body), "{}");
	w->parked = NULL;
	raw_send_z(&r, "GET " P "/sync HTTP/1.1\r\n" H ALICE "\r\n");
	raw_turn(w->uv, 20);
	assert_non_null(w->parked);
	raw_close(&r);
	raw_turn(w->uv, 20);
	assert_int_equal(w->aborted, 1);
	assert_int_equal(client_listener_stats(w->listener).conns, 0);
	raw_answer_deinit(&a);
}

static void put_bytes(struct buf *b, size_t n)
{
	memset(buf_reserve(b, n), 'u', n);
	b->n += n;
}

static void uploads_are_streamed_and_bounded(void **state)
{
	struct world *w = *state;
	for (int over = 0; over < 2; over++) {
		struct raw_answer a = { 0 };
		struct buf b = { 0 };
		struct raw r;
		raw_open(&r, w->uv, w->port);
		buf_printf(&b,
			"POST /_matrix/media/v3/upload HTTP/1.1\r\n" H ALICE
			"Transfer-Encoding: chunked\r\n\r\n%x\r\n",
			100000 + over);
		put_bytes(&b, 100000 + (size_t)over);
		buf_put_z(&b, "\r\n0\r\n\r\n");
		raw_send(&r, buf_str(&b));
		raw_answer(&r, &a);
		assert_int_equal(a.status, over ? 413 : 200);
		if (!over)
			assert_str_equal(buf_str(&a.body), "{\"bytes\":100000}");
		assert_int_equal(w->aborted, over);
		raw_close(&r);
		raw_answer_deinit(&a);
		buf_deinit(&b);
	}
	const struct case_ cases[] = {
		{ "POST /_matrix/media/v3/upload", H ALICE "Content-Length: 100001\r\n", NULL,
			413, "M_TOO_LARGE" },
		{ "POST /_matrix/media/v3/upload", H ALICE, "", 200, "\"bytes\":0" },
	};
	check(w, cases, ARRAY_LEN(cases));
}

static void an_upload_that_breaks_off_is_an_abort(void **state)
{
	struct world *w = *state;
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r,
		"POST /_matrix/media/v3/upload HTTP/1.1\r\n" H ALICE
		"Content-Length: 50\r\n\r\nabc");
	raw_turn(w->uv, 10);
	raw_close(&r);
	raw_turn(w->uv, 10);
	assert_int_equal(w->aborted, 1);
	assert_int_equal(w->uploaded, 3);
}

static void downloads_are_streamed(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "GET " P "/download HTTP/1.1\r\n" H "\r\n");
	raw_answer(&r, &a);
	assert_int_equal(a.body.n, DOWNLOAD);
	assert_str_equal(raw_header(&a, "Content-Type"), "image/png");
	assert_str_equal(
		raw_header(&a, "Content-Disposition"), "attachment; filename=\"a??b\"");
	assert_str_equal(raw_header(&a, "Access-Control-Allow-Origin"), "*");
	raw_close(&r);

	/* A client that goes in the middle: the producer is told by reply_finish() alone. */
	raw_open(&r, w->uv, w->port);
	send(r.fd, "GET " P "/download HTTP/1.1\r\n" H "\r\n",
		strlen("GET " P "/download HTTP/1.1\r\n" H "\r\n"), 0);
	raw_turn(w->uv, 20);
	raw_close(&r);
	raw_turn(w->uv, 20);
	assert_int_equal(client_listener_stats(w->listener).conns, 0);
	raw_answer_deinit(&a);
}

static void failed_logins_are_limited_and_others_unaffected(void **state)
{
	static const struct case_ login = { "POST " P "/login", H, "{}", 403, "M_FORBIDDEN" };
	static const struct case_ limited = { "POST " P "/login", H, "{}", 429,
		"\"retry_after_ms\":" };
	static const struct case_ open = { "GET " P "/open/x", H, NULL, 200, "" };
	struct world *w = *state;
	w->fail_with = ERR_FORBIDDEN;
	for (int i = 0; i < 5; i++)
		check(w, &login, 1);
	check(w, &limited, 1);
	check(w, &open, 1);
}

static void wrong_passwords_count_against_the_user_from_everywhere(void **state)
{
	static const struct case_ cases[] = {
		{ "POST " P "/guess?user=@bob:x", H PAGE IS_JSON, "{}", 403, "M_FORBIDDEN" },
		{ "POST " P "/guess?user=bob", H, "{}", 403, "M_FORBIDDEN" },
		{ "POST " P "/guess?user=@bob:x", H ALICE, "{}", 403, "M_FORBIDDEN" },
		{ "POST " P "/guess?user=bob", H PAGE IS_JSON, "{}", 403, "M_FORBIDDEN" },
		{ "POST " P "/guess?user=@bob:x", H, "{}", 403, "M_FORBIDDEN" },
		{ "POST " P "/guess?user=bob", H, "{}", 429, "retry_after_ms\":1" },
		{ "POST " P "/guess?user=@bob:x", H PAGE IS_JSON, "{}", 429,
			"M_LIMIT_EXCEEDED" },
		{ "POST " P "/guess?user=carol", H, "{}", 403, "M_FORBIDDEN" },
	};
	struct world *w = *state;
	w->fail_with = ERR_FORBIDDEN;
	check(w, cases, ARRAY_LEN(cases));
}

static void writes_are_limited_but_not_the_owners(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	for (int owner = 0; owner < 2; owner++) {
		struct buf all = { 0 };
		unsigned limited = 0;
		for (int i = 0; i < 300; i++)
			buf_printf(&all,
				"POST " P "/thing/a/b HTTP/1.1\r\n" H
				"Authorization: Bearer %s\r\n\r\n",
				owner ? "owner" : "alice");
		raw_open(&r, w->uv, w->port);
		raw_send(&r, buf_str(&all));
		for (int i = 0; i < 300; i++) {
			raw_answer(&r, &a);
			limited += a.status == 429;
		}
		if (owner)
			assert_int_equal(limited, 0);
		else
			assert_in_range(limited, 1, 100);
		raw_close(&r);
		buf_deinit(&all);
	}
	raw_answer_deinit(&a);
}

static void the_basics(void **state)
{
	static const struct case_ cases[] = {
		{ "GET /_matrix/client/versions", H, NULL, 200,
			"{\"versions\":[\"v1.1\",\"v1.2\",\"v1.3\",\"v1.4\",\"v1.5\",\"v1.6\","
			"\"v1.7\","
			"\"v1.8\",\"v1.9\",\"v1.10\",\"v1.11\",\"v1.12\"],\"unstable_"
			"features\":{" },
		{ "GET /.well-known/matrix/client", H, NULL, 200,
			"{\"m.homeserver\":{\"base_url\":\"http://localhost:8008\"}}" },
		{ "GET " P "/capabilities", H ALICE, NULL, 200,
			"{\"capabilities\":{\"m.room_versions\":{\"default\":\"12\","
			"\"available\":{\"11\":\"stable\",\"12\":\"stable\"}}," },
		{ "GET " P "/voip/turnServer", H ALICE, NULL, 200, "{}" },
	};
	check(*state, cases, ARRAY_LEN(cases));
}

static void refusals_are_logged_without_secrets(void **state)
{
	static const struct case_ c = { "GET " P "/thing/a/b?access_token=topsecret",
		H "Authorization: Bearer eve\r\n", NULL, 401, "M_UNKNOWN_TOKEN" };
	struct world *w = *state;
	size_t at;
	for (int i = 0; i < 3; i++)
		check(w, &c, 1);
	struct str log = buf_str(&w->logged);
	assert_true(str_find_str(
		log, STR("status=401 errcode=M_UNKNOWN_TOKEN from=127.0.0.1"), &at));
	assert_false(str_find_str(str_skip(log, at + 1), STR("status=401"), &at)); /* once */
	assert_false(str_find_str(log, STR("topsecret"), &at));
	assert_false(str_find_str(log, STR("eve"), &at));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(paths_methods_and_arguments),
		TEST(tokens),
		TEST(bodies),
		TEST(a_chunked_body_over_the_limit_is_refused),
		TEST(foreign_hosts_are_refused_before_anything_else),
		TEST(a_page_may_not_send_what_needs_no_preflight),
		TEST(a_page_learns_nothing_that_identifies),
		TEST(preflights_are_answered_before_anything_is_done),
		TEST(errors_have_their_status_and_code),
		TEST(what_is_no_request_gets_a_matrix_error),
		TEST(no_answer_leaves_before_the_disk_has_it),
		TEST(what_may_write_waits_until_the_store_is_ready),
		TEST(a_long_poll_hears_of_its_client),
		TEST(uploads_are_streamed_and_bounded),
		TEST(an_upload_that_breaks_off_is_an_abort),
		TEST(downloads_are_streamed),
		TEST(failed_logins_are_limited_and_others_unaffected),
		TEST(wrong_passwords_count_against_the_user_from_everywhere),
		TEST(writes_are_limited_but_not_the_owners),
		TEST(the_basics),
		TEST(refusals_are_logged_without_secrets),
	};
	return RUN_TESTS(tests);
}
