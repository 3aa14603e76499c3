/*
 * end_to_end_encryption: device keys, one-time keys, cross-signing (module
 * end_to_end_encryption). Backups are in key_backup.c.
 */
#include "client-api/interactive.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/base/limits.h"
#include "node/sync/sync.h"
#include "node/user/cross_signing.h"
#include "node/user/device_list.h"
#include "node/user/e2e_keys.h"

static enum err post_upload(struct request *r)
{
	struct user_caller who = request_user(r);
	struct buf out = { 0 };
	enum err err = e2e_keys_upload(r->api->users, &who, r->body, &out, &r->why);

	if (err)
		buf_deinit(&out);
	else
		reply_json(r, &out);
	return err;
}

static void got_keys(struct e2e_keys_call *c, enum err err, struct str reply)
{
	struct request *r = c->arg;
	struct buf out = { 0 };

	if (err) {
		r->why = c->why;
		reply_err(r, err);
		return;
	}
	buf_put_str(&out, reply);
	reply_json(r, &out);
}

static struct e2e_keys_call *keys_call(struct request *r)
{
	struct e2e_keys_call *c = ARENA_NEW(r->arena, struct e2e_keys_call);

	c->done = got_keys;
	c->arg = r;
	return c;
}

static enum err post_query(struct request *r)
{
	struct user_caller who = request_user(r);

	return e2e_keys_query(r->api->users, &who, r->body, keys_call(r), &r->why);
}

static enum err post_claim(struct request *r)
{
	struct user_caller who = request_user(r);

	return e2e_keys_claim(r->api->users, &who, r->body, keys_call(r), &r->why);
}

static void write_ids(struct jw *w, const char *name, const struct str *ids, size_t n)
{
	jw_key(w, name);
	jw_arr(w);
	for (size_t i = 0; i < n; i++)
		jw_str(w, ids[i]);
	jw_end(w);
}

static enum err get_changes(struct request *r)
{
	struct device_list_changes changes;
	struct sync_token from, to;
	struct str text;
	struct jw w;
	enum err err;

	if (!request_query(r, "from", &text) || !sync_token_parse(text, &from))
		return err_set(&r->why, ERR_INVALID, "from is no token of a sync");
	if (!request_query(r, "to", &text) || !sync_token_parse(text, &to))
		return err_set(&r->why, ERR_INVALID, "to is no token of a sync");
	err = device_list_changes(
		r->api->users, r->arena, r->caller.user_id, from.stream, to.stream, &changes);
	if (err)
		return err;
	reply_begin(r, &w);
	jw_obj(&w);
	write_ids(&w, "changed", changes.changed, changes.n_changed);
	write_ids(&w, "left", changes.left, changes.n_left);
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

static enum err upload_cross_signing(struct request *r, struct str unused)
{
	struct user_caller who = request_user(r);
	bool bad_signature;
	enum err err =
		cross_signing_upload(r->api->users, &who, r->body, &bad_signature, &r->why);

	(void)unused;
	if (bad_signature)
		reply_error(r, 400, "M_INVALID_SIGNATURE", "%s", r->why.text);
	else if (err == ERR_NOT_FOUND)
		reply_error(r, 400, "M_MISSING_PARAM", "%s", r->why.text);
	else if (err)
		return err;
	else
		reply_empty(r);
	return ERR_OK;
}

static enum err post_device_signing(struct request *r)
{
	struct user_caller who = request_user(r);
	bool needs_auth;
	enum err err = interactive_check(r);

	if (!err)
		err = cross_signing_needs_auth(
			r->api->users, &who, r->body, &needs_auth, &r->why);
	if (err)
		return err;
	if (needs_auth)
		return interactive_password(r, upload_cross_signing);
	return upload_cross_signing(r, (struct str){ 0 });
}

static enum err post_signatures(struct request *r)
{
	struct user_caller who = request_user(r);
	struct buf out = { 0 };
	enum err err = cross_signing_signatures(r->api->users, &who, r->body, &out, &r->why);

	if (err)
		buf_deinit(&out);
	else
		reply_json(r, &out);
	return err;
}

#define KEYS "/_matrix/client/v3/keys"

const struct route end_to_end_encryption_routes[] = {
	{ "uploadKeys", "POST", KEYS "/upload", AUTH_TOKEN, COST_KEYS, post_upload, BODY_OBJECT,
		LIMIT_BODY_KEYS },
	{ "queryKeys", "POST", KEYS "/query", AUTH_TOKEN, COST_KEYS, post_query, BODY_OBJECT,
		LIMIT_BODY_KEYS },
	{ "claimKeys", "POST", KEYS "/claim", AUTH_TOKEN, COST_KEYS, post_claim, BODY_OBJECT,
		LIMIT_BODY_KEYS },
	{ "getKeysChanges", "GET", KEYS "/changes", AUTH_TOKEN, COST_KEYS, get_changes },
	{ "uploadCrossSigningKeys", "POST", KEYS "/device_signing/upload", AUTH_TOKEN,
		COST_KEYS, post_device_signing, BODY_OBJECT },
	{ "uploadCrossSigningSignatures", "POST", KEYS "/signatures/upload", AUTH_TOKEN,
		COST_KEYS, post_signatures, BODY_OBJECT, LIMIT_BODY_KEYS },
	{ 0 },
};
