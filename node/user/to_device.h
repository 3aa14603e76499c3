/*
 * to_device: messages from device to device (module send_to_device).
 *
 * Each waits in the inbox of its device under a stream position, in order of arrival, until the
 * client syncs with a token behind it. Exactly once: a client's retry with the same transaction
 * id and another server's repeat of a message id are recognised.
 */
#ifndef KITH_USER_TO_DEVICE_H
#define KITH_USER_TO_DEVICE_H

#include "node/user/users.h"

struct to_device_message {
	int64_t pos;
	struct str json; /* {"content":...,"sender":...,"type":...} */
};

struct to_device_page {
	const struct to_device_message *messages; /* in the arena */
	size_t n;
	int64_t next; /* up to here all were given: put this into next_batch */
};

/* The messages of a device in (since, to], at most limit of them (100 is the spec's advice);
 * next is to when nothing is left behind. */
enum err to_device_since(struct users *u, struct arena *a, int64_t device, int64_t since,
	int64_t to, size_t limit, struct to_device_page *out) MUST_CHECK;

/* The device has synced with a token of this position: what is at or before it is dropped.
 * Writes nothing when there is nothing. */
enum err to_device_delete(struct users *u, int64_t device, int64_t upto) MUST_CHECK;

/* PUT sendToDevice. messages: {user_id: {device_id or "*": content}}. A repeated txn_id of this
 * device and type does nothing. */
enum err to_device_send(struct users *u, const struct user_caller *from, struct str type,
	struct str txn_id, const struct json *messages, struct err_ctx *why) MUST_CHECK;

#endif
