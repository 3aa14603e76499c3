/*
 * invite: invites for users of other servers that could not be told of them yet.
 */
#ifndef KITH_STORE_INVITE_H
#define KITH_STORE_INVITE_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "store/store.h"

/* event: nid of the m.room.member event. Inside a transaction. */
enum err store_invite_wait(struct store *st, struct str server, int64_t event) MUST_CHECK;
enum err store_invite_done(struct store *st, struct str server, int64_t event) MUST_CHECK;

/* Their nids, oldest first, at most limit; in a. */
enum err store_invites_waiting(struct store *st, struct arena *a, struct str server,
	size_t limit, const int64_t **events, size_t *n) MUST_CHECK;

#endif
