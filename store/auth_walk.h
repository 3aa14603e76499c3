/*
 * auth_walk: auth chains by number, between auth_chain.c and state_conflict.c. For store/
 * alone.
 */
#ifndef KITH_STORE_AUTH_WALK_H
#define KITH_STORE_AUTH_WALK_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "store/store.h"

/* An event that some of the state sets hold, and others don't. */
struct auth_start {
	int64_t nid;
	const uint64_t *sets; /* a bit for each set */
};

struct auth_conflict {
	/* In. */
	const struct auth_start *starts; /* may name an event more than once */
	size_t n_starts;
	size_t n_sets;
	const int64_t *common; /* events that all sets hold, the greatest number first */
	size_t n_common;
	bool subgraph; /* also what lies between two of the starts */
	size_t limit;  /* of events read; 0: none */

	/* Out: the starts, and what is in the auth chains of some but not all sets; each once,
	 * the greatest first; in the caller's arena. */
	const int64_t *out;
	size_t n_out;
};

/* ERR_LIMIT, ERR_CORRUPT. */
enum err auth_conflict(struct store *st, struct arena *a, struct auth_conflict *c) MUST_CHECK;

#endif
