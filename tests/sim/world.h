/*
 * world: the nodes of a simulation, and what is known of them from outside.
 *
 * A node is the program's own code from transport.h down (identity, links, sessions, requests),
 * on a loop in virtual time and with net.c for a network. A full node has a store, users, rooms
 * and federation too, so what it owes others lies in the real outbox; a bare one answers every
 * request itself, for runs with many nodes.
 */
#ifndef KITH_TESTS_SIM_WORLD_H
#define KITH_TESTS_SIM_WORLD_H

#include "node/core/sign.h"
#include "node/federation/federation.h"
#include "store/store.h"
#include "tests/sim/net.h"
#include "tests/support/persist_memory.h"
#include "transport/transport.h"

#include <stdio.h>

struct world;

struct node {
	struct world *world;
	size_t at;
	bool up;
	bool lies;       /* says yes to every transaction and takes none */
	int64_t skew_ms; /* of its wall clock */
	bool floods;
	size_t flood_to;

	struct queue_loop loop;
	struct clock clock;
	struct log log;
	struct identity *identity;
	struct sign_key key;
	struct persist_memory memory;
	struct transport *transport;
	struct transport_listener peers;
	unsigned ups; /* sessions that came up */

	/* Of a full one. */
	char path[128];
	struct store *store;
	struct store_listener feed;
	struct users *users;
	struct rooms *rooms;
	struct typing *typing;
	struct receipts *receipts;
	struct presence *presence;
	struct federation *federation;
	char user_id[128];
	char token[128];
	int64_t device;                /* its user's one device */
	int64_t inbox_pos;             /* to-device messages up to here were read */
	struct transport_handler real; /* federation's, behind a liar's */
};

struct world {
	struct queue q;
	struct net *net;
	struct node *nodes;
	size_t n;
	bool full;
	bool *friends; /* n x n */
	char dir[64];
	char room_id[256];
	uint64_t cost_us;        /* of a served request, on a bare node's processor */
	struct traffic *traffic; /* traffic.c */
	bool verbose;

	bool failed;
	char why[256];
};

struct world *world_new(uint64_t seed, size_t n, bool full, const struct net_model *model);
void world_free(struct world *w);

void world_fail(struct world *w, const char *fmt, ...) PRINTF(2, 3);

void node_start(struct node *n);
/* As SIGTERM ends it. What it keeps stays. */
void node_stop(struct node *n);
struct str node_name(const struct node *n);
struct node *world_find(struct world *w, struct str name);

/* Runs for so long. */
void world_run(struct world *w, uint64_t us);
/* Runs until cond or for limit_us; false then. */
bool world_until(struct world *w, bool (*cond)(void *arg), void *arg, uint64_t limit_us);

/* An invite of a's, accepted by b. False: not within a minute. */
bool world_pair(struct world *w, size_t a, size_t b);
/* One account on each full node. */
void world_register(struct world *w);
/* Node 0 makes a public room that the others join; all take part when it returns true. */
bool world_room(struct world *w);

/* What may be in memory (overlay.md, section 15): fails the world if it isn't so. */
void world_check_bounds(struct world *w, struct node *n);

#endif
