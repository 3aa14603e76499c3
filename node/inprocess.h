/*
 * inprocess: client-server API calls without a socket (kith.h, kith_request).
 */
#ifndef KITH_INPROCESS_H
#define KITH_INPROCESS_H

#include "node/include/kith.h"

struct node;

/* From any thread; done is called once, on the loop. */
void inprocess_post(
	struct node *n, const struct kith_request *req, kith_response_fn *done, void *arg);

#endif
