/*
 * peer: the few values that the overlay keeps, opaque to the store (transport/persist.h says
 * what the kinds are).
 */
#ifndef KITH_STORE_PEER_H
#define KITH_STORE_PEER_H

#include "node/base/err.h"
#include "node/base/str.h"

struct store;

/* Calls each() for every value of the kind, in the order of keys; key and value are borrowed,
 * and each() must not write. Stops at its first error. */
enum err store_peer_load(struct store *st, int kind,
	enum err (*each)(void *arg, struct str key, struct str value), void *arg) MUST_CHECK;

/* Each is a transaction of its own, or part of the one that is open. */
enum err store_peer_put(
	struct store *st, int kind, struct str key, struct str value) MUST_CHECK;
enum err store_peer_del(struct store *st, int kind, struct str key) MUST_CHECK;

#endif
