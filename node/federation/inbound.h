/*
 * inbound: requests of other servers: matched, bounded, handled, answered.
 *
 * The routes are data (routes.c), as in client-api: operationId, method, path, handler. The
 * origin was authenticated by transport. An answer leaves when everything committed before it
 * is on disk.
 */
#ifndef KITH_FEDERATION_INBOUND_H
#define KITH_FEDERATION_INBOUND_H

#include "node/base/arena.h"
#include "node/federation/parts.h"
#include "node/json/json.h"
#include "store/store.h"
#include "transport/transport.h"

#define INBOUND_MAX_ARGS 3

struct inbound_route;

/* Handled by exactly one inbound_reply(), inbound_error() or inbound_take(); the request is
 * gone after it. */
struct inbound_request {
	struct federation *f; /* NULL: federation is gone; only answering is left to do */
	struct arena *arena;
	struct str origin;                 /* server name */
	struct str origin_node;            /* 32 bytes */
	uint64_t sequence;                 /* of the origin's outbox; 0: none */
	bool commits;                      /* its 200 says that all of that sequence is done */
	struct str args[INBOUND_MAX_ARGS]; /* of the path, decoded */
	struct str query;                  /* raw, without '?' */
	const struct json *body;           /* of PUT and POST: an object */
	struct err_ctx why;                /* for the error that a handler returns */
	const char *errcode;               /* of that error, where it is not the usual one */
	uint64_t retry_after_ms;           /* likewise, with ERR_LIMIT; 0: not said */

	/* Private to inbound.c. */
	struct transport_incoming *in; /* NULL: nobody waits any more */
	const struct inbound_route *route;
	struct buf reply;
	unsigned status;
	struct store_waiter durable; /* or, parked, for store_ready() */
	bool parked;
	struct inbound_request *next;
	struct inbound_request **link; /* what points at this one */
};

struct inbound_route {
	const char *operation; /* the specification's operationId */
	const char *method;
	const char *path;
	/* ERR_OK: it has answered or will. Else it has not, and this error is the answer. */
	enum err (*handler)(struct inbound_request *r);
};

extern const struct inbound_route inbound_routes[]; /* ends with a zeroed one */

struct inbound *inbound_new(struct federation *f);
/* Answers all that wait with 503; what their handlers still do is dropped. */
void inbound_stop(struct inbound *in);
void inbound_free(struct inbound *in);
size_t inbound_waiting(const struct inbound *in);

/* transport_handler.request; arg: struct inbound. */
void inbound_request(void *arg, struct transport_incoming *t);

/* transport_handler.acked; arg: struct inbound. */
uint64_t inbound_acked(void *arg, struct str origin, const unsigned char node[32]);
/* Before a transaction of that device is stored: what is committed so far is noted, so that
 * what isn't durable yet is never told. */
void inbound_will_commit(struct inbound_request *r);

/* 200 with body, which is taken (left empty). */
void inbound_reply(struct inbound_request *r, struct buf *body);
void inbound_reply_empty(struct inbound_request *r); /* {} */
/* The error's status and errcode, with why's text. */
void inbound_error(struct inbound_request *r, enum err err);
void inbound_error_status(
	struct inbound_request *r, unsigned status, const char *errcode, const char *text);
/* For who answers in pieces: transport's request becomes the caller's (NULL if nobody waits),
 * r is gone. Nothing may have been written for this request. */
struct transport_incoming *inbound_take(struct inbound_request *r);

/* The origin brings a room that we don't know: ERR_LIMIT if that is one too many today. */
enum err inbound_new_room(struct inbound_request *r) MUST_CHECK;

/* A value of the query; false if it is missing or broken. */
bool inbound_query(struct inbound_request *r, const char *name, struct str *out);

#endif
