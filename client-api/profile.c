/*
 * profile: what users tell about themselves (client-server API, "Profiles").
 */
#include "node/user/profile.h"

#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/base/limits.h"

static void got_profile(struct profile_call *c, enum err err, struct str reply)
{
	struct request *r = c->arg;
	struct buf out = { 0 };

	if (err) {
		r->why = c->why;
		reply_err(r, err);
		return;
	}
	buf_put_str(&out, reply);
	reply_json(r, &out);
}

static enum err get_profile(struct request *r)
{
	struct profile_call *c = ARENA_NEW(r->arena, struct profile_call);

	c->done = got_profile;
	c->arg = r;
	profile_get(r->api->users, r->args[0], r->n_args > 1 ? r->args[1] : STR(""), c);
	return ERR_OK;
}

static enum err change(struct request *r, const struct json *value)
{
	struct user_caller who = request_user(r);
	enum err err = profile_set(r->api->users, &who, r->args[1], value, &r->why);

	if (err == ERR_TOO_LARGE) {
		reply_error(r, 400, "M_PROFILE_TOO_LARGE", "%s", r->why.text);
		return ERR_OK;
	}
	if (!err)
		reply_empty(r);
	return err;
}

static enum err put_field(struct request *r)
{
	const struct json *value = json_get_str(r->body, r->args[1]);
	enum err err = request_is_caller(r, r->args[0]);

	if (err)
		return err;
	if (r->args[1].n > 255) {
		reply_error(r, 400, "M_KEY_TOO_LARGE", "A field's name has at most 255 bytes");
		return ERR_OK;
	}
	if (!value) {
		reply_error(r, 400, "M_MISSING_PARAM", "%.*s is missing", STR_FMT(r->args[1]));
		return ERR_OK;
	}
	/* Clients of before 1.16 send null to take a name or picture away. */
	return change(r, json_is(value, JSON_NULL) ? NULL : value);
}

static enum err delete_field(struct request *r)
{
	enum err err = request_is_caller(r, r->args[0]);

	return err ? err : change(r, NULL);
}

const struct route profile_routes[] = {
	{ "getUserProfile", "GET", "/_matrix/client/v3/profile/{userId}", AUTH_UNLESS_LOCAL,
		COST_READ, get_profile },
	{ "getProfileField", "GET", "/_matrix/client/v3/profile/{userId}/{keyName}",
		AUTH_UNLESS_LOCAL, COST_READ, get_profile },
	{ "setProfileField", "PUT", "/_matrix/client/v3/profile/{userId}/{keyName}", AUTH_TOKEN,
		COST_WRITE, put_field, BODY_OBJECT, LIMIT_BODY_EVENT, SUSPENDED_MAY_NOT },
	{ "deleteProfileField", "DELETE", "/_matrix/client/v3/profile/{userId}/{keyName}",
		AUTH_TOKEN, COST_WRITE, delete_field, BODY_AUTO, 0, SUSPENDED_MAY_NOT },
	{ 0 },
};
