/*
 * nodes: whole kith nodes in this process, through kith.h alone, each on a thread of its own.
 *
 * Calls block until answered. What goes wrong that no test is about fails the test.
 */
#ifndef KITH_TESTS_NODES_H
#define KITH_TESTS_NODES_H

#include <pthread.h>

#include "node/base/arena.h"
#include "node/include/kith.h"
#include "node/json/json.h"

struct test_node {
	char dir[64];
	struct kith *kith; /* NULL while it is stopped */
	pthread_t thread;
	char link_port[8];   /* kept over restarts */
	struct arena *arena; /* answers live here */
};

/* A user of a node. */
struct test_user {
	struct test_node *node;
	const char *user_id;
	const char *token;
	const char *device_id;
	const char *since; /* of sync_once() */
};

/* An empty data directory; the node is started. */
void node_new(struct test_node *n);
void node_stop(struct test_node *n);
void node_start(struct test_node *n);
void node_free(struct test_node *n); /* removes the directory too */

/* a invites, b accepts; returns the answer of b's `join`. */
const struct json *node_pair(struct test_node *a, struct test_node *b);

/* One call; body NULL or JSON text. Fails the test unless the answer has that status (0: any).
 * Lives as long as the node. */
const struct json *node_call(struct test_node *n, const char *token, int status,
	const char *method, const char *target, const char *body);
const struct json *user_call(struct test_user *u, int status, const char *method,
	const char *body, const char *target_fmt, ...) __attribute__((format(printf, 5, 6)));

struct test_user user_new(struct test_node *n, const char *name);

/* The value at a path of members ("rooms.join.!x:y" won't do: members are given one by one),
 * NULL when any is missing; the list ends with NULL. */
const struct json *at(const struct json *j, ...) __attribute__((sentinel));
/* The same, a string that must be there; NUL-terminated, in the node's arena. */
const char *text_at(struct test_node *n, const struct json *j, ...) __attribute__((sentinel));

/* One /sync from where the last left off; waits up to timeout_ms. */
const struct json *sync_once(struct test_user *u, unsigned timeout_ms);

/* Syncs until found(arg, answer) is true, 20 s at most, or fails the test saying what. */
const struct json *sync_until(struct test_user *u, const char *what,
	bool (*found)(void *arg, const struct json *answer), void *arg);

/* Percent-encodes a path segment. */
const char *enc(struct test_node *n, const char *s);
const char *fmt(struct test_node *n, const char *f, ...) __attribute__((format(printf, 2, 3)));

#endif
