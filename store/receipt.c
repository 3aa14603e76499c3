#include "store/receipt.h"

#include "store/db.h"
#include "store/list.h"
#include "store/name.h"

enum { Q_PUT, Q_GET, Q_USER, Q_ROOM_ALL, Q_ROOM_SINCE, Q_ROOMS, N_Q };

#define COLUMNS \
	"u.text, p.is_private, p.thread_id, p.event_id, p.event_pos, p.ts, p.pos" \
	" FROM receipt p JOIN name u ON u.nid = p.user"
#define THIS_ROOM "p.room = (SELECT nid FROM name WHERE text = ?1)"
#define VISIBLE   "(p.is_private = 0 OR p.user = ?4)"

static const char *const sql[N_Q] = {
	[Q_PUT] = "INSERT INTO receipt (room, user, is_private, thread_id, event_id, event_pos,"
		  " ts, pos) SELECT nid, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM room"
		  " WHERE nid = (SELECT nid FROM name WHERE text = ?1)"
		  " ON CONFLICT (room, user, is_private, thread_id)"
		  " DO UPDATE SET event_id = ?5, event_pos = ?6, ts = ?7, pos = ?8",
	[Q_GET] = "SELECT " COLUMNS " WHERE " THIS_ROOM " AND p.user = ?2 AND p.is_private = ?3"
		  " AND p.thread_id = ?4",
	[Q_USER] = "SELECT " COLUMNS " WHERE " THIS_ROOM " AND p.user = ?2",
	[Q_ROOM_ALL] = "SELECT " COLUMNS " WHERE " THIS_ROOM " AND p.pos <= ?3 AND " VISIBLE
		       " ORDER BY p.event_id, p.is_private, p.user",
	[Q_ROOM_SINCE] =
		"SELECT " COLUMNS " WHERE +" THIS_ROOM " AND p.pos > ?2 AND p.pos <= ?3"
		" AND " VISIBLE " ORDER BY p.event_id, p.is_private, p.user",
	[Q_ROOMS] = "SELECT DISTINCT r.text FROM receipt p JOIN name r ON r.nid = p.room"
		    " WHERE p.pos > ?1 AND p.pos <= ?2",
};

const struct stmt_table receipt_stmts = { "receipt", sql, N_Q };

static struct store_receipt receipt_of(struct stmt *q, struct arena *a, struct str room_id)
{
	return (struct store_receipt){
		.room_id = room_id,
		.user_id = stmt_str_in(q, 0, a),
		.is_private = stmt_i64(q, 1) != 0,
		.thread_id = stmt_str_in(q, 2, a),
		.event_id = stmt_str_in(q, 3, a),
		.event_pos = stmt_i64(q, 4),
		.ts = stmt_i64(q, 5),
		.pos = stmt_i64(q, 6),
	};
}

static enum err collect(struct stmt *q, struct arena *a, struct str room_id,
	const struct store_receipt **out, size_t *n)
{
	struct store_receipt *list = NULL;
	size_t used = 0, cap = 0;

	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) = receipt_of(q, a, room_id);
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}

enum err store_receipt_put(struct store *st, const struct store_receipt *r)
{
	int64_t user, changed = 0;
	enum err err = name_intern(st, r->user_id, &user);
	CLEANUP(stmt_resetp) struct stmt *q = NULL;

	if (err)
		return err;
	q = stmt_get(st, T_RECEIPT, Q_PUT);
	stmt_bind_str(q, 1, r->room_id);
	stmt_bind_i64(q, 2, user);
	stmt_bind_i64(q, 3, r->is_private);
	stmt_bind_str(q, 4, r->thread_id);
	stmt_bind_str(q, 5, r->event_id);
	stmt_bind_i64(q, 6, r->event_pos);
	stmt_bind_i64(q, 7, r->ts);
	stmt_bind_i64(q, 8, r->pos);
	err = stmt_run_changed(q, &changed);
	if (!err && !changed)
		return ERR_NOT_FOUND;
	return err;
}

enum err store_receipt_get(struct store *st, struct arena *a, struct str room_id,
	struct str user_id, bool is_private, struct str thread_id, struct store_receipt *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t user;
	enum err err = name_find(st, user_id, &user);

	if (err)
		return err;
	q = stmt_get(st, T_RECEIPT, Q_GET);
	stmt_bind_str(q, 1, room_id);
	stmt_bind_i64(q, 2, user);
	stmt_bind_i64(q, 3, is_private);
	stmt_bind_str(q, 4, thread_id);
	if (!stmt_row(q))
		return stmt_none(q);
	*out = receipt_of(q, a, room_id);
	return ERR_OK;
}

enum err store_receipt_of_user(struct store *st, struct arena *a, struct str room_id,
	struct str user_id, const struct store_receipt **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t user;
	enum err err = name_find(st, user_id, &user);

	if (err)
		return err;
	q = stmt_get(st, T_RECEIPT, Q_USER);
	stmt_bind_str(q, 1, room_id);
	stmt_bind_i64(q, 2, user);
	return collect(q, a, room_id, out, n);
}

enum err store_receipt_of_room(struct store *st, struct arena *a, struct str room_id,
	int64_t from, int64_t to, struct str viewer, const struct store_receipt **out,
	size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t user;
	enum err err = name_find(st, viewer, &user);

	if (err)
		return err;
	q = stmt_get(st, T_RECEIPT, from > 0 ? Q_ROOM_SINCE : Q_ROOM_ALL);
	stmt_bind_str(q, 1, room_id);
	if (from > 0)
		stmt_bind_i64(q, 2, from);
	stmt_bind_i64(q, 3, to);
	stmt_bind_i64(q, 4, user);
	return collect(q, a, room_id, out, n);
}

enum err store_receipt_rooms(struct store *st, struct arena *a, int64_t from, int64_t to,
	const struct str **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_RECEIPT, Q_ROOMS);
	struct str *list = NULL;
	size_t used = 0, cap = 0;

	stmt_bind_i64(q, 1, from);
	stmt_bind_i64(q, 2, to);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) = stmt_str_in(q, 0, a);
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}
