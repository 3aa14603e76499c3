/*
 * router: from a request's head to its handler, and its answer back.
 *
 * In this order (each refusal is a standard error response, with CORS headers): is the Host
 * ours (security.md L1), is it a preflight, which route (matched segment by segment before
 * percent-decoding; 404 and 405 M_UNRECOGNIZED), may a web page send that body (L3), whose
 * token, how often, how large, is the body JSON; then the handler. Its answer is held until the
 * store is durable.
 *
 * The router knows neither sockets nor threads: a struct responder is where an answer goes.
 * Loop thread alone.
 */
#ifndef KITH_CLIENT_API_ROUTER_H
#define KITH_CLIENT_API_ROUTER_H

#include "client-api/request.h"
#include "node/base/buf.h"

struct router;

/* Where one answer goes: an HTTP exchange (listener.h), or a caller in process (local.h).
 * Nothing is called any more after end(). */
struct responder_ops {
	/* headers: whole lines with CRLF. length -1: not known. */
	void (*head)(struct responder *to, unsigned status, struct str content_type,
		struct str headers, int64_t length);
	/* True: more is welcome; after false router_drained() follows. _take empties the
	 * buffer.
	 */
	bool (*write)(struct responder *to, struct str bytes);
	bool (*write_take)(struct responder *to, struct buf *bytes);
	/* The answer is whole (or, without head or short of length, never will be). Frees the
	 * arena that the request lives in. */
	void (*end)(struct responder *to);
	/* The body is wanted: router_body() and router_body_end() follow, not from inside. */
	void (*read_body)(struct responder *to);
	void (*pause_body)(struct responder *to, bool pause);
	/* The handler waits for something. */
	void (*park)(struct responder *to);
	bool (*header)(struct responder *to, const char *name, struct str *value);
};

struct responder {
	const struct responder_ops *ops;
};

struct router_head {
	struct arena *arena; /* the request's from now on; freed by the responder's end() */
	struct responder *to;
	struct str method;
	struct str target;
	struct str host;
	struct str content_type;
	struct str authorization;  /* the header */
	struct str origin;         /* the header; empty: none */
	struct str sec_fetch_site; /* the header */
	struct str user_agent;
	struct str address;
	int64_t length;  /* of the body; -1: it has one, of unknown length */
	bool in_process; /* no Host, Origin or limits to check */
};

/* tables: arrays of routes, each ended by a zeroed one, the list by NULL; borrowed. Two routes
 * that match the same are our own mistake, and abort. */
struct router *router_new(struct api *api, const struct route *const *tables);
/* No request is left. NULL is fine. */
void router_free(struct router *r);
struct api *router_api(struct router *r);

/* Everything in head is borrowed as long as its arena lives. The answer may be begun before
 * this returns, never ended. */
struct request *router_begin(struct router *r, const struct router_head *head);
void router_body(struct request *r, struct str bytes);
void router_body_end(struct request *r);
void router_drained(struct request *r);
void router_aborted(struct request *r);

/* An error's answer, for what never became a request: JSON text appended to body, a line in the
 * log; returns the header lines that go with it (static). */
struct str router_refusal(
	struct router *r, unsigned status, const char *address, struct buf *body);

#endif
