#include "node/room/ends.h"

#include "node/base/limits.h"
#include "node/room/build.h"

#define LOG_MODULE "room"
#define DUMMY_TYPE "org.matrix.dummy_event"
#define TRIES_MAX  10
#define BEHIND_MAX 100 /* events that are walked through */

/* Events that nobody may send after, and that stand between an event and the room's ends. */
struct behind {
	struct rooms *r;
	struct room *room;
	struct arena *arena;
	struct str ids[BEHIND_MAX];
	size_t n;
};

static void note(struct behind *b, struct str event_id)
{
	for (size_t i = 0; i < b->n; i++)
		if (str_eq(b->ids[i], event_id))
			return;
	if (b->n < BEHIND_MAX)
		b->ids[b->n++] = arena_str(b->arena, event_id);
}

static enum err look_behind(struct behind *b, struct str event_id)
{
	CLEANUP(event_freep) struct event *e = NULL;
	unsigned flags = 0;
	int64_t nid;
	int64_t end;
	enum err err = store_event_find(b->r->store, event_id, &nid, &flags);

	if (err == ERR_NOT_FOUND || flags & STORE_OUTLIER ||
		!(flags & (STORE_REJECTED | STORE_SOFT_FAILED)))
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = room_event_load(b->r, b->room->version, nid, &e);
	for (size_t i = 0; !err && i < e->n_prev_events; i++) {
		end = room_end_drop(b->room, e->prev_events[i]);
		if (end)
			err = store_event_end_drop(b->r->store, b->room->id, end);
		note(b, e->prev_events[i]);
	}
	return err;
}

enum err room_ends_behind(struct rooms *r, struct room *room, const struct event *e)
{
	struct behind b = { .r = r, .room = room, .arena = arena_new() };
	enum err err = ERR_OK;

	for (size_t i = 0; i < e->n_prev_events; i++)
		note(&b, e->prev_events[i]);
	for (size_t i = 0; i < b.n && !err; i++)
		err = look_behind(&b, b.ids[i]);
	arena_free(b.arena);
	return err;
}

struct dummy {
	struct rooms *r;
	struct room *room;
	unsigned tried;
};

static bool try_dummy(void *arg, const struct store_member *m)
{
	struct dummy *d = arg;
	const struct room_draft draft = {
		.type = STR(DUMMY_TYPE), .sender = m->user_id, .content = STR("{}")
	};

	return room_send_draft(d->r, d->room, &draft, NULL, NULL) == ERR_FORBIDDEN &&
		++d->tried < TRIES_MAX;
}

void room_merge_ends(struct rooms *r, struct str room_id)
{
	struct dummy d = { .r = r };
	struct arena *a;
	enum err err = room_get(r, room_id, &d.room);

	if (err || d.room->n_ends <= LIMIT_FORWARD_EXTREMITIES)
		return;
	a = arena_new();
	err = store_membership_local_members(
		r->store, a, room_id, MEMBERSHIP_JOIN, try_dummy, &d);
	if (err)
		log_warn(r->log, "ends of a room not merged room_id=%.*s error=%s",
			STR_FMT(room_id), err_name(err));
	arena_free(a);
}
