/*
 * Which events authorise an event (server-server API, "Auth events selection"), and rule 3 of
 * version 12 (2 before) on the list that an event names.
 */
#include "node/core/auth.h"

#include "node/core/auth_rules.h"
#include "node/core/id.h"

struct selection {
	struct auth_key *out;
	size_t n;
};

static void add(struct selection *s, const char *type, struct str state_key)
{
	struct auth_key key = { str_of(type), state_key };

	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->out[i].type, key.type) &&
			str_eq(s->out[i].state_key, key.state_key))
			return;
	s->out[s->n++] = key;
}

static void add_for_member(struct selection *s, const struct room_version *v,
	struct str state_key, const struct json *content)
{
	const struct json *third_party = json_get(content, "third_party_invite");
	struct str membership = { 0 };
	struct str other;
	bool join;
	bool invite;

	(void)json_as_str(json_get(content, "membership"), &membership);
	join = str_eq(membership, STR("join"));
	invite = str_eq(membership, STR("invite"));

	add(s, "m.room.member", state_key);
	if (join || invite || (v->knock && str_eq(membership, STR("knock"))))
		add(s, "m.room.join_rules", STR(""));
	if (invite && json_as_str(json_get(json_get(third_party, "signed"), "token"), &other))
		add(s, "m.room.third_party_invite", other);
	if (join && v->restricted &&
		json_as_str(json_get(content, "join_authorised_via_users_server"), &other))
		add(s, "m.room.member", other);
}

size_t auth_select(const struct room_version *v, struct str type, bool is_state,
	struct str state_key, struct str sender, const struct json *content,
	struct auth_key out[8])
{
	struct selection s = { out, 0 };

	if (str_eq(type, STR("m.room.create")))
		return 0;
	if (!v->hash_room_id)
		add(&s, "m.room.create", STR(""));
	add(&s, "m.room.power_levels", STR(""));
	add(&s, "m.room.member", sender);
	if (is_state && str_eq(type, STR("m.room.member")))
		add_for_member(&s, v, state_key, content);
	return s.n;
}

static bool selected(const struct auth_key *keys, size_t n, const struct event *e)
{
	for (size_t i = 0; e->is_state && i < n; i++)
		if (str_eq(keys[i].type, e->type) && str_eq(keys[i].state_key, e->state_key))
			return true;
	return false;
}

static bool repeated(const struct event *const *auth, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (str_eq(auth[j]->type, auth[i]->type) &&
			str_eq(auth[j]->state_key, auth[i]->state_key))
			return true;
	return false;
}

enum err auth_events_ok(const struct event *e, const struct event *const *auth,
	const bool *rejected, size_t n, struct err_ctx *why)
{
	struct auth_key keys[8];
	size_t n_keys = auth_select(
		e->version, e->type, e->is_state, e->state_key, e->sender, e->content, keys);
	bool has_create = e->version->hash_room_id;

	if (str_eq(e->type, STR("m.room.create")))
		return n == 0 ? ERR_OK : auth_refuse(e, RULE_CREATE, why, "it has auth_events");
	for (size_t i = 0; i < n; i++) {
		if (!selected(keys, n_keys, auth[i]))
			return auth_refuse(e, RULE_AUTH_EVENTS, why,
				"an event that does not authorise this one");
		if (repeated(auth, i))
			return auth_refuse(
				e, RULE_AUTH_EVENTS, why, "two events of one type and key");
		if (rejected[i])
			return auth_refuse(e, RULE_AUTH_EVENTS, why, "a rejected event");
		if (!str_eq(auth[i]->room_id, e->room_id))
			return auth_refuse(
				e, RULE_AUTH_EVENTS, why, "an event of another room");
		has_create = has_create || event_is(auth[i], "m.room.create", "");
	}
	if (!has_create)
		return auth_refuse(e, RULE_AUTH_EVENTS, why, "there is no m.room.create event");
	return ERR_OK;
}
