#include "store/event.h"

#include <assert.h>

#include "node/base/buf.h"
#include "store/auth_nid.h"
#include "store/db.h"
#include "store/event_index.h"
#include "store/event_key.h"
#include "store/event_row.h"
#include "store/name.h"

enum {
	Q_PUT,
	Q_FIRST_POS,
	Q_PLACE,
	Q_PROMOTED,
	Q_SET_STATE,
	Q_SETTLE,
	Q_SETTLE_MEMBER,
	Q_SETTLE_CHANGE,
	Q_EXTREMITY_DELETE,
	Q_EXTREMITY_PUT,
	Q_EXTREMITY_MOVE,
	Q_EXTREMITY_IS,
	Q_MISSING_PUT,
	Q_MISSING_DELETE,
	Q_RELATION_PUT,
	Q_REDACT,
	Q_REDACTION_WAIT,
	Q_REDACTION_OF,
	N_Q
};

static const char *const sql[N_Q] = {
	[Q_PUT] =
		"INSERT INTO event (nid, room, pos, flags, type, sender, state_key, depth,"
		" origin_server_ts, state_before, state_after, device, txn_id, event_id, auth,"
		" json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
		" ?15, ?16)",
	[Q_FIRST_POS] = "SELECT pos FROM event WHERE room = ?1 AND pos IS NOT NULL"
			" ORDER BY pos LIMIT 1",
	[Q_PLACE] = "UPDATE event SET pos = ?2, flags = ?3, state_before = ?4, state_after = ?5"
		    " WHERE nid = ?1",
	[Q_PROMOTED] = "INSERT INTO event_promoted (pos, event) VALUES (?1, ?2)",
	[Q_SET_STATE] = "UPDATE event SET flags = (flags & ?5) | ?2, state_before = ?3,"
			" state_after = ?4 WHERE nid = ?1",
	[Q_SETTLE] = "UPDATE event SET nid = ?5, flags = (flags & ?3) | ?2, auth = ?4"
		     " WHERE nid = ?1",
	[Q_SETTLE_MEMBER] = "UPDATE membership SET event = ?4"
			    " WHERE room = ?1 AND user = ?2 AND event = ?3",
	[Q_SETTLE_CHANGE] =
		"UPDATE membership_change SET event = ?3 WHERE user = ?1 AND event = ?2",
	[Q_EXTREMITY_DELETE] = "DELETE FROM room_extremity WHERE room = ?1 AND event = ?2",
	[Q_EXTREMITY_PUT] =
		"INSERT OR IGNORE INTO room_extremity (room, event) VALUES (?1, ?2)",
	[Q_EXTREMITY_MOVE] = "UPDATE OR REPLACE room_extremity SET event = ?3"
			     " WHERE room = ?1 AND event = ?2",
	[Q_EXTREMITY_IS] = "SELECT 1 FROM room_extremity WHERE room = ?1 AND event = ?2",
	[Q_MISSING_PUT] = "INSERT OR IGNORE INTO event_missing (event_id, child, room)"
			  " VALUES (?1, ?2, ?3)",
	[Q_MISSING_DELETE] = "DELETE FROM event_missing WHERE event_id = ?1",
	[Q_RELATION_PUT] = "INSERT OR IGNORE INTO event_relation (target, rel_type, child)"
			   " VALUES (?1, ?2, ?3)",
	[Q_REDACT] = "UPDATE event SET json = ?2, flags = flags | 32, redacted_by = ?3"
		     " WHERE nid = ?1",
	[Q_REDACTION_WAIT] = "INSERT OR IGNORE INTO event_redaction (target, redaction)"
			     " VALUES (?1, ?2)",
	[Q_REDACTION_OF] = "SELECT redaction FROM event_redaction WHERE target = ?1"
			   " ORDER BY redaction LIMIT 1",
};
const struct stmt_table event_stmts = { "event", sql, N_Q };

/* In no timeline. */
#define NOWHERE (STORE_OUTLIER | STORE_REJECTED | STORE_SOFT_FAILED)

/* An event on its way into the database. */
struct placing {
	const struct store_event_new *new;
	int64_t nid;
	int64_t pos;
	int64_t room;
	struct event_key key;
};

static enum err first_pos(struct store *st, int64_t room, int64_t *pos)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_FIRST_POS);

	stmt_bind_i64(q, 1, room);
	if (stmt_row(q))
		*pos = stmt_i64(q, 0);
	else if (!stmt_err(q))
		*pos = 0;
	return stmt_err(q);
}

/* live: the position that it gets when it is new in the timeline. */
static enum err choose_pos(struct store *st, struct placing *p, int64_t live)
{
	int64_t first = 0;
	enum err err;

	p->pos = 0;
	if (p->new->flags & NOWHERE)
		return ERR_OK;
	if (!(p->new->flags &STORE_BACKFILLED)) {
		p->pos = live;
		return ERR_OK;
	}
	err = first_pos(st, p->room, &first);
	if (!err)
		p->pos = (first < 0 ? first : 0) - 1;
	return err;
}

/* 0 in nid: we don't have it. */
static enum err find(struct store *st, struct str event_id, int64_t *nid, unsigned *flags)
{
	enum err err = store_event_find(st, event_id, nid, flags);

	if (err != ERR_NOT_FOUND)
		return err;
	*nid = 0;
	*flags = 0;
	return ERR_OK;
}

static enum err find_auth(struct store *st, struct str event_id, int64_t *nid)
{
	unsigned flags;
	enum err err;

	if (auth_nid_get(st, event_id, nid))
		return ERR_OK;
	err = find(st, event_id, nid, &flags);
	if (!err && *nid)
		auth_nid_put(st, event_id, *nid);
	return err;
}

static enum err put_auth(struct store *st, const struct store_event_new *new, struct buf *out)
{
	for (size_t i = 0; i < new->event->n_auth_events; i++) {
		int64_t nid;
		enum err err = find_auth(st, new->event->auth_events[i], &nid);

		if (err)
			return err;
		if (nid)
			buf_put_be64(out, (uint64_t)nid);
		else if (!(new->flags &(STORE_REJECTED | STORE_AFAR)))
			return ERR_INVALID; /* the auth chain would have a hole */
	}
	return ERR_OK;
}

static enum err put_row(struct store *st, const struct placing *p)
{
	const struct event *e = p->new->event;
	CLEANUP(buf_deinit) struct buf auth = { 0 };
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t type;
	int64_t sender = 0;
	int64_t state_key = 0;
	int64_t device = 0;
	enum err err = name_intern(st, e->type, &type);

	if (!err)
		err = name_intern(st, e->sender, &sender);
	if (!err && e->is_state)
		err = name_intern(st, e->state_key, &state_key);
	if (!err && p->new->txn_id.n)
		err = name_intern(st, p->new->device_id, &device);
	if (!err)
		err = put_auth(st, p->new, &auth);
	if (err)
		return err;
	q = stmt_get(st, T_EVENT, Q_PUT);
	stmt_bind_i64(q, 1, p->nid);
	stmt_bind_i64(q, 2, p->room);
	stmt_bind_i64_or_null(q, 3, p->pos);
	stmt_bind_i64(q, 4, p->new->flags | p->key.flags);
	stmt_bind_i64(q, 5, type);
	stmt_bind_i64(q, 6, sender);
	stmt_bind_i64_or_null(q, 7, state_key);
	stmt_bind_i64(q, 8, e->depth);
	stmt_bind_i64(q, 9, e->origin_server_ts);
	stmt_bind_i64_or_null(q, 10, p->new->state_before);
	stmt_bind_i64_or_null(
		q, 11, p->new->state_after == p->new->state_before ? 0 : p->new->state_after);
	stmt_bind_i64_or_null(q, 12, device);
	stmt_bind_text_or_null(q, 13, p->new->txn_id);
	stmt_bind_blob(q, 14, p->key.bytes);
	stmt_bind_blob(q, 15, buf_str(&auth));
	stmt_bind_str(q, 16, e->json);
	return stmt_run(q);
}

static enum err put_keys(struct store *st, const struct placing *p)
{
	enum err err = event_index_put(st, event_index_id_key(&p->key), p->nid);
	int64_t sender;
	int64_t device = 0;

	if (err || !p->new->txn_id.n)
		return err ? err : event_index_write(st);
	err = name_find(st, p->new->event->sender, &sender);
	if (!err)
		err = name_find(st, p->new->device_id, &device);
	if (!err)
		err = event_index_put(
			st, event_index_txn_key(sender, device, p->new->txn_id), p->nid);
	return err ? err : event_index_write(st);
}

static enum err put_missing(struct store *st, const struct placing *p, struct str event_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_MISSING_PUT);
	struct event_key k;

	event_key_of(&k, event_id);
	stmt_bind_blob(q, 1, k.bytes);
	stmt_bind_i64(q, 2, p->nid);
	stmt_bind_i64(q, 3, p->room);
	return stmt_run(q);
}

static enum err run_extremity(struct store *st, unsigned which, int64_t room, int64_t event)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, which);

	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, event);
	return stmt_run(q);
}

/* It takes the place of an ancestor that was an end; *placed then. */
static enum err move_extremity(
	struct store *st, const struct placing *p, int64_t prev, bool *placed)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_EXTREMITY_MOVE);
	int64_t n = 0;
	enum err err;

	stmt_bind_i64(q, 1, p->room);
	stmt_bind_i64(q, 2, prev);
	stmt_bind_i64(q, 3, p->nid);
	err = stmt_run_changed(q, &n);
	*placed = n > 0;
	return err;
}

/* Its ancestors are ends no longer; those that aren't here are missing. placed: it is an end
 * itself by now, or can't be one. */
static enum err link_prev(struct store *st, const struct placing *p, bool *placed)
{
	const struct event *e = p->new->event;

	for (size_t i = 0; i < e->n_prev_events; i++) {
		int64_t nid;
		unsigned flags;
		enum err err = find(st, e->prev_events[i], &nid, &flags);

		if (!err && (!nid || (flags & STORE_OUTLIER)))
			err = put_missing(st, p, e->prev_events[i]);
		if (!err && nid && p->pos > 0)
			err = *placed ? run_extremity(st, Q_EXTREMITY_DELETE, p->room, nid)
				      : move_extremity(st, p, nid, placed);
		if (err)
			return err;
	}
	return ERR_OK;
}

/* named: events that are in the timeline already named it as their ancestor. */
static enum err found_missing(struct store *st, const struct placing *p, bool *named)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_MISSING_DELETE);
	int64_t n = 0;
	enum err err;

	stmt_bind_blob(q, 1, p->key.bytes);
	err = stmt_run_changed(q, &n);
	*named = n > 0;
	return err;
}

static enum err put_relation(struct store *st, const struct placing *p)
{
	const struct json *rel = json_get(p->new->event->content, "m.relates_to");
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	struct str rel_type;
	struct str target;
	struct event_key k;
	int64_t nid;
	enum err err;

	if (!json_as_str(json_get(rel, "rel_type"), &rel_type) ||
		!json_as_str(json_get(rel, "event_id"), &target) || rel_type.n == 0 ||
		rel_type.n > 255 || target.n > 255)
		return ERR_OK;
	err = name_intern(st, rel_type, &nid);
	if (err)
		return err;
	q = stmt_get(st, T_EVENT, Q_RELATION_PUT);
	event_key_of(&k, target);
	stmt_bind_blob(q, 1, k.bytes);
	stmt_bind_i64(q, 2, nid);
	stmt_bind_i64(q, 3, p->nid);
	return stmt_run(q);
}

static void tell(struct store *st, const struct placing *p)
{
	const struct event *e = p->new->event;
	bool member = e->is_state && str_eq(e->type, STR("m.room.member"));

	store_feed(st,
		&(struct feed_item){ .kind = FEED_EVENT,
			.pos = p->pos,
			.room_id = e->room_id,
			.user_id = e->sender,
			.local = (p->new->flags &STORE_LOCAL) != 0,
			.member = member ? e->state_key : STR("") });
}

/* What follows from an event's place, for a new one and for a promoted one. */
static enum err follow(struct store *st, const struct placing *p)
{
	bool named = false;
	bool placed;
	enum err err = ERR_OK;

	if (!(p->new->flags &(STORE_OUTLIER)))
		err = found_missing(st, p, &named);
	placed = named;
	if (!err && p->pos)
		err = link_prev(st, p, &placed);
	if (!err && p->pos > 0 && !placed)
		err = run_extremity(st, Q_EXTREMITY_PUT, p->room, p->nid);
	if (!err && !(p->new->flags &(STORE_REJECTED | STORE_REDACTED)))
		err = put_relation(st, p);
	if (err || p->pos <= 0)
		return err;
	tell(st, p);
	return ERR_OK;
}

enum err store_event_put(
	struct store *st, const struct store_event_new *new, int64_t *nid, int64_t *pos)
{
	struct placing p = { .new = new };
	unsigned flags;
	enum err err = find(st, new->event->event_id, &p.nid, &flags);

	assert(store_in_transaction(st));
	if (err)
		return err;
	if (p.nid)
		return ERR_EXISTS;
	event_key_of(&p.key, new->event->event_id);
	err = event_room_nid(st, new->event->room_id, &p.room);
	if (!err && !p.room)
		err = ERR_NOT_FOUND;
	if (err)
		return err;
	p.nid = store_next_pos(st);
	err = choose_pos(st, &p, p.nid);
	if (!err)
		err = put_row(st, &p);
	if (!err)
		err = put_keys(st, &p);
	if (!err)
		err = follow(st, &p);
	if (err)
		return err;
	*nid = p.nid;
	*pos = p.pos;
	return ERR_OK;
}

enum err store_event_is_end(struct store *st, struct str room_id, int64_t nid, bool *yes)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_EXTREMITY_IS);
	int64_t room;
	bool found;
	enum err err = event_room_nid(st, room_id, &room);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, nid);
	found = stmt_row(q);
	if (!found && stmt_err(q))
		return stmt_err(q);
	*yes = found;
	return ERR_OK;
}

enum err store_event_end_drop(struct store *st, struct str room_id, int64_t nid)
{
	int64_t room;
	enum err err = event_room_nid(st, room_id, &room);

	return err ? err : run_extremity(st, Q_EXTREMITY_DELETE, room, nid);
}

static enum err note_promoted(struct store *st, int64_t pos, int64_t nid)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_PROMOTED);

	stmt_bind_i64(q, 1, pos);
	stmt_bind_i64(q, 2, nid);
	return stmt_run(q);
}

static enum err update_place(struct store *st, const struct placing *p)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_PLACE);

	stmt_bind_i64(q, 1, p->nid);
	stmt_bind_i64_or_null(q, 2, p->pos);
	stmt_bind_i64(q, 3, p->new->flags | p->key.flags);
	stmt_bind_i64_or_null(q, 4, p->new->state_before);
	stmt_bind_i64_or_null(
		q, 5, p->new->state_after == p->new->state_before ? 0 : p->new->state_after);
	return stmt_run(q);
}

/* Events from afar are members' events: who refers to one by its number is their user's row. */
static enum err renumber(struct store *st, const struct event *e, int64_t from, int64_t to)
{
	CLEANUP(stmt_resetp) struct stmt *member = stmt_get(st, T_EVENT, Q_SETTLE_MEMBER);
	CLEANUP(stmt_resetp) struct stmt *change = stmt_get(st, T_EVENT, Q_SETTLE_CHANGE);
	int64_t room;
	int64_t user = 0;
	enum err err = event_room_nid(st, e->room_id, &room);

	if (!err && e->is_state)
		err = name_find(st, e->state_key, &user);
	if (err)
		return err;
	stmt_bind_i64(member, 1, room);
	stmt_bind_i64(member, 2, user);
	stmt_bind_i64(member, 3, from);
	stmt_bind_i64(member, 4, to);
	err = stmt_run(member);
	if (err)
		return err;
	stmt_bind_i64(change, 1, user);
	stmt_bind_i64(change, 2, from);
	stmt_bind_i64(change, 3, to);
	return stmt_run(change);
}

/* An event from afar has no transaction id. */
static enum err move_key(struct store *st, struct str event_id, int64_t from, int64_t to)
{
	struct event_key k;
	uint64_t key;
	enum err err;

	event_key_of(&k, event_id);
	key = event_index_id_key(&k);
	err = event_index_remove(st, key, from);
	if (!err)
		err = event_index_put(st, key, to);
	return err ? err : event_index_write(st);
}

enum err store_event_settle(struct store *st, const struct store_event_new *new)
{
	CLEANUP(buf_deinit) struct buf auth = { 0 };
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_SETTLE);
	int64_t nid;
	int64_t to;
	enum err err = store_event_find(st, new->event->event_id, &nid, NULL);

	if (!err)
		err = put_auth(st, new, &auth);
	if (err)
		return err;
	/* Auth events have smaller numbers than what they allow: chains are walked downwards.
	 */
	to = store_next_pos(st);
	stmt_bind_i64(q, 1, nid);
	stmt_bind_i64(q, 2, new->flags);
	stmt_bind_i64(q, 3, EVENT_KEY_MASK);
	stmt_bind_blob(q, 4, buf_str(&auth));
	stmt_bind_i64(q, 5, to);
	err = stmt_run(q);
	auth_nid_forget_all(st);
	if (!err)
		err = move_key(st, new->event->event_id, nid, to);
	return err ? err : renumber(st, new->event, nid, to);
}

enum err store_event_promote(
	struct store *st, const struct store_event_new *new, int64_t *nid, int64_t *pos)
{
	struct placing p = { .new = new };
	unsigned flags;
	enum err err = store_event_find(st, new->event->event_id, &p.nid, &flags);

	assert(store_in_transaction(st));
	if (err)
		return err;
	if (!(flags & STORE_OUTLIER))
		return ERR_EXISTS;
	if (flags & STORE_AFAR) {
		err = store_event_settle(st, new);
		if (!err)
			err = store_event_find(st, new->event->event_id, &p.nid, NULL);
		if (err)
			return err;
	}
	event_key_of(&p.key, new->event->event_id);
	err = event_room_nid(st, new->event->room_id, &p.room);
	if (!err)
		err = choose_pos(st, &p, store_next_pos(st));
	if (!err)
		err = update_place(st, &p);
	if (!err && p.pos > 0)
		err = note_promoted(st, p.pos, p.nid);
	if (!err)
		err = follow(st, &p);
	if (err)
		return err;
	*nid = p.nid;
	*pos = p.pos;
	return ERR_OK;
}

enum err store_event_set_state(struct store *st, int64_t nid, unsigned flags,
	int64_t state_before, int64_t state_after)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_SET_STATE);

	stmt_bind_i64(q, 1, nid);
	stmt_bind_i64(q, 2, flags);
	stmt_bind_i64_or_null(q, 3, state_before);
	stmt_bind_i64_or_null(q, 4, state_after == state_before ? 0 : state_after);
	stmt_bind_i64(q, 5, EVENT_KEY_MASK);
	return stmt_run(q);
}

enum err store_event_redact(
	struct store *st, int64_t target, int64_t by, const struct event *redacted)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_REDACT);

	stmt_bind_i64(q, 1, target);
	stmt_bind_str(q, 2, redacted->json);
	stmt_bind_i64_or_null(q, 3, by);
	return stmt_run(q);
}

enum err store_event_redaction_wait(struct store *st, struct str target_id, int64_t by)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_REDACTION_WAIT);
	struct event_key k;

	event_key_of(&k, target_id);
	stmt_bind_blob(q, 1, k.bytes);
	stmt_bind_i64(q, 2, by);
	return stmt_run(q);
}

enum err store_event_redaction_of(struct store *st, struct str target_id, int64_t *by)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT, Q_REDACTION_OF);
	struct event_key k;

	event_key_of(&k, target_id);
	stmt_bind_blob(q, 1, k.bytes);
	if (!stmt_row(q))
		return stmt_none(q);
	*by = stmt_i64(q, 0);
	return ERR_OK;
}
