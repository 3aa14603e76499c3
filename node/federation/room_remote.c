/*
 * room_remote: struct room_ops over the server-server API.
 */
#include <stdio.h>

#include "node/core/id.h"
#include "node/federation/keyring.h"
#include "node/federation/remote.h"
#include "node/federation/uri.h"
#include "node/json/json.h"

#define V1 "/_matrix/federation/v1/"
#define V2 "/_matrix/federation/v2/"

/* Whole states and auth chains of large rooms. */
#define STATE_MS 300000

static void answered(void *arg, const struct remote_answer *answer)
{
	struct room_call *c = arg;

	c->why = answer->why;
	/* Of the asker's codes there is none for "too often": the server can't help now. */
	c->done(c, answer->err == ERR_LIMIT ? ERR_UNREACHABLE : answer->err, answer->body);
}

static bool got_piece(void *arg, struct str bytes)
{
	struct room_call *c = arg;

	return c->piece(c, bytes);
}

static void consumed(void *arg, struct room_call *c, size_t n)
{
	(void)arg;
	transport_call_consumed(c->handle, n);
}

static void ask(void *arg, struct room_call *c, enum transport_method method,
	const struct buf *path, struct str body, enum transport_class class)
{
	c->why = (struct err_ctx){ 0 };
	c->handle = remote_ask(arg,
		&(struct remote_question){ .server = c->server,
			.method = method,
			.path = buf_str(path),
			.body = body,
			.deadline_ms = class == TRANSPORT_BULK ? STATE_MS : 0,
			.class = class,
			.done = answered,
			.piece = c->piece ? got_piece : NULL,
			.arg = c });
}

/* GET or PUT of "prefix/{first}/{second}". */
static void ask_pair(void *arg, struct room_call *c, const char *fmt, struct str first,
	struct str second, enum transport_method method, struct str body,
	enum transport_class class)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };

	uri_put_path(&path, fmt, (const struct str[]){ first, second }, 2);
	ask(arg, c, method, &path, body, class);
}

/* make_join and make_knock name every room version that we know. */
static void ask_make(
	void *arg, struct room_call *c, const char *fmt, struct str room_id, struct str user_id)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };
	const struct room_version *v;

	uri_put_path(&path, fmt, (const struct str[]){ room_id, user_id }, 2);
	for (size_t i = 0; (v = room_version_at(i)); i++)
		uri_put_query(&path, "ver", str_of(v->name));
	ask(arg, c, TRANSPORT_GET, &path, STR(""), TRANSPORT_NOW);
}

static void make_join(void *arg, struct room_call *c, struct str room_id, struct str user_id)
{
	ask_make(arg, c, V1 "make_join/%s/%s", room_id, user_id);
}

static void make_knock(void *arg, struct room_call *c, struct str room_id, struct str user_id)
{
	ask_make(arg, c, V1 "make_knock/%s/%s", room_id, user_id);
}

static void make_leave(void *arg, struct room_call *c, struct str room_id, struct str user_id)
{
	ask_pair(arg, c, V1 "make_leave/%s/%s", room_id, user_id, TRANSPORT_GET, STR(""),
		TRANSPORT_NOW);
}

static void send_join(void *arg, struct room_call *c, struct str room_id, struct str event_id,
	struct str json)
{
	ask_pair(arg, c, V2 "send_join/%s/%s", room_id, event_id, TRANSPORT_PUT, json,
		TRANSPORT_BULK);
}

static void send_leave(void *arg, struct room_call *c, struct str room_id, struct str event_id,
	struct str json)
{
	ask_pair(arg, c, V2 "send_leave/%s/%s", room_id, event_id, TRANSPORT_PUT, json,
		TRANSPORT_NOW);
}

static void send_knock(void *arg, struct room_call *c, struct str room_id, struct str event_id,
	struct str json)
{
	ask_pair(arg, c, V1 "send_knock/%s/%s", room_id, event_id, TRANSPORT_PUT, json,
		TRANSPORT_NOW);
}

static void invite(void *arg, struct room_call *c, struct str room_id, struct str event_id,
	struct str json)
{
	ask_pair(arg, c, V2 "invite/%s/%s", room_id, event_id, TRANSPORT_PUT, json,
		TRANSPORT_NOW);
}

static void backfill(void *arg, struct room_call *c, struct str room_id,
	const struct str *event_ids, size_t n, unsigned limit)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", limit);
	uri_put_path(&path, V1 "backfill/%s", &room_id, 1);
	for (size_t i = 0; i < n; i++)
		uri_put_query(&path, "v", event_ids[i]);
	uri_put_query(&path, "limit", str_of(text));
	ask(arg, c, TRANSPORT_GET, &path, STR(""), TRANSPORT_BULK);
}

static void put_ids(struct jw *w, const char *key, const struct str *ids, size_t n)
{
	jw_key(w, key);
	jw_arr(w);
	for (size_t i = 0; i < n; i++)
		jw_str(w, ids[i]);
	jw_end(w);
}

static void missing_events(void *arg, struct room_call *c, struct str room_id,
	const struct str *earliest, size_t n_earliest, const struct str *latest,
	size_t n_latest, unsigned limit)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };
	CLEANUP(buf_deinit) struct buf body = { 0 };
	struct jw w = jw_to(&body);

	uri_put_path(&path, V1 "get_missing_events/%s", &room_id, 1);
	jw_obj(&w);
	put_ids(&w, "earliest_events", earliest, n_earliest);
	put_ids(&w, "latest_events", latest, n_latest);
	jw_kv_int(&w, "limit", limit);
	jw_kv_int(&w, "min_depth", 0);
	jw_end(&w);
	ask(arg, c, TRANSPORT_POST, &path, buf_str(&body), TRANSPORT_NOW);
}

static void ask_at_event(void *arg, struct room_call *c, const char *fmt, struct str room_id,
	struct str event_id)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };

	uri_put_path(&path, fmt, &room_id, 1);
	uri_put_query(&path, "event_id", event_id);
	ask(arg, c, TRANSPORT_GET, &path, STR(""), TRANSPORT_BULK);
}

static void state_ids(void *arg, struct room_call *c, struct str room_id, struct str event_id)
{
	ask_at_event(arg, c, V1 "state_ids/%s", room_id, event_id);
}

static void state(void *arg, struct room_call *c, struct str room_id, struct str event_id)
{
	ask_at_event(arg, c, V1 "state/%s", room_id, event_id);
}

static void event(void *arg, struct room_call *c, struct str event_id)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };

	uri_put_path(&path, V1 "event/%s", &event_id, 1);
	ask(arg, c, TRANSPORT_GET, &path, STR(""), TRANSPORT_NOW);
}

static void event_auth(void *arg, struct room_call *c, struct str room_id, struct str event_id)
{
	ask_pair(arg, c, V1 "event_auth/%s/%s", room_id, event_id, TRANSPORT_GET, STR(""),
		TRANSPORT_BULK);
}

static void directory(void *arg, struct room_call *c, struct str alias)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };

	buf_put_z(&path, V1 "query/directory");
	uri_put_query(&path, "room_alias", alias);
	ask(arg, c, TRANSPORT_GET, &path, STR(""), TRANSPORT_NOW);
}

static void verify(void *arg, struct room_verify *v)
{
	struct federation *f = arg;

	keyring_verify(f->keyring, v);
}

/* A kith name is somebody's device: it comes back, and says so (sender.c). */
static bool returns(void *arg, struct str server)
{
	(void)arg;
	return id_kith_name(server, NULL);
}

void room_remote_fill(struct federation *f, struct room_ops *ops)
{
	*ops = (struct room_ops){ .make_join = make_join,
		.send_join = send_join,
		.make_leave = make_leave,
		.send_leave = send_leave,
		.make_knock = make_knock,
		.send_knock = send_knock,
		.invite = invite,
		.backfill = backfill,
		.missing_events = missing_events,
		.state_ids = state_ids,
		.state = state,
		.event = event,
		.event_auth = event_auth,
		.directory = directory,
		.verify = verify,
		.consumed = consumed,
		.returns = returns,
		.arg = f };
}
