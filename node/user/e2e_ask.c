#include "node/user/e2e_ask.h"

#define TIMEOUT_DEFAULT_MS 10000
#define TIMEOUT_MAX_MS     60000

enum err e2e_ask_timeout(const struct json *body, uint64_t *timeout_ms, struct err_ctx *why)
{
	int64_t ms = TIMEOUT_DEFAULT_MS;
	enum err err = json_opt_int(body, "timeout", 0, JSON_INT_MAX, &ms, why);

	if (err)
		return err;
	*timeout_ms = (uint64_t)(ms > TIMEOUT_MAX_MS ? TIMEOUT_MAX_MS : ms);
	return ERR_OK;
}

void e2e_ask_init(struct e2e_ask *ask, struct users *u, struct arena *a,
	struct e2e_keys_call *call, uint64_t timeout_ms)
{
	ask->users = u;
	ask->call = call;
	ask->arena = a;
	ask->timeout_ms = timeout_ms;
	ask->open = 1;
	map_init(&ask->failed);
}

static void write_failures(struct e2e_ask *ask, struct jw *w)
{
	struct str *server;
	size_t at = 0;

	jw_key(w, "failures");
	jw_obj(w);
	while ((server = map_next(&ask->failed, &at))) {
		jw_key_str(w, *server);
		jw_obj(w);
		jw_kv_z(w, "errcode", "M_UNKNOWN");
		jw_kv_z(w, "error", "no answer from this server");
		jw_end(w);
	}
	jw_end(w);
}

static void finish(struct e2e_ask *ask, enum err err)
{
	struct e2e_keys_call *c = ask->call;
	struct arena *a = ask->arena;
	struct buf reply = { 0 };
	struct jw w = jw_to(&reply);

	jw_obj(&w);
	if (!err)
		err = ask->err;
	if (!err)
		err = ask->finish(ask, &w);
	write_failures(ask, &w);
	jw_end(&w);
	map_deinit(&ask->failed);
	if (ask->deinit)
		ask->deinit(ask);
	c->done(c, err, err ? (struct str){ 0 } : buf_str(&reply));
	buf_deinit(&reply);
	arena_free(a); /* ask was in it */
}

static void close_one(struct e2e_ask *ask)
{
	if (--ask->open == 0)
		finish(ask, ERR_OK);
}

static void answered(struct user_remote_call *c, enum err err, const struct json *reply)
{
	struct e2e_question *q = CONTAINER_OF(c, struct e2e_question, call);

	if (err || !json_is(reply, JSON_OBJECT))
		e2e_ask_failed(q->ask, q->server);
	else
		q->ask->answer(q, reply);
	close_one(q->ask);
}

struct e2e_question *e2e_ask_add(
	struct e2e_ask *ask, struct str server, const struct json *share)
{
	struct e2e_question *q = ARENA_NEW(ask->arena, struct e2e_question);

	q->call.done = answered;
	q->ask = ask;
	q->server = server;
	q->share = share;
	ask->open++;
	return q;
}

void e2e_ask_failed(struct e2e_ask *ask, struct str server)
{
	struct str *s;

	if (map_get(&ask->failed, server))
		return;
	s = ARENA_NEW(ask->arena, struct str);
	*s = arena_str(ask->arena, server);
	map_put(&ask->failed, *s, s);
}

static void all_asked(struct users_later *l, bool cancelled)
{
	struct e2e_ask *ask = CONTAINER_OF(l, struct e2e_ask, later);

	if (cancelled)
		ask->err = ERR_CANCELLED;
	close_one(ask);
}

void e2e_ask_ready(struct e2e_ask *ask)
{
	ask->later.fn = all_asked;
	users_later(ask->users, &ask->later);
}

struct str e2e_ask_share(
	struct e2e_ask *ask, const char *name, const struct json *map, struct str server)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct jw w = jw_to(&text);

	jw_obj(&w);
	jw_key(&w, name);
	jw_obj(&w);
	for (const struct json *m = json_first(map); m; m = json_next(m)) {
		if (!str_eq(id_server_of(json_key(m)), server))
			continue;
		jw_key_str(&w, json_key(m));
		jw_json(&w, m);
	}
	jw_end(&w);
	jw_end(&w);
	return arena_str(ask->arena, buf_str(&text));
}
