#include "node/core/visibility.h"

static bool allows(enum visibility setting, enum visibility_member member, bool joined_later)
{
	switch (setting) {
	case VISIBILITY_WORLD: return true;
	case VISIBILITY_SHARED: return member == VISIBILITY_MEMBER_JOIN || joined_later;
	case VISIBILITY_INVITED: return member >= VISIBILITY_MEMBER_INVITE;
	case VISIBILITY_JOINED: return member == VISIBILITY_MEMBER_JOIN;
	}
	return false;
}

bool visibility_allows(const struct visibility_case *c)
{
	enum visibility_member best =
		c->member_before > c->member_after ? c->member_before : c->member_after;

	return allows(c->before, best, c->joined_later) ||
		allows(c->after, best, c->joined_later);
}

enum visibility visibility_of(const struct event *history_visibility)
{
	struct str s = { 0 };

	if (history_visibility)
		(void)json_as_str(
			json_get(history_visibility->content, "history_visibility"), &s);
	if (str_eq(s, STR("world_readable")))
		return VISIBILITY_WORLD;
	if (str_eq(s, STR("invited")))
		return VISIBILITY_INVITED;
	if (str_eq(s, STR("joined")))
		return VISIBILITY_JOINED;
	return VISIBILITY_SHARED;
}

enum visibility_member visibility_member_of(const struct event *member)
{
	struct str s = { 0 };

	if (member)
		(void)json_as_str(json_get(member->content, "membership"), &s);
	if (str_eq(s, STR("join")))
		return VISIBILITY_MEMBER_JOIN;
	if (str_eq(s, STR("invite")))
		return VISIBILITY_MEMBER_INVITE;
	return VISIBILITY_MEMBER_NONE;
}
