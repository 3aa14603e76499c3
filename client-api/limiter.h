/*
 * limiter: how often an account or address may do what (security.md T5).
 *
 * A token bucket for each (kind, who), made when first needed and dropped when it is full again
 * or when there are too many: memory is bounded. An IPv6 address counts as its /64.
 */
#ifndef KITH_CLIENT_API_LIMITER_H
#define KITH_CLIENT_API_LIMITER_H

#include "client-api/route.h"
#include "node/base/str.h"

#include <stdint.h>

#define LIMITER_BUCKETS_MAX 4096

struct limiter;

struct limiter *limiter_new(void);
void limiter_free(struct limiter *l); /* NULL is fine */

/* Milliseconds until one more is allowed; 0: now. l may be NULL: always 0. */
uint64_t limiter_wait_ms(
	struct limiter *l, enum route_cost kind, struct str who, uint64_t now_ms);
/* One was done, allowed or not. */
void limiter_count(struct limiter *l, enum route_cost kind, struct str who, uint64_t now_ms);

#endif
