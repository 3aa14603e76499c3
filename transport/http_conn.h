/*
 * http_conn: private to http_server.c, http_conn.c and http_exchange.c.
 *
 * http_server.c has the listener, lws and the bounds; http_conn.c reads a connection;
 * http_exchange.c writes its answers.
 *
 * A connection reads one request at a time:
 *
 *   HEAD --whole head--> HELD --http_exchange_read--> BODY --all of it--> WAIT --answered--+
 *    ^                    |                            |                                   |
 *    |                    +------ answered early ------+--> DISCARD --rest of the body-----+
 *    +-------------------------------------------------------------------------------------+
 *
 * and LINGER when it is to be closed: what was written goes out, our side is shut, and what
 * still comes in is dropped for a moment, since closing over unread bytes would reset the
 * connection and take the answer away from the client.
 *
 * No callback of lws or call of a handler closes anything or reads on by itself: it marks the
 * connection, and the pass at the end of the loop's turn (http_server.c) reads on, writes once,
 * and closes.
 */
#ifndef KITH_TRANSPORT_HTTP_CONN_H
#define KITH_TRANSPORT_HTTP_CONN_H

#include "transport/http_server.h"
#include "transport/listener.h"
#include "transport/patience.h"

#define HTTP_WRITE_MAX    65536u /* in one call of lws */
#define HTTP_PIPELINE_MAX 65536u /* read ahead of the request at hand */

struct lws;

enum http_conn_state { CONN_HEAD, CONN_HELD, CONN_BODY, CONN_WAIT, CONN_DISCARD, CONN_LINGER };

/* Kinds of patience. */
enum { FOR_HEAD, FOR_BODY, FOR_REQUEST, FOR_READER, FOR_CLOSE };

struct http_seg {
	struct http_seg *next;
	struct buf bytes;
	size_t at; /* sent */
};

struct http_address {
	unsigned conns;
	char text[LISTENER_ADDRESS_MAX];
};

struct http_conn {
	struct http_server *server;
	struct lws *wsi; /* NULL once lws has closed it */
	struct http_conn *prev, *next;
	struct http_conn *next_dirty;
	struct patience_entry patience;
	struct http_address *counted; /* NULL: loopback, not counted */
	struct http_exchange *x;      /* at hand; NULL: none */
	struct http1_scan scan;
	struct http1_body body;
	struct buf in;
	size_t in_at; /* consumed */
	struct http_seg *out, *out_last;
	size_t out_bytes;
	uint64_t discarded;
	size_t window_bytes; /* of the body, in this window of time */
	enum http_conn_state state;
	bool dirty;
	bool first_window; /* of FOR_BODY: no rate is asked yet */
	bool close_next;   /* after this answer */
	bool read_off;     /* lws doesn't read for us now */
	bool active;
	bool parked;
	bool shut; /* our side is */
	bool dead; /* to be closed with whatever is still in it */
	char address[LISTENER_ADDRESS_MAX];
};

struct http_exchange {
	struct http_conn *conn; /* NULL once aborted */
	struct http_server *server;
	struct arena *arena; /* it lies in it itself */
	struct str address;
	void *user;
	int64_t left; /* of the answer's promised length; -1: until the end */
	bool head_only;
	bool http_1_0;
	bool chunked;
	bool expects; /* 100 Continue was asked for and not given */
	bool paused;
	bool answered;
	bool want_drain;
};

/* http_server.c */
void http_conn_mark(struct http_conn *c); /* for the pass */
const struct http_server_options *http_server_options(const struct http_server *s);
void http_conn_count(struct http_conn *c); /* its being active may have changed */
bool http_server_is_full(const struct http_server *s);
void http_conn_wait(struct http_conn *c, unsigned kind);
void http_conn_wait_not(struct http_conn *c);
const char *http_server_date(struct http_server *s);
void http_server_count_request(struct http_server *s);

/* http_conn.c */
void http_conn_take(struct http_conn *c, struct str bytes); /* from lws */
void http_conn_read(struct http_conn *c);                   /* as far as it goes */
void http_conn_refuse(struct http_conn *c, unsigned status);
void http_conn_late(struct http_conn *c, unsigned kind); /* patience is over */
void http_conn_answered(struct http_conn *c);            /* its exchange has ended */
/* More of a body is to come than is read for nothing: the answer says that it is the last. */
bool http_conn_leaves_body(const struct http_conn *c);
void http_conn_abort(struct http_conn *c); /* tells its exchange, if any */

/* http_exchange.c */
struct http_exchange *http_exchange_new(struct http_conn *c, struct arena *a);
void http_conn_put(struct http_conn *c, const void *p, size_t n);
void http_conn_put_answer(struct http_conn *c, const struct http_answer *a, bool keep_alive,
	bool chunked, bool http_1_0);
/* What there is to write next, at most n bytes of it, copied to p. */
size_t http_conn_peek(const struct http_conn *c, void *p, size_t n);
void http_conn_sent(struct http_conn *c, size_t n);
void http_conn_drop_output(struct http_conn *c);

#endif
