/*
 * A node among those who mean it no good: strangers, a contact that breaks the rules, a flood,
 * web pages. What they get is a closed link; the node goes on answering (security.md, O).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "node/base/alloc.h"
#include "tests/support/cmocka.h"
#include "tests/support/overlay_node.h"
#include "transport/link.h"
#include "transport/link_ws.h"

/* A peer that says what it likes. */
struct hostile {
	struct lws_node *lws; /* NULL: not started */
	struct link_ws *ws;
	struct ws_conn *conn;
	struct link *link;
	struct buf raw; /* in place of a link: one message */
	struct buf frames;
	unsigned up, over;
	unsigned messages; /* that came */
	unsigned idseqs;
	char why[96];
};

struct rig {
	struct loop_uv *loop;
	struct overlay_node a, b, c;
	struct hostile h;
};

static void hostile_end(struct hostile *h, struct rig *r);

static int set_up(void **state)
{
	struct rig *r = NEW(struct rig);

	if (loop_uv_new(NULL, &r->loop) != ERR_OK)
		return -1;
	overlay_node_init(&r->a, r->loop);
	overlay_node_init(&r->b, r->loop);
	overlay_node_init(&r->c, r->loop);
	overlay_node_start(&r->a, NULL);
	overlay_node_start(&r->b, NULL);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *r = *state;

	hostile_end(&r->h, r);
	overlay_node_deinit(&r->a);
	overlay_node_deinit(&r->b);
	overlay_node_deinit(&r->c);
	loop_uv_free(r->loop);
	free(r);
	return 0;
}

/* ---- the hostile peer ---- */

static struct hostile *hostile_of(struct link *l)
{
	return link_arg(l);
}

static void no_hello(struct link *l, struct hello *out)
{
	(void)l, (void)out;
}

static bool no_psk(struct link *l, const unsigned char id[INVITE_ID_LEN], unsigned char psk[32])
{
	(void)l, (void)id, (void)psk;
	return false;
}

static bool no_xx(struct link *l)
{
	(void)l;
	return false;
}

static void admit(struct link *l)
{
	link_admit(l, 1, true);
}

static void is_up(struct link *l)
{
	hostile_of(l)->up = 1;
}

static enum err take_frame(struct link *l, uint8_t type, struct str body)
{
	(void)body;
	hostile_of(l)->idseqs += type == FRAME_IDSEQ;
	return ERR_OK;
}

static void pull(struct link *l, uint64_t now, size_t max, struct buf *frames, bool *bulk)
{
	struct hostile *h = hostile_of(l);

	(void)now, (void)max;
	*bulk = true; /* no padding: what it says may reach beyond the record */
	buf_put_str(frames, buf_str(&h->frames));
	buf_clear(&h->frames);
}

static void wake(struct link *l)
{
	if (hostile_of(l)->conn)
		ws_conn_wake(hostile_of(l)->conn);
}

static void strike(struct link *l, unsigned n, const char *what)
{
	(void)l, (void)n, (void)what;
}

static void dead(struct link *l, const char *why)
{
	(void)snprintf(hostile_of(l)->why, sizeof(hostile_of(l)->why), "%s", why);
	hostile_of(l)->over = 1;
}

static bool again(struct link *l)
{
	(void)l;
	return true;
}

static void doubt(struct link *l, bool yes)
{
	(void)l, (void)yes;
}

static void solve(struct link *l, const unsigned char cookie[COOKIE_LEN], uint8_t difficulty)
{
	unsigned char nonce[COOKIE_NONCE];

	link_solved(l, 1, gate_solve(cookie, difficulty, nonce) ? nonce : NULL);
}

static const struct link_ops ops = { no_hello, no_psk, no_xx, admit, is_up, take_frame, pull,
	wake, strike, dead, again, doubt, doubt, solve };

static void conn_open(void *arg)
{
	(void)arg;
}

static void conn_message(void *arg, struct str m)
{
	struct hostile *h = arg;

	h->messages++;
	if (h->link)
		link_input(h->link, 1, m);
}

static bool conn_output(void *arg, struct buf *m)
{
	struct hostile *h = arg;

	if (h->link)
		return link_output(h->link, 1, m);
	if (h->raw.n == 0)
		return false;
	buf_put_str(m, buf_str(&h->raw));
	buf_clear(&h->raw);
	return true;
}

static void conn_closed(void *arg, const char *why)
{
	struct hostile *h = arg;

	(void)why;
	h->conn = NULL;
	h->over = 1;
}

static const struct ws_conn_ops conn_ops = { conn_open, conn_message, conn_output,
	conn_closed };

static bool refuse(void *arg, struct ws_conn *conn, const struct gate_addr *from,
	const struct ws_conn_ops **conn_ops_out, void **conn_arg)
{
	(void)arg, (void)conn, (void)from, (void)conn_ops_out, (void)conn_arg;
	return false;
}

static void hostile_start(struct hostile *h, struct rig *r)
{
	struct link_ws_options o = { .uv = loop_uv_handle(r->loop),
		.loop = loop_uv_loop(r->loop),
		.accepted = refuse,
		.arg = h };

	assert_int_equal(lws_node_new(loop_uv_handle(r->loop), NULL, &h->lws, NULL), ERR_OK);
	o.lws = lws_node_context(h->lws);
	assert_int_equal(link_ws_new(&o, &h->ws, NULL), ERR_OK);
}

/* id NULL: the bytes of h->raw are all that it says. */
static void hostile_dial(struct hostile *h, struct overlay_node *to, const struct identity *id,
	enum noise_pattern pattern)
{
	const struct gate_addr addr = {
		.ip = { 127, 0, 0, 1 }, .n = 4, .port = transport_port(to->transport)
	};
	struct link_options o = { .ops = &ops,
		.arg = h,
		.rng = &rng_system,
		.addr = addr,
		.capabilities = CAP_ZSTD,
		.pattern = pattern };

	if (h->conn)
		ws_conn_close(h->conn);
	link_free(h->link);
	h->conn = NULL;
	h->link = NULL;
	h->up = h->over = h->messages = 0;
	if (id) {
		o.node_public = identity_node_public(id);
		o.noise = (struct noise_keys){ identity_noise_secret(id),
			identity_noise_public(id) };
		o.certificate = identity_certificate(id);
		o.peer_node = pattern == NOISE_XX ? NULL : identity_node_public(to->identity);
		h->link = link_new_initiator(&o, 1);
	}
	h->conn = link_ws_dial(h->ws, &addr, &conn_ops, h);
}

static void hostile_end(struct hostile *h, struct rig *r)
{
	if (!h->lws)
		return;
	if (h->conn)
		ws_conn_close(h->conn);
	link_free(h->link);
	link_ws_free(h->ws);
	buf_deinit(&h->raw);
	buf_deinit(&h->frames);
	overlay_run_for(r->loop, 20);
	lws_node_stop(h->lws);
	overlay_run_for(r->loop, 20);
	lws_node_free(h->lws);
}

static void say(struct hostile *h, struct rig *r, uint8_t type, struct str body)
{
	frame_put(&h->frames, type, body);
	link_wake(h->link);
	overlay_run_for(r->loop, 10);
}

/* ---- strangers ---- */

static void strangers_meet_silence_and_are_gone_within_two_seconds(void **state)
{
	struct rig *r = *state;
	struct identity_recovery seed;
	struct identity *stranger =
		identity_new(&rng_system, clock_wall_ms(&clock_system), &seed);
	struct hostile *h = &r->h;
	static const char text[200] = "KTH1, or so it says";
	unsigned before;

	overlay_pair(&r->a, &r->b);
	hostile_start(h, r);
	before = r->a.log_lines;
	hostile_dial(h, &r->a, stranger, NOISE_XX);
	assert_true(overlay_run_until(r->loop, &h->over, 2500));
	assert_int_equal(h->messages, 0);
	/* A contact's XX as well: it would show our key to who listens. */
	hostile_dial(h, &r->a, r->b.identity, NOISE_XX);
	assert_true(overlay_run_until(r->loop, &h->over, 2500));
	assert_int_equal(h->messages, 0);
	hostile_dial(h, &r->a, stranger, NOISE_IK);
	assert_true(overlay_run_until(r->loop, &h->over, 2500));
	assert_int_equal(h->messages, 0);
	buf_put(&h->raw, text, sizeof(text));
	hostile_dial(h, &r->a, NULL, NOISE_IK);
	assert_true(overlay_run_until(r->loop, &h->over, 2500));
	assert_int_equal(h->messages, 0);
	assert_true(r->a.log_lines <= before + 1); /* one a minute */
	overlay_still_answers(&r->a, &r->b);
	identity_free(stranger);
}

/* ---- a contact that breaks the rules ---- */

static void b_turns_hostile(struct rig *r, struct hostile *h)
{
	overlay_node_start(&r->c, NULL);
	overlay_pair(&r->a, &r->b);
	overlay_pair(&r->a, &r->c);
	overlay_node_stop(&r->b);
	hostile_start(h, r);
}

static void comes_up(struct rig *r, struct hostile *h)
{
	hostile_dial(h, &r->a, r->b.identity, NOISE_IK);
	assert_true(overlay_run_until(r->loop, &h->up, 3000));
	overlay_run_for(r->loop, 30);
}

static void is_refused(struct rig *r, struct hostile *h)
{
	hostile_dial(h, &r->a, r->b.identity, NOISE_IK);
	assert_true(overlay_run_until(r->loop, &h->over, 3000));
	assert_int_equal(h->messages, 0);
	assert_int_equal(h->up, 0);
}

static void ten_mistakes(struct rig *r, struct hostile *h)
{
	for (unsigned i = 0; i < 9; i++)
		say(h, r, FRAME_PING, STR("short"));
	assert_int_equal(h->over, 0);
	say(h, r, FRAME_PING, STR("short"));
	assert_true(overlay_run_until(r->loop, &h->over, 60000));
	assert_non_null(strstr(h->why, "code 2"));
}

static void ten_mistakes_are_one_too_many_and_each_time_it_costs_more(void **state)
{
	struct rig *r = *state;
	struct hostile *h = &r->h;
	unsigned before;

	b_turns_hostile(r, h);
	before = r->a.log_lines;
	comes_up(r, h);
	ten_mistakes(r, h);
	is_refused(r, h);
	assert_true(r->a.log_lines - before <= 3); /* a strike, the end, the refusal */
	overlay_still_answers(&r->a, &r->c);
	r->a.ahead_ms += 590000;
	is_refused(r, h);
	r->a.ahead_ms += 10001;
	comes_up(r, h);
	ten_mistakes(r, h);
	r->a.ahead_ms += 1190000;
	is_refused(r, h);
	r->a.ahead_ms += 10001;
	comes_up(r, h);
	/* An hour is the most for a contact: after 20 min came 40, then 60. */
	ten_mistakes(r, h);
	r->a.ahead_ms += 2400001;
	comes_up(r, h);
	ten_mistakes(r, h);
	r->a.ahead_ms += 3600001;
	comes_up(r, h);
	ten_mistakes(r, h);
	r->a.ahead_ms += 3600001;
	comes_up(r, h);
	overlay_still_answers(&r->c, &r->a);
}

static void mistakes_of_long_ago_are_forgiven(void **state)
{
	struct rig *r = *state;
	struct hostile *h = &r->h;

	b_turns_hostile(r, h);
	comes_up(r, h);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 9; i++)
			say(h, r, FRAME_PING, STR("short"));
		r->a.ahead_ms += 600001;
	}
	assert_int_equal(h->over, 0);
}

static void newer_frames_are_skipped_and_counted_or_end_the_link(void **state)
{
	struct rig *r = *state;
	struct transport_status s;
	struct hostile *h = &r->h;

	b_turns_hostile(r, h);
	comes_up(r, h);
	for (unsigned type = 0x40; type < 0x80; type++)
		say(h, r, (uint8_t)type, STR("of a later version"));
	transport_status(r->a.transport, &s);
	assert_int_equal(s.unknown_frames, 64);
	assert_int_equal(h->over, 0);
	say(h, r, 0x80, STR(""));
	assert_true(overlay_run_until(r->loop, &h->over, 60000));
	assert_non_null(strstr(h->why, "code 3"));
	overlay_still_answers(&r->a, &r->c);
}

static void false_records_and_documents_are_strikes(void **state)
{
	struct rig *r = *state;
	struct hostile *h = &r->h;

	b_turns_hostile(r, h);
	comes_up(r, h);
	say(h, r, FRAME_IDSEQ, STR("short")); /* 1 */
	for (unsigned i = 0; i < 2; i++)      /* 3 each */
		say(h, r, FRAME_RECORD, STR("no record at all"));
	assert_int_equal(h->over, 0);
	say(h, r, FRAME_RECORD, STR("nor this"));
	assert_true(overlay_run_until(r->loop, &h->over, 60000));
	assert_non_null(strstr(h->why, "code 2"));
	overlay_still_answers(&r->a, &r->c);
}

/* Who says that it has an old document of ours gets the one that we have. */
static void an_old_document_number_is_answered_with_the_document(void **state)
{
	struct rig *r = *state;
	CLEANUP(buf_deinit) struct buf body = { 0 };
	struct hostile *h = &r->h;
	unsigned before;

	b_turns_hostile(r, h);
	comes_up(r, h);
	overlay_run_for(r->loop, 100);
	before = h->messages;
	buf_put(&body, identity_public(r->a.identity), 32);
	buf_put_be64(&body, 0);
	say(h, r, FRAME_IDSEQ, buf_str(&body));
	overlay_run_for(r->loop, 50);
	assert_int_equal(h->messages, before + 1);
	assert_int_equal(h->idseqs, 0);
	/* And who has a newer one of its own is asked for it. */
	buf_clear(&body);
	buf_put(&body, identity_public(r->b.identity), 32);
	buf_put_be64(&body, UINT64_MAX);
	say(h, r, FRAME_IDSEQ, buf_str(&body));
	overlay_run_for(r->loop, 50);
	assert_int_equal(h->idseqs, 1);
}

/* ---- a flood ---- */

#define FLOOD 1500

/* From many networks of this machine: 127.x.y.1. */
static int flood_one(struct overlay_node *to, unsigned n, const char *says)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	from.sin_addr.s_addr = htonl(0x7f000001 + ((n % 30000 + 5) << 8));
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	at.sin_port = htons(transport_port(to->transport));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		assert_int_equal(errno, EINPROGRESS);
	if (says)
		(void)!write(fd, says, strlen(says));
	return fd;
}

static void a_flood_of_connections_keeps_no_contact_out(void **state)
{
	struct rig *r = *state;
	static int fds[FLOOD];
	struct transport_status s;
	size_t most = 0;
	char listen[64];

	overlay_pair(&r->a, &r->b);
	overlay_run_for(r->loop, 50);
	memcpy(listen, r->b.listen, sizeof(listen));
	overlay_node_stop(&r->b);
	assert_true(overlay_run_until(r->loop, &r->a.downs, 60000));
	for (unsigned i = 0; i < FLOOD; i++) {
		fds[i] = flood_one(
			&r->a, i, i % 2 ? "GET /_kith/link HTTP/1.1\r\nHost: x\r\n" : NULL);
		if (i % 20 == 0)
			overlay_run_for(r->loop, 1);
		transport_status(r->a.transport, &s);
		most = s.half_open > most ? s.half_open : most;
		/* Only as many of ours as the machine lets a test have. */
		if (i >= 400)
			close(fds[i - 400]);
	}
	/* What was displaced in a turn is freed in the next. */
	assert_in_range(most, GATE_STRANGERS, GATE_HALF_OPEN + 64);
	r->a.ups = r->b.ups = 0;
	overlay_node_start(&r->b, listen);
	assert_true(overlay_run_until(r->loop, &r->b.ups, 60000));
	overlay_still_answers(&r->b, &r->a);
	for (unsigned i = FLOOD - 400; i < FLOOD; i++)
		close(fds[i]);
	overlay_run_for(r->loop, 500);
	transport_status(r->a.transport, &s);
	assert_int_equal(s.half_open, 0);
	assert_int_equal(s.links, 1);
}

/* ---- what is no kith node at all ---- */

/* Asks as a program or a web page would, and returns the answer's length. */
static size_t knock_by_http(struct rig *r, const char *path, const char *headers, char out[600])
{
	char asks[500];
	int n = snprintf(asks, sizeof(asks),
		"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
		path, headers);
	int fd = flood_one(&r->a, 0, NULL);
	ssize_t got = -1;

	overlay_run_for(r->loop, 20);
	assert_int_equal(write(fd, asks, (size_t)n), n);
	for (unsigned i = 0; i < 50 && got < 0; i++) {
		overlay_run_for(r->loop, 20);
		got = read(fd, out, 599);
	}
	close(fd);
	if (got < 0)
		got = 0;
	out[got] = '\0';
	assert_true(got <= n);
	return (size_t)got;
}

static void a_web_page_or_another_protocol_gets_no_link(void **state)
{
	struct rig *r = *state;
	static const struct {
		const char *path, *headers;
	} cases[] = {
		{ "/_kith/link", "Sec-WebSocket-Protocol: kith.1\r\nOrigin: http://x\r\n" },
		{ "/_kith/link", "Sec-WebSocket-Protocol: kith.1\r\nOrigin: null\r\n" },
		{ "/_kith/link", "Sec-WebSocket-Protocol: chat\r\n" },
		{ "/_kith/link", "" },
		{ "/", "Sec-WebSocket-Protocol: kith.1\r\n" },
		{ "/_kith/link/more", "Sec-WebSocket-Protocol: kith.1\r\n" },
	};
	char out[600];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		(void)knock_by_http(r, cases[i].path, cases[i].headers, out);
		if (strstr(out, " 101"))
			fail_msg("case %zu: %s", i, out);
	}
	assert_true(knock_by_http(r, "/_kith/link", "Sec-WebSocket-Protocol: kith.1\r\n", out));
	assert_non_null(strstr(out, " 101"));
}

#define ON_RIG(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_RIG(strangers_meet_silence_and_are_gone_within_two_seconds),
		ON_RIG(ten_mistakes_are_one_too_many_and_each_time_it_costs_more),
		ON_RIG(mistakes_of_long_ago_are_forgiven),
		ON_RIG(newer_frames_are_skipped_and_counted_or_end_the_link),
		ON_RIG(false_records_and_documents_are_strikes),
		ON_RIG(an_old_document_number_is_answered_with_the_document),
		ON_RIG(a_flood_of_connections_keeps_no_contact_out),
		ON_RIG(a_web_page_or_another_protocol_gets_no_link),
	};

	return RUN_TESTS(tests);
}
