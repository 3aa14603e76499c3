/*
 * world: events of one room, written down in a test line by line, for core's pure functions.
 *
 * Ids and content are written short: "alice" is @alice:a, id "x" is $xAAA..., ' stands for " in
 * JSON.
 */
#ifndef KITH_TESTS_WORLD_H
#define KITH_TESTS_WORLD_H

#include "node/base/map.h"
#include "node/core/auth.h"
#include "node/core/state_res.h"

struct world {
	struct arena *a;
	const struct room_version *version;
	struct map events;   /* by id: struct event */
	struct map rejected; /* by id */
	struct map state;    /* "type|state_key": struct event; for world_state() */
	struct auth_state auth_state;
	struct state_res_source source;
	int64_t clock; /* origin_server_ts of the next event */
};

void world_init(struct world *w, const char *version);
void world_deinit(struct world *w);

/* state_key NULL: no state event. auth, prev: ids without $, blank between; prev NULL: "prev".
 * state_key and sender: "alice" or "@alice:b" for another server. The create event's id
 * gives the room id, so it is "create". */
const struct event *world_event(struct world *w, const char *id, const char *type,
	const char *sender, const char *state_key, const char *content, const char *auth,
	const char *prev);
/* The same at a given time. */
const struct event *world_event_at(struct world *w, int64_t ts, const char *id,
	const char *type, const char *sender, const char *state_key, const char *content,
	const char *auth, const char *prev);
void world_reject(struct world *w, const char *id);

/* Puts an event into the state that auth_check is given. */
void world_put(struct world *w, const struct event *e);

/* A sorted state set of these ids. */
struct state_set world_set(struct world *w, const char *ids);

#endif
