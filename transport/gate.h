/*
 * gate: how many may be at the door (overlay.md section 4, "Cookies").
 *
 * Counts half-open handshakes, in all and for each /24 (IPv4) or /56 (IPv6). Above the limits a
 * first message gets a stateless RETRY with a cookie, and while the door stays crowded the
 * cookie costs work.
 *
 * The door is never shut: a newcomer displaces the oldest of those who have had their chance
 * (refused ones first), so that holding connections open keeps nobody out; one network may
 * displace only its own once it has its share. A quarter of the places is for contacts: for who
 * comes from an address where a contact was before, and for who was recognised by its key.
 * Pure.
 */
#ifndef KITH_TRANSPORT_GATE_H
#define KITH_TRANSPORT_GATE_H

#include "node/base/clock.h"
#include "node/base/str.h"
#include "transport/hello.h"

#define GATE_KNOWN           64  /* places for contacts */
#define GATE_STRANGERS       192 /* and for everyone else */
#define GATE_HALF_OPEN       (GATE_KNOWN + GATE_STRANGERS)
#define GATE_NET             48 /* of the latter for one /24 or /56 */
#define GATE_COOKIE_FROM     64
#define GATE_COOKIE_FROM_NET 8
#define GATE_CROWDED         16 /* pushed out in a second */
#define GATE_DIFFICULTY_MAX  20
#define GATE_DIFFICULTY_STEP 2  /* a second */
#define GATE_ASKED_S         10 /* an older RETRY's price still counts for so long */
#define GATE_SECRET_MS       120000

/* A network address as bytes; n is 4, 16, or 0 for one that has none (a pipe in a test). */
struct gate_addr {
	unsigned char ip[16];
	uint8_t n;
	uint16_t port;
};

/* One handshake. Part of its owner, which fills in displaced and addr. */
struct gate_slot {
	/* It must go: the slot has left the gate already. From inside gate_enter() or
	 * gate_recognised() of another one. */
	void (*displaced)(struct gate_slot *slot);
	struct gate_addr addr;

	/* Private to gate.c. */
	struct gate_slot *prev, *next; /* in the order of arrival */
	uint64_t net;                  /* its /24 or /56 */
	bool known, spent;
};

struct gate_queue {
	struct gate_slot *first, *last;
	unsigned n;
};

struct gate {
	uint8_t difficulty;

	/* Private to gate.c. */
	const struct rng *rng;
	struct gate_queue strangers, known;
	unsigned char secrets[2][32]; /* this period's, and the one before */
	uint64_t secret_ms;           /* when secrets[0] was made; 0: never */
	uint64_t adjusted_s;
	unsigned displaced;          /* in this second */
	uint8_t asked[GATE_ASKED_S]; /* the difficulty in each of the last seconds */
};

void gate_init(struct gate *g, const struct rng *rng);
unsigned gate_half_open(const struct gate *g);

/* Takes a place, and displaces another handshake when all are taken. known: a contact was at
 * that address before. */
void gate_enter(struct gate *g, uint64_t now_ms, struct gate_slot *slot, bool known);
/* Its handshake is over. */
void gate_leave(struct gate *g, struct gate_slot *slot);
/* It was refused, and only lingers: the first to be displaced. */
void gate_spent(struct gate *g, struct gate_slot *slot);
/* It has proven to be a contact: strangers displace it no more. */
void gate_recognised(struct gate *g, struct gate_slot *slot);

/* Must the first message of one who is at the gate carry a cookie? */
bool gate_wants_cookie(struct gate *g, uint64_t now_ms, const struct gate_slot *slot);

/* open: the 32 bytes as they came. */
void gate_cookie(struct gate *g, uint64_t now_ms, const struct gate_addr *from,
	const unsigned char open[OPEN_LEN], unsigned char cookie[COOKIE_LEN]);
/* Cookie and work fit. */
bool gate_check(struct gate *g, uint64_t now_ms, const struct gate_addr *from,
	const unsigned char open[OPEN_LEN], const unsigned char nonce[COOKIE_NONCE]);

/* The other side's work: a nonce such that H(cookie, nonce) starts with so many zero bits. At
 * most 2^24 tries; false if none fits or the difficulty is above GATE_DIFFICULTY_MAX. From any
 * thread. */
bool gate_solve(const unsigned char cookie[COOKIE_LEN], uint8_t difficulty,
	unsigned char nonce[COOKIE_NONCE]);

#endif
