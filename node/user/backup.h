/*
 * backup: server-side backups of room keys, encrypted by the client (module
 * end_to_end_encryption, "Server-side key backups").
 */
#ifndef KITH_USER_BACKUP_H
#define KITH_USER_BACKUP_H

#include "node/user/users.h"

/* POST room_keys/version: the new version's number. */
enum err backup_version_new(struct users *u, int64_t account, struct str algorithm,
	const struct json *auth_data, int64_t *version) MUST_CHECK;
/* Appends the version's object; version 0: the current one. ERR_NOT_FOUND. */
enum err backup_version_write(
	struct users *u, int64_t account, int64_t version, struct buf *out) MUST_CHECK;
/* ERR_NOT_FOUND; ERR_INVALID if algorithm differs from the stored one. */
enum err backup_version_set(struct users *u, int64_t account, int64_t version,
	struct str algorithm, const struct json *auth_data, struct err_ctx *why) MUST_CHECK;
enum err backup_version_delete(struct users *u, int64_t account, int64_t version) MUST_CHECK;
/* 0: there is none. */
enum err backup_version_current(struct users *u, int64_t account, int64_t *version) MUST_CHECK;

/* Keys. room_id and session_id empty: all. put takes the body of that depth, keeps the better
 * of two keys of one session, and appends {"etag":...,"count":...}, as delete does.
 * ERR_NOT_FOUND: no such version; ERR_FORBIDDEN: not the current one
 * (M_WRONG_ROOM_KEYS_VERSION). */
struct backup_path {
	int64_t account;
	int64_t version;
	struct str room_id;
	struct str session_id;
};
enum err backup_keys_put(struct users *u, const struct backup_path *path,
	const struct json *body, struct buf *out, struct err_ctx *why) MUST_CHECK;
enum err backup_keys_write(struct users *u, const struct backup_path *path, struct buf *out,
	struct err_ctx *why) MUST_CHECK;
enum err backup_keys_delete(struct users *u, const struct backup_path *path, struct buf *out,
	struct err_ctx *why) MUST_CHECK;

#endif
