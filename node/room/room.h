/*
 * room: a room as it is kept in memory, for the files of node/room alone.
 *
 * What each new event needs is kept parsed: the forward extremities, the group of the current
 * state, and the state events that the auth rules looked at. All of it can be had again from
 * the store; it is dropped when the budget is used up and after any rollback.
 *
 * A struct room stays valid until the loop's turn ends. Whoever waits asks for it again.
 */
#ifndef KITH_ROOM_ROOM_H
#define KITH_ROOM_ROOM_H

#include "node/base/arena.h"
#include "node/base/buf.h"
#include "node/base/map.h"
#include "node/core/auth.h"
#include "node/room/rooms.h"
#include "store/event.h"
#include "store/membership.h"
#include "store/room.h"
#include "store/state.h"
#include "store/store.h"

struct room_end {       /* a forward extremity */
	char *event_id; /* owned */
	int64_t nid;
	int64_t depth;
	int64_t group; /* state after it */
};

struct room {
	char *room_id; /* owned, as is all below */
	struct str id;
	const struct room_version *version;
	int64_t group; /* of the current state; 0: there is none (yet) */
	struct room_end *ends;
	size_t n_ends;

	/* Private to acl.c: what was compiled of the m.room.server_acl event now cached. */
	const struct event *acl_event;
	const struct server_acl *acl;

	/* Private to room.c. */
	struct map cached; /* struct room_cached by type and state key */
	struct room_cached *cached_list;
	size_t n_cached;
	size_t bytes;
	struct room *newer;
	struct room *older;
	struct room *dropped;
	bool gone;
};

struct server_acl;

struct rooms {
	struct store *store;
	struct loop *loop;
	const struct clock *clock;
	const struct rng *rng;
	const struct log *log;
	struct str server_name;
	const struct sign_key *key;
	struct users *users;
	const struct room_ops *ops; /* NULL: nobody can be reached */
	struct str default_version;

	/* Private to room.c. */
	size_t cache_bytes;
	size_t bytes;
	struct map loaded; /* struct room by id */
	struct room *newest;
	struct room *oldest;
	struct room *dropped; /* to be freed when the turn ends */
	struct loop_deferred trim;
	struct store_listener listener;

	/* Private to resolve.c: results of earlier resolutions, by the list of groups. */
	struct resolve_memo *memo;
	struct resolve_job *resolving; /* jobs that run */
	uint64_t resolved_apart;       /* jobs that ended well */
	struct intake *storing;        /* intake_store.c: that run */
	struct serve_body *serving;    /* serve_body.c: that run */
	bool closing;
	/* Private to receive.c: rooms with events waiting. */
	struct map receiving;
};

/* ERR_NOT_FOUND: nothing is known of it, or no more than an invite. */
enum err room_get(struct rooms *r, struct str room_id, struct room **out) MUST_CHECK;
/* Its row was just made (a new room, a join). */
enum err room_fresh(struct rooms *r, struct str room_id, struct room **out) MUST_CHECK;
/* The next room_get reads it again. */
void room_drop(struct rooms *r, struct str room_id);
void room_drop_all(struct rooms *r);

/* Ends the transaction; if it is rolled back what is cached is dropped. */
enum err room_store_end(struct rooms *r, enum err err) MUST_CHECK;

/* The current state's event at (type, state_key), or NULL if there is none. Borrowed, until the
 * turn ends or that state changes. An error is not "none": *err is set (and never cleared). */
const struct event *room_current(struct rooms *r, struct room *room, struct str type,
	struct str state_key, enum err *err);
/* As room_current(), with its number: 0 for NULL. */
const struct event *room_current_nid(struct rooms *r, struct room *room, struct str type,
	struct str state_key, int64_t *nid, enum err *err);
/* Its membership, "" if there is none. */
struct str room_membership(
	struct rooms *r, struct room *room, struct str user_id, enum err *err);
/* The current state moved (or an event of it was redacted): forget what was read of it. */
void room_state_changed(
	struct rooms *r, struct room *room, struct str type, struct str state_key);
void room_state_reset(struct rooms *r, struct room *room); /* any of it may have moved */

/* Event e was accepted: its prev_events are ends no longer. It is one itself, unless an event
 * that came before it names it. */
void room_end_add(
	struct room *room, const struct event *e, int64_t nid, int64_t group, bool named);

/* It is no end any longer: its number, 0 if it was none. */
int64_t room_end_drop(struct room *room, struct str event_id);

/* Private to rooms.c. */
void rooms_cache_init(struct rooms *r, size_t bytes);
void rooms_cache_deinit(struct rooms *r);

/* Stored event to parsed one, owned. ERR_CORRUPT, ERR_NOT_FOUND. */
enum err room_event_load(struct rooms *r, const struct room_version *v, int64_t nid,
	struct event **out) MUST_CHECK;

/* struct str to a NUL-terminated field of 256 bytes. */
void room_copy_id(char out[256], struct str id);

/* Members of an m.room.member event's content: the membership and, of our users, the profile.
 */
void room_member_content(struct rooms *r, struct arena *a, struct str user_id,
	const char *membership, struct jw *w);

/* Reads a member of content that must be a string: empty if it isn't one. */
struct str room_content_str(const struct event *e, const char *key);

#endif
