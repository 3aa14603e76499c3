/*
 * typing: who is writing in which room (client-server API, "Typing Notifications").
 *
 * Lives in memory alone: after a restart nobody types. Each change of a room's list gets a
 * serial, so a sync token can say what was seen; the change is told through the store's feed
 * (FEED_TYPING). Deadlines share one timer, which only runs while somebody types.
 *
 * Loop thread.
 */
#ifndef KITH_USER_TYPING_H
#define KITH_USER_TYPING_H

#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/loop.h"
#include "node/base/str.h"
#include "node/json/json.h"

#include <stdbool.h>
#include <stdint.h>

struct store;
struct typing;

struct typing_options {
	struct store *store;
	struct loop *loop;
	const struct log *log;
	struct str server_name;
};
struct typing *typing_new(const struct typing_options *o);
void typing_free(struct typing *t); /* NULL is fine */

/* A local user types, or stopped. timeout_ms is clamped to 1 s .. 2 min. ERR_FORBIDDEN: not
 * joined. Other servers in the room are told (m.typing). */
enum err typing_set(struct typing *t, struct str room_id, struct str user_id, bool is_typing,
	int64_t timeout_ms, struct err_ctx *why) MUST_CHECK;

/* The content of an m.typing EDU from origin (server-server API, "Typing Notifications").
 * ERR_MALFORMED, ERR_FORBIDDEN: a user of another server or not in the room. */
enum err typing_receive(struct typing *t, struct str origin, const struct json *content,
	struct err_ctx *why) MUST_CHECK;

/* The serial of the latest change; 0 before the first. */
uint64_t typing_serial(const struct typing *t);
/* Serial of the room's latest change; 0: never since the start. */
uint64_t typing_room_serial(const struct typing *t, struct str room_id);
/* Calls each(arg, user_id) for those typing in the room now. */
void typing_each(const struct typing *t, struct str room_id,
	void (*each)(void *arg, struct str user_id), void *arg);
/* Rooms whose list changed after serial. */
void typing_rooms_since(const struct typing *t, uint64_t serial,
	void (*each)(void *arg, struct str room_id), void *arg);

#endif
