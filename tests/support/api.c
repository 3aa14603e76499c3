#include "tests/support/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client-api/router.h"
#include "client-api/routes.h"
#include "node/base/alloc.h"
#include "tests/support/cmocka.h"

static int64_t wall_ms(void *arg)
{
	return ((struct api_fixture *)arg)->wall_ms;
}

static uint64_t mono_ms(void *arg)
{
	return ((struct api_fixture *)arg)->mono_ms;
}

static void write_log(void *arg, enum log_level level, const char *line)
{
	struct api_fixture *f = arg;

	(void)level;
	buf_put_z(&f->logged, line);
	buf_put_z(&f->logged, "\n");
}

static enum err authenticate(void *arg, struct str token, struct str address, struct arena *a,
	struct caller *out, struct err_ctx *why)
{
	struct api_fixture *f = arg;
	struct user_caller who;
	bool soft_logout;
	enum err err = users_authenticate(f->users, token, address, a, &who, &soft_logout, why);

	if (err) {
		out->soft_logout = soft_logout;
		return err;
	}
	*out = (struct caller){ .user_id = who.user_id,
		.device_id = who.device_id,
		.owner = who.is_admin,
		.locked = who.is_locked,
		.suspended = who.is_suspended,
		.account = who.account,
		.device = who.device,
		.session = who.session };
	return ERR_OK;
}

struct durable {
	struct store_waiter w;
	void (*fn)(void *arg, enum err err);
	void *arg;
};

static void on_durable(struct store_waiter *w, enum err err)
{
	struct durable *d = CONTAINER_OF(w, struct durable, w);

	d->fn(d->arg, err);
}

static void durable(
	void *arg, struct arena *a, void (*fn)(void *fn_arg, enum err err), void *fn_arg)
{
	struct api_fixture *f = arg;
	struct durable *d = ARENA_NEW(a, struct durable);

	*d = (struct durable){ .w.fn = on_durable, .fn = fn, .arg = fn_arg };
	store_durable(f->store->st, &d->w);
}

static void services_up(struct api_fixture *f)
{
	static const struct api_ops ops_template = { .authenticate = authenticate,
		.durable = durable };
	struct api_ops *ops = ARENA_NEW(f->arena, struct api_ops);
	struct err_ctx why = { 0 };

	if (users_new(&f->users_options, &f->users, &why))
		fail_msg("users_new: %s", why.text);
	*ops = ops_template;
	ops->arg = f;
	f->api = (struct api){ .users = f->users,
		.loop = f->store->loop,
		.clock = &f->clock,
		.rng = &rng_system,
		.log = &f->log,
		.ops = ops,
		.server_name = STR("here.example"),
		.default_room_version = STR("12") };
	f->router = router_new(&f->api, routes_all);
}

static void services_down(struct api_fixture *f)
{
	router_free(f->router);
	users_free(f->users);
}

void api_restart(struct api_fixture *f)
{
	services_down(f);
	services_up(f);
}

int api_up(void **state)
{
	struct api_fixture *f = NEW(struct api_fixture);
	void *store = NULL;

	if (store_fixture_up(&store))
		return -1;
	f->store = store;
	f->arena = arena_new();
	f->wall_ms = 1700000000000;
	f->mono_ms = 1000;
	f->clock = (struct clock){ wall_ms, mono_ms, f };
	f->log = (struct log){ LOG_DEBUG, write_log, f };
	(void)snprintf(f->owner_token_path, sizeof(f->owner_token_path), "%s/owner-token",
		f->store->dir);
	f->users_options = (struct users_options){ .store = f->store->st,
		.loop = f->store->loop,
		.clock = &f->clock,
		.rng = &rng_system,
		.log = &f->log,
		.server_name = STR("here.example"),
		.registration = REGISTRATION_OPEN,
		.password_low_cost = true };
	services_up(f);
	*state = f;
	return 0;
}

static void check_log(struct api_fixture *f)
{
	size_t at;

	for (size_t i = 0; i < f->n_secrets; i++)
		if (str_find_str(buf_str(&f->logged), str_of(f->secrets[i]), &at))
			fail_msg("the log holds a token");
}

int api_down(void **state)
{
	struct api_fixture *f = *state;
	void *store = f->store;

	services_down(f);
	check_log(f);
	for (size_t i = 0; i < f->n_secrets; i++)
		free(f->secrets[i]);
	free(f->secrets);
	buf_deinit(&f->logged);
	arena_free(f->arena);
	free(f);
	return store_fixture_down(&store);
}

/*
 * One call.
 */

struct call {
	struct responder responder;
	struct api_fixture *f;
	struct loop_deferred deferred;
	struct request *request;
	struct arena *arena;
	struct str body;
	unsigned status;
	struct buf answer;
	bool ended;
};

static struct call *of(struct responder *to)
{
	return CONTAINER_OF(to, struct call, responder);
}

static void to_head(struct responder *to, unsigned status, struct str content_type,
	struct str headers, int64_t length)
{
	(void)content_type, (void)headers, (void)length;
	of(to)->status = status;
}

static bool to_write(struct responder *to, struct str bytes)
{
	buf_put_str(&of(to)->answer, bytes);
	return true;
}

static bool to_write_take(struct responder *to, struct buf *bytes)
{
	buf_put_str(&of(to)->answer, buf_str(bytes));
	buf_deinit(bytes);
	return true;
}

static void to_end(struct responder *to)
{
	struct call *c = of(to);

	loop_undefer(c->f->store->loop, &c->deferred);
	c->ended = true;
	arena_free(c->arena);
}

static void give_end(struct loop_deferred *d)
{
	router_body_end(CONTAINER_OF(d, struct call, deferred)->request);
}

static void give_body(struct loop_deferred *d)
{
	struct call *c = CONTAINER_OF(d, struct call, deferred);

	c->deferred.fn = give_end;
	loop_defer(c->f->store->loop, &c->deferred);
	router_body(c->request, c->body);
}

static void to_read_body(struct responder *to)
{
	struct call *c = of(to);

	c->deferred.fn = c->body.n ? give_body : give_end;
	loop_defer(c->f->store->loop, &c->deferred);
}

static void to_pause_body(struct responder *to, bool pause)
{
	(void)to, (void)pause;
}

static void to_park(struct responder *to)
{
	(void)to;
}

static bool to_header(struct responder *to, const char *name, struct str *value)
{
	(void)to, (void)name, (void)value;
	return false;
}

static const struct responder_ops responder_ops = { to_head, to_write, to_write_take, to_end,
	to_read_body, to_pause_body, to_park, to_header };

static void remember(struct api_fixture *f, const struct json *answer, const char *member)
{
	struct str s;

	if (!json_as_str(json_get(answer, member), &s))
		return;
	f->secrets = xrealloc(f->secrets, (f->n_secrets + 1) * sizeof(*f->secrets));
	f->secrets[f->n_secrets++] = xstrdup(s);
}

const struct json *api_call(struct api_fixture *f, const char *token, int status,
	const char *method, const char *target, const char *body)
{
	struct call c = { .responder.ops = &responder_ops,
		.f = f,
		.arena = arena_new(),
		.body = str_of(body) };
	const struct json *answer = NULL;
	struct router_head head = { .arena = c.arena,
		.to = &c.responder,
		.method = str_of(method),
		.target = arena_str(c.arena, str_of(target)),
		.content_type = STR("application/json"),
		.authorization = token ? arena_printf(c.arena, "Bearer %s", token) : STR(""),
		.address = STR("127.0.0.1"),
		.length = (int64_t)c.body.n,
		.in_process = true };
	enum err err;

	c.request = router_begin(f->router, &head);
	while (!c.ended)
		loop_uv_run_once(f->store->uv, true);
	if (status && c.status != (unsigned)status)
		fail_msg("%s %s %s: %u %.*s instead of %d", method, target, body ? body : "",
			c.status, STR_FMT(buf_str(&c.answer)), status);
	err = json_parse_in(f->arena, arena_str(f->arena, buf_str(&c.answer)),
		&json_limits_peer, &answer, NULL);
	if (err)
		fail_msg("%s %s: no JSON: %.*s", method, target, STR_FMT(buf_str(&c.answer)));
	buf_deinit(&c.answer);
	remember(f, answer, "access_token");
	remember(f, answer, "refresh_token");
	return answer;
}

const struct json *api_callf(struct api_fixture *f, const char *token, int status,
	const char *method, const char *target, const char *body_fmt, ...)
{
	char *body = NULL;
	const struct json *answer;
	va_list ap;

	va_start(ap, body_fmt);
	if (vasprintf(&body, body_fmt, ap) < 0)
		fail_msg("no memory");
	va_end(ap);
	for (char *p = body; *p; p++)
		if (*p == '\'')
			*p = '"';
	answer = api_call(f, token, status, method, target, body);
	free(body);
	return answer;
}

static struct api_user user_of(struct api_fixture *f, const struct json *answer)
{
	return (struct api_user){
		.user_id = api_text(f, answer, "user_id", NULL),
		.token = api_text(f, answer, "access_token", NULL),
		.device_id = api_text(f, answer, "device_id", NULL),
	};
}

struct api_user api_register(struct api_fixture *f, const char *name)
{
	return user_of(f,
		api_callf(f, NULL, 200, "POST", "/_matrix/client/v3/register",
			"{'username':'%s','password':'pw','auth':{'type':'m.login.dummy'}}",
			name));
}

struct api_user api_login(struct api_fixture *f, const char *name, const char *device_id)
{
	const char *target = "/_matrix/client/v3/login";
	const char *who = "'type':'m.login.password','password':'pw',"
			  "'identifier':{'type':'m.id.user','user':";

	if (!device_id)
		return user_of(
			f, api_callf(f, NULL, 200, "POST", target, "{%s'%s'}}", who, name));
	return user_of(f,
		api_callf(f, NULL, 200, "POST", target, "{%s'%s'},'device_id':'%s'}", who, name,
			device_id));
}

static const struct json *walk(const struct json *j, va_list ap)
{
	const char *name;

	while (j && (name = va_arg(ap, const char *)))
		j = json_get(j, name);
	return j;
}

const struct json *api_at(const struct json *j, ...)
{
	va_list ap;

	va_start(ap, j);
	j = walk(j, ap);
	va_end(ap);
	return j;
}

const char *api_text(struct api_fixture *f, const struct json *j, ...)
{
	struct str s;
	va_list ap;

	va_start(ap, j);
	j = walk(j, ap);
	va_end(ap);
	if (!json_as_str(j, &s))
		fail_msg("a string is missing");
	return arena_str(f->arena, s).p;
}

int64_t api_int(const struct json *j, ...)
{
	int64_t n;
	va_list ap;

	va_start(ap, j);
	j = walk(j, ap);
	va_end(ap);
	if (!json_as_int(j, &n))
		fail_msg("a number is missing");
	return n;
}

const char *api_errcode(struct api_fixture *f, const struct json *answer)
{
	return api_text(f, answer, "errcode", NULL);
}
