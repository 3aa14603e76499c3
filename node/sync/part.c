/* One room of an answer. */
#include "node/room/splice.h"
#include "node/room/stripped.h"
#include "node/room/token.h"
#include "node/sync/answer.h"

/* What the filter's event_fields leave of an event. */
static enum err write_fields(struct answer *an, const struct room_data *d,
	const struct room_format *f, const struct store_event *e)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct jw w = jw_to(&text);
	const struct json *tree;
	enum err err = ERR_OK;

	if (an->filter->federation_format)
		buf_put_str(&text, e->json);
	else
		err = room_format_event(f, e, &w);
	if (!err && json_parse_in(d->a, buf_str(&text), &json_limits_peer, &tree, NULL))
		err = ERR_CORRUPT;
	if (!err)
		event_fields_put(&an->filter->fields, tree, &an->w);
	return err;
}

static enum err write_event(
	struct answer *an, const struct room_data *d, const struct store_event *e)
{
	const struct room_format f = { .store = an->store,
		.arena = d->a,
		.user_id = an->op->user_id,
		.device_id = an->op->device_id,
		.now_ms = an->now_ms,
		.no_room_id = true,
		.relations = true,
		.prev_content = true,
		.viewer = d->viewer };

	if (an->filter->fields.set)
		return write_fields(an, d, &f, e);
	if (an->filter->federation_format) {
		jw_raw(&an->w, e->json);
		return ERR_OK;
	}
	return room_format_event(&f, e, &an->w);
}

static enum err write_events(struct answer *an, const struct room_data *d,
	const struct store_event *const *events, size_t n)
{
	enum err err = ERR_OK;

	jw_key(&an->w, "events");
	jw_arr(&an->w);
	for (size_t i = 0; i < n && !err; i++)
		err = write_event(an, d, events[i]);
	jw_end(&an->w);
	return err;
}

static void write_token(struct answer *an, const char *key, int64_t pos)
{
	CLEANUP(buf_deinit) struct buf token = { 0 };

	token_put(&token, pos);
	jw_kv_str(&an->w, key, buf_str(&token));
}

static enum err write_timeline(struct answer *an, const struct room_data *d)
{
	const struct timeline *t = &d->timeline;
	int64_t before = t->start;
	enum err err;

	/* Nothing lies between a timeline that isn't limited and its first event that the
	 * client could see. */
	if (!t->limited && t->n)
		before = t->events[0]->pos - 1;
	jw_key(&an->w, "timeline");
	jw_obj(&an->w);
	err = write_events(an, d, t->events, t->n);
	jw_kv_bool(&an->w, "limited", t->limited);
	write_token(an, "prev_batch", before);
	jw_end(&an->w);
	return err;
}

static enum err write_state(struct answer *an, const struct room_data *d)
{
	static const char *const keys[] = { [STATE_BEFORE] = "state",
		[STATE_AFTER] = "state_after",
		[STATE_AFTER_UNSTABLE] = "org.matrix.msc4222.state_after" };
	enum err err;

	jw_key(&an->w, keys[an->op->state_after]);
	jw_obj(&an->w);
	err = write_events(an, d, d->state.events, d->state.n);
	jw_end(&an->w);
	return err;
}

static void write_summary(struct answer *an, const struct summary *s)
{
	struct jw *w = &an->w;

	jw_key(w, "summary");
	jw_obj(w);
	if (s->has_heroes) {
		jw_key(w, "m.heroes");
		jw_arr(w);
		for (size_t i = 0; i < s->n_heroes; i++)
			jw_str(w, s->heroes[i]);
		jw_end(w);
	}
	if (s->told) {
		jw_kv_int(w, "m.invited_member_count", s->invited);
		jw_kv_int(w, "m.joined_member_count", s->joined);
	}
	jw_end(w);
}

/* --- account data ----------------------------------------------------------------------------
 */

struct data_list {
	const struct account_data_item *items;
	size_t n;
};

/* A room that is new to the client needs what was set long before, too. */
static enum err gather_data(struct answer *an, struct room_data *d, struct data_list *out)
{
	*out = (struct data_list){ an->data, an->n_data };
	if (!d->part->full || an->initial || d->part->own_only)
		return ERR_OK;
	return account_data_since(an->sync->o.users, d->a, an->op->account, 0, an->to.stream,
		&out->items, &out->n);
}

static bool data_passes(
	const struct answer *an, const struct room_data *d, const struct account_data_item *i)
{
	return str_eq(i->room_id, d->part->room_id) &&
		event_filter_match(
			&an->filter->room_account_data, i->type, STR(""), i->room_id);
}

static size_t count_data(
	const struct answer *an, const struct room_data *d, const struct data_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += data_passes(an, d, &l->items[i]);
	return n;
}

static void write_data(struct answer *an, const struct room_data *d, const struct data_list *l)
{
	struct jw *w = &an->w;

	jw_key(w, "account_data");
	jw_obj(w);
	jw_key(w, "events");
	jw_arr(w);
	for (size_t i = 0; i < l->n; i++) {
		if (!data_passes(an, d, &l->items[i]))
			continue;
		jw_obj(w);
		jw_kv_raw(w, "content", l->items[i].content);
		jw_kv_str(w, "type", l->items[i].type);
		jw_end(w);
	}
	jw_end(w);
	jw_end(w);
}

/* --- a room that the user is or was in -------------------------------------------------------
 */

static enum err gather(struct answer *an, struct room_data *d)
{
	const struct part *p = d->part;
	enum err err = ERR_OK;

	d->viewer = room_viewer_new(an->sync->o.rooms, d->a, p->room_id, an->op->user_id);
	if (!p->full && !p->own_only && answer_may_have(an, FEED_STATE))
		err = store_state_deltas(
			an->store, d->a, p->room_id, p->from, p->to, &d->deltas, &d->n_deltas);
	if (!err)
		err = timeline_gather(an, d);
	if (!err)
		err = summary_gather(an, d);
	if (!err)
		err = state_gather(an, d);
	if (!err)
		err = ephemeral_gather(an, d);
	return err;
}

static enum err write_room(struct answer *an, struct room_data *d, const struct data_list *data)
{
	bool joined = d->part->kind == PART_JOIN;
	enum err err;

	jw_key_str(&an->w, d->part->room_id);
	jw_obj(&an->w);
	write_data(an, d, data);
	if (joined)
		jw_key(&an->w, "ephemeral");
	if (joined)
		ephemeral_write(an, d);
	err = write_state(an, d);
	if (joined)
		write_summary(an, &d->summary);
	if (!err)
		err = write_timeline(an, d);
	if (!err && joined)
		err = unread_write(an, d);
	jw_end(&an->w);
	return err;
}

static enum err write_known_room(struct answer *an, const struct part *p, struct arena *a)
{
	struct room_data d = { .a = a, .part = p };
	struct data_list data;
	enum err err = gather(an, &d);

	if (!err)
		err = gather_data(an, &d, &data);
	if (err)
		return err;
	if (!p->full && p->kind == PART_JOIN && !d.timeline.n && !d.timeline.limited &&
		!d.state.n && !d.summary.told && !d.n_receipts && !d.typing &&
		!count_data(an, &d, &data))
		return ERR_OK;
	an->empty = false;
	return write_room(an, &d, &data);
}

/* --- a room that the user is invited to, or knocks at
 * ------------------------------------------ */

static bool is_own_member(struct str stripped, struct str user_id)
{
	return str_eq(splice_string(splice_get(stripped, "type")), STR("m.room.member")) &&
		str_eq(splice_string(splice_get(stripped, "state_key")), user_id);
}

static enum err write_stripped(struct answer *an, const struct part *p,
	const struct store_member *m, const struct store_event *own, struct arena *a)
{
	bool has_own = false;
	struct str element;
	size_t at = 0;
	enum err err = ERR_OK;

	if (!m->stripped.n && p->kind == PART_INVITE)
		err = room_stripped_put(an->sync->o.rooms, p->room_id,
			own ? own->sender : STR(""), STRIPPED_EVENTS, &an->w);
	else if (!m->stripped.n)
		err = room_stripped_put(
			an->sync->o.rooms, p->room_id, STR(""), STRIPPED_EVENTS, &an->w);
	while (!err && m->stripped.n && splice_element(m->stripped, &at, &element)) {
		jw_raw(&an->w, element);
		has_own = has_own || is_own_member(element, an->op->user_id);
	}
	if (!err && own && !has_own)
		room_format_stripped(own, &an->w);
	return err;
}

/* Those whom the user ignores can't invite him (security.md A7). */
static enum err is_ignored(
	struct answer *an, struct arena *a, const struct store_event *own, bool *yes)
{
	const struct json *list;
	struct str content;
	enum err err;

	*yes = false;
	if (!own)
		return ERR_OK;
	err = account_data_get(an->sync->o.users, a, an->op->account, STR(""),
		STR("m.ignored_user_list"), &content);
	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	if (!json_parse_in(a, content, &json_limits_peer, &list, NULL))
		*yes = json_get_str(json_get(list, "ignored_users"), own->sender) != NULL;
	return ERR_OK;
}

static enum err write_outside_room(struct answer *an, const struct part *p, struct arena *a)
{
	struct store_member m;
	struct store_event own;
	bool has_own, ignored;
	enum err err = store_membership_get(an->store, a, p->room_id, an->op->user_id, &m);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = store_event_get_nid(an->store, a, m.event, &own);
	if (err && err != ERR_NOT_FOUND)
		return err;
	has_own = !err;
	err = is_ignored(an, a, has_own ? &own : NULL, &ignored);
	if (err || (ignored && p->kind == PART_INVITE))
		return err;
	an->empty = false;
	jw_key_str(&an->w, p->room_id);
	jw_obj(&an->w);
	jw_key(&an->w, p->kind == PART_INVITE ? "invite_state" : "knock_state");
	jw_obj(&an->w);
	jw_key(&an->w, "events");
	jw_arr(&an->w);
	err = write_stripped(an, p, &m, has_own ? &own : NULL, a);
	jw_end(&an->w);
	jw_end(&an->w);
	jw_end(&an->w);
	return err;
}

enum err part_write(struct answer *an, const struct part *p)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();

	if (p->kind == PART_INVITE || p->kind == PART_KNOCK)
		return write_outside_room(an, p, a);
	return write_known_room(an, p, a);
}
