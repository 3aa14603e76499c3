/*
 * rules_case: the events of a case, each with what the rules say of it. For rules.c alone.
 */
#ifndef KITH_CORE_RULES_CASE_H
#define KITH_CORE_RULES_CASE_H

#include "node/base/arena.h"
#include "node/base/map.h"
#include "node/core/event.h"

enum case_judged { CASE_NEW, CASE_OPEN, CASE_DONE };

struct case_event {
	struct event *e; /* owned by the case; NULL: the PDU's shape is refused */
	struct str event_id;
	enum case_judged judged;
	bool rejected;
	const char *why; /* of a rejection, or "" */

	/* Of a resolution, for explanations. */
	bool conflicted;
	bool asked;
	bool allowed;
	const char *refusal;
};

struct rules_case {
	struct arena *arena;
	const struct json *tree;
	const struct room_version *version;
	unsigned flags;
	struct map by_id; /* struct case_event */
	struct case_event **events;
	size_t n_events;
};

/* Parses text and finds the version. The case must be deinitialised also after an error. */
enum err rules_case_init(
	struct rules_case *c, struct str text, unsigned flags, struct err_ctx *why) MUST_CHECK;
void rules_case_deinit(struct rules_case *c);

/* Adds a PDU under an id, or if that is empty under its own. A PDU whose shape is refused is
 * added as rejected where it has an id, else that is the error. ERR_EXISTS: it is there. */
enum err rules_case_add(struct rules_case *c, struct str event_id, const struct json *pdu,
	struct case_event **out, struct err_ctx *why) MUST_CHECK;

/* Judges each event by its own auth_events, once, and before it those. */
void rules_case_judge(struct rules_case *c, struct case_event *x);

/* NULL if there is none. */
struct case_event *rules_case_get(const struct rules_case *c, struct str event_id);

#endif
