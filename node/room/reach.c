#include "node/room/reach.h"

static bool is_world_readable(struct rooms *r, struct room *room, enum err *err)
{
	const struct event *e =
		room_current(r, room, STR("m.room.history_visibility"), STR(""), err);

	return e && str_eq(room_content_str(e, "history_visibility"), STR("world_readable"));
}

/* The last time that the user left the room after having been in it. */
static enum err find_leaving(
	struct rooms *r, struct arena *a, const struct room_reader *reader, struct reach *out)
{
	const struct store_member_change *changes;
	struct store_event left;
	size_t n;
	enum err err = store_membership_changes(
		r->store, a, reader->user_id, 0, INT64_MAX, &changes, &n);

	if (err)
		return err;
	for (size_t i = n; i > 0; i--) {
		const struct store_member_change *c = &changes[i - 1];

		if (!str_eq(c->room_id, reader->room_id) || c->before != MEMBERSHIP_JOIN ||
			c->membership == MEMBERSHIP_JOIN)
			continue;
		err = store_event_get_nid(r->store, a, c->event, &left);
		if (err)
			return err;
		out->group = left.state_after;
		out->current = false;
		out->until = c->pos;
		return left.state_after ? ERR_OK : ERR_NOT_FOUND;
	}
	return ERR_NOT_FOUND;
}

enum err reach_find(struct rooms *r, struct arena *a, const struct room_reader *reader,
	struct reach *out, struct err_ctx *why)
{
	struct store_member m;
	enum err err = room_get(r, reader->room_id, &out->room);

	if (err == ERR_NOT_FOUND)
		return err_set(why, ERR_FORBIDDEN, "you are not in this room");
	if (err)
		return err;
	out->group = out->room->group;
	out->current = true;
	out->until = INT64_MAX;
	if (store_membership_get(r->store, a, reader->room_id, reader->user_id, &m))
		m = (struct store_member){ .membership = MEMBERSHIP_NONE };
	if (m.membership == MEMBERSHIP_JOIN || is_world_readable(r, out->room, &err))
		return err;
	err = m.forgotten ? ERR_NOT_FOUND : find_leaving(r, a, reader, out);
	return err == ERR_NOT_FOUND ? err_set(why, ERR_FORBIDDEN, "you are not in this room")
				    : err;
}

void reach_format(struct rooms *r, struct arena *a, const struct room_reader *reader,
	struct room_format *out)
{
	*out = (struct room_format){ .store = r->store,
		.arena = a,
		.user_id = reader->user_id,
		.device_id = reader->device_id,
		.now_ms = clock_wall_ms(r->clock),
		.prev_content = true };
}
