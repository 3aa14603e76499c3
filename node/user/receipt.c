#include "node/user/receipt.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/arena.h"
#include "node/base/buf.h"
#include "node/core/id.h"
#include "node/user/account_data.h"
#include "store/event.h"
#include "store/membership.h"
#include "store/outbox.h"
#include "store/receipt.h"
#include "store/store.h"

/* Receipts of one EDU that are looked at. */
#define RECEIVE_MAX 1000

struct receipts {
	struct store *store;
	const struct clock *clock;
	const struct log *log;
	struct str server_name;
	struct users *users;
};

struct receipts *receipts_new(const struct receipts_options *o)
{
	struct receipts *r = NEW(struct receipts);

	*r = (struct receipts){ .store = o->store,
		.clock = o->clock,
		.log = o->log,
		.server_name = o->server_name,
		.users = o->users };
	return r;
}

void receipts_free(struct receipts *r)
{
	free(r);
}

/* Where the event is in the room's timeline. ERR_NOT_FOUND: not an event of this room. */
static enum err place_of(struct receipts *r, struct arena *a, struct str room_id,
	struct str event_id, int64_t *pos, struct err_ctx *why)
{
	struct store_event e;
	enum err err = store_event_get(r->store, a, event_id, &e);

	if (!err && !str_eq(e.room_id, room_id))
		err = ERR_NOT_FOUND;
	if (err == ERR_NOT_FOUND)
		return err_set(why, err, "%.*s is no event of %.*s", STR_FMT(event_id),
			STR_FMT(room_id));
	if (!err)
		*pos = e.pos;
	return err;
}

static enum err tell_servers(struct receipts *r, const struct store_receipt *new_one)
{
	CLEANUP(buf_deinit) struct buf json = { 0 }, key = { 0 };
	struct jw w = jw_to(&json);

	buf_printf(&key, "m.receipt %.*s %.*s %.*s", STR_FMT(new_one->room_id),
		STR_FMT(new_one->user_id), STR_FMT(new_one->thread_id));
	jw_obj(&w);
	jw_key(&w, "content");
	jw_obj(&w);
	jw_key_str(&w, new_one->room_id);
	jw_obj(&w);
	jw_key(&w, "m.read");
	jw_obj(&w);
	jw_key_str(&w, new_one->user_id);
	jw_obj(&w);
	jw_key(&w, "data");
	jw_obj(&w);
	if (new_one->thread_id.n)
		jw_kv_str(&w, "thread_id", new_one->thread_id);
	jw_kv_int(&w, "ts", new_one->ts);
	jw_end(&w);
	jw_key(&w, "event_ids");
	jw_arr(&w);
	jw_str(&w, new_one->event_id);
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	jw_kv_z(&w, "edu_type", "m.receipt");
	jw_end(&w);
	return outbox_put_edu_room(r->store, new_one->room_id,
		&(struct outbox_edu){
			.class = OUTBOX_LATEST, .key = buf_str(&key), .json = buf_str(&json) });
}

/* Writes it at a new position and tells the feed, unless it is behind the one that is there.
 * *moved: it was written. */
static enum err put(
	struct receipts *r, struct arena *a, struct store_receipt *new_one, bool *moved)
{
	struct store_receipt old;
	enum err err = store_receipt_get(r->store, a, new_one->room_id, new_one->user_id,
		new_one->is_private, new_one->thread_id, &old);

	*moved = false;
	if (err && err != ERR_NOT_FOUND)
		return err;
	if (!err &&
		(str_eq(old.event_id, new_one->event_id) ||
			(old.event_pos && new_one->event_pos &&
				new_one->event_pos < old.event_pos)))
		return ERR_OK;
	new_one->pos = store_next_pos(r->store);
	err = store_receipt_put(r->store, new_one);
	if (err)
		return err;
	store_feed(r->store,
		&(struct feed_item){ .kind = FEED_RECEIPT,
			.pos = new_one->pos,
			.room_id = new_one->is_private ? STR("") : new_one->room_id,
			.user_id = new_one->user_id });
	*moved = true;
	return ERR_OK;
}

static enum err set_fully_read(
	struct receipts *r, const struct store_receipt *marker, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf json = { 0 };
	struct jw w = jw_to(&json);

	jw_obj(&w);
	jw_kv_str(&w, "event_id", marker->event_id);
	jw_end(&w);
	return account_data_put_of(r->users, marker->user_id, marker->room_id,
		STR("m.fully_read"), buf_str(&json), why);
}

static enum err check_kind(
	struct str type, struct str thread_id, bool *is_private, struct err_ctx *why)
{
	bool marker = str_eq(type, STR("m.fully_read"));

	*is_private = str_eq(type, STR("m.read.private"));
	if (!marker && !*is_private && !str_eq(type, STR("m.read")))
		return err_set(
			why, ERR_INVALID, "there are no receipts of type %.*s", STR_FMT(type));
	if (marker && thread_id.n)
		return err_set(why, ERR_INVALID, "m.fully_read has no thread_id");
	if (thread_id.n && !str_eq(thread_id, STR("main")) && !id_event(thread_id))
		return err_set(why, ERR_INVALID, "thread_id is no event id");
	return ERR_OK;
}

static enum err set_in(struct receipts *r, struct arena *a, struct str type,
	struct store_receipt *new_one, struct err_ctx *why)
{
	bool moved;
	enum err err;

	if (str_eq(type, STR("m.fully_read")))
		return set_fully_read(r, new_one, why);
	err = put(r, a, new_one, &moved);
	if (!err && moved && !new_one->is_private)
		err = tell_servers(r, new_one);
	return err;
}

enum err receipts_set(struct receipts *r, struct str room_id, struct str user_id,
	struct str type, struct str event_id, struct str thread_id, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_receipt new_one = { .room_id = room_id,
		.user_id = user_id,
		.thread_id = thread_id,
		.event_id = event_id,
		.ts = clock_wall_ms(r->clock) };
	enum err err = check_kind(type, thread_id, &new_one.is_private, why);

	if (err)
		return err;
	if (store_membership_of(r->store, room_id, user_id) != MEMBERSHIP_JOIN)
		return err_set(why, ERR_FORBIDDEN, "%.*s is not in %.*s", STR_FMT(user_id),
			STR_FMT(room_id));
	err = place_of(r, a, room_id, event_id, &new_one.event_pos, why);
	if (!err)
		err = store_begin(r->store);
	if (err)
		return err;
	return store_end(r->store, set_in(r, a, type, &new_one, why));
}

/* --- of other servers
 * -------------------------------------------------------------------------- */

struct incoming {
	struct receipts *r;
	struct arena *a;
	struct str origin;
	unsigned left;
};

static enum err parse_one(const struct json *j, struct store_receipt *out, struct err_ctx *why)
{
	const struct json *ids, *data = NULL;
	enum err err = json_arr(j, "event_ids", &ids, why);

	if (!err)
		err = json_opt_obj(j, "data", &data, why);
	if (!err && data)
		err = json_opt_int(data, "ts", 0, JSON_INT_MAX, &out->ts, why);
	if (!err && data)
		err = json_opt_str(data, "thread_id", &out->thread_id, why);
	if (err)
		return err;
	if (!json_as_str(json_first(ids), &out->event_id) || !id_event(out->event_id) ||
		(out->thread_id.n && !str_eq(out->thread_id, STR("main")) &&
			!id_event(out->thread_id)))
		return err_set(why, ERR_MALFORMED, "m.receipt: no event ids");
	return ERR_OK;
}

static enum err take_one(
	struct incoming *in, struct str room_id, const struct json *j, struct err_ctx *why)
{
	struct store_receipt new_one = { .room_id = room_id, .user_id = json_key(j) };
	struct str localpart, server;
	bool moved;
	enum err err = parse_one(j, &new_one, why);

	if (err)
		return err;
	if (in->left == 0 || !id_user(new_one.user_id, &localpart, &server) ||
		!str_eq(server, in->origin) || str_eq(server, in->r->server_name))
		return ERR_OK;
	in->left--;
	if (store_membership_of(in->r->store, room_id, new_one.user_id) != MEMBERSHIP_JOIN)
		return ERR_OK;
	/* The event may still be on its way: the receipt stands all the same. */
	if (place_of(in->r, in->a, room_id, new_one.event_id, &new_one.event_pos, NULL))
		new_one.event_pos = 0;
	return put(in->r, in->a, &new_one, &moved);
}

static enum err take_room(struct incoming *in, const struct json *room, struct err_ctx *why)
{
	const struct json *read = NULL;
	enum err err;

	if (!json_is(room, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "m.receipt: a room that is no object");
	err = json_opt_obj(room, "m.read", &read, why);
	for (const struct json *j = err ? NULL : json_first(read); j && !err; j = json_next(j))
		err = take_one(in, json_key(room), j, why);
	return err;
}

enum err receipts_receive(
	struct receipts *r, struct str origin, const struct json *content, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct incoming in = { .r = r, .a = a, .origin = origin, .left = RECEIVE_MAX };
	enum err err;

	if (!json_is(content, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "m.receipt: no object");
	err = store_begin(r->store);
	if (err)
		return err;
	for (const struct json *room = json_first(content); room && !err;
		room = json_next(room))
		err = take_room(&in, room, why);
	return store_end(r->store, err);
}
