#include "node/core/auth.h"

#include "node/core/auth_rules.h"
#include "node/core/id.h"
#include "node/core/power.h"

/* A section's name, and whether a version has it: both make the number that people look up. */
static const char *const rule_names[] = {
	[RULE_CREATE] = "m.room.create",
	[RULE_ROOM_ID] = "room_id",
	[RULE_AUTH_EVENTS] = "auth_events",
	[RULE_FEDERATE] = "m.federate",
	[RULE_ALIASES] = "m.room.aliases",
	[RULE_MEMBER] = "m.room.member",
	[RULE_JOINED] = "membership of the sender",
	[RULE_THIRD_PARTY] = "m.room.third_party_invite",
	[RULE_LEVEL] = "required power level",
	[RULE_STATE_KEY] = "state_key",
	[RULE_POWER_LEVELS] = "m.room.power_levels",
	[RULE_REDACTION] = "m.room.redaction",
};

static bool has_rule(const struct room_version *v, enum auth_rule rule)
{
	if (rule == RULE_ROOM_ID)
		return v->hash_room_id;
	if (rule == RULE_ALIASES)
		return v->special_aliases_auth;
	return true;
}

enum err auth_refuse(
	const struct event *e, enum auth_rule rule, struct err_ctx *why, const char *text)
{
	unsigned number = 1;

	for (unsigned i = 0; i < (unsigned)rule; i++)
		number += has_rule(e->version, (enum auth_rule)i);
	return err_set(why, ERR_FORBIDDEN, "room version %s, rule %u (%s): %s",
		e->version->name, number, rule_names[rule], text);
}

const struct event *auth_get(const struct auth_case *c, const char *type, struct str state_key)
{
	return c->state->get(c->state->arg, str_of(type), state_key);
}

struct str auth_membership(const struct auth_case *c, struct str user_id)
{
	const struct event *member = auth_get(c, "m.room.member", user_id);
	struct str membership = { 0 };

	if (member)
		(void)json_as_str(json_get(member->content, "membership"), &membership);
	return membership;
}

static bool creators_ok(const struct json *creators)
{
	struct str id;
	struct str localpart;
	struct str server;

	if (!json_is(creators, JSON_ARRAY))
		return false;
	for (const struct json *c = json_first(creators); c; c = json_next(c))
		if (!json_as_str(c, &id) || !id_user(id, &localpart, &server))
			return false;
	return true;
}

/* Rule 1. */
static enum err check_create(const struct event *e, struct err_ctx *why)
{
	const struct json *creators = json_get(e->content, "additional_creators");
	const struct json *version = json_get(e->content, "room_version");
	struct str name;

	if (e->n_prev_events)
		return auth_refuse(e, RULE_CREATE, why, "it has prev_events");
	if (e->version->hash_room_id) {
		if (json_get(e->tree, "room_id"))
			return auth_refuse(e, RULE_CREATE, why, "it has a room_id");
	} else if (!str_eq(id_server_of(e->room_id), id_server_of(e->sender))) {
		return auth_refuse(
			e, RULE_CREATE, why, "room_id and sender are of different servers");
	}
	if (version && (!json_as_str(version, &name) || !room_version_find(name)))
		return auth_refuse(e, RULE_CREATE, why, "unknown room_version");
	if (e->version->creator_power && creators && !creators_ok(creators))
		return auth_refuse(
			e, RULE_CREATE, why, "additional_creators is not an array of user ids");
	if (!e->version->implicit_creator && !json_get(e->content, "creator"))
		return auth_refuse(e, RULE_CREATE, why, "content.creator is missing");
	return ERR_OK;
}

/* Rules 2 to 4 of version 12, as far as they need no list: the state's create event is this
 * room's, and lets the sender's server in. */
static enum err check_room(const struct auth_case *c)
{
	bool federate = true;

	if (!str_eq(c->create->room_id, c->e->room_id))
		return auth_refuse(c->e,
			c->e->version->hash_room_id ? RULE_ROOM_ID : RULE_AUTH_EVENTS, c->why,
			"the create event is of another room");
	if (json_as_bool(json_get(c->create->content, "m.federate"), &federate) && !federate &&
		!str_eq(id_server_of(c->e->sender), id_server_of(c->create->sender)))
		return auth_refuse(c->e, RULE_FEDERATE, c->why,
			"the room is not federated and the sender is of another server");
	return ERR_OK;
}

static enum err check_aliases(const struct auth_case *c)
{
	const struct event *e = c->e;

	if (!e->is_state)
		return auth_refuse(e, RULE_ALIASES, c->why, "it has no state_key");
	if (!str_eq(id_server_of(e->sender), e->state_key))
		return auth_refuse(e, RULE_ALIASES, c->why, "state_key is not sender's server");
	return ERR_OK;
}

/* Rule 11 of versions 1 and 2: later ones apply or withhold the redaction instead. */
static enum err check_redaction(const struct auth_case *c)
{
	if (c->power >= power_to(c->create, c->levels, "redact"))
		return ERR_OK;
	if (str_eq(id_server_of(c->e->redacts), id_server_of(c->e->event_id)))
		return ERR_OK;
	return auth_refuse(
		c->e, RULE_REDACTION, c->why, "the sender may redact only its own server's");
}

/* The rules behind m.room.member: for those who are in the room. */
static enum err check_in_room(const struct auth_case *c)
{
	const struct event *e = c->e;

	if (!str_eq(auth_membership(c, e->sender), STR("join")))
		return auth_refuse(e, RULE_JOINED, c->why, "the sender is not in the room");
	if (event_is(e, "m.room.third_party_invite", NULL)) {
		if (c->power < power_to(c->create, c->levels, "invite"))
			return auth_refuse(e, RULE_THIRD_PARTY, c->why,
				"the sender's level is below the invite level");
		return ERR_OK;
	}
	if (power_to_send(c->create, c->levels, e->type, e->is_state) > c->power)
		return auth_refuse(e, RULE_LEVEL, c->why,
			"the sender's level is below what this type needs");
	if (e->is_state && str_starts(e->state_key, STR("@")) &&
		!str_eq(e->state_key, e->sender))
		return auth_refuse(e, RULE_STATE_KEY, c->why, "state_key is another user");
	if (str_eq(e->type, STR("m.room.power_levels")))
		return auth_power_levels(c);
	if (e->version->format == EVENT_FORMAT_1 && str_eq(e->type, STR("m.room.redaction")))
		return check_redaction(c);
	return ERR_OK;
}

enum err auth_check(const struct event *e, const struct auth_state *state, struct err_ctx *why)
{
	struct auth_case c = { .e = e, .state = state, .why = why };
	enum err err;

	if (str_eq(e->type, STR("m.room.create")))
		return check_create(e, why);
	c.create = auth_get(&c, "m.room.create", STR(""));
	if (!c.create)
		return auth_refuse(e, RULE_AUTH_EVENTS, why, "there is no m.room.create event");
	c.levels = auth_get(&c, "m.room.power_levels", STR(""));
	c.power = power_of_user(c.create, c.levels, e->sender);

	err = check_room(&c);
	if (err)
		return err;
	if (e->version->special_aliases_auth && str_eq(e->type, STR("m.room.aliases")))
		return check_aliases(&c);
	if (str_eq(e->type, STR("m.room.member")))
		return auth_member(&c);
	return check_in_room(&c);
}
