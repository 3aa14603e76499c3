/*
 * answer_users: who we are, and what other servers ask about our users.
 */
#include "node/federation/answer.h"
#include "node/federation/keyring.h"
#include "node/user/users.h"

enum err answer_version(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct jw w = jw_to(&out);

	jw_obj(&w);
	jw_key(&w, "server");
	jw_obj(&w);
	jw_kv_z(&w, "name", "kith");
	jw_kv_z(&w, "version", KITH_VERSION);
	jw_end(&w);
	jw_end(&w);
	inbound_reply(r, &out);
	return ERR_OK;
}

enum err answer_key(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	enum err err = keyring_serve(r->f, clock_wall_ms(r->f->o.clock), &out);

	if (!err)
		inbound_reply(r, &out);
	return err;
}

enum err answer_profile(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct str user_id;
	struct str field = { 0 };
	enum err err;

	if (!inbound_query(r, "user_id", &user_id))
		return err_set(&r->why, ERR_INVALID, "user_id is missing");
	(void)inbound_query(r, "field", &field);
	err = users_serve_profile(r->f->o.users, user_id, field, &out, &r->why);
	if (!err)
		inbound_reply(r, &out);
	return err;
}

enum err answer_devices(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	enum err err = users_serve_devices(r->f->o.users, r->args[0], &out, &r->why);

	if (!err)
		inbound_reply(r, &out);
	return err;
}

enum err answer_keys_query(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	enum err err = users_serve_keys_query(r->f->o.users, r->body, &out, &r->why);

	if (!err)
		inbound_reply(r, &out);
	return err;
}

/* A claimed key is gone, so this writes. */
enum err answer_keys_claim(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct store *st = r->f->o.store;
	enum err err = store_begin(st);

	if (err)
		return err;
	err = users_serve_keys_claim(r->f->o.users, r->body, &out, &r->why);
	err = store_end(st, err);
	if (!err)
		inbound_reply(r, &out);
	return err;
}

enum err answer_openid(struct inbound_request *r)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct str token;
	enum err err;

	if (!inbound_query(r, "access_token", &token))
		return err_set(&r->why, ERR_UNAUTHORIZED, "access_token is missing");
	err = users_serve_openid(r->f->o.users, token, &out, &r->why);
	if (!err)
		inbound_reply(r, &out);
	return err;
}
