#include "transport/listener.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "node/base/alloc.h"
#include "node/base/loop.h"

#define BACKLOG       256
#define ACCEPT_A_TURN 64 /* so that a flood of connections leaves time for the others */
#define EXHAUSTED_MS  1000
#define MAX_SOCKETS   2

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct socket {
	struct listener *listener;
	uv_poll_t poll;
	int fd;
};

struct listener {
	struct listener_options o;
	struct socket sockets[MAX_SOCKETS];
	unsigned n;
	unsigned closing; /* handles that are still to be closed */
	uint16_t port;
	bool loopback;
	struct loop_timer *pause;
};

static bool parse_address(const char *host, uint16_t port, union address *a)
{
	char text[LISTENER_ADDRESS_MAX + 2];
	size_t n = strlen(host);

	*a = (union address){ 0 };
	a->v4.sin_port = htons(port);
	if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		return true;
	}
	if (n >= sizeof(text))
		return false;
	memcpy(text, host, n + 1);
	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text[n - 1] = '\0';
		host = text + 1;
	} else {
		host = text;
	}
	*a = (union address){ 0 };
	a->v6.sin6_port = htons(port);
	a->v6.sin6_family = AF_INET6;
	return inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1;
}

static bool is_loopback(const union address *a)
{
	if (a->any.sa_family == AF_INET)
		return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
	const struct in6_addr *v6 = &a->v6.sin6_addr;
	return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

static socklen_t address_size(const union address *a)
{
	return a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

static void address_text(const union address *a, char out[LISTENER_ADDRESS_MAX])
{
	const void *p = a->any.sa_family == AF_INET ? (const void *)&a->v4.sin_addr
						    : (const void *)&a->v6.sin6_addr;
	if (!inet_ntop(a->any.sa_family, p, out, LISTENER_ADDRESS_MAX))
		out[0] = '\0';
}

/* Accepts one; false when there are no more for now. */
static bool accept_one(struct socket *s)
{
	struct listener *l = s->listener;
	union address from = { 0 };
	socklen_t size = sizeof(from);
	char text[LISTENER_ADDRESS_MAX];
	int on = 1;

	int fd = accept4(s->fd, &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 &&
		(errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		/* The socket stays readable: without a pause the loop would spin. */
		for (unsigned i = 0; i < l->n; i++)
			uv_poll_stop(&l->sockets[i].poll);
		loop_timer_set(l->o.loop, l->pause, EXHAUSTED_MS);
		if (l->o.exhausted)
			l->o.exhausted(l->o.arg);
		return false;
	}
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	address_text(&from, text);
	l->o.accepted(l->o.arg, fd, text, is_loopback(&from));
	return true;
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	struct socket *s = h->data;
	(void)status, (void)events; /* accept4 says what is the matter */
	for (int i = 0; i < ACCEPT_A_TURN && !s->listener->closing && accept_one(s); i++)
		;
}

static void on_pause_over(void *arg)
{
	struct listener *l = arg;
	for (unsigned i = 0; i < l->n; i++)
		uv_poll_start(&l->sockets[i].poll, UV_READABLE, on_readable);
}

static enum err fail(struct err_ctx *why, const struct listener_options *o, const char *what)
{
	int e = errno;
	if (e == EADDRINUSE)
		return err_set(why, ERR_EXISTS,
			"%s:%u is taken by another program (or another kith)", o->host,
			o->port);
	return err_set(why, ERR_IO, "%s on %s:%u: %s", what, o->host, o->port, strerror(e));
}

static enum err listen_on(struct listener *l, union address *a, struct err_ctx *why)
{
	struct socket *s = &l->sockets[l->n];
	socklen_t size = sizeof(*a);
	int on = 1;

	int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(why, &l->o, "no socket");
	/* REUSEADDR lets a restart bind beside connections in TIME_WAIT; it lets nobody bind
	 * beside a listener. REUSEPORT would (security.md L7). */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->any.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	enum err err = ERR_OK;
	if (bind(fd, &a->any, address_size(a)) != 0)
		err = fail(why, &l->o, "can't bind");
	else if (listen(fd, BACKLOG) != 0 || getsockname(fd, &a->any, &size) != 0)
		err = fail(why, &l->o, "can't listen");
	else if (uv_poll_init(l->o.uv, &s->poll, fd) != 0)
		err = err_set(why, ERR_IO, "libuv can't watch the listening socket");
	if (err) {
		close(fd);
		return err;
	}
	l->port = ntohs(a->any.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port);
	l->loopback = is_loopback(a);
	s->listener = l;
	s->fd = fd;
	s->poll.data = s;
	uv_poll_start(&s->poll, UV_READABLE, on_readable);
	l->n++;
	return ERR_OK;
}

/* The IPv6 side of localhost, at the port that the IPv4 side has: a machine without IPv6 does
 * without. */
static enum err listen_on_v6_too(struct listener *l, struct err_ctx *why)
{
	struct err_ctx unused = { 0 };
	union address a;
	bool parsed = parse_address("::1", l->port, &a);
	assert(parsed);
	(void)parsed;
	if (listen_on(l, &a, &unused) == ERR_EXISTS)
		return err_set(
			why, ERR_EXISTS, "[::1]:%u is taken by another program", l->port);
	return ERR_OK;
}

enum err listener_new(
	const struct listener_options *o, struct listener **out, struct err_ctx *why)
{
	bool localhost = strcmp(o->host, "localhost") == 0;
	union address a;
	if (!parse_address(localhost ? "127.0.0.1" : o->host, o->port, &a))
		return err_set(why, ERR_INVALID,
			"%s is no numeric address (and not localhost): can't listen there",
			o->host);

	struct listener *l = NEW(struct listener);
	l->o = *o;
	l->pause = loop_timer_new(o->loop, on_pause_over, l);
	enum err err = listen_on(l, &a, why);
	if (!err && localhost)
		err = listen_on_v6_too(l, why);
	l->o.host = NULL; /* the caller's, and not needed any more */
	if (err) {
		listener_free(l);
		return err;
	}
	*out = l;
	return ERR_OK;
}

uint16_t listener_port(const struct listener *l)
{
	return l->port;
}

bool listener_is_loopback(const struct listener *l)
{
	return l->loopback;
}

static void on_closed(uv_handle_t *h)
{
	struct socket *s = h->data;
	struct listener *l = s->listener;
	if (--l->closing == 0)
		free(l);
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	loop_timer_free(l->o.loop, l->pause);
	l->closing = l->n;
	if (l->n == 0) {
		free(l);
		return;
	}
	for (unsigned i = 0; i < l->n; i++) {
		uv_close((uv_handle_t *)&l->sockets[i].poll, on_closed);
		close(l->sockets[i].fd);
	}
}
