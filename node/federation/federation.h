/*
 * federation: the server-server API, both ways (content/server-server-api.md).
 *
 * Inbound, a request that transport authenticated is matched to a route (routes.c), handled by
 * one service call, and answered when everything that it wrote is on disk. Outbound, it fills
 * what the services ask of other servers (room_ops, user_remote_ops, media_remote_ops) and
 * sends what waits in the outbox. It knows server names, never how a server is reached.
 *
 *     federation.c   the service, wiring               inbound.c, routes.c  who answers what
 *     remote.c       one question to another server    transaction.c        PUT send
 *     room_remote.c  user_remote.c  media_remote.c     answer_*.c           the rest
 *     outbox.c       what waits for each destination   keyring.c            whose key is it
 *
 * Loop thread.
 */
#ifndef KITH_FEDERATION_FEDERATION_H
#define KITH_FEDERATION_FEDERATION_H

#include "node/base/clock.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/loop.h"
#include "node/core/sign.h"
#include "node/media/media.h"
#include "node/room/ops.h"
#include "node/user/remote.h"

struct federation;
struct media;
struct presence;
struct receipts;
struct rooms;
struct store;
struct transport;
struct typing;
struct users;

struct federation_options {
	struct store *store;
	struct loop *loop;
	const struct clock *clock;
	const struct rng *rng;
	const struct log *log;
	struct str server_name; /* borrowed */
	const struct sign_key *key;
	struct transport *transport;
	struct users *users;
	struct rooms *rooms;
	bool unlimited; /* no daily quotas: for tests */
	/* May be NULL: what belongs to it is then not served, or passed over. */
	struct media *media;
	struct typing *typing;
	struct receipts *receipts;
	struct presence *presence;
};

/* Sends and answers nothing before federation_start(). Everything in options outlives it. */
struct federation *federation_new(const struct federation_options *options);

/* Registers with transport (transport_serve, transport_listen) and with the store's feed, and
 * begins to send what waits. */
void federation_start(struct federation *f);

/* Stops sending and answering: requests of others that wait are answered 503. Call it before
 * transport_free(), which ends our own (their callbacks still come). */
void federation_stop(struct federation *f);

/* After transport_free(), so that nothing of ours waits any more. NULL is fine. */
void federation_free(struct federation *f);

/* For rooms_set_ops(), users_set_remote_ops() (arg: federation) and media_set_remote(). Valid
 * as long as f. */
const struct room_ops *federation_room_ops(const struct federation *f);
const struct user_remote_ops *federation_user_ops(const struct federation *f);
void *federation_user_ops_arg(struct federation *f);
const struct media_remote_ops *federation_media_ops(const struct federation *f);

struct federation_status {
	size_t destinations; /* servers that share a room with us, or have something waiting */
	size_t sending;      /* transactions on their way */
	size_t waiting;      /* destinations that something waits for */
	size_t backing_off;  /* of these, those left alone for a while */
	size_t incoming;     /* requests of others being answered */
	uint64_t transactions_in;
	uint64_t transactions_out;
};
void federation_status(const struct federation *f, struct federation_status *out);

#endif
