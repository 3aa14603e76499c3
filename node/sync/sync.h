/*
 * sync: GET /_matrix/client/v3/sync (client-server API, "Syncing").
 *
 * An answer is written from stored bytes: for each stream what lies between the since token and
 * now. A poll that finds nothing parks on the notifier until a stream of its user moves or its
 * time is over. What a client was told is never kept: everything follows from its token, so a
 * repeated token gets the same answer again, and no event comes twice or is missed.
 *
 * Tokens are a short list of positions: `s` stream `_` to_device `_` boot `_` typing `_`
 * presence. stream is the position that orders all that is stored; to_device is that of the
 * inbox, which is given out in pages; the last two count changes of what only lives in memory,
 * since the start that boot names: a token of an earlier start has seen none of those.
 */
#ifndef KITH_SYNC_SYNC_H
#define KITH_SYNC_SYNC_H

#include "node/base/arena.h"
#include "node/base/buf.h"
#include "node/base/clock.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/loop.h"
#include "node/sync/notify.h"

struct presence;
struct push_rules;
struct rooms;
struct store;
struct sync;
struct sync_filter; /* node/sync/filter.h */
struct typing;
struct users;

struct sync_options {
	struct store *store;
	struct loop *loop;
	const struct clock *clock;
	const struct rng *rng;
	const struct log *log;
	struct str server_name;
	struct users *users;
	struct rooms *rooms;
	struct typing *typing;
	struct presence *presence;
	struct push_rules *push_rules;
};

/* Everything in o outlives the service. */
struct sync *sync_new(const struct sync_options *o);
/* Ends parked polls (ERR_CANCELLED). NULL is fine. */
void sync_free(struct sync *s);

struct sync_token {
	int64_t stream;
	int64_t to_device;
	uint32_t boot;
	uint64_t typing;
	uint64_t presence;
};
/* False for anything that sync_token_put() does not write. */
bool sync_token_parse(struct str s, struct sync_token *out);
void sync_token_put(struct buf *out, const struct sync_token *t);

/* One /sync. Memory is the caller's until done() was called or sync_cancel() was. */
struct sync_op {
	struct sync *sync;
	struct arena *arena; /* the request's: outlives the operation */
	struct str user_id;
	struct str device_id;
	int64_t account; /* the store's numbers of both */
	int64_t device;
	struct str since;  /* empty: initial */
	struct str filter; /* an id, a JSON object, or empty */
	bool full_state;
	enum sync_state_after {
		STATE_BEFORE,        /* `state`: before the timeline */
		STATE_AFTER,         /* `state_after` */
		STATE_AFTER_UNSTABLE /* `org.matrix.msc4222.state_after` */
	} state_after;
	struct str set_presence; /* "online", "offline", "unavailable"; empty: online */
	uint64_t timeout_ms;     /* clamped to LIMIT_SYNC_MS */

	/* Called once, from the loop, never inside sync_start: with the answer in body
	 * (ERR_OK), or with what is wrong in why. ERR_UNAUTHORIZED: the device was logged out
	 * while it waited. */
	void (*done)(struct sync_op *op, enum err err);
	struct buf body; /* owned by op: take it or buf_deinit() it */
	struct err_ctx why;

	/* Private to sync.c. */
	bool initial;
	struct sync_token from;
	bool typing_reset; /* the client may show who typed before we started */
	struct sync_filter *parsed;
	struct notify_waiter waiter;
	struct loop_deferred deferred;
	uint64_t deadline_ms;
	enum err err;
	struct sync_op *next, *prev;
};

void sync_start(struct sync_op *op);
/* Nobody waits any more: done() is not called. */
void sync_cancel(struct sync_op *op);

#endif
