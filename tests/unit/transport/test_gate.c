/* How many may be at the door (security.md, O3). */
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "tests/support/link_raw.h"

static void on_displaced(struct gate_slot *slot)
{
	slot->addr.n = 0; /* so that the test sees it */
}

static struct gate_slot at(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return (struct gate_slot){ .displaced = on_displaced,
		.addr = { .ip = { (unsigned char)a, (unsigned char)b, (unsigned char)c,
				  (unsigned char)d },
			.n = 4 } };
}

static void a_crowded_door_asks_for_a_cookie_and_contacts_pass(void **state)
{
	struct pair *p = *state;
	static struct gate_slot crowd[GATE_COOKIE_FROM_NET];
	struct buf m = { 0 };

	for (unsigned i = 0; i < GATE_COOKIE_FROM_NET; i++) {
		crowd[i] = at(127, 0, 0, 9);
		gate_enter(&p->gate, p->now, &crowd[i], false);
	}
	pair_links(p, NOISE_IK, true);
	assert_true(pair_take(p, &p->a, &m));
	pair_give(p, &p->b, buf_str(&m));
	assert_true(pair_take(p, &p->b, &m));
	assert_int_equal(m.n, RETRY_LEN);
	assert_memory_equal(m.p, "KTHc", 4);
	pair_give(p, &p->a, buf_str(&m));
	pair_pump(p);
	assert_true(pair_both_up(p));
	assert_int_equal(gate_half_open(&p->gate), GATE_COOKIE_FROM_NET);
	buf_deinit(&m);
}

static void one_connection_gets_one_retry(void **state)
{
	struct pair *p = *state;
	static struct gate_slot crowd[GATE_COOKIE_FROM_NET];
	CLEANUP(buf_deinit) struct buf m = { 0 };
	CLEANUP(buf_deinit) struct buf out = { 0 };

	for (unsigned i = 0; i < GATE_COOKIE_FROM_NET; i++) {
		crowd[i] = at(127, 0, 0, 9);
		gate_enter(&p->gate, p->now, &crowd[i], false);
	}
	pair_links(p, NOISE_IK, true);
	assert_true(pair_take(p, &p->a, &m));
	pair_give(p, &p->b, buf_str(&m));
	assert_true(pair_take(p, &p->b, &out));
	pair_give(p, &p->b, buf_str(&m));
	assert_false(pair_take(p, &p->b, &out));
	assert_int_equal(link_state(p->b.link), LINK_SILENT);
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
	open[9] ^= 1; /* another OPEN */
	assert_false(gate_check(&p->gate, now, &from, open, nonce));
	open[9] ^= 1;
	assert_true(gate_check(&p->gate, now + GATE_SECRET_MS, &from, open, nonce));
	assert_false(gate_check(&p->gate, now + 2 * GATE_SECRET_MS + 1, &from, open, nonce));
}

static void the_price_rises_while_newcomers_push_and_falls(void **state)
{
	struct pair *p = *state;
	struct gate *g = &p->gate;
	enum { N = GATE_STRANGERS + GATE_CROWDED };
	static struct gate_slot slots[16 * N];
	unsigned char open[OPEN_LEN] = "KTH1", nonce[COOKIE_NONCE] = { 0 };
	unsigned char none[COOKIE_NONCE] = { 0 };
	unsigned used = 0, cheap, lucky = 0;
	struct gate_addr from = { .ip = { 9, 9, 9, 9 }, .n = 4 };

	p->now = 5000000;
	for (unsigned s = 0; s < 12; s++, p->now += 1000) {
		for (unsigned i = 0; i < (s ? GATE_CROWDED : N); i++, used++) {
			slots[used] = at(10, used >> 8, used & 255, 1);
			gate_enter(g, p->now, &slots[used], false);
		}
		assert_int_equal(g->difficulty, s < 10 ? 2 * s : GATE_DIFFICULTY_MAX);
		assert_int_equal(gate_half_open(g), GATE_STRANGERS);
	}
	/* The price that was asked counts for ten seconds, and no longer. */
	for (unsigned i = 0; i < GATE_CROWDED; i++, used++) {
		slots[used] = at(10, used >> 8, used & 255, 1);
		gate_enter(g, p->now, &slots[used], false);
	}
	/* Without work one in 16 fits by chance: hardly ten of ten. */
	for (unsigned i = 0; i < 10; i++) {
		open[8] = (unsigned char)i;
		gate_cookie(g, p->now, &from, open, open + OPEN_BOUND);
		lucky += gate_check(g, p->now, &from, open, none);
	}
	assert_true(lucky < 10);
	assert_true(gate_solve(open + OPEN_BOUND, 4, nonce));
	assert_true(gate_check(g, p->now, &from, open, nonce));
	assert_false(gate_solve(open + OPEN_BOUND, GATE_DIFFICULTY_MAX + 1, nonce));

	/* Quiet: it falls while nobody asks, too. */
	p->now += 4000;
	assert_true(gate_wants_cookie(g, p->now, &slots[used - 1]));
	cheap = g->difficulty;
	assert_int_equal(cheap, GATE_DIFFICULTY_MAX - 6);
	p->now += 3600000;
	assert_true(gate_wants_cookie(g, p->now, &slots[used - 1]));
	assert_int_equal(g->difficulty, 0);
	for (unsigned i = 0; i < used; i++) {
		if (slots[i].addr.n)
			gate_leave(g, &slots[i]);
	}
	assert_int_equal(gate_half_open(g), 0);
}

static void one_network_displaces_its_own_and_refused_ones_go_first(void **state)
{
	struct pair *p = *state;
	struct gate *g = &p->gate;
	static struct gate_slot many[GATE_NET + 2], others[4], known[GATE_KNOWN + 1];

	for (unsigned i = 0; i < 4; i++) {
		others[i] = at(20, 0, i, 1);
		gate_enter(g, p->now, &others[i], false);
	}
	for (unsigned i = 0; i < GATE_NET; i++) {
		many[i] = at(30, 0, 0, i);
		gate_enter(g, p->now, &many[i], false);
	}
	gate_spent(g, &many[7]);
	many[GATE_NET] = at(30, 0, 0, 200);
	gate_enter(g, p->now, &many[GATE_NET], false);
	assert_int_equal(many[7].addr.n, 0);
	many[GATE_NET + 1] = at(30, 0, 0, 201);
	gate_enter(g, p->now, &many[GATE_NET + 1], false);
	assert_int_equal(many[0].addr.n, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(others[i].addr.n, 4);

	/* Contacts have places of their own. */
	gate_recognised(g, &others[0]);
	for (unsigned i = 0; i < GATE_KNOWN; i++) {
		known[i] = at(40, 0, i, 1);
		gate_enter(g, p->now, &known[i], true);
		if (i + 1 < GATE_KNOWN)
			assert_int_equal(others[0].addr.n, 4);
	}
	assert_int_equal(others[0].addr.n, 0);
	assert_int_equal(gate_half_open(g), GATE_KNOWN + GATE_NET + 3);
}

/* A contact's recorded first message, played again and again: recognised each time. */
static void who_was_recognised_counts_too(void **state)
{
	struct pair *p = *state;
	static struct gate_slot replays[GATE_COOKIE_FROM_NET + 1], next, other;

	for (unsigned i = 0; i < ARRAY_LEN(replays); i++) {
		next = at(50, 0, 0, 99);
		gate_enter(&p->gate, p->now, &next, false);
		assert_int_equal(gate_wants_cookie(&p->gate, p->now, &next),
			i + 1 > GATE_COOKIE_FROM_NET);
		gate_leave(&p->gate, &next);
		replays[i] = at(50, 0, 0, i);
		gate_enter(&p->gate, p->now, &replays[i], false);
		gate_recognised(&p->gate, &replays[i]);
	}
	other = at(51, 0, 0, 1);
	gate_enter(&p->gate, p->now, &other, false);
	assert_false(gate_wants_cookie(&p->gate, p->now, &other));
	gate_leave(&p->gate, &other);
	for (unsigned i = 0; i < ARRAY_LEN(replays); i++)
		gate_leave(&p->gate, &replays[i]);
}

/* ---- floods ---- */

enum attack { HOLD, GARBAGE, STRANGER, REPLAY, N_ATTACKS };

#define PER_MS   10 /* connections */
#define FLOOD_MS 3600
#define DIAL_MS  1500 /* when the contact comes */
#define SOLVE_MS 500

struct conn {
	struct side side;
	bool used, contact;
	uint64_t open_ms; /* when the contact's first message arrives; 0: it did */
};

struct flood {
	struct pair *p;
	struct conn conns[GATE_HALF_OPEN + 2 * PER_MS];
	unsigned most;
	struct side me; /* the contact */
	uint64_t rtt, solved_ms, up_ms;
	struct gate_addr addr; /* where it is */
	bool known;
	struct buf replay, stranger;
	uint64_t retries;
};

static struct conn *conn_new(struct flood *f, const struct gate_addr *from, bool known)
{
	struct pair *p = f->p;
	struct link_options o;
	struct conn *c = f->conns;

	while (c->used)
		c++;
	assert_true(c < f->conns + ARRAY_LEN(f->conns));
	memset(c, 0, sizeof(*c));
	c->used = true;
	c->side.id = p->b.id;
	c->side.now = p->now;
	o = pair_options(&c->side);
	o.gate = &p->gate;
	o.addr = *from;
	o.addr_known = known;
	c->side.link = link_new_responder(&o, p->now);
	return c;
}

static void contact_connects(struct flood *f)
{
	struct conn *c = conn_new(f, &f->addr, f->known);

	c->contact = true;
	c->side.admits = true;
	c->open_ms = f->p->now + f->rtt;
}

static void contact_dials(struct flood *f)
{
	struct link_options o = pair_options(&f->me);

	link_free(f->me.link);
	o.pattern = NOISE_IK;
	o.peer_node = identity_node_public(f->p->b.id);
	f->me.now = f->p->now;
	f->me.link = link_new_initiator(&o, f->p->now);
	contact_connects(f);
}

static void give(struct flood *f, struct side *s, struct str m)
{
	s->now = f->p->now;
	link_input(s->link, f->p->now, m);
}

static void attack(struct flood *f, enum attack kind, bool one, unsigned n)
{
	struct gate_addr from = { .ip = { 10, 1, 1, 1 }, .n = 4 };
	struct conn *c;

	if (!one) {
		from.ip[1] = (unsigned char)(n >> 8);
		from.ip[2] = (unsigned char)n;
		from.ip[0] = (unsigned char)(50 + (n >> 16));
	}
	c = conn_new(f, &from, false);
	if (kind == GARBAGE) {
		f->stranger.p[100] ^= (char)(n | 1);
		give(f, &c->side, buf_str(&f->stranger));
		f->stranger.p[100] ^= (char)(n | 1);
	} else if (kind == STRANGER) {
		give(f, &c->side, buf_str(&f->stranger));
	} else if (kind == REPLAY) {
		c->side.admits = true;
		give(f, &c->side, buf_str(&f->replay));
	}
}

/* What the node says to the contact is there half a round trip later, and its answer again half
 * a one: here both at once, a whole one late. */
static void talk(struct flood *f, struct conn *c)
{
	CLEANUP(buf_deinit) struct buf m = { 0 };

	if (c->open_ms && f->p->now >= c->open_ms) {
		c->open_ms = 0;
		while (pair_take(f->p, &f->me, &m))
			give(f, &c->side, buf_str(&m));
	}
	while (!c->open_ms && pair_take(f->p, &c->side, &m)) {
		f->retries += m.n == RETRY_LEN;
		give(f, &f->me, buf_str(&m));
		c->open_ms = f->p->now + f->rtt;
	}
	if (f->me.difficulty && !f->solved_ms)
		f->solved_ms = f->p->now + SOLVE_MS;
}

static void reap(struct flood *f)
{
	CLEANUP(buf_deinit) struct buf m = { 0 };
	unsigned n = 0;

	for (struct conn *c = f->conns; c < f->conns + ARRAY_LEN(f->conns); c++) {
		if (!c->used)
			continue;
		c->side.now = f->p->now;
		link_tick(c->side.link, f->p->now);
		if (c->contact && link_state(c->side.link) != LINK_DEAD)
			talk(f, c);
		else
			while (pair_take(f->p, &c->side, &m))
				;
		if (c->contact && link_is_up(c->side.link) && !f->up_ms)
			f->up_ms = f->p->now;
		if (link_state(c->side.link) != LINK_DEAD) {
			n += !link_is_up(c->side.link);
			continue;
		}
		if (c->contact && link_lost(f->me.link, "closed") &&
			link_wants_carrier(f->me.link))
			contact_connects(f);
		link_free(c->side.link);
		c->used = false;
	}
	f->most = n > f->most ? n : f->most;
}

/* The contact's own part: its work, and another try a second after a failure. */
static void contact_lives(struct flood *f, uint64_t *redial_ms)
{
	unsigned char nonce[COOKIE_NONCE];
	bool carried = false;

	if (f->me.link && f->solved_ms && f->p->now >= f->solved_ms) {
		bool ok = gate_solve(f->me.cookie, f->me.difficulty, nonce);

		f->solved_ms = 0;
		f->me.difficulty = 0;
		link_solved(f->me.link, f->p->now, ok ? nonce : NULL);
		for (struct conn *c = f->conns; c < f->conns + ARRAY_LEN(f->conns); c++) {
			if (c->used && c->contact) {
				carried = true;
				c->open_ms = f->p->now + f->rtt;
			}
		}
		if (!carried && link_wants_carrier(f->me.link))
			contact_connects(f);
	}
	if (!f->up_ms && f->p->now >= *redial_ms &&
		(!f->me.link || link_state(f->me.link) == LINK_DEAD)) {
		contact_dials(f);
		*redial_ms = f->p->now + 1000;
	}
}

static void first_message(struct flood *f, const struct identity *id, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf hello = { 0 };
	struct link_raw r;

	link_raw_open(&r, id, NOISE_IK);
	link_raw_hello(&r, &hello);
	link_raw_first(&r, f->p->b.id, NOISE_IK, NULL, NULL, buf_str(&hello), out);
}

static void flood_of(struct pair *p, enum attack kind, bool one, bool known, uint64_t rtt)
{
	struct flood *f = NEW(struct flood);
	struct identity_recovery seed;
	struct identity *stranger = identity_new(&rng_system, INT64_C(1700000000000), &seed);
	uint64_t start, redial_ms;
	unsigned n = 0;

	gate_init(&p->gate, &rng_system);
	p->now = 5000000;
	start = p->now;
	p->gate.difficulty = GATE_DIFFICULTY_MAX; /* it has gone on for ten seconds */
	p->gate.adjusted_s = start / 1000;
	f->p = p;
	f->rtt = rtt;
	f->known = known;
	f->addr = (struct gate_addr){ .ip = { 200, 1, 2, 3 }, .n = 4 };
	f->me.id = p->a.id;
	f->me.admits = true;
	f->me.solves_later = true;
	first_message(f, p->a.id, &f->replay);
	first_message(f, stranger, &f->stranger);
	redial_ms = start + DIAL_MS;
	for (; p->now < start + FLOOD_MS; p->now++) {
		for (unsigned i = 0; i < PER_MS; i++)
			attack(f, kind, one, n++);
		reap(f);
		contact_lives(f, &redial_ms);
		if (f->up_ms && p->now > f->up_ms + 100)
			break;
	}
	assert_true(f->up_ms && f->up_ms <= start + DIAL_MS + 2000);
	assert_true(f->most <= GATE_HALF_OPEN);
	assert_int_equal(p->gate.difficulty, GATE_DIFFICULTY_MAX);

	/* It is over: nothing is left at the door, and cookies and work go off by themselves.
	 */
	for (unsigned i = 0; i < 12; i++, p->now += 1000)
		reap(f);
	assert_int_equal(gate_half_open(&p->gate), 0);
	p->now += 30000;
	f->retries = 0;
	f->up_ms = 0;
	f->known = false;
	for (struct conn *c = f->conns; c < f->conns + ARRAY_LEN(f->conns); c++) {
		if (c->used)
			link_free(c->side.link);
		c->used = false;
	}
	contact_dials(f);
	for (unsigned i = 0; i < 1000 && !f->up_ms; i++, p->now++)
		reap(f);
	assert_true(f->up_ms);
	assert_int_equal(f->retries, 0);
	assert_int_equal(p->gate.difficulty, 0);

	for (struct conn *c = f->conns; c < f->conns + ARRAY_LEN(f->conns); c++) {
		if (c->used)
			link_free(c->side.link);
	}
	link_free(f->me.link);
	buf_deinit(&f->replay);
	buf_deinit(&f->stranger);
	identity_free(stranger);
	free(f);
}

/* 10,000 connections a second, each with what its attacker has to say. */
static void a_flood_from_one_address_keeps_no_contact_out(void **state)
{
	for (int kind = 0; kind < N_ATTACKS; kind++)
		flood_of(*state, (enum attack)kind, true, false, 100);
}

static void a_flood_from_many_addresses_keeps_no_contact_out(void **state)
{
	for (int kind = 0; kind < N_ATTACKS; kind++)
		flood_of(*state, (enum attack)kind, false, true, 100);
}

/* At a new address it is a stranger until it has spoken: within the 19 ms that a flood leaves
 * each, and with work for its cookie. */
static void a_contact_at_a_new_address_gets_through_by_work(void **state)
{
	flood_of(*state, HOLD, false, false, 8);
	flood_of(*state, STRANGER, false, false, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PAIR(a_crowded_door_asks_for_a_cookie_and_contacts_pass),
		ON_PAIR(one_connection_gets_one_retry),
		ON_PAIR(cookies_belong_to_an_address_and_a_time),
		ON_PAIR(the_price_rises_while_newcomers_push_and_falls),
		ON_PAIR(one_network_displaces_its_own_and_refused_ones_go_first),
		ON_PAIR(who_was_recognised_counts_too),
		ON_PAIR(a_flood_from_one_address_keeps_no_contact_out),
		ON_PAIR(a_flood_from_many_addresses_keeps_no_contact_out),
		ON_PAIR(a_contact_at_a_new_address_gets_through_by_work),
	};

	if (sodium_init() < 0)
		return 1;
	return RUN_TESTS(tests);
}
