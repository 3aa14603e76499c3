/*
 * forks: a room whose states are made by hand, straight in a store: for state resolution.
 *
 * Events are built and named as the rules say, but not checked by them: what should not be
 * there is there as well, as a hostile server would have it.
 */
#ifndef KITH_TESTS_FORKS_H
#define KITH_TESTS_FORKS_H

#include "node/base/map.h"
#include "node/core/event.h"
#include "node/core/sign.h"
#include "store/state.h"

struct forks {
	struct store *st;
	struct arena *arena; /* owned: all that is made */
	const struct room_version *version;
	struct sign_key key;
	unsigned char secret[64];
	struct str room_id;
	struct str create;
	struct map events; /* struct event by id, if kept */
	bool keeps;
	int64_t ts;
};

/* The state at some point of it. */
struct fork {
	int64_t group;
	int64_t depth;
};

/* A room by @a of the store's server: its create event and the membership of @a. keeps: events
 * stay in forks.events. */
void forks_init(
	struct forks *f, struct store *st, const char *version, bool keeps, struct fork *out);
void forks_deinit(struct forks *f);

/* A state event in that state, and the state after it. user: "a" for @a:server, also as the
 * state key of m.room.member. In a transaction of its own unless there is one. */
void forks_send(struct forks *f, const struct fork *at, const char *user, const char *type,
	const char *state_key, const char *content, struct fork *out);

#endif
