/*
 * event_row: one row of the event table as a struct store_event. For store/ alone.
 */
#ifndef KITH_STORE_EVENT_ROW_H
#define KITH_STORE_EVENT_ROW_H

#include "store/db.h"
#include "store/event.h"

/* What a SELECT names, in this order, of event as e. */
#define EVENT_COLUMNS \
	"e.nid, e.room, e.pos, e.flags, e.type, e.sender, e.state_key, e.depth, " \
	"e.origin_server_ts, e.state_before, e.state_after, e.redacted_by, e.device, " \
	"e.txn_id, " \
	"e.event_id, e.json"

/* The row that q stands on; strings in a. */
enum err event_row(
	struct store *st, struct stmt *q, struct arena *a, struct store_event *out) MUST_CHECK;

/* The id of an event by its number. */
enum err event_id_of(
	struct store *st, struct arena *a, int64_t nid, struct str *event_id) MUST_CHECK;

/* The number of a room, 0 if there is none (no name of it, that is). */
enum err event_room_nid(struct store *st, struct str room_id, int64_t *nid) MUST_CHECK;

#endif
