/*
 * uia: user-interactive authentication (client-server API, "User-Interactive Authentication
 * API").
 *
 *   request without auth --> 401 with flows and a new session
 *   request with auth    --> stage checked: 401 (more stages, or wrong), or the operation runs
 *
 * A stage may also be completed from a page in a browser ("Fallback"); the client then sends
 * the session alone.
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

/* Whether the session lives and type is a stage of its flows. *user_id: whose password; empty
 * for registration; borrowed until the loop's next turn. */
bool uia_waits_for(struct users *u, struct str session, struct str type, struct str *user_id);

/* Tries the stage that auth names (session, type, and what the type asks for) and leaves what
 * it is for to the client. UIA_PASSED: it is completed. UIA_REFUSED: ERR_FORBIDDEN for a wrong
 * answer, ERR_NOT_FOUND for a session that has ended, ERR_INVALID for another stage. */
void uia_complete(struct users *u, const struct json *auth, struct uia_call *c);

#endif
