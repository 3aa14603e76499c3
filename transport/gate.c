#include "transport/gate.h"

#include <string.h>

#include <sodium.h>

#include "node/base/buf.h"
#include "transport/wire.h"

void gate_init(struct gate *g, const struct rng *rng)
{
	memset(g, 0, sizeof(*g));
	g->rng = rng;
}

/* /24 of IPv4, also when it is mapped into IPv6, and /56 of IPv6. */
static uint64_t net_of(const struct gate_addr *a)
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255 };
	const unsigned char *from = a->ip;
	size_t n = 0;
	uint64_t net = a->n == 4 ? 4 : 6;

	if (a->n == 4)
		n = 3;
	else if (a->n == 16)
		n = 7;
	if (n == 7 && memcmp(a->ip, mapped, sizeof(mapped)) == 0) {
		from = a->ip + sizeof(mapped);
		n = 3;
		net = 4;
	}
	for (size_t i = 0; i < n; i++)
		net = net << 8 | from[i];
	return net;
}

/* ---- places ---- */

static void enqueue(struct gate_queue *q, struct gate_slot *s)
{
	s->prev = q->last;
	s->next = NULL;
	if (q->last)
		q->last->next = s;
	else
		q->first = s;
	q->last = s;
	q->n++;
}

static void dequeue(struct gate_queue *q, struct gate_slot *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		q->first = s->next;
	if (s->next)
		s->next->prev = s->prev;
	else
		q->last = s->prev;
	s->prev = s->next = NULL;
	q->n--;
}

static struct gate_queue *queue_of(struct gate *g, const struct gate_slot *s)
{
	return s->known ? &g->known : &g->strangers;
}

static unsigned count_net(const struct gate_queue *q, uint64_t net)
{
	unsigned n = 0;

	for (const struct gate_slot *s = q->first; s; s = s->next)
		n += s->net == net;
	return n;
}

/* The oldest refused one, else the oldest; of net alone, unless all are meant. */
static void displace(struct gate *g, struct gate_queue *q, bool all, uint64_t net)
{
	struct gate_slot *oldest = NULL;

	for (struct gate_slot *s = q->first; s; s = s->next) {
		if ((!all && s->net != net) || (oldest && !s->spent))
			continue;
		oldest = s;
		if (s->spent)
			break;
	}
	if (!oldest)
		return;
	dequeue(q, oldest);
	g->displaced++;
	oldest->displaced(oldest);
}

static void enter_queue(struct gate *g, struct gate_slot *slot)
{
	if (slot->known) {
		if (g->known.n >= GATE_KNOWN)
			displace(g, &g->known, true, 0);
	} else if (count_net(&g->strangers, slot->net) >= GATE_NET) {
		displace(g, &g->strangers, false, slot->net);
	} else if (g->strangers.n >= GATE_STRANGERS) {
		displace(g, &g->strangers, true, 0);
	}
	enqueue(queue_of(g, slot), slot);
}

unsigned gate_half_open(const struct gate *g)
{
	return g->strangers.n + g->known.n;
}

/* The price rises with each second in which newcomers pushed others out, and falls with each
 * other one, also while nobody came. */
static void adjust(struct gate *g, uint64_t now_ms)
{
	uint64_t now_s = now_ms / 1000, s = g->adjusted_s;

	if (now_s == s)
		return;
	if (now_s - s > GATE_DIFFICULTY_MAX + GATE_ASKED_S) {
		s = now_s - (GATE_DIFFICULTY_MAX + GATE_ASKED_S);
		g->displaced = 0;
	}
	for (; s < now_s; s++) {
		g->asked[s % GATE_ASKED_S] = g->difficulty;
		if (g->displaced >= GATE_CROWDED && g->difficulty < GATE_DIFFICULTY_MAX)
			g->difficulty = (uint8_t)(g->difficulty + GATE_DIFFICULTY_STEP);
		else if (g->displaced < GATE_CROWDED && g->difficulty > 0)
			g->difficulty = (uint8_t)(g->difficulty - GATE_DIFFICULTY_STEP);
		g->displaced = 0;
	}
	g->adjusted_s = now_s;
}

/* What the cheapest RETRY that may still be answered asked for. */
static uint8_t cheapest(const struct gate *g)
{
	uint8_t least = g->difficulty;

	for (size_t i = 0; i < GATE_ASKED_S; i++)
		least = g->asked[i] < least ? g->asked[i] : least;
	return least;
}

void gate_enter(struct gate *g, uint64_t now_ms, struct gate_slot *slot, bool known)
{
	adjust(g, now_ms);
	slot->net = net_of(&slot->addr);
	slot->known = known;
	slot->spent = false;
	enter_queue(g, slot);
}

void gate_leave(struct gate *g, struct gate_slot *slot)
{
	dequeue(queue_of(g, slot), slot);
}

void gate_spent(struct gate *g, struct gate_slot *slot)
{
	(void)g;
	slot->spent = true;
}

void gate_recognised(struct gate *g, struct gate_slot *slot)
{
	if (slot->known)
		return;
	dequeue(&g->strangers, slot);
	slot->known = true;
	enter_queue(g, slot);
}

/* Who was recognised counts too: a contact's first message may be recorded, and played again
 * from anywhere. */
bool gate_wants_cookie(struct gate *g, uint64_t now_ms, const struct gate_slot *slot)
{
	adjust(g, now_ms);
	if (slot->known)
		return g->known.n > GATE_COOKIE_FROM_NET;
	return gate_half_open(g) > GATE_COOKIE_FROM ||
		count_net(&g->strangers, slot->net) + count_net(&g->known, slot->net) >
		GATE_COOKIE_FROM_NET;
}

/* ---- cookies ---- */

static void fresh_secrets(struct gate *g, uint64_t now_ms)
{
	uint64_t age = now_ms - g->secret_ms;

	if (g->secret_ms != 0 && age < GATE_SECRET_MS)
		return;
	if (g->secret_ms == 0 || age / 2 >= GATE_SECRET_MS)
		rng_fill(g->rng, g->secrets[1], 32);
	else
		memcpy(g->secrets[1], g->secrets[0], 32);
	rng_fill(g->rng, g->secrets[0], 32);
	g->secret_ms = now_ms ? now_ms : 1;
}

static void cookie_of(const unsigned char secret[32], const struct gate_addr *from,
	const unsigned char open[OPEN_LEN], unsigned char cookie[COOKIE_LEN])
{
	unsigned char in[16 + 1 + OPEN_BOUND] = { 0 };

	memcpy(in, from->ip, from->n);
	in[16] = from->n;
	memcpy(in + 17, open, OPEN_BOUND);
	wire_hash_secret(cookie, COOKIE_LEN, secret, (struct str){ (char *)in, sizeof(in) });
}

void gate_cookie(struct gate *g, uint64_t now_ms, const struct gate_addr *from,
	const unsigned char open[OPEN_LEN], unsigned char cookie[COOKIE_LEN])
{
	fresh_secrets(g, now_ms);
	cookie_of(g->secrets[0], from, open, cookie);
}

static unsigned zero_bits(
	const unsigned char cookie[COOKIE_LEN], const unsigned char nonce[COOKIE_NONCE])
{
	unsigned char in[COOKIE_LEN + COOKIE_NONCE], h[32];
	unsigned bits = 0;

	memcpy(in, cookie, COOKIE_LEN);
	memcpy(in + COOKIE_LEN, nonce, COOKIE_NONCE);
	wire_hash(h, sizeof(h), NULL, (struct str){ (char *)in, sizeof(in) });
	while (bits < 256 && !(h[bits / 8] & 0x80 >> bits % 8))
		bits++;
	return bits;
}

bool gate_check(struct gate *g, uint64_t now_ms, const struct gate_addr *from,
	const unsigned char open[OPEN_LEN], const unsigned char nonce[COOKIE_NONCE])
{
	unsigned char want[COOKIE_LEN];

	adjust(g, now_ms);
	fresh_secrets(g, now_ms);
	for (unsigned i = 0; i < 2; i++) {
		cookie_of(g->secrets[i], from, open, want);
		if (sodium_memcmp(want, open + OPEN_BOUND, COOKIE_LEN) == 0)
			return zero_bits(want, nonce) >= cheapest(g);
	}
	return false;
}

bool gate_solve(const unsigned char cookie[COOKIE_LEN], uint8_t difficulty,
	unsigned char nonce[COOKIE_NONCE])
{
	if (difficulty > GATE_DIFFICULTY_MAX)
		return false;
	for (uint32_t n = 0; n < 1u << 24; n++) {
		memset(nonce, 0, COOKIE_NONCE);
		for (unsigned i = 0; i < 4; i++)
			nonce[4 + i] = (unsigned char)(n >> (24 - 8 * i));
		if (zero_bits(cookie, nonce) >= difficulty)
			return true;
	}
	return false;
}
