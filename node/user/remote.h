/*
 * remote: what node/user asks of those above it, as ops structs that they fill.
 */
#ifndef KITH_USER_REMOTE_H
#define KITH_USER_REMOTE_H

#include "node/base/arena.h"
#include "node/base/buf.h"
#include "node/base/str.h"
#include "node/json/json.h"

#include <stdint.h>

/* One question to another server. Owned by who asks, and alive until done was called: once, on
 * the loop, never before the asking function returned. reply is borrowed for the call, NULL on
 * an error. ERR_UNREACHABLE, ERR_TIMEOUT, ERR_NOT_FOUND, ERR_FORBIDDEN, ERR_MALFORMED. */
struct user_remote_call {
	void (*done)(struct user_remote_call *c, enum err err, const struct json *reply);
	void *handle; /* for whoever carries it */
};

/* Filled by federation. Strings and bodies are borrowed until the function returns. */
struct user_remote_ops {
	/* GET query/profile; field empty: all */
	void (*query_profile)(
		void *arg, struct str user_id, struct str field, struct user_remote_call *c);
	/* POST user/keys/query and user/keys/claim with body, at most timeout_ms */
	void (*query_keys)(void *arg, struct str server, struct str body, uint64_t timeout_ms,
		struct user_remote_call *c);
	void (*claim_keys)(void *arg, struct str server, struct str body, uint64_t timeout_ms,
		struct user_remote_call *c);
	/* GET user/devices/{userId} */
	void (*user_devices)(void *arg, struct str user_id, struct user_remote_call *c);
};

/* Filled by room. */
struct user_room_ops {
	/* The user's display name or avatar changed: sends a member event into each joined room
	 * ("Events on Change of Profile Information"). Inside the caller's transaction; rooms
	 * that can't take it are left as they are. */
	void (*profile_changed)(void *arg, struct str user_id);
	/* The account is gone: leaves every room, rejects every invite. */
	void (*leave_all)(void *arg, struct str user_id);
};

/* Filled by node.c from the overlay's peers: user ids announced by those we paired with. */
struct user_contact_ops {
	/* Calls each for every contact, with the name they announced (may be empty). */
	void (*each)(void *arg,
		void (*each)(void *each_arg, struct str user_id, struct str display_name),
		void *each_arg);
};

#endif
