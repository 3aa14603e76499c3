#include "node/room/ends.h"

#include "node/base/limits.h"
#include "node/room/build.h"

#define LOG_MODULE "room"
#define DUMMY_TYPE "org.matrix.dummy_event"
#define TRIES_MAX  10

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
