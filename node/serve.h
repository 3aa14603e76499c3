/*
 * serve: a node for its clients: the listener of the client-server API and the control socket.
 */
#ifndef KITH_SERVE_H
#define KITH_SERVE_H

#include "node/base/err.h"

struct node;

/* Fills n->api and makes the router, which calls in process share with the listener. */
void serve_api(struct node *n);
void serve_api_end(struct node *n); /* no request is left */

/* Binds the client listener and the control socket. */
enum err serve_open(struct node *n, struct err_ctx *why) MUST_CHECK;
void serve_close(struct node *n);

#endif
