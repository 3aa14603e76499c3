/*
 * rooms: the service that knows every room of this node.
 *
 * It sends for local users (send.h, create.h, member.h, upgrade.h), reads for them (read.h),
 * takes what other servers send (receive.h) and answers what they ask (serve.h). All calls and
 * callbacks are on the loop thread. A call that only writes locally returns when the store has
 * it; holding the answer until it is durable is the caller's (client-api's dispatcher, or
 * federation's). A call that needs another server is an operation with a done().
 *
 * Every event, ours or foreign, enters the store through persist.c, after the same checks
 * (security.md F2, A4).
 */
#ifndef KITH_ROOM_ROOMS_H
#define KITH_ROOM_ROOMS_H

#include "node/base/clock.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/loop.h"
#include "node/core/event.h"
#include "node/core/sign.h"
#include "node/room/ops.h"
#include "node/user/remote.h"

#include <stdbool.h>

struct rooms;
struct store;
struct users;

struct rooms_options {
	struct store *store;
	struct loop *loop;
	const struct clock *clock;
	const struct rng *rng;
	const struct log *log;
	struct str server_name; /* borrowed */
	const struct sign_key *key;
	struct users *users;        /* profiles for our members' events; NULL: none */
	const struct room_ops *ops; /* NULL: no other server can be reached */
	struct str default_version; /* of new rooms; empty: "12" */
	size_t cache_bytes;         /* for what is kept parsed; 0: 4 MiB */
};

/* Everything in options is borrowed until rooms_free(), strings included. */
struct rooms *rooms_new(const struct rooms_options *options);
void rooms_free(struct rooms *r); /* no operation may be running */

/* federation is made after rooms: it hands over its ops before anything else is called. */
void rooms_set_ops(struct rooms *r, const struct room_ops *ops);

/* The room's version, or NULL if we know nothing of the room. */
const struct room_version *rooms_version(struct rooms *r, struct str room_id);
/* The current state's event, or NULL: also when it can't be read. Borrowed until the turn ends
 * or that state changes. */
const struct event *rooms_state_event(
	struct rooms *r, struct str room_id, struct str type, struct str state_key);
bool rooms_is_local_user(const struct rooms *r, struct str user_id);
/* Is anybody of ours joined? Then we take part in the room. */
bool rooms_is_in_room(struct rooms *r, struct str room_id);
/* Or was, until somebody else put our user out. That can turn out to be undone, or never to
 * have been allowed: whoever no longer listens doesn't hear of it, and the room stays split. */
bool rooms_listens_to_room(struct rooms *r, struct str room_id);
bool rooms_user_is_joined(struct rooms *r, struct str room_id, struct str user_id);

/* Servers that have a joined member now, ours among them. Calls fn for each. */
enum err rooms_servers(struct rooms *r, struct str room_id,
	void (*fn)(void *arg, struct str server), void *arg) MUST_CHECK;
/* F8, server-server API "Server Access Control Lists": may this server take part? True for an
 * unknown room. */
bool rooms_server_allowed(struct rooms *r, struct str room_id, struct str server);

/* A server can be reached (again): it is told of the invites that it could not be told of. For
 * federation; harmless to call too often. */
void rooms_server_up(struct rooms *r, struct str server);

/*
 * What users ask of rooms (node/user/remote.h); arg is the struct rooms. A changed name or
 * picture becomes a new m.room.member in each joined room, rooms that refuse are skipped; who
 * is gone for good leaves every room and rejects every invite. Inside the caller's transaction.
 */
extern const struct user_room_ops rooms_user_ops;

#endif
