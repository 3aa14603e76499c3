/* Records and what is in them, also over a middleman that meddles (security.md, O2). */
#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "tests/support/link_raw.h"
#include "transport/wire.h"

/* ---- a middleman on records ---- */

enum meddling { REPEAT, SWAP, CUT, FLIP, DROP, N_MEDDLINGS };

static void meddled_records_end_the_link_and_have_no_effect(void **state)
{
	struct pair *p = *state;

	for (int kind = 0; kind < N_MEDDLINGS; kind++) {
		struct buf one = { 0 }, two = { 0 };
		size_t before;

		p->b.got_n = 0;
		pair_links(p, NOISE_IK, false);
		pair_pump(p);
		pair_send(&p->a, FRAME_DIRECT, "1");
		assert_true(pair_take(p, &p->a, &one));
		pair_send(&p->a, FRAME_DIRECT, "2");
		assert_true(pair_take(p, &p->a, &two));
		if (kind == REPEAT) {
			pair_give(p, &p->b, buf_str(&one));
			pair_give(p, &p->b, buf_str(&one));
		} else if (kind == SWAP) {
			pair_give(p, &p->b, buf_str(&two));
			pair_give(p, &p->b, buf_str(&one));
		} else if (kind == CUT) {
			pair_give(p, &p->b, str_head(buf_str(&one), one.n - 1));
		} else if (kind == FLIP) {
			one.p[one.n / 2] ^= 1;
			pair_give(p, &p->b, buf_str(&one));
		} else {
			pair_give(p, &p->b, buf_str(&two));
		}
		before = p->b.got_n;
		assert_int_equal(before, kind == REPEAT ? 1 : 0);
		assert_int_equal(link_state(p->b.link), LINK_DEAD);
		assert_int_equal(p->b.strikes, 0); /* it may be the middle, not the peer */
		pair_give(p, &p->b, buf_str(&two));
		assert_int_equal(p->b.got_n, before);
		pair_links_free(p);
		buf_deinit(&one);
		buf_deinit(&two);
	}
}

static void every_byte_of_a_record_counts(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };
	size_t n = 1;

	for (size_t at = 0; at < n; at++) {
		pair_links(p, NOISE_IK, false);
		pair_pump(p);
		pair_send(&p->a, FRAME_DIRECT, "x");
		assert_true(pair_take(p, &p->a, &m));
		n = m.n;
		m.p[at] ^= (char)(1 << at % 8);
		pair_give(p, &p->b, buf_str(&m));
		assert_int_equal(p->b.got_n, 0);
		assert_int_equal(link_state(p->b.link), LINK_DEAD);
		pair_links_free(p);
	}
	buf_deinit(&m);
}

static void a_recorded_conversation_played_again_brings_nothing_up(void **state)
{
	struct pair *p = *state;
	struct buf m1 = { 0 }, m3 = { 0 }, out = { 0 };
	struct link_options o;

	pair_links(p, NOISE_IK, false);
	assert_true(pair_take(p, &p->a, &m1));
	pair_give(p, &p->b, buf_str(&m1));
	assert_true(pair_take(p, &p->b, &out));
	pair_give(p, &p->a, buf_str(&out));
	pair_send(&p->a, FRAME_DIRECT, "pay 5");
	assert_true(pair_take(p, &p->a, &m3));
	pair_give(p, &p->b, buf_str(&m3));
	assert_int_equal(p->b.got_n, 5);
	link_free(p->b.link);

	p->b.ups = 0;
	p->b.got_n = 0;
	o = pair_options(&p->b);
	p->b.link = link_new_responder(&o, p->now);
	pair_give(p, &p->b, buf_str(&m1));
	assert_true(pair_take(p, &p->b, &out));
	pair_give(p, &p->b, buf_str(&m3));
	assert_int_equal(p->b.ups, 0);
	assert_int_equal(p->b.got_n, 0);
	assert_int_equal(link_state(p->b.link), LINK_DEAD);
	buf_deinit(&m1);
	buf_deinit(&m3);
	buf_deinit(&out);
}

/* ---- frames ---- */

static void unknown_frames_are_skipped_or_end_the_link(void **state)
{
	struct pair *p = *state;

	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	pair_send(&p->a, 0x7e, "later version");
	pair_pump(p);
	assert_true(pair_both_up(p));
	assert_int_equal(p->b.got_frames, 0);
	assert_int_equal(link_unknown_frames(p->b.link), 1);
	assert_int_equal(p->b.strikes, 0);
	pair_send(&p->a, 0x7f, "malformed to its owner");
	pair_pump(p);
	assert_int_equal(p->b.strikes, 1);
	buf_put(&p->a.to_send, "\x26\x05x", 3); /* longer than the record */
	link_wake(p->a.link);
	p->a.bulk = true; /* not padded: the length would reach into the padding */
	pair_pump(p);
	assert_int_equal(p->b.strikes, 2);
	p->a.bulk = false;
	pair_send(&p->a, 0x80, "must be known");
	pair_pump(p);
	assert_int_equal(link_state(p->b.link), LINK_CLOSING);
	assert_int_equal(link_state(p->a.link), LINK_DEAD); /* by BYE */
	assert_non_null(strstr(p->a.why, "code 3"));
}

static void interactive_records_have_few_sizes(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	for (size_t n = 0; n <= 1100; n++) {
		char text[1200];
		size_t got;

		memset(text, 'x', n);
		p->b.got_n = 0;
		frame_put(&p->a.to_send, FRAME_DIRECT, (struct str){ text, n });
		link_wake(p->a.link);
		assert_true(pair_take(p, &p->a, &m));
		got = m.n - NOISE_TAG;
		if (n <= 1019)
			assert_true(got == 64 || got == 128 || got == 256 || got == 512 ||
				got == 1024);
		pair_give(p, &p->b, buf_str(&m));
		assert_int_equal(p->b.got_n, n);
	}
	assert_true(pair_both_up(p));
	buf_deinit(&m);
}

/* The other end counts for itself, and changes its key when overlay.md says so. */
static void keys_change_after_65536_records(void **state)
{
	struct pair *p = *state;
	CLEANUP(buf_deinit) struct buf m = { 0 };
	CLEANUP(buf_deinit) struct buf plain = { 0 };
	struct link_raw r;

	link_raw_up(&r, p); /* one record of ours */
	for (unsigned i = 1; i < LINK_REKEY_RECORDS + 3; i++) {
		if (i == LINK_REKEY_RECORDS)
			noise_rekey(&r.tx);
		link_raw_say(&r, p, FRAME_PAD, STR(""));
	}
	assert_true(link_is_up(p->b.link));
	for (unsigned i = 0; i < LINK_REKEY_RECORDS + 3; i++) {
		if (i == LINK_REKEY_RECORDS)
			noise_rekey(&r.rx);
		pair_send(&p->b, FRAME_DIRECT, "x");
		assert_true(pair_take(p, &p->b, &m));
		buf_clear(&plain);
		assert_int_equal(link_raw_read(&r, buf_str(&m), &plain), ERR_OK);
	}
}

static void keys_change_after_a_gibibyte(void **state)
{
	struct pair *p = *state;
	CLEANUP(buf_deinit) struct buf m = { 0 };
	CLEANUP(buf_deinit) struct buf plain = { 0 };
	uint64_t sent = 0;
	unsigned changes = 0;
	struct link_raw r;

	link_raw_up(&r, p);
	p->b.supply = LINK_REKEY_BYTES + 1000000;
	link_wake(p->b.link);
	while (p->b.supply > 0) {
		assert_true(pair_take(p, &p->b, &m));
		buf_clear(&plain);
		assert_int_equal(link_raw_read(&r, buf_str(&m), &plain), ERR_OK);
		sent += m.n;
		if (sent >= LINK_REKEY_BYTES && changes++ == 0)
			noise_rekey(&r.rx);
	}
	assert_true(changes > 1); /* there were records after it */
}

static void large_records_need_a_lot_to_send_and_both_hellos(void **state)
{
	struct pair *p = *state;
	CLEANUP(buf_deinit) struct buf m = { 0 };
	size_t least = SIZE_MAX, most = 0;
	uint64_t before_large = 0;

	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	p->a.supply = 4 * LINK_LARGE_FROM;
	link_wake(p->a.link);
	while (pair_take(p, &p->a, &m)) {
		pair_give(p, &p->b, buf_str(&m));
		if (m.n - NOISE_TAG <= RECORD_MAX_SMALL && most <= RECORD_MAX_SMALL)
			before_large += m.n;
		least = m.n - NOISE_TAG < least ? m.n - NOISE_TAG : least;
		most = m.n - NOISE_TAG > most ? m.n - NOISE_TAG : most;
	}
	assert_in_range(most, RECORD_MAX_LARGE - 8, RECORD_MAX_LARGE);
	assert_in_range(before_large, LINK_LARGE_FROM, LINK_LARGE_FROM + 20000);
	assert_true(pair_both_up(p));
	/* The queue was empty once: small again. */
	p->a.supply = LINK_LARGE_FROM / 2;
	link_wake(p->a.link);
	while (pair_take(p, &p->a, &m))
		assert_true(m.n - NOISE_TAG <= RECORD_MAX_SMALL);
}

/* A carrier of so many bytes a second asks for the next record when it has sent the last. */
static size_t record_at_rate(struct pair *p, uint64_t rate)
{
	CLEANUP(buf_deinit) struct buf m = { 0 };
	uint64_t start = p->now, sent = 0;

	p->a.supply = 20 * rate;
	link_wake(p->a.link);
	while (p->now - start < 10000 && pair_take(p, &p->a, &m)) {
		sent += m.n;
		p->now = start + sent * 1000 / rate;
		link_tick(p->a.link, p->now);
	}
	p->a.supply = 0;
	return p->a.pulled;
}

static void a_record_takes_no_more_than_ten_milliseconds(void **state)
{
	struct pair *p = *state;
	static const struct {
		uint64_t rate;
		size_t least, most;
	} cases[] = {
		{ 1000000, 9000, 10100 },
		{ 300000, 2700, 3030 },
		{ 20000, LINK_RECORD_FLOOR - 8, LINK_RECORD_FLOOR },
		{ 50000000, RECORD_MAX_LARGE - 8, RECORD_MAX_LARGE },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t got;

		pair_links(p, NOISE_IK, false);
		pair_pump(p);
		got = record_at_rate(p, cases[i].rate);
		assert_in_range(got, cases[i].least, cases[i].most);
		pair_links_free(p);
	}
}

/* ---- fresh keys (REHS) ---- */

/* Frees the carrier of everything that a side has to say. */
static void to_the_renewal(struct pair *p)
{
	CLEANUP(buf_deinit) struct buf m = { 0 };

	/* Both PING each other meanwhile. */
	for (;;) {
		uint64_t a = link_next_ms(p->a.link), b = link_next_ms(p->b.link);
		uint64_t next = a < b ? a : b;
		unsigned before = p->a.agains;

		assert_true(next < UINT64_MAX);
		p->now = next;
		link_tick(p->a.link, p->now);
		link_tick(p->b.link, p->now);
		pair_pump(p);
		if (p->a.agains > before || !pair_both_up(p))
			return;
	}
}

static void keys_are_fresh_every_day(void **state)
{
	struct pair *p = *state;
	uint64_t begun, was;

	pair_links(p, NOISE_IKPSK1, false);
	p->b.has_invite = true;
	pair_links_free(p);
	pair_links(p, NOISE_IKPSK1, false);
	pair_pump(p);
	for (unsigned day = 1; day <= 3; day++) {
		begun = p->now;
		was = p->b.agains;
		to_the_renewal(p);
		assert_true(pair_both_up(p));
		assert_int_equal(p->a.agains, day);
		assert_int_equal(p->b.agains, was + 1);
		assert_in_range(p->now - begun, LINK_RENEW_MS * 4 / 5, LINK_RENEW_MS);
		p->a.got_n = p->b.got_n = 0;
		pair_send(&p->a, FRAME_DIRECT, "after");
		pair_send(&p->b, FRAME_DIRECT, "too");
		pair_pump(p);
		assert_int_equal(p->b.got_n, 5);
		assert_int_equal(p->a.got_n, 3);
	}
	assert_int_equal(p->a.strikes + p->b.strikes, 0);
}

/* Reads a record of p->b, and what REHS it holds. */
static bool read_rehs(struct link_raw *r, struct pair *p, struct buf *body)
{
	CLEANUP(buf_deinit) struct buf m = { 0 };
	CLEANUP(buf_deinit) struct buf plain = { 0 };
	struct str rest, b;
	bool bad = false, found = false;
	uint8_t type;

	buf_clear(body);
	if (!pair_take(p, &p->b, &m))
		return false;
	assert_int_equal(link_raw_read(r, buf_str(&m), &plain), ERR_OK);
	for (rest = buf_str(&plain); frame_next(&rest, &type, &b, &bad);) {
		if (type == FRAME_REHS) {
			buf_put_str(body, b);
			found = true;
		}
	}
	return found;
}

/* Message 1 of a renewal, as the day's end brings it; binding: the last handshake's hash. */
static void renewal_first(struct link_raw *r, const struct pair *p, const struct identity *as,
	const unsigned char binding[NOISE_HASH], struct buf *out)
{
	CLEANUP(buf_deinit) struct buf prologue = { 0 };
	CLEANUP(buf_deinit) struct buf hello = { 0 };
	const struct noise_keys keys = { identity_noise_secret(as), identity_noise_public(as) };
	const struct identity *was = r->id;
	unsigned char e[32];

	r->id = as;
	link_raw_hello(r, &hello);
	r->id = was;
	buf_put_z(&prologue, "kith-rehs-1");
	buf_put(&prologue, binding, NOISE_HASH);
	noise_init(&r->noise, NOISE_IK, true, buf_str(&prologue), keys,
		identity_noise_public(p->b.id));
	randombytes_buf(e, sizeof(e));
	buf_clear(out);
	assert_int_equal(noise_write(&r->noise, e, buf_str(&hello), out), ERR_OK);
}

/* The other end by hand: each direction's key changes behind its own record, and the new keys
 * have nothing to do with the old ones. */
static void each_direction_changes_its_key_behind_its_own_rehs(void **state)
{
	struct pair *p = *state;
	CLEANUP(buf_deinit) struct buf body = { 0 };
	CLEANUP(buf_deinit) struct buf hello = { 0 };
	CLEANUP(buf_deinit) struct buf m = { 0 };
	CLEANUP(buf_deinit) struct buf plain = { 0 };
	unsigned char binding[NOISE_HASH];
	struct link_raw r;
	struct noise_cipher tx, rx;

	link_raw_up(&r, p);
	memcpy(binding, noise_hash(&r.noise), NOISE_HASH);
	p->now += LINK_RENEW_LEAST_MS;
	renewal_first(&r, p, p->a.id, binding, &body);
	link_raw_say(&r, p, FRAME_REHS, buf_str(&body));
	assert_int_equal(p->b.agains, 1);
	assert_true(read_rehs(&r, p, &body)); /* still with the old key */
	assert_int_equal(noise_read(&r.noise, buf_str(&body), &hello), ERR_OK);
	noise_split(&r.noise, &tx, &rx);
	assert_memory_not_equal(tx.k, r.tx.k, 32);

	/* What it says now is under the new key; what we say, under the old one until our REHS.
	 */
	r.rx = rx;
	pair_send(&p->b, FRAME_DIRECT, "new");
	assert_true(pair_take(p, &p->b, &m));
	assert_int_equal(link_raw_read(&r, buf_str(&m), &plain), ERR_OK);
	link_raw_say(&r, p, FRAME_DIRECT, STR("old"));
	link_raw_say(&r, p, FRAME_REHS, STR(""));
	r.tx = tx;
	link_raw_say(&r, p, FRAME_DIRECT, STR("new"));
	assert_memory_equal(p->b.got, "oldnew", 6);
	assert_true(link_is_up(p->b.link));

	/* The old key is of no more use. */
	memcpy(binding, noise_hash(&r.noise), NOISE_HASH);
	renewal_first(&r, p, p->a.id, binding, &body);
	link_raw_say(&r, p, FRAME_REHS, buf_str(&body));
	assert_int_equal(p->b.strikes, 1); /* too soon */
	p->now += LINK_RENEW_LEAST_MS;
	link_raw_say(&r, p, FRAME_REHS, buf_str(&body));
	assert_int_equal(p->b.agains, 2);
}

enum wrong { OTHER_NODE, OTHER_LINK, GARBAGE, EMPTY, EARLY, REFUSED, N_WRONGS };

static void a_false_renewal_ends_the_link_or_is_a_strike(void **state)
{
	struct pair *p = *state;
	struct identity_recovery seed;
	struct identity *me = identity_new(&rng_system, INT64_C(1700000000000), &seed);
	struct identity *other = identity_recover(&rng_system, INT64_C(1700000001000), &seed);
	struct identity *was = p->a.id;

	p->a.id = me; /* the other one is another device of the same person */

	for (int wrong = 0; wrong < N_WRONGS; wrong++) {
		CLEANUP(buf_deinit) struct buf body = { 0 };
		unsigned char binding[NOISE_HASH];
		struct link_raw r;

		p->b.strikes = p->b.agains = 0;
		p->b.admits = true;
		link_raw_up(&r, p);
		memcpy(binding, noise_hash(&r.noise), NOISE_HASH);
		if (wrong != EARLY)
			p->now += LINK_RENEW_LEAST_MS;
		if (wrong == OTHER_LINK)
			binding[5] ^= 1;
		renewal_first(&r, p, wrong == OTHER_NODE ? other : p->a.id, binding, &body);
		if (wrong == GARBAGE)
			body.p[60] ^= 1;
		p->b.admits = wrong != REFUSED;
		link_raw_say(&r, p, FRAME_REHS, wrong == EMPTY ? STR("") : buf_str(&body));
		if (wrong == EMPTY || wrong == EARLY) {
			assert_true(link_is_up(p->b.link));
			assert_int_equal(p->b.strikes, 1);
		} else {
			assert_int_equal(link_state(p->b.link), LINK_CLOSING);
			assert_int_equal(p->b.strikes, wrong == REFUSED ? 0 : 3);
		}
		assert_int_equal(p->b.agains, wrong == REFUSED);
	}
	p->a.id = was;
	identity_free(other);
	identity_free(me);
}

static void who_does_not_renew_is_closed(void **state)
{
	struct pair *p = *state;
	CLEANUP(buf_deinit) struct buf m = { 0 };
	struct link_raw r;
	uint64_t begun;

	/* An initiator that never asks. */
	link_raw_up(&r, p);
	begun = p->now;
	while (link_is_up(p->b.link)) {
		p->now = link_next_ms(p->b.link);
		link_tick(p->b.link, p->now);
		if (link_is_up(p->b.link))
			link_raw_say(&r, p, FRAME_PAD, STR(""));
		while (pair_take(p, &p->b, &m))
			;
	}
	assert_int_equal(p->now - begun, LINK_RENEW_MS + LINK_RENEW_LATE_MS);
	link_free(p->b.link);
	p->b.link = NULL;

	/* A responder that asks of its own, or never answers. */
	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	pair_send(&p->b, FRAME_REHS, "out of turn");
	pair_pump(p);
	assert_int_equal(p->a.strikes, 1);
	begun = p->now;
	p->b.agains = 0;
	for (unsigned i = 0; i < 10000 && link_is_up(p->a.link) && !p->b.agains; i++) {
		p->now = link_next_ms(p->a.link);
		link_tick(p->a.link, p->now);
		while (pair_take(p, &p->a, &m))
			pair_give(p, &p->b, buf_str(&m));
		while (!p->b.agains && pair_take(p, &p->b, &m))
			pair_give(p, &p->a, buf_str(&m));
	}
	assert_int_equal(p->b.agains, 1);
	for (unsigned i = 0; i < 100 && link_is_up(p->a.link); i++) {
		p->now = link_next_ms(p->a.link);
		link_tick(p->a.link, p->now);
		while (pair_take(p, &p->a, &m))
			;
	}
	assert_int_equal(link_state(p->a.link), LINK_DEAD);
}

/* ---- a whole conversation through a middleman (O2) ---- */

/* Sends numbered words both ways, of which one record is meddled with. Each word has an effect
 * once or not at all, and in order. */
static void meddle_with(struct pair *p, int kind, unsigned which, bool towards_b)
{
	CLEANUP(buf_deinit) struct buf m = { 0 };
	CLEANUP(buf_deinit) struct buf kept = { 0 };
	struct side *from = towards_b ? &p->a : &p->b, *to = towards_b ? &p->b : &p->a;
	unsigned n = 0;

	p->a.got_n = p->b.got_n = 0;
	pair_links(p, NOISE_IK, false);
	pair_pump(p);
	for (unsigned i = 0; i < 12; i++) {
		char word[2] = { (char)('a' + i), 0 };

		pair_send(from, FRAME_DIRECT, word);
		while (pair_take(p, from, &m)) {
			if (n++ != which) {
				pair_give(p, to, buf_str(&m));
				if (kept.n && kind == SWAP) {
					pair_give(p, to, buf_str(&kept));
					buf_clear(&kept);
				}
				continue;
			}
			if (kind == FLIP)
				m.p[(which * 7) % m.n] ^= (char)(1 << which % 8);
			if (kind == SWAP)
				buf_put_str(&kept, buf_str(&m));
			if (kind == REPEAT || kind == FLIP)
				pair_give(p, to, buf_str(&m));
			if (kind == REPEAT)
				pair_give(p, to, buf_str(&m));
			if (kind == CUT)
				pair_give(p, to, str_head(buf_str(&m), m.n - 1 - which));
		}
	}
	assert_int_equal(link_state(to->link), LINK_DEAD);
	assert_int_equal(to->got_n, which + (kind == REPEAT ? 1 : 0));
	assert_memory_equal(to->got, "abcdefghijkl", to->got_n);
	assert_int_equal(to->strikes, 0);
	pair_links_free(p);
}

static void no_record_of_a_conversation_can_be_meddled_with(void **state)
{
	for (int kind = 0; kind < N_MEDDLINGS; kind++) {
		for (unsigned which = 0; which < 11; which++) {
			meddle_with(*state, kind, which, true);
			meddle_with(*state, kind, which, false);
		}
	}
}

/* ---- frames of each type, from a peer that may say anything ---- */

/* What it may cause at most: 8 times its bytes (security.md, O4). Bodies of each length. */
static void no_frame_causes_much_more_than_itself(void **state)
{
	struct pair *p = *state;
	CLEANUP(buf_deinit) struct buf m = { 0 };
	static const size_t lengths[] = { 0, 1, 8, 40, 300 };
	static const char zeros[300];

	for (unsigned type = 0; type < 256; type++) {
		for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
			const size_t n = lengths[i], asked = 2 + n + NOISE_TAG;
			size_t got = 0;
			struct link_raw r;

			p->b.strikes = 0;
			link_raw_up(&r, p);
			while (pair_take(p, &p->b, &m))
				;
			link_raw_say(&r, p, (uint8_t)type, (struct str){ zeros, n });
			while (pair_take(p, &p->b, &m))
				got += m.n;
			assert_true(got <= 8 * asked);
			assert_true(p->b.strikes <= 3);
		}
	}
}

static void bodies_of_the_links_own_frames_are_checked(void **state)
{
	struct pair *p = *state;
	static const struct {
		uint8_t type;
		struct str body;
		unsigned strikes;
	} cases[] = {
		{ FRAME_PING, STR_INIT("1234567"), 1 },
		{ FRAME_PONG, STR_INIT("123456789"), 1 },
		{ FRAME_PONG, STR_INIT("12345678"), 0 },
		{ FRAME_BYE, STR_INIT("\0"), 1 },
		{ FRAME_BYE, STR_INIT("\0\1\3ab"), 1 },
		{ FRAME_INFO, STR_INIT("\0\5"), 1 },
		{ FRAME_INFO, STR_INIT("\0\5\0"), 0 },
		{ FRAME_INFO, STR_INIT("\0\5\0\x7f\0\0\1\0\1"), 0 },
		{ FRAME_INFO, STR_INIT("\0\5\0\x7f\0\0\1\0"), 1 },
		{ FRAME_SLEEP, STR_INIT("\0\0\0\1"), 1 },
		{ FRAME_SLEEP, STR_INIT("\0\0\0\1\2"), 1 },
		{ FRAME_SLEEP, STR_INIT("\0\0\0\1\0"), 0 },
		{ FRAME_PAD, STR_INIT("anything"), 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct link_raw r;

		p->b.strikes = 0;
		link_raw_up(&r, p);
		link_raw_say(&r, p, cases[i].type, cases[i].body);
		assert_int_equal(p->b.strikes, cases[i].strikes);
		assert_true(link_is_up(p->b.link));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PAIR(meddled_records_end_the_link_and_have_no_effect),
		ON_PAIR(every_byte_of_a_record_counts),
		ON_PAIR(a_recorded_conversation_played_again_brings_nothing_up),
		ON_PAIR(unknown_frames_are_skipped_or_end_the_link),
		ON_PAIR(interactive_records_have_few_sizes),
		ON_PAIR(keys_change_after_65536_records),
		ON_PAIR(keys_change_after_a_gibibyte),
		ON_PAIR(large_records_need_a_lot_to_send_and_both_hellos),
		ON_PAIR(a_record_takes_no_more_than_ten_milliseconds),
		ON_PAIR(keys_are_fresh_every_day),
		ON_PAIR(each_direction_changes_its_key_behind_its_own_rehs),
		ON_PAIR(a_false_renewal_ends_the_link_or_is_a_strike),
		ON_PAIR(who_does_not_renew_is_closed),
		ON_PAIR(no_record_of_a_conversation_can_be_meddled_with),
		ON_PAIR(no_frame_causes_much_more_than_itself),
		ON_PAIR(bodies_of_the_links_own_frames_are_checked),
	};

	if (sodium_init() < 0)
		return 1;
	return RUN_TESTS(tests);
}
