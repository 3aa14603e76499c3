/*
 * outliers: events that are known only as parts of a state or of auth chains.
 */
#ifndef KITH_ROOM_OUTLIERS_H
#define KITH_ROOM_OUTLIERS_H

#include "node/room/auth_pool.h"

/*
 * Stores those of the events that are not stored yet, each after its auth events and checked
 * against them: what they don't allow is stored as rejected, what can't be judged (an auth
 * event is not to be had) is left out. The events passed their signatures and hashes. The pool
 * knows them afterwards. Inside a transaction.
 */
enum err outliers_store(struct rooms *r, struct auth_pool *pool, struct event *const *events,
	size_t n) MUST_CHECK;

#endif
