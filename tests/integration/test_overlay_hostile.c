/*
 * A node among those who mean it no good: strangers, a contact that breaks the rules, a
 * middleman, a flood. What they get is a closed link; the node goes on answering (security.md,
 * O).
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
#include "transport/invite.h"
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

/* ---- does it still answer? ---- */

struct asked {
	unsigned done;
	enum err err;
	unsigned status;
};

static void on_answer(
	void *arg, enum err err, const struct transport_response *res, const char *why)
{
	struct asked *q = arg;

	if (err && getenv("KITH_TEST_LOG"))
		fprintf(stderr, "# answer: %s\n", why);
	q->done++;
	q->err = err;
	q->status = res ? res->status : 0;
}

static void ask(struct overlay_node *from, const struct overlay_node *to, struct str body,
	struct asked *q)
{
	const struct transport_request rq = { .name = overlay_node_name(to),
		.method = TRANSPORT_PUT,
		.path = STR("/_matrix/x"),
		.body = body,
		.done = on_answer,
		.arg = q };

	transport_request(from->transport, &rq);
}

/* 503: nobody serves, but somebody answers. */
static void still_answers(struct rig *r, struct overlay_node *from, struct overlay_node *to)
{
	struct asked q = { 0 };

	ask(from, to, STR("{}"), &q);
	assert_true(overlay_run_until(r->loop, &q.done, 5000));
	assert_int_equal(q.err, ERR_OK);
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
	still_answers(r, &r->a, &r->b);
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
	assert_true(overlay_run_until(r->loop, &h->over, 2000));
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
	still_answers(r, &r->a, &r->c);
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
	still_answers(r, &r->c, &r->a);
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
	assert_true(overlay_run_until(r->loop, &h->over, 2000));
	assert_non_null(strstr(h->why, "code 3"));
	still_answers(r, &r->a, &r->c);
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
	assert_true(overlay_run_until(r->loop, &h->over, 2000));
	assert_non_null(strstr(h->why, "code 2"));
	still_answers(r, &r->a, &r->c);
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

/* ---- a middleman ---- */

enum meddling { PASS, FLIP, REPEAT, DROP, CUT, N_MEDDLINGS };

#define MEDDLE_FROM 4000 /* bytes: the handshake is over by then */

struct pipe {
	uv_tcp_t tcp;
	struct pipe *other;
	struct middleman *m;
	size_t passed;
	bool towards_server;
};

struct middleman {
	uv_tcp_t listener;
	struct pipe ends[2];
	uint16_t port, to;
	enum meddling kind;
	bool towards_server;
	bool hole; /* it swallows everything from now on */
	unsigned meddled, closed, accepted;
};

struct chunk {
	uv_write_t req;
	char bytes[];
};

static void on_written(uv_write_t *req, int status)
{
	(void)status;
	free(req);
}

static void forward(struct pipe *to, const char *p, size_t n)
{
	struct chunk *c = malloc(sizeof(*c) + n);
	uv_buf_t b = uv_buf_init(c->bytes, (unsigned)n);

	memcpy(c->bytes, p, n);
	if (uv_write(&c->req, (uv_stream_t *)&to->tcp, &b, 1, on_written) != 0)
		free(c);
}

static void on_pipe_closed(uv_handle_t *h)
{
	((struct pipe *)h->data)->m->closed++;
}

static void break_off(struct middleman *m)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!uv_is_closing((uv_handle_t *)&m->ends[i].tcp))
			uv_close((uv_handle_t *)&m->ends[i].tcp, on_pipe_closed);
	}
}

static void meddle(struct pipe *from, char *p, size_t n)
{
	struct middleman *m = from->m;
	bool now = from->towards_server == m->towards_server && !m->meddled &&
		from->passed >= MEDDLE_FROM && m->kind != PASS;

	if (m->hole)
		return;
	from->passed += n;
	m->meddled += now;
	if (now && m->kind == FLIP)
		p[n / 2] ^= 4;
	if (!now || m->kind == FLIP || m->kind == REPEAT)
		forward(from->other, p, n);
	if (now && m->kind == REPEAT)
		forward(from->other, p, n);
	if (now && m->kind == CUT) {
		forward(from->other, p, n / 2);
		break_off(m);
	}
}

static void alloc_some(uv_handle_t *h, size_t wish, uv_buf_t *b)
{
	(void)h, (void)wish;
	*b = uv_buf_init(malloc(3000), 3000);
}

static void on_bytes(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct pipe *from = s->data;

	if (n > 0)
		meddle(from, b->base, (size_t)n);
	else if (n < 0)
		break_off(from->m);
	free(b->base);
}

static void on_connected(uv_connect_t *req, int status)
{
	struct middleman *m = req->data;

	free(req);
	assert_int_equal(status, 0);
	for (unsigned i = 0; i < 2; i++)
		uv_read_start((uv_stream_t *)&m->ends[i].tcp, alloc_some, on_bytes);
}

/* One connection; nobody comes through it a second time. */
static void on_dialled(uv_stream_t *s, int status)
{
	struct middleman *m = s->data;
	uv_connect_t *req = malloc(sizeof(*req));
	struct sockaddr_in to;

	assert_int_equal(status, 0);
	if (m->accepted++ > 0) {
		free(req);
		return;
	}
	uv_ip4_addr("127.0.0.1", m->to, &to);
	for (unsigned i = 0; i < 2; i++) {
		m->ends[i] = (struct pipe){
			.m = m, .other = &m->ends[1 - i], .towards_server = i == 0
		};
		uv_tcp_init(s->loop, &m->ends[i].tcp);
		m->ends[i].tcp.data = &m->ends[i];
	}
	assert_int_equal(uv_accept(s, (uv_stream_t *)&m->ends[0].tcp), 0);
	req->data = m;
	uv_tcp_connect(req, &m->ends[1].tcp, (struct sockaddr *)&to, on_connected);
}

static void middleman_start(struct middleman *m, struct rig *r, uint16_t to)
{
	struct sockaddr_in at;
	int n = sizeof(at);

	m->to = to;
	uv_ip4_addr("127.0.0.1", 0, &at);
	uv_tcp_init(loop_uv_handle(r->loop), &m->listener);
	m->listener.data = m;
	assert_int_equal(uv_tcp_bind(&m->listener, (struct sockaddr *)&at, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&m->listener, 8, on_dialled), 0);
	uv_tcp_getsockname(&m->listener, (struct sockaddr *)&at, &n);
	m->port = ntohs(at.sin_port);
}

static void middleman_end(struct middleman *m, struct rig *r)
{
	uv_close((uv_handle_t *)&m->listener, NULL);
	if (m->accepted)
		break_off(m);
	overlay_run_for(r->loop, 20);
}

struct invited {
	unsigned made, accepted;
	char text[4096];
	enum err err;
};

static void on_made(void *arg, enum err err, struct str text, const char *why)
{
	struct invited *i = arg;

	(void)why;
	assert_int_equal(err, ERR_OK);
	(void)snprintf(i->text, sizeof(i->text), "%.*s", STR_FMT(text));
	i->made = 1;
}

static void on_accepted(
	void *arg, enum err err, const struct transport_pairing *pairing, const char *why)
{
	struct invited *i = arg;

	(void)pairing, (void)why;
	i->err = err;
	i->accepted = 1;
}

/* b pairs with a, and its link goes through the middle. */
static void pair_through(struct rig *r, uint16_t port)
{
	const struct transport_invite_options o = { 0 };
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(freep) struct invite *v = NEW(struct invite);
	struct invited i = { 0 };

	transport_invite_create(r->a.transport, &o, on_made, &i);
	assert_true(overlay_run_until(r->loop, &i.made, 1000));
	assert_int_equal(invite_parse(str_of(i.text), v, NULL), ERR_OK);
	v->n_endpoints = 1;
	v->endpoints[0].port = port;
	invite_encode(v, &text);
	transport_invite_accept(r->b.transport, buf_str(&text), on_accepted, &i);
	assert_true(overlay_run_until(r->loop, &i.accepted, 25000));
	assert_int_equal(i.err, ERR_OK);
	assert_true(overlay_run_until(r->loop, &r->b.ups, 5000));
	assert_true(overlay_run_until(r->loop, &r->a.ups, 5000));
}

#define REQUESTS 60

struct effects {
	unsigned n[REQUESTS];
};

static void count_effect(void *arg, struct transport_incoming *in)
{
	const struct transport_response ok = { .status = 200 };
	struct effects *e = arg;
	uint64_t which = REQUESTS;
	struct str number = str_head(in->body, 4);

	assert_true(str_to_u64(number, &which) && which >= 1000 && which < 1000 + REQUESTS);
	e->n[which - 1000]++;
	transport_respond(in, &ok);
}

static void meddle_once(enum meddling kind, bool towards_server)
{
	struct rig *r;
	struct middleman m = { .kind = kind, .towards_server = towards_server };
	struct asked asked[REQUESTS] = { 0 };
	struct effects e = { 0 };
	const struct transport_handler serve = { .request = count_effect, .arg = &e };

	assert_int_equal(set_up((void **)&r), 0);
	middleman_start(&m, r, transport_port(r->a.transport));
	pair_through(r, m.port);
	transport_serve(r->a.transport, &serve);
	transport_serve(r->b.transport, &serve);
	for (unsigned i = 0; i < REQUESTS; i++) {
		char body[700];

		memset(body, ' ', sizeof(body));
		for (size_t k = 4; k < sizeof(body); k++)
			body[k] = (char)('a' + (k * 2654435761u >> 24) % 26);
		(void)snprintf(body, 5, "%u", 1000 + i);
		body[4] = ' ';
		ask(towards_server ? &r->b : &r->a, towards_server ? &r->a : &r->b,
			(struct str){ body, sizeof(body) }, &asked[i]);
		overlay_run_for(r->loop, 1);
	}
	for (unsigned i = 0; i < REQUESTS; i++) {
		assert_true(asked[i].done || overlay_run_until(r->loop, &asked[i].done, 20000));
		assert_int_equal(asked[i].done, 1);
		assert_int_equal(asked[i].err, ERR_OK); /* the session outlives its link */
		assert_int_equal(asked[i].status, 200);
		assert_int_equal(e.n[i], 1);
	}
	assert_int_equal(m.meddled, kind != PASS);
	middleman_end(&m, r);
	assert_int_equal(tear_down((void **)&r), 0);
}

static void a_middleman_causes_no_effect_twice_and_loses_nothing(void **state)
{
	(void)state;
	for (int kind = PASS; kind < N_MEDDLINGS; kind++) {
		meddle_once((enum meddling)kind, true);
		meddle_once((enum meddling)kind, false);
	}
}

/* ---- a way that is dead, and says nothing of it ---- */

static void answers_within(struct rig *r, struct middleman *m, bool told, unsigned ms)
{
	struct asked q = { 0 };

	overlay_run_for(r->loop, 100); /* records have crossed: a's own address is known */
	m->hole = true;
	if (told)
		transport_network_changed(r->b.transport);
	ask(&r->b, &r->a, STR("{}"), &q);
	assert_true(overlay_run_until(r->loop, &q.done, ms));
	assert_int_equal(q.err, ERR_OK);
	assert_int_equal(r->b.downs, 0); /* nobody was told: there was no time without a link */
	still_answers(r, &r->a, &r->b);
}

static void after_a_change_of_network_a_dead_link_is_replaced_at_once(void **state)
{
	struct rig *r = *state;
	struct middleman m = { 0 };

	middleman_start(&m, r, transport_port(r->a.transport));
	pair_through(r, m.port);
	answers_within(r, &m, true, 10000);
	middleman_end(&m, r);
}

static void data_moves_at_the_first_sign_of_silence(void **state)
{
	struct rig *r = *state;
	struct middleman m = { 0 };

	middleman_start(&m, r, transport_port(r->a.transport));
	pair_through(r, m.port);
	answers_within(r, &m, false, 10000);
	middleman_end(&m, r);
}

/* ---- nobody at home ---- */

struct knocks {
	uv_tcp_t listener;
	uint64_t at_ms[16];
	unsigned n, wanted, enough;
};

static void on_knock_closed(uv_handle_t *h)
{
	free(h);
}

static void on_knock(uv_stream_t *s, int status)
{
	struct knocks *k = s->data;
	uv_tcp_t *tcp = malloc(sizeof(*tcp));

	assert_int_equal(status, 0);
	uv_tcp_init(s->loop, tcp);
	assert_int_equal(uv_accept(s, (uv_stream_t *)tcp), 0);
	uv_close((uv_handle_t *)tcp, on_knock_closed);
	if (k->n < ARRAY_LEN(k->at_ms))
		k->at_ms[k->n] = uv_now(s->loop);
	k->enough = ++k->n >= k->wanted;
}

/* 1, 2, 4 s with 20 % of chance, and from the beginning when the network has changed. */
static void dials_come_ever_less_often_until_the_network_changes(void **state)
{
	struct rig *r = *state;
	struct knocks k = { .wanted = 4 };
	struct sockaddr_in at;
	uint16_t port;

	overlay_pair(&r->a, &r->b);
	overlay_run_for(r->loop, 100);
	port = transport_port(r->b.transport);
	overlay_node_stop(&r->b);
	uv_ip4_addr("127.0.0.1", port, &at);
	uv_tcp_init(loop_uv_handle(r->loop), &k.listener);
	k.listener.data = &k;
	assert_int_equal(uv_tcp_bind(&k.listener, (struct sockaddr *)&at, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&k.listener, 8, on_knock), 0);
	assert_true(overlay_run_until(r->loop, &k.enough, 30000));
	/* The first gap may have a dial in it that came before the listener. */
	for (unsigned i = 1; i + 1 < k.n; i++) {
		uint64_t gap = k.at_ms[i] - k.at_ms[i - 1];
		uint64_t next = k.at_ms[i + 1] - k.at_ms[i];

		assert_in_range(next, gap * 4 / 3 - 200, gap * 3 + 2000);
	}
	k.wanted = k.n + 2;
	k.enough = 0;
	transport_network_changed(r->a.transport);
	assert_true(overlay_run_until(r->loop, &k.enough, 5000)); /* at once, and 1 s later */
	uv_close((uv_handle_t *)&k.listener, NULL);
	overlay_run_for(r->loop, 20);
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
	assert_true(overlay_run_until(r->loop, &r->a.downs, 5000));
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
	assert_true(overlay_run_until(r->loop, &r->b.ups, 2000));
	still_answers(r, &r->b, &r->a);
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

/* ---- a phone's life ---- */

static void who_suspends_is_not_there_and_comes_back(void **state)
{
	struct rig *r = *state;
	struct transport_status s;
	struct asked q = { 0 };

	overlay_pair(&r->a, &r->b);
	overlay_run_for(r->loop, 50);
	r->a.ups = r->a.downs = 0;
	transport_suspend(r->b.transport);
	assert_true(overlay_run_until(r->loop, &r->a.downs, 1000));
	assert_false(transport_connected(r->a.transport, overlay_node_name(&r->b)));
	ask(&r->a, &r->b, STR("{}"), &q); /* said at once: there is no waiting for it */
	assert_true(overlay_run_until(r->loop, &q.done, 1000));
	assert_int_equal(q.err, ERR_UNREACHABLE);
	transport_resume(r->b.transport);
	assert_true(overlay_run_until(r->loop, &r->a.ups, 1000));
	still_answers(r, &r->a, &r->b);
	transport_status(r->a.transport, &s);
	assert_int_equal(s.links, 1);
	assert_int_equal(r->a.downs, 1);
}

static void a_change_of_network_that_changes_nothing_costs_no_link(void **state)
{
	struct rig *r = *state;
	struct transport_status s;

	overlay_pair(&r->a, &r->b);
	overlay_run_for(r->loop, 50);
	transport_network_changed(r->a.transport);
	transport_network_changed(r->b.transport);
	overlay_run_for(r->loop, 1000);
	transport_status(r->a.transport, &s);
	assert_int_equal(s.links + s.half_open, 1);
	assert_int_equal(r->a.ups + r->b.ups, 2);
	assert_int_equal(r->a.downs + r->b.downs, 0);
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
		cmocka_unit_test(a_middleman_causes_no_effect_twice_and_loses_nothing),
		ON_RIG(after_a_change_of_network_a_dead_link_is_replaced_at_once),
		ON_RIG(data_moves_at_the_first_sign_of_silence),
		ON_RIG(dials_come_ever_less_often_until_the_network_changes),
		ON_RIG(a_flood_of_connections_keeps_no_contact_out),
		ON_RIG(a_web_page_or_another_protocol_gets_no_link),
		ON_RIG(who_suspends_is_not_there_and_comes_back),
		ON_RIG(a_change_of_network_that_changes_nothing_costs_no_link),
	};

	return RUN_TESTS(tests);
}
