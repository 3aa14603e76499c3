#include "node/room/restricted.h"

#include "node/core/power.h"

/* Does the user fit one of the allow conditions? *blind: there is one that we can't judge. */
static bool fits(struct rooms *r, const struct event *rules, struct str user_id, bool *blind)
{
	struct str type;
	struct str room_id;

	*blind = false;
	for (const struct json *c = json_first(json_get(rules->content, "allow")); c;
		c = json_next(c)) {
		if (!json_as_str(json_get(c, "type"), &type) ||
			!str_eq(type, STR("m.room_membership")) ||
			!json_as_str(json_get(c, "room_id"), &room_id))
			continue;
		if (!rooms_is_in_room(r, room_id))
			*blind = true;
		else if (rooms_user_is_joined(r, room_id, user_id))
			return true;
	}
	return false;
}

struct search {
	const struct event *create;
	const struct event *levels;
	int64_t needed;
	struct str found;
};

static bool may_invite(void *arg, const struct store_member *m)
{
	struct search *s = arg;

	if (power_of_user(s->create, s->levels, m->user_id) < s->needed)
		return true;
	s->found = m->user_id;
	return false;
}

static enum err find_inviter(
	struct rooms *r, struct room *room, struct arena *a, struct str *out)
{
	struct search s = { 0 };
	enum err err = ERR_OK;

	s.create = room_current(r, room, STR("m.room.create"), STR(""), &err);
	s.levels = room_current(r, room, STR("m.room.power_levels"), STR(""), &err);
	if (err || !s.create)
		return err ? err : ERR_CORRUPT;
	s.needed = power_to(s.create, s.levels, "invite");
	err = store_membership_local_members(
		r->store, a, room->id, MEMBERSHIP_JOIN, may_invite, &s);
	*out = s.found;
	return err;
}

enum err room_restricted_authoriser(struct rooms *r, struct room *room, struct str user_id,
	struct arena *a, struct str *out, const char **errcode, struct err_ctx *why)
{
	enum err err = ERR_OK;
	const struct event *rules =
		room_current(r, room, STR("m.room.join_rules"), STR(""), &err);
	struct str rule = rules ? room_content_str(rules, "join_rule") : STR("");
	struct str now = room_membership(r, room, user_id, &err);
	bool blind;

	*out = STR("");
	if (err || !room->version->restricted ||
		!(str_eq(rule, STR("restricted")) || str_eq(rule, STR("knock_restricted"))) ||
		str_eq(now, STR("invite")) || str_eq(now, STR("join")) ||
		str_eq(now, STR("ban")))
		return err;
	if (!fits(r, rules, user_id, &blind)) {
		*errcode = blind ? "M_UNABLE_TO_AUTHORISE_JOIN" : NULL;
		return err_set(why, ERR_FORBIDDEN,
			blind ? "this server can't tell if you may join"
			      : "you are in none of the rooms whose members may join");
	}
	err = find_inviter(r, room, a, out);
	if (!err && !out->n) {
		*errcode = "M_UNABLE_TO_GRANT_JOIN";
		err = err_set(why, ERR_FORBIDDEN, "nobody of this server may let you in");
	}
	return err;
}
