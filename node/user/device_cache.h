/*
 * device_cache: what we know of the devices of other servers' users (server-server API, "Device
 * Management").
 *
 * A user is kept track of while one of ours shares a room with him, since only then his server
 * tells us of changes. The first question fills the cache from user/devices; updates then apply
 * while each follows the one before; a gap makes it stale, and the next question fills it anew.
 */
#ifndef KITH_USER_DEVICE_CACHE_H
#define KITH_USER_DEVICE_CACHE_H

#include "node/user/users_impl.h"

enum device_cache_state {
	DEVICE_CACHE_UNTRACKED, /* no room is shared: ask, but don't keep */
	DEVICE_CACHE_STALE,     /* ask user/devices and keep */
	DEVICE_CACHE_FRESH,     /* no need to ask */
};
enum err device_cache_look(
	struct users *u, struct str user_id, enum device_cache_state *out) MUST_CHECK;

/* Takes an answer of user/devices. ERR_MALFORMED: nothing is kept; devices and keys of a wrong
 * shape are left out. Opens its own transaction. */
enum err device_cache_fill(struct users *u, struct str user_id, const struct json *reply,
	struct err_ctx *why) MUST_CHECK;

/* A membership changed: forgets users that nobody of ours shares a room with any more. */
enum err device_cache_membership(struct users *u, struct str user_id) MUST_CHECK;

#endif
