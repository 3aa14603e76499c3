/*
 * quota: what one other server may have us store in a day (security.md, O6 and O7).
 *
 * Counts for each server, in a window of 24 hours that begins with its first request, by the
 * monotonic clock. In memory: nobody outside can make the node forget by ending it. Servers
 * whose window is over are forgotten when there are many.
 */
#ifndef KITH_FEDERATION_QUOTA_H
#define KITH_FEDERATION_QUOTA_H

#include "node/base/compiler.h"
#include "node/base/err.h"
#include "node/base/map.h"

#include <stdint.h>

#define QUOTA_SERVERS 1024 /* remembered without looking for old ones */

struct quota {
	struct map servers;
	size_t next_sweep; /* servers at which old ones are looked for */
};

void quota_init(struct quota *q);
void quota_deinit(struct quota *q);

/* ERR_LIMIT: more than LIMIT_PEER_DAY_BYTES of it in a day. *wait_ms: until the next begins. */
enum err quota_bytes(struct quota *q, struct str server, size_t n, uint64_t now_ms,
	uint64_t *wait_ms) MUST_CHECK;
/* A room that we didn't know, at most `most` of them a day. */
enum err quota_room(struct quota *q, struct str server, unsigned most, uint64_t now_ms,
	uint64_t *wait_ms) MUST_CHECK;

#endif
