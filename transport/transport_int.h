/*
 * transport_int: what the files behind transport.h share; nobody else includes it.
 *
 *	transport.c  the node's place in the overlay: start, end, listeners, status
 *	contact.c    who is known: contacts, their nodes, what is kept of them
 *	dial.c       getting links to them: rounds of dials, back-off
 *	wlink.c      a link on its carrier: made, fed, freed
 *	wlink_ops.c  what it asks and tells: admission, frames, its end
 *	peer_session.c  the session over it
 *	call.c       requests to others
 *	incoming.c   requests from others
 *	pairing.c    invites, made and accepted
 *
 * Lifetimes: a contact owns its peers (nodes), a peer its session; a wlink belongs to the
 * transport. What ends inside a callback is marked and freed by the transport's deferred call.
 */
#ifndef KITH_TRANSPORT_TRANSPORT_INT_H
#define KITH_TRANSPORT_TRANSPORT_INT_H

#include "node/base/alloc.h"
#include "node/base/map.h"
#include "transport/gate.h"
#include "transport/iddoc.h"
#include "transport/invite.h"
#include "transport/link.h"
#include "transport/link_ws.h"
#include "transport/node_record.h"
#include "transport/packer.h"
#include "transport/request.h"
#include "transport/session.h"
#include "transport/transport.h"

#define CONTACT_NODES      16
#define PETNAME_MAX        128
#define LINKS_MAX          1024
#define CALLS_QUEUED_MAX   4194304  /* bytes that wait for one contact */
#define INCOMING_BYTES     67108864 /* of bodies, from everyone */
#define REFUSE_AGAIN_MS    5000     /* a failed round's answer is good for so long */
#define REDIAL_FIRST_MS    1000
#define REDIAL_MAX_MS      300000
#define STRIKES_MAX        10
#define STRIKES_WINDOW_MS  600000
#define REFUSED_MS         600000
#define REFUSED_CONTACT_MS 3600000 /* the longest for contacts, and for others */
#define REFUSED_MAX_MS     86400000
#define WAKE_SLOT_MS       900000 /* sleepers wake at each quarter of an hour, UTC */

struct peer;
struct wlink;
struct pairing;

struct contact {
	struct contact *next; /* in the order of names */
	struct transport *t;
	unsigned char identity[32];
	char name[IDENTITY_NAME_LEN + 1];
	enum transport_level level;
	char petname[PETNAME_MAX + 1];
	char owner[256];
	int64_t last_seen_ms;
	struct iddoc_set docs;
	struct peer *peers;
	size_t n_peers;
	char last_error[96];
	char address[ENDPOINT_TEXT_MAX];
	struct transport_call *calls; /* all that aren't over, oldest first */
	size_t queued;                /* bytes of those that wait */
	uint64_t served_tag;          /* of the last request from it (incoming.c) */
	bool was_up;                  /* as listeners were told */
	bool tell_contact;
	bool doomed; /* forgotten: freed by the deferred call */
};

struct peer {
	struct peer *next;
	struct contact *contact;
	unsigned char node[32];
	struct buf record; /* its newest node record, or empty */
	uint64_t record_seq;
	struct endpoint endpoints[ENDPOINTS_MAX + 1]; /* the last that worked first */
	size_t n_endpoints;
	struct gate_addr seen; /* where it was last; n 0: nowhere yet */

	struct wlink *link; /* UP */
	struct session *session;
	struct loop_timer *ack_timer;
	unsigned char epoch[EPOCH_LEN], their_epoch[EPOCH_LEN];
	bool has_their_epoch;
	struct acked acked; /* from its HELLO, not told yet if tell_acked */
	bool tell_acked;
	bool unproven; /* it says that a newer document lists it: nothing else before we have
			  that */

	/* Dialling. */
	unsigned dialling; /* links and look-ups of this round */
	struct loop_timer *redial;
	uint64_t backoff_ms;      /* the next wait; 0: none failed since the last link */
	uint64_t failed_ms;       /* when a round failed last; 0: never */
	uint64_t asleep_until_ms; /* it said so on the link that is gone; 0: it didn't */

	/* Strikes. */
	unsigned strikes;
	uint64_t strikes_ms; /* when the first of them was */
	uint64_t refused_until_ms, refused_ms;
};

struct wlink {
	struct wlink *next;
	struct transport *t;
	struct link *link;
	struct ws_conn *conn; /* NULL when it is gone */
	struct loop_timer *timer;
	uint64_t timer_at;
	struct peer *peer;       /* a dialled one's; an accepted one's from its admission on */
	struct pairing *pairing; /* being accepted over it */
	struct buf acked;        /* of our HELLO */
	struct puzzle *puzzle;   /* being worked on */
	bool dialled;
	bool dead;
	bool say_idseq;           /* an IDSEQ is to go: which document of the peer's we have */
	struct endpoint endpoint; /* where it was dialled, or came from */
};

struct kept_invite {
	struct kept_invite *next;
	unsigned char id[INVITE_ID_LEN];
	unsigned char psk[32];
	uint32_t expiry_min;
	bool reusable;
	bool used;
	unsigned char used_by[32];
};

struct blocked {
	struct blocked *next;
	char text[80]; /* as the user wrote it */
	unsigned char key[32];
	bool is_key;
	struct gate_addr range;
	unsigned bits;
};

struct incoming;

struct transport {
	struct transport_options o;
	struct identity *identity;
	struct link_ws *ws;
	struct packer *packer;
	struct gate gate;
	struct ping_pace pace; /* of a mobile node */
	struct map by_name;    /* contacts, keyed by their name */
	struct contact *contacts;
	struct contact *doomed;
	struct wlink *links;
	struct kept_invite *invites;
	struct blocked *blocked;
	struct pairing *pairings;
	struct making *makings;
	struct incoming *incoming;
	size_t incoming_bytes;
	struct incoming *waiting; /* of these, whole and not with the handler yet */
	uint64_t serving_tag;     /* the last one's that was served */
	struct loop_deferred serve;
	struct loop_timer *serve_timer; /* for those that this turn had no room for */
	struct transport_handler handler;
	struct transport_listener *listeners;
	char owner[256];
	char listen_host[46];
	struct buf record; /* ours, signed */
	uint64_t record_seq;
	struct loop_timer *record_timer;
	struct loop_deferred turn;  /* the end of this turn: reap and tell */
	struct loop_deferred ended; /* likewise: tell callers */
	struct transport_call *ended_calls;
	struct wait *waits; /* for durability */
	struct lookup *lookups;
	bool suspended, closing;
	uint64_t bytes_in, bytes_out, refused; /* of links that are gone; handshakes refused */
	uint64_t unknown_frames;               /* likewise */
	struct log_limit log_refused, log_strikes, log_ended;
};

static inline uint64_t now_of(const struct transport *t)
{
	return loop_now_ms(t->o.loop);
}

/* Something is to be reaped or told at the end of this turn. */
void transport_turn(struct transport *t);

/* Calls fn(arg, err) when all that was put is durable; not when t is freed before. */
void transport_when_durable(
	struct transport *t, void (*fn)(void *arg, enum err err), void *arg);
/* Calls fn(arg, err) at the end of this turn. */
void transport_later(
	struct transport *t, void (*fn)(void *arg, enum err err), void *arg, enum err err);
/* Nobody waits with that arg any more. */
void transport_not_waiting(struct transport *t, void *arg);

/* Signs our node record anew and sends it to the sessions that are up. */
void transport_new_record(struct transport *t);

/* ---- contact.c ---- */

enum err contacts_load(struct transport *t, struct err_ctx *why) MUST_CHECK;
void contacts_free(struct transport *t);
struct contact *contact_find(const struct transport *t, const unsigned char identity[32]);
struct contact *contact_by_name(const struct transport *t, struct str name);
/* Finds or makes one (a STRANGER, not kept until it is saved). */
struct contact *contact_get(struct transport *t, const unsigned char identity[32]);
/* Keeps it, if it is more than a stranger. */
enum err contact_save(struct contact *c) MUST_CHECK;
void contact_save_logged(struct contact *c); /* a failure is logged: it is kept again later */
/* Unlinks it and ends all that it had; freed at the end of the turn. */
void contact_doom(struct contact *c);
void contact_free_doomed(struct transport *t);
void contact_describe(const struct contact *c, struct transport_peer *out);
bool contact_up(const struct contact *c);
struct peer *contact_session_peer(const struct contact *c); /* one that is up, or NULL */

/* Finds or makes the node of a contact; NULL: it has too many. */
struct peer *peer_get(struct contact *c, const unsigned char node[32]);
struct peer *peer_find(const struct contact *c, const unsigned char node[32]);
/* Puts an endpoint first. */
void peer_endpoint_first(struct peer *p, const struct endpoint *e);
/* A node record from its session: newer and its own, or refused. */
enum err peer_take_record(struct peer *p, struct str bytes) MUST_CHECK;
enum err peer_take_iddoc(struct peer *p, struct str bytes) MUST_CHECK;
/* Keeps what its HELLO or record says of the owner. */
void contact_set_owner(struct contact *c, struct str user_id);
void peer_strike(struct peer *p, unsigned n, const char *what);
bool peer_refused(const struct peer *p);

bool blocked_key(const struct transport *t, const unsigned char key[32]);
bool blocked_addr(const struct transport *t, const struct gate_addr *a);

/* ---- dial.c ---- */

void dial_want(struct peer *p);     /* a link now, unless one is there or being made */
void dial_beside(struct peer *p);   /* another link, while the one that is there is in doubt */
void dial_later(struct peer *p);    /* after the back-off */
void dial_all(struct transport *t); /* network changed: everything wanted, 250 ms apart */
void dial_stop(struct peer *p);
/* One dial of the round is over without a link. */
void dial_failed(struct peer *p, const char *why);
/* One dial with an invite's key. */
void dial_pairing(struct pairing *pairing, struct peer *p, const struct invite *v);
/* Drops the look-ups for a peer (NULL: all), or a pairing. */
void dial_forget(struct transport *t, const struct peer *p);
void dial_forget_pairing(struct transport *t, const struct pairing *pairing);

/* ---- wlink.c ---- */

extern const struct ws_conn_ops wlink_conn_ops;
bool wlink_accepted(void *arg, struct ws_conn *conn, const struct gate_addr *from,
	const struct ws_conn_ops **ops, void **conn_arg);
/* to is numeric. v: for a pairing, else NULL. */
struct wlink *wlink_dial(struct peer *p, const struct gate_addr *to, const struct endpoint *e,
	const struct invite *v, struct pairing *pairing);
void wlink_reap(struct transport *t);
void wlinks_free(struct transport *t);
void wlink_close(struct wlink *w, enum link_bye code, const char *text);
void wlink_rearm(struct wlink *w);

/* The carrier was lost, and the link needs another one. */
void wlink_carry_on(struct wlink *w);

/* ---- wlink_ops.c ---- */

extern const struct link_ops wlink_link_ops;
/* Asks for the peer's document: a neighbour that hears of an older one sends its own. */
void wlink_ask_iddoc(struct wlink *w);
void wlink_forget_puzzle(struct wlink *w); /* nobody waits for the work any more */

/* ---- peer_session.c ---- */

/* A link came up: the session goes on over it, or begins. */
void peer_session_begin(struct peer *p, const struct hello *h);
void peer_session_arm(struct peer *p);                    /* its timer; what is outstanding */
void peer_session_reset(struct peer *p, const char *why); /* ends all streams */

/* ---- call.c ---- */

void calls_up(struct contact *c);                    /* a session is there: send what waits */
void calls_down(struct contact *c, const char *why); /* nothing can be reached: fail all */
void call_data(struct transport_call *call, struct str bytes, bool fin);
void call_reset(struct transport_call *call);
void calls_session_gone(struct contact *c, struct peer *p, const char *why);
void calls_end(struct transport *t, enum err err, const char *why); /* all of them */
void calls_tell(struct transport *t); /* done() of those that ended */
size_t calls_count(const struct transport *t);

/* ---- incoming.c ---- */

void incoming_opened(struct peer *p, struct stream *st);
void incoming_data(struct incoming *in, struct str bytes, bool fin);
void incoming_gone(struct incoming *in);
void incoming_writable(struct incoming *in);
void incomings_session_gone(struct peer *p);
void incomings_free(struct transport *t);
/* What is committed of that device's requests, as acked_put() has it; nothing if nothing is. */
void incoming_acked(struct transport *t, const struct contact *c, const unsigned char node[32],
	struct buf *out);
void incomings_serve(struct transport *t); /* some of those that wait */
size_t incomings_count(const struct transport *t);

/* ---- pairing.c ---- */

enum err invites_load(struct transport *t, struct err_ctx *why) MUST_CHECK;
void invites_free(struct transport *t);
struct kept_invite *invite_find(struct transport *t, const unsigned char id[INVITE_ID_LEN]);
/* The invite's holder has proven itself: makes the contact and lets the link in when that is
 * durable. */
void pairing_admit(struct wlink *w);
void pairing_up(struct pairing *pairing, struct wlink *w);
void pairings_peer_failed(struct peer *p, const char *why); /* all its dials failed */
void pairings_free(struct transport *t);
size_t invites_live(const struct transport *t);
/* An unused invite that the forgotten contact had used is gone. */
void invites_forget(struct transport *t, const unsigned char identity[32]);

#endif
