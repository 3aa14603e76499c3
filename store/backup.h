/*
 * backup: versions of room-key backups and the keys in them.
 */
#ifndef KITH_STORE_BACKUP_H
#define KITH_STORE_BACKUP_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

struct store_backup {
	int64_t version;
	struct str algorithm;
	struct str auth_data; /* JSON */
	int64_t etag;
	int64_t count; /* of keys */
	bool is_deleted;
};

/* version 0: the newest that is not deleted. ERR_NOT_FOUND. */
enum err store_backup_get(struct store *st, struct arena *a, int64_t account, int64_t version,
	struct store_backup *out) MUST_CHECK;
/* The new version's number is one above all before, deleted ones too. */
enum err store_backup_put(struct store *st, int64_t account, struct str algorithm,
	struct str auth_data, int64_t *version) MUST_CHECK;
enum err store_backup_set_auth_data(
	struct store *st, int64_t account, int64_t version, struct str auth_data) MUST_CHECK;
/* Its keys go. */
enum err store_backup_delete(struct store *st, int64_t account, int64_t version) MUST_CHECK;
enum err store_backup_bump(struct store *st, int64_t account, int64_t version) MUST_CHECK;

struct store_backup_key {
	struct str room_id;
	struct str session_id;
	int64_t first_message_index;
	int64_t forwarded_count;
	bool is_verified;
	struct str session_data; /* JSON */
};

/* room_id and session_id empty: all. Ordered by room and session. */
enum err store_backup_key_each(struct store *st, int64_t account, int64_t version,
	struct str room_id, struct str session_id,
	void (*fn)(void *arg, const struct store_backup_key *k), void *arg) MUST_CHECK;
enum err store_backup_key_put(struct store *st, int64_t account, int64_t version,
	const struct store_backup_key *k) MUST_CHECK;
/* *n: how many went. */
enum err store_backup_key_delete(struct store *st, int64_t account, int64_t version,
	struct str room_id, struct str session_id, int64_t *n) MUST_CHECK;

#endif
