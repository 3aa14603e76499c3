/*
 * format: stored events as clients get them (client-server API, "Room event format").
 *
 * Spliced from the stored bytes: the members that clients see are copied as they are, event_id
 * and unsigned are added. Nothing here asks whether the event may be seen: visible.h does.
 */
#ifndef KITH_ROOM_FORMAT_H
#define KITH_ROOM_FORMAT_H

#include "node/room/visible.h"
#include "store/event.h"

struct room_format {
	struct store *store;
	struct arena *arena; /* for what has to be looked up */
	struct str user_id;  /* who reads: transaction ids of the own device are shown */
	struct str device_id;
	int64_t now_ms;    /* wall clock, for unsigned.age; 0: no age */
	bool no_room_id;   /* /sync: the room is known from the place in the answer */
	bool relations;    /* bundle m.relations (not for deprecated endpoints) */
	bool prev_content; /* state events: unsigned.prev_content and replaces_state */
	/* Children that this reader may not see are not bundled. NULL: relations are left out.
	 */
	struct room_viewer *viewer;

	/* Private to format.c. */
	bool no_threads;
};

/* Writes one event as a value. ERR_IO, ERR_CORRUPT (what was written is then no whole value).
 */
enum err room_format_event(
	const struct room_format *f, const struct store_event *e, struct jw *w) MUST_CHECK;

/* {"type", "state_key", "sender", "content"} ("Stripped state"). */
void room_format_stripped(const struct store_event *e, struct jw *w);

#endif
