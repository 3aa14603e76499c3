/*
 * POST keys/query: our own users from the store, others from the cache of their devices, and
 * where that doesn't do from their servers.
 */
#include "node/user/cross_signing.h"
#include "node/user/device_cache.h"
#include "node/user/e2e_ask.h"
#include "node/user/e2e_local.h"
#include "node/user/e2e_shape.h"

/* With more users of one server to be asked for, one question for all replaces those that fill
 * the cache. */
#define SINGLE_QUESTIONS_MAX 20

struct query {
	struct e2e_ask ask;
	struct str viewer;
	const struct json *wanted; /* {user_id: [device_id]} */
	struct e2e_answer answer;
};

static struct query *query_of(struct e2e_ask *ask)
{
	return CONTAINER_OF(ask, struct query, ask);
}

static void note_error(struct e2e_ask *ask, enum err err)
{
	if (err && !ask->err)
		ask->err = err_set(&ask->call->why, err, "keys can't be read");
}

/* user/devices: into the cache, and from there into the answer. */
static void take_devices(struct e2e_question *q, const struct json *reply)
{
	struct query *query = query_of(q->ask);
	struct users *u = q->ask->users;
	enum err err = device_cache_fill(u, q->user_id, reply, NULL);

	if (err == ERR_MALFORMED) {
		e2e_ask_failed(q->ask, q->server);
		return;
	}
	if (!err)
		err = e2e_cached_query(
			u, q->ask->arena, q->user_id, q->share, query->viewer, &query->answer);
	note_error(q->ask, err);
}

static void take_user_devices(struct query *query, struct str user_id,
	const struct json *wanted, const struct json *devices)
{
	struct jw *w = &query->answer.w[E2E_DEVICES];

	jw_key_str(w, user_id);
	jw_obj(w);
	for (const struct json *d = json_first(devices); d; d = json_next(d)) {
		CLEANUP(buf_deinit) struct buf text = { 0 };
		struct str name = { 0 };

		if (!e2e_wanted(wanted, json_key(d)) ||
			e2e_shape_device_keys(d, user_id, json_key(d), NULL) != ERR_OK)
			continue;
		(void)json_as_str(
			json_get(json_get(d, "unsigned"), "device_display_name"), &name);
		e2e_shape_merge(d, NULL, NULL, NULL, &text);
		jw_key_str(w, json_key(d));
		e2e_write_device(w, buf_str(&text), name);
	}
	jw_end(w);
}

static enum err take_cross_key(struct query *query, struct str user_id, int part,
	const char *usage, const struct json *key)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct str public_key, seen;
	enum err err;

	if (!key || e2e_shape_cross_key(key, user_id, str_of(usage), &public_key, NULL))
		return ERR_OK;
	e2e_shape_merge(key, NULL, NULL, NULL, &text);
	seen = buf_str(&text);
	if (part == E2E_MASTER) {
		err = cross_signing_view(query->ask.users, query->ask.arena, user_id,
			public_key, seen, query->viewer, &seen);
		if (err)
			return err;
	}
	jw_key_str(&query->answer.w[part], user_id);
	jw_raw(&query->answer.w[part], seen);
	return ERR_OK;
}

/* user/keys/query: what was asked for and no more. */
static void take_keys(struct e2e_question *q, const struct json *reply)
{
	struct query *query = query_of(q->ask);
	const struct json *devices = json_get(reply, "device_keys");
	const struct json *masters = json_get(reply, "master_keys");
	const struct json *self_signing = json_get(reply, "self_signing_keys");

	for (const struct json *m = json_first(query->wanted); m; m = json_next(m)) {
		struct str user_id = json_key(m);
		const struct json *theirs = json_get_str(devices, user_id);
		enum err err;

		if (!str_eq(id_server_of(user_id), q->server))
			continue;
		if (json_is(theirs, JSON_OBJECT))
			take_user_devices(query, user_id, m, theirs);
		err = take_cross_key(
			query, user_id, E2E_MASTER, "master", json_get_str(masters, user_id));
		if (!err)
			err = take_cross_key(query, user_id, E2E_SELF_SIGNING, "self_signing",
				json_get_str(self_signing, user_id));
		note_error(q->ask, err);
	}
}

static void take(struct e2e_question *q, const struct json *reply)
{
	if (q->user_id.n)
		take_devices(q, reply);
	else
		take_keys(q, reply);
}

static enum err finish(struct e2e_ask *ask, struct jw *w)
{
	e2e_answer_write(&query_of(ask)->answer, w, true);
	return ERR_OK;
}

static void deinit(struct e2e_ask *ask)
{
	e2e_answer_deinit(&query_of(ask)->answer);
}

/* How one server's users are to be answered. */
struct share {
	size_t stale;
	bool untracked; /* some are not kept track of */
};

static enum err look_at_share(struct query *query, struct str server, struct share *out)
{
	*out = (struct share){ 0 };
	for (const struct json *m = json_first(query->wanted); m; m = json_next(m)) {
		enum device_cache_state state;
		enum err err;

		if (!str_eq(id_server_of(json_key(m)), server))
			continue;
		err = device_cache_look(query->ask.users, json_key(m), &state);
		if (err)
			return err;
		out->stale += state == DEVICE_CACHE_STALE;
		out->untracked = out->untracked || state == DEVICE_CACHE_UNTRACKED;
	}
	return ERR_OK;
}

static enum err ask_each(struct query *query, struct str server)
{
	struct users *u = query->ask.users;

	for (const struct json *m = json_first(query->wanted); m; m = json_next(m)) {
		enum device_cache_state state;
		struct e2e_question *q;
		enum err err;

		if (!str_eq(id_server_of(json_key(m)), server))
			continue;
		err = device_cache_look(u, json_key(m), &state);
		if (!err && state == DEVICE_CACHE_FRESH)
			err = e2e_cached_query(u, query->ask.arena, json_key(m), m,
				query->viewer, &query->answer);
		if (err)
			return err;
		if (state == DEVICE_CACHE_FRESH)
			continue;
		q = e2e_ask_add(&query->ask, server, m);
		q->user_id = json_key(m);
		u->remote->user_devices(u->remote_arg, q->user_id, &q->call);
	}
	return ERR_OK;
}

static enum err ask_server(struct query *query, struct str server)
{
	struct users *u = query->ask.users;
	struct e2e_question *q;
	struct share share;
	enum err err = look_at_share(query, server, &share);

	if (err)
		return err;
	if (!u->remote && (share.stale || share.untracked)) {
		e2e_ask_failed(&query->ask, server);
		return ERR_OK;
	}
	if (!share.untracked && share.stale <= SINGLE_QUESTIONS_MAX)
		return ask_each(query, server);
	q = e2e_ask_add(&query->ask, server, NULL);
	u->remote->query_keys(u->remote_arg, server,
		e2e_ask_share(&query->ask, "device_keys", query->wanted, server),
		query->ask.timeout_ms, &q->call);
	return ERR_OK;
}

static enum err ask_all(struct query *query)
{
	struct users *u = query->ask.users;
	struct map asked;
	enum err err = ERR_OK;

	map_init(&asked);
	for (const struct json *m = json_first(query->wanted); m && !err; m = json_next(m)) {
		struct str server = id_server_of(json_key(m));

		if (str_eq(server, u->o.server_name)) {
			err = e2e_local_query(u, query->ask.arena, json_key(m), m,
				query->viewer, &query->answer);
		} else if (!map_get(&asked, server)) {
			map_put(&asked, server, &asked);
			err = ask_server(query, server);
		}
	}
	map_deinit(&asked);
	return err;
}

enum err e2e_keys_query(struct users *u, const struct user_caller *who, const struct json *body,
	struct e2e_keys_call *c, struct err_ctx *why)
{
	const struct json *wanted = NULL;
	uint64_t timeout_ms = 0;
	struct query *query;
	struct arena *a;
	enum err err = json_obj(body, "device_keys", &wanted, why);

	if (!err)
		err = e2e_check_query(wanted, why);
	if (!err)
		err = e2e_ask_timeout(body, &timeout_ms, why);
	if (err)
		return err;
	a = arena_new();
	query = ARENA_NEW(a, struct query);
	e2e_ask_init(&query->ask, u, a, c, timeout_ms);
	query->ask.answer = take;
	query->ask.finish = finish;
	query->ask.deinit = deinit;
	query->viewer = arena_str(a, who->user_id);
	query->wanted = wanted;
	e2e_answer_init(&query->answer);
	note_error(&query->ask, ask_all(query));
	e2e_ask_ready(&query->ask);
	return ERR_OK;
}
