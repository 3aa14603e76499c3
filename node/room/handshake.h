/*
 * handshake: an event of ours that another server puts into its room for us (server-server API,
 * "Joining Rooms", "Knocking upon a room", "Leaving Rooms"): it makes a template, we complete
 * and sign it, it takes it.
 */
#ifndef KITH_ROOM_HANDSHAKE_H
#define KITH_ROOM_HANDSHAKE_H

#include "node/room/rooms.h"

enum handshake_kind { HANDSHAKE_JOIN, HANDSHAKE_LEAVE, HANDSHAKE_KNOCK };

/* Owned by the caller, who keeps it still until done(). */
struct handshake {
	/* In: borrowed until done(). */
	struct rooms *rooms;
	enum handshake_kind kind;
	struct str room_id;
	struct str user_id;
	struct str content; /* JSON text: what we say in the event; the template adds to it */
	const struct str *servers; /* tried in order */
	size_t n_servers;
	/* Once, from the loop, never inside handshake_start(). body: the answer to the signed
	 * event, borrowed during the call. */
	void (*done)(struct handshake *h, enum err err, struct str body);
	/* Optional: that answer in pieces instead, as room_call.piece. Once one came no other
	 * server is tried. */
	bool (*piece)(struct handshake *h, struct str bytes);
	void *owner;

	/* Out. */
	struct event *event; /* as it was sent; owned: handshake_deinit() */
	struct str server;   /* who took it */
	struct err_ctx why;
	const char *errcode;

	/* Private to handshake.c. */
	int state;
	size_t at;
	bool pieces; /* some came */
	struct room_call call;
	struct loop_deferred deferred;
};

void handshake_start(struct handshake *h);
/* Gives back bytes that piece() held. */
void handshake_consumed(struct handshake *h, size_t n);
void handshake_deinit(struct handshake *h);

#endif
