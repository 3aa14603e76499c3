/*
 * device_list: the stream of changed devices, what is known of other servers' users' devices,
 * and who shares rooms with whom.
 */
#ifndef KITH_STORE_DEVICE_LIST_H
#define KITH_STORE_DEVICE_LIST_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/* The user's devices or keys changed at pos. stream_id: of the last m.device_list_update. */
enum err store_device_list_put(
	struct store *st, struct str user_id, int64_t pos, int64_t stream_id) MUST_CHECK;
/* 0: there was no m.device_list_update yet. */
enum err store_device_list_stream_id(
	struct store *st, struct str user_id, int64_t *stream_id) MUST_CHECK;

/* Ids, sorted, each once, in the arena. */
struct store_user_list {
	struct str *ids;
	size_t n;
};
/* Users joined to a room that user_id is joined to (he himself too) whose devices changed in
 * (since, to], and those whose master key he signed then. */
enum err store_device_list_changed(struct store *st, struct arena *a, struct str user_id,
	int64_t since, int64_t to, struct store_user_list *out) MUST_CHECK;
/* Users who came to share a room with user_id in (since, to] and still do. */
enum err store_device_list_came(struct store *st, struct arena *a, struct str user_id,
	int64_t since, int64_t to, struct store_user_list *out) MUST_CHECK;
/* Users who stopped in (since, to] and share none now. */
enum err store_device_list_left(struct store *st, struct arena *a, struct str user_id,
	int64_t since, int64_t to, struct store_user_list *out) MUST_CHECK;
/* Is one of ours joined to a room with user_id? Then his server tells us of his devices. */
enum err store_device_list_tracked(
	struct store *st, struct str user_id, bool *tracked) MUST_CHECK;

struct store_remote_user {
	int64_t stream_id;
	bool is_stale;
};
/* ERR_NOT_FOUND. */
enum err store_remote_user_get(
	struct store *st, struct str user_id, struct store_remote_user *out) MUST_CHECK;
enum err store_remote_user_put(
	struct store *st, struct str user_id, const struct store_remote_user *r) MUST_CHECK;
/* Those that nobody of ours shares a room with any more: all, or user_id if he is one. */
enum err store_remote_user_untracked(
	struct store *st, struct arena *a, struct store_user_list *out) MUST_CHECK;
enum err store_remote_user_untracked_one(struct store *st, struct arena *a, struct str user_id,
	struct store_user_list *out) MUST_CHECK;
/* With devices and cross-signing keys. */
enum err store_remote_user_delete(struct store *st, struct str user_id) MUST_CHECK;

struct store_remote_device {
	struct str device_id;
	struct str display_name; /* empty: none */
	struct str device_keys;  /* JSON, empty: none */
};
enum err store_remote_device_list(struct store *st, struct arena *a, struct str user_id,
	struct store_remote_device **out, size_t *n) MUST_CHECK;
enum err store_remote_device_put(
	struct store *st, struct str user_id, const struct store_remote_device *d) MUST_CHECK;
enum err store_remote_device_delete(
	struct store *st, struct str user_id, struct str device_id) MUST_CHECK;
/* All of the user. */
enum err store_remote_device_clear(struct store *st, struct str user_id) MUST_CHECK;

#endif
