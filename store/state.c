#include "store/state.h"

#include <assert.h>

#include "node/base/buf.h"
#include "store/db.h"
#include "store/membership.h"
#include "store/name.h"
#include "store/state_row.h"

enum {
	Q_ALL,
	Q_OF_TYPE,
	Q_ONE,
	Q_PUT,
	Q_DELETE,
	Q_DELTA_PUT,
	Q_DELTAS,
	Q_BEFORE,
	Q_AFTER,
	Q_ROOMS_BETWEEN,
	Q_MEMBERSHIP,
	N_Q
};

static const char *const sql[N_Q] = {
	[Q_ALL] = "SELECT type, state_key, event FROM state_current WHERE room = ?1",
	[Q_OF_TYPE] = "SELECT type, state_key, event FROM state_current"
		      " WHERE room = ?1 AND type = ?2",
	[Q_ONE] = "SELECT event FROM state_current"
		  " WHERE room = ?1 AND type = ?2 AND state_key = ?3",
	[Q_PUT] = "INSERT INTO state_current (room, type, state_key, event)"
		  " VALUES (?1, ?2, ?3, ?4)"
		  " ON CONFLICT (room, type, state_key) DO UPDATE SET event = excluded.event",
	[Q_DELETE] =
		"DELETE FROM state_current WHERE room = ?1 AND type = ?2 AND state_key = ?3",
	[Q_DELTA_PUT] = "INSERT INTO state_delta (room, pos, type, state_key, before, after)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
			" ON CONFLICT (room, pos, type, state_key)"
			" DO UPDATE SET after = excluded.after",
	[Q_DELTAS] = "SELECT type, state_key, pos, before, after FROM state_delta"
		     " WHERE room = ?1 AND pos > ?2 AND pos <= ?3"
		     " ORDER BY type, state_key, pos",
	[Q_BEFORE] = "SELECT after FROM state_delta WHERE room = ?1 AND type = ?2"
		     " AND state_key = ?3 AND pos <= ?4 ORDER BY pos DESC LIMIT 1",
	[Q_AFTER] = "SELECT before FROM state_delta WHERE room = ?1 AND type = ?2"
		    " AND state_key = ?3 AND pos > ?4 ORDER BY pos LIMIT 1",
	[Q_ROOMS_BETWEEN] =
		"SELECT DISTINCT room FROM state_delta WHERE pos > ?1 AND pos <= ?2",
	[Q_MEMBERSHIP] = "SELECT json_extract(json, '$.content.membership') FROM event"
			 " WHERE nid = ?1",
};
const struct stmt_table state_stmts = { "state", sql, N_Q };

static enum err rows_of(struct store *st, int64_t room, int64_t type, struct state_rows *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE, type ? Q_OF_TYPE : Q_ALL);

	stmt_bind_i64(q, 1, room);
	if (type)
		stmt_bind_i64(q, 2, type);
	while (stmt_row(q)) {
		struct state_row row = { stmt_i64(q, 0), stmt_i64(q, 1), stmt_i64(q, 2), 0 };

		state_rows_put(out, row);
	}
	return stmt_err(q);
}

/* *event 0: there is none. */
static enum err one(
	struct store *st, int64_t room, int64_t type, int64_t state_key, int64_t *event)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE, Q_ONE);

	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, type);
	stmt_bind_i64(q, 3, state_key);
	*event = stmt_row(q) ? stmt_i64(q, 0) : 0;
	return stmt_err(q);
}

static enum err read_keys(struct store *st, int64_t room, const struct store_state_key *keys,
	size_t n, struct state_rows *out)
{
	for (size_t i = 0; i < n; i++) {
		struct state_row row = { 0 };
		enum err err = state_key_find(
			st, keys[i].type, keys[i].state_key, &row.type, &row.state_key);

		if (!err && row.type && keys[i].any_key)
			err = rows_of(st, room, row.type, out);
		else if (!err && row.type && row.state_key)
			err = one(st, room, row.type, row.state_key, &row.event);
		if (err)
			return err;
		if (row.event)
			state_rows_put(out, row);
	}
	state_rows_sort(out);
	return ERR_OK;
}

enum err store_state_read(struct store *st, struct arena *a, struct str room_id,
	const struct store_state_key *keys, size_t n_keys, const struct store_state_entry **out,
	size_t *n)
{
	CLEANUP(state_rows_deinit) struct state_rows rows = { 0 };
	int64_t room;
	enum err err = name_find(st, room_id, &room);

	if (!err)
		err = keys ? read_keys(st, room, keys, n_keys, &rows)
			   : rows_of(st, room, 0, &rows);
	return err ? err : state_rows_name(st, a, &rows, out, n);
}

enum err store_state_get(struct store *st, struct str room_id, struct str type,
	struct str state_key, int64_t *event)
{
	int64_t room;
	int64_t t = 0;
	int64_t k = 0;
	int64_t found = 0;
	enum err err = name_find(st, room_id, &room);

	if (!err)
		err = state_key_find(st, type, state_key, &t, &k);
	if (!err && t && k)
		err = one(st, room, t, k, &found);
	if (!err && !found)
		err = ERR_NOT_FOUND;
	if (!err)
		*event = found;
	return err;
}

struct moving {
	struct str room_id;
	int64_t room;
	int64_t pos;
	int64_t member; /* the number of "m.room.member" */
	bool moved;
};

static enum err put_current(
	struct store *st, const struct moving *m, const struct state_row *row)
{
	CLEANUP(stmt_resetp)
	struct stmt *q = stmt_get(st, T_STATE, row->event ? Q_PUT : Q_DELETE);

	stmt_bind_i64(q, 1, m->room);
	stmt_bind_i64(q, 2, row->type);
	stmt_bind_i64(q, 3, row->state_key);
	if (row->event)
		stmt_bind_i64(q, 4, row->event);
	return stmt_run(q);
}

static enum err put_delta(
	struct store *st, const struct moving *m, const struct state_row *row, int64_t before)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE, Q_DELTA_PUT);

	stmt_bind_i64(q, 1, m->room);
	stmt_bind_i64(q, 2, m->pos);
	stmt_bind_i64(q, 3, row->type);
	stmt_bind_i64(q, 4, row->state_key);
	stmt_bind_i64(q, 5, before);
	stmt_bind_i64(q, 6, row->event);
	return stmt_run(q);
}

/* A member's entry that went away (state was reset) is a leave. */
static enum err membership_in(struct store *st, int64_t event, enum membership *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE, Q_MEMBERSHIP);

	*out = MEMBERSHIP_LEAVE;
	if (!event)
		return ERR_OK;
	stmt_bind_i64(q, 1, event);
	if (!stmt_row(q))
		return stmt_err(q) ? stmt_err(q) : ERR_INVALID;
	*out = membership_parse(stmt_str(q, 0));
	return *out == MEMBERSHIP_NONE ? ERR_INVALID : ERR_OK;
}

static enum err move_member(
	struct store *st, const struct moving *m, const struct state_row *row)
{
	struct store_member member = {
		.room_id = m->room_id, .event = row->event, .pos = m->pos
	};
	struct str user_id;
	char copy[256];
	enum err err = membership_in(st, row->event, &member.membership);

	if (!err)
		err = name_text(st, row->state_key, &user_id);
	if (err)
		return err;
	if (user_id.n > sizeof(copy) || user_id.n == 0)
		return ERR_INVALID;
	memcpy(copy, user_id.p, user_id.n); /* the name is borrowed only until the next one */
	member.user_id = (struct str){ copy, user_id.n };
	return store_membership_put(st, &member);
}

static enum err move(struct store *st, struct moving *m, const struct state_row *row)
{
	int64_t before;
	enum err err = one(st, m->room, row->type, row->state_key, &before);

	if (err || before == row->event)
		return err;
	if (!m->pos)
		m->pos = store_next_pos(st);
	m->moved = true;
	err = put_current(st, m, row);
	if (!err)
		err = put_delta(st, m, row, before);
	if (!err && row->type == m->member)
		err = move_member(st, m, row);
	return err;
}

static enum err move_all(
	struct store *st, struct str room_id, int64_t pos, const struct state_rows *rows)
{
	struct moving m = { .room_id = room_id, .pos = pos };
	enum err err = name_find(st, room_id, &m.room);

	assert(store_in_transaction(st));
	if (!err && !m.room)
		err = ERR_NOT_FOUND;
	if (!err)
		err = name_intern(st, STR("m.room.member"), &m.member);
	for (size_t i = 0; !err && i < rows->n; i++)
		err = move(st, &m, &rows->p[i]);
	if (err || !m.moved)
		return err;
	store_feed(st,
		&(struct feed_item){ .kind = FEED_STATE, .pos = m.pos, .room_id = room_id });
	return ERR_OK;
}

enum err store_state_apply(struct store *st, struct str room_id, int64_t pos,
	const struct store_state *changes, size_t n)
{
	CLEANUP(state_rows_deinit) struct state_rows rows = { 0 };
	enum err err = state_rows_intern(st, changes, n, &rows);

	return err ? err : move_all(st, room_id, pos, &rows);
}

enum err store_state_replace(struct store *st, struct str room_id, int64_t pos,
	const struct store_state *state, size_t n)
{
	CLEANUP(state_rows_deinit) struct state_rows after = { 0 };
	CLEANUP(state_rows_deinit) struct state_rows before = { 0 };
	CLEANUP(state_rows_deinit) struct state_rows changes = { 0 };
	int64_t room;
	enum err err = state_rows_intern(st, state, n, &after);

	if (!err)
		err = name_find(st, room_id, &room);
	if (!err)
		err = rows_of(st, room, 0, &before);
	if (err)
		return err;
	for (size_t i = 0; i < before.n; i++)
		before.p[i].event = 0;
	state_rows_sort(&before);
	state_rows_merge(&before, &after, true, &changes);
	return move_all(st, room_id, pos, &changes);
}

enum err store_state_deltas(struct store *st, struct arena *a, struct str room_id, int64_t from,
	int64_t to, const struct store_state_delta **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE, Q_DELTAS);
	CLEANUP(buf_deinit) struct buf found = { 0 };
	struct store_state_delta *list;
	int64_t room;
	int64_t type = 0;
	int64_t key = 0;
	size_t kept = 0;
	enum err err = name_find(st, room_id, &room);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, from);
	stmt_bind_i64(q, 3, to);
	while (stmt_row(q)) {
		struct store_state_delta d = {
			.pos = stmt_i64(q, 2), .before = stmt_i64(q, 3), .after = stmt_i64(q, 4)
		};
		struct store_state_delta *last;

		if (found.n && stmt_i64(q, 0) == type && stmt_i64(q, 1) == key) {
			last = (struct store_state_delta *)(void *)(found.p + found.n) - 1;
			last->pos = d.pos;
			last->after = d.after;
			continue;
		}
		type = stmt_i64(q, 0);
		key = stmt_i64(q, 1);
		err = name_text_in(st, type, a, &d.type);
		if (!err)
			err = name_text_in(st, key, a, &d.state_key);
		if (err)
			return err;
		buf_put(&found, &d, sizeof(d));
	}
	if (stmt_err(q))
		return stmt_err(q);
	list = arena_alloc(a, found.n + 1);
	for (size_t i = 0; i < found.n / sizeof(*list); i++) {
		struct store_state_delta *d = (struct store_state_delta *)(void *)found.p + i;

		if (d->before != d->after)
			list[kept++] = *d;
	}
	*out = list;
	*n = kept;
	return ERR_OK;
}

enum err store_state_get_at(struct store *st, struct str room_id, int64_t pos, struct str type,
	struct str state_key, int64_t *event)
{
	int64_t room;
	int64_t t = 0;
	int64_t k = 0;
	enum err err = name_find(st, room_id, &room);

	if (!err)
		err = state_key_find(st, type, state_key, &t, &k);
	if (err)
		return err;
	/* What the last change before made of it, or the first one after found. */
	for (unsigned which = Q_BEFORE; which <= Q_AFTER; which++) {
		CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE, which);

		stmt_bind_i64(q, 1, room);
		stmt_bind_i64(q, 2, t);
		stmt_bind_i64(q, 3, k);
		stmt_bind_i64(q, 4, pos);
		if (stmt_row(q)) {
			*event = stmt_i64(q, 0);
			return ERR_OK;
		}
		if (stmt_err(q))
			return stmt_err(q);
	}
	*event = 0;
	return ERR_OK;
}

enum err store_state_rooms_between(struct store *st, struct arena *a, int64_t from, int64_t to,
	const struct str **room_ids, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE, Q_ROOMS_BETWEEN);

	stmt_bind_i64(q, 1, from);
	stmt_bind_i64(q, 2, to);
	return name_list(st, q, a, room_ids, n);
}
