/*
 * transport: how a request reaches another server (overlay.md, section 17).
 *
 * One struct transport is one node's place in the overlay: its links, sessions, contacts and
 * invites. Server names go in, authenticated server names come out; nothing here knows rooms.
 * Every call and every callback is on the loop thread, and no callback comes before the call
 * that asked for it has returned, except where it says so.
 *
 * Nothing is retried behind a caller's back. A request either gets the other server's response
 * or an error: ERR_UNREACHABLE (no session came up, or it was lost before the answer; the
 * request may or may not have been seen), ERR_TIMEOUT (its deadline), ERR_CANCELLED (by the
 * caller or by transport_free()), ERR_FORBIDDEN (policy: blocked, no kith name, not a contact),
 * ERR_TOO_LARGE (the answer is larger than max_response), ERR_MALFORMED (the answer breaks
 * the format), ERR_LIMIT (too much queued for that server).
 */
#ifndef KITH_TRANSPORT_TRANSPORT_H
#define KITH_TRANSPORT_TRANSPORT_H

#include "node/base/buf.h"
#include "node/base/clock.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/loop.h"
#include "transport/acked.h"
#include "transport/identity.h"
#include "transport/persist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lws_context;
struct transport;
struct uv_loop_s;

struct transport_options {
	struct loop *loop;
	const struct clock *clock;
	const struct rng *rng;
	const struct log *log;             /* may be NULL */
	struct lws_context *lws;           /* on the same loop (transport/lws.h) */
	struct uv_loop_s *uv;              /* what loop and lws run on */
	struct identity *identity;         /* borrowed; its document may be replaced */
	struct transport_persist *persist; /* borrowed */
	const char *listen;                /* "HOST:PORT", "[V6]:PORT" or ":PORT"; NULL: every
					    * address, TCP 27448 or a free port that is then kept */
	bool mobile;                       /* HELLO capability 16; keepalive adapts */
};

/* Binds the listener and loads contacts and invites. Dials begin on the next turn of the
 * loop. ERR_IO: the address can't be bound; ERR_CORRUPT: what was kept can't be read. */
enum err transport_new(const struct transport_options *options, struct transport **out,
	struct err_ctx *why) MUST_CHECK;

/* Requests still waiting get ERR_CANCELLED from inside this call; what the serve handler still
 * owes answers for is dropped (its on_abort is called; answering afterwards is fine). Not from
 * inside a callback. Sockets close in the following
 * turns of the loop; then the last pieces free themselves, before lws is destroyed. NULL is
 * fine. */
void transport_free(struct transport *t);

/* Where others can reach the listener, e.g. 27448. */
uint16_t transport_port(const struct transport *t);

/* ---- requests to other servers ---- */

enum transport_method { TRANSPORT_GET, TRANSPORT_PUT, TRANSPORT_POST, TRANSPORT_DELETE };

enum transport_class {
	TRANSPORT_NOW,    /* queries: a live session or an error */
	TRANSPORT_LATEST, /* receipts, presence: newest matters */
	TRANSPORT_KEEP,   /* outbox transactions */
	TRANSPORT_BULK,   /* media and backfill: as NOW, but interactive traffic goes first */
};

struct transport_response {
	unsigned status;         /* HTTP's */
	struct str content_type; /* empty: application/json */
	struct str disposition;  /* Content-Disposition, or empty */
	uint64_t retry_after_ms; /* 0: not said */
	uint64_t length;         /* of the body, as declared */
	struct str body;         /* whole, or empty when on_body took it */
	/* What of our outbox is committed there; NULL: not said. Of an answer alone. */
	const struct acked *acked;
};

struct transport_call; /* a request that waits for its answer */

struct transport_request {
	struct str name; /* server name */
	enum transport_method method;
	struct str path;      /* with query, as it goes out: "/_matrix/federation/v1/..." */
	struct str body;      /* JSON, or empty */
	uint64_t sequence;    /* of the outbox; 0: none */
	uint64_t deadline_ms; /* from now; 0: 30 s, for BULK 300 s */
	enum transport_class class;
	/* A waiting (not yet sent) request of class LATEST with the same name and key is ended
	 * with ERR_CANCELLED. Empty: none. */
	struct str coalesce_key;
	/* Largest body to take; 0: 64 MiB when it is held in memory, no bound with on_body. */
	uint64_t max_response;

	/* Once, always. res is borrowed during the call, NULL on error; why is a person's text.
	 */
	void (*done)(
		void *arg, enum err err, const struct transport_response *res, const char *why);
	/* Optional: the body in pieces, as it comes; head is the response so far (body empty).
	 * false: "hold": the peer is slowed until transport_call_consumed() gave the bytes
	 * back. */
	bool (*on_body)(void *arg, const struct transport_response *head, struct str piece);
	void *arg;
};

/* Everything in rq is copied. The handle is valid until done() was called. */
struct transport_call *transport_request(
	struct transport *t, const struct transport_request *rq);

/* done() follows with ERR_CANCELLED, on a later turn. */
void transport_cancel(struct transport_call *call);

/* Gives back n bytes that on_body held. */
void transport_call_consumed(struct transport_call *call, size_t n);

/* ---- requests from other servers ---- */

/*
 * One request, delivered once. It and all that it points to stay until it was answered:
 * by transport_respond(), or by transport_respond_begin() and as many pieces as were
 * announced. The handler must always answer, also when the peer is gone (it costs nothing
 * then).
 */
struct transport_incoming {
	struct str origin;                /* server name, authenticated */
	const unsigned char *origin_node; /* 32 bytes: the device's node key */
	uint64_t sequence;                /* of its outbox; 0: none */
	enum transport_method method;
	struct str path; /* with query: "/_matrix/..." */
	struct str body; /* at most TRANSPORT_MAX_BODY */

	/* The handler's, all optional. */
	void (*on_abort)(struct transport_incoming *in);    /* nobody waits any more */
	void (*on_writable)(struct transport_incoming *in); /* room for the next piece */
	void *arg;
};

#define TRANSPORT_MAX_BODY     16777216
#define TRANSPORT_WRITE_WINDOW 262144 /* queued pieces of one answer */

struct transport_handler {
	void (*request)(void *arg, struct transport_incoming *in);
	/* Up to where that device's sequences (transport_incoming) are committed durably; 0:
	 * none. It is told in HELLO and in answers to requests with a sequence. May be NULL. */
	uint64_t (*acked)(void *arg, struct str origin, const unsigned char node[32]);
	void *arg;
};

/* The one handler; before it is set every request gets 503. handler is copied. */
void transport_serve(struct transport *t, const struct transport_handler *handler);

/* Answers and ends. res->body is copied, res->length ignored. asked is gone after this. */
void transport_respond(struct transport_incoming *asked, const struct transport_response *res);

/* Begins an answer whose body (res->length bytes, res->body ignored) follows in pieces. With a
 * length of 0 it is the whole answer, and in is gone after it. */
void transport_respond_begin(
	struct transport_incoming *asked, const struct transport_response *res);
/* Copies a piece; the one that completes res->length ends the answer: asked is gone after it.
 * *more says whether to go on now or wait for on_writable. ERR_CANCELLED: nobody waits; stop
 * and call transport_respond_abort(). */
enum err transport_respond_write(
	struct transport_incoming *asked, struct str piece, bool *more) MUST_CHECK;
/* The rest can't be had: the peer's request fails. asked is gone after this. */
void transport_respond_abort(struct transport_incoming *asked);

/* ---- who is there ---- */

enum transport_level {
	TRANSPORT_STRANGER,
	TRANSPORT_ACQUAINTANCE, /* shares a room: may link to us */
	TRANSPORT_CONTACT,      /* paired: we keep a link to it */
};

struct transport_peer {
	struct str name;    /* server name */
	struct str user_id; /* of its owner, as it told us; empty if it didn't */
	struct str petname; /* given by our user; may be empty */
	enum transport_level level;
	bool blocked;
	bool connected;
	int64_t last_seen_ms;  /* wall time of the last link, 0: never */
	unsigned rtt_ms;       /* of the link, 0: unknown */
	struct str address;    /* of the link, or the last endpoint that worked */
	struct str last_error; /* why the last dial failed, in words; empty: it didn't */
};

/* Borrowed during the calls of each(). In the order of names. */
void transport_peers(const struct transport *t,
	void (*each)(void *arg, const struct transport_peer *peer), void *arg);

/* True and the peer (borrowed until the next call into t) if name is known. */
bool transport_peer_get(const struct transport *t, struct str name, struct transport_peer *out);

/* Listeners are told of changes, after they happened; registered ones are borrowed until
 * transport_unlisten(). Any member function may be NULL. */
struct transport_listener {
	void (*peer_up)(void *arg, struct str name); /* a session is there: send what waits */
	void (*peer_down)(void *arg, struct str name);
	/* What of our outbox is committed there, as it says at the beginning of a link; before
	 * peer_up, and only with one. */
	void (*acked)(void *arg, struct str name, const struct acked *acked);
	/* A contact is new, or its owner's user id became known or changed. */
	void (*contact)(void *arg, const struct transport_peer *peer);
	void *arg;
	struct transport_listener *next; /* private to transport.c */
};
void transport_listen(struct transport *t, struct transport_listener *l);
void transport_unlisten(struct transport *t, struct transport_listener *l);

bool transport_connected(const struct transport *t, struct str name);

/* node/ reports acquaintances (servers that share a room). Never lowers a contact;
 * STRANGER takes an acquaintance back. ERR_INVALID: no kith name. */
enum err transport_allow(
	struct transport *t, struct str name, enum transport_level level) MUST_CHECK;

/* Forgets a contact: its links close, and its unused invites end. ERR_NOT_FOUND. */
enum err transport_forget(struct transport *t, struct str name) MUST_CHECK;

/* what: a server name, a node key in base32, or an address range "10.0.0.0/8", "fe80::/10".
 * Kept; checked at each handshake, and links of what is blocked close at once. */
enum err transport_block(struct transport *t, struct str what, struct err_ctx *why) MUST_CHECK;
enum err transport_unblock(
	struct transport *t, struct str what, struct err_ctx *why) MUST_CHECK;

enum err transport_set_petname(
	struct transport *t, struct str name, struct str petname) MUST_CHECK;

struct transport_status {
	size_t links;     /* up */
	size_t half_open; /* handshakes going on */
	size_t sessions;  /* with or without a link */
	size_t calls;     /* requests of ours that wait */
	size_t incoming;  /* requests of others that wait */
	size_t contacts;
	size_t invites;               /* live ones */
	uint64_t bytes_in, bytes_out; /* link records since start */
	uint64_t refused;             /* handshakes refused since start */
	uint64_t unknown_frames;      /* skipped: what newer versions say */
	uint16_t port;
};
void transport_status(const struct transport *t, struct transport_status *out);

/* ---- pairing ---- */

/* The owner of this node, told to contacts: "@name:server". Kept by the caller; may be set
 * again when it changes (contacts are told). ERR_INVALID: not a user id of this server. */
enum err transport_set_owner(struct transport *t, struct str user_id) MUST_CHECK;

struct transport_invite_options {
	uint64_t lifetime_ms; /* 0: 7 days */
	bool reusable;        /* by several people, until it expires */
	struct str room;      /* a room id or alias to join afterwards, or empty */
	struct str hint;      /* petname hint, at most 32 bytes, or empty */
};

/* text: "kith:1..." in upper case, fit for a QR code's alphanumeric mode (the fragment works
 * behind any https link too). Called when the invite is durable. Borrowed during the call. */
typedef void transport_invite_fn(void *arg, enum err err, struct str text, const char *why);
void transport_invite_create(struct transport *t,
	const struct transport_invite_options *options, transport_invite_fn *done, void *arg);

struct transport_pairing {
	struct transport_peer peer;
	struct str room; /* of the invite, or empty */
	struct str hint; /* what the inviter suggests as its petname, or empty */
};

/* Dials the inviter (each endpoint, 20 s in all) and becomes its contact. done is called once,
 * when both sides have stored it durably. pairing is borrowed during the call, NULL on error.
 * ERR_MALFORMED: no invite; ERR_INVALID: expired or our own; ERR_UNREACHABLE: nobody answers
 * (which is also how a used or withdrawn invite looks); ERR_EXISTS never: pairing twice is
 * fine. */
typedef void transport_accept_fn(
	void *arg, enum err err, const struct transport_pairing *pairing, const char *why);
void transport_invite_accept(
	struct transport *t, struct str text, transport_accept_fn *done, void *arg);

/* ---- a phone's life ---- */

/* Forgets back-offs and dials everything wanted, 250 ms apart; checks what is up. */
void transport_network_changed(struct transport *t);
void transport_suspend(struct transport *t); /* says SLEEP, stops timers; returns at once */
void transport_resume(struct transport *t);

#endif
