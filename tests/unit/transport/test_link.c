/* The first messages of a link, over a pipe in memory (security.md, O1). */
#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "tests/support/link_pair.h"
#include "transport/wire.h"

static void every_pattern_comes_up_and_carries_frames(void **state)
{
	struct pair *p = *state;
	static const enum noise_pattern patterns[] = { NOISE_IK, NOISE_IKPSK1, NOISE_XX };

	p->b.allows_xx = p->b.has_invite = true;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		p->a.got_n = p->b.got_n = 0;
		pair_links(p, patterns[i], true);
		pair_pump(p);
		assert_true(pair_both_up(p));
		assert_int_equal(gate_half_open(&p->gate), 0);
		pair_send(&p->a, FRAME_DIRECT, "from a");
		pair_send(&p->b, FRAME_DIRECT, "from b");
		pair_pump(p);
		assert_int_equal(p->b.got_n, 6);
		assert_memory_equal(p->b.got, "from a", 6);
		assert_memory_equal(p->a.got, "from b", 6);
		assert_memory_equal(
			link_peer(p->a.link)->cert.identity, identity_public(p->b.id), 32);
		assert_memory_equal(
			link_peer(p->b.link)->cert.identity, identity_public(p->a.id), 32);
		pair_links_free(p);
	}
}

static void a_responder_is_up_only_after_a_first_record(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	pair_links(p, NOISE_IK, false);
	assert_true(pair_take(p, &p->a, &m));
	pair_give(p, &p->b, buf_str(&m));
	assert_true(pair_take(p, &p->b, &m));
	assert_int_equal(p->b.ups, 0);
	pair_give(p, &p->a, buf_str(&m));
	assert_int_equal(p->a.ups, 1);
	assert_int_equal(p->b.ups, 0);
	assert_true(pair_take(p, &p->a, &m));
	pair_give(p, &p->b, buf_str(&m));
	assert_int_equal(p->b.ups, 1);
	buf_deinit(&m);
}

/* Neither side may come up when any bit of a handshake message was changed; the responder says
 * nothing and is gone within 2 s. */
static void flip_each(struct pair *p, enum noise_pattern pattern, unsigned which)
{
	size_t n = 1;

	for (size_t at = 0; at < n; at++) {
		struct buf m = { 0 };
		struct side *to = which % 2 ? &p->a : &p->b;

		p->a.ups = p->b.ups = 0;
		pair_links(p, pattern, false);
		for (unsigned i = 0; i <= which; i++) {
			assert_true(pair_take(p, i % 2 ? &p->b : &p->a, &m));
			if (i == which)
				m.p[at] ^= (char)(1 << at % 8);
			pair_give(p, i % 2 ? &p->a : &p->b, buf_str(&m));
		}
		n = m.n;
		pair_pump(p);
		assert_int_equal(to->ups, 0);
		/* IK's initiator is up once it has msg 2; what then fails is its first record.
		 */
		assert_false(pair_both_up(p));
		if (to == &p->b) {
			assert_int_equal(
				p->a.ups + p->b.ups, pattern == NOISE_XX && which == 2);
			/* XX's first message is bare: that it was changed shows in the second.
			 */
			p->now += pattern == NOISE_XX ? LINK_OPENING_MS : LINK_SILENT_MAX_MS;
			link_tick(p->b.link, p->now);
			assert_int_equal(link_state(p->b.link), LINK_DEAD);
		}
		pair_links_free(p);
		buf_deinit(&m);
	}
	assert_true(n > 40);
}

static void every_byte_of_every_handshake_counts(void **state)
{
	struct pair *p = *state;

	p->b.allows_xx = p->b.has_invite = true;
	flip_each(p, NOISE_IK, 0);
	flip_each(p, NOISE_IK, 1);
	flip_each(p, NOISE_IKPSK1, 0);
	flip_each(p, NOISE_XX, 0);
	flip_each(p, NOISE_XX, 1);
	flip_each(p, NOISE_XX, 2);
}

static void cut_messages_bring_nothing_up(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	pair_links(p, NOISE_IK, false);
	assert_true(pair_take(p, &p->a, &m));
	for (size_t n = 0; n < m.n; n++) {
		struct link_options o = pair_options(&p->b);
		struct link *l = link_new_responder(&o, p->now);

		link_input(l, p->now, str_head(buf_str(&m), n));
		assert_int_equal(link_state(l), LINK_SILENT);
		link_free(l);
	}
	buf_deinit(&m);
}

static void strangers_and_wrong_keys_meet_silence(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	/* Not admitted. */
	p->b.admits = false;
	pair_links(p, NOISE_IK, false);
	assert_true(pair_take(p, &p->a, &m));
	pair_give(p, &p->b, buf_str(&m));
	assert_int_equal(p->b.admissions, 1);
	assert_false(pair_take(p, &p->b, &m));
	assert_int_equal(link_state(p->b.link), LINK_SILENT);
	p->now += LINK_SILENT_MAX_MS;
	link_tick(p->b.link, p->now);
	assert_int_equal(link_state(p->b.link), LINK_DEAD);
	pair_links_free(p);

	/* An invite that isn't there, and XX outside its modes. */
	p->b.admits = true;
	pair_links(p, NOISE_IKPSK1, false);
	pair_pump(p);
	assert_int_equal(link_state(p->b.link), LINK_SILENT);
	pair_links_free(p);
	pair_links(p, NOISE_XX, false);
	pair_pump(p);
	assert_int_equal(link_state(p->b.link), LINK_SILENT);
	pair_links_free(p);

	/* The right invite id with another key. */
	p->b.has_invite = true;
	p->b.psk[0] ^= 1;
	pair_links(p, NOISE_IKPSK1, false);
	pair_pump(p);
	assert_int_equal(link_state(p->b.link), LINK_SILENT);
	assert_int_equal(p->a.ups + p->b.ups, 0);
	buf_deinit(&m);
}

static void ourselves_are_no_peer(void **state)
{
	struct pair *p = *state;
	struct identity *b = p->b.id;

	p->b.id = p->a.id;
	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	assert_int_equal(p->a.ups + p->b.ups, 0);
	p->b.id = b;
}

static void admission_may_take_time_and_ends_with_the_handshake(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	p->b.waits = true;
	pair_links(p, NOISE_IK, true);
	pair_pump(p);
	assert_int_equal(link_state(p->b.link), LINK_DECIDING);
	link_admit(p->b.link, p->now, true);
	pair_pump(p);
	assert_true(pair_both_up(p));
	pair_links_free(p);

	pair_links(p, NOISE_IK, true);
	pair_pump(p);
	p->now += LINK_OPENING_MS;
	link_tick(p->b.link, p->now);
	assert_int_equal(link_state(p->b.link), LINK_DEAD);
	assert_int_equal(gate_half_open(&p->gate), 0);
	link_admit(p->b.link, p->now, true); /* too late */
	assert_false(pair_take(p, &p->b, &m));
	buf_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PAIR(every_pattern_comes_up_and_carries_frames),
		ON_PAIR(a_responder_is_up_only_after_a_first_record),
		ON_PAIR(every_byte_of_every_handshake_counts),
		ON_PAIR(cut_messages_bring_nothing_up),
		ON_PAIR(strangers_and_wrong_keys_meet_silence),
		ON_PAIR(ourselves_are_no_peer),
		ON_PAIR(admission_may_take_time_and_ends_with_the_handshake),
	};

	if (sodium_init() < 0)
		return 1;
	return RUN_TESTS(tests);
}
