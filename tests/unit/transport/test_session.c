/* Sessions over a pipe that can be cut: what was under way is sent again, nothing comes twice.
 */
#include "transport/session.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "tests/support/cmocka.h"
#include "transport/ranges.h"
#include "transport/wire.h"

struct side {
	struct session *s;
	struct buf got; /* of all streams */
	unsigned opened, fins, resets, stops, writable, freed, records, docs;
	struct stream *last;
	bool hold;
	bool release_on_fin;
};

struct pair {
	struct side a, b;
	uint64_t now;
	size_t max;
};

static void on_wake(void *arg)
{
	(void)arg;
}

static void on_opened(void *arg, struct stream *st)
{
	struct side *x = arg;

	x->opened++;
	x->last = st;
	stream_set_arg(st, x);
}

static void on_data(void *arg, struct stream *st, struct str bytes, bool fin)
{
	struct side *x = arg;

	buf_put_str(&x->got, bytes);
	x->fins += fin;
	if (!x->hold)
		stream_consumed(st, bytes.n);
	if (fin && x->release_on_fin)
		stream_release(st);
}

static void on_reset(void *arg, struct stream *st, uint64_t code)
{
	struct side *x = arg;

	(void)st;
	assert_int_equal(code, 0);
	x->resets++;
}

static void on_stopped(void *arg, struct stream *st, uint64_t code)
{
	(void)st, (void)code;
	((struct side *)arg)->stops++;
}

static void on_writable(void *arg, struct stream *st)
{
	(void)st;
	((struct side *)arg)->writable++;
}

static void on_streams_free(void *arg)
{
	((struct side *)arg)->freed++;
}

static void on_record(void *arg, struct str record)
{
	struct side *x = arg;

	assert_str_equal(record, "a record");
	x->records++;
}

static void on_iddoc(void *arg, struct str document)
{
	(void)document;
	((struct side *)arg)->docs++;
}

static const struct session_ops ops = { on_wake, on_opened, on_data, on_reset, on_stopped,
	on_writable, on_streams_free, on_record, on_iddoc };

static int set_up(void **state)
{
	struct pair *p = NEW(struct pair);

	p->a.s = session_new(&ops, &p->a, true);
	p->b.s = session_new(&ops, &p->b, false);
	p->max = 16000;
	p->now = 1000;
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *p = *state;

	session_free(p->a.s);
	session_free(p->b.s);
	buf_deinit(&p->a.got);
	buf_deinit(&p->b.got);
	free(p);
	return 0;
}

/* Carries one packet; false if there is none. lost: it goes nowhere. */
static bool carry(struct pair *p, struct side *from, struct side *to, bool lost)
{
	CLEANUP(buf_deinit) struct buf m = { 0 };
	bool bulk;

	if (!session_output(from->s, p->now, p->max, &m, &bulk))
		return false;
	if (!lost)
		assert_int_equal(session_input(to->s, p->now, buf_str(&m)), ERR_OK);
	return true;
}

static void pump(struct pair *p)
{
	bool some = true;

	while (some) {
		some = false;
		while (carry(p, &p->a, &p->b, false))
			some = true;
		while (carry(p, &p->b, &p->a, false))
			some = true;
		if (!some && session_next_ms(p->a.s) != UINT64_MAX) {
			p->now = session_next_ms(p->a.s);
			session_tick(p->a.s, p->now);
			some = true;
		}
		if (!some && session_next_ms(p->b.s) != UINT64_MAX) {
			p->now = session_next_ms(p->b.s);
			session_tick(p->b.s, p->now);
			some = true;
		}
	}
}

static void streams_go_both_ways_and_end(void **state)
{
	struct pair *p = *state;
	struct stream *st = stream_open(p->a.s, &p->a, false);

	assert_non_null(st);
	p->a.release_on_fin = true;
	stream_write(st, STR("ques"), false);
	pump(p);
	stream_write(st, STR("tion"), true);
	pump(p);
	assert_str_equal(buf_str(&p->b.got), "question");
	assert_int_equal(p->b.fins, 1);
	assert_false(session_outstanding(p->a.s));
	stream_write(p->b.last, STR("answer"), true);
	stream_release(p->b.last);
	pump(p);
	assert_str_equal(buf_str(&p->a.got), "answer");
	assert_int_equal(p->a.fins, 1);
	assert_false(session_outstanding(p->b.s));
}

static void an_acknowledgement_comes_within_20_ms_and_costs_no_other(void **state)
{
	struct pair *p = *state;
	struct stream *st = stream_open(p->a.s, &p->a, false);

	stream_write(st, STR("x"), false);
	assert_true(carry(p, &p->a, &p->b, false));
	assert_int_equal(session_next_ms(p->b.s), p->now + SESSION_ACK_MS);
	assert_false(carry(p, &p->b, &p->a, false));
	p->now += SESSION_ACK_MS;
	session_tick(p->b.s, p->now);
	assert_true(carry(p, &p->b, &p->a, false));
	assert_int_equal(session_next_ms(p->a.s), UINT64_MAX); /* no ACK of an ACK */
	assert_int_equal(session_next_ms(p->b.s), UINT64_MAX);
	assert_false(session_outstanding(p->a.s));
	/* Every second packet at once. */
	stream_write(st, STR("y"), false);
	assert_true(carry(p, &p->a, &p->b, false));
	stream_write(st, STR("z"), false);
	assert_true(carry(p, &p->a, &p->b, false));
	assert_true(carry(p, &p->b, &p->a, false));
}

static void what_was_lost_with_a_link_is_sent_again_once(void **state)
{
	struct pair *p = *state;
	struct stream *st = stream_open(p->a.s, &p->a, false);
	struct buf all = { 0 };

	session_send_record(p->a.s, STR("a record"));
	for (unsigned i = 0; i < 40; i++) {
		char text[1000];

		memset(text, 'a' + (int)(i % 26), sizeof(text));
		buf_put(&all, text, sizeof(text));
		stream_write(st, (struct str){ text, sizeof(text) }, i == 39);
		/* Each third packet is lost, and the link with it. */
		carry(p, &p->a, &p->b, i % 3 == 2);
		if (i % 5 == 4)
			carry(p, &p->b, &p->a, i % 3 == 2);
		if (i % 3 == 2) {
			session_path_up(p->a.s);
			session_path_up(p->b.s);
		}
	}
	pump(p);
	assert_int_equal(p->b.got.n, all.n);
	assert_memory_equal(p->b.got.p, all.p, all.n);
	assert_int_equal(p->b.fins, 1);
	assert_in_range(
		p->b.records, 1, 3); /* documents may come again: they say so themselves */
	assert_false(session_outstanding(p->a.s));
	buf_deinit(&all);
}

static void packets_played_again_have_no_effect(void **state)
{
	struct pair *p = *state;
	struct stream *st = stream_open(p->a.s, &p->a, false);
	struct buf m = { 0 };
	bool bulk;

	stream_write(st, STR("once"), true);
	assert_true(session_output(p->a.s, p->now, p->max, &m, &bulk));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(session_input(p->b.s, p->now, buf_str(&m)), ERR_OK);
	assert_str_equal(buf_str(&p->b.got), "once");
	assert_int_equal(p->b.opened, 1);
	assert_int_equal(p->b.fins, 1);
	buf_deinit(&m);
}

static void a_writer_stops_at_the_window_until_the_reader_reads(void **state)
{
	struct pair *p = *state;
	struct stream *st = stream_open(p->a.s, &p->a, true);
	const size_t n = 3 * STREAM_WINDOW;
	char *text = xalloc(n);

	p->b.hold = true;
	stream_write(st, (struct str){ text, n }, true);
	free(text);
	pump(p);
	assert_int_equal(p->b.got.n, STREAM_WINDOW);
	assert_int_equal(p->b.fins, 0);
	stream_consumed(p->b.last, STREAM_WINDOW);
	pump(p);
	assert_in_range(p->b.got.n, 2 * STREAM_WINDOW, 3 * STREAM_WINDOW);
	p->b.hold = false;
	while (p->b.got.n < n) {
		stream_consumed(p->b.last, 1);
		pump(p);
	}
	assert_int_equal(p->b.fins, 1);
}

static void a_peer_that_ignores_the_window_is_malformed(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	buf_put(&m, "\x80\x00\x03\x00", 4); /* data, packet 0, STREAM of id 0 */
	wire_put_varint(&m, STREAM_WINDOW);
	buf_put(&m, "\x00\x01x", 3);
	assert_int_equal(session_input(p->b.s, p->now, buf_str(&m)), ERR_MALFORMED);
	buf_deinit(&m);
}

static void streams_are_bounded_and_come_back(void **state)
{
	struct pair *p = *state;
	struct stream *all[SESSION_STREAMS];

	p->b.release_on_fin = true;
	for (unsigned i = 0; i < SESSION_STREAMS; i++) {
		all[i] = stream_open(p->a.s, &p->a, false);
		assert_non_null(all[i]);
	}
	assert_null(stream_open(p->a.s, &p->a, false));
	for (unsigned i = 0; i < SESSION_STREAMS; i++) {
		stream_write(all[i], STR("x"), true);
		stream_release(all[i]);
	}
	pump(p);
	assert_int_equal(p->b.opened, SESSION_STREAMS);
	assert_int_equal(p->a.freed, 1);
	for (unsigned i = 0; i < 10 * SESSION_STREAMS; i++) {
		struct stream *st = stream_open(p->a.s, &p->a, false);

		assert_non_null(st);
		stream_write(st, STR("x"), true);
		stream_release(st);
		pump(p);
	}
	assert_int_equal(p->b.opened, 11 * SESSION_STREAMS);
}

static void reset_and_stop_reach_the_other_side(void **state)
{
	struct pair *p = *state;
	struct stream *st = stream_open(p->a.s, &p->a, false);
	char text[5000] = { 0 };

	stream_write(st, (struct str){ text, sizeof(text) }, false);
	pump(p);
	stream_release(st); /* not finished: reset and stopped */
	pump(p);
	assert_int_equal(p->b.resets, 1);
	assert_int_equal(p->b.stops, 1);
	stream_release(p->b.last);
	pump(p);
	assert_false(session_outstanding(p->a.s));
	assert_false(session_outstanding(p->b.s));
	/* The window of the dead stream came back: a new one may use all of it. */
	st = stream_open(p->a.s, &p->a, false);
	for (unsigned i = 0; i < 400; i++)
		stream_write(st, (struct str){ text, sizeof(text) }, i == 399);
	pump(p);
	assert_int_equal(p->b.got.n, 401 * sizeof(text));
}

static void interactive_streams_go_before_bulk(void **state)
{
	struct pair *p = *state;
	struct stream *bulk = stream_open(p->a.s, &p->a, true);
	struct stream *quick;
	static char text[100000];

	memset(text, 'b', sizeof(text));
	stream_write(bulk, (struct str){ text, sizeof(text) }, true);
	assert_true(carry(p, &p->a, &p->b, false));
	quick = stream_open(p->a.s, &p->a, false);
	stream_write(quick, STR("quick"), true);
	assert_true(carry(p, &p->a, &p->b, false));
	assert_true(p->b.got.n < 40000);
	assert_int_equal(p->b.fins, 1);
}

static void malformed_packets_are_refused(void **state)
{
	static const struct str bad[] = {
		STR_INIT(""),
		STR_INIT("\x00"),         /* a handshake packet: not in a DIRECT session */
		STR_INIT("\x80"),         /* no number */
		STR_INIT("\x84\x00\x01"), /* reserved bits */
		STR_INIT("\x80\x00\x7f"), /* no such frame */
		STR_INIT("\x80\x00\x02\x05\x00\x01\x00\x00"),  /* ACK of what wasn't sent */
		STR_INIT("\x80\x00\x02\x00\x00\x00\x00"),      /* ACK of nothing */
		STR_INIT("\x80\x00\x03\x01\x00\x00\x01x"),     /* a stream of ours, not open */
		STR_INIT("\x80\x00\x03\x80\x01\x00\x00\x01x"), /* beyond the allowed streams */
		STR_INIT("\x80\x00\x03\x00\x00\x00\x05x"),     /* longer than the packet */
		STR_INIT("\x80\x00\x03\x00\x00\x02\x01x"),     /* fin is 0 or 1 */
		STR_INIT("\x80\x00\x0c\xff\xff\x03"),          /* a record too large */
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct side x = { 0 };

		(void)state;
		x.s = session_new(&ops, &x, false);
		assert_int_equal(session_input(x.s, 1, bad[i]), ERR_MALFORMED);
		session_free(x.s);
		buf_deinit(&x.got);
	}
}

static void a_stream_may_not_end_at_two_places(void **state)
{
	struct pair *p = *state;

	assert_int_equal(
		session_input(p->b.s, 1, STR("\x80\x00\x03\x00\x00\x01\x02xy")), ERR_OK);
	assert_int_equal(
		session_input(p->b.s, 1, STR("\x80\x01\x03\x00\x00\x01\x01x")), ERR_MALFORMED);
}

static void bytes_out_of_order_are_put_in_order(void **state)
{
	struct pair *p = *state;

	assert_int_equal(
		session_input(p->b.s, 1, STR("\x80\x00\x03\x00\x04\x01\x02wx")), ERR_OK);
	assert_int_equal(
		session_input(p->b.s, 1, STR("\x80\x01\x03\x00\x01\x00\x02st")), ERR_OK);
	assert_int_equal(p->b.got.n, 0);
	assert_int_equal(
		session_input(p->b.s, 1, STR("\x80\x02\x03\x00\x00\x00\x05rstuw")), ERR_OK);
	assert_str_equal(buf_str(&p->b.got), "rstuwx");
	assert_int_equal(p->b.fins, 1);
}

static void ranges_keep_their_order(void **state)
{
	struct ranges r = { 0 };

	(void)state;
	assert_true(ranges_add(&r, 10, 20));
	assert_true(ranges_add(&r, 30, 40));
	assert_true(ranges_add(&r, 0, 5));
	assert_int_equal(r.n, 3);
	assert_true(ranges_add(&r, 20, 30)); /* joins two */
	assert_int_equal(r.n, 2);
	assert_int_equal(ranges_end_of(&r, 12), 40);
	assert_int_equal(ranges_end_of(&r, 5), 5);
	assert_true(ranges_has(&r, 39));
	assert_false(ranges_has(&r, 40));
	assert_false(ranges_has(&r, 5));
	assert_true(ranges_add(&r, 3, 50)); /* swallows all */
	assert_int_equal(r.n, 1);
	ranges_drop_below(&r, 7);
	assert_int_equal(r.r[0].from, 7);
	r.n = 0;
	for (uint64_t i = 0; i < RANGES_MAX; i++)
		assert_true(ranges_add(&r, 100 + 2 * i, 101 + 2 * i));
	assert_false(ranges_add(&r, 0, 1));
	assert_true(ranges_add(&r, 1000, 1001));
	assert_int_equal(r.n, RANGES_MAX);
	assert_int_equal(r.r[0].from, 102);
}

#define ON_PAIR(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PAIR(streams_go_both_ways_and_end),
		ON_PAIR(an_acknowledgement_comes_within_20_ms_and_costs_no_other),
		ON_PAIR(what_was_lost_with_a_link_is_sent_again_once),
		ON_PAIR(packets_played_again_have_no_effect),
		ON_PAIR(a_writer_stops_at_the_window_until_the_reader_reads),
		ON_PAIR(a_peer_that_ignores_the_window_is_malformed),
		ON_PAIR(streams_are_bounded_and_come_back),
		ON_PAIR(reset_and_stop_reach_the_other_side),
		ON_PAIR(interactive_streams_go_before_bulk),
		cmocka_unit_test(malformed_packets_are_refused),
		ON_PAIR(a_stream_may_not_end_at_two_places),
		ON_PAIR(bytes_out_of_order_are_put_in_order),
		cmocka_unit_test(ranges_keep_their_order),
	};

	return RUN_TESTS(tests);
}
