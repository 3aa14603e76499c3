/*
 * account_data: what clients keep for their users.
 */
#ifndef KITH_STORE_ACCOUNT_DATA_H
#define KITH_STORE_ACCOUNT_DATA_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"

#include <stdint.h>

struct store;

struct store_account_data {
	struct str room_id; /* empty: global */
	struct str type;
	struct str content; /* JSON */
	int64_t pos;
};

/* ERR_NOT_FOUND. */
enum err store_account_data_get(struct store *st, struct arena *a, int64_t account,
	struct str room_id, struct str type, struct str *content) MUST_CHECK;
enum err store_account_data_put(
	struct store *st, int64_t account, const struct store_account_data *d) MUST_CHECK;
/* In (since, to] by pos. */
enum err store_account_data_list(struct store *st, struct arena *a, int64_t account,
	int64_t since, int64_t to, struct store_account_data **out, size_t *n) MUST_CHECK;
/* Of one room. */
enum err store_account_data_room(struct store *st, struct arena *a, int64_t account,
	struct str room_id, struct store_account_data **out, size_t *n) MUST_CHECK;
/* Bytes of all contents of the account. */
enum err store_account_data_size(struct store *st, int64_t account, int64_t *bytes) MUST_CHECK;

#endif
