/*
 * link_ws: links over WebSocket (overlay.md section 4, "ws/wss"; stack.md 2 to 5).
 *
 * Carries messages, knows nothing of what is in them. One vhost of the node's lws context, fed
 * by listeners of its own; subprotocol kith.1, path /_kith/link, binary only, no extensions, no
 * ws pings. A request that carries Origin comes from a web page and is refused. Loop thread
 * alone.
 */
#ifndef KITH_TRANSPORT_LINK_WS_H
#define KITH_TRANSPORT_LINK_WS_H

#include "node/base/buf.h"
#include "node/base/err.h"
#include "node/base/loop.h"
#include "transport/endpoint.h"

#define LINK_WS_MESSAGE_MAX 66000

struct link_ws;
struct lws_context;
struct ws_conn;
struct uv_loop_s;

struct ws_conn_ops {
	/* The connection stands: messages may go. */
	void (*open)(void *arg);
	void (*message)(void *arg, struct str message);
	/* May write: append one message, or say that there is none. */
	bool (*output)(void *arg, struct buf *message);
	/* It is gone, or never came up; conn is no more after this. Never from inside a call of
	 * the owner's, and not after ws_conn_close(). */
	void (*closed)(void *arg, const char *why);
};

struct link_ws_options {
	struct lws_context *lws;
	struct uv_loop_s *uv;
	struct loop *loop;
	/* A connection came. Sets *ops and *arg; false: not wanted. */
	bool (*accepted)(void *arg, struct ws_conn *conn, const struct gate_addr *from,
		const struct ws_conn_ops **ops, void **conn_arg);
	void *arg;
};

enum err link_ws_new(
	const struct link_ws_options *o, struct link_ws **out, struct err_ctx *why) MUST_CHECK;

/* Listens. host: numeric, or NULL for every address. port 0: a free one. ERR_EXISTS: taken. */
enum err link_ws_listen(
	struct link_ws *ws, const char *host, uint16_t port, struct err_ctx *why) MUST_CHECK;
uint16_t link_ws_port(const struct link_ws *ws); /* 0: doesn't listen */

/* Closes everything; no callback comes after it. NULL is fine. */
void link_ws_free(struct link_ws *ws);

/* to must be numeric; host goes into the Host header. closed() tells of failures too. */
struct ws_conn *link_ws_dial(struct link_ws *ws, const struct gate_addr *to,
	const struct ws_conn_ops *ops, void *arg);

void ws_conn_wake(struct ws_conn *c); /* output() will be asked */
/* Closes without a callback; c is no more after this. Not from inside a callback of its own. */
void ws_conn_close(struct ws_conn *c);

#endif
