/*
 * rules: the rules of rooms as a tool, for people who must find out why a room is as it is
 * (`kith auth`, `kith resolve`), and for comparing them with other servers'.
 *
 * A case is a JSON object, an answer too. Ids are taken as given; hashes and signatures are
 * looked at with RULES_VERIFY alone, but for those inside third_party_invite.signed, which are
 * an auth rule. Pure; any thread.
 *
 *   auth     {"room_version", "event": PDU, "auth_events": [PDU, ...]}
 *            -> {"allowed": bool, "rule": "..."}
 *   resolve  {"room_version", "events": {"$id": PDU, ...}, "state_sets": [["$id", ...], ...]}
 *            -> {"rejected": ["$id", ...], "resolved": ["$id", ...]}, both sorted
 */
#ifndef KITH_CORE_RULES_H
#define KITH_CORE_RULES_H

#include "node/base/buf.h"
#include "node/base/err.h"

enum {
	RULES_VERIFY =
		1, /* content hashes, ids, and the signatures of servers with known keys */
	RULES_EXPLAIN =
		2, /* resolve: also "explained": why each conflicted event won or lost */
};

/* The event's auth_events are those given that it names, accepted, in any order; in version 12
 * the create event too. Ids are computed (versions 1 and 2: read). ERR_MALFORMED, ERR_INVALID
 * (an unknown room version): nothing is appended. */
enum err rules_auth(
	struct str text, unsigned flags, struct buf *answer, struct err_ctx *why) MUST_CHECK;

/* "rejected" are events that fail the rules against their own auth_events, or name one that
 * does, or one that isn't there. No state set resolves to nothing. As rules_auth() else. */
enum err rules_resolve(
	struct str text, unsigned flags, struct buf *answer, struct err_ctx *why) MUST_CHECK;

#endif
