#include "tests/support/overlay_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "node/base/alloc.h"
#include "tests/support/cmocka.h"

static void on_up(void *arg, struct str name)
{
	(void)name;
	((struct overlay_node *)arg)->ups++;
}

static void on_down(void *arg, struct str name)
{
	(void)name;
	((struct overlay_node *)arg)->downs++;
}

static void on_contact(void *arg, const struct transport_peer *peer)
{
	struct overlay_node *n = arg;

	n->contacts++;
	(void)snprintf(
		n->contact_user, sizeof(n->contact_user), "%.*s", STR_FMT(peer->user_id));
}

void overlay_node_init(struct overlay_node *n, struct loop_uv *loop)
{
	struct identity_recovery r;

	*n = (struct overlay_node){ .loop = loop };
	n->identity = identity_new(&rng_system, clock_wall_ms(&clock_system), &r);
	persist_memory_init(&n->memory, loop_uv_loop(loop));
	n->listener = (struct transport_listener){
		.peer_up = on_up, .peer_down = on_down, .contact = on_contact, .arg = n
	};
}

static void write_log(void *arg, enum log_level level, const char *line)
{
	((struct overlay_node *)arg)->log_lines += level != LOG_DEBUG;
	if (getenv("KITH_TEST_LOG"))
		fprintf(stderr, "# %s\n", line);
}

/* ---- a loop whose clock may be ahead ---- */

static struct loop *inner(struct loop *l)
{
	return loop_uv_loop(CONTAINER_OF(l, struct overlay_node, shifted)->loop);
}

static uint64_t shifted_now_ms(struct loop *l)
{
	return loop_now_ms(inner(l)) + CONTAINER_OF(l, struct overlay_node, shifted)->ahead_ms;
}

static struct loop_timer *shifted_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	return loop_timer_new(inner(l), fn, arg);
}

static void shifted_defer(struct loop *l, struct loop_deferred *d)
{
	loop_defer(inner(l), d);
}

static void shifted_undefer(struct loop *l, struct loop_deferred *d)
{
	loop_undefer(inner(l), d);
}

static void shifted_work(struct loop *l, struct loop_work *w)
{
	loop_work(inner(l), w);
}

static struct loop *shifted_loop(struct overlay_node *n)
{
	const struct loop_ops *real = loop_uv_loop(n->loop)->ops;

	n->shifted_ops = (struct loop_ops){ shifted_now_ms, shifted_timer_new, real->timer_set,
		real->timer_stop, real->timer_free, shifted_defer, shifted_undefer,
		shifted_work };
	n->shifted.ops = &n->shifted_ops;
	return &n->shifted;
}

void overlay_node_start(struct overlay_node *n, const char *listen)
{
	struct transport_options o = {
		.loop = shifted_loop(n),
		.clock = &clock_system,
		.rng = &rng_system,
		.log = &n->log,
		.uv = loop_uv_handle(n->loop),
		.identity = n->identity,
		.persist = &n->memory.persist,
		.listen = listen ? listen : "127.0.0.1:0",
	};
	struct err_ctx why = { 0 };

	n->log = (struct log){ LOG_DEBUG, write_log, n };
	assert_int_equal(lws_node_new(loop_uv_handle(n->loop), NULL, &n->lws, &why), ERR_OK);
	o.lws = lws_node_context(n->lws);
	if (transport_new(&o, &n->transport, &why) != ERR_OK)
		fail_msg("transport_new: %s", why.text);
	transport_listen(n->transport, &n->listener);
	(void)snprintf(
		n->listen, sizeof(n->listen), "127.0.0.1:%u", transport_port(n->transport));
}

void overlay_node_stop(struct overlay_node *n)
{
	if (!n->transport)
		return;
	transport_free(n->transport);
	n->transport = NULL;
	overlay_run_for(n->loop, 20);
	lws_node_stop(n->lws);
	overlay_run_for(n->loop, 20);
	lws_node_free(n->lws);
	n->lws = NULL;
}

void overlay_node_deinit(struct overlay_node *n)
{
	overlay_node_stop(n);
	identity_free(n->identity);
	persist_memory_deinit(&n->memory);
}

struct str overlay_node_name(const struct overlay_node *n)
{
	return str_of(identity_name(n->identity));
}

static void on_time(void *arg)
{
	*(bool *)arg = true;
}

bool overlay_run_until(struct loop_uv *loop, const unsigned *flag, unsigned ms)
{
	bool over = false;
	struct loop *l = loop_uv_loop(loop);
	struct loop_timer *timer = loop_timer_new(l, on_time, &over);

	loop_timer_set(l, timer, ms);
	while (!over && *flag == 0)
		loop_uv_run_once(loop, true);
	loop_timer_free(l, timer);
	return *flag != 0;
}

void overlay_run_for(struct loop_uv *loop, unsigned ms)
{
	const unsigned never = 0;

	(void)overlay_run_until(loop, &never, ms);
}

struct pairing_test {
	unsigned made, accepted;
	char text[4096];
	enum err err;
};

static void on_made(void *arg, enum err err, struct str text, const char *why)
{
	struct pairing_test *p = arg;

	assert_int_equal(err, ERR_OK);
	(void)why;
	(void)snprintf(p->text, sizeof(p->text), "%.*s", STR_FMT(text));
	p->made = 1;
}

static void on_accepted(
	void *arg, enum err err, const struct transport_pairing *pairing, const char *why)
{
	struct pairing_test *p = arg;

	if (err)
		print_message("accept: %s\n", why);
	(void)pairing;
	p->err = err;
	p->accepted = 1;
}

void overlay_pair(struct overlay_node *a, struct overlay_node *b)
{
	const struct transport_invite_options o = { 0 };
	struct pairing_test p = { 0 };

	transport_invite_create(a->transport, &o, on_made, &p);
	assert_true(overlay_run_until(a->loop, &p.made, 60000));
	transport_invite_accept(b->transport, str_of(p.text), on_accepted, &p);
	assert_true(overlay_run_until(a->loop, &p.accepted, 60000));
	assert_int_equal(p.err, ERR_OK);
	for (unsigned i = 0;
		i < 500 && !transport_connected(a->transport, overlay_node_name(b)); i++)
		overlay_run_for(a->loop, 10);
	assert_true(transport_connected(a->transport, overlay_node_name(b)));
	assert_true(transport_connected(b->transport, overlay_node_name(a)));
}

/* ---- does it still answer? ---- */

static void on_asked(
	void *arg, enum err err, const struct transport_response *res, const char *why)
{
	struct overlay_asked *q = arg;

	if (err && getenv("KITH_TEST_LOG"))
		fprintf(stderr, "# answer: %s\n", why);
	q->done++;
	q->err = err;
	q->status = res ? res->status : 0;
}

void overlay_ask(struct overlay_node *from, const struct overlay_node *to, struct str body,
	struct overlay_asked *q)
{
	const struct transport_request rq = { .name = overlay_node_name(to),
		.method = TRANSPORT_PUT,
		.path = STR("/_matrix/x"),
		.body = body,
		.done = on_asked,
		.arg = q };

	transport_request(from->transport, &rq);
}

/* 503: nobody serves, but somebody answers. */
void overlay_still_answers(struct overlay_node *from, struct overlay_node *to)
{
	struct overlay_asked q = { 0 };

	overlay_ask(from, to, STR("{}"), &q);
	assert_true(overlay_run_until(from->loop, &q.done, 60000));
	assert_int_equal(q.err, ERR_OK);
}
