/* The first messages of a link, over a pipe in memory (security.md, O1). */
#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "tests/support/link_raw.h"
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

/* ---- what a peer with a key of its own may say wrong (O1) ---- */

struct change {
	const char *what;
	size_t at; /* in OPEN or HELLO */
	unsigned char value;
	bool fine;
};

/* Keys and signatures are random, and may have the value already. */
static unsigned char changed(unsigned char was, const struct change *c)
{
	return was == c->value && !c->fine ? (unsigned char)~was : c->value;
}

/* Sends an OPEN and a HELLO that were changed before they were sealed; was it let in? */
static bool let_in(struct pair *p, enum noise_pattern pattern, const struct change *in_open,
	const struct change *in_hello, const struct buf *hello)
{
	CLEANUP(buf_deinit) struct buf h = { 0 };
	CLEANUP(buf_deinit) struct buf m = { 0 };
	struct link_options o = pair_options(&p->b);
	struct link_raw r;
	bool answered;

	p->b.admissions = 0;
	link_free(p->b.link);
	p->b.link = link_new_responder(&o, p->now);
	link_raw_open(&r, p->a.id, pattern);
	if (in_open)
		r.open[in_open->at] = changed(r.open[in_open->at], in_open);
	if (hello)
		buf_put_str(&h, buf_str(hello));
	else
		link_raw_hello(&r, &h);
	if (in_hello)
		h.p[in_hello->at] = (char)changed((unsigned char)h.p[in_hello->at], in_hello);
	link_raw_first(&r, p->b.id, pattern, pattern == NOISE_IKPSK1 ? p->b.psk : NULL, NULL,
		buf_str(&h), &m);
	pair_give(p, &p->b, buf_str(&m));
	answered = pair_take(p, &p->b, &m);
	assert_int_equal(answered, link_state(p->b.link) == LINK_CONFIRMING);
	assert_int_equal(answered, p->b.admissions);
	if (!answered)
		assert_int_equal(link_state(p->b.link), LINK_SILENT);
	return answered;
}

static void every_field_of_open_is_checked_even_when_sealed(void **state)
{
	struct pair *p = *state;
	static const struct change changes[] = {
		{ "nothing", 0, 'K', true },
		{ "magic", 3, '2', false },
		{ "pattern of an invite", 4, NOISE_IKPSK1, false },
		{ "pattern that isn't any", 4, 3, false },
		{ "lowest version above ours", 5, 2, false },
		{ "lowest version below ours", 5, 0, true },
		{ "highest version below ours", 6, 0, false },
		{ "highest version above ours", 6, 9, true },
		{ "flags", 7, 1, false },
		{ "an invite id without an invite", 8, 1, false },
		{ "a cookie that nobody gave", 16, 1, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		bool ok = let_in(p, NOISE_IK, &changes[i], NULL, NULL);

		if (ok != changes[i].fine)
			fail_msg("%s: %d", changes[i].what, ok);
	}
	p->b.has_invite = true;
	assert_true(let_in(p, NOISE_IKPSK1, NULL, NULL, NULL));
	assert_false(let_in(p, NOISE_IKPSK1,
		&(struct change){ "another invite", 9, 'x', false }, NULL, NULL));
}

static void every_field_of_hello_is_checked(void **state)
{
	struct pair *p = *state;
	enum { CERT = 2, CAPS = CERT + CERT_LEN, SEQ = CAPS + 4, MAX = SEQ + 8, TLV = MAX + 2 };
	static const struct change changes[] = {
		{ "nothing", 0, 1, true },
		{ "version", 0, 2, false },
		{ "flags", 1, 1, false },
		{ "certificate's version", CERT, 2, false },
		{ "certificate's flags", CERT + 1, 0xff, false },
		{ "identity", CERT + 2, 0xff, false },
		{ "node", CERT + 34, 0xff, false },
		{ "not before", CERT + 66, 0xff, false },
		{ "not after", CERT + 74, 0x7e, false },
		{ "generation", CERT + 85, 0xee, false },
		{ "issuer kind", CERT + 86, 1, false },
		{ "issuer", CERT + 90, 0xff, false },
		{ "signature", CERT + 119, 0xff, false },
		{ "capabilities of later", CAPS, 0x80, true },
		{ "document number", SEQ, 1, true },
		{ "records too short", MAX, 0x3f, false },
		{ "shortest records", MAX, 0x40, true },
		{ "a TLV of later", TLV, 0x30, true },
		{ "a TLV that must be known", TLV, 0x80, false },
		{ "an epoch that is cut", TLV + 1, 9, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		bool ok = let_in(p, NOISE_IK, NULL, &changes[i], NULL);

		if (ok != changes[i].fine)
			fail_msg("%s: %d", changes[i].what, ok);
	}
}

static void another_nodes_certificate_is_none(void **state)
{
	struct pair *p = *state;
	struct identity_recovery seed;
	struct identity *other = identity_new(&rng_system, INT64_C(1700000000000), &seed);
	struct link_raw r = { .id = other };
	CLEANUP(buf_deinit) struct buf hello = { 0 };

	link_raw_hello(&r, &hello);
	assert_false(let_in(p, NOISE_IK, NULL, NULL, &hello));
	r.id = p->b.id; /* or the responder's own */
	buf_clear(&hello);
	link_raw_hello(&r, &hello);
	assert_false(let_in(p, NOISE_IK, NULL, NULL, &hello));
	identity_free(other);
}

/* A responder with the right key that answers with other versions or flags (a downgrade). */
static void every_field_of_reply_is_checked(void **state)
{
	struct pair *p = *state;

	for (size_t at = 0; at < REPLY_LEN; at++) {
		CLEANUP(buf_deinit) struct buf m = { 0 };

		p->a.ups = 0;
		pair_links(p, NOISE_IK, false);
		assert_true(pair_take(p, &p->a, &m));
		pair_give(p, &p->b, buf_str(&m));
		assert_true(pair_take(p, &p->b, &m));
		m.p[at] = (char)(m.p[at] + 1);
		pair_give(p, &p->a, buf_str(&m));
		assert_int_equal(p->a.ups, 0);
		assert_int_equal(link_state(p->a.link), LINK_DEAD);
		pair_links_free(p);
	}
}

static void no_frame_counts_before_both_hellos(void **state)
{
	struct pair *p = *state;
	CLEANUP(buf_deinit) struct buf frames = { 0 };
	CLEANUP(buf_deinit) struct buf m = { 0 };

	frame_put(&frames, FRAME_DIRECT, STR("early"));
	pair_links(p, NOISE_IK, false);
	pair_give(p, &p->b, buf_str(&frames));
	assert_int_equal(link_state(p->b.link), LINK_SILENT);
	pair_give(p, &p->a, buf_str(&frames));
	assert_int_equal(link_state(p->a.link), LINK_DEAD);
	pair_links_free(p);

	p->b.waits = true; /* not yet admitted */
	pair_links(p, NOISE_IK, false);
	assert_true(pair_take(p, &p->a, &m));
	pair_give(p, &p->b, buf_str(&m));
	pair_give(p, &p->b, buf_str(&frames));
	assert_int_equal(link_state(p->b.link), LINK_SILENT);
	assert_int_equal(p->b.got_frames, 0);
}

/* ---- no answer larger than its cause (O4) ---- */

static size_t answer_to(struct pair *p, struct str question)
{
	CLEANUP(buf_deinit) struct buf m = { 0 };
	struct link_options o = pair_options(&p->b);
	size_t n = 0;

	o.gate = &p->gate;
	link_free(p->b.link);
	p->b.link = link_new_responder(&o, p->now);
	pair_give(p, &p->b, question);
	while (pair_take(p, &p->b, &m))
		n += m.n;
	/* Nor anything more later. */
	for (unsigned i = 0; i < 10 && link_state(p->b.link) != LINK_DEAD; i++) {
		p->now += 2000;
		link_tick(p->b.link, p->now);
		while (pair_take(p, &p->b, &m))
			n += m.n;
	}
	assert_int_equal(link_state(p->b.link), LINK_DEAD);
	return n;
}

/* Every length of every first message: also with our user id in the HELLO, which makes it
 * longer than theirs. */
static void answers_are_never_larger_than_the_question(void **state)
{
	struct pair *p = *state;
	static struct gate_slot crowd[GATE_COOKIE_FROM_NET];
	size_t answered = 0;

	p->b.long_owner = true;
	p->b.allows_xx = p->b.has_invite = true;
	for (int crowded = 0; crowded < 2; crowded++) {
		for (int pattern = NOISE_IK; pattern <= NOISE_XX; pattern++) {
			CLEANUP(buf_deinit) struct buf m = { 0 };
			size_t whole;

			pair_links_free(p);
			pair_links(p, (enum noise_pattern)pattern, false);
			assert_true(pair_take(p, &p->a, &m));
			pair_links_free(p);
			whole = answer_to(p, buf_str(&m));
			assert_true(whole > 0);
			for (size_t n = 0; n <= m.n; n++) {
				size_t got = answer_to(p, str_head(buf_str(&m), n));

				assert_true(got <= n);
				answered += got > 0;
			}
		}
		for (unsigned i = 0; !crowded && i < ARRAY_LEN(crowd); i++) {
			crowd[i].addr = pair_options(&p->b).addr;
			gate_enter(&p->gate, p->now, &crowd[i], false);
		}
	}
	assert_true(answered > 100); /* RETRYs: an OPEN is enough */
	for (unsigned i = 0; i < ARRAY_LEN(crowd); i++)
		gate_leave(&p->gate, &crowd[i]);
}

static void an_owner_that_does_not_fit_comes_later(void **state)
{
	struct pair *p = *state;

	p->b.long_owner = true;
	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	assert_true(pair_both_up(p));
	assert_int_equal(link_peer(p->a.link)->owner.n, 0);
	pair_links_free(p);
	p->a.long_owner = true;
	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	assert_int_equal(link_peer(p->a.link)->owner.n, 255);
	assert_int_equal(link_peer(p->b.link)->owner.n, 255);
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
		ON_PAIR(every_field_of_open_is_checked_even_when_sealed),
		ON_PAIR(every_field_of_hello_is_checked),
		ON_PAIR(another_nodes_certificate_is_none),
		ON_PAIR(every_field_of_reply_is_checked),
		ON_PAIR(no_frame_counts_before_both_hellos),
		ON_PAIR(answers_are_never_larger_than_the_question),
		ON_PAIR(an_owner_that_does_not_fit_comes_later),
	};

	if (sodium_init() < 0)
		return 1;
	return RUN_TESTS(tests);
}
