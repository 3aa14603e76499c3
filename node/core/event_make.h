/*
 * event_make: what event.c and event_build.c share. Private to node/core.
 */
#ifndef KITH_CORE_EVENT_MAKE_H
#define KITH_CORE_EVENT_MAKE_H

#include "node/core/event.h"

/* The event whose canonical bytes these are, checked for size and shape. event_id p NULL: it is
 * computed (or read, in versions 1 and 2). */
enum err event_make(struct str json, struct str event_id, const struct room_version *v,
	struct event **out, struct err_ctx *why) MUST_CHECK;

#endif
