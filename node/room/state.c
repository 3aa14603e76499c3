#include "node/room/state.h"

#include <stdlib.h>

#include "node/base/alloc.h"

struct state_read {
	struct state_read *next;
	struct event *event; /* owned */
};

void room_state_current(struct room_state *s, struct rooms *r, struct room *room)
{
	*s = (struct room_state){ .rooms = r, .room = room, .group = -1 };
}

void room_state_group(struct room_state *s, struct rooms *r, struct room *room, int64_t group)
{
	*s = (struct room_state){
		.rooms = r, .room = room, .group = group && group == room->group ? -1 : group
	};
}

void room_state_list(struct room_state *s, struct rooms *r, struct room *room,
	const struct event *const *events, size_t n)
{
	*s = (struct room_state){ .rooms = r, .room = room, .events = events, .n_events = n };
}

void room_state_deinit(struct room_state *s)
{
	struct state_read *next;

	for (struct state_read *e = s->read; e; e = next) {
		next = e->next;
		event_free(e->event);
		free(e);
	}
	s->read = NULL;
}

static bool is_at(const struct event *e, struct str type, struct str state_key)
{
	return e->is_state && str_eq(e->type, type) && str_eq(e->state_key, state_key);
}

static const struct event *from_group(
	struct room_state *s, struct str type, struct str state_key)
{
	struct state_read *read;
	struct event *event;
	int64_t nid;
	enum err err;

	for (struct state_read *e = s->read; e; e = e->next)
		if (is_at(e->event, type, state_key))
			return e->event;
	if (!s->group)
		return NULL;
	err = store_state_group_get(s->rooms->store, s->group, type, state_key, &nid);
	if (err == ERR_NOT_FOUND)
		return NULL;
	if (!err)
		err = room_event_load(s->rooms, s->room->version, nid, &event);
	if (err) {
		s->err = err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
		return NULL;
	}
	read = NEW(struct state_read);
	read->event = event;
	read->next = s->read;
	s->read = read;
	return event;
}

const struct event *room_state_get(struct room_state *s, struct str type, struct str state_key)
{
	if (s->group == -1)
		return room_current(s->rooms, s->room, type, state_key, &s->err);
	if (!s->events)
		return from_group(s, type, state_key);
	for (size_t i = 0; i < s->n_events; i++)
		if (is_at(s->events[i], type, state_key))
			return s->events[i];
	return NULL;
}

static const struct event *get(void *arg, struct str type, struct str state_key)
{
	return room_state_get(arg, type, state_key);
}

enum err room_state_check(struct room_state *s, const struct event *e, struct err_ctx *why)
{
	struct auth_state state = { get, s };
	enum err err = auth_check(e, &state, why);

	return s->err ? s->err : err;
}
