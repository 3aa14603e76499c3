/*
 * uia: user-interactive authentication (client-server API, "User-Interactive Authentication
 * API").
 *
 *   request without auth --> 401 with flows and a new session
 *   request with auth    --> stage checked: 401 (more stages, or wrong), or the operation runs
 *
 * A session is bound to the user (none for registration), method, path and what the body names
 * (the scope: devices, keys), lives 15 minutes, and is used once (security.md, T4). Sessions
 * are in memory: at most 256; the oldest go first. A restart makes clients begin again.
 */
#ifndef KITH_USER_UIA_H
#define KITH_USER_UIA_H

#include "node/user/users.h"

#define UIA_TOKEN_CHARS 64

enum uia_stage { UIA_PASSWORD, UIA_DUMMY, UIA_REGISTRATION_TOKEN, N_UIA_STAGES };

struct uia_flow {
	enum uia_stage stages[2];
	unsigned n;
};

struct uia_request {
	struct str user_id; /* whose password; empty for registration */
	struct str method;
	struct str path;
	struct str scope; /* canonical text of what the body names; empty for registration */
	const struct uia_flow *flows; /* static */
	size_t n_flows;
	const struct json *auth; /* the body's auth member, or NULL */
};

enum uia_outcome {
	UIA_PASSED,  /* go on; the session is used up */
	UIA_PENDING, /* answer 401 with reply as the body */
	/* err says which error: ERR_LIMIT, ERR_MALFORMED; ERR_FORBIDDEN: the session is for
	 * something else, or the password another user's. */
	UIA_REFUSED,
};

struct uia_call {
	/* Once, on the loop, never before uia_check returned. reply is borrowed. */
	void (*done)(
		struct uia_call *c, enum uia_outcome outcome, enum err err, struct str reply);
	void *arg;
	struct err_ctx why;
	/* The registration token that was given, or empty; the account's maker uses it up. */
	char registration_token[UIA_TOKEN_CHARS + 1];
};

/* Everything in q is copied or used before it returns. */
void uia_check(struct users *u, const struct uia_request *q, struct uia_call *c);

#endif
