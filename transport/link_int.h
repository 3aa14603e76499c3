/*
 * link_int: what the files behind link.h share; nobody else includes it.
 *
 *	link.c            life and death: what comes in, what goes out, when
 *	link_handshake.c  up to the first record: OPEN, REPLY, RETRY, HELLO, admission
 *	link_record.c     records, the frames that are the link's own, how long a record may be
 *	link_renew.c      REHS: fresh keys for a link that is up
 *	link_alive.c      is the peer still there?
 */
#ifndef KITH_TRANSPORT_LINK_INT_H
#define KITH_TRANSPORT_LINK_INT_H

#include "node/base/alloc.h"
#include "transport/link.h"
#include "transport/wire.h"

#define LINK_NEVER UINT64_MAX

/* One direction of records. */
struct link_direction {
	struct noise_cipher cipher;
	uint64_t records, bytes; /* since the last REKEY or REHS */
	uint64_t total;          /* bytes */
};

/* How fast the carrier takes what is written, measured while there is always more. */
struct link_writer {
	bool busy;             /* the last pull gave something */
	uint64_t busy_bytes;   /* since it got busy */
	uint64_t window_ms;    /* begin of the measurement */
	uint64_t window_bytes; /* since then */
	size_t fits;           /* what the carrier takes in 10 ms; 0: not measured */
};

enum link_renewal_state {
	RENEWAL_NONE,
	RENEWAL_ASKED,    /* initiator: message 1 is out */
	RENEWAL_ANSWERED, /* responder: message 2 is out, the peer's last old record to come */
};

struct link_renewal {
	enum link_renewal_state state;
	uint64_t keys_ms;     /* when the keys in use were agreed on */
	uint64_t due_ms;      /* initiator: ask; responder: nobody asked, close */
	uint64_t deadline_ms; /* of the state */
	struct noise noise;
	struct noise_cipher tx, rx; /* the next ones */
	struct buf body;            /* of the REHS to send */
	bool send;                  /* body waits (an empty one too) */
	bool tx_after, rx_after;    /* the record at hand is the last with the old key */
};

struct link_alive {
	uint64_t last_rx_ms;
	bool outstanding;
	uint64_t outstanding_ms;
	bool ping_wanted, pong_wanted;
	unsigned char ping[FRAME_PING_LEN], pong[FRAME_PING_LEN];
	unsigned missed;
	uint64_t asked_ms;        /* when the unanswered PING was wanted; 0: none */
	uint64_t sent_ms;         /* when it was handed out; 0: not yet */
	uint64_t waited_ms;       /* the idle silence before it; 0: asked for another reason */
	uint64_t doubt_ms;        /* when its silence becomes suspicious */
	bool doubted;             /* the owner was told */
	uint64_t asleep_until_ms; /* 0: awake */
	bool said_sleep;          /* in the record at hand */
	unsigned srtt_ms;
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
	bool retried, solving;
	struct gate_slot slot; /* a responder's, until it is up */
	bool at_gate;
	uint8_t version;
	size_t question;        /* bytes of the message that is answered */
	struct buf hello_bytes; /* the peer's HELLO, kept: hello points into it */
	struct hello hello;
	uint64_t sent_ms; /* our first message: the answer's delay is the first rtt */
	unsigned char binding[NOISE_HASH]; /* what the handshake was, for REHS */

	/* Messages that wait to go out as they are (handshake, BYE). At most two. */
	struct buf pending[2];
	unsigned n_pending;

	struct link_direction tx, rx;
	struct buf plain; /* one record at a time */
	bool owner_has;   /* the owner may have frames */
	struct link_writer writer;
	struct link_renewal renewal;
	struct link_alive alive;
	struct frame_sleep sleep; /* what we say while sleeping */
	bool sleeping, sleep_wanted;
	uint64_t unknown_frames;
	uint64_t up_ms;
	uint64_t deadline_ms; /* of the state, while it isn't UP */
};

/* ---- link.c ---- */

void link_die(struct link *l, const char *why);
/* A stranger, or someone whose message doesn't fit: it learns nothing, not even at once. */
void link_go_silent(struct link *l, uint64_t now_ms);
void link_leave_gate(struct link *l);
void link_wake_owner(struct link *l);
void link_became_up(struct link *l, uint64_t now_ms);
struct buf *link_pending_add(struct link *l);

/* ---- link_handshake.c ---- */

void link_start_initiator(struct link *l);
void link_handshake_input(struct link *l, uint64_t now_ms, struct str message);
/* Appends our HELLO; at most room bytes with what may be left out. */
void link_write_hello(struct link *l, size_t room, struct buf *out);
/* Checks a HELLO that a handshake has just brought: rs is the key it has proven. */
bool link_hello_ok(
	const struct link *l, struct str bytes, const unsigned char rs[32], struct hello *out);

/* ---- link_record.c ---- */

void link_record_input(struct link *l, uint64_t now_ms, struct str message);
bool link_record_output(struct link *l, uint64_t now_ms, struct buf *message);
/* Seals what is in l->plain. */
void link_record_seal(struct link *l, bool padded, struct buf *message);

/* ---- link_renew.c ---- */

void link_renew_init(struct link *l, uint64_t now_ms);
enum err link_renew_input(struct link *l, uint64_t now_ms, struct str body);
/* A record that held a REHS has been sealed, or read. */
void link_renew_sealed(struct link *l, uint64_t now_ms);
void link_renew_read(struct link *l, uint64_t now_ms);
uint64_t link_renew_next_ms(const struct link *l);
void link_renew_tick(struct link *l, uint64_t now_ms);
void link_renew_wipe(struct link *l);

/* ---- link_alive.c ---- */

void link_alive_init(struct link *l, uint64_t now_ms);
void link_alive_rtt(struct link *l, uint64_t ms);
void link_alive_received(struct link *l, uint64_t now_ms); /* a record, before its frames */
void link_alive_read(struct link *l);                      /* and after them */
void link_alive_pong(struct link *l, uint64_t now_ms, struct str body);
void link_alive_put(struct link *l, uint64_t now_ms); /* PING and PONG into l->plain */
/* The first record, for a responder that waits for a sign of life; no answer is timed. */
void link_alive_greet(struct link *l);
uint64_t link_alive_next_ms(const struct link *l);
void link_alive_tick(struct link *l, uint64_t now_ms);

#endif
