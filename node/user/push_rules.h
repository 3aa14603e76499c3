/*
 * push_rules: each user's push rules (client-server API, "Push Rules").
 *
 * The default rules come from core/push.h; stored is what a user changed: own rules, and the
 * enabled and actions of default ones. A change is an m.push_rules account data event at a new
 * stream position (FEED_ACCOUNT_DATA). Rules are compiled once for each user and change.
 *
 * Loop thread; inside the caller's transaction or one of its own.
 */
#ifndef KITH_USER_PUSH_RULES_H
#define KITH_USER_PUSH_RULES_H

#include "node/base/arena.h"
#include "node/base/buf.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/str.h"
#include "node/core/push.h"
#include "node/json/json.h"

struct push_rules;
struct store;

struct push_rules_options {
	struct store *store;
	const struct log *log;
};
struct push_rules *push_rules_new(const struct push_rules_options *o);
void push_rules_free(struct push_rules *p); /* NULL is fine */

/* Names a rule: kind is one of override, content, room, sender, underride. */
struct push_rule_name {
	struct str kind;
	struct str rule_id;
};

/* Appends {"override":[...],...}: the value of "global". */
enum err push_rules_put(struct push_rules *p, struct str user_id, struct buf *out) MUST_CHECK;
/* Appends one rule. ERR_NOT_FOUND; ERR_INVALID: no such kind. */
enum err push_rules_put_one(struct push_rules *p, struct str user_id,
	struct push_rule_name name, struct buf *out, struct err_ctx *why) MUST_CHECK;

/* Makes or replaces a rule of the user's own. before, after: rule ids or empty. body holds
 * actions and, by kind, conditions or pattern. ERR_INVALID: a default rule's name, a bad
 * rule_id, kind or actions; ERR_NOT_FOUND: before or after name none; ERR_LIMIT:
 * LIMIT_PUSH_RULES. */
enum err push_rules_set(struct push_rules *p, struct str user_id, struct push_rule_name name,
	const struct json *body, struct str before, struct str after,
	struct err_ctx *why) MUST_CHECK;
enum err push_rules_delete(struct push_rules *p, struct str user_id, struct push_rule_name name,
	struct err_ctx *why) MUST_CHECK;
enum err push_rules_set_enabled(struct push_rules *p, struct str user_id,
	struct push_rule_name name, bool enabled, struct err_ctx *why) MUST_CHECK;
enum err push_rules_set_actions(struct push_rules *p, struct str user_id,
	struct push_rule_name name, const struct json *actions, struct err_ctx *why) MUST_CHECK;

/* For a room that was replaced: rules that bear the old room's id (kinds room and override),
 * for the new one, also in their conditions. What has a rule already stays. */
enum err push_rules_copy_room(struct push_rules *p, struct str user_id, struct str from_room,
	struct str to_room) MUST_CHECK;

/* Stream position of the user's last change; 0: never changed anything. */
enum err push_rules_pos(struct push_rules *p, struct str user_id, int64_t *pos) MUST_CHECK;
/* The user's rules for push_evaluate(). Borrowed until the end of this turn of the loop or the
 * next call of this module. */
enum err push_rules_compiled(
	struct push_rules *p, struct str user_id, const struct push_ruleset **out) MUST_CHECK;

#endif
