/*
 * listener: accepts TCP connections on exactly the address and port asked for.
 *
 * lws can listen too, but hides why it couldn't, which port it got, and who came; so kith
 * accepts, and lws adopts what was accepted. Loop thread alone.
 */
#ifndef KITH_TRANSPORT_LISTENER_H
#define KITH_TRANSPORT_LISTENER_H

#include "node/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define LISTENER_ADDRESS_MAX 46 /* of a numeric address, with its NUL */

struct listener;
struct loop;
struct uv_loop_s;

struct listener_options {
	struct uv_loop_s *uv;
	struct loop *loop;
	/* "127.0.0.1", "::1" (brackets are fine), "0.0.0.0", "::", or "localhost", which is
	 * 127.0.0.1 and ::1 where the machine has it. */
	const char *host;
	uint16_t port; /* 0: one that is free */
	/* A connection: fd is the callee's now, non-blocking and with TCP_NODELAY. address is
	 * borrowed; loopback says whether it is this machine's own. */
	void (*accepted)(void *arg, int fd, const char *address, bool loopback);
	/* No descriptors are left: the callee closes something if it can. Accepting goes on a
	 * second later. */
	void (*exhausted)(void *arg);
	void *arg;
};

/* ERR_EXISTS if the port is taken, ERR_INVALID for a host that is none of the above, ERR_IO;
 * the text is fit to be shown to whoever started the program. */
enum err listener_new(const struct listener_options *o, struct listener **out,
	struct err_ctx *why) MUST_CHECK;

/* The port that it listens on. */
uint16_t listener_port(const struct listener *l);
/* Whether only this machine can reach it. */
bool listener_is_loopback(const struct listener *l);

/* Stops listening at once. The memory is freed by the loop's next turns. NULL is fine. */
void listener_free(struct listener *l);

#endif
