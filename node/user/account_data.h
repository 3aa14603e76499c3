/*
 * account_data: what clients keep for a user, global and for each room (module account_data);
 * room tags are the m.tag item of a room (module tags).
 */
#ifndef KITH_USER_ACCOUNT_DATA_H
#define KITH_USER_ACCOUNT_DATA_H

#include "node/user/users.h"

struct account_data_item {
	struct str room_id; /* empty: global */
	struct str type;
	struct str content; /* JSON text of an object */
	int64_t pos;
};

/* What changed in (since, to], rooms' and global, in order of pos: array in the arena. since 0:
 * everything that there is. Deleted items have the content {}. */
enum err account_data_since(struct users *u, struct arena *a, int64_t account, int64_t since,
	int64_t to, const struct account_data_item **out, size_t *n) MUST_CHECK;

/* One item's content into the arena. room_id empty: global. ERR_NOT_FOUND. */
enum err account_data_get(struct users *u, struct arena *a, int64_t account, struct str room_id,
	struct str type, struct str *content) MUST_CHECK;
/* By user id, for the rest of the node (m.ignored_user_list, m.direct, ...). ERR_NOT_FOUND. */
enum err account_data_get_of(struct users *u, struct arena *a, struct str user_id,
	struct str room_id, struct str type, struct str *content) MUST_CHECK;

/* Stores content, an object's JSON text. The types that the server manages (m.fully_read,
 * m.push_rules) pass here: refusing them is the endpoint's work. ERR_TOO_LARGE. */
enum err account_data_put(struct users *u, int64_t account, struct str room_id, struct str type,
	struct str content, struct err_ctx *why) MUST_CHECK;
enum err account_data_put_of(struct users *u, struct str user_id, struct str room_id,
	struct str type, struct str content, struct err_ctx *why) MUST_CHECK;
enum err account_data_delete(
	struct users *u, int64_t account, struct str room_id, struct str type) MUST_CHECK;

/* Tags: tag content is {} or {"order": n}. */
enum err account_data_tag_put(struct users *u, int64_t account, struct str room_id,
	struct str tag, const struct json *content, struct err_ctx *why) MUST_CHECK;
enum err account_data_tag_delete(struct users *u, int64_t account, struct str room_id,
	struct str tag, struct err_ctx *why) MUST_CHECK;
/* For a room upgrade: the tags of the old room. */
enum err account_data_copy_room(struct users *u, struct str user_id, struct str from_room,
	struct str to_room) MUST_CHECK;

#endif
