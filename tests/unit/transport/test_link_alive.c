/* Whether the peer is still there: silence, PINGs, sleep. */
#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "tests/support/link_raw.h"
#include "transport/wire.h"

static void idle_links_ping_once_a_minute_and_no_more(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };
	uint64_t due;

	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	due = link_next_ms(p->a.link);
	assert_int_equal(due, p->now + LINK_PING_MS);
	p->now = due - 1;
	link_tick(p->a.link, p->now);
	assert_false(pair_take(p, &p->a, &m));
	p->now = due;
	link_tick(p->a.link, p->now);
	pair_pump(p);
	assert_true(pair_both_up(p));
	assert_int_equal(link_next_ms(p->a.link), p->now + LINK_PING_MS);
	assert_int_equal(link_next_ms(p->b.link), p->now + LINK_PING_MS);
	buf_deinit(&m);
}

static void two_missed_pings_end_an_idle_link(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(link_is_up(p->a.link));
		p->now = link_next_ms(p->a.link);
		link_tick(p->a.link, p->now);
		while (pair_take(p, &p->a, &m))
			;
	}
	assert_int_equal(link_state(p->a.link), LINK_DEAD);
	assert_int_equal(p->a.deads, 1);
	buf_deinit(&m);
}

static void with_data_outstanding_silence_is_noticed_within_seconds(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };
	uint64_t start = p->now;

	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	link_outstanding(p->a.link, p->now, true);
	for (unsigned i = 0; i < 10 && link_is_up(p->a.link); i++) {
		p->now = link_next_ms(p->a.link);
		link_tick(p->a.link, p->now);
		while (pair_take(p, &p->a, &m))
			;
	}
	assert_int_equal(link_state(p->a.link), LINK_DEAD);
	assert_in_range(p->now - start, 3000, 3100);
	buf_deinit(&m);
}

static void an_unanswered_dial_ends_after_ten_seconds(void **state)
{
	struct pair *p = *state;

	pair_links(p, NOISE_IK, false);
	p->now += LINK_OPENING_MS - 1;
	link_tick(p->a.link, p->now);
	assert_int_equal(link_state(p->a.link), LINK_OPENING);
	p->now++;
	link_tick(p->a.link, p->now);
	link_tick(p->b.link, p->now);
	assert_int_equal(link_state(p->a.link), LINK_DEAD);
	assert_int_equal(link_state(p->b.link), LINK_DEAD);
}

/* The carrier takes nothing more: a full buffer towards a dead peer is no excuse. */
static void a_stuck_carrier_does_not_hide_a_dead_peer(void **state)
{
	struct pair *p = *state;
	uint64_t start = p->now;

	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	link_outstanding(p->a.link, p->now, true);
	for (unsigned i = 0; i < 10 && link_is_up(p->a.link); i++) {
		p->now = link_next_ms(p->a.link);
		assert_true(p->now < UINT64_MAX);
		link_tick(p->a.link, p->now);
	}
	assert_int_equal(link_state(p->a.link), LINK_DEAD);
	assert_in_range(p->now - start, 3000, 3100);
}

static void another_way_is_tried_before_death_is_certain(void **state)
{
	struct pair *p = *state;
	CLEANUP(buf_deinit) struct buf m = { 0 };
	uint64_t start = p->now;

	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	link_outstanding(p->a.link, p->now, true);
	p->now = link_next_ms(p->a.link);
	link_tick(p->a.link, p->now);
	assert_true(p->a.in_doubt);
	assert_int_equal(p->now - start, 2000);
	pair_pump(p); /* it was only slow */
	assert_false(p->a.in_doubt);
	assert_true(pair_both_up(p));

	/* After a change of network: 300 ms. */
	link_outstanding(p->a.link, p->now, false);
	p->a.doubts = 0;
	link_probe(p->a.link, p->now);
	pair_pump(p);
	p->now += LINK_DOUBT_MS;
	link_tick(p->a.link, p->now);
	assert_int_equal(p->a.doubts, 0);
	link_probe(p->a.link, p->now);
	while (pair_take(p, &p->a, &m))
		;
	p->now += LINK_DOUBT_MS - 1;
	link_tick(p->a.link, p->now);
	assert_int_equal(p->a.doubts, 0);
	p->now++;
	link_tick(p->a.link, p->now);
	assert_int_equal(p->a.doubts, 1);
}

static void nothing_is_sent_on_a_timer_while_data_flows(void **state)
{
	struct pair *p = *state;
	CLEANUP(buf_deinit) struct buf m = { 0 };
	unsigned messages = 0;

	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	for (unsigned i = 0; i < 100; i++) {
		p->now += LINK_PING_MS - 1;
		link_tick(p->a.link, p->now);
		link_tick(p->b.link, p->now);
		pair_send(&p->a, FRAME_DIRECT, "x");
		while (pair_take(p, &p->a, &m)) {
			pair_give(p, &p->b, buf_str(&m));
			messages++;
		}
		pair_send(&p->b, FRAME_DIRECT, "y");
		while (pair_take(p, &p->b, &m)) {
			pair_give(p, &p->a, buf_str(&m));
			messages++;
		}
	}
	assert_int_equal(messages, 200);
}

/* ---- phones ---- */

/* The next thing that any side wants to do by itself. Returns the messages it causes. */
static unsigned next_thing(struct pair *p)
{
	uint64_t a = link_next_ms(p->a.link), b = link_next_ms(p->b.link);
	CLEANUP(buf_deinit) struct buf m = { 0 };
	unsigned n = 0;
	bool some = true;

	p->now = a < b ? a : b;
	link_tick(p->a.link, p->now);
	link_tick(p->b.link, p->now);
	while (some) {
		some = false;
		while (pair_take(p, &p->a, &m)) {
			pair_give(p, &p->b, buf_str(&m));
			some = true;
			n++;
		}
		while (pair_take(p, &p->b, &m)) {
			pair_give(p, &p->a, buf_str(&m));
			some = true;
			n++;
		}
	}
	return n;
}

static void only_the_phone_pings_and_ever_less_often(void **state)
{
	struct pair *p = *state;
	struct ping_pace pace = { 0 };
	uint64_t before, want = PING_PACE_FIRST_MS;

	p->a.pace = &pace;
	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	assert_true(link_next_ms(p->b.link) > p->now + 10 * PING_PACE_MOST_MS);
	for (unsigned i = 0; i < 40; i++) {
		before = p->now;
		assert_int_equal(next_thing(p), 2); /* PING, PONG */
		assert_int_equal(p->now - before, want);
		if (i % 3 == 2)
			want = want + want / 2 < PING_PACE_MOST_MS ? want + want / 2
								   : PING_PACE_MOST_MS;
	}
	assert_int_equal(want, PING_PACE_MOST_MS);
	assert_true(pair_both_up(p));
}

/* A middlebox that forgets after 100 s, met by one link after the other. */
static void a_networks_patience_is_learned_and_kept(void **state)
{
	struct pair *p = *state;
	struct ping_pace pace = { 0 };
	CLEANUP(buf_deinit) struct buf m = { 0 };
	unsigned deaths = 0;

	p->a.pace = &pace;
	ping_pace_network(&pace, p->now, 77);
	for (unsigned links = 0; links < 20; links++) {
		uint64_t quiet = p->now;

		pair_links(p, NOISE_IK, false);
		pair_pump(p);
		quiet = p->now;
		for (unsigned i = 0; i < 20 && link_is_up(p->a.link); i++) {
			p->now = link_next_ms(p->a.link);
			link_tick(p->a.link, p->now);
			if (p->now - quiet < 100000) {
				pair_pump(p);
				quiet = p->now;
				continue;
			}
			while (pair_take(p, &p->a, &m))
				;
		}
		deaths += !link_is_up(p->a.link);
		pair_links_free(p);
	}
	assert_int_equal(deaths, 1); /* and not again that day */
	assert_in_range(ping_pace_every_ms(&pace), 45000, 60000);
	/* Elsewhere it knows nothing; back again, it remembers. */
	ping_pace_network(&pace, p->now, 78);
	assert_int_equal(ping_pace_every_ms(&pace), PING_PACE_FIRST_MS);
	ping_pace_network(&pace, p->now, 77);
	assert_in_range(ping_pace_every_ms(&pace), 45000, 60000);
	/* A day later it may try again. */
	p->now += PING_PACE_CEILING_MS;
	for (unsigned i = 0; i < 6; i++)
		ping_pace_answered(&pace, p->now, PING_PACE_MOST_MS);
	assert_true(ping_pace_every_ms(&pace) > 100000);
}

static void the_network_longest_unused_is_forgotten(void **state)
{
	struct ping_pace pace = { 0 };

	(void)state;
	for (unsigned id = 1; id <= PING_PACE_NETWORKS + 1; id++) {
		ping_pace_network(&pace, id * 1000, id);
		for (unsigned i = 0; i < 3; i++)
			ping_pace_answered(&pace, id * 1000, PING_PACE_FIRST_MS);
		assert_true(ping_pace_every_ms(&pace) > PING_PACE_FIRST_MS);
	}
	ping_pace_network(&pace, 100000, 2);
	assert_true(ping_pace_every_ms(&pace) > PING_PACE_FIRST_MS);
	ping_pace_network(&pace, 100001, 1);
	assert_int_equal(ping_pace_every_ms(&pace), PING_PACE_FIRST_MS);
}

static void several_links_that_died_of_one_silence_count_once(void **state)
{
	struct ping_pace pace = { 0 };

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		ping_pace_answered(&pace, 1, PING_PACE_MOST_MS);
	assert_int_equal(ping_pace_every_ms(&pace), 101250);
	for (unsigned i = 0; i < 3; i++)
		ping_pace_died(&pace, 2, 101250);
	assert_int_equal(ping_pace_every_ms(&pace), 50625);
}

static void a_sleeper_is_left_alone_until_it_is_late(void **state)
{
	struct pair *p = *state;
	CLEANUP(buf_deinit) struct buf m = { 0 };
	uint64_t slept;

	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	link_sleep(p->a.link, 600);
	pair_pump(p);
	assert_true(p->b.peer_asleep);
	slept = p->now;
	link_outstanding(p->b.link, p->now, true);
	assert_int_equal(link_next_ms(p->b.link), slept + 600000);
	/* What it still acknowledges doesn't wake it. */
	pair_send(&p->a, FRAME_DIRECT, "ack");
	assert_true(pair_take(p, &p->a, &m));
	pair_give(p, &p->b, buf_str(&m));
	assert_true(p->b.peer_asleep);
	assert_int_equal(p->b.got_n, 3);
	p->now = slept + 599999;
	link_tick(p->b.link, p->now);
	assert_false(pair_take(p, &p->b, &m));

	/* It wakes: it asks for a sign of life, and is seen. */
	link_probe(p->a.link, p->now);
	pair_pump(p);
	assert_false(p->b.peer_asleep);
	assert_int_equal(link_asleep_until_ms(p->b.link), 0);
	link_outstanding(p->b.link, p->now, false);

	/* It doesn't: as after any silence. */
	link_sleep(p->a.link, 600);
	while (pair_take(p, &p->a, &m))
		pair_give(p, &p->b, buf_str(&m));
	slept = p->now;
	while (link_is_up(p->b.link)) {
		p->now = link_next_ms(p->b.link);
		link_tick(p->b.link, p->now);
		while (pair_take(p, &p->b, &m))
			;
	}
	assert_in_range(p->now - slept, 610000, 611000);
}

static void nobody_may_sleep_for_longer_than_a_day(void **state)
{
	struct pair *p = *state;

	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	link_sleep(p->a.link, UINT32_MAX);
	pair_pump(p);
	assert_int_equal(link_asleep_until_ms(p->b.link), p->now + LINK_SLEEP_MAX_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PAIR(idle_links_ping_once_a_minute_and_no_more),
		ON_PAIR(two_missed_pings_end_an_idle_link),
		ON_PAIR(with_data_outstanding_silence_is_noticed_within_seconds),
		ON_PAIR(an_unanswered_dial_ends_after_ten_seconds),
		ON_PAIR(a_stuck_carrier_does_not_hide_a_dead_peer),
		ON_PAIR(another_way_is_tried_before_death_is_certain),
		ON_PAIR(nothing_is_sent_on_a_timer_while_data_flows),
		ON_PAIR(only_the_phone_pings_and_ever_less_often),
		ON_PAIR(a_networks_patience_is_learned_and_kept),
		ON_PAIR(the_network_longest_unused_is_forgotten),
		ON_PAIR(several_links_that_died_of_one_silence_count_once),
		ON_PAIR(a_sleeper_is_left_alone_until_it_is_late),
		ON_PAIR(nobody_may_sleep_for_longer_than_a_day),
	};

	if (sodium_init() < 0)
		return 1;
	return RUN_TESTS(tests);
}
