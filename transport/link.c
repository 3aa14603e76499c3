#include "transport/link.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "transport/wire.h"

#define PROLOGUE       "kith-link-1"
#define REKEY_RECORDS  65536
#define REKEY_BYTES    (1024ull * 1024 * 1024)
#define RECORD_FLOOR   1200 /* the least that a slow link's record holds */
#define RECORD_TIME_MS 10   /* how long one record may take on the wire */
#define BYE_TEXT_MAX   64
#define NEVER          UINT64_MAX

/* One direction of records. */
struct direction {
	struct noise_cipher cipher;
	uint64_t records, bytes; /* since the last REKEY */
	uint64_t total;          /* bytes */
};

struct link {
	struct link_options o;
	enum link_state state;
	bool initiator;
	bool notified_dead;
	unsigned char peer_node[32]; /* an initiator's, for o.peer_node */

	/* Handshake; wiped when it is over. */
	struct noise noise;
	unsigned char open[OPEN_LEN];
	bool retried;
	bool at_gate;
	uint8_t version;
	struct buf hello_bytes; /* the peer's HELLO, kept: hello points into it */
	struct hello hello;
	uint64_t sent_ms; /* our first message: the answer's delay is the first rtt */

	/* Messages that wait to go out as they are (handshake, BYE). At most two. */
	struct buf pending[2];
	unsigned n_pending;

	struct direction tx, rx;
	struct buf plain; /* one record at a time, either way */
	bool owner_has;   /* the owner may have frames */
	size_t record_limit;
	uint64_t last_output_ms;
	size_t last_output_n;
	uint64_t up_ms;

	/* Keepalive. */
	uint64_t last_rx_ms;
	uint64_t deadline_ms; /* of the state, while it isn't UP */
	bool outstanding;
	uint64_t outstanding_ms;
	bool ping_wanted, pong_wanted;
	unsigned char ping[8], pong[8];
	unsigned pings_missed;
	uint64_t ping_sent_ms; /* 0: none on the way */
	uint64_t ping_every_ms;
	unsigned ping_successes;
	unsigned srtt_ms;
};

void *link_arg(const struct link *l)
{
	return l->o.arg;
}

enum link_state link_state(const struct link *l)
{
	return l->state;
}

bool link_is_initiator(const struct link *l)
{
	return l->initiator;
}

bool link_is_up(const struct link *l)
{
	return l->state == LINK_UP;
}

const struct hello *link_peer(const struct link *l)
{
	return &l->hello;
}

enum noise_pattern link_pattern(const struct link *l)
{
	return l->o.pattern;
}

const unsigned char *link_invite_id(const struct link *l)
{
	return l->o.invite_id;
}

const struct gate_addr *link_addr(const struct link *l)
{
	return &l->o.addr;
}

unsigned link_rtt_ms(const struct link *l)
{
	return l->srtt_ms;
}

uint64_t link_up_ms(const struct link *l)
{
	return l->up_ms;
}

uint64_t link_bytes_in(const struct link *l)
{
	return l->rx.total;
}

uint64_t link_bytes_out(const struct link *l)
{
	return l->tx.total;
}

static void leave_gate(struct link *l)
{
	if (l->at_gate)
		gate_leave(l->o.gate, &l->o.addr);
	l->at_gate = false;
}

static void wake(struct link *l)
{
	l->o.ops->wake(l);
}

static void die(struct link *l, const char *why)
{
	l->state = LINK_DEAD;
	leave_gate(l);
	noise_wipe(&l->noise);
	if (l->notified_dead)
		return;
	l->notified_dead = true;
	l->o.ops->dead(l, why);
}

/* A stranger, or someone whose message doesn't fit: it learns nothing, not even at once. */
static void go_silent(struct link *l, uint64_t now_ms)
{
	uint32_t r;

	rng_fill(l->o.rng, &r, sizeof(r));
	l->state = LINK_SILENT;
	l->deadline_ms = now_ms + r % (LINK_SILENT_MAX_MS + 1);
	noise_wipe(&l->noise);
	wake(l);
}

static struct buf *pending_add(struct link *l)
{
	assert(l->n_pending < ARRAY_LEN(l->pending));
	return &l->pending[l->n_pending++];
}

/* ---- records and frames ---- */

void frame_put(struct buf *out, uint8_t type, struct str body)
{
	buf_put_u8(out, type);
	wire_put_var_bytes(out, body);
}

bool frame_next(struct str *rest, uint8_t *type, struct str *body, bool *bad)
{
	struct wire w = wire_of(*rest);

	if (rest->n == 0)
		return false;
	*type = wire_u8(&w);
	*body = wire_var_bytes(&w, w.rest.n);
	if (w.bad) {
		*bad = true;
		return false;
	}
	*rest = w.rest;
	return true;
}

/* PAD up to the next of a few sizes, so that sizes say little. A PAD takes two bytes at least,
 * and none is 130 bytes long (its length needs a second byte from 128 on). */
static void pad(struct buf *plain)
{
	static const size_t sizes[] = { 64, 128, 256, 512, 1024 };
	static const char zeros[1024];
	size_t i = 0;

	while (i < ARRAY_LEN(sizes) && plain->n != sizes[i] && plain->n + 2 > sizes[i])
		i++;
	if (i == ARRAY_LEN(sizes) || plain->n == sizes[i])
		return;
	if (sizes[i] - plain->n == 130)
		frame_put(plain, FRAME_PAD, (struct str){ zeros, 0 });
	if (sizes[i] - plain->n > 129)
		frame_put(plain, FRAME_PAD, (struct str){ zeros, sizes[i] - plain->n - 3 });
	else
		frame_put(plain, FRAME_PAD, (struct str){ zeros, sizes[i] - plain->n - 2 });
}

static void count_record(struct direction *d, size_t n)
{
	d->records++;
	d->bytes += n;
	d->total += n;
	if (d->records >= REKEY_RECORDS || d->bytes >= REKEY_BYTES) {
		noise_rekey(&d->cipher);
		d->records = 0;
		d->bytes = 0;
	}
}

static void seal_record(struct link *l, bool padded, struct buf *message)
{
	if (padded)
		pad(&l->plain);
	noise_seal(&l->tx.cipher, STR(""), buf_str(&l->plain), message);
	count_record(&l->tx, l->plain.n + NOISE_TAG);
}

static void note_rtt(struct link *l, uint64_t ms)
{
	unsigned rtt = ms < 1 ? 1 : ms > 60000 ? 60000 : (unsigned)ms;

	l->srtt_ms = l->srtt_ms ? (7 * l->srtt_ms + rtt + 4) / 8 : rtt;
}

static void got_pong(struct link *l, uint64_t now_ms, struct str body)
{
	if (l->ping_sent_ms == 0 || body.n != 8 || memcmp(body.p, l->ping, 8) != 0)
		return;
	note_rtt(l, now_ms - l->ping_sent_ms);
	l->ping_sent_ms = 0;
	l->pings_missed = 0;
	if (l->o.mobile && ++l->ping_successes % 3 == 0) {
		l->ping_every_ms += l->ping_every_ms / 2;
		if (l->ping_every_ms > LINK_PING_MOBILE_MAX_MS)
			l->ping_every_ms = LINK_PING_MOBILE_MAX_MS;
	}
}

static void got_bye(struct link *l, struct str body)
{
	struct wire w = wire_of(body);
	unsigned code = wire_u16(&w);
	char text[96];

	(void)snprintf(text, sizeof(text), "the peer closed the link (code %u)", code);
	die(l, text);
}

static enum err own_frame(struct link *l, uint64_t now_ms, uint8_t type, struct str body)
{
	switch (type) {
	case FRAME_PAD: return ERR_OK;
	case FRAME_PING:
		if (body.n != 8)
			return ERR_MALFORMED;
		memcpy(l->pong, body.p, 8);
		l->pong_wanted = true;
		wake(l);
		return ERR_OK;
	case FRAME_PONG: got_pong(l, now_ms, body); return ERR_OK;
	case FRAME_BYE: got_bye(l, body); return ERR_OK;
	default: return l->o.ops->frame(l, type, body);
	}
}

static bool known_frame(uint8_t type)
{
	return type < 0x80;
}

static void read_frames(struct link *l, uint64_t now_ms, struct str rest)
{
	struct str body;
	uint8_t type;
	bool bad = false;

	while (l->state == LINK_UP && frame_next(&rest, &type, &body, &bad)) {
		if (!known_frame(type)) {
			link_close(l, now_ms, BYE_UNKNOWN, "unknown frame");
			return;
		}
		if (own_frame(l, now_ms, type, body) == ERR_MALFORMED) {
			bad = true;
			break;
		}
	}
	if (bad && l->state == LINK_UP)
		l->o.ops->strike(l, 1, "a malformed frame");
}

static void became_up(struct link *l, uint64_t now_ms)
{
	l->state = LINK_UP;
	l->up_ms = now_ms;
	l->last_rx_ms = now_ms;
	leave_gate(l);
	noise_wipe(&l->noise);
	l->o.ops->up(l);
	if (l->state == LINK_UP)
		wake(l);
}

static void read_record(struct link *l, uint64_t now_ms, struct str message)
{
	/* The buffer is taken out while frames are read: a callback may cause output. */
	struct buf plain = { 0 };

	if (message.n > RECORD_MAX_LARGE + NOISE_TAG ||
		noise_open(&l->rx.cipher, STR(""), message, &plain) != ERR_OK) {
		buf_deinit(&plain);
		die(l, "a record that is not the peer's");
		return;
	}
	count_record(&l->rx, message.n);
	l->last_rx_ms = now_ms;
	l->outstanding_ms = now_ms;
	l->pings_missed = 0;
	if (l->state == LINK_CONFIRMING)
		became_up(l, now_ms);
	if (l->state == LINK_UP)
		read_frames(l, now_ms, buf_str(&plain));
	buf_deinit(&plain);
}

/* ---- handshake ---- */

static void start_records(struct link *l)
{
	noise_split(&l->noise, &l->tx.cipher, &l->rx.cipher);
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

static enum err write_handshake(struct link *l, bool with_hello, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf payload = { 0 };
	unsigned char ephemeral[32];
	enum err err;

	if (with_hello) {
		struct hello h = { 0 };

		l->o.ops->hello(l, &h);
		h.version = l->version;
		h.cert_bytes = l->o.certificate;
		h.max_record = RECORD_MAX_LARGE;
		if (l->o.mobile)
			h.capabilities |= CAP_MOBILE;
		hello_encode(&h, &payload);
	}
	rng_fill(l->o.rng, ephemeral, sizeof(ephemeral));
	err = noise_write(&l->noise, ephemeral, buf_str(&payload), out);
	sodium_memzero(ephemeral, sizeof(ephemeral));
	return err;
}

/* OPEN, the work for a cookie if there is one, and message 1. */
static void write_open(struct link *l, const unsigned char *nonce)
{
	unsigned char peer_x[32] = { 0 };
	struct buf *out;
	enum err err;

	if (l->o.pattern != NOISE_XX) {
		int rc = crypto_sign_ed25519_pk_to_curve25519(peer_x, l->peer_node);

		assert(rc == 0); /* checked by who gave us the key */
		(void)rc;
	}
	start_noise(l, l->o.pattern == NOISE_XX ? NULL : peer_x);
	l->n_pending = 0;
	out = pending_add(l);
	buf_clear(out);
	buf_put(out, l->open, OPEN_LEN);
	if (nonce)
		buf_put(out, nonce, COOKIE_NONCE);
	err = write_handshake(l, l->o.pattern != NOISE_XX, out);
	assert(!err); /* peer_x is a valid point's */
	(void)err;
}

static struct link *link_new(const struct link_options *o, bool initiator, uint64_t now_ms)
{
	struct link *l = NEW(struct link);

	l->o = *o;
	l->initiator = initiator;
	l->version = HELLO_VERSION;
	l->deadline_ms = now_ms + LINK_OPENING_MS;
	l->record_limit = RECORD_MAX_SMALL;
	l->ping_every_ms = o->mobile ? LINK_PING_MOBILE_MS : LINK_PING_MS;
	return l;
}

struct link *link_new_initiator(const struct link_options *o, uint64_t now_ms)
{
	struct link *l = link_new(o, true, now_ms);
	struct open open = { .pattern = o->pattern, .lowest = 1, .highest = HELLO_VERSION };

	l->state = LINK_OPENING;
	if (o->peer_node) {
		memcpy(l->peer_node, o->peer_node, 32);
		l->o.peer_node = l->peer_node;
	}
	if (o->pattern == NOISE_IKPSK1)
		memcpy(open.invite_id, o->invite_id, INVITE_ID_LEN);
	open_encode(&open, l->open);
	write_open(l, NULL);
	return l;
}

struct link *link_new_responder(const struct link_options *o, uint64_t now_ms)
{
	struct link *l = link_new(o, false, now_ms);

	l->state = LINK_WAITING;
	if (o->gate && !gate_enter(o->gate, now_ms, &l->o.addr)) {
		l->state = LINK_SILENT;
		l->deadline_ms = now_ms;
	} else {
		l->at_gate = o->gate != NULL;
	}
	return l;
}

void link_free(struct link *l)
{
	if (!l)
		return;
	leave_gate(l);
	noise_wipe(&l->noise);
	noise_cipher_wipe(&l->tx.cipher);
	noise_cipher_wipe(&l->rx.cipher);
	sodium_memzero(l->o.psk, sizeof(l->o.psk));
	buf_deinit(&l->hello_bytes);
	buf_deinit(&l->plain);
	for (unsigned i = 0; i < ARRAY_LEN(l->pending); i++)
		buf_deinit(&l->pending[i]);
	free(l);
}

static bool read_hello(struct link *l, struct str message)
{
	buf_clear(&l->hello_bytes);
	if (noise_read(&l->noise, message, &l->hello_bytes) != ERR_OK)
		return false;
	if (hello_parse(buf_str(&l->hello_bytes), l->noise.rs, &l->hello, NULL) != ERR_OK)
		return false;
	if (memcmp(l->hello.cert.node, l->o.node_public, 32) == 0)
		return false; /* ourselves */
	return l->hello.version == l->version && l->hello.flags == 0;
}

static void send_retry(struct link *l, uint64_t now_ms)
{
	struct reply r = { .retry = true, .difficulty = l->o.gate->difficulty };
	unsigned char bytes[REPLY_LEN];

	gate_cookie(l->o.gate, now_ms, &l->o.addr, l->open, r.cookie);
	reply_encode(&r, bytes);
	buf_put(pending_add(l), bytes, sizeof(bytes));
	wake(l);
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
			go_silent(l, now_ms);
			return false;
		}
		*rest = str_skip(*rest, COOKIE_NONCE);
		return true;
	}
	if (!l->o.gate || !gate_wants_cookie(l->o.gate, now_ms, &l->o.addr))
		return true;
	if (l->n_pending > 0)
		go_silent(l, now_ms);
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

static void put_reply(struct link *l, struct buf *out)
{
	struct reply r = { .version = l->version };
	unsigned char bytes[REPLY_LEN];

	memcpy(r.cookie, l->open + OPEN_BOUND, COOKIE_LEN);
	reply_encode(&r, bytes);
	buf_put(out, bytes, sizeof(bytes));
}

/* XX: the answer shows our key, which is why it is only allowed in open and pairing modes. */
static void answer_xx(struct link *l, uint64_t now_ms, struct str message)
{
	struct buf ignored = { 0 };
	struct buf *out;
	bool ok = noise_read(&l->noise, message, &ignored) == ERR_OK && ignored.n == 0;

	buf_deinit(&ignored);
	if (!ok) {
		go_silent(l, now_ms);
		return;
	}
	out = pending_add(l);
	put_reply(l, out);
	if (write_handshake(l, true, out) != ERR_OK) {
		l->n_pending--;
		go_silent(l, now_ms);
		return;
	}
	l->state = LINK_PROVING;
	wake(l);
}

static void got_open(struct link *l, uint64_t now_ms, struct str message)
{
	struct open open;
	struct str rest = str_skip(message, OPEN_LEN);

	if (open_parse(str_head(message, OPEN_LEN), &open) != ERR_OK ||
		open.lowest > HELLO_VERSION || open.highest < HELLO_VERSION ||
		open.flags != 0) {
		go_silent(l, now_ms);
		return;
	}
	memcpy(l->open, message.p, OPEN_LEN);
	if (!past_gate(l, now_ms, &open, &rest))
		return;
	l->n_pending = 0;
	if (!pattern_ok(l, &open)) {
		go_silent(l, now_ms);
		return;
	}
	start_noise(l, NULL);
	if (open.pattern == NOISE_XX) {
		answer_xx(l, now_ms, rest);
		return;
	}
	if (!read_hello(l, rest)) {
		go_silent(l, now_ms);
		return;
	}
	l->state = LINK_DECIDING;
	l->o.ops->admit(l);
}

static void admitted_responder(struct link *l, uint64_t now_ms)
{
	struct buf *out;

	leave_gate(l);
	if (l->o.pattern == NOISE_XX) {
		start_records(l);
		became_up(l, now_ms);
		return;
	}
	out = pending_add(l);
	buf_clear(out);
	put_reply(l, out);
	if (write_handshake(l, true, out) != ERR_OK) {
		l->n_pending--;
		go_silent(l, now_ms);
		return;
	}
	start_records(l);
	l->state = LINK_CONFIRMING;
	l->deadline_ms = now_ms + LINK_OPENING_MS;
	wake(l);
}

static void admitted_initiator(struct link *l, uint64_t now_ms)
{
	if (l->o.pattern == NOISE_XX) {
		struct buf *out = pending_add(l);

		buf_clear(out);
		if (write_handshake(l, true, out) != ERR_OK) {
			l->n_pending--;
			die(l, "a key of low order");
			return;
		}
	}
	start_records(l);
	/* The first record tells the responder that we are alive, whatever it holds. */
	l->ping_wanted = true;
	rng_fill(l->o.rng, l->ping, sizeof(l->ping));
	became_up(l, now_ms);
}

void link_admit(struct link *l, uint64_t now_ms, bool yes)
{
	if (l->state != LINK_DECIDING)
		return;
	if (!yes && l->initiator)
		die(l, "not the node that was wanted");
	else if (!yes)
		go_silent(l, now_ms);
	else if (l->initiator)
		admitted_initiator(l, now_ms);
	else
		admitted_responder(l, now_ms);
}

static void got_retry(struct link *l, const struct reply *r)
{
	unsigned char nonce[COOKIE_NONCE];

	if (l->retried || !gate_solve(r->cookie, r->difficulty, nonce)) {
		die(l, "the peer is too busy");
		return;
	}
	l->retried = true;
	memcpy(l->open + OPEN_BOUND, r->cookie, COOKIE_LEN);
	write_open(l, nonce);
	wake(l);
}

static void got_reply(struct link *l, uint64_t now_ms, struct str message)
{
	struct reply r;

	if (reply_parse(str_head(message, REPLY_LEN), &r) != ERR_OK) {
		die(l, "not a kith node");
		return;
	}
	if (r.retry) {
		if (message.n != RETRY_LEN)
			die(l, "not a kith node");
		else
			got_retry(l, &r);
		return;
	}
	if (r.version != l->version || r.flags != 0 ||
		memcmp(r.cookie, l->open + OPEN_BOUND, COOKIE_LEN) != 0 ||
		!read_hello(l, str_skip(message, REPLY_LEN))) {
		die(l, "the answer is not that node's");
		return;
	}
	if (l->o.pattern != NOISE_XX && memcmp(l->hello.cert.node, l->peer_node, 32) != 0) {
		die(l, "the answer is another node's");
		return;
	}
	if (l->sent_ms)
		note_rtt(l, now_ms - l->sent_ms);
	l->state = LINK_DECIDING;
	l->o.ops->admit(l);
}

static void got_proof(struct link *l, uint64_t now_ms, struct str message)
{
	if (!read_hello(l, message)) {
		go_silent(l, now_ms);
		return;
	}
	l->state = LINK_DECIDING;
	l->o.ops->admit(l);
}

void link_input(struct link *l, uint64_t now_ms, struct str message)
{
	switch (l->state) {
	case LINK_OPENING: got_reply(l, now_ms, message); return;
	case LINK_WAITING: got_open(l, now_ms, message); return;
	case LINK_PROVING: got_proof(l, now_ms, message); return;
	case LINK_CONFIRMING:
	case LINK_UP: read_record(l, now_ms, message); return;
	case LINK_DECIDING: /* one who doesn't wait for the answer is no kith node */
		if (l->initiator)
			die(l, "not a kith node");
		else
			go_silent(l, now_ms);
		return;
	case LINK_SILENT:
	case LINK_CLOSING:
	case LINK_DEAD: return;
	}
}

void link_lost(struct link *l, const char *why)
{
	die(l, why);
}

/* ---- output ---- */

/* What one record may hold: no more than 10 ms of the link's rate while it is busy, so that an
 * interactive frame never waits longer. Measured from one record to the next. */
static void adapt_record_limit(struct link *l, uint64_t now_ms)
{
	uint64_t ms = now_ms - l->last_output_ms;
	size_t fits;

	if (l->last_output_n == 0)
		return;
	fits = ms ? (size_t)(l->last_output_n * RECORD_TIME_MS / ms) : RECORD_MAX_SMALL;
	if (ms > RECORD_TIME_MS || fits >= RECORD_MAX_SMALL)
		l->record_limit = (3 * l->record_limit + fits) / 4;
	if (l->record_limit < RECORD_FLOOR)
		l->record_limit = RECORD_FLOOR;
	if (l->record_limit > RECORD_MAX_SMALL)
		l->record_limit = RECORD_MAX_SMALL;
}

static void put_own_frames(struct link *l, uint64_t now_ms)
{
	if (l->pong_wanted)
		frame_put(&l->plain, FRAME_PONG, (struct str){ (char *)l->pong, 8 });
	if (l->ping_wanted) {
		frame_put(&l->plain, FRAME_PING, (struct str){ (char *)l->ping, 8 });
		l->ping_sent_ms = now_ms;
	}
	l->pong_wanted = false;
	l->ping_wanted = false;
}

static bool next_record(struct link *l, uint64_t now_ms, struct buf *message)
{
	bool bulk = false;

	buf_clear(&l->plain);
	put_own_frames(l, now_ms);
	if (l->owner_has) {
		size_t before = l->plain.n;

		adapt_record_limit(l, now_ms);
		l->o.ops->pull(l, now_ms, l->record_limit - before, &l->plain, &bulk);
		if (l->plain.n == before)
			l->owner_has = false;
		l->last_output_ms = now_ms;
		l->last_output_n = l->owner_has ? l->plain.n : 0;
	}
	if (l->plain.n == 0)
		return false;
	seal_record(l, !bulk && l->plain.n <= 1024, message);
	return true;
}

bool link_output(struct link *l, uint64_t now_ms, struct buf *message)
{
	if (l->n_pending > 0) {
		if (l->sent_ms == 0)
			l->sent_ms = now_ms;
		buf_put_str(message, buf_str(&l->pending[0]));
		buf_clear(&l->pending[0]);
		if (--l->n_pending > 0) {
			struct buf t = l->pending[0];

			l->pending[0] = l->pending[1];
			l->pending[1] = t;
		}
		return true;
	}
	return l->state == LINK_UP && next_record(l, now_ms, message);
}

void link_wake(struct link *l)
{
	l->owner_has = true;
	if (l->state == LINK_UP)
		wake(l);
}

void link_close(struct link *l, uint64_t now_ms, enum link_bye code, const char *text)
{
	struct str t = str_head(str_of(text), BYE_TEXT_MAX);
	CLEANUP(buf_deinit) struct buf body = { 0 };

	if (l->state == LINK_CLOSING || l->state == LINK_DEAD)
		return;
	if (l->state != LINK_UP) {
		die(l, text);
		return;
	}
	buf_put_be16(&body, (uint16_t)code);
	wire_put_var_bytes(&body, t);
	buf_clear(&l->plain);
	frame_put(&l->plain, FRAME_BYE, buf_str(&body));
	if (l->n_pending < ARRAY_LEN(l->pending))
		seal_record(l, true, pending_add(l));
	l->state = LINK_CLOSING;
	l->deadline_ms = now_ms + LINK_CLOSING_MS;
	wake(l);
}

/* ---- time ---- */

static uint64_t patience_ms(const struct link *l, uint64_t factor, uint64_t least)
{
	uint64_t ms = factor * l->srtt_ms;

	return ms > least ? ms : least;
}

/* Only the mobile side pings an idle link, at the pace that its network allows. */
static bool pings_idle(const struct link *l)
{
	return l->o.mobile || !(l->hello.capabilities & CAP_MOBILE);
}

static uint64_t silence_limit(const struct link *l)
{
	/* Any byte is a sign of life, also one that came while a PONG is awaited. */
	uint64_t since = l->ping_sent_ms > l->last_rx_ms ? l->ping_sent_ms : l->last_rx_ms;

	if (l->ping_sent_ms && l->outstanding)
		return since + patience_ms(l, 2, 1000);
	if (l->ping_sent_ms)
		return since + LINK_PING_IDLE_WAIT_MS;
	if (l->outstanding)
		return l->outstanding_ms + patience_ms(l, 3, 2000);
	return pings_idle(l) ? l->last_rx_ms + l->ping_every_ms : NEVER;
}

uint64_t link_next_ms(const struct link *l)
{
	switch (l->state) {
	case LINK_UP: return l->ping_wanted ? NEVER : silence_limit(l);
	case LINK_OPENING:
	case LINK_WAITING:
	case LINK_PROVING:
	case LINK_DECIDING:
	case LINK_CONFIRMING:
	case LINK_SILENT:
	case LINK_CLOSING: return l->deadline_ms;
	case LINK_DEAD: return NEVER;
	}
	return NEVER;
}

void link_probe(struct link *l, uint64_t now_ms)
{
	if (l->state != LINK_UP || l->ping_wanted)
		return;
	rng_fill(l->o.rng, l->ping, sizeof(l->ping));
	l->ping_wanted = true;
	wake(l);
}

static void silence(struct link *l, uint64_t now_ms)
{
	if (l->ping_sent_ms && (l->outstanding || ++l->pings_missed >= 2)) {
		if (l->o.mobile)
			l->ping_every_ms = l->ping_every_ms / 2 > LINK_PING_MOBILE_MS
				? l->ping_every_ms / 2
				: LINK_PING_MOBILE_MS;
		die(l, "the peer fell silent");
		return;
	}
	link_probe(l, now_ms);
}

void link_tick(struct link *l, uint64_t now_ms)
{
	if (now_ms < link_next_ms(l))
		return;
	switch (l->state) {
	case LINK_UP: silence(l, now_ms); return;
	case LINK_OPENING: die(l, "no answer"); return;
	case LINK_WAITING:
	case LINK_PROVING:
	case LINK_DECIDING:
	case LINK_CONFIRMING: die(l, "the handshake was not finished"); return;
	case LINK_SILENT: die(l, "refused"); return;
	case LINK_CLOSING: die(l, "closed"); return;
	case LINK_DEAD: return;
	}
}

void link_outstanding(struct link *l, uint64_t now_ms, bool yes)
{
	if (yes && !l->outstanding)
		l->outstanding_ms = now_ms;
	l->outstanding = yes;
}
