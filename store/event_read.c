#include <assert.h>

#include "store/event.h"
#include "store/event_index.h"
#include "store/event_key.h"
#include "store/event_row.h"
#include "store/name.h"

enum {
	Q_BY_ID,
	Q_BY_NID,
	Q_FIND,
	Q_ID_OF,
	Q_RANGE_UP,
	Q_RANGE_DOWN,
	Q_COUNT,
	Q_AT_TIME_UP,
	Q_AT_TIME_DOWN,
	Q_ROOMS_BETWEEN,
	Q_LOCAL_RANGE,
	Q_BY_TXN,
	Q_RELATIONS_UP,
	Q_RELATIONS_DOWN,
	Q_ALL_RELATIONS_UP,
	Q_ALL_RELATIONS_DOWN,
	Q_RELATION_COUNT,
	Q_HAS_RELATION,
	N_Q
};

/* In the pos ranges, CROSS JOIN keeps the order of the tables: the few relations first. */
#define RANGE "e.pos > ?2 AND e.pos <= ?3"
#define RELATED \
	"SELECT " EVENT_COLUMNS " FROM event_relation r CROSS JOIN event e ON e.nid = r.child" \
	" WHERE r.target = ?1 AND " RANGE " AND e.room = ?4 AND (?5 = 0 OR e.type = ?5)" \
	" AND e.flags & 32 = 0"

static const char *const sql[N_Q] = {
	[Q_BY_ID] =
		"SELECT " EVENT_COLUMNS " FROM event e WHERE e.nid = ?1 AND e.event_id = ?2",
	[Q_BY_NID] = "SELECT " EVENT_COLUMNS " FROM event e WHERE e.nid = ?1",
	[Q_FIND] = "SELECT nid, flags FROM event WHERE nid = ?1 AND event_id = ?2",
	[Q_ID_OF] = "SELECT event_id, flags FROM event WHERE nid = ?1",
	[Q_RANGE_UP] = "SELECT " EVENT_COLUMNS " FROM event e WHERE e.room = ?1 AND " RANGE
		       " ORDER BY e.pos LIMIT ?4",
	[Q_RANGE_DOWN] = "SELECT " EVENT_COLUMNS " FROM event e WHERE e.room = ?1 AND " RANGE
			 " ORDER BY e.pos DESC LIMIT ?4",
	[Q_COUNT] = "SELECT count(*) FROM (SELECT 1 FROM event e WHERE e.room = ?1 AND " RANGE
		    " LIMIT ?4)",
	[Q_AT_TIME_UP] =
		"SELECT " EVENT_COLUMNS " FROM event e WHERE e.room = ?1 AND e.pos IS NOT NULL"
		" AND e.origin_server_ts >= ?2"
		" ORDER BY e.origin_server_ts, e.pos LIMIT 1",
	[Q_AT_TIME_DOWN] =
		"SELECT " EVENT_COLUMNS " FROM event e WHERE e.room = ?1 AND e.pos IS NOT NULL"
		" AND e.origin_server_ts <= ?2"
		" ORDER BY e.origin_server_ts DESC, e.pos DESC LIMIT 1",
	[Q_ROOMS_BETWEEN] = "SELECT room FROM event WHERE nid > ?1 AND nid <= ?2 AND pos > 0"
			    " UNION SELECT e.room FROM event_promoted p"
			    " CROSS JOIN event e ON e.nid = p.event"
			    " WHERE p.pos > ?1 AND p.pos <= ?2",
	[Q_LOCAL_RANGE] =
		"SELECT " EVENT_COLUMNS " FROM event e WHERE e.nid > ?1 AND e.nid <= ?2"
		" AND e.flags & 16 AND e.pos > 0 ORDER BY e.nid LIMIT ?3",
	[Q_BY_TXN] = "SELECT event_id, flags FROM event"
		     " WHERE nid = ?1 AND sender = ?2 AND device = ?3 AND txn_id = ?4"
		     " AND room = ?5 AND type = ?6",
	[Q_RELATIONS_UP] = RELATED " AND r.rel_type = ?6 ORDER BY e.pos LIMIT ?7",
	[Q_RELATIONS_DOWN] = RELATED " AND r.rel_type = ?6 ORDER BY e.pos DESC LIMIT ?7",
	[Q_ALL_RELATIONS_UP] = RELATED " ORDER BY e.pos LIMIT ?7",
	[Q_ALL_RELATIONS_DOWN] = RELATED " ORDER BY e.pos DESC LIMIT ?7",
	[Q_RELATION_COUNT] = "SELECT count(*) FROM event_relation r"
			     " CROSS JOIN event e ON e.nid = r.child WHERE r.target = ?1"
			     " AND r.rel_type = ?2 AND e.pos IS NOT NULL AND e.flags & 32 = 0",
	[Q_HAS_RELATION] = "SELECT 1 FROM event_relation WHERE target = ?1 LIMIT 1",
};
const struct stmt_table event_read_stmts = { "event_read", sql, N_Q };

static enum err name_at(
	struct store *st, struct stmt *q, int col, struct arena *a, struct str *out)
{
	struct str text;
	enum err err;

	if (stmt_is_null(q, col)) {
		*out = STR("");
		return ERR_OK;
	}
	err = name_text(st, stmt_i64(q, col), &text);
	if (!err)
		*out = arena_str(a, text);
	return err;
}

enum err event_row(struct store *st, struct stmt *q, struct arena *a, struct store_event *out)
{
	struct store_event e = { .nid = stmt_i64(q, 0), .pos = stmt_i64(q, 2) };
	unsigned flags = (unsigned)stmt_i64(q, 3);
	enum err err = name_at(st, q, 1, a, &e.room_id);

	if (!err)
		err = name_at(st, q, 4, a, &e.type);
	if (!err)
		err = name_at(st, q, 5, a, &e.sender);
	if (!err)
		err = name_at(st, q, 6, a, &e.state_key);
	if (!err)
		err = name_at(st, q, 12, a, &e.device_id);
	if (err)
		return err;
	e.flags = flags & ~(unsigned)EVENT_KEY_MASK;
	e.is_state = !stmt_is_null(q, 6);
	e.depth = stmt_i64(q, 7);
	e.origin_server_ts = stmt_i64(q, 8);
	e.state_before = stmt_i64(q, 9);
	e.state_after = stmt_is_null(q, 10) ? e.state_before : stmt_i64(q, 10);
	e.redacted_by = stmt_i64(q, 11);
	e.txn_id = stmt_str_in(q, 13, a);
	e.event_id = event_key_text(a, stmt_str(q, 14), flags);
	e.json = stmt_str_in(q, 15, a);
	*out = e;
	return ERR_OK;
}

enum err event_room_nid(struct store *st, struct str room_id, int64_t *nid)
{
	return name_find(st, room_id, nid);
}

/* The same bytes written in the other alphabet are another id. */
static bool is_asked(const struct event_key *k, unsigned flags)
{
	return k->any_alphabet || k->flags == (flags & EVENT_KEY_MASK);
}

/* The statement on the row of an event's id, to be reset by the caller in any case. */
static enum err by_key(
	struct store *st, unsigned which, const struct event_key *k, struct stmt **out)
{
	struct stmt *q = stmt_get(st, T_EVENT_READ, which);
	struct event_walk w;
	int64_t nid;
	bool found = false;
	enum err err;

	*out = q;
	stmt_bind_blob(q, 2, k->bytes);
	event_walk_start(&w, st, event_index_id_key(k));
	while (!found && event_walk_next(&w, &nid)) {
		stmt_again(q);
		stmt_bind_i64(q, 1, nid);
		found = stmt_row(q);
	}
	err = event_walk_end(&w);
	return err || found ? err : stmt_none(q);
}

enum err store_event_get(
	struct store *st, struct arena *a, struct str event_id, struct store_event *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	struct event_key k;
	enum err err;

	event_key_of(&k, event_id);
	err = by_key(st, Q_BY_ID, &k, &q);
	if (err)
		return err;
	if (!is_asked(&k, (unsigned)stmt_i64(q, 3)))
		return ERR_NOT_FOUND;
	return event_row(st, q, a, out);
}

enum err store_event_get_nid(
	struct store *st, struct arena *a, int64_t nid, struct store_event *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT_READ, Q_BY_NID);

	stmt_bind_i64(q, 1, nid);
	if (!stmt_row(q))
		return stmt_none(q);
	return event_row(st, q, a, out);
}

enum err store_event_find(struct store *st, struct str event_id, int64_t *nid, unsigned *flags)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	struct event_key k;
	unsigned f;
	enum err err;

	event_key_of(&k, event_id);
	err = by_key(st, Q_FIND, &k, &q);
	if (err)
		return err;
	f = (unsigned)stmt_i64(q, 1);
	if (!is_asked(&k, f))
		return ERR_NOT_FOUND;
	*nid = stmt_i64(q, 0);
	if (flags)
		*flags = f & ~(unsigned)EVENT_KEY_MASK;
	return ERR_OK;
}

enum err store_event_unknown(struct store *st, struct arena *a, const struct str *ids, size_t n,
	const struct str **out, size_t *n_out)
{
	struct str *unknown = arena_calloc(a, n + 1, sizeof(*unknown));
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t nid;
		enum err err = store_event_find(st, ids[i], &nid, NULL);

		if (err == ERR_NOT_FOUND)
			unknown[found++] = ids[i];
		else if (err)
			return err;
	}
	*out = unknown;
	*n_out = found;
	return ERR_OK;
}

enum err event_id_of(struct store *st, struct arena *a, int64_t nid, struct str *event_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT_READ, Q_ID_OF);

	stmt_bind_i64(q, 1, nid);
	if (!stmt_row(q))
		return stmt_err(q) ? stmt_err(q) : ERR_CORRUPT;
	*event_id = event_key_text(a, stmt_str(q, 0), (unsigned)stmt_i64(q, 1));
	return ERR_OK;
}

static enum err visit(
	struct store *st, struct stmt *q, struct arena *a, store_event_fn *fn, void *arg)
{
	while (stmt_row(q)) {
		struct store_event *e = ARENA_NEW(a, struct store_event);
		enum err err = event_row(st, q, a, e);

		if (err)
			return err;
		if (!fn(arg, e))
			return ERR_OK;
	}
	return stmt_err(q);
}

enum err store_event_range(struct store *st, struct arena *a, struct str room_id, int64_t from,
	int64_t to, bool forward, unsigned limit, store_event_fn *fn, void *arg)
{
	CLEANUP(stmt_resetp)
	struct stmt *q = stmt_get(st, T_EVENT_READ, forward ? Q_RANGE_UP : Q_RANGE_DOWN);
	int64_t room;
	enum err err = event_room_nid(st, room_id, &room);

	if (err || !room)
		return err;
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, from);
	stmt_bind_i64(q, 3, to);
	stmt_bind_i64(q, 4, limit);
	return visit(st, q, a, fn, arg);
}

enum err store_event_count(struct store *st, struct str room_id, int64_t from, int64_t to,
	unsigned limit, unsigned *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT_READ, Q_COUNT);
	int64_t room;
	enum err err = event_room_nid(st, room_id, &room);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, from);
	stmt_bind_i64(q, 3, to);
	stmt_bind_i64(q, 4, limit);
	if (stmt_row(q))
		*out = (unsigned)stmt_i64(q, 0);
	return stmt_err(q);
}

enum err store_event_at_time(struct store *st, struct arena *a, struct str room_id, int64_t ts,
	bool forward, struct store_event *out)
{
	CLEANUP(stmt_resetp)
	struct stmt *q = stmt_get(st, T_EVENT_READ, forward ? Q_AT_TIME_UP : Q_AT_TIME_DOWN);
	int64_t room;
	enum err err = event_room_nid(st, room_id, &room);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, ts);
	if (!stmt_row(q))
		return stmt_none(q);
	return event_row(st, q, a, out);
}

enum err store_event_rooms_between(struct store *st, struct arena *a, int64_t from, int64_t to,
	const struct str **room_ids, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT_READ, Q_ROOMS_BETWEEN);

	stmt_bind_i64(q, 1, from);
	stmt_bind_i64(q, 2, to);
	return name_list(st, q, a, room_ids, n);
}

enum err store_event_local_range(struct store *st, struct arena *a, int64_t from, int64_t to,
	unsigned limit, store_event_fn *fn, void *arg)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT_READ, Q_LOCAL_RANGE);

	stmt_bind_i64(q, 1, from);
	stmt_bind_i64(q, 2, to);
	stmt_bind_i64(q, 3, limit);
	return visit(st, q, a, fn, arg);
}

enum err store_event_by_txn(struct store *st, struct arena *a, struct str user_id,
	struct str device_id, struct str room_id, struct str type, struct str txn_id,
	struct str *event_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	struct event_walk w;
	int64_t nid;
	int64_t user;
	int64_t device = 0;
	int64_t room = 0;
	int64_t of_type = 0;
	bool found = false;
	enum err err = name_find(st, user_id, &user);

	if (!err)
		err = name_find(st, device_id, &device);
	if (!err)
		err = name_find(st, room_id, &room);
	if (!err)
		err = name_find(st, type, &of_type);
	if (err)
		return err;
	q = stmt_get(st, T_EVENT_READ, Q_BY_TXN);
	stmt_bind_i64(q, 2, user);
	stmt_bind_i64(q, 3, device);
	stmt_bind_str(q, 4, txn_id);
	stmt_bind_i64(q, 5, room);
	stmt_bind_i64(q, 6, of_type);
	event_walk_start(&w, st, event_index_txn_key(user, device, txn_id));
	while (!found && event_walk_next(&w, &nid)) {
		stmt_again(q);
		stmt_bind_i64(q, 1, nid);
		found = stmt_row(q);
	}
	err = event_walk_end(&w);
	if (err || !found)
		return err ? err : stmt_none(q);
	*event_id = event_key_text(a, stmt_str(q, 0), (unsigned)stmt_i64(q, 1));
	return ERR_OK;
}

/* Most events have none: a sort of nothing costs more than this. */
static enum err has_relation(struct store *st, const struct event_key *target, bool *yes)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT_READ, Q_HAS_RELATION);

	stmt_bind_blob(q, 1, target->bytes);
	*yes = stmt_row(q);
	return stmt_err(q);
}

enum err store_event_relations(struct store *st, struct arena *a, struct str room_id,
	struct str target_id, struct str rel_type, struct str type, int64_t from, int64_t to,
	bool forward, unsigned limit, store_event_fn *fn, void *arg)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	struct event_key k;
	int64_t room;
	int64_t rel = 0;
	int64_t of_type = 0;
	bool any = false;
	enum err err;

	event_key_of(&k, target_id);
	err = has_relation(st, &k, &any);
	if (err || !any)
		return err;
	err = name_find(st, room_id, &room);

	if (!err && rel_type.n)
		err = name_find(st, rel_type, &rel);
	if (!err && type.n)
		err = name_find(st, type, &of_type);
	if (err || (rel_type.n && !rel) || (type.n && !of_type))
		return err;
	if (rel)
		q = stmt_get(st, T_EVENT_READ, forward ? Q_RELATIONS_UP : Q_RELATIONS_DOWN);
	else
		q = stmt_get(
			st, T_EVENT_READ, forward ? Q_ALL_RELATIONS_UP : Q_ALL_RELATIONS_DOWN);
	stmt_bind_blob(q, 1, k.bytes);
	stmt_bind_i64(q, 2, from);
	stmt_bind_i64(q, 3, to);
	stmt_bind_i64(q, 4, room);
	stmt_bind_i64(q, 5, of_type);
	if (rel)
		stmt_bind_i64(q, 6, rel);
	stmt_bind_i64(q, 7, limit);
	return visit(st, q, a, fn, arg);
}

enum err store_event_relation_count(
	struct store *st, struct str target_id, struct str rel_type, unsigned *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT_READ, Q_RELATION_COUNT);
	struct event_key k;
	int64_t rel;
	enum err err = name_find(st, rel_type, &rel);

	if (err)
		return err;
	event_key_of(&k, target_id);
	stmt_bind_blob(q, 1, k.bytes);
	stmt_bind_i64(q, 2, rel);
	if (stmt_row(q))
		*out = (unsigned)stmt_i64(q, 0);
	return stmt_err(q);
}
