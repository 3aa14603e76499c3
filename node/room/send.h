/*
 * send: events of our own users (client-server API, "Sending events to a room").
 *
 * The event is built on the room's forward extremities, checked by the same rules as a foreign
 * one (security.md A4), signed and stored before the call returns.
 */
#ifndef KITH_ROOM_SEND_H
#define KITH_ROOM_SEND_H

#include "node/room/rooms.h"

struct room_send {
	/* In: borrowed during the call. */
	struct str room_id;
	struct str sender;
	struct str type;
	bool is_state;
	struct str state_key;
	struct str redacts;         /* m.room.redaction: the event id; empty: none */
	const struct json *content; /* an object */
	/* Idempotency (client-server API, "Transaction identifiers"): a second call of this
	 * device with the same txn_id answers with the first one's event. Empty: none. */
	struct str device_id;
	struct str txn_id;

	/* Out. */
	char event_id[256];  /* NUL-terminated */
	const char *errcode; /* set when it is not the one of the error */
	struct err_ctx why;
};

/*
 * PUT send, PUT state and PUT redact. What must not come this way is refused: m.room.create;
 * m.room.member through PUT send; invites of other servers' users, which need room_member. A
 * state event whose content is what is there already changes nothing and answers with the event
 * that is there. ERR_FORBIDDEN: not joined, or the rules say no. ERR_NOT_FOUND: no such room.
 */
enum err rooms_send(struct rooms *r, struct room_send *s) MUST_CHECK;

#endif
