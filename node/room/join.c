/*
 * Joining a room that other servers hold (server-server API, "Joining Rooms"; security.md F7).
 *
 *   HANDSHAKE --answer, piece by piece: intake.c--> TAKEN --ok--> STORE --> persist --> done
 *       ^                                             |             |          |
 *       +------error, and another server is left------+-------------+          |
 *                                                     +--error, none is left---+--> done
 *
 * HANDSHAKE is handshake.c. What it brings is the room's state and the auth chain of that
 * state: each event's signatures and hash are checked as it comes. When all of it was there the
 * events are stored as outliers, each checked against its auth events; then our own join is
 * checked against the state, and takes its place with it in one transaction. Of a join that
 * failed nothing stays of a room that wasn't known.
 */
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/core/id.h"
#include "node/room/auth_pool.h"
#include "node/room/handshake.h"
#include "node/room/intake.h"
#include "node/room/member_op.h"
#include "node/room/resolve.h"
#include "node/room/state.h"

#define LOG_MODULE "room"

struct joining {
	struct member_op *op;
	struct handshake hs;
	struct intake take;
	const struct str *servers; /* those that are left */
	size_t n_servers;
	struct event *join; /* owned: as the other server took it */
	bool made_room;     /* its row is ours: it goes with a join that fails */
};

static void start_handshake(struct joining *j);

static void finish(struct joining *j, enum err err)
{
	struct member_op *op = j->op;

	if (err) {
		log_info(op->r->log, "joining failed room_id=%.*s user_id=%.*s error=%s",
			STR_FMT(op->room_id), STR_FMT(op->target), err_name(err));
		if (!op->m->why.text[0])
			op->m->why = j->hs.why;
		op->m->errcode = j->hs.errcode;
	} else {
		room_copy_id(op->m->event_id, j->join->event_id);
	}
	intake_deinit(&j->take);
	handshake_deinit(&j->hs);
	event_free(j->join);
	free(j);
	member_finish(op, err);
}

/* Nobody of ours was in it: what was stored of it goes. */
static void forget_room(struct joining *j)
{
	struct rooms *r = j->op->r;
	enum err err;

	if (!j->made_room)
		return;
	j->made_room = false;
	err = store_begin(r->store);
	if (!err)
		err = room_store_end(r, store_room_purge(r->store, j->op->room_id));
	if (err)
		log_warn(r->log, "what was left of a join is still there room_id=%.*s error=%s",
			STR_FMT(j->op->room_id), err_name(err));
	room_drop(r, j->op->room_id);
}

/* What the answer was good for: nothing. Is there somebody else to ask? */
static void give_up(struct joining *j, enum err err)
{
	forget_room(j);
	if (!j->op->m->why.text[0])
		j->op->m->why = j->take.why;
	if (j->n_servers <= j->hs.at + 1 || err == ERR_IO || err == ERR_FULL ||
		err == ERR_CANCELLED) {
		finish(j, err == ERR_MALFORMED ? ERR_UNREACHABLE : err);
		return;
	}
	log_info(j->op->r->log, "join %.*s through %.*s failed: %s", STR_FMT(j->op->room_id),
		STR_FMT(j->hs.server), err_name(err));
	j->servers += j->hs.at + 1;
	j->n_servers -= j->hs.at + 1;
	j->op->m->why.text[0] = '\0';
	intake_deinit(&j->take);
	handshake_deinit(&j->hs);
	event_free(j->join);
	j->join = NULL;
	start_handshake(j);
}

/* Everything that the join's transaction works with. */
struct persisting {
	struct joining *j;
	struct rooms *r;
	struct auth_pool pool;
	struct store_state *state; /* the room's state before the join; n + 1 places */
	size_t n;
	int64_t before;
};

/* Our join in the state that we were given: a server that lies about it gains nothing. */
static enum err check_join(struct persisting *p, struct room *room)
{
	struct joining *j = p->j;
	struct room_state s;
	enum err err = auth_pool_check(&p->pool, j->join, NULL, &j->op->m->why);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_FORBIDDEN : err;
	room_state_group(&s, p->r, room, p->before);
	err = room_state_check(&s, j->join, &j->op->m->why);
	room_state_deinit(&s);
	return err;
}

static enum err put_join(struct persisting *p, struct room *room)
{
	struct event *e = p->j->join;
	struct store_event_new row = {
		.event = e, .state_before = p->before, .state_after = p->before
	};
	int64_t nid;
	int64_t pos;
	int64_t group;
	unsigned flags;
	enum err err = store_event_find(p->r->store, e->event_id, &nid, &flags);

	if (!err && !(flags & STORE_OUTLIER))
		return ERR_EXISTS; /* it came by federation while we waited */
	if (!err)
		err = store_event_promote(p->r->store, &row, &nid, &pos);
	else if (err == ERR_NOT_FOUND)
		err = store_event_put(p->r->store, &row, &nid, &pos);
	if (err)
		return err;
	p->state[p->n] = (struct store_state){ e->type, e->state_key, nid };
	err = store_state_group_new(
		p->r->store, room->id, p->before, &p->state[p->n], 1, &group);
	if (!err)
		err = store_event_set_state(p->r->store, nid, 0, p->before, group);
	if (!err)
		err = store_room_set_extremities(p->r->store, room->id, &e->event_id, 1);
	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->state[i].type, e->type) &&
			str_eq(p->state[i].state_key, e->state_key))
			p->state[i--] = p->state[--p->n];
	p->state[p->n++] = (struct store_state){ e->type, e->state_key, nid };
	if (!err)
		err = store_state_replace(p->r->store, room->id, pos, p->state, p->n);
	if (!err)
		err = store_room_set_state_group(p->r->store, room->id, group);
	return err;
}

static enum err write(struct persisting *p)
{
	struct joining *j = p->j;
	struct room *room;
	enum err err = store_room_put(
		p->r->store, j->op->room_id, str_of(j->join->version->name), false);

	if (!err)
		err = store_state_group_new(
			p->r->store, j->op->room_id, 0, p->state, p->n, &p->before);
	if (!err)
		err = room_fresh(p->r, j->op->room_id, &room);
	if (!err)
		err = check_join(p, room);
	if (!err)
		err = put_join(p, room);
	return err == ERR_EXISTS ? ERR_OK : err;
}

static enum err persist(struct joining *j)
{
	struct persisting p = {
		.j = j, .r = j->op->r, .state = j->take.state, .n = j->take.n_state
	};
	enum err err = store_begin(p.r->store);

	if (err)
		return err;
	auth_pool_init(&p.pool, p.r, j->join->version);
	err = room_store_end(p.r, write(&p));
	auth_pool_deinit(&p.pool);
	room_drop(p.r, j->op->room_id);
	return err;
}

static void stored(struct intake *t, enum err err)
{
	struct joining *j = t->owner;

	if (!err)
		err = persist(j);
	if (err)
		give_up(j, err);
	else
		finish(j, ERR_OK);
}

/* The events need a room; until the join is persisted nobody looks at it. */
static enum err make_room(struct joining *j)
{
	struct rooms *r = j->op->r;
	struct arena *a = arena_new();
	struct store_room row;
	enum err err = store_room_get(r->store, a, j->op->room_id, &row);

	arena_free(a);
	if (err != ERR_NOT_FOUND)
		return err;
	err = store_begin(r->store);
	if (err)
		return err;
	err = room_store_end(r,
		store_room_put(r->store, j->op->room_id, str_of(j->join->version->name), true));
	j->made_room = !err;
	return err;
}

static void taken(struct intake *t, enum err err)
{
	struct joining *j = t->owner;
	bool authorised =
		room_content_str(j->hs.event, "join_authorised_via_users_server").n > 0;

	/* A restricted join needs the signature of the server that let us in. */
	if (!err && authorised && !t->aside)
		err = err_set(&j->op->m->why, ERR_UNREACHABLE,
			"the other server did not sign our join");
	if (!err) {
		j->join = t->aside ? t->aside : j->hs.event;
		if (t->aside)
			t->aside = NULL;
		else
			j->hs.event = NULL;
		err = make_room(j);
	}
	if (err)
		give_up(j, err);
	else
		intake_store(t);
}

static void consumed(struct intake *t, size_t n)
{
	struct joining *j = t->owner;

	handshake_consumed(&j->hs, n);
}

static void begin_intake(struct joining *j)
{
	j->take = (struct intake){ .rooms = j->op->r,
		.version = j->hs.event->version,
		.room_id = j->op->room_id,
		.from = j->hs.server,
		.state_key = "state",
		.set_aside = j->hs.event->event_id,
		.consumed = consumed,
		.taken = taken,
		.stored = stored,
		.owner = j };
	intake_start(&j->take);
}

static bool got_piece(struct handshake *h, struct str bytes)
{
	struct joining *j = h->owner;

	if (!j->take.arena)
		begin_intake(j);
	return intake_piece(&j->take, bytes);
}

static void shaken(struct handshake *h, enum err err, struct str body)
{
	struct joining *j = h->owner;

	if (err && !j->take.arena) {
		finish(j, err);
		return;
	}
	if (!j->take.arena)
		begin_intake(j);
	if (!err && body.n)
		(void)intake_piece(&j->take, body);
	if (err)
		j->take.why = h->why;
	intake_end(&j->take, err);
}

static void start_handshake(struct joining *j)
{
	j->hs = (struct handshake){ .rooms = j->op->r,
		.kind = HANDSHAKE_JOIN,
		.room_id = j->op->room_id,
		.user_id = j->op->target,
		.content = j->op->content,
		.servers = j->servers,
		.n_servers = j->n_servers,
		.done = shaken,
		.piece = got_piece,
		.owner = j };
	handshake_start(&j->hs);
}

void remote_join_start(struct member_op *op)
{
	struct joining *j = NEW(struct joining);

	j->op = op;
	j->servers = op->servers;
	j->n_servers = op->n_servers;
	start_handshake(j);
}
