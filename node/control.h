/*
 * control: the socket in the data directory by which the owner's commands reach a running node
 * (security.md L6): a unix socket of mode 0600, whose peers must have our own uid.
 *
 * A peer sends one line (command.h) and gets one line; then it may send the next.
 */
#ifndef KITH_CONTROL_H
#define KITH_CONTROL_H

#include "node/base/err.h"

struct control;
struct node;

/* ERR_IO with the reason. A socket left by a process that is gone is replaced: the data
 * directory's lock says that it is. */
enum err control_open(struct node *n, struct control **out, struct err_ctx *why) MUST_CHECK;

/* Closes the socket and all connections; memory goes in the next turns of the loop. Answers of
 * commands that still run are dropped. NULL is fine. */
void control_close(struct control *k);

#endif
