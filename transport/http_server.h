/*
 * http_server: HTTP/1.1 over lws's raw connections.
 *
 * lws carries the bytes (raw-skt role), http1 reads them, and this module does what lies
 * between (security.md H2 to H4): one request at a time of what a client pipelines, bodies as
 * streams with back-pressure both ways, time limits, bounds on connections, and telling a
 * waiting handler that its client is gone. It knows nothing of paths, Matrix or CORS: that is
 * the handler's. Nothing here wakes an idle loop but a connection that is due to be closed.
 * Loop thread alone.
 */
#ifndef KITH_TRANSPORT_HTTP_SERVER_H
#define KITH_TRANSPORT_HTTP_SERVER_H

#include "node/base/arena.h"
#include "node/base/buf.h"
#include "node/base/clock.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/loop.h"
#include "transport/http1.h"

struct http_exchange; /* one request and its answer */
struct http_server;
struct lws_node;
struct uv_loop_s;

struct http_answer {
	unsigned status;
	struct str content_type; /* empty: none */
	struct str headers;      /* further header lines, each with its CRLF */
	int64_t length;          /* of the body; -1: not known yet */
};

/* What is called, from the loop. Inside of any of them, and later, the handler may answer. */
struct http_handler {
	/* A request's head. What head points to lives as long as x. Each exchange that came
	 * here ends with one call of http_exchange_end(). */
	void (*request)(void *arg, struct http_exchange *x, const struct http1_head *head);
	/* Its body, after http_exchange_read(). bytes are borrowed. */
	void (*body)(struct http_exchange *x, struct str bytes);
	void (*body_end)(struct http_exchange *x);
	/* http_exchange_write() said false, and now there is room. */
	void (*drained)(struct http_exchange *x);
	/* The client is gone, or broke the protocol: nothing of the answer is sent any more.
	 * Comes at most once, and not after http_exchange_end(). */
	void (*aborted)(struct http_exchange *x);
	/* The answer to what never became a request (400, 408, 413, 414, 415, 417, 431, 503,
	 * 505): fills in content type, headers (borrowed until the return of the caller's
	 * caller: static text, say) and body. */
	void (*refused)(
		void *arg, const char *address, struct http_answer *a, struct buf *body);
	void *arg;
};

struct http_server_options {
	struct lws_node *lws;
	struct uv_loop_s *uv;
	struct loop *loop;
	const struct clock *clock;
	const struct log *log; /* may be NULL */
	const char *host;      /* listener.h says which; borrowed during _new alone */
	uint16_t port;
	struct http_handler handler;

	/* 0: as limits.h has them. For operators and tests. */
	unsigned headers_ms, idle_ms, stalled_ms;
	unsigned body_ms; /* the window in which a body's rate is judged */
	unsigned max_conns, max_active, max_address;
};

/* Listens. Errors as listener_new's. */
enum err http_server_new(const struct http_server_options *o, struct http_server **out,
	struct err_ctx *why) MUST_CHECK;
uint16_t http_server_port(const struct http_server *s);
bool http_server_is_loopback(const struct http_server *s);

/* Stops listening and closes all connections; exchanges get aborted() and must still be ended.
 * Before lws_node_stop(). NULL is fine. */
void http_server_free(struct http_server *s);

struct http_server_stats {
	size_t conns;  /* open */
	size_t active; /* of them, at work: not idle between requests and not parked */
	uint64_t requests;
};
struct http_server_stats http_server_stats(const struct http_server *s);

/* Memory that lives as long as the exchange. */
struct arena *http_exchange_arena(struct http_exchange *x);
struct str http_exchange_address(const struct http_exchange *x);
void http_exchange_set_user(struct http_exchange *x, void *user);
void *http_exchange_user(const struct http_exchange *x);

/* Starts the body: body() and body_end() follow, never from inside of this call. Without it
 * nothing of the body is read until the answer is made, and a client that waits for
 * 100 Continue isn't told to go on. */
void http_exchange_read(struct http_exchange *x);
/* Stops and restarts the body. What had been read already (64 KiB at most) may still come. */
void http_exchange_pause(struct http_exchange *x, bool pause);
/* Nothing happens here until something else in the node does (a long poll): it doesn't count as
 * active. */
void http_exchange_park(struct http_exchange *x);

/* The answer: its head, then its bytes (of which a HEAD request gets none), then the end. */
void http_exchange_answer(struct http_exchange *x, const struct http_answer *a);
/* True while more is welcome: less than LIMIT_HTTP_OUT_BUFFERED waits for the client. */
bool http_exchange_write(struct http_exchange *x, struct str bytes);
/* Takes the buffer's memory and leaves it empty: for large answers that are whole already. */
bool http_exchange_write_take(struct http_exchange *x, struct buf *bytes);
/* Ends it: x is gone, and its arena. Without an answer, or short of its promised length, the
 * connection is closed. */
void http_exchange_end(struct http_exchange *x);

#endif
