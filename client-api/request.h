/*
 * request: one call of the client-server API, from the moment that its headers are known until
 * its answer is on its way.
 *
 * The request comes over HTTP (client-api/listener.h) or from inside the process (kith.h); a
 * handler can't tell. It lives until it was replied to (reply.h): a handler that waits keeps
 * the pointer in its operation. Everything in it is borrowed from its arena or from the node
 * and lives as long as it does. Loop thread alone.
 */
#ifndef KITH_CLIENT_API_REQUEST_H
#define KITH_CLIENT_API_REQUEST_H

#include "client-api/route.h"
#include "node/base/arena.h"
#include "node/base/clock.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/loop.h"
#include "node/base/str.h"
#include "node/json/json.h"

#include <stdbool.h>
#include <stdint.h>

#define REQUEST_ARGS_MAX 6

struct users;
struct rooms;
struct sync;
struct typing;
struct receipts;
struct presence;
struct push_rules;
struct media;
struct federation;
struct transport;
struct limiter;
struct request;

/* Whose token it was. */
struct caller {
	struct str user_id;   /* full id; empty if nobody */
	struct str device_id; /* empty for a token without device */
	bool guest;
	bool owner;       /* the node's owner: exempt from rate limits but for logins (T5) */
	bool soft_logout; /* with ERR_UNAUTHORIZED: the session may be revived by a new login */
	bool locked;      /* the dispatcher answers 401 M_USER_LOCKED but for logout */
	bool suspended;   /* the dispatcher refuses what route.h says */
	int64_t account;  /* what the services call them: node/user/users.h */
	int64_t device;
	int64_t session;
};

/* What the dispatcher asks of the layers below; filled in node.c. */
struct api_ops {
	/* Whose token is this, and where is it used (text; empty: in this process)? Writes *out
	 * with strings in a. ERR_UNAUTHORIZED: nobody's (any
	 * more). Synchronous. */
	enum err (*authenticate)(void *arg, struct str token, struct str address,
		struct arena *a, struct caller *out, struct err_ctx *why);
	/* Calls fn once, from the loop and never before returning, when all that was committed
	 * so far is on disk, or with the error if that failed. Memory for waiting may come from
	 * a, which lives until then. */
	void (*durable)(void *arg, struct arena *a, void (*fn)(void *fn_arg, enum err err),
		void *fn_arg);
	void *arg;
	/* False: the store wants no writes for some milliseconds; fn is then called once, from
	 * the loop, with ERR_OK or because the store closes. May be NULL: always true. */
	bool (*ready)(void *arg, struct arena *a, void (*fn)(void *fn_arg, enum err err),
		void *fn_arg);
};

/* The services behind the API, for handlers. One for each node, built by node.c. */
struct api {
	struct users *users;
	struct rooms *rooms;
	struct sync *sync;
	struct typing *typing;
	struct receipts *receipts;
	struct presence *presence;
	struct push_rules *push_rules;
	struct media *media;
	struct federation *federation;
	struct transport *transport;

	struct loop *loop;
	const struct clock *clock;
	const struct rng *rng;
	const struct log *log;
	const struct api_ops *ops;
	struct limiter *limiter; /* rate limits (limiter.h); NULL: off */

	struct str server_name;
	struct str default_room_version; /* "12" */
	/* Where clients find us, for .well-known: "https://matrix.example.org". Empty: as the
	 * request's Host says. */
	struct str base_url;
	const struct str *hosts; /* further names that Host may have (security.md L1) */
	size_t n_hosts;
	bool any_address; /* Host may be any numeric address: we listen beyond this machine */
	bool query_token; /* ?access_token= is accepted (security.md L5) */
};

/* What an answer goes to: a connection, or a call in process. */
struct responder;

struct request {
	struct api *api;
	struct arena *arena;
	const struct route *route;

	struct str method;
	struct str target;                 /* path and query exactly as sent */
	struct str path;                   /* of it, before '?' */
	struct str query;                  /* of it, behind '?' */
	struct str args[REQUEST_ARGS_MAX]; /* of {name} in order, decoded once, UTF-8, no NUL */
	size_t n_args;

	const struct json *body; /* the object (route.h says when), else NULL */
	struct str body_bytes;   /* its text */
	struct str content_type; /* as sent; may be empty */
	struct str host;         /* of the Host header, with the port */
	struct str user_agent;
	struct str address; /* who asks: "127.0.0.1", or "in-process" */
	struct str token;   /* as sent; for logout. Never to be logged */
	bool cross_origin;  /* it comes from a web page of another origin (security.md L4) */
	struct caller caller;

	/* The text of the error that a handler returns. */
	struct err_ctx why;

	/* For a handler that waits: its own state, and a call when the client is gone. The
	 * request must still be replied to (reply_drop will do), then or later, from the loop:
	 * nothing of the answer is sent. NULL: the answer is just thrown away. */
	void *ctx;
	void (*on_abort)(struct request *r);

	/* Private to client-api/. */
	struct request_impl *impl;
};

/* Query parameters, percent-decoded ('+' is a blank) into the request's arena. Of several with
 * one name the first counts, but for _each: *at starts as 0. */
bool request_query(struct request *r, const char *name, struct str *out);
bool request_query_each(struct request *r, const char *name, size_t *at, struct str *out);
/* The same of the body that a page's form sends (application/x-www-form-urlencoded). */
bool request_form(struct request *r, struct str form, const char *name, struct str *out);
/* *out keeps its value when the parameter is missing. ERR_INVALID (text in r->why) if it is no
 * integer or boolean; beyond lo or hi it is moved to that bound. */
enum err request_query_int(
	struct request *r, const char *name, int64_t lo, int64_t hi, int64_t *out) MUST_CHECK;
enum err request_query_bool(struct request *r, const char *name, bool *out) MUST_CHECK;
/* Another header by its name in any case; the value without blanks at its ends. */
bool request_header(struct request *r, const char *name, struct str *out);

/* The address that it came from; empty for a call from inside the process. */
struct str request_address(const struct request *r);

/* ERR_FORBIDDEN unless user_id (say, a path's) is the caller (security.md A3). */
enum err request_is_caller(struct request *r, struct str user_id) MUST_CHECK;

/* A password is about to be tried for this user: if the answer is 401 or 403 that counts
 * against them, wherever it came from (security.md T5). ERR_LIMIT: too many did already. */
enum err request_limit_login(struct request *r, struct str user) MUST_CHECK;

/*
 * Bodies of BODY_STREAM routes. The handler calls request_body_start() before it returns;
 * data() then gets the bytes as they come, and end() is called once, when all are there.
 * Neither is called before request_body_start() returns, nor after the request was replied to:
 * what is still to come is then dropped. A body cut short, or longer than route->body_limit, is
 * on_abort; for the latter the dispatcher turns whatever is then replied into a 413. (Without
 * on_abort it replies itself.) Returning an error from data() or end() fails the request as
 * from a handler.
 */
struct request_sink {
	enum err (*data)(struct request *r, struct str bytes);
	enum err (*end)(struct request *r);
};
void request_body_start(struct request *r, const struct request_sink *sink);
/* Stops and restarts the flow while the sink is behind (a disk write in the pool). data() may
 * still be called with what had been read: at most 64 KiB. */
void request_body_pause(struct request *r, bool pause);
/* What Content-Length promised, or -1. */
int64_t request_body_length(const struct request *r);

#endif
