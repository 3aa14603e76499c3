/* Two and three overlay nodes in one process, over loopback sockets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "node/base/alloc.h"
#include "tests/support/cmocka.h"
#include "tests/support/overlay_node.h"

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

/* ---- requests ---- */

struct answer {
	unsigned done;
	enum err err;
	unsigned status;
	size_t n;
	uint32_t sum; /* of the body's bytes, by their place */
	char body[256];
	char type[64];
	unsigned pieces;
	struct transport_call *call;
	size_t held;
	bool hold;
	unsigned *total;
	char why[128];
};

static uint32_t sum_of(uint32_t sum, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		sum = sum * 31 + (unsigned char)s.p[i];
	return sum;
}

static void on_answer(
	void *arg, enum err err, const struct transport_response *res, const char *why)
{
	struct answer *a = arg;

	a->done++;
	a->err = err;
	(void)snprintf(a->why, sizeof(a->why), "%s", why ? why : "");
	if (a->total)
		(*a->total)--;
	if (!res)
		return;
	a->status = res->status;
	a->n += res->body.n;
	a->sum = sum_of(a->sum, res->body);
	(void)snprintf(a->body, sizeof(a->body), "%.*s", STR_FMT(str_head(res->body, 250)));
	(void)snprintf(a->type, sizeof(a->type), "%.*s", STR_FMT(res->content_type));
}

static struct transport_request request_to(
	const struct overlay_node *to, const char *path, struct str body, struct answer *a)
{
	return (struct transport_request){
		.name = overlay_node_name(to),
		.method = TRANSPORT_PUT,
		.path = str_of(path),
		.body = body,
		.sequence = 7,
		.done = on_answer,
		.arg = a,
	};
}

static void echo(void *arg, struct transport_incoming *in)
{
	struct transport_response res = { .status = 200, .body = in->body };
	struct overlay_node *n = arg;
	CLEANUP(buf_deinit) struct buf b = { 0 };

	if (str_ends(in->path, STR("/who"))) {
		buf_printf(&b, "%.*s %.*s %d", STR_FMT(in->origin), STR_FMT(in->path),
			(int)in->sequence);
		res.body = buf_str(&b);
		res.content_type = STR("text/plain");
		res.status = 201;
	}
	(void)n;
	transport_respond(in, &res);
}

static void serve_echo(struct overlay_node *n)
{
	const struct transport_handler h = { .request = echo, .arg = n };

	transport_serve(n->transport, &h);
}

static void friends_pair_and_ask_each_other(void **state)
{
	struct rig *r = *state;
	struct answer to_b = { 0 }, to_a = { 0 };
	struct transport_request rq;
	CLEANUP(buf_deinit) struct buf want = { 0 };

	overlay_pair(&r->a, &r->b);
	serve_echo(&r->a);
	serve_echo(&r->b);
	rq = request_to(&r->b, "/_matrix/federation/v1/who", STR("{}"), &to_b);
	transport_request(r->a.transport, &rq);
	rq = request_to(&r->a, "/_matrix/federation/v1/who", STR("{}"), &to_a);
	transport_request(r->b.transport, &rq);
	assert_int_equal(to_b.done, 0);
	assert_true(overlay_run_until(r->loop, &to_b.done, 60000));
	assert_true(overlay_run_until(r->loop, &to_a.done, 60000));
	buf_printf(&want, "%s /_matrix/federation/v1/who 7", identity_name(r->a.identity));
	buf_put_u8(&want, 0);
	assert_string_equal(to_b.body, want.p);
	assert_int_equal(to_b.status, 201);
	assert_string_equal(to_b.type, "text/plain");
	assert_int_equal(to_a.status, 201);
	assert_int_equal(r->a.ups, 1);
	assert_int_equal(r->b.ups, 1);
}

/* Runs until a node was told this owner of a contact. */
static void await_owner(struct rig *r, struct overlay_node *n, const char *owner)
{
	for (int i = 0; i < 1000 && strcmp(n->contact_user, owner) != 0; i++)
		overlay_run_for(r->loop, 10);
	assert_string_equal(n->contact_user, owner);
}

static void the_pairing_tells_both_owners(void **state)
{
	struct rig *r = *state;
	char alice[128], bob[128];

	(void)snprintf(alice, sizeof(alice), "@alice:%s", identity_name(r->a.identity));
	(void)snprintf(bob, sizeof(bob), "@bob:%s", identity_name(r->b.identity));
	assert_int_equal(transport_set_owner(r->a.transport, STR("@x:other")), ERR_INVALID);
	assert_int_equal(transport_set_owner(r->a.transport, str_of(bob)), ERR_INVALID);
	assert_int_equal(transport_set_owner(r->a.transport, str_of(alice)), ERR_OK);
	overlay_pair(&r->a, &r->b);
	await_owner(r, &r->b, alice);
	/* Bob registers after the pairing. */
	assert_int_equal(transport_set_owner(r->b.transport, str_of(bob)), ERR_OK);
	await_owner(r, &r->a, bob);
}

static void a_restarted_node_is_found_again(void **state)
{
	struct rig *r = *state;
	struct answer a = { 0 };
	struct transport_request rq;
	char listen[64];

	overlay_pair(&r->a, &r->b);
	memcpy(listen, r->b.listen, sizeof(listen));
	overlay_node_stop(&r->b);
	assert_true(overlay_run_until(r->loop, &r->a.downs, 60000));
	r->a.ups = 0;
	overlay_node_start(&r->b, listen);
	serve_echo(&r->b);
	assert_true(overlay_run_until(r->loop, &r->a.ups, 60000));
	rq = request_to(&r->b, "/_matrix/x", STR("hello"), &a);
	transport_request(r->a.transport, &rq);
	assert_true(overlay_run_until(r->loop, &a.done, 60000));
	assert_string_equal(a.body, "hello");
}

static void a_node_on_a_new_port_finds_its_friends_and_is_found(void **state)
{
	struct rig *r = *state;

	overlay_pair(&r->a, &r->b);
	overlay_node_stop(&r->b);
	assert_true(overlay_run_until(r->loop, &r->a.downs, 60000));
	r->a.ups = 0;
	overlay_node_start(&r->b, NULL);
	assert_true(overlay_run_until(r->loop, &r->a.ups, 60000));
	overlay_run_for(r->loop, 100);
	/* Now a goes away and comes back: b's new port is what it knows. */
	overlay_node_stop(&r->a);
	r->b.ups = 0;
	transport_suspend(r->b.transport); /* b doesn't dial by itself */
	overlay_node_start(&r->a, NULL);
	overlay_run_for(r->loop, 200);
	transport_resume(r->b.transport);
	assert_true(overlay_run_until(r->loop, &r->b.ups, 60000));
}

static void a_thousand_requests_are_answered(void **state)
{
	struct rig *r = *state;
	enum { N = 1000 };
	static struct answer answers[N];
	unsigned left = N;

	overlay_pair(&r->a, &r->b);
	serve_echo(&r->a);
	serve_echo(&r->b);
	memset(answers, 0, sizeof(answers));
	for (unsigned i = 0; i < N; i++) {
		struct overlay_node *from = i % 2 ? &r->a : &r->b;
		struct transport_request rq;
		char body[32];

		(void)snprintf(body, sizeof(body), "number %u", i);
		answers[i].total = &left;
		rq = request_to(i % 2 ? &r->b : &r->a, "/_matrix/x", str_of(body), &answers[i]);
		transport_request(from->transport, &rq);
	}
	for (unsigned i = 0; i < 600 && left > 0; i++)
		overlay_run_for(r->loop, 50);
	for (unsigned i = 0; i < N; i++) {
		char body[32];

		(void)snprintf(body, sizeof(body), "number %u", i);
		assert_int_equal(answers[i].done, 1);
		assert_int_equal(answers[i].err, ERR_OK);
		assert_string_equal(answers[i].body, body);
	}
}

/* ---- large bodies ---- */

#define BIG (10u * 1024 * 1024)

struct big {
	struct transport_incoming *in;
	size_t sent;
	uint32_t sum;
	unsigned most_queued_waits;
	unsigned aborted;
};

static void big_write(struct transport_incoming *in)
{
	struct big *big = in->arg;
	bool more = true;

	while (more && big->sent < BIG) {
		char piece[50000];
		size_t n = BIG - big->sent < sizeof(piece) ? BIG - big->sent : sizeof(piece);

		for (size_t i = 0; i < n; i++)
			piece[i] = (char)((big->sent + i) * 2654435761u >> 24);
		big->sum = sum_of(big->sum, (struct str){ piece, n });
		big->sent += n;
		if (transport_respond_write(in, (struct str){ piece, n }, &more) != ERR_OK) {
			transport_respond_abort(in);
			return;
		}
	}
	big->most_queued_waits++;
}

static void big_abort(struct transport_incoming *in)
{
	struct big *big = in->arg;

	big->aborted++;
	big->in = NULL;
	transport_respond_abort(in);
}

static void big_request(void *arg, struct transport_incoming *in)
{
	struct big *big = arg;
	const struct transport_response res = {
		.status = 200, .content_type = STR("image/png"), .length = BIG
	};

	big->in = in;
	in->arg = big;
	in->on_writable = big_write;
	in->on_abort = big_abort;
	transport_respond_begin(in, &res);
	big_write(in);
}

static bool on_piece(void *arg, const struct transport_response *head, struct str piece)
{
	struct answer *a = arg;

	assert_int_equal(head->length, BIG);
	a->n += piece.n;
	a->sum = sum_of(a->sum, piece);
	a->pieces++;
	if (a->hold)
		a->held += piece.n;
	return !a->hold;
}

static void ten_megabytes_stream_through(void **state)
{
	struct rig *r = *state;
	struct big big = { 0 };
	const struct transport_handler h = { .request = big_request, .arg = &big };
	struct answer a = { 0 };
	struct transport_request rq;

	overlay_pair(&r->a, &r->b);
	transport_serve(r->b.transport, &h);
	rq = request_to(&r->b, "/_matrix/media", STR(""), &a);
	rq.method = TRANSPORT_GET;
	rq.on_body = on_piece;
	rq.class = TRANSPORT_BULK;
	transport_request(r->a.transport, &rq);
	assert_true(overlay_run_until(r->loop, &a.done, 60000));
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(a.n, BIG);
	assert_true(a.sum == big.sum);
	assert_true(big.most_queued_waits > 4); /* it was slowed, not buffered */
}

static void a_slow_reader_slows_the_writer_down(void **state)
{
	struct rig *r = *state;
	struct big big = { 0 };
	const struct transport_handler h = { .request = big_request, .arg = &big };
	struct answer a = { .hold = true };
	struct transport_request rq;

	overlay_pair(&r->a, &r->b);
	transport_serve(r->b.transport, &h);
	rq = request_to(&r->b, "/_matrix/media", STR(""), &a);
	rq.on_body = on_piece;
	a.call = transport_request(r->a.transport, &rq);
	overlay_run_for(r->loop, 500);
	assert_int_equal(a.done, 0);
	assert_true(a.n > 0);
	assert_true(big.sent < 2 * 1024 * 1024);
	while (!a.done) {
		size_t held = a.held;

		a.held = 0;
		transport_call_consumed(a.call, held);
		overlay_run_for(r->loop, 2);
	}
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(a.n, BIG);
	assert_true(a.sum == big.sum);
}

static void a_large_body_goes_up_too(void **state)
{
	struct rig *r = *state;
	struct answer a = { 0 };
	struct transport_request rq;
	const size_t n = 1000 * 1000; /* four fit into 4 MiB */
	char *body = malloc(n);

	overlay_pair(&r->a, &r->b);
	serve_echo(&r->b);
	for (size_t i = 0; i < n; i++)
		body[i] = (char)(i * 2654435761u >> 24);
	rq = request_to(&r->b, "/_matrix/x", (struct str){ body, n }, &a);
	transport_request(r->a.transport, &rq);
	assert_true(overlay_run_until(r->loop, &a.done, 30000));
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(a.n, n);
	assert_true(a.sum == sum_of(0, (struct str){ body, n }));
	free(body);
}

/* ---- what goes wrong ---- */

static void a_cancelled_call_ends_at_both_sides(void **state)
{
	struct rig *r = *state;
	struct big big = { 0 };
	const struct transport_handler h = { .request = big_request, .arg = &big };
	struct answer a = { .hold = true };
	struct transport_request rq;

	overlay_pair(&r->a, &r->b);
	transport_serve(r->b.transport, &h);
	rq = request_to(&r->b, "/_matrix/media", STR(""), &a);
	rq.on_body = on_piece;
	a.call = transport_request(r->a.transport, &rq);
	overlay_run_for(r->loop, 300);
	transport_cancel(a.call);
	assert_int_equal(a.done, 0);
	assert_true(overlay_run_until(r->loop, &a.done, 1000));
	assert_int_equal(a.err, ERR_CANCELLED);
	assert_true(overlay_run_until(r->loop, &big.aborted, 60000));
}

static void never_answer(void *arg, struct transport_incoming *in)
{
	*(struct transport_incoming **)arg = in;
}

static void deadlines_end_a_call(void **state)
{
	struct rig *r = *state;
	struct transport_incoming *in = NULL;
	const struct transport_handler h = { .request = never_answer, .arg = &in };
	const struct transport_response res = { .status = 200 };
	struct answer a = { 0 };
	struct transport_request rq;

	overlay_pair(&r->a, &r->b);
	transport_serve(r->b.transport, &h);
	rq = request_to(&r->b, "/_matrix/x", STR(""), &a);
	rq.deadline_ms = 200;
	transport_request(r->a.transport, &rq);
	assert_true(overlay_run_until(r->loop, &a.done, 60000));
	assert_int_equal(a.err, ERR_TIMEOUT);
	overlay_run_for(r->loop, 100);
	assert_non_null(in);
	transport_respond(in, &res); /* too late, and harmless */
	overlay_run_for(r->loop, 50);
}

static void who_can_not_be_asked_is_told_at_once(void **state)
{
	struct rig *r = *state;
	struct answer stranger = { 0 }, dns = { 0 }, path = { 0 }, gone = { 0 };
	struct transport_request rq = request_to(&r->c, "/_matrix/x", STR(""), &stranger);

	transport_request(r->a.transport, &rq);
	rq.name = STR("example.org");
	rq.arg = &dns;
	transport_request(r->a.transport, &rq);
	assert_int_equal(stranger.done + dns.done, 0);
	assert_true(overlay_run_until(r->loop, &dns.done, 1000));
	assert_int_equal(stranger.err, ERR_FORBIDDEN);
	/* A person sees this who joins a room of someone whom they never paired with. */
	assert_non_null(strstr(stranger.why, "aren't paired"));
	assert_int_equal(dns.err, ERR_FORBIDDEN);

	overlay_pair(&r->a, &r->b);
	rq = request_to(&r->b, "/elsewhere", STR(""), &path);
	transport_request(r->a.transport, &rq);
	assert_true(overlay_run_until(r->loop, &path.done, 1000));
	assert_int_equal(path.err, ERR_FORBIDDEN);

	overlay_node_stop(&r->b);
	rq = request_to(&r->b, "/_matrix/x", STR(""), &gone);
	transport_request(r->a.transport, &rq);
	assert_true(overlay_run_until(r->loop, &gone.done, 60000));
	assert_int_equal(gone.err, ERR_UNREACHABLE);
}

static void a_lost_node_ends_what_was_asked_of_it(void **state)
{
	struct rig *r = *state;
	struct transport_incoming *in = NULL;
	const struct transport_handler h = { .request = never_answer, .arg = &in };
	const struct transport_response res = { .status = 200 };
	struct answer a = { 0 };
	struct transport_request rq;

	overlay_pair(&r->a, &r->b);
	transport_serve(r->b.transport, &h);
	rq = request_to(&r->b, "/_matrix/x", STR(""), &a);
	transport_request(r->a.transport, &rq);
	overlay_run_for(r->loop, 100);
	assert_non_null(in);
	overlay_node_stop(&r->b);
	transport_respond(in, &res); /* its transport is gone; it may answer all the same */
	assert_true(overlay_run_until(r->loop, &a.done, 60000));
	assert_int_equal(a.err, ERR_UNREACHABLE);
}

static void without_a_handler_the_answer_is_503(void **state)
{
	struct rig *r = *state;
	struct answer a = { 0 };
	struct transport_request rq;

	overlay_pair(&r->a, &r->b);
	rq = request_to(&r->b, "/_matrix/x", STR(""), &a);
	transport_request(r->a.transport, &rq);
	assert_true(overlay_run_until(r->loop, &a.done, 60000));
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(a.status, 503);
}

struct hoard {
	struct transport_incoming *in[8];
	unsigned n;
};

static void keep_all(void *arg, struct transport_incoming *in)
{
	struct hoard *h = arg;

	assert_true(h->n < ARRAY_LEN(h->in));
	h->in[h->n++] = in;
}

static void one_peer_has_one_budget(void **state)
{
	struct rig *r = *state;
	struct hoard hoard = { 0 };
	const struct transport_handler h = { .request = keep_all, .arg = &hoard };
	const struct transport_response ok = { .status = 200 };
	static struct answer answers[6];
	unsigned left = 6, refused = 0;
	const size_t n = 1000 * 1000; /* four fit into 4 MiB */
	char *body = malloc(n);

	overlay_pair(&r->a, &r->b);
	transport_serve(r->b.transport, &h);
	for (size_t i = 0; i < n; i++)
		body[i] = (char)(i * 2654435761u >> 24);
	for (unsigned i = 0; i < 6; i++) {
		struct transport_request rq =
			request_to(&r->b, "/_matrix/x", (struct str){ body, n }, &answers[i]);

		answers[i].total = &left;
		transport_request(r->a.transport, &rq);
		overlay_run_for(r->loop, 1);
	}
	for (unsigned i = 0; i < 400 && left > 4; i++)
		overlay_run_for(r->loop, 50);
	assert_int_equal(left, 4);
	assert_int_equal(hoard.n, 4);
	for (unsigned i = 0; i < hoard.n; i++)
		transport_respond(hoard.in[i], &ok);
	for (unsigned i = 0; i < 400 && left > 0; i++)
		overlay_run_for(r->loop, 50);
	for (unsigned i = 0; i < 6; i++)
		refused += answers[i].status == 429;
	assert_int_equal(left, 0);
	assert_int_equal(refused, 2);
	free(body);
}

/* ---- invites ---- */

struct invited {
	unsigned made, accepted;
	char text[4096];
	enum err err;
	char why[256];
	char room[64];
};

static void on_made(void *arg, enum err err, struct str text, const char *why)
{
	struct invited *i = arg;

	(void)why;
	i->err = err;
	(void)snprintf(i->text, sizeof(i->text), "%.*s", STR_FMT(text));
	i->made = 1;
}

static void on_accepted(
	void *arg, enum err err, const struct transport_pairing *pairing, const char *why)
{
	struct invited *i = arg;

	i->err = err;
	(void)snprintf(i->why, sizeof(i->why), "%s", why ? why : "");
	if (pairing)
		(void)snprintf(i->room, sizeof(i->room), "%.*s", STR_FMT(pairing->room));
	i->accepted = 1;
}

static void an_invite_is_good_once(void **state)
{
	struct rig *r = *state;
	const struct transport_invite_options o = { .room = STR("#pub:x") };
	struct invited i = { 0 };
	struct transport_status s;

	overlay_node_start(&r->c, NULL);
	transport_invite_create(r->a.transport, &o, on_made, &i);
	assert_true(overlay_run_until(r->loop, &i.made, 1000));
	transport_status(r->a.transport, &s);
	assert_int_equal(s.invites, 1);
	transport_invite_accept(r->b.transport, str_of(i.text), on_accepted, &i);
	assert_true(overlay_run_until(r->loop, &i.accepted, 60000));
	assert_int_equal(i.err, ERR_OK);
	assert_string_equal(i.room, "#pub:x");
	i.accepted = 0;
	transport_invite_accept(r->c.transport, str_of(i.text), on_accepted, &i);
	assert_true(overlay_run_until(r->loop, &i.accepted, 60000));
	assert_int_equal(i.err, ERR_UNREACHABLE);
	transport_status(r->a.transport, &s);
	assert_int_equal(s.invites, 0);
	assert_int_equal(s.contacts, 1);
	transport_status(r->c.transport, &s);
	assert_int_equal(s.contacts, 0);
	/* The same person may use it again: the answer may have been lost. */
	i.accepted = 0;
	transport_invite_accept(r->b.transport, str_of(i.text), on_accepted, &i);
	assert_true(overlay_run_until(r->loop, &i.accepted, 60000));
	assert_int_equal(i.err, ERR_OK);
}

static void bad_invites_are_explained(void **state)
{
	struct rig *r = *state;
	const struct transport_invite_options o = { .lifetime_ms = 1 };
	struct invited i = { 0 };

	transport_invite_create(r->a.transport, &o, on_made, &i);
	assert_true(overlay_run_until(r->loop, &i.made, 1000));
	transport_invite_accept(r->a.transport, str_of(i.text), on_accepted, &i);
	assert_true(overlay_run_until(r->loop, &i.accepted, 1000));
	assert_int_equal(i.err, ERR_INVALID);
	i.accepted = 0;
	i.text[30] = i.text[30] == 'A' ? 'B' : 'A';
	transport_invite_accept(r->b.transport, str_of(i.text), on_accepted, &i);
	assert_true(overlay_run_until(r->loop, &i.accepted, 1000));
	assert_int_equal(i.err, ERR_MALFORMED);
}

static void an_invite_or_pairing_that_is_not_durable_is_none(void **state)
{
	struct rig *r = *state;
	const struct transport_invite_options o = { 0 };
	struct invited i = { 0 };
	struct transport_status s;

	transport_invite_create(r->a.transport, &o, on_made, &i);
	assert_true(overlay_run_until(r->loop, &i.made, 1000));
	r->a.memory.fail = ERR_FULL;
	transport_invite_accept(r->b.transport, str_of(i.text), on_accepted, &i);
	assert_true(overlay_run_until(r->loop, &i.accepted, 60000));
	assert_int_equal(i.err, ERR_UNREACHABLE);
	transport_status(r->b.transport, &s);
	assert_int_equal(s.contacts, 0);
	i.made = 0;
	transport_invite_create(r->a.transport, &o, on_made, &i);
	assert_true(overlay_run_until(r->loop, &i.made, 1000));
	assert_int_equal(i.err, ERR_FULL);
	r->a.memory.fail = ERR_OK;
}

static void a_forgotten_contact_is_let_in_no_more(void **state)
{
	struct rig *r = *state;
	struct transport_status s;

	overlay_pair(&r->a, &r->b);
	r->b.downs = 0;
	assert_int_equal(transport_forget(r->a.transport, overlay_node_name(&r->b)), ERR_OK);
	assert_int_equal(
		transport_forget(r->a.transport, overlay_node_name(&r->b)), ERR_NOT_FOUND);
	assert_true(overlay_run_until(r->loop, &r->b.downs, 60000));
	r->b.ups = 0;
	overlay_run_for(r->loop, 4000);
	assert_int_equal(r->b.ups, 0);
	transport_status(r->a.transport, &s);
	assert_int_equal(s.contacts, 0);
	assert_int_equal(s.links, 0);
	assert_true(s.refused > 0);
}

static void a_blocked_contact_is_let_in_no_more(void **state)
{
	struct rig *r = *state;

	overlay_pair(&r->a, &r->b);
	r->b.downs = 0;
	assert_int_equal(
		transport_block(r->a.transport, overlay_node_name(&r->b), NULL), ERR_OK);
	assert_int_equal(
		transport_block(r->a.transport, STR("10.0.0.0/33"), NULL), ERR_INVALID);
	assert_true(overlay_run_until(r->loop, &r->b.downs, 60000));
	r->b.ups = 0;
	overlay_run_for(r->loop, 2500);
	assert_int_equal(r->b.ups, 0);
	assert_int_equal(
		transport_unblock(r->a.transport, overlay_node_name(&r->b), NULL), ERR_OK);
	assert_true(overlay_run_until(r->loop, &r->b.ups, 60000));
}

static void a_recovered_device_takes_the_lost_ones_place(void **state)
{
	struct rig *r = *state;
	struct identity_recovery seed;
	struct answer a = { 0 };
	struct transport_request rq;

	overlay_node_stop(&r->b);
	identity_free(r->b.identity);
	r->b.identity = identity_new(&rng_system, clock_wall_ms(&clock_system), &seed);
	overlay_node_start(&r->b, NULL);
	overlay_pair(&r->a, &r->b);
	overlay_run_for(r->loop, 100); /* documents have crossed */
	overlay_node_stop(&r->b);      /* the lost one */
	identity_free(r->c.identity);
	r->c.identity = identity_recover(&rng_system, clock_wall_ms(&clock_system), &seed);
	overlay_node_start(&r->c, NULL);
	serve_echo(&r->c);
	overlay_pair(&r->a, &r->c);
	rq = request_to(&r->c, "/_matrix/x", STR("same name"), &a);
	transport_request(r->a.transport, &rq);
	assert_true(overlay_run_until(r->loop, &a.done, 60000));
	assert_string_equal(a.body, "same name");
	/* The thief switches it on. */
	r->b.ups = 0;
	overlay_node_start(&r->b, NULL);
	overlay_run_for(r->loop, 4000);
	assert_int_equal(r->b.ups, 0);
	assert_true(transport_connected(r->a.transport, overlay_node_name(&r->c)));
}

static void simultaneous_dials_leave_one_link(void **state)
{
	struct rig *r = *state;
	struct transport_status a, b;
	char la[64], lb[64];

	overlay_pair(&r->a, &r->b);
	overlay_run_for(r->loop, 50); /* the records have crossed */
	memcpy(la, r->a.listen, sizeof(la));
	memcpy(lb, r->b.listen, sizeof(lb));
	overlay_node_stop(&r->a);
	overlay_node_stop(&r->b);
	r->a.ups = r->b.ups = 0;
	overlay_node_start(&r->a, la);
	overlay_node_start(&r->b, lb);
	assert_true(overlay_run_until(r->loop, &r->a.ups, 60000));
	assert_true(overlay_run_until(r->loop, &r->b.ups, 60000));
	overlay_run_for(r->loop, 1500);
	transport_status(r->a.transport, &a);
	transport_status(r->b.transport, &b);
	assert_int_equal(a.links, 1);
	assert_int_equal(b.links, 1);
	assert_true(transport_connected(r->a.transport, overlay_node_name(&r->b)));
}

#define ON_RIG(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_RIG(friends_pair_and_ask_each_other),
		ON_RIG(the_pairing_tells_both_owners),
		ON_RIG(a_restarted_node_is_found_again),
		ON_RIG(a_node_on_a_new_port_finds_its_friends_and_is_found),
		ON_RIG(a_thousand_requests_are_answered),
		ON_RIG(ten_megabytes_stream_through),
		ON_RIG(a_slow_reader_slows_the_writer_down),
		ON_RIG(a_large_body_goes_up_too),
		ON_RIG(a_cancelled_call_ends_at_both_sides),
		ON_RIG(deadlines_end_a_call),
		ON_RIG(who_can_not_be_asked_is_told_at_once),
		ON_RIG(a_lost_node_ends_what_was_asked_of_it),
		ON_RIG(without_a_handler_the_answer_is_503),
		ON_RIG(one_peer_has_one_budget),
		ON_RIG(an_invite_is_good_once),
		ON_RIG(bad_invites_are_explained),
		ON_RIG(an_invite_or_pairing_that_is_not_durable_is_none),
		ON_RIG(a_forgotten_contact_is_let_in_no_more),
		ON_RIG(a_blocked_contact_is_let_in_no_more),
		ON_RIG(a_recovered_device_takes_the_lost_ones_place),
		ON_RIG(simultaneous_dials_leave_one_link),
	};

	return RUN_TESTS(tests);
}
