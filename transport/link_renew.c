/*
 * Fresh keys for a link that is up, once a day (overlay.md section 4, "Records": REHS).
 *
 * A Noise_IK handshake inside the link, its prologue the hash of the one before, so that it
 * belongs to this link. Both payloads are HELLOs: a certificate that has ended meanwhile ends
 * the link. Records come in order, so each direction changes its key behind a certain one:
 *
 *   initiator                                responder
 *   ASKED     REHS {message 1}         -->
 *             <--                            REHS {message 2}   ANSWERED, sends with the new
 * key NONE      REHS {}                  -->                      NONE, reads with the new key
 *             sends with the new key
 *
 * The initiator reads with the new key from the record after message 2 on. The old keys are
 * gone then: what was recorded before can't be read with what is in memory after.
 */
#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "transport/link_int.h"

#define PROLOGUE "kith-rehs-1"

void link_renew_wipe(struct link *l)
{
	struct link_renewal *r = &l->renewal;

	noise_wipe(&r->noise);
	noise_cipher_wipe(&r->tx);
	noise_cipher_wipe(&r->rx);
	buf_deinit(&r->body);
	sodium_memzero(l->binding, sizeof(l->binding));
}

/* Never later than a day, and not all links of a node at once. */
void link_renew_init(struct link *l, uint64_t now_ms)
{
	struct link_renewal *r = &l->renewal;
	uint32_t chance;

	rng_fill(l->o.rng, &chance, sizeof(chance));
	r->state = RENEWAL_NONE;
	r->keys_ms = now_ms;
	r->due_ms = l->initiator ? now_ms + LINK_RENEW_MS - chance % (LINK_RENEW_MS / 5)
				 : now_ms + LINK_RENEW_MS + LINK_RENEW_LATE_MS;
}

static void start(struct link *l)
{
	unsigned char prologue[sizeof(PROLOGUE) - 1 + NOISE_HASH], peer_x[32];
	int rc;

	memcpy(prologue, PROLOGUE, sizeof(PROLOGUE) - 1);
	memcpy(prologue + sizeof(PROLOGUE) - 1, l->binding, NOISE_HASH);
	rc = crypto_sign_ed25519_pk_to_curve25519(peer_x, l->hello.cert.node);
	assert(rc == 0); /* hello_parse compared it with the key of the handshake */
	(void)rc;
	noise_init(&l->renewal.noise, NOISE_IK, l->initiator,
		(struct str){ (char *)prologue, sizeof(prologue) }, l->o.noise,
		l->initiator ? peer_x : NULL);
}

static enum err write_message(struct link *l)
{
	CLEANUP(buf_deinit) struct buf hello = { 0 };
	struct link_renewal *r = &l->renewal;
	unsigned char ephemeral[32];
	enum err err;

	link_write_hello(l, SIZE_MAX, &hello);
	rng_fill(l->o.rng, ephemeral, sizeof(ephemeral));
	buf_clear(&r->body);
	err = noise_write(&r->noise, ephemeral, buf_str(&hello), &r->body);
	sodium_memzero(ephemeral, sizeof(ephemeral));
	r->send = !err;
	return err;
}

static void split(struct link *l)
{
	struct link_renewal *r = &l->renewal;

	noise_split(&r->noise, &r->tx, &r->rx);
	memcpy(l->binding, noise_hash(&r->noise), sizeof(l->binding));
	noise_wipe(&r->noise);
	r->tx_after = true;
}

/* Reads the peer's message and puts its HELLO in place of the last one. */
static bool read_message(struct link *l, struct str body)
{
	struct buf bytes = { 0 };
	struct hello h;

	if (noise_read(&l->renewal.noise, body, &bytes) != ERR_OK ||
		!link_hello_ok(l, buf_str(&bytes), l->renewal.noise.rs, &h) ||
		memcmp(h.cert.node, l->hello.cert.node, 32) != 0 ||
		memcmp(h.cert.identity, l->hello.cert.identity, 32) != 0) {
		buf_deinit(&bytes);
		return false;
	}
	buf_deinit(&l->hello_bytes);
	l->hello_bytes = bytes;
	l->hello = h;
	return true;
}

static void asked(struct link *l, uint64_t now_ms, struct str body)
{
	struct link_renewal *r = &l->renewal;

	start(l);
	if (!read_message(l, body)) {
		l->o.ops->strike(l, 3, "a false handshake");
		link_close(l, now_ms, BYE_STRIKES, "a false handshake");
		return;
	}
	if (!l->o.ops->again(l)) {
		link_close(l, now_ms, BYE_REVOKED, "no longer let in");
		return;
	}
	if (write_message(l) != ERR_OK) {
		link_close(l, now_ms, BYE_STRIKES, "a false handshake");
		return;
	}
	split(l);
	r->state = RENEWAL_ANSWERED;
	r->deadline_ms = now_ms + LINK_RENEW_WAIT_MS;
	link_wake_owner(l);
}

static void answered(struct link *l, uint64_t now_ms, struct str body)
{
	struct link_renewal *r = &l->renewal;

	if (!read_message(l, body)) {
		l->o.ops->strike(l, 3, "a false handshake");
		link_close(l, now_ms, BYE_STRIKES, "a false handshake");
		return;
	}
	if (!l->o.ops->again(l)) {
		link_close(l, now_ms, BYE_REVOKED, "no longer let in");
		return;
	}
	split(l);
	r->rx_after = true;
	buf_clear(&r->body);
	r->send = true;
	link_wake_owner(l);
}

enum err link_renew_input(struct link *l, uint64_t now_ms, struct str body)
{
	struct link_renewal *r = &l->renewal;

	if (r->send || r->rx_after)
		return ERR_MALFORMED; /* it is our turn */
	if (l->initiator) {
		if (r->state != RENEWAL_ASKED || body.n == 0)
			return ERR_MALFORMED;
		answered(l, now_ms, body);
		return ERR_OK;
	}
	if (r->state == RENEWAL_ANSWERED) {
		if (body.n > 0)
			return ERR_MALFORMED;
		r->rx_after = true;
		return ERR_OK;
	}
	if (body.n == 0 || now_ms - r->keys_ms < LINK_RENEW_LEAST_MS)
		return ERR_MALFORMED;
	asked(l, now_ms, body);
	return ERR_OK;
}

static void change(struct link_direction *d, struct noise_cipher *next)
{
	d->cipher = *next;
	d->records = 0;
	d->bytes = 0;
	noise_cipher_wipe(next);
}

static void finish(struct link *l, uint64_t now_ms)
{
	buf_deinit(&l->renewal.body);
	link_renew_init(l, now_ms);
}

void link_renew_sealed(struct link *l, uint64_t now_ms)
{
	struct link_renewal *r = &l->renewal;

	r->send = false;
	if (!r->tx_after)
		return; /* message 1 */
	r->tx_after = false;
	change(&l->tx, &r->tx);
	if (l->initiator)
		finish(l, now_ms);
}

void link_renew_read(struct link *l, uint64_t now_ms)
{
	struct link_renewal *r = &l->renewal;

	if (!r->rx_after)
		return;
	r->rx_after = false;
	change(&l->rx, &r->rx);
	if (!l->initiator)
		finish(l, now_ms);
}

uint64_t link_renew_next_ms(const struct link *l)
{
	return l->renewal.state == RENEWAL_NONE ? l->renewal.due_ms : l->renewal.deadline_ms;
}

void link_renew_tick(struct link *l, uint64_t now_ms)
{
	struct link_renewal *r = &l->renewal;

	if (now_ms < link_renew_next_ms(l))
		return;
	if (r->state != RENEWAL_NONE) {
		link_die(l, "the fresh handshake was not finished");
		return;
	}
	if (!l->initiator) {
		link_close(l, now_ms, BYE_CLOSING, "the keys are too old");
		return;
	}
	start(l);
	if (write_message(l) != ERR_OK) {
		link_die(l, "a key of low order");
		return;
	}
	r->state = RENEWAL_ASKED;
	r->deadline_ms = now_ms + LINK_RENEW_WAIT_MS;
	link_wake_owner(l);
}
