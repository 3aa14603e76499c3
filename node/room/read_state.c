#include "node/room/reach.h"
#include "node/room/splice.h"
#include "node/room/token.h"

enum err room_read_state(
	struct rooms *r, const struct room_reader *reader, struct buf *out, struct err_ctx *why)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(out);
	struct room_format f;
	struct reach reach;
	const struct store_state_entry *entries;
	size_t n;
	enum err err = reach_find(r, a, reader, &reach, why);

	if (!err)
		err = store_state_group_read(r->store, a, reach.group, NULL, 0, &entries, &n);
	if (!err) {
		reach_format(r, a, reader, &f);
		f.prev_content = false;
		jw_arr(&w);
		for (size_t i = 0; i < n && !err; i++) {
			struct arena *one = arena_new();
			struct store_event e;

			err = store_event_get_nid(r->store, one, entries[i].event, &e);
			f.arena = one;
			if (!err)
				err = room_format_event(&f, &e, &w);
			arena_free(one);
		}
		jw_end(&w);
	}
	arena_free(a);
	return err;
}

enum err room_read_state_event(struct rooms *r, const struct room_reader *reader,
	struct str type, struct str state_key, bool whole, struct buf *out, struct err_ctx *why)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(out);
	struct room_format f;
	struct reach reach;
	struct store_event e = { 0 };
	int64_t nid;
	enum err err = reach_find(r, a, reader, &reach, why);

	if (!err)
		err = store_state_group_get(r->store, reach.group, type, state_key, &nid);
	if (!err)
		err = store_event_get_nid(r->store, a, nid, &e);
	if (err == ERR_NOT_FOUND)
		err = err_set(why, err, "the room has no such state");
	if (!err && whole) {
		reach_format(r, a, reader, &f);
		err = room_format_event(&f, &e, &w);
	} else if (!err) {
		buf_put_str(out, splice_get(e.json, "content"));
	}
	arena_free(a);
	return err;
}

#define FIRST_EVENTS 20 /* looked at for the first that has members */

struct wanted {
	struct str membership;
	struct str not_membership;
};

static bool is_wanted(const struct wanted *w, struct str membership)
{
	if (!w->membership.n && !w->not_membership.n)
		return true;
	return (w->membership.n && str_eq(membership, w->membership)) ||
		(w->not_membership.n && !str_eq(membership, w->not_membership));
}

static bool take_group(void *arg, const struct store_event *e)
{
	int64_t *group = arg;

	*group = e->state_after;
	return false;
}

struct first_members {
	struct rooms *r;
	struct arena *a;
	int64_t group;
};

static bool has_members(void *arg, const struct store_event *e)
{
	const struct store_state_key key = { .type = STR("m.room.member"), .any_key = true };
	struct first_members *f = arg;
	const struct store_state_entry *entries;
	size_t n;

	if (e->state_after &&
		!store_state_group_read(
			f->r->store, f->a, e->state_after, &key, 1, &entries, &n) &&
		n)
		f->group = e->state_after;
	return !f->group;
}

/* Before the room's first event nobody was in it: who reads from there means its beginning. */
static enum err first_group(
	struct rooms *r, struct arena *a, struct str room_id, int64_t *group)
{
	struct first_members f = { .r = r, .a = a };
	enum err err = store_event_range(r->store, a, room_id, INT64_MIN, INT64_MAX, true,
		FIRST_EVENTS, has_members, &f);

	*group = f.group;
	return err;
}

/* The state at a place of the timeline, if that is before what the reader sees anyway. */
static enum err go_to(struct rooms *r, struct arena *a, const struct room_reader *reader,
	struct str at, struct reach *reach, struct err_ctx *why)
{
	int64_t pos;
	int64_t group = 0;
	enum err err = token_parse(at, &pos, why);

	if (err || pos >= reach->until)
		return err;
	err = store_event_range(
		r->store, a, reader->room_id, INT64_MIN, pos, false, 1, take_group, &group);
	if (!err && !group)
		err = first_group(r, a, reader->room_id, &group);
	if (!err && group)
		reach->group = group;
	return err;
}

static enum err put_members(struct rooms *r, const struct store_state_entry *entries, size_t n,
	const struct wanted *wanted, struct room_format *f, struct jw *w)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < n && !err; i++) {
		struct arena *one = arena_new();
		struct store_event e;

		f->arena = one;
		err = store_event_get_nid(r->store, one, entries[i].event, &e);
		if (!err &&
			is_wanted(wanted,
				splice_string(splice_get(
					splice_get(e.json, "content"), "membership"))))
			err = room_format_event(f, &e, w);
		arena_free(one);
	}
	return err;
}

static bool is_membership(struct str s)
{
	return !s.n || membership_parse(s) != MEMBERSHIP_NONE;
}

enum err room_read_members(struct rooms *r, const struct room_reader *reader, struct str at,
	struct str membership, struct str not_membership, struct buf *out, struct err_ctx *why)
{
	const struct store_state_key key = { .type = STR("m.room.member"), .any_key = true };
	const struct wanted wanted = { membership, not_membership };
	struct jw w = jw_to(out);
	const struct store_state_entry *entries;
	struct arena *a;
	struct room_format f;
	struct reach reach;
	size_t n;
	enum err err;

	if (!is_membership(membership) || !is_membership(not_membership))
		return err_set(why, ERR_INVALID, "there is no such membership");
	a = arena_new();
	err = reach_find(r, a, reader, &reach, why);
	if (!err && at.n)
		err = go_to(r, a, reader, at, &reach, why);
	if (!err)
		err = store_state_group_read(r->store, a, reach.group, &key, 1, &entries, &n);
	if (!err) {
		reach_format(r, a, reader, &f);
		jw_obj(&w);
		jw_key(&w, "chunk");
		jw_arr(&w);
		err = put_members(r, entries, n, &wanted, &f, &w);
		jw_end(&w);
		jw_end(&w);
	}
	arena_free(a);
	return err;
}

struct joined {
	struct rooms *r;
	struct jw *w;
	enum err err;
};

static void put_profile_member(
	struct jw *w, struct str content, const char *key, const char *as)
{
	struct str value = splice_get(content, key);

	if (value.n && value.p[0] == '"')
		jw_kv_raw(w, as, value);
}

static bool put_joined(void *arg, const struct store_member *m)
{
	struct joined *j = arg;
	struct arena *one = arena_new();
	struct store_event e;
	struct str content;

	j->err = store_event_get_nid(j->r->store, one, m->event, &e);
	if (!j->err) {
		content = splice_get(e.json, "content");
		jw_key_str(j->w, m->user_id);
		jw_obj(j->w);
		put_profile_member(j->w, content, "displayname", "display_name");
		put_profile_member(j->w, content, "avatar_url", "avatar_url");
		jw_end(j->w);
	}
	arena_free(one);
	return !j->err;
}

enum err room_read_joined_members(
	struct rooms *r, const struct room_reader *reader, struct buf *out, struct err_ctx *why)
{
	struct jw w = jw_to(out);
	struct joined j = { .r = r, .w = &w };
	struct arena *a;
	enum err err;

	if (!rooms_user_is_joined(r, reader->room_id, reader->user_id))
		return err_set(why, ERR_FORBIDDEN, "you are not in this room");
	a = arena_new();
	jw_obj(&w);
	jw_key(&w, "joined");
	jw_obj(&w);
	err = store_membership_members(
		r->store, a, reader->room_id, MEMBERSHIP_JOIN, put_joined, &j);
	jw_end(&w);
	jw_end(&w);
	arena_free(a);
	return err ? err : j.err;
}

static bool put_room_id(void *arg, const struct store_member *m)
{
	jw_str(arg, m->room_id);
	return true;
}

enum err room_read_joined_rooms(
	struct rooms *r, struct str user_id, struct buf *out, struct err_ctx *why)
{
	struct arena *a = arena_new();
	struct jw w = jw_to(out);
	enum err err;

	jw_obj(&w);
	jw_key(&w, "joined_rooms");
	jw_arr(&w);
	err = store_membership_rooms(r->store, a, user_id, MEMBERSHIP_JOIN, put_room_id, &w);
	jw_end(&w);
	jw_end(&w);
	arena_free(a);
	return err;
}
