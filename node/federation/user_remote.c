/*
 * user_remote: struct user_remote_ops over the server-server API.
 */
#include "node/core/id.h"
#include "node/federation/remote.h"
#include "node/federation/uri.h"
#include "node/json/json.h"

#define V1 "/_matrix/federation/v1/"

static void answered(void *arg, const struct remote_answer *answer)
{
	CLEANUP(json_freep) struct json *reply = NULL;
	struct user_remote_call *c = arg;
	enum err err = answer->err;

	if (!err)
		err = json_parse(answer->body, &json_limits_peer, &reply, NULL);
	if (!err && !json_is(reply, JSON_OBJECT))
		err = ERR_MALFORMED;
	c->done(c, err, err ? NULL : reply);
}

static void ask(void *arg, struct user_remote_call *c, struct str server,
	enum transport_method method, const struct buf *path, struct str body, uint64_t ms)
{
	remote_ask(arg,
		&(struct remote_question){ .server = server,
			.method = method,
			.path = buf_str(path),
			.body = body,
			.deadline_ms = ms,
			.class = TRANSPORT_NOW,
			.done = answered,
			.arg = c });
}

static void query_profile(
	void *arg, struct str user_id, struct str field, struct user_remote_call *c)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };

	buf_put_z(&path, V1 "query/profile");
	uri_put_query(&path, "user_id", user_id);
	if (field.n)
		uri_put_query(&path, "field", field);
	ask(arg, c, id_server_of(user_id), TRANSPORT_GET, &path, STR(""), 10000);
}

static void query_keys(void *arg, struct str server, struct str body, uint64_t timeout_ms,
	struct user_remote_call *c)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };

	buf_put_z(&path, V1 "user/keys/query");
	ask(arg, c, server, TRANSPORT_POST, &path, body, timeout_ms);
}

static void claim_keys(void *arg, struct str server, struct str body, uint64_t timeout_ms,
	struct user_remote_call *c)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };

	buf_put_z(&path, V1 "user/keys/claim");
	ask(arg, c, server, TRANSPORT_POST, &path, body, timeout_ms);
}

static void user_devices(void *arg, struct str user_id, struct user_remote_call *c)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };

	uri_put_path(&path, V1 "user/devices/%s", &user_id, 1);
	ask(arg, c, id_server_of(user_id), TRANSPORT_GET, &path, STR(""), 0);
}

const struct user_remote_ops user_remote_ops = {
	.query_profile = query_profile,
	.query_keys = query_keys,
	.claim_keys = claim_keys,
	.user_devices = user_devices,
};
