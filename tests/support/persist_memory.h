/*
 * persist_memory: what a transport keeps (transport/persist.h), in memory, for tests.
 */
#ifndef KITH_TESTS_PERSIST_MEMORY_H
#define KITH_TESTS_PERSIST_MEMORY_H

#include "node/base/loop.h"
#include "transport/persist.h"

struct kept; /* one value */

struct persist_memory {
	struct transport_persist persist; /* first: what the transport is given */
	struct loop *loop;
	struct kept *kept;
	enum err fail; /* what every put and durable() says, if not ERR_OK */
};

void persist_memory_init(struct persist_memory *m, struct loop *loop);
void persist_memory_deinit(struct persist_memory *m);

#endif
