#include "node/room/send.h"

#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/core/power.h"
#include "node/room/build.h"
#include "node/room/canonical_alias.h"
#include "node/room/content.h"
#include "node/room/room.h"

struct sending {
	struct rooms *r;
	struct room_send *s;
	struct room *room;
	struct arena *a;
};

static enum err fail(struct sending *x, enum err err, const char *errcode, const char *text)
{
	x->s->errcode = errcode;
	return err_set(&x->s->why, err, "%s", text);
}

static enum err check_shape(struct sending *x)
{
	const struct room_send *s = x->s;
	bool member = str_eq(s->type, STR("m.room.member"));

	if (!s->type.n || s->type.n > LIMIT_ID_BYTES)
		return fail(x, ERR_INVALID, NULL, "the event type is empty or too long");
	if (s->state_key.n > LIMIT_ID_BYTES)
		return fail(x, ERR_INVALID, NULL, "the state key is too long");
	if (s->txn_id.n > LIMIT_ID_BYTES)
		return fail(x, ERR_INVALID, NULL, "the transaction id is too long");
	if (str_eq(s->type, STR("m.room.create")))
		return fail(x, ERR_INVALID, NULL, "a room is created once");
	if (member && !s->is_state)
		return fail(x, ERR_INVALID, NULL, "m.room.member is a state event");
	return ERR_OK;
}

/* The same request again? */
static bool was_sent(struct sending *x)
{
	struct room_send *s = x->s;
	struct str event_id;

	if (!s->txn_id.n ||
		store_event_by_txn(x->r->store, x->a, s->sender, s->device_id, s->room_id,
			s->type, s->txn_id, &event_id))
		return false;
	room_copy_id(s->event_id, event_id);
	return true;
}

/* State that is so already stays as it is, with its event. */
static bool is_so(struct sending *x)
{
	struct room_send *s = x->s;
	enum err err = ERR_OK;
	const struct event *now;

	if (!s->is_state)
		return false;
	now = room_current(x->r, x->room, s->type, s->state_key, &err);
	if (!now || !str_eq(now->sender, s->sender) || !json_equal(now->content, s->content))
		return false;
	room_copy_id(s->event_id, now->event_id);
	return true;
}

/* "Redactions": one's own events, or with the power to redact; some not at all. */
static enum err check_redaction(struct sending *x)
{
	struct room_send *s = x->s;
	struct store_event target;
	const struct event *create;
	const struct event *levels;
	enum err err;

	if (!s->redacts.n)
		json_as_str(json_get(s->content, "redacts"), &s->redacts);
	if (!s->redacts.n)
		return fail(x, ERR_INVALID, "M_MISSING_PARAM", "redacts: which event?");
	err = store_event_get(x->r->store, x->a, s->redacts, &target);
	if (err == ERR_NOT_FOUND || (!err && !str_eq(target.room_id, s->room_id)))
		return fail(x, ERR_NOT_FOUND, NULL, "no such event in this room");
	if (err)
		return err;
	if (str_eq(target.type, STR("m.room.create")) ||
		str_eq(target.type, STR("m.room.server_acl")))
		return fail(x, ERR_FORBIDDEN, NULL, "this event may not be redacted");
	if (str_eq(target.sender, s->sender))
		return ERR_OK;
	create = room_current(x->r, x->room, STR("m.room.create"), STR(""), &err);
	levels = room_current(x->r, x->room, STR("m.room.power_levels"), STR(""), &err);
	if (err)
		return err;
	if (!create ||
		power_of_user(create, levels, s->sender) < power_to(create, levels, "redact"))
		return fail(x, ERR_FORBIDDEN, NULL,
			"you may not redact the events of others in this room");
	return ERR_OK;
}

static enum err check_type(struct sending *x)
{
	const struct room_send *s = x->s;

	if (str_eq(s->type, STR("m.room.redaction")) && !s->is_state)
		return check_redaction(x);
	if (str_eq(s->type, STR("m.room.canonical_alias")) && s->is_state && !s->state_key.n)
		return canonical_alias_check(x->r, x->room, x->a, x->s);
	return ERR_OK;
}

/* Version 11 up keeps what is redacted in the content. */
static void set_content(struct sending *x, struct buf *text, struct room_draft *d)
{
	const struct room_send *s = x->s;
	struct buf id = { 0 };
	struct jw w = jw_to(&id);
	struct json_edit edit = { .key = STR("redacts") };
	struct json_edit via = { .key = STR("join_authorised_via_users_server") };

	/* Who lets somebody into a restricted room is not for a client to say (restricted.h);
	 * without a signature of that server the event would be refused. */
	if (str_eq(s->type, STR("m.room.member")) && json_get_str(s->content, via.key)) {
		json_canonical_edited(s->content, &via, 1, text);
		d->content = buf_str(text);
		return;
	}
	if (!s->redacts.n || !x->room->version->redacts_in_content) {
		d->content_tree = s->content;
		return;
	}
	jw_str(&w, s->redacts);
	edit.value = buf_str(&id);
	json_canonical_edited(s->content, &edit, 1, text);
	d->content = buf_str(text);
	buf_deinit(&id);
}

static enum err send_checked(struct sending *x)
{
	struct room_send *s = x->s;
	struct buf content = { 0 };
	struct room_draft d = { .type = s->type,
		.sender = s->sender,
		.is_state = s->is_state,
		.state_key = s->state_key,
		.device_id = s->device_id,
		.txn_id = s->txn_id };
	enum err err = ERR_OK;

	if (!str_eq(room_membership(x->r, x->room, s->sender, &err), STR("join")) &&
		!str_eq(s->type, STR("m.room.member")))
		err = err ? err : fail(x, ERR_FORBIDDEN, NULL, "you are not in this room");
	if (!err)
		err = check_type(x);
	if (!err)
		err = room_content_check(x->r, x->room->version, x->a, s);
	if (err || is_so(x))
		return err;
	d.redacts = s->redacts;
	set_content(x, &content, &d);
	err = room_send_draft(x->r, x->room, &d, s->event_id, &s->why);
	buf_deinit(&content);
	return err;
}

enum err rooms_send(struct rooms *r, struct room_send *s)
{
	struct sending x = { .r = r, .s = s };
	enum err err;

	s->errcode = NULL;
	s->event_id[0] = '\0';
	err = check_shape(&x);
	if (err)
		return err;
	x.a = arena_new();
	if (!was_sent(&x)) {
		err = room_get(r, s->room_id, &x.room);
		if (err == ERR_NOT_FOUND)
			err = fail(&x, ERR_FORBIDDEN, NULL, "you are not in this room");
		if (!err)
			err = send_checked(&x);
	}
	arena_free(x.a);
	return err;
}
