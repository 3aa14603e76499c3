/* The first messages of a link (overlay.md section 4, "Opening" and "Cookies"). */
#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "transport/link_int.h"

#define PROLOGUE     "kith-link-1"
#define XX_PADDING   288 /* so that the answer, with a HELLO in it, isn't larger */
#define REPLY_NOISE  (REPLY_LEN + 32 + NOISE_TAG) /* around the HELLO of IK's answer */
#define REPLY_STATIC (32 + NOISE_TAG)             /* and of XX's */

static void start_records(struct link *l)
{
	noise_split(&l->noise, &l->tx.cipher, &l->rx.cipher);
	memcpy(l->binding, noise_hash(&l->noise), sizeof(l->binding));
}

static void start_noise(struct link *l, const unsigned char *peer_x)
{
	unsigned char prologue[sizeof(PROLOGUE) - 1 + OPEN_LEN];

	memcpy(prologue, PROLOGUE, sizeof(PROLOGUE) - 1);
	memcpy(prologue + sizeof(PROLOGUE) - 1, l->open, OPEN_LEN);
	memset(prologue + sizeof(prologue) - COOKIE_LEN, 0, COOKIE_LEN);
	noise_init(&l->noise, l->o.pattern, l->initiator,
		(struct str){ (char *)prologue, sizeof(prologue) }, l->o.noise, peer_x);
	if (l->o.pattern == NOISE_IKPSK1)
		noise_set_psk(&l->noise, l->o.psk);
}

void link_write_hello(struct link *l, size_t room, struct buf *out)
{
	struct hello h = { 0 };
	size_t before = out->n;

	l->o.ops->hello(l, &h);
	h.version = l->version;
	h.flags = 0;
	h.capabilities = l->o.capabilities;
	h.cert_bytes = l->o.certificate;
	h.max_record = RECORD_MAX_LARGE;
	hello_encode(&h, out);
	if (out->n - before <= room || h.owner.n == 0)
		return;
	/* The node record tells the owner too, and comes later. */
	out->n = before;
	h.owner = STR("");
	hello_encode(&h, out);
}

static enum err write_noise(struct link *l, struct str payload, struct buf *out)
{
	unsigned char ephemeral[32];
	enum err err;

	rng_fill(l->o.rng, ephemeral, sizeof(ephemeral));
	err = noise_write(&l->noise, ephemeral, payload, out);
	sodium_memzero(ephemeral, sizeof(ephemeral));
	return err;
}

/* OPEN, the work for a cookie if there is one, and message 1. */
static void write_open(struct link *l, const unsigned char *nonce)
{
	CLEANUP(buf_deinit) struct buf payload = { 0 };
	static const char zeros[XX_PADDING];
	unsigned char peer_x[32] = { 0 };
	struct buf *out;
	enum err err;

	if (l->o.pattern != NOISE_XX) {
		int rc = crypto_sign_ed25519_pk_to_curve25519(peer_x, l->peer_node);

		assert(rc == 0); /* checked by who gave us the key */
		(void)rc;
		link_write_hello(l, SIZE_MAX, &payload);
	} else {
		buf_put(&payload, zeros, sizeof(zeros));
	}
	start_noise(l, l->o.pattern == NOISE_XX ? NULL : peer_x);
	l->n_pending = 0;
	out = link_pending_add(l);
	buf_put(out, l->open, OPEN_LEN);
	if (nonce)
		buf_put(out, nonce, COOKIE_NONCE);
	err = write_noise(l, buf_str(&payload), out);
	assert(!err); /* peer_x is a valid point's */
	(void)err;
}

void link_start_initiator(struct link *l)
{
	struct open open = { .pattern = l->o.pattern, .lowest = 1, .highest = HELLO_VERSION };

	if (l->o.pattern == NOISE_IKPSK1)
		memcpy(open.invite_id, l->o.invite_id, INVITE_ID_LEN);
	open_encode(&open, l->open);
	write_open(l, NULL);
}

bool link_hello_ok(
	const struct link *l, struct str bytes, const unsigned char rs[32], struct hello *out)
{
	struct hello h;

	if (hello_parse(bytes, rs, &h, NULL) != ERR_OK)
		return false;
	if (memcmp(h.cert.node, l->o.node_public, 32) == 0)
		return false; /* ourselves */
	if (h.version != l->version || h.flags != 0)
		return false;
	*out = h;
	return true;
}

static bool read_hello(struct link *l, struct str message)
{
	buf_clear(&l->hello_bytes);
	return noise_read(&l->noise, message, &l->hello_bytes) == ERR_OK &&
		link_hello_ok(l, buf_str(&l->hello_bytes), l->noise.rs, &l->hello);
}

/* ---- the responder ---- */

static void send_retry(struct link *l, uint64_t now_ms)
{
	struct reply r = { .retry = true, .difficulty = l->o.gate->difficulty };
	unsigned char bytes[REPLY_LEN];

	gate_cookie(l->o.gate, now_ms, &l->o.addr, l->open, r.cookie);
	reply_encode(&r, bytes);
	buf_put(link_pending_add(l), bytes, sizeof(bytes));
	l->retried = true;
	link_wake_owner(l);
}

/* False: the message was answered with a RETRY, or is not worth an answer. */
static bool past_gate(
	struct link *l, uint64_t now_ms, const struct open *open, struct str *rest)
{
	struct str nonce = str_head(*rest, COOKIE_NONCE);

	if (!sodium_is_zero(open->cookie, COOKIE_LEN)) {
		if (nonce.n != COOKIE_NONCE || !l->o.gate ||
			!gate_check(l->o.gate, now_ms, &l->o.addr, l->open,
				(const unsigned char *)nonce.p)) {
			link_go_silent(l, now_ms);
			return false;
		}
		*rest = str_skip(*rest, COOKIE_NONCE);
		return true;
	}
	if (!l->o.gate || !gate_wants_cookie(l->o.gate, now_ms, &l->slot))
		return true;
	if (l->retried)
		link_go_silent(l, now_ms);
	else
		send_retry(l, now_ms);
	return false;
}

static bool pattern_ok(struct link *l, const struct open *open)
{
	l->o.pattern = open->pattern;
	if (open->pattern == NOISE_XX)
		return l->o.ops->allow_xx(l);
	if (open->pattern == NOISE_IKPSK1) {
		memcpy(l->o.invite_id, open->invite_id, INVITE_ID_LEN);
		return l->o.ops->invite_psk(l, open->invite_id, l->o.psk);
	}
	return true;
}

/* REPLY and message 2. Never larger than what it answers (security.md, O4): false, then. */
static bool answer(struct link *l)
{
	const size_t around =
		REPLY_NOISE + (l->o.pattern == NOISE_XX ? (size_t)REPLY_STATIC : 0);
	CLEANUP(buf_deinit) struct buf hello = { 0 };
	struct reply r = { .version = l->version };
	unsigned char bytes[REPLY_LEN];
	struct buf *out;

	link_write_hello(l, l->question > around ? l->question - around : 0, &hello);
	memcpy(r.cookie, l->open + OPEN_BOUND, COOKIE_LEN);
	reply_encode(&r, bytes);
	out = link_pending_add(l);
	buf_put(out, bytes, sizeof(bytes));
	return write_noise(l, buf_str(&hello), out) == ERR_OK && out->n <= l->question;
}

/* XX: the answer shows our key, which is why it is only allowed in open and pairing modes. */
static void answer_xx(struct link *l, uint64_t now_ms, struct str message)
{
	CLEANUP(buf_deinit) struct buf padding = { 0 };

	if (noise_read(&l->noise, message, &padding) != ERR_OK || !answer(l)) {
		link_go_silent(l, now_ms);
		return;
	}
	l->state = LINK_PROVING;
	link_wake_owner(l);
}

static void got_open(struct link *l, uint64_t now_ms, struct str message)
{
	struct open open;
	struct str rest = str_skip(message, OPEN_LEN);

	if (open_parse(str_head(message, OPEN_LEN), &open) != ERR_OK ||
		open.lowest > HELLO_VERSION || open.highest < HELLO_VERSION ||
		open.flags != 0) {
		link_go_silent(l, now_ms);
		return;
	}
	memcpy(l->open, message.p, OPEN_LEN);
	if (!past_gate(l, now_ms, &open, &rest))
		return;
	l->n_pending = 0;
	l->question = message.n;
	if (!pattern_ok(l, &open)) {
		link_go_silent(l, now_ms);
		return;
	}
	start_noise(l, NULL);
	if (open.pattern == NOISE_XX) {
		answer_xx(l, now_ms, rest);
		return;
	}
	if (!read_hello(l, rest)) {
		link_go_silent(l, now_ms);
		return;
	}
	l->state = LINK_DECIDING;
	l->o.ops->admit(l);
}

static void got_proof(struct link *l, uint64_t now_ms, struct str message)
{
	if (!read_hello(l, message)) {
		link_go_silent(l, now_ms);
		return;
	}
	l->state = LINK_DECIDING;
	l->o.ops->admit(l);
}

static void admitted_responder(struct link *l, uint64_t now_ms)
{
	if (l->at_gate)
		gate_recognised(l->o.gate, &l->slot);
	if (l->o.pattern == NOISE_XX) {
		start_records(l);
		link_became_up(l, now_ms);
		return;
	}
	if (!answer(l)) {
		link_go_silent(l, now_ms);
		return;
	}
	start_records(l);
	l->state = LINK_CONFIRMING;
	l->deadline_ms = now_ms + LINK_OPENING_MS;
	link_wake_owner(l);
}

/* ---- the initiator ---- */

static void admitted_initiator(struct link *l, uint64_t now_ms)
{
	if (l->o.pattern == NOISE_XX) {
		CLEANUP(buf_deinit) struct buf hello = { 0 };

		link_write_hello(l, SIZE_MAX, &hello);
		if (write_noise(l, buf_str(&hello), link_pending_add(l)) != ERR_OK) {
			l->n_pending--;
			link_die(l, "a key of low order");
			return;
		}
	}
	start_records(l);
	/* The first record tells the responder that we are alive, whatever it holds. */
	link_alive_greet(l);
	link_became_up(l, now_ms);
}

void link_admit(struct link *l, uint64_t now_ms, bool yes)
{
	if (l->state != LINK_DECIDING)
		return;
	if (!yes && l->initiator)
		link_die(l, "not the node that was wanted");
	else if (!yes)
		link_go_silent(l, now_ms);
	else if (l->initiator)
		admitted_initiator(l, now_ms);
	else
		admitted_responder(l, now_ms);
}

static void got_retry(struct link *l, uint64_t now_ms, const struct reply *r)
{
	if (l->retried || r->difficulty > GATE_DIFFICULTY_MAX) {
		link_die(l, "the peer is too busy");
		return;
	}
	l->retried = true;
	l->solving = true;
	memcpy(l->open + OPEN_BOUND, r->cookie, COOKIE_LEN);
	if (r->difficulty == 0) {
		static const unsigned char no_work[COOKIE_NONCE];

		link_solved(l, now_ms, no_work);
		return;
	}
	l->o.ops->solve(l, l->open + OPEN_BOUND, r->difficulty);
}

void link_solved(struct link *l, uint64_t now_ms, const unsigned char *nonce)
{
	if (l->state != LINK_OPENING || !l->solving)
		return;
	l->solving = false;
	if (!nonce) {
		link_die(l, "the peer is too busy");
		return;
	}
	l->deadline_ms = now_ms + LINK_OPENING_MS;
	write_open(l, nonce);
	link_wake_owner(l);
}

static void got_reply(struct link *l, uint64_t now_ms, struct str message)
{
	struct reply r;

	if (l->solving)
		return; /* whatever it says, there is no question that it could answer */
	if (reply_parse(str_head(message, REPLY_LEN), &r) != ERR_OK ||
		(r.retry && message.n != RETRY_LEN)) {
		link_die(l, "not a kith node");
		return;
	}
	if (r.retry) {
		got_retry(l, now_ms, &r);
		return;
	}
	if (r.version != l->version || r.flags != 0 ||
		memcmp(r.cookie, l->open + OPEN_BOUND, COOKIE_LEN) != 0 ||
		!read_hello(l, str_skip(message, REPLY_LEN))) {
		link_die(l, "the answer is not that node's");
		return;
	}
	if (l->o.pattern != NOISE_XX && memcmp(l->hello.cert.node, l->peer_node, 32) != 0) {
		link_die(l, "the answer is another node's");
		return;
	}
	if (l->sent_ms)
		link_alive_rtt(l, now_ms - l->sent_ms);
	l->state = LINK_DECIDING;
	l->o.ops->admit(l);
}

void link_handshake_input(struct link *l, uint64_t now_ms, struct str message)
{
	if (l->state == LINK_OPENING)
		got_reply(l, now_ms, message);
	else if (l->state == LINK_WAITING)
		got_open(l, now_ms, message);
	else if (l->state == LINK_PROVING)
		got_proof(l, now_ms, message);
	else if (l->initiator) /* DECIDING: one who doesn't wait is no kith node */
		link_die(l, "not a kith node");
	else
		link_go_silent(l, now_ms);
}
