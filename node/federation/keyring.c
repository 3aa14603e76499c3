#include "node/federation/keyring.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/base64.h"
#include "node/base/map.h"
#include "node/core/id.h"
#include "node/core/sign.h"
#include "node/federation/remote.h"
#include "node/json/json.h"

#define MAX_KEYS         1024 /* learnt ones; past it they are all forgotten and asked again */
#define MAX_SIGNATURES   4    /* of one server on one event that are looked at */
#define INLINE_CHECKS    32   /* 42 us each: more go to the pool */
#define VALID_AT_MOST_MS (INT64_C(7) * 24 * 3600 * 1000)
#define OURS_VALID_MS    (INT64_C(24) * 3600 * 1000)

struct known_key {
	unsigned char public_key[32];
	int64_t valid_until_ms; /* of events; a withdrawn key: when it was */
	char *name;             /* "server key_id": the map's key */
};

struct keyring {
	struct federation *f;
	struct map keys; /* "server key_id": struct known_key, owned */
};

/* One signature that may be the one. */
struct check {
	const struct event *event;
	size_t at; /* of the event in the list */
	struct str server;
	struct str key_id;
	unsigned char public_key[32];
	bool have;
	bool good;
};

struct verify {
	struct keyring *k;
	struct room_verify *v;
	struct arena *arena;
	struct check *checks;
	size_t n;
	size_t asked; /* answers outstanding, and one until all were asked */
	struct loop_deferred deferred;
	struct loop_work work;
};

struct fetch {
	struct verify *op;
	struct str server;
};

struct keyring *keyring_new(struct federation *f)
{
	struct keyring *k = NEW(struct keyring);

	k->f = f;
	map_init(&k->keys);
	return k;
}

static void forget_all(struct keyring *k)
{
	struct known_key *key;
	size_t at = 0;

	while ((key = map_next(&k->keys, &at))) {
		free(key->name);
		free(key);
	}
	map_deinit(&k->keys);
	map_init(&k->keys);
}

void keyring_free(struct keyring *k)
{
	if (!k)
		return;
	forget_all(k);
	map_deinit(&k->keys);
	free(k);
}

static void put_name(struct buf *out, struct str server, struct str key_id)
{
	buf_put_str(out, server);
	buf_put_z(out, " ");
	buf_put_str(out, key_id);
}

bool keyring_find(const struct keyring *k, struct str server, struct str key_id, int64_t ts,
	unsigned char public_key[32])
{
	CLEANUP(buf_deinit) struct buf name = { 0 };
	const struct known_key *key;

	if (str_eq(key_id, STR("ed25519:0")) && id_kith_name(server, public_key))
		return true;
	put_name(&name, server, key_id);
	key = map_get(&k->keys, buf_str(&name));
	if (!key || ts > key->valid_until_ms)
		return false;
	memcpy(public_key, key->public_key, 32);
	return true;
}

static void learn_key(struct keyring *k, struct str server, struct str key_id,
	const unsigned char public_key[32], int64_t valid_until_ms)
{
	struct known_key *key = NEW(struct known_key);
	struct known_key *old;
	struct buf name = { 0 };

	if (k->keys.n >= MAX_KEYS)
		forget_all(k);
	put_name(&name, server, key_id);
	memcpy(key->public_key, public_key, 32);
	key->valid_until_ms = valid_until_ms;
	key->name = buf_detach_z(&name);
	old = map_put(&k->keys, str_of(key->name), key);
	if (old) {
		free(old->name);
		free(old);
	}
}

/* Every member of verify_keys or old_verify_keys; until is for the former. */
static void learn_keys(
	struct keyring *k, struct str server, const struct json *keys, int64_t until)
{
	for (const struct json *m = json_first(keys); m; m = json_next(m)) {
		unsigned char public_key[32];
		int64_t valid = until;
		struct str text;

		if (!str_starts(json_key(m), STR("ed25519:")) ||
			!json_as_str(json_get(m, "key"), &text) ||
			base64_get_exact(public_key, sizeof(public_key), text, false))
			continue;
		if (until < 0 && !json_as_int(json_get(m, "expired_ts"), &valid))
			continue;
		learn_key(k, server, json_key(m), public_key, valid);
	}
}

enum err keyring_learn(
	struct keyring *k, struct str server, const struct json *answer, struct err_ctx *why)
{
	unsigned char identity[32];
	int64_t now = clock_wall_ms(k->f->o.clock);
	int64_t until;
	struct str name;
	enum err err;

	err = json_str(answer, "server_name", &name, why);
	if (!err)
		err = json_int(answer, "valid_until_ts", 0, JSON_INT_MAX, &until, why);
	if (err)
		return err;
	if (!str_eq(name, server))
		return err_set(why, ERR_FORBIDDEN, "keys of another server");
	if (!id_kith_name(server, identity))
		return err_set(why, ERR_FORBIDDEN, "keys of %.*s need HTTPS to be believed",
			STR_FMT(server));
	err = sign_json_verify(answer, server, STR("ed25519:0"), identity, why);
	if (err)
		return err;
	if (until > now + VALID_AT_MOST_MS)
		until = now + VALID_AT_MOST_MS;
	learn_keys(k, server, json_get(answer, "verify_keys"), until);
	learn_keys(k, server, json_get(answer, "old_verify_keys"), -1);
	return ERR_OK;
}

enum err keyring_serve(const struct federation *f, int64_t now_ms, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(buf_deinit) struct buf key = { 0 };
	CLEANUP(json_freep) struct json *obj = NULL;
	struct jw w = jw_to(&text);
	enum err err;

	/* libsodium's secret key is the seed with the public key behind it. */
	base64_put(&key, f->o.key->secret + 32, 32);
	jw_obj(&w);
	jw_key(&w, "old_verify_keys");
	jw_obj(&w);
	jw_end(&w);
	jw_kv_str(&w, "server_name", f->o.server_name);
	jw_kv_int(&w, "valid_until_ts", now_ms + OURS_VALID_MS);
	jw_key(&w, "verify_keys");
	jw_obj(&w);
	jw_key_str(&w, f->o.key->key_id);
	jw_obj(&w);
	jw_kv_str(&w, "key", buf_str(&key));
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	err = json_parse(buf_str(&text), &json_limits_event, &obj, NULL);
	return err ? err : sign_json(obj, f->o.key, out);
}

/* ---- verifying ---- */

/* Did this server sign? */
static enum err result_of(const struct verify *op, size_t first, size_t at, struct str server)
{
	enum err result = ERR_FORBIDDEN;

	for (size_t c = first; c < op->n && op->checks[c].at == at; c++) {
		if (!str_eq(op->checks[c].server, server))
			continue;
		if (op->checks[c].good)
			return ERR_OK;
		if (!op->checks[c].have)
			result = ERR_UNREACHABLE;
	}
	return result;
}

static void finish(struct verify *op)
{
	struct room_verify *v = op->v;

	size_t first = 0; /* check of the event at hand: they are in the events' order */

	for (size_t i = 0; i < v->n; i++) {
		struct str servers[3];
		size_t n = sign_event_servers(v->events[i], servers);

		v->results[i] = ERR_OK;
		for (size_t s = 0; s < n && !v->results[i]; s++)
			v->results[i] = result_of(op, first, i, servers[s]);
		while (first < op->n && op->checks[first].at == i)
			first++;
	}
	arena_free(op->arena); /* op is in it */
	v->done(v);
}

static void check_all(struct loop_work *w)
{
	struct verify *op = CONTAINER_OF(w, struct verify, work);

	for (size_t i = 0; i < op->n; i++) {
		struct check *c = &op->checks[i];

		c->good = c->have &&
			!sign_event_verify(c->event, c->server, c->key_id, c->public_key, NULL);
	}
}

static void checked(struct loop_work *w)
{
	finish(CONTAINER_OF(w, struct verify, work));
}

static void checked_inline(struct loop_deferred *d)
{
	struct verify *op = CONTAINER_OF(d, struct verify, deferred);

	check_all(&op->work);
	finish(op);
}

/* All keys that can be had are there. */
static void check_keys(struct verify *op)
{
	struct loop *loop = op->k->f->o.loop;

	for (size_t i = 0; i < op->n; i++) {
		struct check *c = &op->checks[i];

		if (!c->have)
			c->have = keyring_find(op->k, c->server, c->key_id,
				c->event->origin_server_ts, c->public_key);
	}
	op->work = (struct loop_work){ .work = check_all, .done = checked };
	op->deferred = (struct loop_deferred){ .fn = checked_inline };
	if (op->n > INLINE_CHECKS)
		loop_work(loop, &op->work);
	else
		loop_defer(loop, &op->deferred);
}

static void fetched(void *arg, const struct remote_answer *answer)
{
	CLEANUP(json_freep) struct json *keys = NULL;
	struct fetch *fetch = arg;
	struct verify *op = fetch->op;

	/* What can't be learnt stays missing, which the checks will say. */
	if (!answer->err && !json_parse(answer->body, &json_limits_peer, &keys, NULL))
		(void)!keyring_learn(op->k, fetch->server, keys, NULL);
	if (--op->asked == 0)
		check_keys(op);
}

/* One question for each server whose keys are missing. */
static void fetch_keys(struct verify *op)
{
	struct map asked;

	map_init(&asked);
	op->asked = 1;
	for (size_t i = 0; i < op->n; i++) {
		struct fetch *fetch;

		if (op->checks[i].have || map_put(&asked, op->checks[i].server, op))
			continue;
		fetch = ARENA_NEW(op->arena, struct fetch);
		*fetch = (struct fetch){ op, op->checks[i].server };
		op->asked++;
		remote_ask(op->k->f,
			&(struct remote_question){ .server = fetch->server,
				.method = TRANSPORT_GET,
				.path = STR("/_matrix/key/v2/server"),
				.deadline_ms = 10000,
				.class = TRANSPORT_NOW,
				.done = fetched,
				.arg = fetch });
	}
	map_deinit(&asked);
	if (--op->asked == 0)
		check_keys(op);
}

/* Counts alone while op->checks is NULL. */
static void add_checks(struct verify *op, size_t at)
{
	const struct event *e = op->v->events[at];
	const struct json *signatures = json_get(e->tree, "signatures");
	struct str servers[3];
	size_t n = sign_event_servers(e, servers);

	for (size_t s = 0; s < n; s++) {
		unsigned left = MAX_SIGNATURES;

		for (const struct json *m = json_first(json_get_str(signatures, servers[s]));
			m && left; m = json_next(m)) {
			struct check *c;

			if (!str_starts(json_key(m), STR("ed25519:")))
				continue;
			left--;
			op->n++;
			if (!op->checks)
				continue;
			c = &op->checks[op->n - 1];
			*c = (struct check){ .event = e,
				.at = at,
				.server = servers[s],
				.key_id = json_key(m) };
			c->have = keyring_find(op->k, c->server, c->key_id, e->origin_server_ts,
				c->public_key);
		}
	}
}

void keyring_verify(struct keyring *k, struct room_verify *v)
{
	struct arena *arena = arena_new();
	struct verify *op = ARENA_NEW(arena, struct verify);

	op->k = k;
	op->v = v;
	op->arena = arena;
	for (size_t i = 0; i < v->n; i++)
		add_checks(op, i);
	op->checks = arena_calloc(arena, op->n + 1, sizeof(*op->checks));
	op->n = 0;
	for (size_t i = 0; i < v->n; i++)
		add_checks(op, i);
	fetch_keys(op);
}
