/*
 * admin: what the node's owner may do to accounts (module admin).
 */
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/user/account.h"
#include "node/user/device.h"

/* An account of ours that is not the owner's. ERR_FORBIDDEN, ERR_INVALID, ERR_NOT_FOUND. */
static enum err look_at(struct request *r, bool *locked, bool *suspended, bool change)
{
	bool is_admin;
	enum err err;

	if (!r->caller.owner)
		return err_set(&r->why, ERR_FORBIDDEN, "You are not a server admin");
	if (!users_is_local(r->api->users, r->args[0]))
		return err_set(&r->why, ERR_INVALID, "that is no user of this server");
	err = account_state(r->api->users, r->args[0], locked, suspended, &is_admin);
	if (err)
		return err_set(&r->why, err, "there is no such user");
	if (change && is_admin)
		return err_set(&r->why, ERR_FORBIDDEN, "an admin can't be locked out");
	return ERR_OK;
}

static void write_state(struct request *r, const char *name, bool on)
{
	struct jw w;

	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_bool(&w, name, on);
	jw_end(&w);
	reply_end(r);
}

/* One's own, or for the owner anyone's. */
static enum err get_whois(struct request *r)
{
	struct buf out = { 0 };
	enum err err;

	if (!r->caller.owner && !str_eq(r->caller.user_id, r->args[0]))
		return err_set(&r->why, ERR_FORBIDDEN, "You are not a server admin");
	err = device_write_whois(r->api->users, r->args[0], &out, &r->why);
	if (err)
		buf_deinit(&out);
	else
		reply_json(r, &out);
	return err;
}

static enum err get_lock(struct request *r)
{
	bool locked = false;
	bool suspended = false;
	enum err err = look_at(r, &locked, &suspended, false);

	if (!err)
		write_state(r, "locked", locked);
	return err;
}

static enum err get_suspend(struct request *r)
{
	bool locked = false;
	bool suspended = false;
	enum err err = look_at(r, &locked, &suspended, false);

	if (!err)
		write_state(r, "suspended", suspended);
	return err;
}

static enum err put_lock(struct request *r)
{
	bool locked, suspended, on;
	enum err err = json_bool(r->body, "locked", &on, &r->why);

	if (!err)
		err = look_at(r, &locked, &suspended, true);
	if (!err)
		err = account_set_locked(r->api->users, r->args[0], on);
	if (!err)
		write_state(r, "locked", on);
	return err;
}

static enum err put_suspend(struct request *r)
{
	bool locked, suspended, on;
	enum err err = json_bool(r->body, "suspended", &on, &r->why);

	if (!err)
		err = look_at(r, &locked, &suspended, true);
	if (!err)
		err = account_set_suspended(r->api->users, r->args[0], on);
	if (!err)
		write_state(r, "suspended", on);
	return err;
}

const struct route admin_routes[] = {
	{ "getAdminLockUser", "GET", "/_matrix/client/v1/admin/lock/{userId}", AUTH_TOKEN,
		COST_READ, get_lock },
	{ "setAdminLockUser", "PUT", "/_matrix/client/v1/admin/lock/{userId}", AUTH_TOKEN,
		COST_WRITE, put_lock, BODY_OBJECT },
	{ "getWhoIs", "GET", "/_matrix/client/v3/admin/whois/{userId}", AUTH_TOKEN, COST_READ,
		get_whois },
	{ "getAdminSuspendUser", "GET", "/_matrix/client/v1/admin/suspend/{userId}", AUTH_TOKEN,
		COST_READ, get_suspend },
	{ "setAdminSuspendUser", "PUT", "/_matrix/client/v1/admin/suspend/{userId}", AUTH_TOKEN,
		COST_WRITE, put_suspend, BODY_OBJECT },
	{ 0 },
};
