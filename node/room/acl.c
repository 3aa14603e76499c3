/*
 * Which servers a room lets take part (security.md F8): rooms_server_allowed() of rooms.h.
 */
#include "node/core/server_acl.h"
#include "node/room/room.h"

bool rooms_server_allowed(struct rooms *r, struct str room_id, struct str server)
{
	struct room *room;
	const struct event *e;
	enum err err = room_get(r, room_id, &room);

	if (err)
		return err == ERR_NOT_FOUND;
	e = room_current(r, room, STR("m.room.server_acl"), STR(""), &err);
	if (err)
		return false;
	if (!e)
		return true;
	/* Compiled once for each event; it lives with the event. */
	if (room->acl_event != e) {
		room->acl = server_acl_compile(e->arena, e->content);
		room->acl_event = e;
	}
	return server_acl_allows(room->acl, server);
}
