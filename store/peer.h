/*
 * peer: the few values that the overlay keeps (transport/persist.h), opaque to the store.
 */
#ifndef KITH_STORE_PEER_H
#define KITH_STORE_PEER_H

#include "node/base/err.h"
#include "node/base/str.h"

struct store;

/* Calls each for every value of the kind, both borrowed; stops at its first error. each may
 * write. */
enum err store_peer_load(struct store *st, int kind,
	enum err (*each)(void *arg, struct str key, struct str value), void *arg) MUST_CHECK;

/* Replaces what was there. These two are a transaction of their own, or part of the caller's.
 */
enum err store_peer_put(
	struct store *st, int kind, struct str key, struct str value) MUST_CHECK;
enum err store_peer_del(struct store *st, int kind, struct str key) MUST_CHECK;

#endif
