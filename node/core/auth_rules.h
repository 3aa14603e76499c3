/*
 * auth_rules: what auth.c, auth_member.c and auth_levels.c share. Not for other modules.
 */
#ifndef KITH_CORE_AUTH_RULES_H
#define KITH_CORE_AUTH_RULES_H

#include "node/core/auth.h"

/* The numbered sections of "Authorization rules"; which of them a version has decides the
 * number that a refusal shows. */
enum auth_rule {
	RULE_CREATE,
	RULE_ROOM_ID, /* 12 up */
	RULE_AUTH_EVENTS,
	RULE_FEDERATE,
	RULE_ALIASES, /* 1 to 5 */
	RULE_MEMBER,
	RULE_JOINED,
	RULE_THIRD_PARTY,
	RULE_LEVEL,
	RULE_STATE_KEY,
	RULE_POWER_LEVELS,
	RULE_REDACTION, /* 1 and 2 */
};

/* One check: the event and the state that it is checked against. */
struct auth_case {
	const struct event *e;
	const struct auth_state *state;
	const struct event *create; /* never NULL */
	const struct event *levels; /* may be NULL */
	int64_t power;              /* of the sender */
	struct err_ctx *why;
};

/* ERR_FORBIDDEN, with "rule N (what): fmt..." in why. */
enum err auth_refuse(const struct event *e, enum auth_rule rule, struct err_ctx *why,
	const char *text) MUST_CHECK;

const struct event *auth_get(const struct auth_case *c, const char *type, struct str state_key);
struct str auth_membership(const struct auth_case *c, struct str user_id); /* "" if none */

enum err auth_member(const struct auth_case *c) MUST_CHECK;       /* auth_member.c */
enum err auth_power_levels(const struct auth_case *c) MUST_CHECK; /* auth_levels.c */

#endif
