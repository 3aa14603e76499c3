/*
 * push: which push rule an event meets and what it asks for (client-server API, "Push Rules").
 *
 * Pure. A ruleset is compiled once for each user and change of rules; an event's folded body
 * is made once for all users of a room.
 */
#ifndef KITH_CORE_PUSH_H
#define KITH_CORE_PUSH_H

#include "node/base/arena.h"
#include "node/core/event.h"

/* The server-default rules, in order: i from 0 until NULL. The first of override,
 * .m.rule.master, stands before a user's own rules of that kind, all others behind them. */
struct push_default {
	const char *kind; /* "override" or "underride" */
	const char *rule_id;
	bool enabled;
	const char *conditions; /* JSON array in which @ stands for the user's id */
	const char *actions;    /* JSON array */
};
const struct push_default *push_default_at(size_t i);
const struct push_default *push_default_find(struct str kind, struct str rule_id);

/* Appends a default rule as clients see it. actions: the user's, as JSON text, or p NULL. */
void push_default_put(const struct push_default *d, struct str user_id, bool enabled,
	struct str actions, struct buf *out);

/* True if actions is an array of what actions may be: strings, and objects with set_tweak. */
bool push_actions_ok(const struct json *actions);

struct push_ruleset;

/* Compiles {"override":[...],"content":[...],...}, the whole of a user's rules, default ones
 * too. It and what it borrows lives in a; global must live as long. Rules that can't match
 * (disabled, an unknown condition, a wrong shape) are left out. */
const struct push_ruleset *push_compile(struct arena *a, const struct json *global);

/* An event that is about to be put to many users. */
struct push_event {
	const struct event *event;
	struct arena *arena;
	struct str body; /* content.body, folded; p NULL: none */
};
struct push_event push_event_of(struct arena *a, const struct event *e);

/* What of the room and the user a rule can ask for. */
struct push_context {
	struct str user_id;
	struct str display_name; /* in the room; may be empty */
	uint64_t member_count;   /* joined */
	const struct event *create;
	const struct event *power_levels; /* may be NULL */
};

struct push_result {
	bool notify;
	bool highlight;
	struct str sound;           /* empty: none; borrowed from the rules */
	struct str rule_id;         /* empty: no rule matched */
	const struct json *actions; /* of that rule; NULL: none */
};

/* A user's own events never notify. */
struct push_result push_evaluate(const struct push_ruleset *rules, const struct push_event *pe,
	const struct push_context *ctx);

#endif
