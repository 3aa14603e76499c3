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
static void prefix_of(const struct gate_addr *a, unsigned char out[8])
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255 };
	const unsigned char *v4 = NULL;

	memset(out, 0, 8);
	if (a->n == 4)
		v4 = a->ip;
	else if (a->n == 16 && memcmp(a->ip, mapped, sizeof(mapped)) == 0)
		v4 = a->ip + 12;
	if (v4) {
		out[0] = 4;
		memcpy(out + 1, v4, 3);
	} else if (a->n == 16) {
		out[0] = 6;
		memcpy(out + 1, a->ip, 7);
	}
}

static struct gate_net *net_of(struct gate *g, const struct gate_addr *from)
{
	unsigned char prefix[8];

	prefix_of(from, prefix);
	for (size_t i = 0; i < GATE_HALF_OPEN; i++) {
		if (g->nets[i].count > 0 && memcmp(g->nets[i].prefix, prefix, 8) == 0)
			return &g->nets[i];
	}
	return NULL;
}

/* The price rises while the door stays crowded, a step a second, and falls as fast. */
static void adjust(struct gate *g, uint64_t now_ms)
{
	if (now_ms - g->adjusted_ms < 1000)
		return;
	g->adjusted_ms = now_ms;
	if (g->half_open >= GATE_CROWDED && g->difficulty < GATE_DIFFICULTY_MAX)
		g->difficulty = (uint8_t)(g->difficulty + 2);
	else if (g->half_open < GATE_CROWDED && g->difficulty > 0)
		g->difficulty = (uint8_t)(g->difficulty - 2);
}

bool gate_enter(struct gate *g, uint64_t now_ms, const struct gate_addr *from)
{
	struct gate_net *net = net_of(g, from);

	adjust(g, now_ms);
	if (g->half_open >= GATE_HALF_OPEN)
		return false;
	g->half_open++;
	/* As many entries as there may be handshakes: one is free. */
	for (size_t i = 0; !net && i < GATE_HALF_OPEN; i++) {
		if (g->nets[i].count == 0) {
			net = &g->nets[i];
			prefix_of(from, net->prefix);
		}
	}
	if (net)
		net->count++;
	return true;
}

void gate_leave(struct gate *g, const struct gate_addr *from)
{
	struct gate_net *net = net_of(g, from);

	if (g->half_open > 0)
		g->half_open--;
	if (net)
		net->count--;
}

bool gate_wants_cookie(struct gate *g, uint64_t now_ms, const struct gate_addr *from)
{
	const struct gate_net *net = net_of(g, from);

	adjust(g, now_ms);
	return g->half_open > GATE_COOKIE_FROM || (net && net->count > GATE_COOKIE_FROM_NET);
}

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

	fresh_secrets(g, now_ms);
	for (unsigned i = 0; i < 2; i++) {
		cookie_of(g->secrets[i], from, open, want);
		if (sodium_memcmp(want, open + OPEN_BOUND, COOKIE_LEN) == 0)
			return zero_bits(want, nonce) >= g->difficulty;
	}
	return false;
}

bool gate_solve(const unsigned char cookie[COOKIE_LEN], uint8_t difficulty,
	unsigned char nonce[COOKIE_NONCE])
{
	if (difficulty > GATE_DIFFICULTY_MAX)
		return false;
	for (uint32_t n = 0; n < 1u << 22; n++) {
		memset(nonce, 0, COOKIE_NONCE);
		for (unsigned i = 0; i < 4; i++)
			nonce[4 + i] = (unsigned char)(n >> (24 - 8 * i));
		if (zero_bits(cookie, nonce) >= difficulty)
			return true;
	}
	return false;
}
