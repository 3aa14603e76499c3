/*
 * profile: fields of local users' profiles, and the search for people to write to.
 */
#ifndef KITH_STORE_PROFILE_H
#define KITH_STORE_PROFILE_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

struct store_profile_field {
	struct str field;
	struct str value; /* JSON */
};

/* ERR_NOT_FOUND. */
enum err store_profile_get(struct store *st, struct arena *a, int64_t account, struct str field,
	struct str *value) MUST_CHECK;
enum err store_profile_list(struct store *st, struct arena *a, int64_t account,
	struct store_profile_field **out, size_t *n) MUST_CHECK;
enum err store_profile_put(
	struct store *st, int64_t account, struct str field, struct str value) MUST_CHECK;
enum err store_profile_delete(struct store *st, int64_t account, struct str field) MUST_CHECK;

struct store_person {
	struct str user_id;
	struct str displayname; /* text, empty: none */
	struct str avatar_url;
};
/* Those whose id or display name holds term (ASCII case aside), by id, at most limit: local
 * accounts; people joined to a room with user_id, as their member events say. */
enum err store_profile_search(struct store *st, struct arena *a, struct str term, size_t limit,
	struct store_person **out, size_t *n) MUST_CHECK;
enum err store_profile_search_rooms(struct store *st, struct arena *a, struct str user_id,
	struct str term, size_t limit, struct store_person **out, size_t *n) MUST_CHECK;

#endif
