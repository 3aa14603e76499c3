/*
 * command: what a node's owner does with it (kith.h, "Commands"): register, invite, join,
 * peers, status, check. JSON in, JSON out; the control socket, kith.h and the `kith` program
 * all end here.
 */
#ifndef KITH_COMMAND_H
#define KITH_COMMAND_H

#include "node/base/arena.h"
#include "node/base/buf.h"
#include "node/base/err.h"
#include "node/include/kith.h"

struct node;

/* answer: a JSON object, borrowed for the call; empty on failure, when why says what. */
typedef void command_fn(void *arg, enum kith_status status, struct str answer, const char *why);

/* done is called once, from the loop, possibly before this returns. Inputs are copied. */
void command_run(
	struct node *n, struct str name, struct str arguments, command_fn *done, void *arg);

/* True for commands that talk to other nodes, and so need the links to be up. */
bool command_needs_links(struct str name);

/* One line of the control socket: {"command": name, "arguments": {...}} to
 * {"status": 0, "answer": {...}} or {"status": n, "error": "..."}. */
void command_line_put(struct buf *out, struct str name, struct str arguments);
void command_reply_put(
	struct buf *out, enum kith_status status, struct str answer, const char *why);
/* Runs such a line; done gets the reply line, without its end. */
void command_run_line(
	struct node *n, struct str line, void (*done)(void *arg, struct str reply), void *arg);
/* Takes a reply line apart; answer and why are in a. */
enum kith_status command_reply_read(
	struct arena *a, struct str line, struct str *answer, struct str *why);

enum kith_status command_status(enum err err);

#endif
