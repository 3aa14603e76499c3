/* Links over a pipe in memory, and over a middleman that meddles (security.md, O1 and O2). */
#include "transport/link.h"

#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "tests/support/cmocka.h"
#include "transport/identity.h"
#include "transport/wire.h"

#define WALL INT64_C(1700000000000)

struct side {
	struct identity *id;
	struct link *link;
	bool admits, allows_xx, waits;
	unsigned char psk[32];
	bool has_invite;
	unsigned ups, deads, strikes, admissions;
	char why[96];

	/* Frames to send, and those that came. */
	struct buf to_send;
	bool bulk;
	char got[4096];
	size_t got_n;
	unsigned got_frames;
	uint64_t now;
};

static struct side *side_of(struct link *l)
{
	return link_arg(l);
}

static void on_hello(struct link *l, struct hello *out)
{
	out->capabilities = CAP_ZSTD;
	out->iddoc_seq = identity_document_seq(side_of(l)->id);
	out->epoch = STR("epoch 01");
}

static bool on_psk(struct link *l, const unsigned char id[INVITE_ID_LEN], unsigned char psk[32])
{
	struct side *s = side_of(l);

	if (!s->has_invite || memcmp(id, "inviteid", 8) != 0)
		return false;
	memcpy(psk, s->psk, 32);
	return true;
}

static bool on_allow_xx(struct link *l)
{
	return side_of(l)->allows_xx;
}

static void on_admit(struct link *l)
{
	struct side *s = side_of(l);

	s->admissions++;
	if (!s->waits)
		link_admit(l, s->now, s->admits);
}

static void on_up(struct link *l)
{
	side_of(l)->ups++;
}

static enum err on_frame(struct link *l, uint8_t type, struct str body)
{
	struct side *s = side_of(l);

	if (type == 0x7f)
		return ERR_MALFORMED;
	s->got_frames++;
	if (s->got_n + body.n <= sizeof(s->got)) {
		if (body.n > 0)
			memcpy(s->got + s->got_n, body.p, body.n);
		s->got_n += body.n;
	}
	return ERR_OK;
}

static void on_pull(struct link *l, uint64_t now, size_t max, struct buf *frames, bool *bulk)
{
	struct side *s = side_of(l);

	(void)now;
	assert_true(s->to_send.n <= max);
	*bulk = s->bulk;
	buf_put_str(frames, buf_str(&s->to_send));
	buf_clear(&s->to_send);
}

static void on_wake(struct link *l)
{
	(void)l;
}

static void on_strike(struct link *l, unsigned n, const char *what)
{
	(void)what;
	side_of(l)->strikes += n;
}

static void on_dead(struct link *l, const char *why)
{
	struct side *s = side_of(l);

	s->deads++;
	(void)snprintf(s->why, sizeof(s->why), "%s", why);
}

static const struct link_ops ops = { on_hello, on_psk, on_allow_xx, on_admit, on_up, on_frame,
	on_pull, on_wake, on_strike, on_dead };

struct pair {
	struct side a, b; /* a dials */
	struct gate gate;
	uint64_t now;
};

static struct link_options options(struct side *s)
{
	return (struct link_options){
		.ops = &ops,
		.arg = s,
		.rng = &rng_system,
		.addr = { .ip = { 127, 0, 0, 1 }, .n = 4, .port = 1 },
		.node_public = identity_node_public(s->id),
		.noise = { identity_noise_secret(s->id), identity_noise_public(s->id) },
		.certificate = identity_certificate(s->id),
	};
}

static void links_new(struct pair *p, enum noise_pattern pattern, bool gated)
{
	struct link_options o = options(&p->a);

	o.pattern = pattern;
	o.peer_node = identity_node_public(p->b.id);
	memcpy(o.invite_id, "inviteid", 8);
	memcpy(o.psk, p->a.psk, 32);
	p->a.link = link_new_initiator(&o, p->now);
	o = options(&p->b);
	o.gate = gated ? &p->gate : NULL;
	p->b.link = link_new_responder(&o, p->now);
}

static void links_free(struct pair *p)
{
	link_free(p->a.link);
	link_free(p->b.link);
	p->a.link = p->b.link = NULL;
	buf_deinit(&p->a.to_send);
	buf_deinit(&p->b.to_send);
}

static int set_up(void **state)
{
	struct pair *p = NEW(struct pair);
	struct identity_recovery r;

	p->now = 1000000;
	p->a.id = identity_new(&rng_system, WALL, &r);
	p->b.id = identity_new(&rng_system, WALL, &r);
	p->a.admits = p->b.admits = true;
	randombytes_buf(p->a.psk, 32);
	memcpy(p->b.psk, p->a.psk, 32);
	gate_init(&p->gate, &rng_system);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *p = *state;

	links_free(p);
	identity_free(p->a.id);
	identity_free(p->b.id);
	free(p);
	return 0;
}

/* Takes one message from a side; false if it has none. */
static bool take(struct pair *p, struct side *s, struct buf *message)
{
	s->now = p->now;
	buf_clear(message);
	return link_output(s->link, p->now, message);
}

static void give(struct pair *p, struct side *s, struct str message)
{
	s->now = p->now;
	link_input(s->link, p->now, message);
}

/* Carries messages both ways until nobody has any. */
static void pump(struct pair *p)
{
	struct buf m = { 0 };
	bool some = true;

	for (unsigned i = 0; some && i < 100; i++) {
		some = false;
		while (take(p, &p->a, &m)) {
			give(p, &p->b, buf_str(&m));
			some = true;
		}
		while (take(p, &p->b, &m)) {
			give(p, &p->a, buf_str(&m));
			some = true;
		}
	}
	buf_deinit(&m);
}

static void send_text(struct side *s, uint8_t type, const char *text)
{
	frame_put(&s->to_send, type, str_of(text));
	link_wake(s->link);
}

static bool both_up(const struct pair *p)
{
	return link_is_up(p->a.link) && link_is_up(p->b.link);
}

static void every_pattern_comes_up_and_carries_frames(void **state)
{
	struct pair *p = *state;
	static const enum noise_pattern patterns[] = { NOISE_IK, NOISE_IKPSK1, NOISE_XX };

	p->b.allows_xx = p->b.has_invite = true;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		p->a.got_n = p->b.got_n = 0;
		links_new(p, patterns[i], true);
		pump(p);
		assert_true(both_up(p));
		assert_int_equal(p->gate.half_open, 0);
		send_text(&p->a, FRAME_DIRECT, "from a");
		send_text(&p->b, FRAME_DIRECT, "from b");
		pump(p);
		assert_int_equal(p->b.got_n, 6);
		assert_memory_equal(p->b.got, "from a", 6);
		assert_memory_equal(p->a.got, "from b", 6);
		assert_memory_equal(
			link_peer(p->a.link)->cert.identity, identity_public(p->b.id), 32);
		assert_memory_equal(
			link_peer(p->b.link)->cert.identity, identity_public(p->a.id), 32);
		links_free(p);
	}
}

static void a_responder_is_up_only_after_a_first_record(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	links_new(p, NOISE_IK, false);
	assert_true(take(p, &p->a, &m));
	give(p, &p->b, buf_str(&m));
	assert_true(take(p, &p->b, &m));
	assert_int_equal(p->b.ups, 0);
	give(p, &p->a, buf_str(&m));
	assert_int_equal(p->a.ups, 1);
	assert_int_equal(p->b.ups, 0);
	assert_true(take(p, &p->a, &m));
	give(p, &p->b, buf_str(&m));
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
		links_new(p, pattern, false);
		for (unsigned i = 0; i <= which; i++) {
			assert_true(take(p, i % 2 ? &p->b : &p->a, &m));
			if (i == which)
				m.p[at] ^= (char)(1 << at % 8);
			give(p, i % 2 ? &p->a : &p->b, buf_str(&m));
		}
		n = m.n;
		pump(p);
		assert_int_equal(to->ups, 0);
		/* IK's initiator is up once it has msg 2; what then fails is its first record.
		 */
		assert_false(both_up(p));
		if (to == &p->b) {
			assert_int_equal(
				p->a.ups + p->b.ups, pattern == NOISE_XX && which == 2);
			/* XX's first message is bare: that it was changed shows in the second.
			 */
			p->now += pattern == NOISE_XX ? LINK_OPENING_MS : LINK_SILENT_MAX_MS;
			link_tick(p->b.link, p->now);
			assert_int_equal(link_state(p->b.link), LINK_DEAD);
		}
		links_free(p);
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

	links_new(p, NOISE_IK, false);
	assert_true(take(p, &p->a, &m));
	for (size_t n = 0; n < m.n; n++) {
		struct link_options o = options(&p->b);
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
	links_new(p, NOISE_IK, false);
	assert_true(take(p, &p->a, &m));
	give(p, &p->b, buf_str(&m));
	assert_int_equal(p->b.admissions, 1);
	assert_false(take(p, &p->b, &m));
	assert_int_equal(link_state(p->b.link), LINK_SILENT);
	p->now += LINK_SILENT_MAX_MS;
	link_tick(p->b.link, p->now);
	assert_int_equal(link_state(p->b.link), LINK_DEAD);
	links_free(p);

	/* An invite that isn't there, and XX outside its modes. */
	p->b.admits = true;
	links_new(p, NOISE_IKPSK1, false);
	pump(p);
	assert_int_equal(link_state(p->b.link), LINK_SILENT);
	links_free(p);
	links_new(p, NOISE_XX, false);
	pump(p);
	assert_int_equal(link_state(p->b.link), LINK_SILENT);
	links_free(p);

	/* The right invite id with another key. */
	p->b.has_invite = true;
	p->b.psk[0] ^= 1;
	links_new(p, NOISE_IKPSK1, false);
	pump(p);
	assert_int_equal(link_state(p->b.link), LINK_SILENT);
	assert_int_equal(p->a.ups + p->b.ups, 0);
	buf_deinit(&m);
}

static void ourselves_are_no_peer(void **state)
{
	struct pair *p = *state;
	struct identity *b = p->b.id;

	p->b.id = p->a.id;
	links_new(p, NOISE_IK, false);
	pump(p);
	assert_int_equal(p->a.ups + p->b.ups, 0);
	p->b.id = b;
}

static void admission_may_take_time_and_ends_with_the_handshake(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	p->b.waits = true;
	links_new(p, NOISE_IK, true);
	pump(p);
	assert_int_equal(link_state(p->b.link), LINK_DECIDING);
	link_admit(p->b.link, p->now, true);
	pump(p);
	assert_true(both_up(p));
	links_free(p);

	links_new(p, NOISE_IK, true);
	pump(p);
	p->now += LINK_OPENING_MS;
	link_tick(p->b.link, p->now);
	assert_int_equal(link_state(p->b.link), LINK_DEAD);
	assert_int_equal(p->gate.half_open, 0);
	link_admit(p->b.link, p->now, true); /* too late */
	assert_false(take(p, &p->b, &m));
	buf_deinit(&m);
}

/* ---- a middleman on records ---- */

enum meddling { REPEAT, SWAP, CUT, FLIP, DROP, N_MEDDLINGS };

static void meddled_records_end_the_link_and_have_no_effect(void **state)
{
	struct pair *p = *state;

	for (int kind = 0; kind < N_MEDDLINGS; kind++) {
		struct buf one = { 0 }, two = { 0 };
		size_t before;

		p->b.got_n = 0;
		links_new(p, NOISE_IK, false);
		pump(p);
		send_text(&p->a, FRAME_DIRECT, "1");
		assert_true(take(p, &p->a, &one));
		send_text(&p->a, FRAME_DIRECT, "2");
		assert_true(take(p, &p->a, &two));
		if (kind == REPEAT) {
			give(p, &p->b, buf_str(&one));
			give(p, &p->b, buf_str(&one));
		} else if (kind == SWAP) {
			give(p, &p->b, buf_str(&two));
			give(p, &p->b, buf_str(&one));
		} else if (kind == CUT) {
			give(p, &p->b, str_head(buf_str(&one), one.n - 1));
		} else if (kind == FLIP) {
			one.p[one.n / 2] ^= 1;
			give(p, &p->b, buf_str(&one));
		} else {
			give(p, &p->b, buf_str(&two));
		}
		before = p->b.got_n;
		assert_int_equal(before, kind == REPEAT ? 1 : 0);
		assert_int_equal(link_state(p->b.link), LINK_DEAD);
		assert_int_equal(p->b.strikes, 0); /* it may be the middle, not the peer */
		give(p, &p->b, buf_str(&two));
		assert_int_equal(p->b.got_n, before);
		links_free(p);
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
		links_new(p, NOISE_IK, false);
		pump(p);
		send_text(&p->a, FRAME_DIRECT, "x");
		assert_true(take(p, &p->a, &m));
		n = m.n;
		m.p[at] ^= (char)(1 << at % 8);
		give(p, &p->b, buf_str(&m));
		assert_int_equal(p->b.got_n, 0);
		assert_int_equal(link_state(p->b.link), LINK_DEAD);
		links_free(p);
	}
	buf_deinit(&m);
}

static void a_recorded_conversation_played_again_brings_nothing_up(void **state)
{
	struct pair *p = *state;
	struct buf m1 = { 0 }, m3 = { 0 }, out = { 0 };
	struct link_options o;

	links_new(p, NOISE_IK, false);
	assert_true(take(p, &p->a, &m1));
	give(p, &p->b, buf_str(&m1));
	assert_true(take(p, &p->b, &out));
	give(p, &p->a, buf_str(&out));
	send_text(&p->a, FRAME_DIRECT, "pay 5");
	assert_true(take(p, &p->a, &m3));
	give(p, &p->b, buf_str(&m3));
	assert_int_equal(p->b.got_n, 5);
	link_free(p->b.link);

	p->b.ups = 0;
	p->b.got_n = 0;
	o = options(&p->b);
	p->b.link = link_new_responder(&o, p->now);
	give(p, &p->b, buf_str(&m1));
	assert_true(take(p, &p->b, &out));
	give(p, &p->b, buf_str(&m3));
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

	links_new(p, NOISE_IK, false);
	pump(p);
	send_text(&p->a, 0x7e, "later version");
	pump(p);
	assert_true(both_up(p));
	assert_int_equal(p->b.got_frames, 1);
	send_text(&p->a, 0x7f, "malformed to its owner");
	pump(p);
	assert_int_equal(p->b.strikes, 1);
	buf_put(&p->a.to_send, "\x26\x05x", 3); /* longer than the record */
	link_wake(p->a.link);
	p->a.bulk = true; /* not padded: the length would reach into the padding */
	pump(p);
	assert_int_equal(p->b.strikes, 2);
	p->a.bulk = false;
	send_text(&p->a, 0x80, "must be known");
	pump(p);
	assert_int_equal(link_state(p->b.link), LINK_CLOSING);
	assert_int_equal(link_state(p->a.link), LINK_DEAD); /* by BYE */
	assert_non_null(strstr(p->a.why, "code 3"));
}

static void interactive_records_have_few_sizes(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	links_new(p, NOISE_IK, false);
	pump(p);
	for (size_t n = 0; n <= 1100; n++) {
		char text[1200];
		size_t got;

		memset(text, 'x', n);
		p->b.got_n = 0;
		frame_put(&p->a.to_send, FRAME_DIRECT, (struct str){ text, n });
		link_wake(p->a.link);
		assert_true(take(p, &p->a, &m));
		got = m.n - NOISE_TAG;
		if (n <= 1019)
			assert_true(got == 64 || got == 128 || got == 256 || got == 512 ||
				got == 1024);
		give(p, &p->b, buf_str(&m));
		assert_int_equal(p->b.got_n, n);
	}
	assert_true(both_up(p));
	buf_deinit(&m);
}

static void keys_change_after_65536_records(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	links_new(p, NOISE_IK, false);
	pump(p);
	for (unsigned i = 0; i < 66000; i++) {
		p->b.got_n = 0;
		send_text(&p->a, FRAME_DIRECT, "x");
		assert_true(take(p, &p->a, &m));
		give(p, &p->b, buf_str(&m));
		assert_int_equal(p->b.got_n, 1);
	}
	assert_true(both_up(p));
	buf_deinit(&m);
}

/* ---- time ---- */

static void idle_links_ping_once_a_minute_and_no_more(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };
	uint64_t due;

	links_new(p, NOISE_IK, false);
	pump(p);
	due = link_next_ms(p->a.link);
	assert_int_equal(due, p->now + LINK_PING_MS);
	p->now = due - 1;
	link_tick(p->a.link, p->now);
	assert_false(take(p, &p->a, &m));
	p->now = due;
	link_tick(p->a.link, p->now);
	pump(p);
	assert_true(both_up(p));
	assert_int_equal(link_next_ms(p->a.link), p->now + LINK_PING_MS);
	assert_int_equal(link_next_ms(p->b.link), p->now + LINK_PING_MS);
	buf_deinit(&m);
}

static void two_missed_pings_end_an_idle_link(void **state)
{
	struct pair *p = *state;
	struct buf m = { 0 };

	links_new(p, NOISE_IK, false);
	pump(p);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(link_is_up(p->a.link));
		p->now = link_next_ms(p->a.link);
		link_tick(p->a.link, p->now);
		while (take(p, &p->a, &m))
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

	links_new(p, NOISE_IK, false);
	pump(p);
	link_outstanding(p->a.link, p->now, true);
	for (unsigned i = 0; i < 10 && link_is_up(p->a.link); i++) {
		p->now = link_next_ms(p->a.link);
		link_tick(p->a.link, p->now);
		while (take(p, &p->a, &m))
			;
	}
	assert_int_equal(link_state(p->a.link), LINK_DEAD);
	assert_in_range(p->now - start, 3000, 3100);
	buf_deinit(&m);
}

static void an_unanswered_dial_ends_after_ten_seconds(void **state)
{
	struct pair *p = *state;

	links_new(p, NOISE_IK, false);
	p->now += LINK_OPENING_MS - 1;
	link_tick(p->a.link, p->now);
	assert_int_equal(link_state(p->a.link), LINK_OPENING);
	p->now++;
	link_tick(p->a.link, p->now);
	link_tick(p->b.link, p->now);
	assert_int_equal(link_state(p->a.link), LINK_DEAD);
	assert_int_equal(link_state(p->b.link), LINK_DEAD);
}

/* ---- the gate ---- */

static void a_crowded_door_asks_for_a_cookie_and_contacts_pass(void **state)
{
	struct pair *p = *state;
	struct gate_addr crowd = { .ip = { 127, 0, 0, 9 }, .n = 4 };
	struct buf m = { 0 };

	for (unsigned i = 0; i < GATE_COOKIE_FROM_NET; i++)
		assert_true(gate_enter(&p->gate, p->now, &crowd));
	links_new(p, NOISE_IK, true);
	assert_true(take(p, &p->a, &m));
	give(p, &p->b, buf_str(&m));
	assert_true(take(p, &p->b, &m));
	assert_int_equal(m.n, RETRY_LEN);
	assert_memory_equal(m.p, "KTHc", 4);
	give(p, &p->a, buf_str(&m));
	pump(p);
	assert_true(both_up(p));
	assert_int_equal(p->gate.half_open, GATE_COOKIE_FROM_NET);
	buf_deinit(&m);
}

static void cookies_belong_to_an_address_and_a_time(void **state)
{
	struct pair *p = *state;
	struct gate_addr from = { .ip = { 10, 0, 0, 1 }, .n = 4 };
	struct gate_addr other = { .ip = { 10, 0, 0, 2 }, .n = 4 };
	unsigned char open[OPEN_LEN] = "KTH1", nonce[COOKIE_NONCE] = { 0 };
	uint64_t now = p->now;

	gate_cookie(&p->gate, now, &from, open, open + OPEN_BOUND);
	assert_true(gate_check(&p->gate, now, &from, open, nonce));
	assert_false(gate_check(&p->gate, now, &other, open, nonce));
	assert_true(gate_check(&p->gate, now + GATE_SECRET_MS, &from, open, nonce));
	assert_false(gate_check(&p->gate, now + 2 * GATE_SECRET_MS + 1, &from, open, nonce));
}

static void the_price_rises_while_it_stays_crowded_and_falls(void **state)
{
	struct pair *p = *state;
	struct gate *g = &p->gate;
	unsigned char open[OPEN_LEN] = "KTH1", nonce[COOKIE_NONCE] = { 0 };
	struct gate_addr from = { .n = 4 };
	unsigned n = 0;

	for (;; n++) {
		from.ip[2] = (unsigned char)n;
		if (!gate_enter(g, p->now, &from))
			break;
	}
	assert_int_equal(n, GATE_HALF_OPEN);
	for (unsigned s = 0; s < 3; s++) {
		p->now += 1000;
		assert_true(gate_wants_cookie(g, p->now, &from));
	}
	assert_int_equal(g->difficulty, 6);
	gate_cookie(g, p->now, &from, open, open + OPEN_BOUND);
	assert_true(gate_solve(open + OPEN_BOUND, g->difficulty, nonce));
	assert_true(gate_check(g, p->now, &from, open, nonce));
	assert_false(gate_solve(open + OPEN_BOUND, GATE_DIFFICULTY_MAX + 1, nonce));
	while (n-- > 0) {
		from.ip[2] = (unsigned char)n;
		gate_leave(g, &from);
	}
	assert_int_equal(g->half_open, 0);
	for (unsigned s = 0; s < 4; s++) {
		p->now += 1000;
		assert_false(gate_wants_cookie(g, p->now, &from));
	}
	assert_int_equal(g->difficulty, 0);
}

static void a_full_door_turns_new_ones_away_without_memory(void **state)
{
	struct pair *p = *state;
	struct gate_addr from = { .n = 4 };
	struct buf m = { 0 };

	for (unsigned i = 0; i < GATE_HALF_OPEN; i++)
		assert_true(gate_enter(&p->gate, p->now, &from));
	links_new(p, NOISE_IK, true);
	assert_true(take(p, &p->a, &m));
	give(p, &p->b, buf_str(&m));
	assert_false(take(p, &p->b, &m));
	link_tick(p->b.link, p->now);
	assert_int_equal(link_state(p->b.link), LINK_DEAD);
	buf_deinit(&m);
}

#define ON_PAIR(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

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
		ON_PAIR(meddled_records_end_the_link_and_have_no_effect),
		ON_PAIR(every_byte_of_a_record_counts),
		ON_PAIR(a_recorded_conversation_played_again_brings_nothing_up),
		ON_PAIR(unknown_frames_are_skipped_or_end_the_link),
		ON_PAIR(interactive_records_have_few_sizes),
		ON_PAIR(keys_change_after_65536_records),
		ON_PAIR(idle_links_ping_once_a_minute_and_no_more),
		ON_PAIR(two_missed_pings_end_an_idle_link),
		ON_PAIR(with_data_outstanding_silence_is_noticed_within_seconds),
		ON_PAIR(an_unanswered_dial_ends_after_ten_seconds),
		ON_PAIR(a_crowded_door_asks_for_a_cookie_and_contacts_pass),
		ON_PAIR(cookies_belong_to_an_address_and_a_time),
		ON_PAIR(the_price_rises_while_it_stays_crowded_and_falls),
		ON_PAIR(a_full_door_turns_new_ones_away_without_memory),
	};

	if (sodium_init() < 0)
		return 1;
	return RUN_TESTS(tests);
}
