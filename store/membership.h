/*
 * membership: who is in which room.
 *
 * Follows current state (state.h) for rooms that this node takes part in; set directly for
 * those that it doesn't (an invite from afar, a rejected one, a knock).
 */
#ifndef KITH_STORE_MEMBERSHIP_H
#define KITH_STORE_MEMBERSHIP_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "store/store.h"

enum membership {
	MEMBERSHIP_NONE = 0,
	MEMBERSHIP_INVITE = 1,
	MEMBERSHIP_JOIN = 2,
	MEMBERSHIP_KNOCK = 4,
	MEMBERSHIP_LEAVE = 8,
	MEMBERSHIP_BAN = 16
}; /* bits, so that a mask asks for several */

enum membership membership_parse(struct str s); /* MEMBERSHIP_NONE for anything else */
struct str membership_name(enum membership m);

struct store_member {
	struct str room_id;
	struct str user_id;
	enum membership membership;
	int64_t event; /* nid of the m.room.member event */
	int64_t pos;   /* when it became so */
	bool forgotten;
	struct str stripped; /* invite or knock from afar: JSON array of stripped state; else
				empty */
};

typedef bool store_member_fn(void *arg, const struct store_member *m); /* false ends it */

enum err store_membership_get(struct store *st, struct arena *a, struct str room_id,
	struct str user_id, struct store_member *out) MUST_CHECK; /* ERR_NOT_FOUND */
/* MEMBERSHIP_NONE if there was none or on error. */
enum membership store_membership_of(struct store *st, struct str room_id, struct str user_id);

/* Where current state doesn't say it. pos 0: a new one. Feeds FEED_MEMBERSHIP. Inside a
 * transaction. */
enum err store_membership_put(struct store *st, const struct store_member *m) MUST_CHECK;
enum err store_membership_forget(
	struct store *st, struct str room_id, struct str user_id) MUST_CHECK;

/* mask of enum membership. */
enum err store_membership_rooms(struct store *st, struct arena *a, struct str user_id,
	unsigned mask, store_member_fn *fn, void *arg) MUST_CHECK;
enum err store_membership_members(struct store *st, struct arena *a, struct str room_id,
	unsigned mask, store_member_fn *fn, void *arg) MUST_CHECK;
/* Members of this server alone. */
enum err store_membership_local_members(struct store *st, struct arena *a, struct str room_id,
	unsigned mask, store_member_fn *fn, void *arg) MUST_CHECK;
enum err store_membership_count(
	struct store *st, struct str room_id, unsigned mask, unsigned *out) MUST_CHECK;

/* Servers with a joined member (ours too), and the rooms in which a server has one. In a. */
enum err store_membership_servers(struct store *st, struct arena *a, struct str room_id,
	const struct str **out, size_t *n) MUST_CHECK;
enum err store_membership_server_rooms(struct store *st, struct arena *a, struct str server,
	const struct str **out, size_t *n) MUST_CHECK;
bool store_membership_server_joined(struct store *st, struct str room_id, struct str server);
/* Every server that shares a room with this user, each once. */
enum err store_membership_user_servers(struct store *st, struct arena *a, struct str user_id,
	const struct str **out, size_t *n) MUST_CHECK;

/* Do both have joined one room? */
bool store_membership_share(struct store *st, struct str a, struct str b);
/* Everyone who is joined to a room with this user, each once (not the user). In a. */
enum err store_membership_sharing(struct store *st, struct arena *a, struct str user_id,
	const struct str **out, size_t *n) MUST_CHECK;

/* The changes of a local user's memberships in from < pos <= to, oldest first. */
struct store_member_change {
	struct str room_id;
	enum membership membership;
	enum membership before;
	int64_t event;
	int64_t pos;
};
enum err store_membership_changes(struct store *st, struct arena *a, struct str user_id,
	int64_t from, int64_t to, const struct store_member_change **out, size_t *n) MUST_CHECK;
/* What a local user was in a room at a stream position. */
enum err store_membership_at(struct store *st, struct str room_id, struct str user_id,
	int64_t pos, enum membership *out, int64_t *event) MUST_CHECK;

#endif
