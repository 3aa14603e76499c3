#include "node/room/visible.h"

#include "node/base/map.h"
#include "node/core/id.h"
#include "node/core/visibility.h"
#include "node/room/room.h"
#include "node/room/splice.h"
#include "node/user/account_data.h"

#define NEVER_SHOWN (STORE_OUTLIER | STORE_REJECTED | STORE_SOFT_FAILED)
#define MEMO        8

/* What was read of one event of the state, so that it is read once for many. */
struct memo {
	int64_t nid;
	int value;
};

struct room_viewer {
	struct rooms *r;
	struct arena *arena;
	struct str room_id;
	struct str user_id;                 /* empty: a server */
	struct str server;                  /* empty: a user */
	const struct room_version *version; /* NULL: no such room, nothing is seen */

	enum membership membership; /* now */
	int64_t membership_pos;     /* since when: 0 if it isn't known */
	bool forgotten;             /* the user is as one who never was in the room */
	bool joined;                /* now: the user, or any of the server's */
	enum visibility setting;    /* now */
	int64_t setting_pos;        /* since when */

	struct memo settings[MEMO];
	struct memo members[MEMO];
	size_t next;

	bool ignored_read;
	const struct json *ignored; /* object of user ids, or NULL */
};

static enum visibility read_setting(struct room_viewer *v, int64_t nid)
{
	struct store_event row;
	CLEANUP(event_freep) struct event *e = NULL;
	struct memo *m = &v->settings[(uint64_t)nid % MEMO];

	if (m->nid == nid)
		return (enum visibility)m->value;
	if (store_event_get_nid(v->r->store, v->arena, nid, &row) ||
		event_from_store(row.json, row.event_id, v->version, &e))
		return VISIBILITY_JOINED; /* as in viewer_new() */
	*m = (struct memo){ nid, visibility_of(e) };
	return (enum visibility)m->value;
}

static enum membership read_membership(struct room_viewer *v, int64_t nid)
{
	struct store_event row;
	struct memo *m = &v->members[(uint64_t)nid % MEMO];

	if (m->nid == nid)
		return (enum membership)m->value;
	if (store_event_get_nid(v->r->store, v->arena, nid, &row))
		return MEMBERSHIP_NONE;
	*m = (struct memo){ nid,
		(int)membership_parse(splice_string(
			splice_get(splice_get(row.json, "content"), "membership"))) };
	return (enum membership)m->value;
}

static enum visibility_member read_member(struct room_viewer *v, int64_t nid)
{
	enum membership m = read_membership(v, nid);

	return m == MEMBERSHIP_JOIN      ? VISIBILITY_MEMBER_JOIN
		: m == MEMBERSHIP_INVITE ? VISIBILITY_MEMBER_INVITE
					 : VISIBILITY_MEMBER_NONE;
}

static struct room_viewer *viewer_new(struct rooms *r, struct arena *a, struct str room_id)
{
	struct room_viewer *v = ARENA_NEW(a, struct room_viewer);
	const struct event *setting;
	struct room *room;
	enum err err = ERR_OK;

	v->r = r;
	v->arena = a;
	v->room_id = room_id;
	v->setting = VISIBILITY_SHARED;
	v->setting_pos = INT64_MIN;
	if (room_get(r, room_id, &room))
		return v;
	v->version = room->version;
	setting = room_current_nid(
		r, room, STR("m.room.history_visibility"), STR(""), &v->setting_pos, &err);
	if (setting)
		v->setting = visibility_of(setting);
	else if (err)
		v->setting = VISIBILITY_JOINED; /* the strictest, when it can't be read */
	else
		v->setting_pos = INT64_MIN;
	return v;
}

struct room_viewer *room_viewer_new(
	struct rooms *r, struct arena *a, struct str room_id, struct str user_id)
{
	struct room_viewer *v = viewer_new(r, a, room_id);
	struct store_member m;

	v->user_id = user_id;
	if (!store_membership_get(r->store, a, room_id, user_id, &m)) {
		v->membership = m.membership;
		v->membership_pos = m.pos;
		v->forgotten = m.forgotten;
	}
	v->joined = v->membership == MEMBERSHIP_JOIN;
	return v;
}

struct room_viewer *room_viewer_server(
	struct rooms *r, struct arena *a, struct str room_id, struct str server)
{
	struct room_viewer *v = viewer_new(r, a, room_id);

	v->server = server;
	v->joined = store_membership_server_joined(r->store, room_id, server);
	return v;
}

enum membership room_viewer_membership(const struct room_viewer *v)
{
	return v->membership;
}

/* m.ignored_user_list: {"ignored_users": {"@a:b": {}}}. */
static bool ignores(struct room_viewer *v, struct str sender)
{
	struct str text;
	const struct json *list;

	if (!v->ignored_read) {
		v->ignored_read = true;
		if (v->r->users && v->user_id.n &&
			!account_data_get_of(v->r->users, v->arena, v->user_id, STR(""),
				STR("m.ignored_user_list"), &text) &&
			!json_parse_in(v->arena, text, &json_limits_client, &list, NULL))
			v->ignored = json_get(list, "ignored_users");
	}
	return v->ignored && !str_eq(sender, v->user_id) && json_get_str(v->ignored, sender);
}

static enum visibility setting_in(struct room_viewer *v, int64_t group)
{
	int64_t nid;
	enum err err;

	if (!group)
		return VISIBILITY_SHARED; /* before the room's creation */
	err = store_state_group_get(
		v->r->store, group, STR("m.room.history_visibility"), STR(""), &nid);
	if (err)
		return err == ERR_NOT_FOUND ? VISIBILITY_SHARED : VISIBILITY_JOINED;
	return read_setting(v, nid);
}

/* The best membership of a server's users in a state. */
static enum visibility_member server_in(struct room_viewer *v, int64_t group)
{
	const struct store_state_key key = { .type = STR("m.room.member"), .any_key = true };
	const struct store_state_entry *members;
	enum visibility_member best = VISIBILITY_MEMBER_NONE;
	size_t n;

	if (store_state_group_read(v->r->store, v->arena, group, &key, 1, &members, &n))
		return best;
	for (size_t i = 0; i < n && best < VISIBILITY_MEMBER_JOIN; i++) {
		enum visibility_member m;

		if (!str_eq(id_server_of(members[i].state_key), v->server))
			continue;
		m = read_member(v, members[i].event);
		if (m > best)
			best = m;
	}
	return best;
}

static enum visibility_member member_in(struct room_viewer *v, int64_t group)
{
	int64_t nid;

	if (!group || v->forgotten)
		return VISIBILITY_MEMBER_NONE;
	if (v->server.n)
		return server_in(v, group);
	if (store_state_group_get(v->r->store, group, STR("m.room.member"), v->user_id, &nid))
		return VISIBILITY_MEMBER_NONE;
	return read_member(v, nid);
}

/* Did a user of ours who is not in the room now join it after this event? */
static bool joined_after(struct room_viewer *v, const struct store_event *e)
{
	const struct store_member_change *changes;
	size_t n;

	if (v->server.n || v->forgotten || !rooms_is_local_user(v->r, v->user_id))
		return false;
	if (store_membership_changes(v->r->store, v->arena, v->user_id, e->pos > 0 ? e->pos : 0,
		    INT64_MAX, &changes, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (changes[i].membership == MEMBERSHIP_JOIN &&
			str_eq(changes[i].room_id, v->room_id))
			return true;
	return false;
}

/* The setting of now held at the event already, and lets whoever is in the room see it. */
static bool surely_seen(const struct room_viewer *v, const struct store_event *e)
{
	return v->joined && e->pos > v->setting_pos &&
		(v->setting == VISIBILITY_SHARED || v->setting == VISIBILITY_WORLD);
}

static bool allowed(struct room_viewer *v, const struct store_event *e)
{
	struct visibility_case c = { .joined_later = v->joined };
	bool first = str_eq(e->type, STR("m.room.create"));
	int64_t before = e->state_before;
	int64_t after = e->state_after;

	if (!before && !after && !first) {
		/* History from before we came, whose state nobody told us. */
		c.before = v->setting;
		c.after = v->setting;
		return visibility_allows(&c);
	}
	if (!c.joined_later)
		c.joined_later = joined_after(v, e);
	c.before = setting_in(v, before);
	c.after = after == before ? c.before : setting_in(v, after);
	c.member_before = member_in(v, before);
	c.member_after = after == before ? c.member_before : member_in(v, after);
	return visibility_allows(&c);
}

bool room_viewer_sees(struct room_viewer *v, const struct store_event *e)
{
	if (!v->version || (e->flags & NEVER_SHOWN) || !str_eq(e->room_id, v->room_id))
		return false;
	if (!e->is_state && ignores(v, e->sender))
		return false;
	return surely_seen(v, e) || allowed(v, e);
}

enum membership room_viewer_membership_at(struct room_viewer *v, const struct store_event *e)
{
	int64_t group = e->state_after ? e->state_after : e->state_before;
	int64_t nid;
	enum err err;

	if (!v->user_id.n)
		return MEMBERSHIP_NONE;
	if (v->membership_pos && e->pos >= v->membership_pos)
		return v->membership;
	if (!group)
		return MEMBERSHIP_NONE;
	err = store_state_group_get(v->r->store, group, STR("m.room.member"), v->user_id, &nid);
	if (err)
		return err == ERR_NOT_FOUND ? MEMBERSHIP_LEAVE : MEMBERSHIP_NONE;
	return read_membership(v, nid);
}
