#include "node/room/rooms.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/core/id.h"
#include "node/room/intake.h"
#include "node/room/resolve.h"
#include "node/room/room.h"
#include "node/room/serve_body.h"
#include "node/user/profile.h"

#define LOG_MODULE "room"

struct rooms *rooms_new(const struct rooms_options *o)
{
	struct rooms *r = NEW(struct rooms);

	r->store = o->store;
	r->loop = o->loop;
	r->clock = o->clock;
	r->rng = o->rng;
	r->log = o->log;
	r->server_name = o->server_name;
	r->key = o->key;
	r->users = o->users;
	r->ops = o->ops;
	r->default_version = o->default_version.n ? o->default_version : STR("12");
	map_init(&r->receiving);
	rooms_cache_init(r, o->cache_bytes);
	return r;
}

void rooms_free(struct rooms *r)
{
	if (!r)
		return;
	r->closing = true;
	resolve_jobs_cancel(r);
	intakes_cancel(r);
	serve_bodies_cancel(r);
	rooms_cache_deinit(r);
	room_resolve_deinit(r);
	map_deinit(&r->receiving);
	free(r);
}

void rooms_set_ops(struct rooms *r, const struct room_ops *ops)
{
	r->ops = ops;
}

const struct room_version *rooms_version(struct rooms *r, struct str room_id)
{
	struct room *room;

	return room_get(r, room_id, &room) ? NULL : room->version;
}

const struct event *rooms_state_event(
	struct rooms *r, struct str room_id, struct str type, struct str state_key)
{
	enum err err = ERR_OK;
	struct room *room;

	return room_get(r, room_id, &room) ? NULL
					   : room_current(r, room, type, state_key, &err);
}

bool rooms_is_local_user(const struct rooms *r, struct str user_id)
{
	return str_eq(id_server_of(user_id), r->server_name);
}

bool rooms_is_in_room(struct rooms *r, struct str room_id)
{
	return store_membership_server_joined(r->store, room_id, r->server_name);
}

struct listening {
	struct rooms *r;
	struct arena *a;
	bool yes;
};

static bool was_put_out(void *arg, const struct store_member *m)
{
	struct listening *l = arg;
	struct store_event e;

	l->yes = !store_event_get_nid(l->r->store, l->a, m->event, &e) &&
		!str_eq(e.sender, m->user_id) && str_eq(e.type, STR("m.room.member"));
	return !l->yes;
}

bool rooms_listens_to_room(struct rooms *r, struct str room_id)
{
	struct listening l = { .r = r };

	if (rooms_is_in_room(r, room_id))
		return true;
	l.a = arena_new();
	if (store_membership_local_members(
		    r->store, l.a, room_id, MEMBERSHIP_LEAVE | MEMBERSHIP_BAN, was_put_out, &l))
		l.yes = false;
	arena_free(l.a);
	return l.yes;
}

bool rooms_user_is_joined(struct rooms *r, struct str room_id, struct str user_id)
{
	return store_membership_of(r->store, room_id, user_id) == MEMBERSHIP_JOIN;
}

enum err rooms_servers(struct rooms *r, struct str room_id,
	void (*fn)(void *arg, struct str server), void *arg)
{
	struct arena *a = arena_new();
	const struct str *servers;
	size_t n;
	enum err err = store_membership_servers(r->store, a, room_id, &servers, &n);

	for (size_t i = 0; !err && i < n; i++)
		fn(arg, servers[i]);
	arena_free(a);
	return err;
}

void room_member_content(struct rooms *r, struct arena *a, struct str user_id,
	const char *membership, struct jw *w)
{
	struct str name = { 0 };
	struct str avatar = { 0 };

	jw_kv_z(w, "membership", membership);
	if (!r->users || !rooms_is_local_user(r, user_id) ||
		profile_get_local(r->users, a, user_id, &name, &avatar))
		return;
	if (name.n)
		jw_kv_str(w, "displayname", name);
	if (avatar.n)
		jw_kv_str(w, "avatar_url", avatar);
}
