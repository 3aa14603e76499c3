/*
 * ops: what rooms ask of other servers.
 *
 * node/federation fills struct room_ops and node.c hands it to rooms_new(); tests script it. A
 * call is one question to one server and has one answer. The asker owns struct room_call (and
 * what its arguments point to) and keeps it still until done() is called: once, from the loop,
 * never before the function has returned. Deadlines are behind these functions. A call can't
 * be taken back: who no longer wants the answer waits for it and ignores it.
 *
 * Answers are the raw bytes of the response's body, so that each asker parses with the limits
 * of its room version; nothing in them was checked.
 */
#ifndef KITH_ROOM_OPS_H
#define KITH_ROOM_OPS_H

#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;

struct room_call {
	/* In: whom to ask. Borrowed until done(). */
	struct str server;
	/* err: ERR_OK with the body (borrowed during the call); ERR_UNREACHABLE or ERR_TIMEOUT
	 * when there was no answer; else the code that fits the answer's status and errcode
	 * (403 ERR_FORBIDDEN, 404 ERR_NOT_FOUND, other 4xx ERR_INVALID, 5xx ERR_UNREACHABLE),
	 * with the other server's own errcode and text in why and, if it was JSON, in body. */
	void (*done)(struct room_call *c, enum err err, struct str body);

	/* Optional: the body of a good answer in pieces, as it comes; done() has none then.
	 * False: "hold": who sends is slowed until room_ops.consumed() gave the bytes back. Not
	 * before the asking function has returned. */
	bool (*piece)(struct room_call *c, struct str bytes);

	/* Out. */
	struct err_ctx why;

	void *handle; /* for the one who answers */
};

/* Signatures of many events: each signature that an event needs (sign_event_servers) is looked
 * for and verified, with keys fetched where they must be. Owned as struct room_call is. */
struct room_verify {
	/* In: borrowed until done(). */
	struct str from; /* who gave us the events; may be asked for keys. Empty: nobody */
	const struct event *const *events;
	size_t n;
	/* Always called; what failed is in results. */
	void (*done)(struct room_verify *v);

	/* Out: an array of n by the asker; ERR_OK, ERR_FORBIDDEN (missing or wrong signature)
	 * or ERR_UNREACHABLE (a key could not be had: may be tried again). */
	enum err *results;

	void *handle; /* for the one who answers */
};

struct room_ops {
	/* GET make_join/{room}/{user}?ver=...; body {"event": ..., "room_version": ...} */
	void (*make_join)(
		void *arg, struct room_call *c, struct str room_id, struct str user_id);
	/* PUT v2 send_join/{room}/{event}; json: the signed event as it goes out. */
	void (*send_join)(void *arg, struct room_call *c, struct str room_id,
		struct str event_id, struct str json);
	void (*make_leave)(
		void *arg, struct room_call *c, struct str room_id, struct str user_id);
	void (*send_leave)(void *arg, struct room_call *c, struct str room_id,
		struct str event_id, struct str json);
	void (*make_knock)(
		void *arg, struct room_call *c, struct str room_id, struct str user_id);
	void (*send_knock)(void *arg, struct room_call *c, struct str room_id,
		struct str event_id, struct str json);
	/* PUT v2 invite/{room}/{event}; json: the whole body {"event", "room_version",
	 * "invite_room_state"}. */
	void (*invite)(void *arg, struct room_call *c, struct str room_id, struct str event_id,
		struct str json);
	/* GET backfill/{room}?v=...&limit=; event ids in v. */
	void (*backfill)(void *arg, struct room_call *c, struct str room_id,
		const struct str *event_ids, size_t n, unsigned limit);
	/* POST get_missing_events/{room}. */
	void (*missing_events)(void *arg, struct room_call *c, struct str room_id,
		const struct str *earliest, size_t n_earliest, const struct str *latest,
		size_t n_latest, unsigned limit);
	void (*state_ids)(
		void *arg, struct room_call *c, struct str room_id, struct str event_id);
	/* The whole state with its auth chain: GET state/{room}?event_id=. */
	void (*state)(void *arg, struct room_call *c, struct str room_id, struct str event_id);
	void (*event)(void *arg, struct room_call *c, struct str event_id);
	void (*event_auth)(
		void *arg, struct room_call *c, struct str room_id, struct str event_id);
	/* GET query/directory?room_alias=. */
	void (*directory)(void *arg, struct room_call *c, struct str alias);

	void (*verify)(void *arg, struct room_verify *v);

	/* Gives back n bytes that piece() held; before done() alone. */
	void (*consumed)(void *arg, struct room_call *c, size_t n);

	/* May this server be told later of what it can't be told now? A friend's device that is
	 * off, yes; a name that nobody may ever answer to, no. NULL: none may. Answers at once.
	 */
	bool (*returns)(void *arg, struct str server);
	void *arg;
};

#endif
