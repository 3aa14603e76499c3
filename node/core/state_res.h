/*
 * state_res: state resolution: versions 2 and 2.1 (content/rooms/v2.md and v12.md), and 1 by
 * state_res_1.h.
 *
 * Pure: the events come through a look-up, which the caller backs by its store and a cache.
 * Nothing recurses, and work is counted in events read: more than STATE_RES_MAX_EVENTS is
 * ERR_LIMIT (security.md, F5).
 *
 * Where the text leaves room, kith does as the deployed servers do, so that rooms stay whole:
 * a state set's auth chain contains the set's own events; only events with an empty state_key
 * are power events by type; an auth chain is followed, for power events, inside the full
 * conflicted set only.
 */
#ifndef KITH_CORE_STATE_RES_H
#define KITH_CORE_STATE_RES_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/core/event.h"

#define STATE_RES_MAX_EVENTS 500000

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
	/* The event, or NULL if we don't have it; the same one may be asked for again. Borrowed
	 * until release(), or the end. */
	const struct event *(*event)(void *arg, struct str event_id);
	/* True if it was rejected. Asked for right after event(). */
	bool (*rejected)(void *arg, struct str event_id);
	/* Optional: what event() gave is looked at no more. */
	void (*release)(void *arg);
	/* Optional: what the rules said of an event in conflict, in the order that they were
	 * asked; why is empty if it is allowed. For people who want to know
	 * (node/core/rules.h).
	 */
	void (*judged)(void *arg, struct str event_id, bool allowed, const char *why);
	size_t max_events; /* different events that may be asked for; 0: STATE_RES_MAX_EVENTS */
	void *arg;
};

/* For who has an index of auth chains: what the states differ in, worked out already. */
struct state_res_conflict {
	/* The full conflicted set, ids, each once: the conflicted state set, the auth
	 * difference, and in version 2.1 the conflicted state subgraph. All are in the source.
	 */
	const struct str *events;
	size_t n;
	/* The unconflicted state map: false if it has no such entry. */
	bool (*unconflicted)(
		void *arg, struct str type, struct str state_key, struct str *event_id);
	void *arg;
};

/* The order of state sets. */
int state_entry_cmp(const struct state_entry *a, const struct state_entry *b);

/* The resolved state, sorted, in a; its strings are those of the sets and events given. One
 * set, or equal ones, resolve to themselves; none to the empty state. ERR_NOT_FOUND if a
 * conflicted event isn't in src, ERR_LIMIT, ERR_INVALID for a version that resolves otherwise.
 */
enum err state_resolve(struct arena *a, const struct room_version *v,
	const struct state_set *sets, size_t n_sets, const struct state_res_source *src,
	struct state_set *out, struct err_ctx *why) MUST_CHECK;

/* The same from what is in conflict: out is what the algorithm adds to the unconflicted state,
 * so a conflicted entry that isn't there is in no resolved state. */
enum err state_resolve_conflict(struct arena *a, const struct room_version *v,
	const struct state_res_conflict *conflict, const struct state_res_source *src,
	struct state_set *out, struct err_ctx *why) MUST_CHECK;

#endif
