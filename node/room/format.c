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

/* Children of one relation type, as far as the reader sees them. */
struct children {
	const struct room_format *f;
	const struct store_event *parent;
	struct store_event latest;
	unsigned n;
	bool participated; /* the reader wrote one */
};

static bool see_child(void *arg, const struct store_event *e)
{
	struct children *c = arg;

	if (!room_viewer_sees(c->f->viewer, e))
		return true;
	if (!c->n++)
		c->latest = *e;
	c->participated |= str_eq(e->sender, c->f->user_id);
	return true;
}

/* An edit is by the same sender and of the same type ("Validity of replacement events"). */
static bool see_edit(void *arg, const struct store_event *e)
{
	struct children *c = arg;

	if (!str_eq(e->sender, c->parent->sender) || !str_eq(e->type, c->parent->type) ||
		e->is_state || !room_viewer_sees(c->f->viewer, e))
		return true;
	c->latest = *e;
	c->n = 1;
	return false;
}

#define CHILDREN_MAX 1000 /* looked at for one bundle */

static enum err children(const struct room_format *f, const struct store_event *parent,
	const char *rel_type, store_event_fn *fn, struct children *c)
{
	*c = (struct children){ .f = f, .parent = parent };
	return store_event_relations(f->store, f->arena, parent->room_id, parent->event_id,
		str_of(rel_type), STR(""), INT64_MIN, INT64_MAX, false, CHILDREN_MAX, fn, c);
}

struct references {
	const struct room_format *f;
	struct jw *w;
};

static bool put_reference(void *arg, const struct store_event *e)
{
	struct references *x = arg;

	if (!room_viewer_sees(x->f->viewer, e))
		return true;
	jw_obj(x->w);
	jw_kv_str(x->w, "event_id", e->event_id);
	jw_end(x->w);
	return true;
}

static enum err put_thread(
	const struct room_format *f, const struct store_event *e, struct jw *w)
{
	struct room_format inner = *f;
	struct children c;
	enum err err = children(f, e, "m.thread", see_child, &c);

	if (err || !c.n)
		return err;
	/* The latest reply shows its own edit, but no thread hangs on a thread. */
	jw_key(w, "m.thread");
	jw_obj(w);
	jw_kv_int(w, "count", c.n);
	jw_kv_bool(w, "current_user_participated",
		c.participated || str_eq(e->sender, f->user_id));
	jw_key(w, "latest_event");
	inner.no_threads = true;
	err = room_format_event(&inner, &c.latest, w);
	jw_end(w);
	return err;
}

static enum err put_relations(
	const struct room_format *f, const struct store_event *e, struct jw *w)
{
	struct room_format inner = *f;
	struct references refs = { f, w };
	struct children edits;
	unsigned n = 0;
	enum err err = store_event_relation_count(f->store, e->event_id, STR(""), &n);

	if (err || !n)
		return err;
	jw_key(w, "m.relations");
	jw_obj(w);
	err = children(f, e, "m.replace", see_edit, &edits);
	if (!err && edits.n) {
		inner.relations = false;
		jw_key(w, "m.replace");
		err = room_format_event(&inner, &edits.latest, w);
	}
	if (!err && !f->no_threads)
		err = put_thread(f, e, w);
	if (!err)
		err = store_event_relation_count(f->store, e->event_id, STR("m.reference"), &n);
	if (!err && n) {
		jw_key(w, "m.reference");
		jw_obj(w);
		jw_key(w, "chunk");
		jw_arr(w);
		err = store_event_relations(f->store, f->arena, e->room_id, e->event_id,
			STR("m.reference"), STR(""), INT64_MIN, INT64_MAX, true, CHILDREN_MAX,
			put_reference, &refs);
		jw_end(w);
		jw_end(w);
	}
	jw_end(w);
	return err;
}

static enum err put_unsigned(
	const struct room_format *f, const struct store_event *e, struct jw *w)
{
	enum err err = ERR_OK;

	jw_key(w, "unsigned");
	jw_obj(w);
	if (f->now_ms)
		jw_kv_int(w, "age", f->now_ms - e->origin_server_ts);
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
