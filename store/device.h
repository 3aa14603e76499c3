/*
 * device: rows of local users' devices and their end-to-end keys.
 */
#ifndef KITH_STORE_DEVICE_H
#define KITH_STORE_DEVICE_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

struct store_device {
	int64_t nid;
	int64_t account;
	struct str device_id;
	struct str display_name; /* empty: none */
	int64_t last_seen_ts;    /* 0: never */
	struct str last_seen_address;
	struct str device_keys; /* JSON, empty: none */
};

/* ERR_NOT_FOUND. */
enum err store_device_get(struct store *st, struct arena *a, int64_t account,
	struct str device_id, struct store_device *out) MUST_CHECK;
/* All of an account, by device_id: array in the arena. */
enum err store_device_list(struct store *st, struct arena *a, int64_t account,
	struct store_device **out, size_t *n) MUST_CHECK;
/* ERR_EXISTS. */
enum err store_device_put(
	struct store *st, const struct store_device *d, int64_t *nid) MUST_CHECK;
enum err store_device_rename(struct store *st, int64_t nid, struct str display_name) MUST_CHECK;
enum err store_device_seen(
	struct store *st, int64_t nid, int64_t ts, struct str address) MUST_CHECK;
enum err store_device_set_keys(struct store *st, int64_t nid, struct str json) MUST_CHECK;
/* With its logins, keys and waiting messages. */
enum err store_device_delete(struct store *st, int64_t nid) MUST_CHECK;

struct store_key {
	struct str algorithm;
	struct str key_id; /* without the algorithm */
	struct str json;
};

/* One-time keys. _get: ERR_NOT_FOUND. _put: after all that are there. */
enum err store_one_time_key_get(struct store *st, struct arena *a, int64_t device,
	struct str algorithm, struct str key_id, struct str *json) MUST_CHECK;
enum err store_one_time_key_put(
	struct store *st, int64_t device, const struct store_key *k) MUST_CHECK;
/* Takes the oldest away, else marks the fallback key as used. ERR_NOT_FOUND. *fallback tells
 * which it was. */
enum err store_one_time_key_claim(struct store *st, struct arena *a, int64_t device,
	struct str algorithm, struct store_key *out, bool *fallback) MUST_CHECK;

struct store_key_count {
	struct str algorithm;
	int64_t n;
};
enum err store_one_time_key_counts(struct store *st, struct arena *a, int64_t device,
	struct store_key_count **out, size_t *n) MUST_CHECK;

/* Replaces the algorithm's; unused then. */
enum err store_fallback_key_put(
	struct store *st, int64_t device, const struct store_key *k) MUST_CHECK;
/* ERR_NOT_FOUND. */
enum err store_fallback_key_get(struct store *st, struct arena *a, int64_t device,
	struct str algorithm, struct store_key *out) MUST_CHECK;
/* Algorithms whose fallback key was not used yet. */
enum err store_fallback_key_unused(struct store *st, struct arena *a, int64_t device,
	struct str **out, size_t *n) MUST_CHECK;

#endif
