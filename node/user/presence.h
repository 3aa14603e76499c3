/*
 * presence: who is there (client-server API, "Presence").
 *
 * Lives in memory, but for the status messages of local users, which are kept. What is idle
 * costs nothing: one timer runs while some local user's presence must still decay to
 * unavailable or offline. Each change gets a serial and is told by the store's feed
 * (FEED_PRESENCE).
 *
 * Loop thread.
 */
#ifndef KITH_USER_PRESENCE_H
#define KITH_USER_PRESENCE_H

#include "node/base/arena.h"
#include "node/base/clock.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/loop.h"
#include "node/base/str.h"
#include "node/json/json.h"

#include <stdbool.h>
#include <stdint.h>

struct presence;
struct store;

enum presence_state { PRESENCE_OFFLINE, PRESENCE_UNAVAILABLE, PRESENCE_ONLINE };

struct presence_options {
	struct store *store;
	struct loop *loop;
	const struct clock *clock;
	const struct log *log;
	struct str server_name;
};
struct presence *presence_new(const struct presence_options *o);
void presence_free(struct presence *p); /* NULL is fine */

bool presence_parse(struct str text, enum presence_state *out);
const char *presence_name(enum presence_state s);

struct presence_info {
	enum presence_state state;
	bool currently_active;
	int64_t last_active_ago_ms; /* -1: unknown */
	struct str status_msg;      /* empty: none; in the caller's arena */
};

/* PUT status of a local user. status_msg: empty: none. ERR_INVALID: too long. */
enum err presence_set(struct presence *p, struct str user_id, enum presence_state state,
	struct str status_msg, struct err_ctx *why) MUST_CHECK;
/* A device of a local user syncs with this set_presence. */
void presence_seen(struct presence *p, struct str user_id, enum presence_state state);
/* A local user did something: sent, read, typed. */
void presence_active(struct presence *p, struct str user_id);
/* Offline and unknown when nothing is known. */
void presence_get(
	struct presence *p, struct arena *a, struct str user_id, struct presence_info *out);

/* As viewer asks for it: ERR_FORBIDDEN unless it is his own or they share a room. */
enum err presence_get_for(struct presence *p, struct arena *a, struct str viewer,
	struct str user_id, struct presence_info *out, struct err_ctx *why) MUST_CHECK;

/* The content of an m.presence event, and the answer of GET status, as an object. */
void presence_write(const struct presence_info *info, struct jw *w);

/* The content of an m.presence EDU from origin; users of other servers are skipped.
 * ERR_MALFORMED. */
enum err presence_receive(struct presence *p, struct str origin, const struct json *content,
	struct err_ctx *why) MUST_CHECK;

/* Serial of the latest change, counted since the start; as in typing.h. */
uint64_t presence_serial(const struct presence *p);
/* Users whose presence changed after serial. */
void presence_since(const struct presence *p, uint64_t serial,
	void (*each)(void *arg, struct str user_id), void *arg);

#endif
