/*
 * overlay_node: a transport over real sockets, with what it keeps in memory, for tests.
 *
 * All nodes of a test run on one uv loop. What is kept outlives the transport, so that a test
 * can restart a node.
 */
#ifndef KITH_TESTS_OVERLAY_NODE_H
#define KITH_TESTS_OVERLAY_NODE_H

#include "node/base/buf.h"
#include "node/loop_uv.h"
#include "tests/support/persist_memory.h"
#include "transport/lws.h"
#include "transport/transport.h"

struct overlay_node {
	struct loop_uv *loop;
	struct identity *identity;
	struct transport *transport; /* NULL while it is stopped */
	struct lws_node *lws;
	struct transport_listener listener;
	char listen[64];

	/* Ahead of the real time, for what its own clock only compares. */
	uint64_t ahead_ms;
	struct loop shifted;
	struct loop_ops shifted_ops;
	struct log log;

	/* What happened. */
	unsigned ups, downs, contacts;
	unsigned log_lines; /* of level info and worse */
	char contact_user[256];

	struct persist_memory memory; /* what it keeps */
};

void overlay_node_init(struct overlay_node *n, struct loop_uv *loop);
/* listen NULL: 127.0.0.1 and a free port. */
void overlay_node_start(struct overlay_node *n, const char *listen);
void overlay_node_stop(struct overlay_node *n);
void overlay_node_deinit(struct overlay_node *n);
struct str overlay_node_name(const struct overlay_node *n);

/* Runs the loop until *flag is not 0; false after ms milliseconds. */
bool overlay_run_until(struct loop_uv *loop, const unsigned *flag, unsigned ms);
/* Runs it for so long. */
void overlay_run_for(struct loop_uv *loop, unsigned ms);

/* a invites b; both are contacts and have a session when it returns. */
void overlay_pair(struct overlay_node *a, struct overlay_node *b);

struct overlay_asked {
	unsigned done;
	enum err err;
	unsigned status;
};

/* A request; q->done becomes 1 when it is over. */
void overlay_ask(struct overlay_node *from, const struct overlay_node *to, struct str body,
	struct overlay_asked *q);
/* It is answered, if only to say that nobody serves. */
void overlay_still_answers(struct overlay_node *from, struct overlay_node *to);

#endif
