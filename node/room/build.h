/*
 * build: new events of our own, on top of what the room is now.
 */
#ifndef KITH_ROOM_BUILD_H
#define KITH_ROOM_BUILD_H

#include "node/base/limits.h"
#include "node/room/room.h"

struct room_draft {
	struct str type;
	struct str sender;
	bool is_state;
	struct str state_key;
	struct str redacts;              /* empty: none */
	struct str content;              /* JSON text of an object */
	const struct json *content_tree; /* instead, if it was parsed already; else NULL */
	struct str device_id;            /* of the sender, with the transaction id; or empty */
	struct str txn_id;
};

/* What a new event of this room names, and how deep it lies. */
struct room_place {
	struct str prev_events[LIMIT_PREV_EVENTS];
	size_t n_prev_events;
	struct str auth_events[8];
	size_t n_auth_events;
	int64_t depth;
};
/* Strings are borrowed from the room, until the turn ends or its state moves. */
enum err room_place(struct rooms *r, struct room *room, const struct room_draft *d,
	struct room_place *out) MUST_CHECK;

/* Built, hashed, signed; not checked against any rule. *out is owned. */
enum err room_build(struct rooms *r, struct room *room, const struct room_draft *d,
	struct event **out, struct err_ctx *why) MUST_CHECK;

/* The create event: the room comes with it. room_id: empty where it follows from the event. */
enum err room_build_create(struct rooms *r, const struct room_version *v, struct str room_id,
	struct str sender, struct str content, struct event **out,
	struct err_ctx *why) MUST_CHECK;

/* Built, checked in the current state, then stored with its consequences in a transaction.
 * event_id may be NULL. ERR_FORBIDDEN has written nothing. */
enum err room_send_draft(struct rooms *r, struct room *room, const struct room_draft *d,
	char event_id[256], struct err_ctx *why) MUST_CHECK;
/* The last part of it: for an event that was built and checked. */
enum err room_send_built(struct rooms *r, struct room *room, const struct event *e,
	const struct room_draft *d) MUST_CHECK;

#endif
