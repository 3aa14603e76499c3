#include "transport/link_ws.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "node/base/alloc.h"
#include "transport/listener.h"

#define PROTOCOL    "kith.1"
#define RX_BUFFER   4096 /* lws keeps one of these for each link */
#define TX_PACKET   (LINK_WS_MESSAGE_MAX + 64)
#define MAX_SOCKETS 2
#define UNSENT_MAX  32768 /* bytes that the kernel takes ahead of what the network does */

/*
 * A connection belongs to two: lws, until WSI_DESTROY, and its owner, until closed() or
 * ws_conn_close(). It is freed when both have let go.
 */
struct ws_conn {
	struct link_ws *ws;
	struct ws_conn *prev, *next;
	struct lws *wsi;               /* NULL when lws has let go */
	const struct ws_conn_ops *ops; /* NULL when the owner has let go */
	void *arg;
	struct buf in;
	bool connecting; /* inside a call of lws that may let go: its caller looks afterwards */
	bool open;
	char why[96];
	struct loop_deferred failed;
};

struct link_ws {
	struct link_ws_options o;
	struct lws_vhost *vhost;
	struct listener *listeners[MAX_SOCKETS];
	struct ws_conn *conns;
};

static void conn_unlink(struct ws_conn *c)
{
	if (!c->ws)
		return;
	loop_undefer(c->ws->o.loop, &c->failed);
	if (c->prev)
		c->prev->next = c->next;
	else
		c->ws->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->ws = NULL;
}

static void conn_free_if_over(struct ws_conn *c)
{
	if (c->wsi || c->ops || c->connecting)
		return;
	conn_unlink(c);
	buf_deinit(&c->in);
	free(c);
}

static struct ws_conn *conn_new(struct link_ws *ws)
{
	struct ws_conn *c = NEW(struct ws_conn);

	c->ws = ws;
	c->next = ws->conns;
	if (c->next)
		c->next->prev = c;
	ws->conns = c;
	return c;
}

static void tell_closed(struct ws_conn *c)
{
	const struct ws_conn_ops *ops = c->ops;

	c->ops = NULL;
	if (ops)
		ops->closed(c->arg, c->why[0] ? c->why : "the connection was closed");
}

static void on_failed(struct loop_deferred *d)
{
	struct ws_conn *c = CONTAINER_OF(d, struct ws_conn, failed);

	tell_closed(c);
	conn_free_if_over(c);
}

/* lws is done with the connection. */
static void lws_let_go(struct ws_conn *c)
{
	c->wsi = NULL;
	c->open = false;
	if (c->connecting)
		return;
	tell_closed(c);
	conn_free_if_over(c);
}

static int received(struct ws_conn *c, struct lws *wsi, const char *p, size_t n)
{
	if (!lws_frame_is_binary(wsi) || c->in.n + n > LINK_WS_MESSAGE_MAX)
		return -1;
	buf_put(&c->in, p, n);
	if (lws_remaining_packet_payload(wsi) > 0 || !lws_is_final_fragment(wsi))
		return 0;
	if (c->ops) {
		/* Idle links keep no buffer. */
		struct buf message = c->in;

		c->in = (struct buf){ 0 };
		c->ops->message(c->arg, buf_str(&message));
		buf_deinit(&message);
	}
	return c->ops ? 0 : -1;
}

static int writable(struct ws_conn *c, struct lws *wsi)
{
	struct buf out = { 0 };
	int rc = 0;

	if (!c->ops)
		return -1;
	buf_reserve(&out, LWS_PRE + 1024);
	memset(out.p, 0, LWS_PRE);
	out.n = LWS_PRE;
	if (c->ops->output(c->arg, &out)) {
		size_t n = out.n - LWS_PRE;

		if (lws_write(wsi, (unsigned char *)out.p + LWS_PRE, n, LWS_WRITE_BINARY) < 0)
			rc = -1;
		else
			lws_callback_on_writable(wsi);
	}
	buf_deinit(&out);
	return c->ops ? rc : -1;
}

/* Only our own clients: that path, that subprotocol, and no web page (security.md, O and L). */
static int filter(struct lws *wsi)
{
	const struct lws_protocols *protocol = lws_get_protocol(wsi);
	char path[32];

	if (lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) > 0)
		return -1;
	if (lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI) < 0 ||
		strcmp(path, LINK_PATH) != 0)
		return -1;
	return protocol && strcmp(protocol->name, PROTOCOL) == 0 ? 0 : -1;
}

/* What waits in the kernel can't be overtaken: an interactive record would wait behind a long
 * queue of bulk, and how fast the carrier is would not be seen (link_record.c). */
static void bound_unsent(struct lws *wsi)
{
#ifdef TCP_NOTSENT_LOWAT
	int most = UNSENT_MAX;

	(void)setsockopt(
		lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof(most));
#else
	(void)wsi;
#endif
}

static void established(struct ws_conn *c, struct lws *wsi)
{
	c->open = true;
	bound_unsent(wsi);
	if (c->ops) {
		c->ops->open(c->arg);
		lws_callback_on_writable(wsi);
	}
}

static int callback(
	struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct ws_conn *c = lws_get_opaque_user_data(wsi);

	(void)user;
	/* Not a switch: -Wswitch-enum would want all of lws's hundred reasons. */
	if (reason == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION)
		return c ? filter(wsi) : -1;
	if (reason == LWS_CALLBACK_HTTP)
		return -1;
	if (!c)
		return 0;
	if (reason == LWS_CALLBACK_ESTABLISHED || reason == LWS_CALLBACK_CLIENT_ESTABLISHED) {
		established(c, wsi);
		return c->ops ? 0 : -1;
	}
	if (reason == LWS_CALLBACK_RECEIVE || reason == LWS_CALLBACK_CLIENT_RECEIVE)
		return received(c, wsi, in, len);
	if (reason == LWS_CALLBACK_SERVER_WRITEABLE || reason == LWS_CALLBACK_CLIENT_WRITEABLE)
		return writable(c, wsi);
	if (reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR)
		(void)snprintf(c->why, sizeof(c->why), "%.*s", in ? (int)len : 0,
			in ? (const char *)in : "");
	if (reason == LWS_CALLBACK_WSI_DESTROY) {
		lws_set_opaque_user_data(wsi, NULL);
		lws_let_go(c);
	}
	return 0;
}

static const struct lws_protocols protocols[] = {
	{ .name = "http-only", .callback = callback, .rx_buffer_size = RX_BUFFER },
	{ .name = PROTOCOL,
		.callback = callback,
		.rx_buffer_size = RX_BUFFER,
		.tx_packet_size = TX_PACKET },
	{ 0 },
};

/* Zeros: no ws pings and no hang-up of idle links; the links' own keepalive does that. */
static const lws_retry_bo_t no_pings;

enum err link_ws_new(const struct link_ws_options *o, struct link_ws **out, struct err_ctx *why)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.vhost_name = "kith-link",
		.retry_and_idle_policy = &no_pings,
	};
	struct link_ws *ws = NEW(struct link_ws);

	ws->o = *o;
	ws->vhost = lws_create_vhost(o->lws, &info);
	if (!ws->vhost) {
		free(ws);
		return err_set(why, ERR_IO, "libwebsockets could not make a place for links");
	}
	*out = ws;
	return ERR_OK;
}

static void on_accepted(void *arg, int fd, const char *address, bool loopback)
{
	struct link_ws *ws = arg;
	struct gate_addr from = endpoint_parse_ip(address, 0);
	struct ws_conn *c = conn_new(ws);
	const struct ws_conn_ops *ops = NULL;

	(void)loopback;
	if (!ws->o.accepted(ws->o.arg, c, &from, &ops, &c->arg)) {
		close(fd);
		conn_free_if_over(c);
		return;
	}
	c->ops = ops;
	c->connecting = true; /* lws may give up at once */
	c->wsi = lws_adopt_socket_vhost(ws->vhost, fd);
	c->connecting = false;
	if (c->wsi)
		lws_set_opaque_user_data(c->wsi, c);
	else
		loop_defer(ws->o.loop, &c->failed);
	c->failed.fn = on_failed;
}

static enum err listen_on(
	struct link_ws *ws, size_t at, const char *host, uint16_t port, struct err_ctx *why)
{
	const struct listener_options o = {
		.uv = ws->o.uv,
		.loop = ws->o.loop,
		.host = host,
		.port = port,
		.accepted = on_accepted,
		.arg = ws,
	};

	return listener_new(&o, &ws->listeners[at], why);
}

enum err link_ws_listen(
	struct link_ws *ws, const char *host, uint16_t port, struct err_ctx *why)
{
	struct err_ctx ignored;
	enum err err = listen_on(ws, 0, host ? host : "0.0.0.0", port, why);

	if (err || host)
		return err;
	/* A machine without IPv6 does without. */
	err = listen_on(ws, 1, "::", listener_port(ws->listeners[0]), &ignored);
	(void)err;
	return ERR_OK;
}

uint16_t link_ws_port(const struct link_ws *ws)
{
	return ws->listeners[0] ? listener_port(ws->listeners[0]) : 0;
}

void link_ws_free(struct link_ws *ws)
{
	struct ws_conn *c;

	if (!ws)
		return;
	for (size_t i = 0; i < MAX_SOCKETS; i++)
		listener_free(ws->listeners[i]);
	while ((c = ws->conns) != NULL) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list */
		conn_unlink(c);
		ws_conn_close(c);
	}
	lws_vhost_destroy(ws->vhost);
	free(ws);
}

struct ws_conn *link_ws_dial(struct link_ws *ws, const struct gate_addr *to,
	const struct ws_conn_ops *ops, void *arg)
{
	char address[INET6_ADDRSTRLEN], host[INET6_ADDRSTRLEN + 10];
	struct ws_conn *c = conn_new(ws);
	struct lws_client_connect_info info = {
		.context = ws->o.lws,
		.vhost = ws->vhost,
		.address = address,
		.port = to->port,
		.path = LINK_PATH,
		.host = host,
		.protocol = PROTOCOL,
		.local_protocol_name = PROTOCOL,
		.ietf_version_or_minus_one = -1,
		.pwsi = &c->wsi,
		.opaque_user_data = c,
		.retry_and_idle_policy = &no_pings,
	};

	if (!inet_ntop(to->n == 4 ? AF_INET : AF_INET6, to->ip, address, sizeof(address)))
		address[0] = '\0';
	(void)snprintf(host, sizeof(host), to->n == 4 ? "%s:%u" : "[%s]:%u", address, to->port);
	c->ops = ops;
	c->arg = arg;
	c->failed.fn = on_failed;
	c->connecting = true;
	if (!lws_client_connect_via_info(&info))
		c->wsi = NULL;
	c->connecting = false;
	if (!c->wsi)
		loop_defer(ws->o.loop, &c->failed);
	return c;
}

void ws_conn_wake(struct ws_conn *c)
{
	if (c->wsi && c->open)
		lws_callback_on_writable(c->wsi);
}

void ws_conn_close(struct ws_conn *c)
{
	c->ops = NULL;
	/* Unlinked now: lws may keep it for some turns, longer than the owner lives. */
	conn_unlink(c);
	/* Now: asked to do it later, lws would wait for the next event of any connection. */
	c->connecting = true;
	if (c->wsi)
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
	c->connecting = false;
	conn_free_if_over(c);
}
