/*
 * to_device: messages waiting for devices of ours.
 */
#ifndef KITH_STORE_TO_DEVICE_H
#define KITH_STORE_TO_DEVICE_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

struct store_to_device {
	int64_t pos;
	struct str json;
};

enum err store_to_device_put(struct store *st, int64_t device, int64_t pos, struct str origin,
	struct str json) MUST_CHECK;
/* In (since, to], at most limit, by pos. */
enum err store_to_device_list(struct store *st, struct arena *a, int64_t device, int64_t since,
	int64_t to, size_t limit, struct store_to_device **out, size_t *n) MUST_CHECK;
enum err store_to_device_delete(struct store *st, int64_t device, int64_t upto) MUST_CHECK;
/* What waits from one origin. */
enum err store_to_device_waiting(struct store *st, int64_t device, struct str origin,
	int64_t *messages, int64_t *bytes) MUST_CHECK;

/* *fresh: it was not there before. Older ones than keep_ts are dropped. */
enum err store_to_device_txn(struct store *st, int64_t device, struct str type,
	struct str txn_id, int64_t now_ts, int64_t keep_ts, bool *fresh) MUST_CHECK;
enum err store_to_device_received(struct store *st, struct str origin, struct str message_id,
	int64_t now_ts, int64_t keep_ts, bool *fresh) MUST_CHECK;

#endif
