#include "client-api/session_reply.h"

#include "client-api/reply.h"

enum err session_device(struct request *r, struct account_device *out)
{
	struct account_device d = { 0 };
	enum err err = json_opt_str(r->body, "device_id", &d.device_id, &r->why);

	if (!err)
		err = json_opt_str(
			r->body, "initial_device_display_name", &d.display_name, &r->why);
	if (!err)
		err = json_opt_bool(r->body, "refresh_token", &d.refresh_token, &r->why);
	d.address = request_address(r);
	if (!err)
		*out = d;
	return err;
}

void session_write_tokens(struct jw *w, const struct account_session *s)
{
	jw_kv_str(w, "access_token", s->access_token);
	if (s->expires_in_ms)
		jw_kv_int(w, "expires_in_ms", s->expires_in_ms);
	if (s->refresh_token.n)
		jw_kv_str(w, "refresh_token", s->refresh_token);
}

static void replied(struct account_call *c, enum err err, const struct account_session *session)
{
	struct request *r = c->arg;
	struct jw w;

	if (err && c->errcode) {
		reply_error(r, 400, c->errcode, "%s", c->why.text);
		return;
	}
	if (err) {
		r->why = c->why;
		reply_err(r, err);
		return;
	}
	reply_begin(r, &w);
	jw_obj(&w);
	if (session->access_token.n) {
		session_write_tokens(&w, session);
		jw_kv_str(&w, "device_id", session->device_id);
	}
	jw_kv_str(&w, "home_server", r->api->server_name);
	jw_kv_str(&w, "user_id", session->user_id);
	jw_end(&w);
	reply_end(r);
}

struct account_call *session_call(struct request *r)
{
	struct account_call *c = ARENA_NEW(r->arena, struct account_call);

	c->done = replied;
	c->arg = r;
	return c;
}
