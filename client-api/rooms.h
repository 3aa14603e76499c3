/*
 * rooms: what the handlers of room_*.c share.
 */
#ifndef KITH_CLIENT_API_ROOMS_H
#define KITH_CLIENT_API_ROOMS_H

#include "client-api/request.h"
#include "node/room/read.h"

/* The error of an operation on rooms, with its own errcode if it has one. Ends the request. */
void room_reply_error(
	struct request *r, enum err err, const char *errcode, const struct err_ctx *why);

/* Who reads, of the room in the path. ERR_INVALID if that is no room id. */
enum err room_reader_of(struct request *r, struct room_reader *out) MUST_CHECK;

/* The answer of a reading call: its body, or its error. */
enum err room_reply_read(struct request *r, enum err err, struct buf *out) MUST_CHECK;

/* ?filter=, a RoomEventFilter as JSON text; *out is NULL if there is none. */
enum err room_query_filter(struct request *r, const struct event_filter **out) MUST_CHECK;
/* ?dir=: f or b; otherwise is for when it is missing: 'f', 'b', or 0 for an error. */
enum err room_query_dir(struct request *r, char otherwise, bool *forward) MUST_CHECK;

/* {"event_id": id} */
void room_reply_event_id(struct request *r, const char *event_id);

/* A change of membership for the request, replied to when it is done: with {"event_id"} if
 * event, else with {"room_id"} (join, knock) or {}. */
struct room_member;
void room_change_member(struct request *r, const struct room_member *m, bool event);

#endif
