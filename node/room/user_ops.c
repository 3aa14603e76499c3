/*
 * What happens in rooms when an account changes: rooms_user_ops of rooms.h.
 */
#include "node/room/build.h"
#include "node/room/room.h"

#define LOG_MODULE "room"

struct change {
	struct rooms *r;
	struct arena *arena;
	struct str user_id;
	const char *membership; /* what the user's member events say from now on */
};

static enum err send_member(struct change *c, struct room *room)
{
	struct buf content = { 0 };
	struct jw w = jw_to(&content);
	struct room_draft d = { .type = STR("m.room.member"),
		.sender = c->user_id,
		.is_state = true,
		.state_key = c->user_id };
	enum err err;

	jw_obj(&w);
	if (!strcmp(c->membership, "join"))
		room_member_content(c->r, c->arena, c->user_id, c->membership, &w);
	else
		jw_kv_z(&w, "membership", c->membership);
	jw_end(&w);
	d.content = buf_str(&content);
	err = room_send_draft(c->r, room, &d, NULL, NULL);
	buf_deinit(&content);
	return err;
}

/* A room that we know from an invite alone: the invite is gone, as far as we are concerned. */
static enum err drop_invite(struct change *c, const struct store_member *m)
{
	struct store_member row = *m;
	enum err err = store_begin(c->r->store);

	if (err)
		return err;
	row.membership = MEMBERSHIP_LEAVE;
	row.pos = 0;
	row.stripped = STR("");
	return room_store_end(c->r, store_membership_put(c->r->store, &row));
}

static bool change_room(void *arg, const struct store_member *m)
{
	struct change *c = arg;
	struct room *room;
	enum err err = room_get(c->r, m->room_id, &room);

	if (!err && rooms_is_in_room(c->r, m->room_id))
		err = send_member(c, room);
	else if (strcmp(c->membership, "leave") == 0)
		err = drop_invite(c, m);
	if (err)
		log_info(c->r->log, "member event not sent room_id=%.*s error=%s",
			STR_FMT(m->room_id), err_name(err));
	return true;
}

static void change_rooms(
	struct rooms *r, struct str user_id, const char *membership, unsigned mask)
{
	struct change c = {
		.r = r, .arena = arena_new(), .user_id = user_id, .membership = membership
	};
	enum err err =
		store_membership_rooms(r->store, c.arena, user_id, mask, change_room, &c);

	if (err)
		log_warn(r->log, "rooms of a user can't be read error=%s", err_name(err));
	arena_free(c.arena);
}

static void profile_changed(void *arg, struct str user_id)
{
	change_rooms(arg, user_id, "join", MEMBERSHIP_JOIN);
}

static void leave_all(void *arg, struct str user_id)
{
	change_rooms(
		arg, user_id, "leave", MEMBERSHIP_JOIN | MEMBERSHIP_INVITE | MEMBERSHIP_KNOCK);
}

const struct user_room_ops rooms_user_ops = { profile_changed, leave_all };
