/*
 * control_client: asks the node that runs on a data directory, by its control socket.
 */
#ifndef KITH_CONTROL_CLIENT_H
#define KITH_CONTROL_CLIENT_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"

/* One line there, one line back (without its end; in a). Blocks; any thread. ERR_UNREACHABLE:
 * no node listens there. ERR_IO: it went away. */
enum err control_ask(
	const char *data_dir, struct str line, struct arena *a, struct str *reply) MUST_CHECK;

#endif
