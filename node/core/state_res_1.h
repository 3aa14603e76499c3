/*
 * state_res_1: state resolution version 1, for rooms of version 1 (content/rooms/v1.md, "State
 * resolution"). For state_res.c alone.
 *
 * Where the text leaves room, kith does as the deployed servers do: a key that only some states
 * have is no conflict; levels and join rules are resolved first only for an empty state_key;
 * members are resolved without sight of each other; and where no event of another type passes,
 * the one of least depth is taken.
 */
#ifndef KITH_CORE_STATE_RES_1_H
#define KITH_CORE_STATE_RES_1_H

#include "node/core/state_res.h"

/* As state_resolve(). What src has not, or says is rejected, does not take part. */
enum err state_resolve_1(struct arena *a, const struct state_set *sets, size_t n_sets,
	const struct state_res_source *src, struct state_set *out,
	struct err_ctx *why) MUST_CHECK;

#endif
