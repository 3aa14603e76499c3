/*
 * filter: what a client wants of /sync (client-server API, "Filtering").
 */
#ifndef KITH_SYNC_FILTER_H
#define KITH_SYNC_FILTER_H

#include "node/core/event_fields.h"
#include "node/core/event_filter.h"

struct store;
struct sync;

#define FILTER_TIMELINE_DEFAULT 10

struct sync_filter {
	struct event_filter presence;
	struct event_filter account_data;
	struct event_filter rooms; /* only its rooms and not_rooms */
	struct event_filter timeline;
	struct event_filter state;
	struct event_filter ephemeral;
	struct event_filter room_account_data;
	bool include_leave;
	bool federation_format;
	struct event_fields fields; /* of room events */
};

/* obj NULL: everything passes. Borrows from obj's tree, arrays are in a. ERR_MALFORMED,
 * ERR_INVALID. */
enum err sync_filter_parse(struct arena *a, const struct json *obj, struct sync_filter *out,
	struct err_ctx *why) MUST_CHECK;

/* Stores a filter (checked first); the same one twice has the same id, which is in a.
 * ERR_TOO_LARGE: over LIMIT_FILTER_BYTES. */
enum err sync_filter_put(struct sync *s, struct arena *a, struct str user_id,
	const struct json *obj, struct str *filter_id, struct err_ctx *why) MUST_CHECK;
/* Its JSON text, in a. ERR_NOT_FOUND. */
enum err sync_filter_get(struct sync *s, struct arena *a, struct str user_id,
	struct str filter_id, struct str *json, struct err_ctx *why) MUST_CHECK;

/* The parameter of a request: an id, JSON text, or empty. ERR_INVALID: no such filter. */
enum err sync_filter_load(struct store *st, struct arena *a, struct str user_id,
	struct str param, struct sync_filter *out, struct err_ctx *why) MUST_CHECK;

#endif
