/*
 * links: a node among other nodes: transport, federation over it, and what they ask of the
 * services and the store.
 */
#ifndef KITH_LINKS_H
#define KITH_LINKS_H

#include "node/base/err.h"

struct node;

/* Binds the link listener and begins to link. */
enum err links_open(struct node *n, struct err_ctx *why) MUST_CHECK;

/* Ends what talks to other nodes; runs the loop until the last answer has come. */
void links_close(struct node *n);
/* Frees what the services may still have pointed at. */
void links_free(struct node *n);

#endif
