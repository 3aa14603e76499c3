/*
 * send_to_device: messages from device to device (module send_to_device).
 */
#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/base/limits.h"
#include "node/user/to_device.h"

static enum err put_send_to_device(struct request *r)
{
	struct user_caller who = request_user(r);
	const struct json *messages = NULL;
	enum err err = json_obj(r->body, "messages", &messages, &r->why);

	if (!err)
		err = to_device_send(
			r->api->users, &who, r->args[0], r->args[1], messages, &r->why);
	if (!err)
		reply_empty(r);
	return err;
}

const struct route send_to_device_routes[] = {
	{ "sendToDevice", "PUT", "/_matrix/client/v3/sendToDevice/{eventType}/{txnId}",
		AUTH_TOKEN, COST_WRITE, put_send_to_device, BODY_OBJECT, LIMIT_BODY_KEYS },
	{ 0 },
};
