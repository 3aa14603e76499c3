/*
 * read: what a local user reads of a room (client-server API, "Getting events for a room",
 * "Relationships API", module threading, event_context).
 *
 * Each appends a whole answer's body to out. Whoever may not look at the room at all gets
 * ERR_FORBIDDEN; single events that the reader may not see are as if they were not there
 * (visible.h).
 */
#ifndef KITH_ROOM_READ_H
#define KITH_ROOM_READ_H

#include "node/base/buf.h"
#include "node/core/event_filter.h"
#include "node/room/rooms.h"

struct room_reader {
	struct str user_id;
	struct str device_id;
	struct str room_id;
};

/* read_state.c. Who left reads the state as it was then. */
enum err room_read_state(struct rooms *r, const struct room_reader *reader, struct buf *out,
	struct err_ctx *why) MUST_CHECK;
/* whole: the event instead of its content. ERR_NOT_FOUND. */
enum err room_read_state_event(struct rooms *r, const struct room_reader *reader,
	struct str type, struct str state_key, bool whole, struct buf *out,
	struct err_ctx *why) MUST_CHECK;
/* at: a token, or empty for now. membership, not_membership: empty for any; together they are
 * an "or". */
enum err room_read_members(struct rooms *r, const struct room_reader *reader, struct str at,
	struct str membership, struct str not_membership, struct buf *out,
	struct err_ctx *why) MUST_CHECK;
enum err room_read_joined_members(struct rooms *r, const struct room_reader *reader,
	struct buf *out, struct err_ctx *why) MUST_CHECK;
enum err room_read_joined_rooms(
	struct rooms *r, struct str user_id, struct buf *out, struct err_ctx *why) MUST_CHECK;

/* read_event.c */
enum err room_read_event(struct rooms *r, const struct room_reader *reader, struct str event_id,
	struct buf *out, struct err_ctx *why) MUST_CHECK;
enum err room_read_context(struct rooms *r, const struct room_reader *reader,
	struct str event_id, unsigned limit, const struct event_filter *filter, struct buf *out,
	struct err_ctx *why) MUST_CHECK;
enum err room_read_at_time(struct rooms *r, const struct room_reader *reader, int64_t ts,
	bool forward, struct buf *out, struct err_ctx *why) MUST_CHECK;

/* messages.c: asks other servers when what we have has come to its end. */
struct room_messages {
	/* In: borrowed until done(). */
	struct room_reader reader;
	struct str from; /* tokens; empty: the end or beginning that dir starts at */
	struct str to;
	bool forward;
	unsigned limit;
	const struct event_filter *filter; /* NULL: none */
	/* Called once, from the loop, never inside room_messages_start(). */
	void (*done)(struct room_messages *m, enum err err);
	void *owner;

	/* Out. */
	struct buf out; /* owned by the caller afterwards */
	struct err_ctx why;

	/* Private to messages.c. */
	struct rooms *rooms;
	struct loop_deferred deferred;
	struct backfill *backfill;
	enum err err;
};
void room_messages_start(struct rooms *r, struct room_messages *m);

/* relations.c */
struct room_relations {
	struct str event_id;
	struct str rel_type; /* empty: any */
	struct str type;     /* empty: any */
	struct str from;     /* tokens, or empty */
	struct str to;
	unsigned limit;
	bool forward;
	bool recurse;
};
enum err room_read_relations(struct rooms *r, const struct room_reader *reader,
	const struct room_relations *q, struct buf *out, struct err_ctx *why) MUST_CHECK;
enum err room_read_threads(struct rooms *r, const struct room_reader *reader, bool participated,
	struct str from, unsigned limit, struct buf *out, struct err_ctx *why) MUST_CHECK;

#endif
