/*
 * interactive: handlers that ask for more than a token (client-server API, "User-Interactive
 * Authentication API"; node/user/uia.h).
 */
#ifndef KITH_CLIENT_API_INTERACTIVE_H
#define KITH_CLIENT_API_INTERACTIVE_H

#include "client-api/request.h"
#include "node/user/uia.h"

/* What the services call the caller of a request with a token. */
static inline struct user_caller request_user(const struct request *r)
{
	return (struct user_caller){
		.user_id = r->caller.user_id,
		.device_id = r->caller.device_id,
		.account = r->caller.account,
		.device = r->caller.device,
		.session = r->caller.session,
		.is_admin = r->caller.owner,
		.is_guest = r->caller.guest,
		.is_suspended = r->caller.suspended,
	};
}

/* Called once the authentication is complete, as a handler is: what it returns is replied.
 * registration_token: the one that was given, or empty. */
typedef enum err interactive_fn(struct request *r, struct str registration_token);

/* Whether auth, where there is one, has the right types: for what may not need it. */
enum err interactive_check(struct request *r) MUST_CHECK;

/* The caller's password, bound to the method, path and body. For handlers to return. */
enum err interactive_password(struct request *r, interactive_fn *then) MUST_CHECK;

/* A registration by one of these flows; its body may change between the steps. flows: static.
 */
enum err interactive_register(struct request *r, const struct uia_flow *flows, size_t n_flows,
	interactive_fn *then) MUST_CHECK;

#endif
