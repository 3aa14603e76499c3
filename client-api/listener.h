/*
 * listener: the client-server API on a TCP port of this machine.
 */
#ifndef KITH_CLIENT_API_LISTENER_H
#define KITH_CLIENT_API_LISTENER_H

#include "client-api/router.h"
#include "transport/http_server.h"

struct client_listener;

struct client_listener_options {
	struct router *router;
	struct lws_node *lws;
	struct uv_loop_s *uv;
	const char *host; /* "127.0.0.1", "::1", "localhost", "0.0.0.0", ... */
	uint16_t port;    /* 0: any that is free */
	/* Of the server, for operators and tests; 0: as limits.h has them. */
	unsigned headers_ms, idle_ms, stalled_ms;
	unsigned max_conns, max_active, max_address;
};

/* ERR_EXISTS if the port is taken, ERR_INVALID for a host that isn't numeric, ERR_IO; the text
 * is fit to be shown. */
enum err client_listener_new(const struct client_listener_options *o,
	struct client_listener **out, struct err_ctx *why) MUST_CHECK;
uint16_t client_listener_port(const struct client_listener *l);
bool client_listener_is_loopback(const struct client_listener *l);
struct http_server_stats client_listener_stats(const struct client_listener *l);

/* Closes all connections. Requests that handlers still hold live on until they are replied to,
 * which must be before router_free(). NULL is fine. */
void client_listener_free(struct client_listener *l);

#endif
