/*
 * profile: what a user tells about himself (client-server API, "Profiles").
 *
 * Fields are JSON values named by key: displayname, avatar_url, and any other of the spec's
 * grammar. Fields of users elsewhere are asked of their server each time.
 */
#ifndef KITH_USER_PROFILE_H
#define KITH_USER_PROFILE_H

#include "node/user/users.h"

/* Our user's display name and avatar, empty if not set: for member events. ERR_NOT_FOUND if
 * there is no such account. */
enum err profile_get_local(struct users *u, struct arena *a, struct str user_id,
	struct str *displayname, struct str *avatar_url) MUST_CHECK;

struct profile_call {
	/* Once, never before profile_get returned. reply is the answer's text. */
	void (*done)(struct profile_call *c, enum err err, struct str reply);
	void *arg;
	struct err_ctx why;
};
/* The whole profile (field empty) or {field: value}; of any user. done gets ERR_NOT_FOUND for
 * an unknown user or field. */
void profile_get(struct users *u, struct str user_id, struct str field, struct profile_call *c);

/* value NULL deletes. ERR_INVALID, ERR_TOO_LARGE (the whole profile is at most 64 KiB),
 * ERR_MALFORMED. Display name and avatar go into the user's rooms. */
enum err profile_set(struct users *u, const struct user_caller *who, struct str field,
	const struct json *value, struct err_ctx *why) MUST_CHECK;

#endif
