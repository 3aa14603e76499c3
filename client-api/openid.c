/*
 * openid: tokens by which a third party may learn who somebody is (module openid).
 */
#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/user/account.h"

static enum err post_request_token(struct request *r)
{
	struct user_caller who = request_user(r);
	int64_t expires_in_s;
	struct str token;
	struct jw w;
	enum err err = request_is_caller(r, r->args[0]);

	if (!err)
		err = account_openid(r->api->users, &who, r->arena, &token, &expires_in_s);
	if (err)
		return err;
	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_str(&w, "access_token", token);
	jw_kv_int(&w, "expires_in", expires_in_s);
	jw_kv_str(&w, "matrix_server_name", r->api->server_name);
	jw_kv_z(&w, "token_type", "Bearer");
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

const struct route openid_routes[] = {
	{ "requestOpenIdToken", "POST", "/_matrix/client/v3/user/{userId}/openid/request_token",
		AUTH_TOKEN, COST_KEYS, post_request_token },
	{ 0 },
};
