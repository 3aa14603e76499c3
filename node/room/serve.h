/*
 * serve: what we answer when other servers ask about rooms (server-server API).
 *
 * Each appends the response's JSON body to out. origin is the authenticated server that asks;
 * what it may not see is ERR_FORBIDDEN or redacted (history visibility by server), server ACLs
 * are applied here. ERR_NOT_FOUND for rooms and events that we don't have.
 */
#ifndef KITH_ROOM_SERVE_H
#define KITH_ROOM_SERVE_H

#include "node/base/buf.h"
#include "node/room/rooms.h"

struct spool;

struct room_serve {
	struct str origin;
	const char *errcode; /* out: set when it is not the one of the error */
	struct buf *out;     /* out: an object; complete on ERR_OK alone */
	struct err_ctx why;  /* out */
};

/* versions: the ver= parameters (n 0: "1" alone). */
enum err rooms_make_join(struct rooms *r, struct room_serve *s, struct str room_id,
	struct str user_id, const struct str *versions, size_t n) MUST_CHECK;
enum err rooms_make_leave(struct rooms *r, struct room_serve *s, struct str room_id,
	struct str user_id) MUST_CHECK;
enum err rooms_make_knock(struct rooms *r, struct room_serve *s, struct str room_id,
	struct str user_id, const struct str *versions, size_t n) MUST_CHECK;

/* send_join, send_leave, send_knock: signatures may have to be fetched, so they wait. Owned as
 * struct room_receive is. */
struct room_serve_send {
	/* In: borrowed until done(). */
	const char *membership; /* "join", "leave" or "knock" */
	struct str origin;
	struct str room_id;  /* of the path */
	struct str event_id; /* of the path */
	const struct json *pdu;
	/* ERR_OK: body is the v2 response, borrowed during the call; or it lies in spool. */
	void (*done)(struct room_serve_send *s, enum err err, struct str body);
	void *owner;

	/* Out. */
	const char *errcode;
	struct err_ctx why;
	struct spool *spool; /* of a large room's; owned: done() takes it. Else NULL */
	uint64_t length;     /* what is in it */

	void *handle; /* private to serve.c */
};
void rooms_serve_send(struct rooms *r, struct room_serve_send *s);

enum err rooms_serve_backfill(struct rooms *r, struct room_serve *s, struct str room_id,
	const struct str *event_ids, size_t n, unsigned limit) MUST_CHECK;
enum err rooms_serve_missing_events(struct rooms *r, struct room_serve *s, struct str room_id,
	const struct json *body) MUST_CHECK;

/* GET state: a large one takes a while. Owned as struct room_receive is. */
struct room_serve_state {
	/* In: borrowed until done(). */
	struct str origin;
	struct str room_id;
	struct str event_id;
	/* ERR_OK: as room_serve_send.done(). */
	void (*done)(struct room_serve_state *s, enum err err, struct str body);
	void *owner;

	/* Out. */
	struct err_ctx why;
	struct spool *spool;
	uint64_t length;

	void *handle; /* private to serve_state.c */
};
void rooms_serve_state(struct rooms *r, struct room_serve_state *s);
enum err rooms_serve_state_ids(struct rooms *r, struct room_serve *s, struct str room_id,
	struct str event_id) MUST_CHECK;
enum err rooms_serve_event(
	struct rooms *r, struct room_serve *s, struct str event_id) MUST_CHECK;
enum err rooms_serve_event_auth(struct rooms *r, struct room_serve *s, struct str room_id,
	struct str event_id) MUST_CHECK;
/* GET query/directory. */
enum err rooms_serve_directory(
	struct rooms *r, struct room_serve *s, struct str alias) MUST_CHECK;

#endif
