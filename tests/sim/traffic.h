/*
 * traffic: what the nodes of a simulation say to each other, and what became of it.
 *
 * Of everything durable (to-device messages, room messages) it knows who must get it, sees each
 * arrival through the receiver's own feed, and fails the world when something has an effect
 * twice or is neither with the receiver nor with the sender.
 */
#ifndef KITH_TESTS_SIM_TRAFFIC_H
#define KITH_TESTS_SIM_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node;
struct traffic;
struct world;

struct traffic *traffic_new(struct world *w);
void traffic_free(struct traffic *t);

void traffic_node_up(struct node *n);
void traffic_node_down(struct node *n);

/* A to-device message; an event of the room; a question. From a node that is up. */
void traffic_to_device(struct world *w, size_t from, size_t to);
void traffic_message(struct world *w, size_t from);
void traffic_ask(struct world *w, size_t from, size_t to);

/* Keeps 128 requests of 20 kB on their way until node->floods is taken back. */
void traffic_flood(struct world *w, size_t from, size_t to);

/* A node lies from now on, or stops: what went to it until then is its own loss. */
void traffic_lie(struct node *n, bool lies);

/* What hasn't arrived must lie with its sender. */
void traffic_check_held(struct world *w);

/* For the table; latencies in ms of what was sent in [from_us, to_us). */
struct traffic_result {
	uint64_t due, delivered;  /* item and receiver, counted in pairs */
	uint64_t asked, answered; /* questions */
	uint64_t p50, p95, max;
	uint64_t ask_p95;
	size_t links;
};
void traffic_result(
	const struct traffic *t, uint64_t from_us, uint64_t to_us, struct traffic_result *out);

void traffic_note_state(struct traffic *t, size_t links);

#endif
