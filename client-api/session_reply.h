/*
 * session_reply: what login and register have in common.
 */
#ifndef KITH_CLIENT_API_SESSION_REPLY_H
#define KITH_CLIENT_API_SESSION_REPLY_H

#include "client-api/request.h"
#include "node/user/account.h"

/* device_id, initial_device_display_name and refresh_token of a body. ERR_MALFORMED. */
enum err session_device(struct request *r, struct account_device *out) MUST_CHECK;

/* A call whose answer is replied: the session, or what went wrong. Of the request's arena. */
struct account_call *session_call(struct request *r);

/* The members that login and refresh share: access_token, expires_in_ms, refresh_token. */
void session_write_tokens(struct jw *w, const struct account_session *s);

#endif
