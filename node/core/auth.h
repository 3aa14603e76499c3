/*
 * auth: the authorisation rules (content/rooms/vN.md, "Authorization rules").
 */
#ifndef KITH_CORE_AUTH_H
#define KITH_CORE_AUTH_H

#include "node/base/err.h"
#include "node/core/event.h"

/* A state to check against: the event at (type, state_key), or NULL. What it returns is
 * borrowed and stays valid during the check. */
struct auth_state {
	const struct event *(*get)(void *arg, struct str type, struct str state_key);
	void *arg;
};

/* May e happen in this state? ERR_FORBIDDEN with the rule in why ("5.3.1: ..."). Does not look
 * at e's own auth_events list: auth_events_ok does. */
enum err auth_check(
	const struct event *e, const struct auth_state *state, struct err_ctx *why) MUST_CHECK;

/* Rules 1 to 3 on the list itself: the events given are those that e names, in its order; no
 * duplicates, nothing that the selection algorithm would not pick, none of another room, none
 * rejected (rejected[i]); and in version 12 the create event is that of the room id. */
enum err auth_events_ok(const struct event *e, const struct event *const *auth,
	const bool *rejected, size_t n, struct err_ctx *why) MUST_CHECK;

/* Which (type, state_key) an event of this shape must name as auth events (server-server API,
 * "Auth events selection"). At most 8 pairs; returns their number. Strings are borrowed from
 * the arguments. The create event is among them only where the version lists it. */
struct auth_key {
	struct str type;
	struct str state_key;
};
size_t auth_select(const struct room_version *v, struct str type, bool is_state,
	struct str state_key, struct str sender, const struct json *content,
	struct auth_key out[8]);

#endif
