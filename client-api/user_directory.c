/*
 * user_directory: whom one may want to write to (client-server API, "User Directory").
 */
#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/user/directory.h"

#define RESULTS_DEFAULT 10
#define RESULTS_MAX     100

static void found(struct directory_call *c, enum err err, struct str reply)
{
	struct request *r = c->arg;
	struct buf out = { 0 };

	if (err) {
		reply_err(r, err);
		return;
	}
	buf_put_str(&out, reply);
	reply_json(r, &out);
}

static enum err post_search(struct request *r)
{
	struct user_caller who = request_user(r);
	int64_t limit = RESULTS_DEFAULT;
	struct directory_call *call;
	struct str term;
	enum err err = json_str(r->body, "search_term", &term, &r->why);

	if (!err)
		err = json_opt_int(r->body, "limit", 0, JSON_INT_MAX, &limit, &r->why);
	if (err)
		return err;
	if (limit > RESULTS_MAX)
		limit = RESULTS_MAX;
	call = ARENA_NEW(r->arena, struct directory_call);
	call->done = found;
	call->arg = r;
	directory_search(r->api->users, &who, term, (size_t)limit, call);
	return ERR_OK;
}

const struct route user_directory_routes[] = {
	{ "searchUserDirectory", "POST", "/_matrix/client/v3/user_directory/search", AUTH_TOKEN,
		COST_KEYS, post_search, BODY_OBJECT },
	{ 0 },
};
