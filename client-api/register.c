/*
 * register: making an account (client-server API, "Legacy API": registration; security.md L2).
 *
 * Closed: only the first account, with the owner's one-time token. Token: with a registration
 * token. Open: with a dummy stage, for tests and LAN parties.
 */
#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "client-api/session_reply.h"

static const struct uia_flow token_flow = { { UIA_REGISTRATION_TOKEN }, 1 };
static const struct uia_flow dummy_flow = { { UIA_DUMMY }, 1 };

/* NULL: nobody may register. */
static const struct uia_flow *flow_of(const struct users *u)
{
	switch (users_registration(u)) {
	case REGISTRATION_OPEN: return &dummy_flow;
	case REGISTRATION_TOKEN: return &token_flow;
	case REGISTRATION_CLOSED: break;
	}
	return users_owner_token(u).n ? &token_flow : NULL;
}

struct registration {
	struct str username;
	struct str password;
	struct account_device device;
	bool inhibit_login;
};

static enum err parse(struct request *r, struct registration *out)
{
	*out = (struct registration){ 0 };
	enum err err = json_opt_str(r->body, "username", &out->username, &r->why);

	if (!err)
		err = json_opt_str(r->body, "password", &out->password, &r->why);
	if (!err)
		err = json_opt_bool(r->body, "inhibit_login", &out->inhibit_login, &r->why);
	if (!err)
		err = session_device(r, &out->device);
	return err;
}

static enum err create(struct request *r, struct str registration_token)
{
	struct registration reg;
	enum err err = parse(r, &reg);

	if (err)
		return err;
	account_create(r->api->users,
		&(struct account_register){ .localpart = reg.username,
			.password = reg.password,
			.device = reg.device,
			.inhibit_login = reg.inhibit_login,
			.registration_token = registration_token },
		session_call(r));
	return ERR_OK;
}

/* True when it has replied. */
static bool refuse_name(struct request *r, struct str username)
{
	const char *errcode = NULL;
	enum err err = account_available(r->api->users, username, &errcode, &r->why);

	if (!err)
		return false;
	if (errcode)
		reply_error(r, 400, errcode, "%s", r->why.text);
	else
		reply_err(r, err);
	return true;
}

static enum err post_register(struct request *r)
{
	const struct uia_flow *flow = flow_of(r->api->users);
	struct str kind = STR("user");
	const struct json *auth = NULL;
	struct registration reg;
	enum err err;

	(void)request_query(r, "kind", &kind);
	if (str_eq(kind, STR("guest"))) {
		reply_error(r, 403, "M_GUEST_ACCESS_FORBIDDEN", "There are no guests here");
		return ERR_OK;
	}
	if (!str_eq(kind, STR("user")))
		return err_set(&r->why, ERR_INVALID, "kind is user or guest");
	if (!flow)
		return err_set(&r->why, ERR_FORBIDDEN, "Registration is disabled");
	err = parse(r, &reg);
	if (!err)
		err = json_opt_obj(r->body, "auth", &auth, &r->why);
	if (err)
		return err;
	if (reg.username.n && refuse_name(r, reg.username))
		return ERR_OK;
	if (auth && reg.password.n == 0) {
		reply_error(r, 400, "M_MISSING_PARAM", "An account needs a password");
		return ERR_OK;
	}
	return interactive_register(r, flow, 1, create);
}

static enum err get_available(struct request *r)
{
	struct str username;
	struct jw w;

	if (!flow_of(r->api->users))
		return err_set(&r->why, ERR_FORBIDDEN, "Registration is disabled");
	if (!request_query(r, "username", &username)) {
		reply_error(r, 400, "M_MISSING_PARAM", "username is missing");
		return ERR_OK;
	}
	if (refuse_name(r, username))
		return ERR_OK;
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_bool(&w, "available", true);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static enum err get_token_validity(struct request *r)
{
	const struct uia_flow *flow = flow_of(r->api->users);
	struct str token;
	struct jw w;

	if (flow != &token_flow)
		return err_set(&r->why, ERR_FORBIDDEN, "Registration is not by token");
	if (!request_query(r, "token", &token)) {
		reply_error(r, 400, "M_MISSING_PARAM", "token is missing");
		return ERR_OK;
	}
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_bool(&w, "valid",
		token.n <= UIA_TOKEN_CHARS && account_token_valid(r->api->users, token));
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

const struct route register_routes[] = {
	{ "register", "POST", "/_matrix/client/v3/register", AUTH_NONE, COST_REGISTER,
		post_register },
	{ "checkUsernameAvailability", "GET", "/_matrix/client/v3/register/available",
		AUTH_NONE, COST_KEYS, get_available },
	{ "registrationTokenValidity", "GET",
		"/_matrix/client/v1/register/m.login.registration_token/validity", AUTH_NONE,
		COST_LOGIN, get_token_validity },
	{ 0 },
};
