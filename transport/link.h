/*
 * link: one encrypted link between two neighbours (overlay.md, section 4).
 *
 * A pure state machine over messages: a carrier (transport/link_ws.h, a pipe in a test) gives
 * it what came in and takes what goes out, one message each. Time comes as an argument; chance,
 * keys and decisions from struct link_ops. Nothing here allocates by a stranger's wish but one
 * record.
 *
 *   initiator  OPENING --REPLY, msg 2--> UP
 *   responder  WAITING --OPEN, msg 1--> DECIDING --admitted--> CONFIRMING --first record--> UP
 *              (XX: WAITING -> PROVING --msg 3--> DECIDING -> UP)
 *   either     UP --BYE--> CLOSING --1 s--> DEAD;   bad record tag, silence, carrier lost -->
 * DEAD responder  what it doesn't know or want: SILENT, nothing sent, DEAD after 0 to 2 s
 *
 * A responder is UP only when a first record has proven that the initiator is alive: a recorded
 * message 1 played again gets a message 2 and no more.
 *
 * Callbacks come from inside the calls below. They may call link_close() and link_wake(), but
 * never link_free(): that waits until the call that is running has returned.
 */
#ifndef KITH_TRANSPORT_LINK_H
#define KITH_TRANSPORT_LINK_H

#include "node/base/clock.h"
#include "node/base/err.h"
#include "transport/gate.h"
#include "transport/hello.h"

#include <stdbool.h>

struct link;

enum link_frame {
	FRAME_PAD = 0x00,
	FRAME_PING = 0x01,
	FRAME_PONG = 0x02,
	FRAME_BYE = 0x03,
	FRAME_INFO = 0x04,
	FRAME_SLEEP = 0x05,
	FRAME_REHS = 0x06,
	FRAME_RECORD = 0x07,
	FRAME_IDSEQ = 0x08,
	FRAME_DIRECT = 0x26,
};

enum link_bye {
	BYE_CLOSING = 0,  /* shutting down, or no longer wanted */
	BYE_REPLACED = 1, /* another link to the same node stays */
	BYE_STRIKES = 2,  /* too many mistakes */
	BYE_UNKNOWN = 3,  /* a frame type that must be known */
	BYE_REVOKED = 4,  /* the certificate is revoked or blocked */
};

enum link_state {
	LINK_OPENING,
	LINK_WAITING,
	LINK_PROVING,
	LINK_DECIDING,
	LINK_CONFIRMING,
	LINK_UP,
	LINK_SILENT,
	LINK_CLOSING,
	LINK_DEAD,
};

#define LINK_OPENING_MS         10000
#define LINK_CLOSING_MS         1000
#define LINK_SILENT_MAX_MS      2000
#define LINK_PING_MS            60000
#define LINK_PING_MOBILE_MS     30000
#define LINK_PING_MOBILE_MAX_MS 600000
#define LINK_PING_IDLE_WAIT_MS  5000 /* for the answer; two missed ones are the end */

struct link_ops {
	/* Fills *out with what our HELLO says to that peer (version, flags and certificate are
	 * link.c's). Strings are borrowed until the call into link.c returns. */
	void (*hello)(struct link *l, struct hello *out);
	/* Responder, pattern IKpsk1: the key of a live invite, or false. */
	bool (*invite_psk)(
		struct link *l, const unsigned char id[INVITE_ID_LEN], unsigned char psk[32]);
	/* Responder: may XX be answered now? */
	bool (*allow_xx)(struct link *l);
	/* The peer has proven its node key and shown its certificate (link_peer()). Answer by
	 * link_admit(), at once or later. An initiator gets this too, before UP. */
	void (*admit)(struct link *l);
	void (*up)(struct link *l);
	/* A frame that isn't the link's own; body borrowed. ERR_MALFORMED: one strike. */
	enum err (*frame)(struct link *l, uint8_t type, struct str body);
	/* Room for max bytes of frames: append whole ones, or nothing. *bulk: not interactive.
	 */
	void (*pull)(
		struct link *l, uint64_t now_ms, size_t max, struct buf *frames, bool *bulk);
	/* Something is to be sent, or a timer changed: ask link_output() and link_next_ms(). */
	void (*wake)(struct link *l);
	/* So many strikes for the peer (overlay.md, section 13). */
	void (*strike)(struct link *l, unsigned n, const char *what);
	/* State is DEAD now; why is a person's text. Once. */
	void (*dead)(struct link *l, const char *why);
};

struct link_options {
	const struct link_ops *ops;
	void *arg;
	const struct rng *rng;
	struct gate *gate; /* a responder's; NULL: no cookies */
	struct gate_addr addr;
	/* Our node. Borrowed. */
	const unsigned char *node_public; /* Ed25519, 32 */
	struct noise_keys noise;
	struct str certificate;
	bool mobile;
	/* Initiator alone. */
	enum noise_pattern pattern;
	const unsigned char *peer_node; /* Ed25519, 32; NULL for XX */
	unsigned char invite_id[INVITE_ID_LEN];
	unsigned char psk[32];
};

/* options is copied. peer_node must be a valid key (identity_key_ok). */
struct link *link_new_initiator(const struct link_options *options, uint64_t now_ms);
struct link *link_new_responder(const struct link_options *options, uint64_t now_ms);
void link_free(struct link *l); /* NULL is fine; no callback */

void *link_arg(const struct link *l);
enum link_state link_state(const struct link *l);
bool link_is_initiator(const struct link *l);
bool link_is_up(const struct link *l);

/* One message that came in. */
void link_input(struct link *l, uint64_t now_ms, struct str message);
/* The carrier is gone. */
void link_lost(struct link *l, const char *why);
/* Appends the next message to send; false if there is none now. */
bool link_output(struct link *l, uint64_t now_ms, struct buf *message);
/* When link_tick() must be called; UINT64_MAX: not. */
uint64_t link_next_ms(const struct link *l);
void link_tick(struct link *l, uint64_t now_ms);

/* The answer to ops->admit. A no is silence to a stranger. */
void link_admit(struct link *l, uint64_t now_ms, bool yes);
/* Says BYE and ends within a second; before UP, at once and silently. */
void link_close(struct link *l, uint64_t now_ms, enum link_bye code, const char *text);
/* The owner has frames to pull. */
void link_wake(struct link *l);
/* Is something sent that must be acknowledged? Then silence is death sooner. */
void link_outstanding(struct link *l, uint64_t now_ms, bool yes);
/* Asks for a sign of life now: after a change of network or a sleep. */
void link_probe(struct link *l, uint64_t now_ms);

/* What the peer said; valid from ops->admit on. Strings live as long as the link. */
const struct hello *link_peer(const struct link *l);
enum noise_pattern link_pattern(const struct link *l);
const unsigned char *link_invite_id(const struct link *l); /* of pattern IKPSK1 */
const struct gate_addr *link_addr(const struct link *l);
unsigned link_rtt_ms(const struct link *l); /* 0: not measured */
uint64_t link_up_ms(const struct link *l);  /* when it came up */
uint64_t link_bytes_in(const struct link *l);
uint64_t link_bytes_out(const struct link *l);

/* Appends one frame. */
void frame_put(struct buf *out, uint8_t type, struct str body);

/* Walks the frames of a record's plaintext: true and the next frame, or false at the end or
 * with *bad set. */
bool frame_next(struct str *rest, uint8_t *type, struct str *body, bool *bad);

#endif
