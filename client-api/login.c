/*
 * login: getting in and out (client-server API, "Legacy API": login, refresh, logout).
 */
#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "client-api/session_reply.h"
#include "node/user/login_token.h"

static enum err get_login(struct request *r)
{
	struct jw w;

	reply_begin(r, &w);
	jw_obj(&w);
	jw_key(&w, "flows");
	jw_arr(&w);
	jw_obj(&w);
	jw_kv_z(&w, "type", "m.login.password");
	jw_end(&w);
	jw_obj(&w);
	jw_kv_bool(&w, "get_login_token", true);
	jw_kv_z(&w, "type", "m.login.token");
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

/* identifier, or the deprecated members that came before it. */
static enum err who_logs_in(struct request *r, struct str *user)
{
	const struct json *identifier = NULL;
	struct str type = { 0 };
	enum err err = json_opt_obj(r->body, "identifier", &identifier, &r->why);

	if (err)
		return err;
	if (!identifier && json_get(r->body, "medium"))
		return err_set(
			&r->why, ERR_FORBIDDEN, "addresses can't be used to log in here");
	if (!identifier)
		return json_str(r->body, "user", user, &r->why);
	err = json_str(identifier, "type", &type, &r->why);
	if (err)
		return err;
	if (str_eq(type, STR("m.id.user")))
		return json_str(identifier, "user", user, &r->why);
	if (str_eq(type, STR("m.id.thirdparty")) || str_eq(type, STR("m.id.phone")))
		return err_set(
			&r->why, ERR_FORBIDDEN, "addresses can't be used to log in here");
	return err_set(&r->why, ERR_INVALID, "unknown type of identifier");
}

static enum err login_by_token(struct request *r)
{
	struct account_device device;
	struct str token;
	enum err err = json_str(r->body, "token", &token, &r->why);

	if (!err)
		err = session_device(r, &device);
	if (err)
		return err;
	login_token_login(r->api->users, token, &device, session_call(r));
	return ERR_OK;
}

static enum err login_by_password(struct request *r)
{
	struct str password = { 0 };
	struct str user = { 0 };
	struct account_device device;
	enum err err = who_logs_in(r, &user);

	if (!err)
		err = json_str(r->body, "password", &password, &r->why);
	if (!err)
		err = session_device(r, &device);
	if (!err)
		err = request_limit_login(r, user);
	if (err)
		return err;
	account_login(r->api->users, user, password, &device, session_call(r));
	return ERR_OK;
}

static enum err post_login(struct request *r)
{
	static const char *const texts[] = { "address", "medium", "password", "token", "user" };
	struct str type, unused;
	enum err err = json_str(r->body, "type", &type, &r->why);

	/* Also those that this type of login has no use for. */
	for (size_t i = 0; i < ARRAY_LEN(texts) && !err; i++)
		err = json_opt_str(r->body, texts[i], &unused, &r->why);
	if (err)
		return err;
	if (str_eq(type, STR("m.login.password")))
		return login_by_password(r);
	if (str_eq(type, STR("m.login.token")))
		return login_by_token(r);
	reply_error(r, 400, "M_UNKNOWN", "Bad login type.");
	return ERR_OK;
}

static enum err make_login_token(struct request *r, struct str unused)
{
	struct user_caller who = request_user(r);
	int64_t expires_in_ms;
	struct str token;
	struct jw w;

	(void)unused;
	login_token_new(r->api->users, &who, r->arena, &token, &expires_in_ms);
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_int(&w, "expires_in_ms", expires_in_ms);
	jw_kv_str(&w, "login_token", token);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static enum err post_get_token(struct request *r)
{
	return interactive_password(r, make_login_token);
}

static enum err post_refresh(struct request *r)
{
	struct account_session session;
	struct str token;
	struct jw w;
	enum err err = json_str(r->body, "refresh_token", &token, &r->why);

	if (!err)
		err = account_refresh(r->api->users, token, r->arena, &session, &r->why);
	if (err)
		return err;
	reply_begin(r, &w);
	jw_obj(&w);
	session_write_tokens(&w, &session);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static enum err post_logout(struct request *r)
{
	struct user_caller who = request_user(r);
	enum err err = account_logout(r->api->users, &who);

	if (!err)
		reply_empty(r);
	return err;
}

static enum err post_logout_all(struct request *r)
{
	struct user_caller who = request_user(r);
	enum err err = account_logout_all(r->api->users, &who);

	if (!err)
		reply_empty(r);
	return err;
}

const struct route login_routes[] = {
	{ "getLoginFlows", "GET", "/_matrix/client/v3/login", AUTH_NONE, COST_READ, get_login },
	{ "login", "POST", "/_matrix/client/v3/login", AUTH_NONE, COST_LOGIN, post_login,
		BODY_OBJECT },
	{ "generateLoginToken", "POST", "/_matrix/client/v1/login/get_token", AUTH_TOKEN,
		COST_LOGIN, post_get_token },
	{ "refresh", "POST", "/_matrix/client/v3/refresh", AUTH_NONE, COST_LOGIN, post_refresh,
		BODY_OBJECT },
	{ "logout", "POST", "/_matrix/client/v3/logout", AUTH_TOKEN_OR_GUEST, COST_READ,
		post_logout },
	{ "logout_all", "POST", "/_matrix/client/v3/logout/all", AUTH_TOKEN_OR_GUEST, COST_READ,
		post_logout_all },
	{ 0 },
};
