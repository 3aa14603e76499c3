/* push: module push, "Push Rules". */
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/user/push_rules.h"

static enum err get_all(struct request *r, bool in_global)
{
	CLEANUP(buf_deinit) struct buf rules = { 0 };
	struct jw w;
	enum err err = push_rules_put(r->api->push_rules, r->caller.user_id, &rules);

	if (err)
		return err;
	reply_begin(r, &w);
	if (in_global) {
		jw_obj(&w);
		jw_kv_raw(&w, "global", buf_str(&rules));
		jw_end(&w);
	} else {
		jw_raw(&w, buf_str(&rules));
	}
	reply_end(r);
	return ERR_OK;
}

static enum err get_rules(struct request *r)
{
	return get_all(r, true);
}

static enum err get_global(struct request *r)
{
	return get_all(r, false);
}

static struct push_rule_name name_of(const struct request *r)
{
	return (struct push_rule_name){ .kind = r->args[0], .rule_id = r->args[1] };
}

static enum err load_rule(struct request *r, struct buf *out)
{
	return push_rules_put_one(
		r->api->push_rules, r->caller.user_id, name_of(r), out, &r->why);
}

static enum err get_rule(struct request *r)
{
	struct buf rule = { 0 };
	enum err err = load_rule(r, &rule);

	if (err) {
		buf_deinit(&rule);
		return err;
	}
	reply_json(r, &rule);
	return ERR_OK;
}

/* One member of a rule, as an object of its own. */
static enum err get_member(struct request *r, const char *key)
{
	CLEANUP(buf_deinit) struct buf rule = { 0 };
	const struct json *tree;
	struct jw w;
	enum err err = load_rule(r, &rule);

	if (!err)
		err = json_parse_in(
			r->arena, buf_str(&rule), &json_limits_peer, &tree, &r->why);
	if (err)
		return err;
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_json(&w, key, json_get(tree, key));
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static enum err get_enabled(struct request *r)
{
	return get_member(r, "enabled");
}

static enum err get_actions(struct request *r)
{
	return get_member(r, "actions");
}

static enum err done(struct request *r, enum err err)
{
	if (!err)
		reply_empty(r);
	return err;
}

static enum err put_rule(struct request *r)
{
	struct str before = { 0 }, after = { 0 };

	(void)request_query(r, "before", &before);
	(void)request_query(r, "after", &after);
	return done(r,
		push_rules_set(r->api->push_rules, r->caller.user_id, name_of(r), r->body,
			before, after, &r->why));
}

static enum err delete_rule(struct request *r)
{
	return done(r,
		push_rules_delete(r->api->push_rules, r->caller.user_id, name_of(r), &r->why));
}

static enum err put_enabled(struct request *r)
{
	bool enabled;
	enum err err = json_bool(r->body, "enabled", &enabled, &r->why);

	if (!err)
		err = push_rules_set_enabled(
			r->api->push_rules, r->caller.user_id, name_of(r), enabled, &r->why);
	return done(r, err);
}

static enum err put_actions(struct request *r)
{
	const struct json *actions;
	enum err err = json_arr(r->body, "actions", &actions, &r->why);

	if (!err)
		err = push_rules_set_actions(
			r->api->push_rules, r->caller.user_id, name_of(r), actions, &r->why);
	return done(r, err);
}

#define RULE "/_matrix/client/v3/pushrules/global/{kind}/{ruleId}"

const struct route push_routes[] = {
	{ "getPushRules", "GET", "/_matrix/client/v3/pushrules/", AUTH_TOKEN_OR_GUEST,
		COST_READ, get_rules },
	{ "getPushRulesGlobal", "GET", "/_matrix/client/v3/pushrules/global/",
		AUTH_TOKEN_OR_GUEST, COST_READ, get_global },
	{ "getPushRule", "GET", RULE, AUTH_TOKEN, COST_READ, get_rule },
	{ "setPushRule", "PUT", RULE, AUTH_TOKEN, COST_WRITE, put_rule },
	{ "deletePushRule", "DELETE", RULE, AUTH_TOKEN, COST_WRITE, delete_rule },
	{ "isPushRuleEnabled", "GET", RULE "/enabled", AUTH_TOKEN, COST_READ, get_enabled },
	{ "setPushRuleEnabled", "PUT", RULE "/enabled", AUTH_TOKEN, COST_WRITE, put_enabled },
	{ "getPushRuleActions", "GET", RULE "/actions", AUTH_TOKEN, COST_READ, get_actions },
	{ "setPushRuleActions", "PUT", RULE "/actions", AUTH_TOKEN, COST_WRITE, put_actions },
	{ 0 },
};
