/*
 * user_setting: filters, push rules and presence status of local users.
 */
#ifndef KITH_STORE_USER_SETTING_H
#define KITH_STORE_USER_SETTING_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "store/store.h"

/* Writes that change nothing are fine. All writes inside a transaction. */
enum err store_filter_put(
	struct store *st, struct str user_id, struct str filter_id, struct str json) MUST_CHECK;
enum err store_filter_get(struct store *st, struct arena *a, struct str user_id,
	struct str filter_id, struct str *json) MUST_CHECK; /* ERR_NOT_FOUND */

enum err store_push_rules_put(
	struct store *st, struct str user_id, int64_t pos, struct str json) MUST_CHECK;
enum err store_push_rules_get(struct store *st, struct arena *a, struct str user_id,
	int64_t *pos, struct str *json) MUST_CHECK; /* ERR_NOT_FOUND: nothing changed */

/* Empty: none. */
enum err store_presence_put(
	struct store *st, struct str user_id, struct str status_msg) MUST_CHECK;
enum err store_presence_get(struct store *st, struct arena *a, struct str user_id,
	struct str *status_msg) MUST_CHECK; /* ERR_NOT_FOUND */

#endif
