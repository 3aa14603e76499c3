/*
 * Leaving and knocking where we are not in the room (server-server API, "Leaving Rooms
 * (Rejecting Invites)", "Knocking upon a room").
 *
 *   HANDSHAKE --> written down here --> done
 *
 * A leave is written down whatever the other servers say: an invite can always be rejected,
 * also when the room's server is gone (security.md A7). A knock only if it was taken.
 */
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/core/id.h"
#include "node/room/handshake.h"
#include "node/room/member_op.h"
#include "node/room/stripped.h"

#define LOG_MODULE "room"

struct leaving {
	struct member_op *op;
	struct handshake hs;
};

static void finish(struct leaving *l, enum err err)
{
	struct member_op *op = l->op;

	handshake_deinit(&l->hs);
	free(l);
	member_finish(op, err);
}

/* The event as an outlier of a room that we know by its name alone. */
static enum err put_event(struct rooms *r, const struct event *e, int64_t *nid)
{
	struct store_event_new row = { .event = e, .flags = STORE_OUTLIER | STORE_AFAR };
	int64_t pos;
	enum err err = store_room_put(r->store, e->room_id, str_of(e->version->name), true);

	if (!err)
		err = store_event_put(r->store, &row, nid, &pos);
	if (err == ERR_EXISTS)
		err = store_event_find(r->store, e->event_id, nid, NULL);
	return err;
}

static enum err put_membership(
	struct leaving *l, enum membership membership, struct str stripped)
{
	struct member_op *op = l->op;
	struct store_member row = { .room_id = op->room_id,
		.user_id = op->target,
		.membership = membership,
		.stripped = stripped };
	struct store_member before;
	enum err err = store_begin(op->r->store);

	if (err)
		return err;
	if (l->hs.event) {
		err = put_event(op->r, l->hs.event, &row.event);
	} else {
		err = store_membership_get(
			op->r->store, op->arena, op->room_id, op->target, &before);
		row.event = before.event;
	}
	if (!err)
		err = store_membership_put(op->r->store, &row);
	return room_store_end(op->r, err);
}

static void left(struct handshake *h, enum err err, struct str body)
{
	struct leaving *l = h->owner;
	struct member_op *op = l->op;

	(void)body;
	if (err) {
		log_info(op->r->log, "left without the room's servers room_id=%.*s error=%s",
			STR_FMT(op->room_id), err_name(err));
		event_free(h->event);
		h->event = NULL;
	} else {
		room_copy_id(op->m->event_id, h->event->event_id);
	}
	finish(l, put_membership(l, MEMBERSHIP_LEAVE, STR("")));
}

static void knocked(struct handshake *h, enum err err, struct str body)
{
	struct leaving *l = h->owner;
	struct member_op *op = l->op;
	struct arena *a;
	struct buf stripped = { 0 };
	const struct json *reply;

	if (err) {
		op->m->why = h->why;
		op->m->errcode = h->errcode;
		finish(l, err);
		return;
	}
	a = arena_new();
	if (json_parse_in(a, body, &json_limits_peer, &reply, NULL))
		reply = NULL;
	room_stripped_prune(json_get(reply, "knock_room_state"), &stripped);
	room_copy_id(op->m->event_id, h->event->event_id);
	err = put_membership(l, MEMBERSHIP_KNOCK, buf_str(&stripped));
	buf_deinit(&stripped);
	arena_free(a);
	finish(l, err);
}

static void start(struct member_op *op, enum handshake_kind kind,
	void (*done)(struct handshake *h, enum err err, struct str body))
{
	struct leaving *l = NEW(struct leaving);

	l->op = op;
	l->hs = (struct handshake){ .rooms = op->r,
		.kind = kind,
		.room_id = op->room_id,
		.user_id = op->target,
		.content = op->content,
		.servers = op->servers,
		.n_servers = op->n_servers,
		.done = done,
		.owner = l };
	handshake_start(&l->hs);
}

void remote_leave_start(struct member_op *op)
{
	enum membership now = store_membership_of(op->r->store, op->room_id, op->target);

	if (now != MEMBERSHIP_INVITE && now != MEMBERSHIP_KNOCK) {
		/* Not one to ask other servers about: there is no room of that name here. */
		op->n_servers = 0;
		member_finish_later(
			op, member_fail(op, ERR_FORBIDDEN, NULL, "you are not in this room"));
		return;
	}
	start(op, HANDSHAKE_LEAVE, left);
}

void remote_knock_start(struct member_op *op)
{
	start(op, HANDSHAKE_KNOCK, knocked);
}
