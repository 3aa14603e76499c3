#include "node/user/account.h"

#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/user/profile.h"
#include "node/user/session.h"
#include "store/profile.h"

#define LOG_MODULE "account"

#define OPENID_S INT64_C(3600)

/* What waits for a hash. The step that comes after it is `then`. */
struct account_op {
	struct users *users;
	struct account_call *call;
	struct arena *arena; /* owned: copies of all inputs */
	enum err (*then)(struct account_op *op, struct account_session *out);
	enum err err; /* for what is over before it began */
	struct account_register reg;
	struct account_device device;
	struct str user_id;
	bool logout_devices;
	int64_t except_device;
	struct password_job job;
	struct users_later later;
};

static struct account_op *op_new(struct users *u, struct account_call *c)
{
	struct account_op *op = NEW(struct account_op);

	op->users = u;
	op->call = c;
	op->arena = arena_new();
	op->job.arg = op;
	return op;
}

static void finish(struct account_op *op, enum err err, const struct account_session *session)
{
	static const struct account_session none = { 0 };
	struct account_call *c = op->call;
	struct arena *a = op->arena;

	sodium_memzero(op, sizeof(*op));
	free(op);
	c->done(c, err, session ? session : &none);
	arena_free(a);
}

static void finish_later(struct users_later *l, bool cancelled)
{
	struct account_op *op = CONTAINER_OF(l, struct account_op, later);
	struct account_session session = { 0 };
	enum err err = cancelled ? ERR_CANCELLED : op->err;

	if (!err)
		err = op->then(op, &session);
	finish(op, err, err ? NULL : &session);
}

static void later(struct account_op *op, enum err err)
{
	op->err = err;
	op->later.fn = finish_later;
	users_later(op->users, &op->later);
}

static void hash_done(struct password_job *j, enum err err)
{
	struct account_op *op = j->arg;
	struct account_session session = { 0 };

	if (err == ERR_LIMIT)
		(void)err_set(&op->call->why, err, "too many logins at once");
	else if (err == ERR_FORBIDDEN)
		(void)err_set(&op->call->why, err, "Invalid username or password");
	if (!err)
		err = op->then(op, &session);
	finish(op, err, err ? NULL : &session);
}

/* In a transaction: whatever `fn` does is done whole or not at all. */
static enum err in_transaction(struct account_op *op, struct account_session *out,
	enum err (*fn)(struct account_op *op, struct account_session *out))
{
	enum err err = store_begin(op->users->store);

	if (err)
		return err;
	return store_end(op->users->store, fn(op, out));
}

static struct account_device copy_device(struct arena *a, const struct account_device *d)
{
	return (struct account_device){
		.device_id = arena_str(a, d->device_id),
		.display_name = arena_str(a, d->display_name),
		.address = arena_str(a, d->address),
		.refresh_token = d->refresh_token,
	};
}

static struct str full_id(const struct users *u, struct arena *a, struct str localpart)
{
	return arena_printf(a, "@%.*s:%.*s", STR_FMT(localpart), STR_FMT(u->o.server_name));
}

/* Localparts have no capitals: what people type with some is what they mean without. */
static struct str lower(struct arena *a, struct str s)
{
	char *out = arena_alloc(a, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		out[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] - 'A' + 'a' : s.p[i]);
	return (struct str){ out, s.n };
}

/*
 * Registering.
 */

enum err account_available(
	struct users *u, struct str name, const char **errcode, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account found;
	struct str localpart = lower(a, name);
	struct str id = full_id(u, a, localpart);
	enum err err;

	*errcode = NULL;
	if (!id_user_strict(localpart) || id.n > LIMIT_ID_BYTES) {
		*errcode = "M_INVALID_USERNAME";
		return err_set(why, ERR_INVALID, "a user name is made of a-z 0-9 . _ = - / +");
	}
	err = store_account_get(u->store, a, id, &found);
	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (err)
		return err;
	*errcode = "M_USER_IN_USE";
	return err_set(why, ERR_EXISTS, "that user name is taken");
}

static enum err use_token(struct account_op *op, bool *is_admin)
{
	struct users *u = op->users;
	struct str token = op->reg.registration_token;
	enum err err;

	if (token.n == 0)
		return ERR_OK;
	if (owner_token_matches(u, token)) {
		*is_admin = true;
		return ERR_OK;
	}
	err = store_registration_token_use(u->store, token, users_now(u));
	if (err == ERR_NOT_FOUND)
		return err_set(
			&op->call->why, ERR_FORBIDDEN, "the registration token is used up");
	return err;
}

static enum err put_account(struct account_op *op, struct account_session *out)
{
	struct users *u = op->users;
	struct store_account account = {
		.user_id = op->user_id,
		.password = str_of(op->job.hash),
		.is_admin = op->reg.is_admin,
	};
	CLEANUP(buf_deinit) struct buf name = { 0 };
	struct jw w = jw_to(&name);
	int64_t count = 0;
	enum err err = store_account_count(u->store, &count);

	if (!err)
		err = use_token(op, &account.is_admin);
	if (err)
		return err;
	if (count == 0)
		account.is_admin = true;
	err = store_account_put(u->store, &account, users_now(u), &account.nid);
	if (err == ERR_EXISTS) {
		op->call->errcode = "M_USER_IN_USE";
		return err_set(&op->call->why, err, "that user name is taken");
	}
	if (err)
		return err;
	/* Until the person says otherwise: a key of 52 letters is no name to show. */
	jw_str(&w, op->reg.localpart);
	err = store_profile_put(u->store, account.nid, STR("displayname"), buf_str(&name));
	if (err)
		return err;
	store_feed(
		u->store, &(struct feed_item){ .kind = FEED_PROFILE, .user_id = op->user_id });
	out->user_id = op->user_id;
	if (op->reg.inhibit_login)
		return ERR_OK;
	return session_start(u, op->arena, &account, &op->device, out, &op->call->why);
}

static enum err create_account(struct account_op *op, struct account_session *out)
{
	enum err err = in_transaction(op, out, put_account);

	if (err)
		return err;
	owner_token_used(op->users);
	log_info(op->users->o.log, "registered user_id=%.*s", STR_FMT(op->user_id));
	return ERR_OK;
}

void account_create(struct users *u, const struct account_register *reg, struct account_call *c)
{
	struct account_op *op = op_new(u, c);
	char made_up[13];
	enum err err;

	c->errcode = NULL;
	op->then = create_account;
	op->reg = *reg;
	op->device = copy_device(op->arena, &reg->device);
	op->reg.registration_token = arena_str(op->arena, reg->registration_token);
	op->reg.password = (struct str){ 0 };
	if (reg->localpart.n) {
		op->reg.localpart = lower(op->arena, reg->localpart);
	} else {
		token_device_id(u->o.rng, 12, made_up);
		for (size_t i = 0; i < 12; i++)
			made_up[i] = (char)(made_up[i] - 'A' + 'a');
		op->reg.localpart = arena_str(op->arena, str_of(made_up));
	}
	op->user_id = full_id(u, op->arena, op->reg.localpart);
	err = account_available(u, op->reg.localpart, &c->errcode, &c->why);
	if (!err && reg->password.n > LIMIT_PASSWORD_BYTES)
		err = err_set(&c->why, ERR_INVALID, "the password is too long");
	if (err || reg->password.n == 0) {
		later(op, err);
		return;
	}
	op->job.done = hash_done;
	password_hash(u->passwords, reg->password, &op->job);
}

/*
 * Logging in.
 */

static enum err put_login(struct account_op *op, struct account_session *out)
{
	struct store_account account;
	enum err err = users_account(op->users, op->arena, op->user_id, &account);

	/* It may have been deactivated while the hash was computed. */
	if (err == ERR_NOT_FOUND)
		return err_set(&op->call->why, ERR_FORBIDDEN, "Invalid username or password");
	if (!err && op->job.rehashed) {
		account.password = str_of(op->job.hash);
		err = store_account_update(op->users->store, &account);
	}
	if (err)
		return err;
	return session_start(op->users, op->arena, &account, &op->device, out, &op->call->why);
}

static enum err log_in(struct account_op *op, struct account_session *out)
{
	return in_transaction(op, out, put_login);
}

/* Of a localpart or a whole id; an id of another server stays what it is and is not found. */
static struct str id_of(const struct users *u, struct arena *a, struct str user)
{
	struct str localpart, server;

	if (id_user(user, &localpart, &server) && str_eq(server, u->o.server_name))
		return full_id(u, a, lower(a, localpart));
	if (user.n && user.p[0] == '@')
		return arena_str(a, user);
	return full_id(u, a, lower(a, user));
}

static void verify(struct account_op *op, struct str password)
{
	struct store_account account = { 0 };
	enum err err = users_account(op->users, op->arena, op->user_id, &account);

	if (err && err != ERR_NOT_FOUND) {
		later(op, err);
		return;
	}
	op->job.done = hash_done;
	password_verify(op->users->passwords, password, account.password, &op->job);
}

void account_login(struct users *u, struct str user, struct str password,
	const struct account_device *device, struct account_call *c)
{
	struct account_op *op = op_new(u, c);

	c->errcode = NULL;
	op->then = log_in;
	op->device = copy_device(op->arena, device);
	op->user_id = id_of(u, op->arena, user);
	verify(op, password);
}

void account_login_trusted(struct users *u, struct str user_id,
	const struct account_device *device, struct account_call *c)
{
	struct account_op *op = op_new(u, c);

	c->errcode = NULL;
	op->then = log_in;
	op->device = copy_device(op->arena, device);
	op->user_id = arena_str(op->arena, user_id);
	later(op, user_id.n ? ERR_OK : err_set(&c->why, ERR_FORBIDDEN, "Invalid login token"));
}

static enum err nothing_more(struct account_op *op, struct account_session *out)
{
	(void)op;
	(void)out;
	return ERR_OK;
}

void account_check_password(
	struct users *u, struct str user_id, struct str password, struct account_call *c)
{
	struct account_op *op = op_new(u, c);

	c->errcode = NULL;
	op->then = nothing_more;
	op->user_id = arena_str(op->arena, user_id);
	verify(op, password);
}

static enum err put_password(struct account_op *op, struct account_session *out)
{
	struct users *u = op->users;
	struct store_account account;
	enum err err = users_account(u, op->arena, op->user_id, &account);

	(void)out;
	if (err)
		return err;
	account.password = str_of(op->job.hash);
	err = store_account_update(u->store, &account);
	if (!err && op->logout_devices)
		err = session_end_all(u, op->user_id, account.nid, op->except_device);
	return err;
}

static enum err change_password(struct account_op *op, struct account_session *out)
{
	return in_transaction(op, out, put_password);
}

void account_set_password(struct users *u, struct str user_id, struct str password,
	bool logout_devices, int64_t except_device, struct account_call *c)
{
	struct account_op *op = op_new(u, c);

	c->errcode = NULL;
	op->then = change_password;
	op->user_id = arena_str(op->arena, user_id);
	op->logout_devices = logout_devices;
	op->except_device = except_device;
	if (password.n == 0 || password.n > LIMIT_PASSWORD_BYTES) {
		later(op,
			err_set(&c->why, ERR_INVALID, "a password has 1 to %d bytes",
				LIMIT_PASSWORD_BYTES));
		return;
	}
	op->job.done = hash_done;
	password_hash(u->passwords, password, &op->job);
}

enum err account_refresh(struct users *u, struct str refresh_token, struct arena *a,
	struct account_session *out, struct err_ctx *why)
{
	unsigned char hash[TOKEN_HASH_BYTES];
	struct store_login old;
	enum err err;

	token_hash(refresh_token, hash);
	err = store_session_by_refresh(u->store, a, hash, &old);
	if (err == ERR_NOT_FOUND || (!err && old.account.is_deactivated))
		return err_set(why, ERR_UNAUTHORIZED, "unknown refresh token");
	if (err)
		return err;
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, session_renew(u, a, &old, out));
}

/*
 * Ending.
 */

enum err account_logout(struct users *u, const struct user_caller *who)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_device d;
	enum err err = store_device_get(u->store, a, who->account, who->device_id, &d);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, session_end_device(u, who->user_id, &d));
}

enum err account_logout_all(struct users *u, const struct user_caller *who)
{
	enum err err = store_begin(u->store);

	if (err)
		return err;
	return store_end(u->store, session_end_all(u, who->user_id, who->account, 0));
}

enum err account_deactivate(struct users *u, struct str user_id)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account account;
	enum err err = users_account(u, a, user_id, &account);

	if (!err)
		err = store_begin(u->store);
	if (err)
		return err;
	if (u->rooms)
		u->rooms->leave_all(u->rooms_arg, user_id);
	err = session_end_all(u, user_id, account.nid, 0);
	if (!err)
		err = store_account_clear(u->store, account.nid);
	account.password = (struct str){ 0 };
	account.is_admin = false;
	account.is_deactivated = true;
	if (!err)
		err = store_account_update(u->store, &account);
	return store_end(u->store, err);
}

/*
 * The rest.
 */

enum err account_token_new(
	struct users *u, struct str token, int64_t uses_allowed, int64_t expiry_ts)
{
	enum err err = store_begin(u->store);

	if (err)
		return err;
	return store_end(u->store,
		store_registration_token_put(
			u->store, token, uses_allowed < 0 ? -1 : uses_allowed, expiry_ts));
}

bool account_token_valid(struct users *u, struct str token)
{
	if (owner_token_matches(u, token))
		return true;
	return u->o.registration != REGISTRATION_CLOSED &&
		store_registration_token_check(u->store, token, users_now(u)) == ERR_OK;
}

static enum err set_flag(struct users *u, struct str user_id, bool lock, bool on)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account account;
	enum err err = users_account(u, a, user_id, &account);

	if (!err)
		err = store_begin(u->store);
	if (err)
		return err;
	if (lock)
		account.is_locked = on;
	else
		account.is_suspended = on;
	return store_end(u->store, store_account_update(u->store, &account));
}

enum err account_set_locked(struct users *u, struct str user_id, bool locked)
{
	return set_flag(u, user_id, true, locked);
}

enum err account_set_suspended(struct users *u, struct str user_id, bool suspended)
{
	return set_flag(u, user_id, false, suspended);
}

enum err account_state(
	struct users *u, struct str user_id, bool *locked, bool *suspended, bool *is_admin)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account account;
	enum err err = users_account(u, a, user_id, &account);

	if (err)
		return err;
	*locked = account.is_locked;
	*suspended = account.is_suspended;
	*is_admin = account.is_admin;
	return ERR_OK;
}

int64_t account_count(struct users *u)
{
	int64_t n = 0;

	return store_account_count(u->store, &n) ? 0 : n;
}

enum err account_openid(struct users *u, const struct user_caller *who, struct arena *a,
	struct str *token, int64_t *expires_in_s)
{
	struct token made;
	unsigned char hash[TOKEN_HASH_BYTES];
	int64_t now = users_now(u);
	enum err err = store_begin(u->store);

	if (err)
		return err;
	token_make(u->o.rng, "ko_", &made);
	token_hash(token_str(&made), hash);
	err = store_end(u->store,
		store_openid_put(u->store, hash, who->account, now, now + OPENID_S * 1000));
	if (err)
		return err;
	*token = arena_str(a, token_str(&made));
	*expires_in_s = OPENID_S;
	return ERR_OK;
}

enum err users_serve_openid(
	struct users *u, struct str token, struct buf *out, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	unsigned char hash[TOKEN_HASH_BYTES];
	struct str user_id;
	struct jw w = jw_to(out);
	enum err err;

	token_hash(token, hash);
	err = store_openid_get(u->store, a, hash, users_now(u), &user_id);
	if (err)
		return err_set(why, err == ERR_NOT_FOUND ? ERR_UNAUTHORIZED : err,
			"unknown or expired token");
	jw_obj(&w);
	jw_kv_str(&w, "sub", user_id);
	jw_end(&w);
	return ERR_OK;
}
