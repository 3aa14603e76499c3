/*
 * POST keys/claim: one-time keys of our own devices, and of others from their servers.
 */
#include "node/user/e2e_ask.h"
#include "node/user/e2e_local.h"
#include "node/user/e2e_shape.h"

struct claim {
	struct e2e_ask ask;
	const struct json *wanted; /* {user_id: {device_id: algorithm}} */
	struct buf keys;
	struct jw w;
};

static struct claim *claim_of(struct e2e_ask *ask)
{
	return CONTAINER_OF(ask, struct claim, ask);
}

/* {"algorithm:id": key} of the algorithm asked for. */
static bool keys_ok(const struct json *keys, const struct json *wanted)
{
	struct str asked, algorithm, key_id;

	if (!json_is(keys, JSON_OBJECT) || !json_first(keys) || !json_as_str(wanted, &asked))
		return false;
	for (const struct json *k = json_first(keys); k; k = json_next(k))
		if (e2e_shape_one_time_key(json_key(k), k, &algorithm, &key_id, NULL) ||
			!str_eq(algorithm, asked))
			return false;
	return true;
}

static void take(struct e2e_question *q, const struct json *reply)
{
	struct claim *claim = claim_of(q->ask);
	const struct json *keys = json_get(reply, "one_time_keys");

	for (const struct json *m = json_first(claim->wanted); m; m = json_next(m)) {
		const struct json *theirs = json_get_str(keys, json_key(m));
		bool open = false;

		if (!str_eq(id_server_of(json_key(m)), q->server))
			continue;
		for (const struct json *d = json_first(theirs); d; d = json_next(d)) {
			if (!keys_ok(d, json_get_str(m, json_key(d))))
				continue;
			if (!open) {
				jw_key_str(&claim->w, json_key(m));
				jw_obj(&claim->w);
				open = true;
			}
			jw_key_str(&claim->w, json_key(d));
			jw_json(&claim->w, d);
		}
		if (open)
			jw_end(&claim->w);
	}
}

static enum err finish(struct e2e_ask *ask, struct jw *w)
{
	struct claim *claim = claim_of(ask);

	jw_end(&claim->w);
	jw_kv_raw(w, "one_time_keys", buf_str(&claim->keys));
	return ERR_OK;
}

static void deinit(struct e2e_ask *ask)
{
	buf_deinit(&claim_of(ask)->keys);
}

static enum err claim_local(struct claim *claim)
{
	struct users *u = claim->ask.users;
	enum err err = ERR_OK;

	for (const struct json *m = json_first(claim->wanted); m && !err; m = json_next(m))
		if (str_eq(id_server_of(json_key(m)), u->o.server_name))
			err = e2e_local_claim(u, claim->ask.arena, json_key(m), m, &claim->w);
	return err;
}

static void ask_servers(struct claim *claim)
{
	struct users *u = claim->ask.users;
	struct map asked;

	map_init(&asked);
	for (const struct json *m = json_first(claim->wanted); m; m = json_next(m)) {
		struct str server = id_server_of(json_key(m));
		struct e2e_question *q;

		if (str_eq(server, u->o.server_name) || map_get(&asked, server))
			continue;
		map_put(&asked, server, &asked);
		if (!u->remote) {
			e2e_ask_failed(&claim->ask, server);
			continue;
		}
		q = e2e_ask_add(&claim->ask, server, NULL);
		u->remote->claim_keys(u->remote_arg, server,
			e2e_ask_share(&claim->ask, "one_time_keys", claim->wanted, server),
			claim->ask.timeout_ms, &q->call);
	}
	map_deinit(&asked);
}

enum err e2e_keys_claim(struct users *u, const struct user_caller *who, const struct json *body,
	struct e2e_keys_call *c, struct err_ctx *why)
{
	const struct json *wanted = NULL;
	uint64_t timeout_ms = 0;
	struct claim *claim;
	struct arena *a;
	enum err err = json_obj(body, "one_time_keys", &wanted, why);

	(void)who;
	if (!err)
		err = e2e_check_claim(wanted, why);
	if (!err)
		err = e2e_ask_timeout(body, &timeout_ms, why);
	if (!err)
		err = store_begin(u->store);
	if (err)
		return err;
	a = arena_new();
	claim = ARENA_NEW(a, struct claim);
	e2e_ask_init(&claim->ask, u, a, c, timeout_ms);
	claim->ask.answer = take;
	claim->ask.finish = finish;
	claim->ask.deinit = deinit;
	claim->wanted = wanted;
	claim->w = jw_to(&claim->keys);
	jw_obj(&claim->w);
	claim->ask.err = store_end(u->store, claim_local(claim));
	ask_servers(claim);
	e2e_ask_ready(&claim->ask);
	return ERR_OK;
}
