/*
 * net_double: transport.h in memory, for tests that run several nodes in one process.
 *
 * Nodes are called by name. Requests and answers take a turn of the loop each. A link between
 * two nodes can be cut: requests and answers that are then under way are lost.
 */
#ifndef KITH_TESTS_NET_DOUBLE_H
#define KITH_TESTS_NET_DOUBLE_H

#include "transport/transport.h"

struct net;

struct net *net_new(struct loop *loop);
void net_free(struct net *n); /* every node has left; what was deferred has run */

/* A node's transport, connected to everyone. name is borrowed. Leave with transport_free(). */
struct transport *net_join(struct net *n, const char *name);

/* Cuts or mends all links of a node; the others' and its own listeners are told. */
void net_connect(struct transport *t, bool up);

/* The same for the link between two. */
void net_cut(struct transport *a, struct transport *b, bool cut);

/* Every request that reaches a node: which node asked which for what. May be NULL. */
void net_watch(struct net *n,
	void (*seen)(void *arg, const char *from, const char *to, enum transport_method method,
		struct str path, struct str body),
	void *arg);

/* The next answer is lost after the request had its effect. */
void net_lose_answer(struct net *n);

/* Requests and answers under way. */
size_t net_busy(const struct net *n);

#endif
