/*
 * device_management: a user's devices (module device_management).
 */
#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/user/device.h"

static enum err get_devices(struct request *r)
{
	struct buf out = { 0 };
	enum err err = device_write_all(r->api->users, r->caller.account, &out);

	if (err)
		buf_deinit(&out);
	else
		reply_json(r, &out);
	return err;
}

static enum err get_device(struct request *r)
{
	struct buf out = { 0 };
	enum err err =
		device_write(r->api->users, r->caller.account, r->args[0], &out, &r->why);

	if (err)
		buf_deinit(&out);
	else
		reply_json(r, &out);
	return err;
}

static enum err put_device(struct request *r)
{
	struct user_caller who = request_user(r);
	struct str name = { 0 };
	enum err err = json_opt_str(r->body, "display_name", &name, &r->why);

	if (!err && json_get(r->body, "display_name"))
		err = device_rename(r->api->users, &who, r->args[0], name, &r->why);
	if (!err)
		reply_empty(r);
	return err;
}

static enum err do_delete(struct request *r, const struct str *ids, size_t n)
{
	struct user_caller who = request_user(r);
	enum err err = device_delete(r->api->users, &who, ids, n);

	if (!err)
		reply_empty(r);
	return err;
}

static enum err delete_one(struct request *r, struct str unused)
{
	(void)unused;
	return do_delete(r, &r->args[0], 1);
}

static enum err delete_device(struct request *r)
{
	return interactive_password(r, delete_one);
}

static enum err parse_devices(struct request *r, const struct str **out, size_t *n)
{
	const struct json *devices = NULL;
	struct str *ids;
	size_t used = 0;
	enum err err = json_arr(r->body, "devices", &devices, &r->why);

	if (err)
		return err;
	ids = arena_calloc(r->arena, json_count(devices) + 1, sizeof(*ids));
	for (const struct json *m = json_first(devices); m; m = json_next(m))
		if (!json_as_str(m, &ids[used++]))
			return err_set(&r->why, ERR_MALFORMED, "devices: one is no string");
	*out = ids;
	*n = used;
	return ERR_OK;
}

static enum err delete_several(struct request *r, struct str unused)
{
	const struct str *ids;
	size_t n;
	enum err err = parse_devices(r, &ids, &n);

	(void)unused;
	return err ? err : do_delete(r, ids, n);
}

static enum err post_delete_devices(struct request *r)
{
	const struct str *ids;
	size_t n;
	enum err err = parse_devices(r, &ids, &n);

	return err ? err : interactive_password(r, delete_several);
}

const struct route device_management_routes[] = {
	{ "getDevices", "GET", "/_matrix/client/v3/devices", AUTH_TOKEN, COST_READ,
		get_devices },
	{ "getDevice", "GET", "/_matrix/client/v3/devices/{deviceId}", AUTH_TOKEN, COST_READ,
		get_device },
	{ "updateDevice", "PUT", "/_matrix/client/v3/devices/{deviceId}", AUTH_TOKEN,
		COST_WRITE, put_device },
	{ "deleteDevice", "DELETE", "/_matrix/client/v3/devices/{deviceId}", AUTH_TOKEN,
		COST_LOGIN, delete_device },
	{ "deleteDevices", "POST", "/_matrix/client/v3/delete_devices", AUTH_TOKEN, COST_LOGIN,
		post_delete_devices },
	{ 0 },
};
