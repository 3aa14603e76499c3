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
	int64_t nid; /* of the user id, where it is a room's member */
};
/* Local accounts by id, those behind `after`, at most limit. */
enum err store_profile_accounts(struct store *st, struct arena *a, struct str after,
	size_t limit, struct store_person **out, size_t *n) MUST_CHECK;
/* The rooms whose members user_id may find: those that he is joined to, and those that anybody
 * may join or read, while one of our users is in them. */
enum err store_profile_rooms(struct store *st, struct arena *a, struct str user_id,
	int64_t **rooms, size_t *n) MUST_CHECK;
/* A room's joined members as their member events say, by nid, those behind `after`, at most
 * limit. */
enum err store_profile_members(struct store *st, struct arena *a, int64_t room, int64_t after,
	size_t limit, struct store_person **out, size_t *n) MUST_CHECK;

#endif
