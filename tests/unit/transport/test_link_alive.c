/* Whether the peer is still there: silence, PINGs, sleep. */
#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "tests/support/link_pair.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PAIR(idle_links_ping_once_a_minute_and_no_more),
		ON_PAIR(two_missed_pings_end_an_idle_link),
		ON_PAIR(with_data_outstanding_silence_is_noticed_within_seconds),
		ON_PAIR(an_unanswered_dial_ends_after_ten_seconds),
	};

	if (sodium_init() < 0)
		return 1;
	return RUN_TESTS(tests);
}
