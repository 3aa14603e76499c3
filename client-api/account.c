/*
 * account: one's own account (client-server API, "Current account information", "Account
 * management").
 */
#include "node/user/account.h"
#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"

static enum err get_whoami(struct request *r)
{
	struct jw w;

	reply_begin(r, &w);
	jw_obj(&w);
	if (r->caller.device_id.n)
		jw_kv_str(&w, "device_id", r->caller.device_id);
	jw_kv_bool(&w, "is_guest", r->caller.guest);
	jw_kv_str(&w, "user_id", r->caller.user_id);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

/* There are no addresses: clients ask for them before they show their settings. */
static enum err get_3pids(struct request *r)
{
	struct jw w;

	reply_begin(r, &w);
	jw_obj(&w);
	jw_key(&w, "threepids");
	jw_arr(&w);
	jw_end(&w);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static void password_changed(
	struct account_call *c, enum err err, const struct account_session *session)
{
	struct request *r = c->arg;

	(void)session;
	if (!err) {
		reply_empty(r);
		return;
	}
	r->why = c->why;
	reply_err(r, err);
}

static enum err parse_password(struct request *r, struct str *password, bool *logout_devices)
{
	*logout_devices = true;
	enum err err = json_str(r->body, "new_password", password, &r->why);

	return err ? err : json_opt_bool(r->body, "logout_devices", logout_devices, &r->why);
}

static enum err change_password(struct request *r, struct str unused)
{
	struct account_call *c = ARENA_NEW(r->arena, struct account_call);
	struct str password;
	bool logout_devices;
	enum err err = parse_password(r, &password, &logout_devices);

	(void)unused;
	if (err)
		return err;
	c->done = password_changed;
	c->arg = r;
	account_set_password(r->api->users, r->caller.user_id, password, logout_devices,
		r->caller.device, c);
	return ERR_OK;
}

static enum err post_password(struct request *r)
{
	struct str password;
	bool logout_devices;
	enum err err = ERR_OK;

	/* Some clients leave the new password out until they have the session. */
	if (json_get(r->body, "auth") || json_get(r->body, "new_password"))
		err = parse_password(r, &password, &logout_devices);
	return err ? err : interactive_password(r, change_password);
}

static enum err deactivate(struct request *r, struct str unused)
{
	struct jw w;
	enum err err = account_deactivate(r->api->users, r->caller.user_id);

	(void)unused;
	if (err)
		return err;
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_z(&w, "id_server_unbind_result", "success");
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

/* Everything that belongs to the account goes in any case; its messages are the rooms'. */
static enum err post_deactivate(struct request *r)
{
	struct str id_server = { 0 };
	bool erase = false;
	enum err err = json_opt_bool(r->body, "erase", &erase, &r->why);

	if (!err)
		err = json_opt_str(r->body, "id_server", &id_server, &r->why);
	return err ? err : interactive_password(r, deactivate);
}

const struct route account_routes[] = {
	{ "getTokenOwner", "GET", "/_matrix/client/v3/account/whoami", AUTH_TOKEN_OR_GUEST,
		COST_READ, get_whoami },
	{ "getAccount3PIDs", "GET", "/_matrix/client/v3/account/3pid", AUTH_TOKEN, COST_READ,
		get_3pids },
	{ "changePassword", "POST", "/_matrix/client/v3/account/password", AUTH_TOKEN,
		COST_LOGIN, post_password },
	{ "deactivateAccount", "POST", "/_matrix/client/v3/account/deactivate", AUTH_TOKEN,
		COST_LOGIN, post_deactivate },
	{ 0 },
};
