/*
 * lws: the node's one libwebsockets context, on the node's libuv loop.
 *
 * Debian's libwebsockets is used as a carrier of bytes: accepting, TLS, buffering and write
 * readiness (raw-skt role), plain WebSocket for overlay links, outgoing connections. Each
 * listener is a vhost that its owner makes (http_server.c, the links) with lws_create_vhost()
 * on lws_node_context(), with info.user set to what it needs. One context for each node, no
 * process-wide state but lws's own log level, which is set once.
 */
#ifndef KITH_TRANSPORT_LWS_H
#define KITH_TRANSPORT_LWS_H

#include "node/base/err.h"
#include "node/base/log.h"

struct lws_context;
struct lws_node;
struct uv_loop_s;

/* ERR_IO if lws could not start (its libuv plugin, Debian's libwebsockets-evlib-uv, is not
 * installed, or no file descriptors are left). */
enum err lws_node_new(struct uv_loop_s *uv, const struct log *log, struct lws_node **out,
	struct err_ctx *why) MUST_CHECK;

struct lws_context *lws_node_context(struct lws_node *n);

/*
 * Closing, in two steps, since lws's handles close through the loop. lws_node_stop() closes
 * every vhost and connection (their CLOSE callbacks run inside it or in the turns after); call
 * it from the loop or before uv_run, after listeners were told that they are closing. Then let
 * uv_run drain, and call lws_node_free() before uv_loop_close().
 */
void lws_node_stop(struct lws_node *n);
void lws_node_free(struct lws_node *n); /* NULL is fine */

#endif
