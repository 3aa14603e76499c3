#include "node/room/format.h"

#include "node/room/splice.h"
#include "store/state.h"

/* The members of an event that clients get as they are (ClientEventWithoutRoomID). */
static bool is_shown(struct str key)
{
	static const char *const shown[] = { "content", "origin_server_ts", "redacts", "sender",
		"state_key", "type" };

	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		if (str_eq(key, str_of(shown[i])))
			return true;
	return false;
}

/* room version 11, "Moving redacts": clients older than it look at the top level. */
static void put_redacts(const struct store_event *e, struct jw *w, struct str content)
{
	struct str redacts = splice_string(splice_get(content, "redacts"));

	if (redacts.n && str_eq(e->type, STR("m.room.redaction")))
		jw_kv_str(w, "redacts", redacts);
}

static void put_members(const struct room_format *f, const struct store_event *e, struct jw *w)
{
	struct splice_member m;
	struct str content = { 0 };
	bool redacts = false;

	for (size_t at = 0; splice_next(e->json, &at, &m);) {
		if (!is_shown(m.key))
			continue;
		jw_key_str(w, m.key);
		jw_raw(w, m.value);
		if (str_eq(m.key, STR("content")))
			content = m.value;
		redacts |= str_eq(m.key, STR("redacts"));
	}
	if (!redacts)
		put_redacts(e, w, content);
	jw_kv_str(w, "event_id", e->event_id);
	if (!f->no_room_id)
		jw_kv_str(w, "room_id", e->room_id);
}

static enum err put_redacted_because(
	const struct room_format *f, const struct store_event *e, struct jw *w)
{
	struct room_format plain = *f;
	struct store_event by;
	enum err err = store_event_get_nid(f->store, f->arena, e->redacted_by, &by);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	by.redacted_by = 0; /* redactions of redactions end here (A5) */
	plain.relations = false;
	plain.prev_content = false;
	jw_key(w, "redacted_because");
	return room_format_event(&plain, &by, w);
}

static enum err put_prev_content(
	const struct room_format *f, const struct store_event *e, struct jw *w)
{
	struct store_event before;
	int64_t nid;
	enum err err;

	if (!e->state_before)
		return ERR_OK;
	err = store_state_group_get(f->store, e->state_before, e->type, e->state_key, &nid);
	if (!err)
		err = store_event_get_nid(f->store, f->arena, nid, &before);
	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	/* What the reader may not see (a join before an invite, say) is not told this way. */
	if (f->viewer && !room_viewer_sees(f->viewer, &before))
		return ERR_OK;
	jw_kv_raw(w, "prev_content", splice_get(before.json, "content"));
	jw_kv_str(w, "replaces_state", before.event_id);
	return ERR_OK;
}

#define CHILDREN_MAX 1000 /* looked at for one bundle */

/* The children of one event, newest first, as far as the reader sees them. */
struct children {
	const struct room_format *f;
	const struct store_event *parent;
	const struct store_event *edit;  /* the latest */
	const struct store_event *reply; /* the latest of its thread */
	unsigned n_replies;
	bool participated;      /* the reader wrote one */
	struct str *references; /* event ids */
	size_t n_references;
};

static const struct store_event *kept(const struct children *c, const struct store_event *e)
{
	struct store_event *copy = ARENA_NEW(c->f->arena, struct store_event);

	*copy = *e;
	return copy;
}

/* An edit is by the same sender and of the same type ("Validity of replacement events"). */
static void see_edit(struct children *c, const struct store_event *e)
{
	if (!c->edit && !e->is_state && str_eq(e->sender, c->parent->sender) &&
		str_eq(e->type, c->parent->type))
		c->edit = kept(c, e);
}

static void see_reply(struct children *c, const struct store_event *e)
{
	if (!c->n_replies++)
		c->reply = kept(c, e);
	c->participated |= str_eq(e->sender, c->f->user_id);
}

static bool see_child(void *arg, const struct store_event *e)
{
	struct children *c = arg;
	struct str relates = splice_get(splice_get(e->json, "content"), "m.relates_to");
	struct str type = splice_string(splice_get(relates, "rel_type"));

	if (!room_viewer_sees(c->f->viewer, e))
		return true;
	if (str_eq(type, STR("m.replace"))) {
		see_edit(c, e);
	} else if (str_eq(type, STR("m.thread"))) {
		see_reply(c, e);
	} else if (str_eq(type, STR("m.reference"))) {
		if (!c->references)
			c->references =
				arena_calloc(c->f->arena, CHILDREN_MAX, sizeof(*c->references));
		c->references[c->n_references++] = e->event_id;
	}
	return true;
}

static enum err put_thread(const struct room_format *f, const struct children *c, struct jw *w)
{
	struct room_format inner = *f;
	enum err err;

	/* The latest reply shows its own edit, but no thread hangs on a thread. */
	inner.no_threads = true;
	jw_key(w, "m.thread");
	jw_obj(w);
	jw_kv_int(w, "count", c->n_replies);
	jw_kv_bool(w, "current_user_participated",
		c->participated || str_eq(c->parent->sender, f->user_id));
	jw_key(w, "latest_event");
	err = room_format_event(&inner, c->reply, w);
	jw_end(w);
	return err;
}

static void put_references(const struct children *c, struct jw *w)
{
	jw_key(w, "m.reference");
	jw_obj(w);
	jw_key(w, "chunk");
	jw_arr(w);
	for (size_t i = c->n_references; i > 0; i--) {
		jw_obj(w);
		jw_kv_str(w, "event_id", c->references[i - 1]);
		jw_end(w);
	}
	jw_end(w);
	jw_end(w);
}

static enum err put_relations(
	const struct room_format *f, const struct store_event *e, struct jw *w)
{
	struct room_format inner = *f;
	struct children c = { .f = f, .parent = e };
	bool thread;
	enum err err = store_event_relations(f->store, f->arena, e->room_id, e->event_id,
		STR(""), STR(""), INT64_MIN, INT64_MAX, false, CHILDREN_MAX, see_child, &c);

	thread = c.reply && !f->no_threads;
	if (err || (!c.edit && !thread && !c.n_references))
		return err;
	jw_key(w, "m.relations");
	jw_obj(w);
	if (c.edit) {
		inner.relations = false;
		jw_key(w, "m.replace");
		err = room_format_event(&inner, c.edit, w);
	}
	if (!err && thread)
		err = put_thread(f, &c, w);
	if (c.n_references)
		put_references(&c, w);
	jw_end(w);
	return err;
}

static void put_membership(
	const struct room_format *f, const struct store_event *e, struct jw *w)
{
	static const struct {
		enum membership membership;
		const char *name;
	} names[] = { { MEMBERSHIP_INVITE, "invite" }, { MEMBERSHIP_JOIN, "join" },
		{ MEMBERSHIP_KNOCK, "knock" }, { MEMBERSHIP_LEAVE, "leave" },
		{ MEMBERSHIP_BAN, "ban" } };
	enum membership m =
		f->viewer ? room_viewer_membership_at(f->viewer, e) : MEMBERSHIP_NONE;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].membership == m)
			jw_kv_z(w, "membership", names[i].name);
}

static enum err put_unsigned(
	const struct room_format *f, const struct store_event *e, struct jw *w)
{
	enum err err = ERR_OK;

	jw_key(w, "unsigned");
	jw_obj(w);
	if (f->now_ms)
		jw_kv_int(w, "age", f->now_ms - e->origin_server_ts);
	put_membership(f, e, w);
	if (e->txn_id.n && f->device_id.n && str_eq(e->sender, f->user_id) &&
		str_eq(e->device_id, f->device_id))
		jw_kv_str(w, "transaction_id", e->txn_id);
	if (e->redacted_by)
		err = put_redacted_because(f, e, w);
	if (!err && e->is_state && f->prev_content)
		err = put_prev_content(f, e, w);
	if (!err && f->relations && f->viewer && !e->is_state && !(e->flags & STORE_REDACTED))
		err = put_relations(f, e, w);
	jw_end(w);
	return err;
}

enum err room_format_event(
	const struct room_format *f, const struct store_event *e, struct jw *w)
{
	enum err err;

	jw_obj(w);
	put_members(f, e, w);
	err = put_unsigned(f, e, w);
	jw_end(w);
	return err;
}

void room_format_stripped(const struct store_event *e, struct jw *w)
{
	struct splice_member m;

	jw_obj(w);
	for (size_t at = 0; splice_next(e->json, &at, &m);) {
		if (!str_eq(m.key, STR("content")) && !str_eq(m.key, STR("sender")) &&
			!str_eq(m.key, STR("state_key")) && !str_eq(m.key, STR("type")))
			continue;
		jw_key_str(w, m.key);
		jw_raw(w, m.value);
	}
	jw_end(w);
}
