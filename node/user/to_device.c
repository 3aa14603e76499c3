#include "node/user/to_device.h"

#include "node/base/limits.h"
#include "node/user/users_impl.h"
#include "store/outbox.h"
#include "store/to_device.h"

#define LOG_MODULE "to_device"

/* How long a client's or server's repetition is recognised. Letters of the overlay live for 30
 * days. */
#define TXN_KEEP_MS      (INT64_C(24) * 60 * 60 * 1000)
#define RECEIVED_KEEP_MS (INT64_C(40) * 24 * 60 * 60 * 1000)

#define MESSAGE_ID_MAX 128 /* 32 code points */

/* Of an EDU: its key, its content's fields and their punctuation, rounded up. */
#define EDU_BYTES 61440U

enum err to_device_since(struct users *u, struct arena *a, int64_t device, int64_t since,
	int64_t to, size_t limit, struct to_device_page *out)
{
	struct store_to_device *rows;
	struct to_device_message *messages;
	size_t n;
	enum err err =
		store_to_device_list(u->store, a, device, since, to, limit + 1, &rows, &n);

	if (err)
		return err;
	*out = (struct to_device_page){ .n = n > limit ? limit : n, .next = to };
	messages = arena_calloc(a, out->n + 1, sizeof(*messages));
	for (size_t i = 0; i < out->n; i++)
		messages[i] = (struct to_device_message){ rows[i].pos, rows[i].json };
	if (n > limit && limit > 0)
		out->next = rows[limit - 1].pos;
	out->messages = messages;
	return ERR_OK;
}

enum err to_device_delete(struct users *u, int64_t device, int64_t upto)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_to_device *rows;
	size_t n;
	enum err err = store_to_device_list(u->store, a, device, 0, upto, 1, &rows, &n);

	if (err || n == 0)
		return err;
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, store_to_device_delete(u->store, device, upto));
}

/* What is to be delivered, to whoever it is. */
struct envelope {
	struct users *users;
	struct str origin; /* empty: ours */
	struct str sender;
	struct str type;
	struct err_ctx *why;
};

static enum err deliver(const struct envelope *e, struct str user_id,
	const struct store_device *d, const struct json *content)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct store *st = e->users->store;
	struct jw w = jw_to(&text);
	int64_t pos = store_next_pos(st);
	enum err err;

	jw_obj(&w);
	jw_kv_json(&w, "content", content);
	jw_kv_str(&w, "sender", e->sender);
	jw_kv_str(&w, "type", e->type);
	jw_end(&w);
	err = store_to_device_put(st, d->nid, pos, e->origin, buf_str(&text));
	if (err)
		return err;
	store_feed(st,
		&(struct feed_item){ .kind = FEED_TO_DEVICE,
			.pos = pos,
			.user_id = user_id,
			.device_id = d->device_id });
	return ERR_OK;
}

/* security.md: what waits for a device from one origin is bounded; beyond it the sender keeps
 * the rest. */
static enum err check_room_for(const struct envelope *e, const struct store_device *d)
{
	int64_t messages, bytes;
	enum err err =
		store_to_device_waiting(e->users->store, d->nid, e->origin, &messages, &bytes);

	if (err)
		return err;
	if (messages >= LIMIT_TO_DEVICE_MESSAGES || bytes >= LIMIT_TO_DEVICE_BYTES)
		return err_set(e->why, ERR_LIMIT, "too many messages wait for device %.*s",
			STR_FMT(d->device_id));
	return ERR_OK;
}

/* messages: {device_id or "*": content} */
static enum err deliver_to_user(
	const struct envelope *e, struct str user_id, const struct json *messages)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct users *u = e->users;
	struct store_account account;
	struct store_device *devices;
	size_t n;
	enum err err = users_account(u, a, user_id, &account);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = store_device_list(u->store, a, account.nid, &devices, &n);
	for (const struct json *m = json_first(messages); m && !err; m = json_next(m)) {
		bool all = str_eq(json_key(m), STR("*"));

		for (size_t i = 0; i < n && !err; i++) {
			if (!all && !str_eq(devices[i].device_id, json_key(m)))
				continue;
			err = check_room_for(e, &devices[i]);
			if (!err)
				err = deliver(e, user_id, &devices[i], m);
		}
	}
	return err;
}

/* {user_id: {device_id: object}}; checked whole before anything is done. */
static enum err check_messages(const struct json *messages, struct err_ctx *why)
{
	struct str localpart, server;

	if (!json_is(messages, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "messages is no object");
	for (const struct json *m = json_first(messages); m; m = json_next(m)) {
		if (!id_user(json_key(m), &localpart, &server))
			return err_set(why, ERR_MALFORMED, "messages: a key is no user id");
		if (!json_is(m, JSON_OBJECT))
			return err_set(why, ERR_MALFORMED, "messages: a user's is no object");
		for (const struct json *d = json_first(m); d; d = json_next(d))
			if (!json_is(d, JSON_OBJECT))
				return err_set(why, ERR_MALFORMED,
					"messages: a device's is no object");
	}
	return ERR_OK;
}

/*
 * To other servers: one EDU holds as many users' messages as fit, so that a key for a room's
 * devices is a few EDUs and none is over the outbox's size.
 */
struct batch {
	const struct envelope *e;
	struct str server;
	struct buf messages; /* {"@user:server":{...},"@other:... without the last brace */
};

static enum err flush(struct batch *b)
{
	CLEANUP(buf_deinit) struct buf edu = { 0 };
	struct users *u = b->e->users;
	struct token id;
	struct jw w = jw_to(&edu);
	enum err err;

	if (b->messages.n == 0)
		return ERR_OK;
	token_make_short(u->o.rng, 18, &id);
	jw_obj(&w);
	jw_key(&w, "content");
	jw_obj(&w);
	jw_kv_str(&w, "message_id", token_str(&id));
	buf_put_z(&b->messages, "}");
	jw_kv_raw(&w, "messages", buf_str(&b->messages));
	jw_kv_str(&w, "sender", b->e->sender);
	jw_kv_str(&w, "type", b->e->type);
	jw_end(&w);
	jw_kv_z(&w, "edu_type", "m.direct_to_device");
	jw_end(&w);
	err = outbox_put_edu(u->store, b->server,
		&(struct outbox_edu){ .class = OUTBOX_KEEP, .json = buf_str(&edu) });
	buf_clear(&b->messages);
	return err;
}

static enum err add_to_batch(struct batch *b, struct str user_id, struct str devices)
{
	struct jw w;
	enum err err = ERR_OK;

	if (b->messages.n && b->messages.n + user_id.n + devices.n > EDU_BYTES)
		err = flush(b);
	if (err)
		return err;
	buf_put_z(&b->messages, b->messages.n ? "," : "{");
	w = jw_to(&b->messages);
	jw_str(&w, user_id);
	buf_put_z(&b->messages, ":");
	buf_put_str(&b->messages, devices);
	return ERR_OK;
}

/* One user's devices, in pieces if they are large: ERR_TOO_LARGE for one message that fits in
 * no EDU. */
static enum err batch_user(struct batch *b, struct str user_id, const struct json *messages)
{
	CLEANUP(buf_deinit) struct buf devices = { 0 };
	CLEANUP(buf_deinit) struct buf one = { 0 };
	enum err err = ERR_OK;

	for (const struct json *m = json_first(messages); m && !err; m = json_next(m)) {
		struct jw w;

		buf_clear(&one);
		w = jw_to(&one);
		jw_str(&w, json_key(m));
		buf_put_z(&one, ":");
		json_canonical(m, &one);
		if (one.n > EDU_BYTES)
			return err_set(b->e->why, ERR_TOO_LARGE,
				"a message to another server has at most %u bytes", EDU_BYTES);
		if (devices.n && devices.n + one.n > EDU_BYTES / 2) {
			buf_put_z(&devices, "}");
			err = add_to_batch(b, user_id, buf_str(&devices));
			if (!err)
				err = flush(b); /* a user may stand in one EDU only once */
			buf_clear(&devices);
		}
		buf_put_z(&devices, devices.n ? "," : "{");
		buf_put_str(&devices, buf_str(&one));
	}
	if (err || devices.n == 0)
		return err;
	buf_put_z(&devices, "}");
	return add_to_batch(b, user_id, buf_str(&devices));
}

/* Every user of one server; `first` is one of them, and the first in messages. */
static enum err send_to_server(
	const struct envelope *e, const struct json *messages, struct str server)
{
	struct batch b = { .e = e, .server = server };
	enum err err = ERR_OK;

	for (const struct json *m = json_first(messages); m && !err; m = json_next(m))
		if (str_eq(id_server_of(json_key(m)), server))
			err = batch_user(&b, json_key(m), m);
	if (!err)
		err = flush(&b);
	buf_deinit(&b.messages);
	return err;
}

static enum err send_all(const struct envelope *e, const struct json *messages)
{
	struct users *u = e->users;
	struct map servers;
	enum err err = ERR_OK;

	map_init(&servers);
	for (const struct json *m = json_first(messages); m && !err; m = json_next(m)) {
		struct str server = id_server_of(json_key(m));

		if (str_eq(server, u->o.server_name)) {
			err = deliver_to_user(e, json_key(m), m);
		} else if (!map_get(&servers, server)) {
			map_put(&servers, server, &servers);
			err = send_to_server(e, messages, server);
		}
	}
	map_deinit(&servers);
	return err;
}

static enum err send_once(struct users *u, const struct user_caller *from, struct str txn_id,
	const struct envelope *e, const struct json *messages)
{
	int64_t now = users_now(u);
	bool fresh = false;
	enum err err = store_to_device_txn(
		u->store, from->device, e->type, txn_id, now, now - TXN_KEEP_MS, &fresh);

	return err || !fresh ? err : send_all(e, messages);
}

enum err to_device_send(struct users *u, const struct user_caller *from, struct str type,
	struct str txn_id, const struct json *messages, struct err_ctx *why)
{
	struct envelope e = { u, { 0 }, from->user_id, type, why };
	enum err err = check_messages(messages, why);

	if (err)
		return err;
	if (type.n == 0 || type.n > LIMIT_ID_BYTES || txn_id.n > LIMIT_ID_BYTES)
		return err_set(why, ERR_INVALID,
			"a type and a transaction id have at most %d bytes", LIMIT_ID_BYTES);
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, send_once(u, from, txn_id, &e, messages));
}

/*
 * From other servers: m.direct_to_device.
 */

static enum err receive(struct users *u, const struct envelope *e, struct str message_id,
	const struct json *messages)
{
	int64_t now = users_now(u);
	bool fresh = false;
	enum err err = store_to_device_received(
		u->store, e->origin, message_id, now, now - RECEIVED_KEEP_MS, &fresh);

	if (err || !fresh)
		return err;
	for (const struct json *m = json_first(messages); m && !err; m = json_next(m))
		err = deliver_to_user(e, json_key(m), m);
	return err;
}

enum err users_receive_to_device(
	struct users *u, struct str origin, const struct json *content, struct err_ctx *why)
{
	struct envelope e = { .users = u, .origin = origin, .why = why };
	const struct json *messages = NULL;
	struct str message_id, localpart, server;
	enum err err = json_str(content, "sender", &e.sender, why);

	if (!err)
		err = json_str(content, "type", &e.type, why);
	if (!err)
		err = json_str(content, "message_id", &message_id, why);
	if (!err)
		err = json_obj(content, "messages", &messages, why);
	if (!err)
		err = check_messages(messages, why);
	if (err)
		return err;
	if (!id_user(e.sender, &localpart, &server) || !str_eq(server, origin))
		return err_set(
			why, ERR_FORBIDDEN, "sender is no user of %.*s", STR_FMT(origin));
	if (e.type.n > LIMIT_ID_BYTES || message_id.n > MESSAGE_ID_MAX)
		return err_set(why, ERR_MALFORMED, "type or message_id is too long");
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, receive(u, &e, message_id, messages));
}
