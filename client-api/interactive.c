#include "client-api/interactive.h"

#include "client-api/reply.h"

struct interactive {
	struct uia_call call;
	struct request *request;
	interactive_fn *then;
};

static const struct uia_flow password_flow = { { UIA_PASSWORD }, 1 };

static void checked(
	struct uia_call *c, enum uia_outcome outcome, enum err err, struct str reply)
{
	struct interactive *i = CONTAINER_OF(c, struct interactive, call);
	struct request *r = i->request;
	struct buf text = { 0 };

	switch (outcome) {
	case UIA_PENDING:
		buf_put_str(&text, reply);
		reply_json_status(r, 401, &text);
		return;
	case UIA_REFUSED: break;
	case UIA_PASSED:
		err = i->then(r, str_of(c->registration_token));
		if (err)
			reply_err(r, err);
		return;
	}
	r->why = c->why;
	reply_err(r, err);
}

enum err interactive_check(struct request *r)
{
	const struct json *auth = NULL;
	struct str s;
	enum err err = json_opt_obj(r->body, "auth", &auth, &r->why);

	if (!err && auth)
		err = json_opt_str(auth, "session", &s, &r->why);
	if (!err && auth)
		err = json_opt_str(auth, "type", &s, &r->why);
	return err;
}

static enum err check(struct request *r, struct uia_request *q, interactive_fn *then)
{
	struct interactive *i = ARENA_NEW(r->arena, struct interactive);
	enum err err = json_opt_obj(r->body, "auth", &q->auth, &r->why);

	if (!err && q->auth && r->caller.user_id.n)
		err = request_limit_login(r, r->caller.user_id);
	if (err)
		return err;
	i->call.done = checked;
	i->request = r;
	i->then = then;
	q->method = r->method;
	q->path = r->path;
	uia_check(r->api->users, q, &i->call);
	return ERR_OK;
}

enum err interactive_password(struct request *r, interactive_fn *then)
{
	static const char *const without[] = { "auth" };
	CLEANUP(buf_deinit) struct buf scope = { 0 };
	struct uia_request q = {
		.user_id = r->caller.user_id, .flows = &password_flow, .n_flows = 1
	};

	json_canonical_without(r->body, without, 1, &scope);
	q.scope = buf_str(&scope);
	return check(r, &q, then);
}

enum err interactive_register(
	struct request *r, const struct uia_flow *flows, size_t n_flows, interactive_fn *then)
{
	struct uia_request q = { .flows = flows, .n_flows = n_flows };

	return check(r, &q, then);
}
