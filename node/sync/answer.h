/*
 * answer: one answer of /sync, for the files of node/sync alone.
 *
 * It tells what lies in from < position <= to. answer.c writes the whole, parts.c finds the
 * rooms, timeline.c, state.c, summary.c, ephemeral.c and unread.c gather what one room has, and
 * part.c writes it. Everything about one room lives in an arena of its own, so that memory is
 * that of the largest room and the text.
 */
#ifndef KITH_SYNC_ANSWER_H
#define KITH_SYNC_ANSWER_H

#include "node/room/format.h"
#include "node/sync/filter.h"
#include "node/sync/lazy.h"
#include "node/sync/notify.h"
#include "node/sync/sync.h"
#include "node/user/account_data.h"
#include "store/event.h"
#include "store/membership.h"
#include "store/receipt.h"
#include "store/state.h"
#include "store/store.h"

struct sync {
	struct sync_options o;
	struct notify *notify;
	struct lazy *lazy;
	struct unread *unread;
	uint32_t boot;
	struct sync_op *ops; /* all that run */
};

/* What may have moved since the streams were last read for this client. What did not is not
 * asked for. */
struct sync_moved {
	unsigned kinds;     /* bits, NOTIFY_KIND */
	struct str room_id; /* the one room of it; empty: any */
};
#define SYNC_MOVED_ANY ((struct sync_moved){ .kinds = ~0U })

struct answer {
	struct sync *sync;
	struct store *store;
	const struct sync_op *op;
	const struct sync_filter *filter;
	struct arena *a;
	struct sync_token from;
	struct sync_token to;
	bool initial;
	bool empty; /* nothing was told that a client waits for */
	int64_t now_ms;
	const struct sync_moved *moved;
	bool all_told; /* the feed told of all that is stored */
	bool members;  /* some membership or state moved: parts_find() says */
	const struct account_data_item *data; /* what changed, of all rooms and global */
	size_t n_data;
	struct jw w;
};

/* Writes the answer for op, from its token to now, into out. *empty: it has nothing that is
 * worth waking the client for. */
enum err answer_write(struct sync *s, const struct sync_op *op, const struct sync_moved *moved,
	struct buf *out, bool *empty) MUST_CHECK;

static inline bool answer_may_have(const struct answer *an, enum feed_kind kind)
{
	return (an->moved->kinds & NOTIFY_KIND(kind)) != 0;
}

/* --- which rooms ----------------------------------------------------------------------- */

enum part_kind { PART_JOIN, PART_INVITE, PART_KNOCK, PART_LEAVE, N_PART_KINDS };

struct part {
	enum part_kind kind;
	struct str room_id;
	bool full;     /* the client knows nothing of it yet: all state, all account data */
	bool own_only; /* a left room that the user was never in: the event that says so alone
			*/
	int64_t from;  /* the timeline's bounds: from < pos <= to */
	int64_t to;
	int64_t member; /* nid of the user's own m.room.member event */
	struct part *next;
};

/* Of each kind a list, in no order; in an->a. */
struct parts {
	struct part *of[N_PART_KINDS];
};
enum err parts_find(struct answer *an, struct parts *out) MUST_CHECK;

/* --- one room -------------------------------------------------------------------------- */

struct timeline {
	const struct store_event **events; /* oldest first */
	size_t n;
	bool limited;
	bool whole;    /* every event in part->from .. part->to is here */
	int64_t start; /* the place before the first event that the client learns of */
};

struct state_list {
	const struct store_event **events;
	size_t n;
};

struct summary {
	bool told;
	unsigned joined;
	unsigned invited;
	bool has_heroes;
	struct str heroes[5];
	size_t n_heroes;
};

/* What is gathered of one room, in its own arena a. */
struct room_data {
	struct arena *a;
	const struct part *part;
	struct room_viewer *viewer;
	struct timeline timeline;
	/* How the state moved in part->from .. part->to; only when !part->full. */
	const struct store_state_delta *deltas;
	size_t n_deltas;
	struct summary summary;
	struct state_list state;
	const struct store_receipt *receipts;
	size_t n_receipts;
	bool typing;
};

enum err timeline_gather(struct answer *an, struct room_data *d) MUST_CHECK;
enum err summary_gather(struct answer *an, struct room_data *d) MUST_CHECK;
enum err state_gather(struct answer *an, struct room_data *d) MUST_CHECK;
enum err ephemeral_gather(struct answer *an, struct room_data *d) MUST_CHECK;
/* Writes the "ephemeral" member's value. */
void ephemeral_write(struct answer *an, const struct room_data *d);
/* Writes unread_notifications and, where asked for, unread_thread_notifications. */
struct unread *unread_new(struct store *st);
void unread_free(struct unread *u); /* NULL is fine */
enum err unread_write(struct answer *an, struct room_data *d) MUST_CHECK;

/* Writes the part of one room, with its key; nothing at all if there is nothing to tell. */
enum err part_write(struct answer *an, const struct part *p) MUST_CHECK;

#endif
