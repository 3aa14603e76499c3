/*
 * visible: may this user, or this server, see this event? (security.md A1)
 *
 * The one place that every read path asks; the rule itself is node/core/visibility.h, this
 * looks up what it needs: the setting and the membership at the event, and what came after.
 */
#ifndef KITH_ROOM_VISIBLE_H
#define KITH_ROOM_VISIBLE_H

#include "node/room/rooms.h"
#include "store/event.h"
#include "store/membership.h"

/* One reader of one room, kept for an answer that looks at many events of it. In the arena. */
struct room_viewer;

struct room_viewer *room_viewer_new(
	struct rooms *r, struct arena *a, struct str room_id, struct str user_id);
/* As any of the server's users. */
struct room_viewer *room_viewer_server(
	struct rooms *r, struct arena *a, struct str room_id, struct str server);

/* False too for what no client sees: outliers, rejected and soft-failed events, events of
 * another room, and senders whom the user ignores (but their state). */
bool room_viewer_sees(struct room_viewer *v, const struct store_event *e);

/* The reader's own membership now; MEMBERSHIP_NONE for a server. */
enum membership room_viewer_membership(const struct room_viewer *v);

/* The reader's own membership at the event, as it left it (unsigned.membership);
 * MEMBERSHIP_NONE for a server, and where it isn't known. Costs nothing for what came after the
 * reader's own last member event. */
enum membership room_viewer_membership_at(struct room_viewer *v, const struct store_event *e);

#endif
