#include "node/user/uia.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/user/account.h"
#include "node/user/users_impl.h"

#define UIA_SESSIONS 256
#define UIA_MS       ((uint64_t)(LIMIT_UIA_MS))

struct uia_session {
	struct token id;
	unsigned char binding[32]; /* hash of what it may be used for */
	uint64_t born_ms;
	unsigned completed; /* bit of each stage */
	char *user_id;      /* owned; empty for registration */
	const struct uia_flow *flows;
	size_t n_flows;
	char token[UIA_TOKEN_CHARS + 1];
	struct uia_session *older;
	struct uia_session *newer;
};

/* One check, while its answer is on the way. */
struct uia_op {
	struct users *users;
	struct uia_call *call;
	const struct uia_flow *flows;
	size_t n_flows;
	struct token session; /* its id: the session may be gone when the answer is there */
	enum uia_stage stage;
	enum err err;      /* of the stage; ERR_OK: completed */
	bool refuse;       /* err ends the whole call */
	bool stage_only;   /* uia_complete() */
	const char *error; /* why a stage was not completed; NULL: nothing was tried */
	const char *errcode;
	struct password_job job;
	struct users_later later;
};

static const char *const stage_names[N_UIA_STAGES] = {
	[UIA_PASSWORD] = "m.login.password",
	[UIA_DUMMY] = "m.login.dummy",
	[UIA_REGISTRATION_TOKEN] = "m.login.registration_token",
};

static void session_free(struct users *u, struct uia_session *s)
{
	map_del(&u->uia, token_str(&s->id));
	if (s->older)
		s->older->newer = s->newer;
	else
		u->uia_oldest = s->newer;
	if (s->newer)
		s->newer->older = s->older;
	else
		u->uia_newest = s->older;
	free(s->user_id);
	sodium_memzero(s, sizeof(*s));
	free(s);
}

void uia_free_all(struct users *u)
{
	while (u->uia_oldest)
		session_free(u, u->uia_oldest);
}

/* Sessions are in order of birth, so what is too old is at one end. */
static void expire(struct users *u)
{
	uint64_t now = clock_mono_ms(u->o.clock);

	while (u->uia_oldest &&
		(u->uia.n >= UIA_SESSIONS || now - u->uia_oldest->born_ms >= UIA_MS))
		session_free(u, u->uia_oldest);
}

static struct uia_session *session_new(
	struct users *u, const struct uia_request *q, const unsigned char binding[32])
{
	struct uia_session *s = NEW(struct uia_session);

	expire(u);
	token_make_short(u->o.rng, 18, &s->id);
	memcpy(s->binding, binding, 32);
	s->born_ms = clock_mono_ms(u->o.clock);
	s->user_id = xstrdup(q->user_id);
	s->flows = q->flows;
	s->n_flows = q->n_flows;
	s->older = u->uia_newest;
	if (s->older)
		s->older->newer = s;
	else
		u->uia_oldest = s;
	u->uia_newest = s;
	map_put(&u->uia, token_str(&s->id), s);
	return s;
}

static struct uia_session *session_find(struct users *u, struct str id)
{
	struct uia_session *s = map_get(&u->uia, id);

	return s && clock_mono_ms(u->o.clock) - s->born_ms < UIA_MS ? s : NULL;
}

static bool is_bound_to(const struct uia_session *s, const unsigned char binding[32])
{
	return sodium_memcmp(s->binding, binding, 32) == 0;
}

/* T4: whose, what method and path, and what the body names. Lengths keep the parts apart. */
static void bind_to(const struct uia_request *q, unsigned char out[32])
{
	const struct str parts[] = { q->user_id, q->method, q->path, q->scope };
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, 32);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		uint64_t n = parts[i].n;

		crypto_generichash_update(&st, (const unsigned char *)&n, sizeof(n));
		crypto_generichash_update(&st, (const unsigned char *)parts[i].p, parts[i].n);
	}
	crypto_generichash_final(&st, out, 32);
}

static bool flow_done(const struct uia_op *op, unsigned completed)
{
	for (size_t i = 0; i < op->n_flows; i++) {
		const struct uia_flow *f = &op->flows[i];
		unsigned wanted = 0;

		for (unsigned k = 0; k < f->n; k++)
			wanted |= 1U << f->stages[k];
		if ((completed & wanted) == wanted)
			return true;
	}
	return false;
}

static void write_pending(const struct uia_op *op, const struct uia_session *s, struct buf *out)
{
	struct jw w = jw_to(out);

	jw_obj(&w);
	jw_kv_str(&w, "session", token_str(&s->id));
	jw_key(&w, "flows");
	jw_arr(&w);
	for (size_t i = 0; i < op->n_flows; i++) {
		jw_obj(&w);
		jw_key(&w, "stages");
		jw_arr(&w);
		for (unsigned k = 0; k < op->flows[i].n; k++)
			jw_z(&w, stage_names[op->flows[i].stages[k]]);
		jw_end(&w);
		jw_end(&w);
	}
	jw_end(&w);
	jw_key(&w, "params");
	jw_obj(&w);
	jw_end(&w);
	jw_key(&w, "completed");
	jw_arr(&w);
	for (unsigned k = 0; k < N_UIA_STAGES; k++)
		if (s->completed & 1U << k)
			jw_z(&w, stage_names[k]);
	jw_end(&w);
	if (op->error) {
		jw_kv_z(&w, "errcode", op->errcode);
		jw_kv_z(&w, "error", op->error);
	}
	jw_end(&w);
}

static void op_free(struct uia_op *op)
{
	sodium_memzero(op, sizeof(*op));
	free(op);
}

/* The end of every check: op->err says how its stage went. */
static void finish(struct uia_op *op)
{
	struct users *u = op->users;
	struct uia_call *c = op->call;
	struct uia_session *s = map_get(&u->uia, token_str(&op->session));
	struct buf reply = { 0 };

	if (op->refuse || !s) {
		enum err err = op->refuse ? op->err : ERR_LIMIT; /* pushed out by newer ones */

		op_free(op);
		c->done(c, UIA_REFUSED, err, (struct str){ 0 });
		return;
	}
	if (op->stage_only) {
		enum err err = op->error ? ERR_FORBIDDEN : ERR_OK;

		if (op->error)
			(void)err_set(&c->why, err, "%s", op->error);
		op_free(op);
		c->done(c, err ? UIA_REFUSED : UIA_PASSED, err, (struct str){ 0 });
		return;
	}
	if (flow_done(op, s->completed)) {
		memcpy(c->registration_token, s->token, sizeof(s->token));
		session_free(u, s);
		op_free(op);
		c->done(c, UIA_PASSED, ERR_OK, (struct str){ 0 });
		return;
	}
	write_pending(op, s, &reply);
	op_free(op);
	c->done(c, UIA_PENDING, ERR_UNAUTHORIZED, buf_str(&reply));
	buf_deinit(&reply);
}

static void finish_later(struct users_later *l, bool cancelled)
{
	struct uia_op *op = CONTAINER_OF(l, struct uia_op, later);

	if (cancelled) {
		op->refuse = true;
		op->err = ERR_CANCELLED;
	}
	finish(op);
}

static void later(struct uia_op *op)
{
	op->later.fn = finish_later;
	users_later(op->users, &op->later);
}

static void refuse(struct uia_op *op, enum err err, const char *why)
{
	op->refuse = true;
	op->err = err_set(&op->call->why, err, "%s", why);
	later(op);
}

static void stage_completed(struct uia_op *op, struct str token)
{
	struct uia_session *s = map_get(&op->users->uia, token_str(&op->session));

	if (!s)
		return;
	s->completed |= 1U << op->stage;
	if (token.n)
		memcpy(s->token, token.p, token.n); /* shorter than s->token: stage_token() */
}

static void stage_failed(struct uia_op *op, const char *errcode, const char *error)
{
	op->errcode = errcode;
	op->error = error;
}

static void password_checked(struct password_job *j, enum err err)
{
	struct uia_op *op = j->arg;

	if (err == ERR_OK)
		stage_completed(op, (struct str){ 0 });
	else if (err == ERR_FORBIDDEN)
		stage_failed(op, "M_FORBIDDEN", "Wrong password");
	else {
		op->refuse = true;
		op->err = err_set(&op->call->why, err, "too many logins at once");
	}
	finish(op);
}

/* "Password-based": whose password it is stands in identifier, in user (deprecated), or, since
 * the request has a token, need not be said; it must be the one who asks. */
static enum err named_user(const struct json *auth, struct str *user, struct err_ctx *why)
{
	const struct json *identifier = NULL;
	struct str type = { 0 };
	enum err err = json_opt_obj(auth, "identifier", &identifier, why);

	if (err)
		return err;
	if (!identifier)
		return json_opt_str(auth, "user", user, why);
	err = json_str(identifier, "type", &type, why);
	if (err)
		return err;
	if (!str_eq(type, STR("m.id.user")))
		return err_set(why, ERR_INVALID, "identifiers of this type are not known here");
	return json_str(identifier, "user", user, why);
}

static bool is_user(const struct users *u, struct str named, struct str user_id)
{
	struct str localpart, server;

	if (named.n == 0 || str_eq(named, user_id))
		return true;
	return id_user(user_id, &localpart, &server) && str_eq(named, localpart) &&
		str_eq(server, u->o.server_name);
}

static void stage_password(
	struct uia_op *op, const struct uia_request *q, const struct json *auth)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account account = { 0 };
	struct str password = { 0 };
	struct str user = { 0 };
	enum err err = json_str(auth, "password", &password, &op->call->why);

	if (!err)
		err = named_user(auth, &user, &op->call->why);
	if (err) {
		refuse(op, err, "");
		return;
	}
	if (!is_user(op->users, user, q->user_id)) {
		refuse(op, ERR_FORBIDDEN, "That is not the user of this session");
		return;
	}
	err = users_account(op->users, a, q->user_id, &account);
	if (err && err != ERR_NOT_FOUND) {
		refuse(op, err, "the account can't be read");
		return;
	}
	op->job.done = password_checked;
	op->job.arg = op;
	password_verify(op->users->passwords, password, account.password, &op->job);
}

static void stage_token(struct uia_op *op, const struct json *auth)
{
	struct str token = { 0 };
	enum err err = json_str(auth, "token", &token, &op->call->why);

	if (err) {
		refuse(op, err, "");
		return;
	}
	if (token.n <= UIA_TOKEN_CHARS && account_token_valid(op->users, token))
		stage_completed(op, token);
	else
		stage_failed(op, "M_FORBIDDEN", "Not a valid registration token");
	later(op);
}

static bool stage_find(
	const struct uia_flow *flows, size_t n_flows, struct str type, enum uia_stage *out)
{
	for (size_t i = 0; i < n_flows; i++)
		for (unsigned k = 0; k < flows[i].n; k++)
			if (str_eq(type, str_of(stage_names[flows[i].stages[k]]))) {
				*out = flows[i].stages[k];
				return true;
			}
	return false;
}

static void run_stage(struct uia_op *op, const struct uia_request *q, struct str type)
{
	if (!stage_find(op->flows, op->n_flows, type, &op->stage)) {
		refuse(op, ERR_INVALID, "that is no stage of these flows");
		return;
	}
	switch (op->stage) {
	case UIA_PASSWORD: stage_password(op, q, q->auth); return;
	case UIA_REGISTRATION_TOKEN: stage_token(op, q->auth); return;
	case UIA_DUMMY:
		stage_completed(op, (struct str){ 0 });
		later(op);
		return;
	case N_UIA_STAGES: break;
	}
}

void uia_check(struct users *u, const struct uia_request *q, struct uia_call *c)
{
	struct uia_op *op = NEW(struct uia_op);
	unsigned char binding[32];
	struct uia_session *s = NULL;
	struct str id = { 0 };
	struct str type = { 0 };
	enum err err = ERR_OK;

	op->users = u;
	op->call = c;
	op->flows = q->flows;
	op->n_flows = q->n_flows;
	bind_to(q, binding);
	if (q->auth)
		err = json_opt_str(q->auth, "session", &id, &c->why);
	if (!err && q->auth)
		err = json_opt_str(q->auth, "type", &type, &c->why);
	if (err) {
		refuse(op, err, "");
		return;
	}
	if (id.n) {
		s = session_find(u, id);
		if (s && !is_bound_to(s, binding)) {
			refuse(op, ERR_FORBIDDEN, "That session is for something else");
			return;
		}
		if (!s) {
			stage_failed(op, "M_FORBIDDEN", "That session has ended");
			type = (struct str){ 0 };
		}
	}
	if (!s)
		s = session_new(u, q, binding);
	op->session = s->id;
	if (type.n)
		run_stage(op, q, type);
	else
		later(op);
}

bool uia_waits_for(struct users *u, struct str session, struct str type, struct str *user_id)
{
	const struct uia_session *s = session_find(u, session);
	enum uia_stage stage;

	if (!s || !stage_find(s->flows, s->n_flows, type, &stage))
		return false;
	*user_id = str_of(s->user_id);
	return true;
}

void uia_complete(struct users *u, const struct json *auth, struct uia_call *c)
{
	struct uia_op *op = NEW(struct uia_op);
	const struct uia_session *s = NULL;
	struct uia_request q = { .auth = auth };
	struct str id, type;
	enum err err = json_str(auth, "session", &id, &c->why);

	op->users = u;
	op->call = c;
	op->stage_only = true;
	if (!err)
		err = json_str(auth, "type", &type, &c->why);
	if (err) {
		refuse(op, err, "");
		return;
	}
	s = session_find(u, id);
	if (!s) {
		refuse(op, ERR_NOT_FOUND, "That session has ended");
		return;
	}
	op->flows = s->flows;
	op->n_flows = s->n_flows;
	op->session = s->id;
	q.user_id = str_of(s->user_id);
	run_stage(op, &q, type);
}
