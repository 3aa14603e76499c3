/*
 * incoming: foreign events on their way in, by whichever path (security.md F2): shape, id,
 * room, signatures, content hash. Auth rules come after it.
 */
#ifndef KITH_ROOM_INCOMING_H
#define KITH_ROOM_INCOMING_H

#include "node/base/map.h"
#include "node/room/rooms.h"

/* Owned by the caller, who keeps it still until done() after incoming_verify(). */
struct incoming {
	/* In: set by the caller after incoming_init(); borrowed until incoming_deinit(). */
	struct rooms *rooms;
	const struct room_version *version;
	struct str room_id; /* events of other rooms are left out */
	struct str from;    /* who sent them */
	/* Once, from the loop, never inside incoming_verify(). */
	void (*done)(struct incoming *in);
	void *owner;

	/* Out: what passed, in the order of adding. Those whose content hash is wrong are
	 * redacted (room version specifications, "Signing Events"). Owned by the set: take one
	 * by setting its place to NULL. */
	struct event **events;
	size_t n;
	unsigned unreachable; /* could not be judged: a key could not be had */

	/* Private to incoming.c. */
	size_t cap;
	struct map ids;
	struct room_verify verify;
	struct loop_deferred deferred;
};

void incoming_init(struct incoming *in, struct rooms *r, const struct room_version *v,
	struct str room_id, struct str from);
void incoming_deinit(struct incoming *in);

/* Parses and adds one PDU. ERR_EXISTS: it was added before; else what is wrong with it. */
enum err incoming_add(
	struct incoming *in, const struct json *pdu, struct err_ctx *why) MUST_CHECK;
/* All of an array; what is malformed or of another room is left out. */
void incoming_add_all(struct incoming *in, const struct json *pdus);

void incoming_verify(struct incoming *in);

/* NULL if it isn't among the events. */
struct event *incoming_find(const struct incoming *in, struct str event_id);

#endif
