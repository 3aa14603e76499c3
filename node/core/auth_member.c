/*
 * Rule 5 of version 12 (4 before): who may join, invite, leave, kick, ban and knock.
 */
#include "node/base/base64.h"
#include "node/core/auth_rules.h"
#include "node/core/id.h"
#include "node/core/power.h"
#include "node/core/sign.h"

/* A signed third-party invite costs one verification for each pair of key and signature; 64 KiB
 * of event hold enough of both to keep a core busy for minutes, so the pairs are bounded. */
#define MAX_SIGNATURE_CHECKS 1000

struct change {
	const struct auth_case *c;
	struct str sender_is; /* membership of the sender */
	struct str target_is; /* membership of the one in state_key */
	int64_t target_power;
	bool own; /* sender and target are one */
};

static bool is(struct str membership, const char *z)
{
	return str_eq(membership, str_of(z));
}

static enum err refuse(const struct change *m, const char *text)
{
	return auth_refuse(m->c->e, RULE_MEMBER, m->c->why, text);
}

static struct str join_rule(const struct auth_case *c)
{
	const struct event *rules = auth_get(c, "m.room.join_rules", STR(""));
	struct str rule = STR("invite");
	const struct json *value = rules ? json_get(rules->content, "join_rule") : NULL;

	if (value && !json_as_str(value, &rule))
		rule = STR("");
	return rule;
}

static bool rule_is_restricted(const struct room_version *v, struct str rule)
{
	return (v->restricted && is(rule, "restricted")) ||
		(v->knock_restricted && is(rule, "knock_restricted"));
}

/* 5.3.5.2: somebody in the room who may invite vouches for the one who joins; that their
 * server signed it is checked with the signatures (sign_event_servers). */
static enum err check_authoriser(const struct change *m)
{
	const struct auth_case *c = m->c;
	struct str user;

	if (!json_as_str(json_get(c->e->content, "join_authorised_via_users_server"), &user))
		return refuse(m, "a restricted join without join_authorised_via_users_server");
	if (!is(auth_membership(c, user), "join"))
		return refuse(m, "the authorising user is not in the room");
	if (power_of_user(c->create, c->levels, user) <
		power_to(c->create, c->levels, "invite"))
		return refuse(m, "the authorising user may not invite");
	return ERR_OK;
}

static enum err check_join(const struct change *m)
{
	const struct event *e = m->c->e;
	const struct room_version *v = e->version;
	bool known = is(m->target_is, "join") || is(m->target_is, "invite");
	struct str rule = join_rule(m->c);

	if (e->n_prev_events == 1 && str_eq(e->prev_events[0], m->c->create->event_id) &&
		str_eq(e->state_key, power_creator(m->c->create)))
		return ERR_OK;
	if (!m->own)
		return refuse(m, "nobody can be made to join");
	if (is(m->target_is, "ban"))
		return refuse(m, "the sender is banned");
	if (is(rule, "public"))
		return ERR_OK;
	if (is(rule, "invite") || (v->knock && is(rule, "knock")))
		return known ? ERR_OK : refuse(m, "the sender is not invited");
	if (rule_is_restricted(v, rule))
		return known ? ERR_OK : check_authoriser(m);
	return refuse(m, "the join rule lets nobody in");
}

/* One public key of m.room.third_party_invite against every signature in signed. */
static bool key_signed(const struct json *proof, const struct json *key, unsigned *checks)
{
	unsigned char public_key[32];
	struct str text;

	if (!json_as_str(key, &text) ||
		(base64_get_exact(public_key, sizeof(public_key), text, false) &&
			base64_get_exact(public_key, sizeof(public_key), text, true)))
		return false;
	for (const struct json *server = json_first(json_get(proof, "signatures")); server;
		server = json_next(server)) {
		for (const struct json *sig = json_first(server); sig; sig = json_next(sig)) {
			if (!str_starts(json_key(sig), STR("ed25519:")))
				continue;
			if (++*checks > MAX_SIGNATURE_CHECKS)
				return false;
			if (!sign_json_verify(
				    proof, json_key(server), json_key(sig), public_key, NULL))
				return true;
		}
	}
	return false;
}

static bool invite_signed(const struct json *proof, const struct event *invite)
{
	const struct json *keys = json_get(invite->content, "public_keys");
	unsigned checks = 0;

	if (key_signed(proof, json_get(invite->content, "public_key"), &checks))
		return true;
	if (!json_is(keys, JSON_ARRAY))
		return false;
	for (const struct json *k = json_first(keys); k; k = json_next(k))
		if (key_signed(proof, json_get(k, "public_key"), &checks))
			return true;
	return false;
}

static enum err check_third_party(const struct change *m, const struct json *third_party)
{
	const struct event *e = m->c->e;
	const struct json *proof = json_get(third_party, "signed");
	const struct event *invite;
	struct str mxid;
	struct str token;

	if (is(m->target_is, "ban"))
		return refuse(m, "the invited user is banned");
	if (!json_is(proof, JSON_OBJECT))
		return refuse(m, "third_party_invite has no signed");
	if (!json_as_str(json_get(proof, "mxid"), &mxid) ||
		!json_as_str(json_get(proof, "token"), &token))
		return refuse(m, "third_party_invite.signed has no mxid or token");
	if (!str_eq(mxid, e->state_key))
		return refuse(m, "third_party_invite.signed.mxid is another user");
	invite = auth_get(m->c, "m.room.third_party_invite", token);
	if (!invite)
		return refuse(m, "no m.room.third_party_invite has this token");
	if (!str_eq(invite->sender, e->sender))
		return refuse(m, "the third party was invited by another user");
	if (!invite_signed(proof, invite))
		return refuse(m, "third_party_invite.signed has no signature of its keys");
	return ERR_OK;
}

static enum err check_invite(const struct change *m)
{
	const struct auth_case *c = m->c;
	const struct json *third_party = json_get(c->e->content, "third_party_invite");

	if (third_party)
		return check_third_party(m, third_party);
	if (!is(m->sender_is, "join"))
		return refuse(m, "the sender is not in the room");
	if (is(m->target_is, "join") || is(m->target_is, "ban"))
		return refuse(m, "the invited user is in the room or banned");
	if (c->power < power_to(c->create, c->levels, "invite"))
		return refuse(m, "the sender's level is below the invite level");
	return ERR_OK;
}

static enum err check_leave(const struct change *m)
{
	const struct auth_case *c = m->c;

	if (m->own) {
		if (is(m->target_is, "join") || is(m->target_is, "invite") ||
			(c->e->version->knock && is(m->target_is, "knock")))
			return ERR_OK;
		return refuse(m, "the sender is not in the room, invited or knocking");
	}
	if (!is(m->sender_is, "join"))
		return refuse(m, "the sender is not in the room");
	if (is(m->target_is, "ban") && c->power < power_to(c->create, c->levels, "ban"))
		return refuse(m, "the sender's level is below the ban level");
	if (c->power < power_to(c->create, c->levels, "kick"))
		return refuse(m, "the sender's level is below the kick level");
	if (m->target_power >= c->power)
		return refuse(m, "the target's level is not below the sender's");
	return ERR_OK;
}

static enum err check_ban(const struct change *m)
{
	const struct auth_case *c = m->c;

	if (!is(m->sender_is, "join"))
		return refuse(m, "the sender is not in the room");
	if (c->power < power_to(c->create, c->levels, "ban"))
		return refuse(m, "the sender's level is below the ban level");
	if (m->target_power >= c->power)
		return refuse(m, "the target's level is not below the sender's");
	return ERR_OK;
}

static enum err check_knock(const struct change *m)
{
	const struct room_version *v = m->c->e->version;
	struct str rule = join_rule(m->c);

	if (!is(rule, "knock") && !(v->knock_restricted && is(rule, "knock_restricted")))
		return refuse(m, "the join rule takes no knocks");
	if (!m->own)
		return refuse(m, "nobody can be made to knock");
	if (is(m->target_is, "ban") || is(m->target_is, "invite") || is(m->target_is, "join"))
		return refuse(m, "the sender is banned, invited or in the room");
	return ERR_OK;
}

enum err auth_member(const struct auth_case *c)
{
	struct change m = { .c = c };
	const struct event *e = c->e;
	const struct json *via = json_get(e->content, "join_authorised_via_users_server");
	struct str membership;
	struct str text;
	struct str server;

	if (!e->is_state || !json_as_str(json_get(e->content, "membership"), &membership))
		return refuse(&m, "there is no state_key or no content.membership");
	if (e->version->restricted && via &&
		!(json_as_str(via, &text) && id_user(text, &text, &server)))
		return refuse(&m, "join_authorised_via_users_server is no user id");
	m.own = str_eq(e->sender, e->state_key);
	m.sender_is = auth_membership(c, e->sender);
	m.target_is = auth_membership(c, e->state_key);
	m.target_power = power_of_user(c->create, c->levels, e->state_key);

	if (is(membership, "join"))
		return check_join(&m);
	if (is(membership, "invite"))
		return check_invite(&m);
	if (is(membership, "leave"))
		return check_leave(&m);
	if (is(membership, "ban"))
		return check_ban(&m);
	if (e->version->knock && is(membership, "knock"))
		return check_knock(&m);
	return refuse(&m, "unknown membership");
}
