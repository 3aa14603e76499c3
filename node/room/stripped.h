/*
 * stripped: the few pieces of state that tell somebody outside what a room is (client-server
 * API, "Stripped state").
 */
#ifndef KITH_ROOM_STRIPPED_H
#define KITH_ROOM_STRIPPED_H

#include "node/room/rooms.h"

enum stripped_form {
	STRIPPED_EVENTS, /* type, state_key, sender, content: for clients */
	STRIPPED_PDUS,   /* whole events: for other servers (invite_room_state) */
};

/* Writes the elements of an array that is already open: of the current state, with the member
 * event of one user (who invites; empty: none). */
enum err room_stripped_put(struct rooms *r, struct str room_id, struct str member,
	enum stripped_form form, struct jw *w) MUST_CHECK;

/* What another server told of its room, as clients get it: elements that are no stripped state
 * events are left out, members that are none of theirs cut off, at most 64 of them and 32 KiB
 * in all. pdus may be NULL. Writes a whole array. */
void room_stripped_prune(const struct json *pdus, struct buf *out);

#endif
