#include "node/user/account_data.h"

#include "node/base/limits.h"
#include "node/user/users_impl.h"
#include "store/account_data.h"

#define TAG_TYPE "m.tag"

enum err account_data_since(struct users *u, struct arena *a, int64_t account, int64_t since,
	int64_t to, const struct account_data_item **out, size_t *n)
{
	struct store_account_data *rows;
	struct account_data_item *items;
	size_t count, used = 0;
	enum err err = store_account_data_list(u->store, a, account, since, to, &rows, &count);

	if (err)
		return err;
	items = arena_calloc(a, count + 1, sizeof(*items));
	for (size_t i = 0; i < count; i++) {
		/* A deleted item is of no interest to who begins anew. */
		if (since == 0 && str_eq(rows[i].content, STR("{}")))
			continue;
		items[used++] = (struct account_data_item){ rows[i].room_id, rows[i].type,
			rows[i].content, rows[i].pos };
	}
	*out = items;
	*n = used;
	return ERR_OK;
}

enum err account_data_get(struct users *u, struct arena *a, int64_t account, struct str room_id,
	struct str type, struct str *content)
{
	return store_account_data_get(u->store, a, account, room_id, type, content);
}

enum err account_data_get_of(struct users *u, struct arena *a, struct str user_id,
	struct str room_id, struct str type, struct str *content)
{
	struct store_account account;
	enum err err = users_account(u, a, user_id, &account);

	return err ? err : account_data_get(u, a, account.nid, room_id, type, content);
}

static enum err put(struct users *u, int64_t account, struct str room_id, struct str type,
	struct str content, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account_data d = { room_id, type, content, store_next_pos(u->store) };
	struct str user_id;
	int64_t bytes = 0;
	enum err err = store_account_data_put(u->store, account, &d);

	if (!err)
		err = store_account_data_size(u->store, account, &bytes);
	if (!err && bytes > LIMIT_ACCOUNT_DATA_TOTAL)
		err = err_set(why, ERR_TOO_LARGE, "all account data may have %ld bytes",
			LIMIT_ACCOUNT_DATA_TOTAL);
	if (!err)
		err = store_account_user_id(u->store, a, account, &user_id);
	if (err)
		return err;
	store_feed(u->store,
		&(struct feed_item){ .kind = FEED_ACCOUNT_DATA,
			.pos = d.pos,
			.user_id = user_id,
			.room_id = room_id });
	return ERR_OK;
}

enum err account_data_put(struct users *u, int64_t account, struct str room_id, struct str type,
	struct str content, struct err_ctx *why)
{
	enum err err;

	if (type.n == 0 || type.n > LIMIT_ID_BYTES)
		return err_set(why, ERR_INVALID, "a type has 1 to %d bytes", LIMIT_ID_BYTES);
	if (room_id.n > LIMIT_ID_BYTES || (room_id.n && !id_room(room_id)))
		return err_set(why, ERR_INVALID, "not a room id");
	if (content.n > LIMIT_ACCOUNT_DATA_BYTES)
		return err_set(why, ERR_TOO_LARGE, "an item may have %ld bytes",
			LIMIT_ACCOUNT_DATA_BYTES);
	err = store_begin(u->store);
	if (err)
		return err;
	return store_end(u->store, put(u, account, room_id, type, content, why));
}

enum err account_data_put_of(struct users *u, struct str user_id, struct str room_id,
	struct str type, struct str content, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account account;
	enum err err = users_account(u, a, user_id, &account);

	return err ? err : account_data_put(u, account.nid, room_id, type, content, why);
}

enum err account_data_delete(
	struct users *u, int64_t account, struct str room_id, struct str type)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct str old;
	enum err err = account_data_get(u, a, account, room_id, type, &old);

	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	return err ? err : account_data_put(u, account, room_id, type, STR("{}"), NULL);
}

/*
 * Tags.
 */

/* The m.tag item with one tag set to content (NULL: taken away). */
static void write_tags(
	const struct json *tags, struct str tag, const struct json *content, struct buf *out)
{
	struct jw w = jw_to(out);

	jw_obj(&w);
	jw_key(&w, "tags");
	jw_obj(&w);
	for (const struct json *m = json_first(tags); m; m = json_next(m)) {
		if (str_eq(json_key(m), tag))
			continue;
		jw_key_str(&w, json_key(m));
		jw_json(&w, m);
	}
	if (content) {
		jw_key_str(&w, tag);
		jw_json(&w, content);
	}
	jw_end(&w);
	jw_end(&w);
}

static enum err set_tag(struct users *u, int64_t account, struct str room_id, struct str tag,
	const struct json *content, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	CLEANUP(buf_deinit) struct buf text = { 0 };
	const struct json *item = NULL;
	struct str old;
	enum err err = account_data_get(u, a, account, room_id, STR(TAG_TYPE), &old);

	if (!err)
		err = json_parse_in(a, old, &json_limits_client, &item, NULL);
	else if (err == ERR_NOT_FOUND)
		err = ERR_OK;
	if (err)
		return err == ERR_MALFORMED ? ERR_CORRUPT : err;
	write_tags(json_get(item, "tags"), tag, content, &text);
	return account_data_put(u, account, room_id, STR(TAG_TYPE), buf_str(&text), why);
}

enum err account_data_tag_put(struct users *u, int64_t account, struct str room_id,
	struct str tag, const struct json *content, struct err_ctx *why)
{
	const struct json *order = json_get(content, "order");
	double value;

	if (tag.n == 0 || tag.n > LIMIT_ID_BYTES)
		return err_set(why, ERR_INVALID, "a tag has 1 to %d bytes", LIMIT_ID_BYTES);
	if (order && !json_as_double(order, &value))
		return err_set(why, ERR_MALFORMED, "order is no number");
	return set_tag(u, account, room_id, tag, content, why);
}

enum err account_data_tag_delete(struct users *u, int64_t account, struct str room_id,
	struct str tag, struct err_ctx *why)
{
	return set_tag(u, account, room_id, tag, NULL, why);
}

enum err account_data_copy_room(
	struct users *u, struct str user_id, struct str from_room, struct str to_room)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account account;
	struct store_account_data *items;
	size_t n;
	enum err err = users_account(u, a, user_id, &account);

	if (!err)
		err = store_account_data_room(u->store, a, account.nid, from_room, &items, &n);
	for (size_t i = 0; !err && i < n; i++)
		if (str_eq(items[i].type, STR(TAG_TYPE)))
			err = account_data_put(
				u, account.nid, to_room, items[i].type, items[i].content, NULL);
	return err;
}
