/*
 * The ways between two nodes: a middleman on them, dead ones, changes of network, sleep. What
 * is asked is answered, once, and nobody notices more than a delay.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "node/base/alloc.h"
#include "tests/support/cmocka.h"
#include "tests/support/overlay_node.h"
#include "transport/invite.h"

struct rig {
	struct loop_uv *loop;
	struct overlay_node a, b, c;
};

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

	overlay_node_deinit(&r->a);
	overlay_node_deinit(&r->b);
	overlay_node_deinit(&r->c);
	loop_uv_free(r->loop);
	free(r);
	return 0;
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
	assert_true(overlay_run_until(r->loop, &i.accepted, 60000));
	assert_int_equal(i.err, ERR_OK);
	assert_true(overlay_run_until(r->loop, &r->b.ups, 60000));
	assert_true(overlay_run_until(r->loop, &r->a.ups, 60000));
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
	void *state = NULL;
	struct middleman m = { .kind = kind, .towards_server = towards_server };
	struct overlay_asked asked[REQUESTS] = { 0 };
	struct effects e = { 0 };
	const struct transport_handler serve = { .request = count_effect, .arg = &e };

	if (set_up(&state) || !state) {
		fail();
		return;
	}
	struct rig *r = state;
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
		overlay_ask(towards_server ? &r->b : &r->a, towards_server ? &r->a : &r->b,
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
	struct overlay_asked q = { 0 };

	overlay_run_for(r->loop, 100); /* records have crossed: a's own address is known */
	m->hole = true;
	if (told)
		transport_network_changed(r->b.transport);
	overlay_ask(&r->b, &r->a, STR("{}"), &q);
	assert_true(overlay_run_until(r->loop, &q.done, ms));
	assert_int_equal(q.err, ERR_OK);
	assert_int_equal(r->b.downs, 0); /* nobody was told: there was no time without a link */
	overlay_still_answers(&r->a, &r->b);
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
	assert_true(overlay_run_until(r->loop, &k.enough, 60000)); /* at once, and 1 s later */
	uv_close((uv_handle_t *)&k.listener, NULL);
	overlay_run_for(r->loop, 20);
}

/* ---- a phone's life ---- */

static void who_suspends_is_not_there_and_comes_back(void **state)
{
	struct rig *r = *state;
	struct transport_status s;
	struct overlay_asked q = { 0 };

	overlay_pair(&r->a, &r->b);
	overlay_run_for(r->loop, 50);
	r->a.ups = r->a.downs = 0;
	transport_suspend(r->b.transport);
	assert_true(overlay_run_until(r->loop, &r->a.downs, 1000));
	assert_false(transport_connected(r->a.transport, overlay_node_name(&r->b)));
	overlay_ask(&r->a, &r->b, STR("{}"), &q); /* said at once: there is no waiting for it */
	assert_true(overlay_run_until(r->loop, &q.done, 1000));
	assert_int_equal(q.err, ERR_UNREACHABLE);
	transport_resume(r->b.transport);
	assert_true(overlay_run_until(r->loop, &r->a.ups, 1000));
	overlay_still_answers(&r->a, &r->b);
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
		cmocka_unit_test(a_middleman_causes_no_effect_twice_and_loses_nothing),
		ON_RIG(after_a_change_of_network_a_dead_link_is_replaced_at_once),
		ON_RIG(data_moves_at_the_first_sign_of_silence),
		ON_RIG(dials_come_ever_less_often_until_the_network_changes),
		ON_RIG(who_suspends_is_not_there_and_comes_back),
		ON_RIG(a_change_of_network_that_changes_nothing_costs_no_link),
	};

	return RUN_TESTS(tests);
}
