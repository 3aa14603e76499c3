/*
 * link: one encrypted link between two neighbours (overlay.md, section 4).
 *
 * A pure state machine over messages: a carrier (transport/link_ws.h, a pipe in a test) gives
 * it what came in and takes what goes out, one message each. Time comes as an argument; chance,
 * keys and decisions from struct link_ops. Nothing here allocates by a stranger's wish but one
 * record.
 *
 *   initiator  OPENING --REPLY, msg 2--> UP       (RETRY: once more, with cookie and work)
 *   responder  WAITING --OPEN, msg 1--> DECIDING --admitted--> CONFIRMING --first record--> UP
 *              (XX: WAITING -> PROVING --msg 3--> DECIDING -> UP)
 *   either     UP --BYE--> CLOSING --1 s--> DEAD
 *              bad record tag, silence, carrier lost: DEAD
 *   responder  what it doesn't know or want: SILENT, nothing sent, DEAD after 0 to 2 s
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
#include "transport/frame.h"
#include "transport/gate.h"
#include "transport/hello.h"
#include "transport/ping_pace.h"

#include <stdbool.h>

struct link;

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

#define LINK_OPENING_MS        10000
#define LINK_CLOSING_MS        1000
#define LINK_SILENT_MAX_MS     2000
#define LINK_PING_MS           60000
#define LINK_PING_IDLE_WAIT_MS 5000     /* for the answer; two missed ones are the end */
#define LINK_DOUBT_MS          300      /* a probe unanswered for so long: try another way */
#define LINK_RENEW_MS          86400000 /* the most that keys serve, unless the peer is late */
#define LINK_RENEW_LATE_MS     3600000  /* ... and then the responder ends the link */
#define LINK_RENEW_LEAST_MS    3600000  /* no peer may ask for fresh keys more often */
#define LINK_RENEW_WAIT_MS     60000    /* for each step of it */
#define LINK_REKEY_RECORDS     65536
#define LINK_REKEY_BYTES       (1024ull * 1024 * 1024)
#define LINK_LARGE_FROM        1048576 /* bytes in one go, before records are large */
#define LINK_RECORD_FLOOR      1200    /* the least that a slow link's record holds */
#define LINK_RECORD_TIME_MS    10      /* how long one record may take on the wire */
#define LINK_SLEEP_MAX_MS      86400000

struct link_ops {
	/* Fills *out with what our HELLO says to that peer (version, flags, capabilities and
	 * certificate are link's). Strings are borrowed until the call into link.c returns. */
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
	/* A frame that isn't the link's own; body borrowed. ERR_MALFORMED: one strike.
	 * ERR_NOT_FOUND: not the owner's either; it is skipped and counted. */
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
	/* A fresh handshake showed the peer's HELLO again (link_peer()): may it stay? */
	bool (*again)(struct link *l);
	/* A sign of life is overdue, and another way should be tried; or it came after all. */
	void (*doubt)(struct link *l, bool yes);
	/* The peer said that it sleeps (link_asleep_until_ms()), or it woke up. */
	void (*asleep)(struct link *l, bool yes);
	/* Initiator: find the work for a cookie (gate_solve), and answer by link_solved(), at
	 * once or later. It may take a second: not on the loop. */
	void (*solve)(
		struct link *l, const unsigned char cookie[COOKIE_LEN], uint8_t difficulty);
};

struct link_options {
	const struct link_ops *ops;
	void *arg;
	const struct rng *rng;
	struct gate *gate; /* a responder's; NULL: no cookies */
	struct gate_addr addr;
	bool addr_known; /* a contact was there before */
	/* Our node. Borrowed. */
	const unsigned char *node_public; /* Ed25519, 32 */
	struct noise_keys noise;
	struct str certificate;
	/* Capabilities of our HELLO; with CAP_MOBILE, the memory of its networks. Borrowed. */
	uint32_t capabilities;
	struct ping_pace *pace;
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
/* The carrier is gone. An initiator that was asked for work outlives it: true, and when
 * link_wants_carrier() it must be given another to the same address. */
bool link_lost(struct link *l, const char *why);
bool link_wants_carrier(const struct link *l);
/* Appends the next message to send; false if there is none now. */
bool link_output(struct link *l, uint64_t now_ms, struct buf *message);
/* When link_tick() must be called; UINT64_MAX: not. */
uint64_t link_next_ms(const struct link *l);
void link_tick(struct link *l, uint64_t now_ms);

/* The answer to ops->admit. A no is silence to a stranger. */
void link_admit(struct link *l, uint64_t now_ms, bool yes);
/* The answer to ops->solve; NULL: there is none. */
void link_solved(struct link *l, uint64_t now_ms, const unsigned char *nonce);
/* Says BYE and ends within a second; before UP, at once and silently. */
void link_close(struct link *l, uint64_t now_ms, enum link_bye code, const char *text);
/* The owner has frames to pull. */
void link_wake(struct link *l);
/* Is something sent that must be acknowledged? Then silence is death sooner. */
void link_outstanding(struct link *l, uint64_t now_ms, bool yes);
/* Asks for a sign of life now: after a change of network or a sleep. */
void link_probe(struct link *l, uint64_t now_ms);
/* Says SLEEP: that we are back in so many seconds, and keep the link meanwhile. */
void link_sleep(struct link *l, uint32_t for_s);
/* 0: the peer is awake. */
uint64_t link_asleep_until_ms(const struct link *l);

/* What the peer said; valid from ops->admit on. Strings live until its next HELLO (again()).
 */
const struct hello *link_peer(const struct link *l);
enum noise_pattern link_pattern(const struct link *l);
const unsigned char *link_invite_id(const struct link *l); /* of pattern IKPSK1 */
const struct gate_addr *link_addr(const struct link *l);
unsigned link_rtt_ms(const struct link *l); /* 0: not measured */
uint64_t link_up_ms(const struct link *l);  /* when it came up */
uint64_t link_bytes_in(const struct link *l);
uint64_t link_bytes_out(const struct link *l);
uint64_t link_unknown_frames(const struct link *l); /* skipped */

#endif
