#include "transport/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "node/base/alloc.h"
#include "tests/support/cmocka.h"
#include "tests/support/raw_http.h"
#include "transport/lws.h"

/*
 * A server whose paths say what it does:
 *   /echo     answers with the target, the body's length and its sum
 *   /never    parks until the client is gone
 *   /early    answers before it has read the body
 *   /stream   4 MiB, chunked, as fast as the client takes it
 *   /short    promises more than it sends
 */
#define STREAM_BYTES (4u * 1024 * 1024)

struct world {
	struct loop_uv *uv;
	struct lws_node *lws;
	struct http_server *server;
	uint16_t port;
	unsigned aborted;
	unsigned open; /* exchanges */
	struct call *parked;
	bool pause_bodies;
};

struct call {
	struct world *w;
	struct http_exchange *x;
	struct str target;
	size_t n;
	uint32_t sum;
	size_t sent;
};

static void end(struct call *c)
{
	if (c->w->parked == c)
		c->w->parked = NULL;
	c->w->open--;
	http_exchange_end(c->x);
}

static void echo(struct call *c)
{
	struct str text = arena_printf(
		http_exchange_arena(c->x), "%.*s %zu %u", STR_FMT(c->target), c->n, c->sum);
	http_exchange_answer(c->x,
		&(struct http_answer){ .status = 200,
			.content_type = STR("text/plain"),
			.headers = STR("X-Kind: echo\r\n"),
			.length = (int64_t)text.n });
	http_exchange_write(c->x, text);
	end(c);
}

static void on_drained(struct http_exchange *x)
{
	struct call *c = http_exchange_user(x);
	char piece[4096];
	memset(piece, 's', sizeof(piece));
	while (c->sent < STREAM_BYTES) {
		c->sent += sizeof(piece);
		if (!http_exchange_write(x, (struct str){ piece, sizeof(piece) }))
			return;
	}
	end(c);
}

static void on_request(void *arg, struct http_exchange *x, const struct http1_head *head)
{
	struct world *w = arg;
	struct call *c = ARENA_NEW(http_exchange_arena(x), struct call);
	c->w = w;
	c->x = x;
	c->target = head->target;
	http_exchange_set_user(x, c);
	w->open++;
	if (str_starts(head->target, STR("/never"))) {
		http_exchange_park(x);
		w->parked = c;
	} else if (str_starts(head->target, STR("/early"))) {
		echo(c);
	} else if (str_starts(head->target, STR("/stream"))) {
		http_exchange_answer(x, &(struct http_answer){ .status = 200, .length = -1 });
		on_drained(x);
	} else if (str_starts(head->target, STR("/short"))) {
		http_exchange_answer(x, &(struct http_answer){ .status = 200, .length = 10 });
		http_exchange_write(x, STR("12345"));
		end(c);
	} else {
		http_exchange_pause(x, w->pause_bodies);
		http_exchange_read(x);
	}
}

static void on_body(struct http_exchange *x, struct str bytes)
{
	struct call *c = http_exchange_user(x);
	c->n += bytes.n;
	for (size_t i = 0; i < bytes.n; i++)
		c->sum = c->sum * 31 + (unsigned char)bytes.p[i];
}

static void on_body_end(struct http_exchange *x)
{
	echo(http_exchange_user(x));
}

static void on_aborted(struct http_exchange *x)
{
	struct call *c = http_exchange_user(x);
	c->w->aborted++;
	end(c);
}

static void on_refused(void *arg, const char *address, struct http_answer *a, struct buf *body)
{
	(void)arg;
	assert_string_equal(address, "127.0.0.1");
	a->content_type = STR("text/plain");
	a->headers = STR("X-Kind: refusal\r\n");
	buf_printf(body, "refused %u", a->status);
}

static void open_world(struct world *w, struct http_server_options o)
{
	struct err_ctx why = { 0 };
	assert_int_equal(loop_uv_new(NULL, &w->uv), ERR_OK);
	assert_int_equal(lws_node_new(loop_uv_handle(w->uv), NULL, &w->lws, &why), ERR_OK);
	o.lws = w->lws;
	o.uv = loop_uv_handle(w->uv);
	o.loop = loop_uv_loop(w->uv);
	o.clock = &clock_system;
	if (!o.host)
		o.host = "127.0.0.1";
	o.handler = (struct http_handler){
		.request = on_request,
		.body = on_body,
		.body_end = on_body_end,
		.drained = on_drained,
		.aborted = on_aborted,
		.refused = on_refused,
		.arg = w,
	};
	assert_int_equal(http_server_new(&o, &w->server, &why), ERR_OK);
	w->port = http_server_port(w->server);
	assert_true(w->port != 0);
	assert_int_equal(http_server_is_loopback(w->server), strcmp(o.host, "0.0.0.0") != 0);
}

static int set_up(void **state)
{
	struct world *w = NEW(struct world);
	open_world(w, (struct http_server_options){ 0 });
	*state = w;
	return 0;
}

static int set_up_impatient(void **state)
{
	struct world *w = NEW(struct world);
	open_world(w,
		(struct http_server_options){ .headers_ms = 500,
			.body_ms = 500,
			.idle_ms = 1000,
			.stalled_ms = 500,
			.max_conns = 3,
			.max_active = 2 });
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	http_server_free(w->server);
	assert_int_equal(w->open, 0);
	lws_node_stop(w->lws);
	loop_uv_run(w->uv);
	lws_node_free(w->lws);
	loop_uv_free(w->uv);
	free(w);
	return 0;
}

#define HEAD_END " HTTP/1.1\r\nHost: localhost\r\n"

static void a_request_is_answered_with_all_that_an_answer_needs(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	raw_once(w->uv, w->port, "GET /echo%2F?x" HEAD_END "\r\n", &a);
	assert_int_equal(a.status, 200);
	assert_str_equal(buf_str(&a.body), "/echo%2F?x 0 0");
	assert_str_equal(raw_header(&a, "X-Kind"), "echo");
	assert_str_equal(raw_header(&a, "Content-Type"), "text/plain");
	assert_true(str_ends(raw_header(&a, "Date"), STR(" GMT")));
	assert_false(raw_has_header(&a, "Connection"));
	raw_answer_deinit(&a);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct buf all = { 0 };
	struct raw r;
	for (int i = 0; i < 50; i++)
		buf_printf(&all, "PUT /echo/%d" HEAD_END "Content-Length: %d\r\n\r\n%.*s", i, i,
			i, "..................................................");
	raw_open(&r, w->uv, w->port);
	raw_send(&r, buf_str(&all));
	for (int i = 0; i < 50; i++) {
		char start[32];
		snprintf(start, sizeof(start), "/echo/%d %d ", i, i);
		raw_answer(&r, &a);
		assert_int_equal(a.status, 200);
		assert_true(str_starts(buf_str(&a.body), str_of(start)));
	}
	raw_close(&r);
	raw_answer_deinit(&a);
	buf_deinit(&all);
}

static void a_chunked_body_and_byte_by_byte_sending_work(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	const char *text = "POST /echo" HEAD_END
			   "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
			   "GET /echo/next" HEAD_END "\r\n";
	raw_open(&r, w->uv, w->port);
	for (; *text; text++)
		raw_send(&r, (struct str){ text, 1 });
	raw_answer(&r, &a);
	assert_true(str_starts(buf_str(&a.body), STR("/echo 5 ")));
	raw_answer(&r, &a);
	assert_str_equal(buf_str(&a.body), "/echo/next 0 0");
	raw_close(&r);
	raw_answer_deinit(&a);
}

static void a_head_request_gets_the_head_alone(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "HEAD /echo" HEAD_END "\r\nGET /echo/b" HEAD_END "\r\n");
	raw_answer_of_head(&r, &a);
	assert_int_equal(a.status, 200);
	assert_str_equal(raw_header(&a, "Content-Length"), "9");
	raw_answer(&r, &a);
	assert_str_equal(buf_str(&a.body), "/echo/b 0 0");
	raw_send_z(&r, "HEAD /stream" HEAD_END "\r\nGET /echo/c" HEAD_END "\r\n");
	raw_answer_of_head(&r, &a);
	raw_answer(&r, &a);
	assert_str_equal(buf_str(&a.body), "/echo/c 0 0");
	raw_close(&r);
	raw_answer_deinit(&a);
}

static void a_client_that_expects_100_is_told_to_go_on(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(
		&r, "PUT /echo" HEAD_END "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	raw_answer(&r, &a);
	assert_int_equal(a.status, 100);
	raw_send_z(&r, "abc");
	raw_answer(&r, &a);
	assert_int_equal(a.status, 200);
	raw_send_z(
		&r, "PUT /early" HEAD_END "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	raw_answer(&r, &a);
	assert_int_equal(a.status, 200);
	assert_str_equal(raw_header(&a, "Connection"), "close");
	raw_close(&r);
	raw_answer_deinit(&a);
}

static void an_early_answer_drops_a_small_body_and_goes_on(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "PUT /early" HEAD_END "Content-Length: 5\r\n\r\n");
	raw_answer(&r, &a);
	assert_int_equal(a.status, 200);
	raw_send_z(&r, "12345GET /echo" HEAD_END "\r\n");
	raw_answer(&r, &a);
	assert_str_equal(buf_str(&a.body), "/echo 0 0");
	raw_close(&r);
	raw_answer_deinit(&a);
}

static void an_early_answer_to_a_large_body_arrives_and_closes(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct buf body = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "PUT /early" HEAD_END "Content-Length: 1000000\r\n\r\n");
	memset(buf_reserve(&body, 1000000), 'x', 1000000);
	body.n = 1000000;
	raw_send(&r, buf_str(&body));
	raw_answer(&r, &a);
	assert_int_equal(a.status, 200);
	assert_true(str_eq(raw_header(&a, "connection"), STR("close")));
	raw_await_eof(&r, 30000);
	raw_close(&r);
	raw_answer_deinit(&a);
	buf_deinit(&body);
}

static void broken_framing_is_answered_and_closed(void **state)
{
	static const struct {
		const char *bytes;
		unsigned status;
	} cases[] = {
		{ "GET /\r\n\r\n", 400 },
		{ "POST /echo" HEAD_END
		  "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0",
			400 },
		{ "POST /echo" HEAD_END "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400 },
		{ "POST /echo" HEAD_END "Content-Encoding: gzip\r\n\r\n", 415 },
		{ "GET / HTTP/3.0\r\n\r\n", 505 },
	};
	struct world *w = *state;
	struct raw_answer a = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct raw r;
		raw_open(&r, w->uv, w->port);
		raw_send_z(&r, cases[i].bytes);
		raw_answer(&r, &a);
		assert_int_equal(a.status, cases[i].status);
		assert_str_equal(raw_header(&a, "X-Kind"), "refusal");
		assert_str_equal(raw_header(&a, "Connection"), "close");
		raw_await_eof(&r, 30000);
		raw_close(&r);
	}
	raw_answer_deinit(&a);
}

static void what_follows_a_refused_request_is_not_read(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r,
		"POST /echo" HEAD_END "Transfer-Encoding: chunked\r\n\r\nzz\r\n"
		"GET /echo/smuggled" HEAD_END "\r\n");
	raw_answer(&r, &a);
	assert_int_equal(a.status, 400);
	raw_await_eof(&r, 30000);
	assert_int_equal(r.in.n, 0);
	raw_close(&r);
	raw_answer_deinit(&a);
}

static void a_parked_handler_hears_at_once_that_its_client_is_gone(void **state)
{
	struct world *w = *state;
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "GET /never" HEAD_END "\r\n");
	raw_turn(w->uv, 30);
	assert_non_null(w->parked);
	assert_int_equal(http_server_stats(w->server).active, 0);
	raw_close(&r);
	raw_turn(w->uv, 30);
	assert_int_equal(w->aborted, 1);
	assert_int_equal(http_server_stats(w->server).conns, 0);
}

static void a_parked_request_is_answered_later_and_the_next_one_waits(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "GET /never" HEAD_END "\r\nGET /echo" HEAD_END "\r\n");
	raw_turn(w->uv, 30);
	assert_int_equal(w->open, 1);
	echo(w->parked);
	raw_answer(&r, &a);
	assert_str_equal(buf_str(&a.body), "/never 0 0");
	raw_answer(&r, &a);
	assert_str_equal(buf_str(&a.body), "/echo 0 0");
	raw_close(&r);
	raw_answer_deinit(&a);
}

static void aborted_polls_leave_the_loop_asleep(void **state)
{
	struct world *w = *state;
	uint64_t turns = 0;
	for (int i = 0; i < 3; i++) {
		struct raw r;
		raw_open(&r, w->uv, w->port);
		raw_send_z(&r, "GET /never" HEAD_END "\r\n");
		raw_turn(w->uv, 10);
		raw_close(&r);
	}
	raw_turn(w->uv, 20);
	assert_int_equal(w->aborted, 3);
	/* With the listener alone there is nothing to wake up for: a loop that spins would turn
	 * many times in this while. */
	uv_update_time(loop_uv_handle(w->uv));
	struct loop_timer *t =
		loop_timer_new(loop_uv_loop(w->uv), (void (*)(void *))loop_uv_stop, w->uv);
	loop_timer_set(loop_uv_loop(w->uv), t, 200);
	uint64_t end = uv_hrtime() + 200000000;
	while (uv_hrtime() < end) {
		loop_uv_run_once(w->uv, true);
		turns++;
	}
	loop_timer_free(loop_uv_loop(w->uv), t);
	assert_in_range(turns, 1, 5);
}

static void an_idle_server_sets_no_timer(void **state)
{
	struct world *w = *state;
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "GET /never" HEAD_END "\r\n");
	raw_turn(w->uv, 20);
	assert_int_equal(
		uv_backend_timeout(loop_uv_handle(w->uv)), -1); /* with a parked poll */
	raw_close(&r);
	raw_turn(w->uv, 20);
	assert_int_equal(uv_backend_timeout(loop_uv_handle(w->uv)), -1);
}

static void a_stream_waits_for_its_reader(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "GET /stream" HEAD_END "\r\n");
	raw_answer(&r, &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body.n, STREAM_BYTES);
	raw_close(&r);
	raw_answer_deinit(&a);
}

static void http_1_0_gets_a_body_that_ends_with_the_connection(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	raw_once(w->uv, w->port, "GET /stream HTTP/1.0\r\n\r\n", &a);
	assert_int_equal(a.body.n, STREAM_BYTES);
	assert_false(raw_has_header(&a, "Transfer-Encoding"));
	raw_answer_deinit(&a);
}

static void an_answer_short_of_its_promise_closes(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	raw_once(w->uv, w->port, "GET /short" HEAD_END "\r\n", &a);
	assert_int_equal(a.status, 0);
	raw_answer_deinit(&a);
}

static void a_paused_body_is_not_read_without_bound(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct buf body = { 0 };
	struct raw r;
	w->pause_bodies = true;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "PUT /echo" HEAD_END "Content-Length: 8000000\r\n\r\n");
	memset(buf_reserve(&body, 8000000), 'x', 8000000);
	body.n = 8000000;
	/* More than the sockets hold: sending can't end while the server doesn't read. */
	size_t sent = 0;
	for (int i = 0; i < 200; i++) {
		ssize_t n = send(r.fd, body.p + sent, body.n - sent, MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		raw_turn(w->uv, 1);
	}
	assert_true(sent < body.n);
	raw_close(&r);
	raw_turn(w->uv, 20);
	raw_answer_deinit(&a);
	buf_deinit(&body);
}

static void slow_headers_are_ended(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "GET /echo" HEAD_END);
	raw_answer(&r, &a);
	assert_int_equal(a.status, 408);
	raw_await_eof(&r, 30000);
	raw_close(&r);
	raw_answer_deinit(&a);
}

static void a_body_that_trickles_is_ended_and_a_slow_one_is_not(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "PUT /echo" HEAD_END "Content-Length: 6000\r\n\r\n");
	for (int i = 0; i < 30; i++) { /* 200 bytes in 50 ms: four times the rate asked for */
		char piece[200] = "";
		raw_send(&r, (struct str){ piece, sizeof(piece) });
		raw_turn(w->uv, 50);
	}
	raw_answer(&r, &a);
	assert_int_equal(a.status, 200);
	raw_send_z(&r, "PUT /echo" HEAD_END "Content-Length: 2000\r\n\r\n");
	for (int i = 0; i < 500 && !r.eof && !r.in.n; i++) {
		raw_send_z(&r, "x");
		raw_turn(w->uv, 40);
	}
	raw_answer(&r, &a);
	assert_int_equal(a.status, 408);
	assert_int_equal(w->aborted, 1);
	raw_close(&r);
	raw_answer_deinit(&a);
}

static void idle_connections_are_ended(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r;
	raw_open(&r, w->uv, w->port);
	raw_send_z(&r, "GET /echo" HEAD_END "\r\n");
	raw_answer(&r, &a);
	assert_int_equal(a.status, 200);
	raw_await_eof(&r, 30000);
	assert_int_equal(r.in.n, 0);
	raw_close(&r);
	raw_answer_deinit(&a);
}

static void a_client_that_reads_nothing_is_ended(void **state)
{
	struct world *w = *state;
	struct raw r;
	raw_open(&r, w->uv, w->port);
	send(r.fd, "GET /stream" HEAD_END "\r\n", strlen("GET /stream" HEAD_END "\r\n"), 0);
	raw_turn(w->uv, 20);
	for (int i = 0; i < 1000 && http_server_stats(w->server).conns; i++)
		raw_turn(w->uv, 20);
	assert_int_equal(http_server_stats(w->server).conns, 0);
	assert_int_equal(w->open, 0);
	raw_close(&r);
}

static void with_too_many_connections_the_oldest_idle_one_goes(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r[4];
	for (int i = 0; i < 4; i++) {
		raw_open(&r[i], w->uv, w->port);
		raw_turn(w->uv, 10);
	}
	raw_await_eof(&r[0], 30000);
	for (int i = 1; i < 4; i++) {
		raw_send_z(&r[i], "GET /echo" HEAD_END "\r\n");
		raw_answer(&r[i], &a);
		assert_int_equal(a.status, 200);
	}
	for (int i = 0; i < 4; i++)
		raw_close(&r[i]);
	raw_answer_deinit(&a);
}

static void with_too_many_at_work_a_new_one_is_refused(void **state)
{
	struct world *w = *state;
	struct raw_answer a = { 0 };
	struct raw r[3];
	for (int i = 0; i < 3; i++) {
		raw_open(&r[i], w->uv, w->port);
		if (i < 2)
			raw_send_z(&r[i], "PUT /echo" HEAD_END "Content-Length: 1\r\n\r\n");
		raw_turn(w->uv, 10);
	}
	raw_send_z(&r[2], "GET /echo" HEAD_END "\r\n");
	raw_answer(&r[2], &a);
	assert_int_equal(a.status, 503);
	for (int i = 0; i < 3; i++)
		raw_close(&r[i]);
	raw_answer_deinit(&a);
}

/* An address of this machine that isn't loopback; false if there is none. */
static bool own_address(struct sockaddr_in *out)
{
	struct ifaddrs *all;
	bool found = false;

	assert_int_equal(getifaddrs(&all), 0);
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
			(i->ifa_flags & IFF_LOOPBACK) || !(i->ifa_flags & IFF_UP))
			continue;
		memcpy(out, i->ifa_addr, sizeof(*out));
		found = true;
	}
	freeifaddrs(all);
	return found;
}

/* True if the server keeps the connection. */
static bool is_kept(struct world *w, int fd)
{
	char c;

	raw_turn(w->uv, 30);
	return recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void one_address_has_few_connections_and_loopback_many(void **state)
{
	struct world *w = NEW(struct world);
	struct sockaddr_in self;
	struct raw local[6];
	int fds[4];

	(void)state;
	if (!own_address(&self)) {
		free(w);
		return; /* a machine without a network has nothing to try it with */
	}
	open_world(w, (struct http_server_options){ .host = "0.0.0.0", .max_address = 3 });
	self.sin_port = htons(w->port);
	for (int i = 0; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_true(fds[i] >= 0);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&self, sizeof(self)), 0);
		assert_int_equal(is_kept(w, fds[i]), i < 3);
	}
	for (int i = 0; i < 6; i++) {
		raw_open(&local[i], w->uv, w->port);
		assert_true(is_kept(w, local[i].fd));
	}
	/* One goes, one may come. */
	close(fds[0]);
	close(fds[3]);
	raw_turn(w->uv, 30);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&self, sizeof(self)), 0);
	assert_true(is_kept(w, fds[0]));
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	for (int i = 0; i < 6; i++)
		raw_close(&local[i]);
	raw_turn(w->uv, 30);
	void *world = w;
	(void)tear_down(&world);
}

static void a_taken_port_is_a_clear_error(void **state)
{
	struct world *w = *state;
	struct err_ctx why = { 0 };
	struct http_server *other = NULL;
	struct http_server_options o = {
		.lws = w->lws,
		.uv = loop_uv_handle(w->uv),
		.loop = loop_uv_loop(w->uv),
		.clock = &clock_system,
		.host = "127.0.0.1",
		.port = w->port,
	};
	assert_int_equal(http_server_new(&o, &other, &why), ERR_EXISTS);
	assert_non_null(strstr(why.text, "taken"));
	why.text[0] = '\0';
	o.host = "localhost";
	assert_int_equal(http_server_new(&o, &other, &why), ERR_EXISTS);
	o.host = "example.org";
	assert_int_equal(http_server_new(&o, &other, &why), ERR_INVALID);
	assert_null(other);
}

static int try_connect(const char *host, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool is_v6 = inet_pton(AF_INET6, host, &v6.sin6_addr) == 1;
	if (!is_v6)
		assert_int_equal(inet_pton(AF_INET, host, &v4.sin_addr), 1);
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	int rc = is_v6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6))
		       : connect(fd, (struct sockaddr *)&v4, sizeof(v4));
	close(fd);
	return rc;
}

static void it_binds_to_what_was_asked_and_nothing_else(void **state)
{
	static const struct {
		const char *host;
		const char *reached;
		const char *not_reached;
		bool loopback;
	} cases[] = {
		{ "127.0.0.1", "127.0.0.1", "127.0.0.2", true },
		{ "127.0.0.2", "127.0.0.2", "127.0.0.1", true },
		{ "::1", "::1", "127.0.0.1", true },
		{ "[::1]", "::1", "127.0.0.1", true },
		{ "localhost", "127.0.0.1", "127.0.0.2", true },
		{ "localhost", "::1", "127.0.0.2", true },
		{ "0.0.0.0", "127.0.0.2", "::1", false },
	};
	struct world *w = *state;
	/* A machine without IPv6 has nothing to try it with (a skip is a failure in TAP). */
	if (try_connect("::1", 1) != 0 && errno == EADDRNOTAVAIL)
		return;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err_ctx why = { 0 };
		struct http_server *s = NULL;
		const struct http_server_options o = {
			.lws = w->lws,
			.uv = loop_uv_handle(w->uv),
			.loop = loop_uv_loop(w->uv),
			.clock = &clock_system,
			.host = cases[i].host,
		};
		assert_int_equal(http_server_new(&o, &s, &why), ERR_OK);
		assert_int_equal(try_connect(cases[i].reached, http_server_port(s)), 0);
		assert_int_not_equal(try_connect(cases[i].not_reached, http_server_port(s)), 0);
		assert_true(http_server_is_loopback(s) == cases[i].loopback);
		http_server_free(s);
	}
}

static void the_server_closes_under_open_connections(void **state)
{
	struct world *w = *state;
	struct raw r[2];
	for (int i = 0; i < 2; i++)
		raw_open(&r[i], w->uv, w->port);
	raw_send_z(&r[0], "GET /never" HEAD_END "\r\n");
	raw_turn(w->uv, 20);
	http_server_free(w->server);
	w->server = NULL;
	assert_int_equal(w->aborted, 1);
	for (int i = 0; i < 2; i++) {
		raw_await_eof(&r[i], 30000);
		raw_close(&r[i]);
	}
}

#define TEST(name)      cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define IMPATIENT(name) cmocka_unit_test_setup_teardown(name, set_up_impatient, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_is_answered_with_all_that_an_answer_needs),
		TEST(pipelined_requests_are_answered_in_order),
		TEST(a_chunked_body_and_byte_by_byte_sending_work),
		TEST(a_head_request_gets_the_head_alone),
		TEST(a_client_that_expects_100_is_told_to_go_on),
		TEST(an_early_answer_drops_a_small_body_and_goes_on),
		TEST(an_early_answer_to_a_large_body_arrives_and_closes),
		TEST(broken_framing_is_answered_and_closed),
		TEST(what_follows_a_refused_request_is_not_read),
		TEST(a_parked_handler_hears_at_once_that_its_client_is_gone),
		TEST(a_parked_request_is_answered_later_and_the_next_one_waits),
		TEST(aborted_polls_leave_the_loop_asleep),
		TEST(an_idle_server_sets_no_timer),
		TEST(a_stream_waits_for_its_reader),
		TEST(http_1_0_gets_a_body_that_ends_with_the_connection),
		TEST(an_answer_short_of_its_promise_closes),
		TEST(a_paused_body_is_not_read_without_bound),
		cmocka_unit_test(one_address_has_few_connections_and_loopback_many),
		TEST(a_taken_port_is_a_clear_error),
		TEST(it_binds_to_what_was_asked_and_nothing_else),
		TEST(the_server_closes_under_open_connections),
		IMPATIENT(slow_headers_are_ended),
		IMPATIENT(a_body_that_trickles_is_ended_and_a_slow_one_is_not),
		IMPATIENT(idle_connections_are_ended),
		IMPATIENT(a_client_that_reads_nothing_is_ended),
		IMPATIENT(with_too_many_connections_the_oldest_idle_one_goes),
		IMPATIENT(with_too_many_at_work_a_new_one_is_refused),
	};
	return RUN_TESTS(tests);
}
