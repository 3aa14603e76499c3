/*
 * room_maker: a room of real, signed events, made and stored for tests and benchmarks.
 */
#ifndef KITH_TESTS_ROOM_MAKER_H
#define KITH_TESTS_ROOM_MAKER_H

#include "node/core/event.h"
#include "node/core/sign.h"
#include "store/event.h"

struct room_maker {
	struct store *st;
	struct arena *arena; /* owns what is made */
	unsigned char secret[64];
	struct sign_key key;
	const struct room_version *version;
	struct str room_id;
	struct str creator;
	struct str create; /* ids */
	struct str member;
	struct str last; /* the event that the next one names as its prev_event */
	char last_id[256];
	int64_t depth;
	int64_t ts;
	int64_t group; /* state after last */
};

/* Makes an empty room of version 11 on the store's server with @alice as creator: create and
 * member event, each stored in a transaction of its own. */
void room_maker_init(struct room_maker *m, struct store *st, struct str room_id);
/* As room_maker_init, for a store that may fail; room_maker_deinit() in either case. */
enum err room_maker_try_init(
	struct room_maker *m, struct store *st, struct str room_id) MUST_CHECK;
void room_maker_deinit(struct room_maker *m);

/* An event behind m->last, not stored. state_key NULL: no state event. Lives with m. */
const struct event *room_maker_event(struct room_maker *m, const char *type,
	const char *state_key, struct str sender, const char *content);
/* As room_maker_event, but *owned*. */
struct event *room_maker_event_new(struct room_maker *m, const char *type,
	const char *state_key, struct str sender, const char *content);
/* As room_maker_event, with these prev_events. */
const struct event *room_maker_event_after(struct room_maker *m, const char *type,
	const char *state_key, struct str sender, const char *content, const struct str *prev,
	size_t n_prev);

/* Stores it with the state it brings and moves m->last, in the caller's transaction. */
enum err room_maker_put(struct room_maker *m, const struct event *e, unsigned flags,
	struct str device_id, struct str txn_id, int64_t *nid, int64_t *pos) MUST_CHECK;

/* Both at once, in a transaction of its own; returns the event's nid. Aborts on errors. */
int64_t room_maker_send(struct room_maker *m, const char *type, const char *state_key,
	struct str sender, const char *content);

#endif
