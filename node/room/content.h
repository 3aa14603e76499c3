/*
 * content: what a client may not put into an event though it is JSON that an event can hold.
 *
 * The auth rules refuse malformed power levels and memberships as forbidden; to the client that
 * wrote them they are malformed. What relates to another event is looked at, too: duplicate
 * annotations (module event_annotations) and threads on threads (module threading).
 */
#ifndef KITH_ROOM_CONTENT_H
#define KITH_ROOM_CONTENT_H

#include "node/room/send.h"

/* Sets s->errcode and s->why. ERR_MALFORMED, ERR_INVALID. */
enum err room_content_check(struct rooms *r, const struct room_version *v, struct arena *a,
	struct room_send *s) MUST_CHECK;

#endif
