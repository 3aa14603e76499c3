/*
 * device_list: who must look again at whose devices (module end_to_end_encryption, "Tracking
 * the device list for a user"), and what is known of other servers' users' devices.
 */
#ifndef KITH_USER_DEVICE_LIST_H
#define KITH_USER_DEVICE_LIST_H

#include "node/user/users.h"

struct device_list_changes {
	const struct str *changed; /* user ids, sorted, each once; in the arena */
	size_t n_changed;
	const struct str *left;
	size_t n_left;
};

/* For a local user in (since, to]: changed are the users sharing a room with him whose devices
 * or cross-signing keys changed, or who came to share one; left those who share none any more.
 * For device_lists in /sync, and keys/changes. A user is not told of himself joining, but of
 * his own devices. */
enum err device_list_changes(struct users *u, struct arena *a, struct str user_id,
	int64_t since, int64_t to, struct device_list_changes *out) MUST_CHECK;

/* The same where nobody's membership changed in between, which is less work. */
enum err device_list_updates(struct users *u, struct arena *a, struct str user_id,
	int64_t since, int64_t to, struct device_list_changes *out) MUST_CHECK;

/* A local user's devices or their keys changed: notes it in the stream and tells the servers
 * that share a room. device_id empty: cross-signing keys changed. Inside a transaction. */
enum err device_list_changed(
	struct users *u, struct str user_id, struct str device_id) MUST_CHECK;

/* Only the note in the stream, of any user. Inside a transaction. */
enum err device_list_note(struct users *u, struct str user_id) MUST_CHECK;

#endif
