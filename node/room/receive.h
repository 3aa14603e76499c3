/*
 * receive: events that other servers send us.
 *
 * server-server API, "Checks performed on receipt of a PDU"; security.md F2, F3, F4, F6. Checks
 * in this order: size and shape, event id, room version, signatures, content hash, missing
 * ancestors, auth events, state before, current state. Events of one room are taken one after
 * the other in the order given; rooms don't wait for each other.
 */
#ifndef KITH_ROOM_RECEIVE_H
#define KITH_ROOM_RECEIVE_H

#include "node/room/rooms.h"

/* One PDU of a transaction. The caller owns it and keeps it still until done(), which is
 * called once, from the loop, never before rooms_receive_pdu() has returned. */
struct room_receive {
	/* In: borrowed until done(). */
	struct str origin;      /* the authenticated server that sent the transaction */
	const struct json *pdu; /* as in the transaction, parsed with json_limits_event */
	/* ERR_OK: taken (or known already, or soft-failed, which nobody is told of). Everything
	 * else goes to the transaction's answer as {"error": why}; the event was not stored or
	 * was stored as rejected. */
	void (*done)(struct room_receive *r, enum err err);
	void *owner;

	/* Out. */
	char event_id[256]; /* NUL-terminated; empty when not even that could be known */
	struct err_ctx why;

	/* Private to receive.c. */
	struct room_receive *next;
};

void rooms_receive_pdu(struct rooms *r, struct room_receive *pdu);

/* An invite for a user of ours (PUT invite v1 and v2). event, state: as in the request's body,
 * state an array or NULL. */
struct room_receive_invite {
	/* In: borrowed until done(). */
	struct str origin;
	struct str room_id;      /* of the path */
	struct str event_id;     /* of the path */
	struct str room_version; /* of the body; "1" for v1 */
	const struct json *event;
	const struct json *invite_room_state;
	/* ERR_OK: signed is the event with our signature, borrowed during the call. */
	void (*done)(struct room_receive_invite *i, enum err err, struct str signed_json);
	void *owner;

	/* Out. errcode: set when it is not the one of err ("M_INCOMPATIBLE_ROOM_VERSION"). */
	const char *errcode;
	struct err_ctx why;

	void *handle; /* private to receive.c */
};

void rooms_receive_invite(struct rooms *r, struct room_receive_invite *invite);

#endif
