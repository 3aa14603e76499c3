/*
 * state: the state at some point of a room, for the auth rules to look things up in.
 *
 * Three kinds: the current state (cached in struct room), a state group, and a list of events
 * (an event's own auth_events). Look-ups that fail for a reason other than "there is none" set
 * err, which is to be read after the check: a ban that can't be read is no missing ban.
 */
#ifndef KITH_ROOM_STATE_H
#define KITH_ROOM_STATE_H

#include "node/room/room.h"

struct room_state {
	struct rooms *rooms;
	struct room *room;
	enum err err;

	/* Private to state.c. */
	int64_t group;                     /* when not the current one */
	const struct event *const *events; /* when a list */
	size_t n_events;
	struct state_read *read; /* what was read of a group */
};

void room_state_current(struct room_state *s, struct rooms *r, struct room *room);
/* group 0: the empty state. */
void room_state_group(struct room_state *s, struct rooms *r, struct room *room, int64_t group);
void room_state_list(struct room_state *s, struct rooms *r, struct room *room,
	const struct event *const *events, size_t n);
void room_state_deinit(struct room_state *s);

/* Borrowed until room_state_deinit(). */
const struct event *room_state_get(struct room_state *s, struct str type, struct str state_key);

/* auth_check() in this state; ERR_FORBIDDEN, or what kept us from looking. */
enum err room_state_check(
	struct room_state *s, const struct event *e, struct err_ctx *why) MUST_CHECK;

#endif
