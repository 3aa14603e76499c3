/*
 * Any bytes as what a stranger sends first: OPEN and a Noise message to a responder, REPLY or
 * RETRY to an initiator, and HELLO alone, which else only someone with a key could reach.
 * Nobody comes up by it, and what parses is written back as it came.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "transport/identity.h"
#include "transport/link.h"

static void say_hello(struct link *l, struct hello *out)
{
	(void)l, (void)out;
}

static bool no_psk(struct link *l, const unsigned char id[INVITE_ID_LEN], unsigned char psk[32])
{
	(void)l, (void)id;
	sodium_memzero(psk, 32);
	return true; /* an invite whose key the stranger guessed */
}

static bool xx(struct link *l)
{
	(void)l;
	return true;
}

static void admit(struct link *l)
{
	(void)l;
	FUZZ_CHECK(!"a stranger without a key was let in");
}

static void up(struct link *l)
{
	(void)l;
	FUZZ_CHECK(!"a link came up");
}

static enum err frame(struct link *l, uint8_t type, struct str body)
{
	(void)l, (void)type, (void)body;
	FUZZ_CHECK(!"a frame came in");
	return ERR_OK;
}

static void pull(struct link *l, uint64_t now, size_t max, struct buf *frames, bool *bulk)
{
	(void)l, (void)now, (void)max, (void)frames, (void)bulk;
}

static void wake(struct link *l)
{
	(void)l;
}

static void strike(struct link *l, unsigned n, const char *what)
{
	(void)l, (void)n, (void)what;
}

static void dead(struct link *l, const char *why)
{
	(void)l, (void)why;
}

static bool again(struct link *l)
{
	(void)l;
	FUZZ_CHECK(!"a link was renewed");
	return false;
}

static void doubt(struct link *l, bool yes)
{
	(void)l, (void)yes;
}

/* The work is not what is tried here. */
static void solve(struct link *l, const unsigned char cookie[COOKIE_LEN], uint8_t difficulty)
{
	(void)cookie, (void)difficulty;
	link_solved(l, 1, NULL);
}

static const struct link_ops ops = { say_hello, no_psk, xx, admit, up, frame, pull, wake,
	strike, dead, again, doubt, doubt, solve };

static void zeros(void *arg, void *p, size_t n)
{
	(void)arg;
	memset(p, 7, n);
}

static void drain(struct link *l)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	size_t n = 0;

	while (n++ < 8 && link_output(l, 1, &out))
		;
	FUZZ_CHECK(n < 8);
	link_tick(l, 60000);
	FUZZ_CHECK(link_state(l) == LINK_DEAD || link_state(l) == LINK_SILENT ||
		link_next_ms(l) < 60000);
	link_free(l);
}

static void as_link(struct str bytes)
{
	const struct rng rng = { zeros, NULL };
	struct gate gate;
	unsigned char pk[32], sk[64], seed[32] = { 1 }, x_pk[32], x_sk[32];
	unsigned char peer[32], peer_sk[64], peer_seed[32] = { 2 };
	static const char cert[CERT_LEN];
	struct link_options o = { .ops = &ops,
		.rng = &rng,
		.gate = &gate,
		.certificate = { cert, CERT_LEN },
		.node_public = pk };
	struct link *l;

	crypto_sign_seed_keypair(pk, sk, seed);
	crypto_sign_seed_keypair(peer, peer_sk, peer_seed);
	FUZZ_CHECK(crypto_sign_ed25519_sk_to_curve25519(x_sk, sk) == 0);
	FUZZ_CHECK(crypto_sign_ed25519_pk_to_curve25519(x_pk, pk) == 0);
	o.noise = (struct noise_keys){ x_sk, x_pk };
	gate_init(&gate, &rng);
	l = link_new_responder(&o, 1);
	link_input(l, 1, bytes);
	drain(l);
	FUZZ_CHECK(gate_half_open(&gate) == 0);

	o.gate = NULL;
	o.peer_node = peer;
	l = link_new_initiator(&o, 1);
	link_input(l, 1, bytes);
	drain(l);
}

static void as_parts(struct str bytes)
{
	unsigned char again[OPEN_LEN], rs[32] = { 0 };
	struct open open;
	struct reply reply;
	struct hello hello;

	if (open_parse(bytes, &open) == ERR_OK) {
		open_encode(&open, again);
		FUZZ_CHECK(memcmp(again, bytes.p, OPEN_LEN) == 0);
	}
	if (reply_parse(bytes, &reply) == ERR_OK) {
		reply_encode(&reply, again);
		FUZZ_CHECK(memcmp(again, bytes.p, REPLY_LEN) == 0);
	}
	FUZZ_CHECK(hello_parse(bytes, rs, &hello, NULL) != ERR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data, size };

	if (size > NOISE_MAX_MSG)
		return 0;
	as_parts(bytes);
	as_link(bytes);
	return 0;
}
