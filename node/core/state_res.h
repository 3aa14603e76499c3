/*
 * state_res: state resolution, versions 2 and 2.1 (content/rooms/v2.md and v12.md).
 *
 * Pure: the events come through a look-up, which the caller backs by its store and a cache.
 */
#ifndef KITH_CORE_STATE_RES_H
#define KITH_CORE_STATE_RES_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/core/event.h"

struct state_entry {
	struct str type;
	struct str state_key;
	struct str event_id;
};

struct state_set {
	const struct state_entry *entries; /* sorted by (type, state_key) */
	size_t n;
};

struct state_res_source {
	/* The event, or NULL if we don't have it. Borrowed until the resolution is over. */
	const struct event *(*event)(void *arg, struct str event_id);
	/* True if it was rejected. */
	bool (*rejected)(void *arg, struct str event_id);
	/* Optional (may be NULL): the auth difference of the sets by chain cover; else it is
	 * walked. */
	enum err (*auth_difference)(void *arg, struct arena *a, const struct state_set *sets,
		size_t n, const struct str **out, size_t *n_out);
	void *arg;
};

/* The resolved state, sorted, in a. One set, or equal ones, resolve to themselves. */
enum err state_resolve(struct arena *a, const struct room_version *v,
	const struct state_set *sets, size_t n_sets, const struct state_res_source *src,
	struct state_set *out, struct err_ctx *why) MUST_CHECK;

#endif
