/*
 * related: the part of a RoomEventFilter that asks for an event's relations
 * (related_by_rel_types, related_by_senders: module threading), which takes the store.
 */
#ifndef KITH_ROOM_RELATED_H
#define KITH_ROOM_RELATED_H

#include "node/core/event_filter.h"
#include "store/event.h"

/* Does some event relate to e as the filter asks? True for a filter that does not. */
bool room_related(struct store *st, struct arena *a, const struct event_filter *f,
	const struct store_event *e);

#endif
