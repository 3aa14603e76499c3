/*
 * gate: how many strangers may be at the door (overlay.md section 4, "Cookies").
 *
 * Counts half-open handshakes, in all and for each /24 (IPv4) or /56 (IPv6); above the limits a
 * first message gets a stateless RETRY with a cookie, and while the door stays crowded the
 * cookie costs work. A handshake of a known contact leaves the gate once its first message was
 * read, so strangers can't keep contacts out.
 */
#ifndef KITH_TRANSPORT_GATE_H
#define KITH_TRANSPORT_GATE_H

#include "node/base/clock.h"
#include "node/base/str.h"
#include "transport/hello.h"

#define GATE_HALF_OPEN       256 /* connections without a finished handshake */
#define GATE_COOKIE_FROM     64
#define GATE_COOKIE_FROM_NET 8
#define GATE_CROWDED         192
#define GATE_DIFFICULTY_MAX  20
#define GATE_SECRET_MS       120000

struct gate_net {
	unsigned char prefix[8];
	unsigned count;
};

/* A network address as bytes; n is 4, 16, or 0 for one that has none (a pipe in a test). */
struct gate_addr {
	unsigned char ip[16];
	uint8_t n;
	uint16_t port;
};

struct gate {
	unsigned half_open;
	uint8_t difficulty;

	/* Private to gate.c. */
	const struct rng *rng;
	struct gate_net nets[GATE_HALF_OPEN];
	unsigned char secrets[2][32]; /* this period's, and the one before */
	uint64_t secret_ms;           /* when secrets[0] was made; 0: never */
	uint64_t adjusted_ms;
};

void gate_init(struct gate *g, const struct rng *rng);

/* False: full, close the connection. Else gate_leave() must follow once. */
bool gate_enter(struct gate *g, uint64_t now_ms, const struct gate_addr *from);
void gate_leave(struct gate *g, const struct gate_addr *from);

/* Must a first message from there carry a cookie? */
bool gate_wants_cookie(struct gate *g, uint64_t now_ms, const struct gate_addr *from);

/* open: the 32 bytes as they came. */
void gate_cookie(struct gate *g, uint64_t now_ms, const struct gate_addr *from,
	const unsigned char open[OPEN_LEN], unsigned char cookie[COOKIE_LEN]);
/* Cookie and work fit. */
bool gate_check(struct gate *g, uint64_t now_ms, const struct gate_addr *from,
	const unsigned char open[OPEN_LEN], const unsigned char nonce[COOKIE_NONCE]);

/* The other side's work: a nonce such that H(cookie, nonce) starts with so many zero bits. At
 * most 2^22 tries; false if none fits or the difficulty is above GATE_DIFFICULTY_MAX. */
bool gate_solve(const unsigned char cookie[COOKIE_LEN], uint8_t difficulty,
	unsigned char nonce[COOKIE_NONCE]);

#endif
