/*
 * net: what lies between the nodes of a simulation. Stands in for transport/link_ws.c, whose
 * header it implements: connections over paths with latency, jitter and bandwidth.
 *
 * A connection is what TCP makes of a path: in order, without loss, or broken. So a path that
 * loses everything (LOST, also in one direction alone) holds messages back; when it heals soon
 * they arrive late, else both ends hear that the connection broke. A CUT path tells both at
 * once.
 */
#ifndef KITH_TESTS_SIM_NET_H
#define KITH_TESTS_SIM_NET_H

#include "tests/sim/queue.h"
#include "transport/link_ws.h"

#define NET_GIVES_UP_US 20000000 /* a connection that heard nothing for so long */

enum net_path { NET_OPEN, NET_CUT, NET_LOST };

struct net_model {
	uint64_t latency_us, jitter_us;
	uint64_t bytes_per_s; /* 0: no bound */
};

/* Breaks each connection when so many of its bytes have arrived, counted over both directions;
 * the message that is then under way arrives cut short, or not at all. */
struct net_guillotine {
	bool armed;
	bool cut_short;
	uint64_t after_bytes;
};

struct net;

struct net *net_new(struct queue *q, size_t n, const struct net_model *model);
void net_free(struct net *net); /* nobody may be on it */

/* Node i's loop; its address is net_address(). Before its transport is made. */
void net_place(struct net *net, size_t i, struct queue_loop *l);
void net_address(size_t i, char text[32]); /* "10.77.x.y" */

/* What is sent from a to b. */
void net_set(struct net *net, size_t a, size_t b, enum net_path path);
enum net_path net_get(const struct net *net, size_t a, size_t b);

void net_guillotine(struct net *net, const struct net_guillotine *g);

uint64_t net_bytes(const struct net *net, size_t from); /* sent by a node so far */
uint64_t net_dials(const struct net *net, size_t from);

#endif
