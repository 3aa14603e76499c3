#include "store/device_list.h"

#include "store/db.h"
#include "store/list.h"

enum {
	Q_GET,
	Q_PUT,
	Q_CHANGED,
	Q_CAME,
	Q_LEFT,
	Q_TRACKED,
	Q_USER_GET,
	Q_USER_PUT,
	Q_USER_UNTRACKED,
	Q_USER_UNTRACKED_ONE,
	Q_USER_DELETE,
	Q_KEYS_DELETE,
	Q_DEVICE_LIST,
	Q_DEVICE_PUT,
	Q_DEVICE_DELETE,
	Q_DEVICE_CLEAR,
	N_Q
};

/* The user of nid `who` is joined (2) to a room that ?1 is joined to. */
#define SHARES(who) \
	"EXISTS (SELECT 1 FROM membership x JOIN membership y ON y.room = x.room WHERE" \
	" x.user = " who " AND x.membership = 2 AND y.membership = 2 AND y.user =" \
	" (SELECT nid FROM name WHERE text = ?1))"
#define LISTED "(SELECT nid FROM name WHERE text = l.user_id)"
#define UNTRACKED \
	"SELECT r.user_id FROM remote_user r WHERE NOT EXISTS (SELECT 1 FROM membership x" \
	" JOIN membership y ON y.room = x.room AND y.local = 1 WHERE x.user =" \
	" (SELECT nid FROM name WHERE text = r.user_id) AND x.membership = 2" \
	" AND y.membership = 2)"
#define ME "(SELECT nid FROM name WHERE text = ?1)"
/* Members whose membership moved in (?2, ?3] in rooms that I am in now. */
#define MOVED \
	"SELECT d.state_key AS user FROM state_delta d JOIN membership me ON me.room = d.room" \
	" AND me.user = " ME " AND me.membership = 2 JOIN membership m ON m.room = d.room" \
	" AND m.user = d.state_key AND m.pos > ?2 WHERE d.pos > ?2 AND d.pos <= ?3" \
	" AND d.type = (SELECT nid FROM name WHERE text = 'm.room.member')"
/* Everyone in the rooms that I entered or left in (?2, ?3]. */
#define IN_ROOMS_OF_MINE \
	"SELECT m.user AS user FROM membership_change c JOIN membership m ON m.room = c.room" \
	" AND m.membership = 2 WHERE c.user = " ME " AND c.pos > ?2 AND c.pos <= ?3"

static const char *const sql[N_Q] = {
	[Q_GET] = "SELECT stream_id FROM device_list WHERE user_id = ?1",
	[Q_PUT] = "INSERT INTO device_list (user_id, pos, stream_id) VALUES (?1, ?2, ?3)"
		  " ON CONFLICT (user_id) DO UPDATE SET pos = ?2, stream_id = ?3",
	[Q_CHANGED] =
		"SELECT l.user_id FROM device_list l WHERE l.pos > ?2 AND l.pos <= ?3"
		" AND (l.user_id = ?1 OR " SHARES(
			LISTED) ") UNION SELECT s.user_id"
				" FROM user_signature s JOIN account a ON a.nid = s.account"
				" WHERE a.user_id = ?1 AND s.pos > ?2 AND s.pos <= ?3 ORDER BY "
				"1",
	[Q_CAME] = "SELECT n.text FROM (" MOVED " AND m.membership = 2 UNION " IN_ROOMS_OF_MINE
		   " AND c.membership = 2 AND c.before <> 2) u JOIN name n ON n.nid = u.user"
		   " WHERE n.text <> ?1 AND " SHARES("u.user") " ORDER BY n.text",
	[Q_LEFT] = "SELECT n.text FROM (" MOVED " AND m.membership <> 2 UNION " IN_ROOMS_OF_MINE
		   " AND c.membership <> 2 AND c.before = 2) u JOIN name n ON n.nid = u.user"
		   " WHERE n.text <> ?1 AND NOT " SHARES("u.user") " ORDER BY n.text",
	[Q_TRACKED] = "SELECT EXISTS (SELECT 1 FROM membership x JOIN membership y"
		      " ON y.room = x.room AND y.local = 1 WHERE x.user = " ME
		      " AND x.membership = 2 AND y.membership = 2)",
	[Q_USER_GET] = "SELECT stream_id, is_stale FROM remote_user WHERE user_id = ?1",
	[Q_USER_PUT] = "INSERT INTO remote_user (user_id, stream_id, is_stale)"
		       " VALUES (?1, ?2, ?3) ON CONFLICT (user_id) DO UPDATE SET"
		       " stream_id = ?2, is_stale = ?3",
	[Q_USER_UNTRACKED] = UNTRACKED,
	[Q_USER_UNTRACKED_ONE] = UNTRACKED " AND r.user_id = ?1",
	[Q_USER_DELETE] = "DELETE FROM remote_user WHERE user_id = ?1",
	[Q_KEYS_DELETE] = "DELETE FROM cross_signing_key WHERE user_id = ?1",
	[Q_DEVICE_LIST] = "SELECT device_id, display_name, device_keys FROM remote_device"
			  " WHERE user_id = ?1 ORDER BY device_id",
	[Q_DEVICE_PUT] = "INSERT INTO remote_device (user_id, device_id, display_name,"
			 " device_keys) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (user_id,"
			 " device_id) DO UPDATE SET display_name = ?3, device_keys = ?4",
	[Q_DEVICE_DELETE] = "DELETE FROM remote_device WHERE user_id = ?1 AND device_id = ?2",
	[Q_DEVICE_CLEAR] = "DELETE FROM remote_device WHERE user_id = ?1",
};

const struct stmt_table device_list_stmts = { "device_list", sql, N_Q };

enum err store_device_list_stream_id(struct store *st, struct str user_id, int64_t *stream_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, Q_GET);
	int64_t found = 0;

	stmt_bind_str(q, 1, user_id);
	if (stmt_row(q))
		found = stmt_i64(q, 0);
	if (stmt_err(q))
		return stmt_err(q);
	*stream_id = found;
	return ERR_OK;
}

enum err store_device_list_put(
	struct store *st, struct str user_id, int64_t pos, int64_t stream_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, Q_PUT);

	stmt_bind_str(q, 1, user_id);
	stmt_bind_i64(q, 2, pos);
	stmt_bind_i64(q, 3, stream_id);
	return stmt_run(q);
}

static enum err collect(struct stmt *q, struct arena *a, struct store_user_list *out)
{
	struct str *ids = NULL;
	size_t n = 0, cap = 0;

	while (stmt_row(q))
		LIST_ADD(a, ids, n, cap) = stmt_str_in(q, 0, a);
	if (stmt_err(q))
		return stmt_err(q);
	*out = (struct store_user_list){ ids, n };
	return ERR_OK;
}

static enum err list_users(struct store *st, struct arena *a, unsigned query,
	struct str user_id, int64_t since, int64_t to, struct store_user_list *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, query);

	stmt_bind_str(q, 1, user_id);
	stmt_bind_i64(q, 2, since);
	stmt_bind_i64(q, 3, to);
	return collect(q, a, out);
}

enum err store_device_list_changed(struct store *st, struct arena *a, struct str user_id,
	int64_t since, int64_t to, struct store_user_list *out)
{
	return list_users(st, a, Q_CHANGED, user_id, since, to, out);
}

enum err store_device_list_came(struct store *st, struct arena *a, struct str user_id,
	int64_t since, int64_t to, struct store_user_list *out)
{
	return list_users(st, a, Q_CAME, user_id, since, to, out);
}

enum err store_device_list_left(struct store *st, struct arena *a, struct str user_id,
	int64_t since, int64_t to, struct store_user_list *out)
{
	return list_users(st, a, Q_LEFT, user_id, since, to, out);
}

enum err store_device_list_tracked(struct store *st, struct str user_id, bool *tracked)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, Q_TRACKED);

	stmt_bind_str(q, 1, user_id);
	if (!stmt_row(q))
		return stmt_none(q);
	*tracked = stmt_i64(q, 0);
	return ERR_OK;
}

enum err store_remote_user_get(
	struct store *st, struct str user_id, struct store_remote_user *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, Q_USER_GET);

	stmt_bind_str(q, 1, user_id);
	if (!stmt_row(q))
		return stmt_none(q);
	*out = (struct store_remote_user){ stmt_i64(q, 0), stmt_i64(q, 1) };
	return ERR_OK;
}

enum err store_remote_user_put(
	struct store *st, struct str user_id, const struct store_remote_user *r)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, Q_USER_PUT);

	stmt_bind_str(q, 1, user_id);
	stmt_bind_i64(q, 2, r->stream_id);
	stmt_bind_i64(q, 3, r->is_stale);
	return stmt_run(q);
}

enum err store_remote_user_untracked(
	struct store *st, struct arena *a, struct store_user_list *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, Q_USER_UNTRACKED);

	return collect(q, a, out);
}

enum err store_remote_user_untracked_one(
	struct store *st, struct arena *a, struct str user_id, struct store_user_list *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, Q_USER_UNTRACKED_ONE);

	stmt_bind_str(q, 1, user_id);
	return collect(q, a, out);
}

static enum err run_user(struct store *st, unsigned query, struct str user_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, query);

	stmt_bind_str(q, 1, user_id);
	return stmt_run(q);
}

enum err store_remote_user_delete(struct store *st, struct str user_id)
{
	enum err err = run_user(st, Q_USER_DELETE, user_id);

	if (!err)
		err = run_user(st, Q_KEYS_DELETE, user_id);
	return err ? err : run_user(st, Q_DEVICE_CLEAR, user_id);
}

enum err store_remote_device_clear(struct store *st, struct str user_id)
{
	return run_user(st, Q_DEVICE_CLEAR, user_id);
}

enum err store_remote_device_list(struct store *st, struct arena *a, struct str user_id,
	struct store_remote_device **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, Q_DEVICE_LIST);
	struct store_remote_device *list = NULL;
	size_t used = 0, cap = 0;

	stmt_bind_str(q, 1, user_id);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) =
			(struct store_remote_device){ stmt_str_in(q, 0, a),
				stmt_str_in(q, 1, a), stmt_str_in(q, 2, a) };
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}

enum err store_remote_device_put(
	struct store *st, struct str user_id, const struct store_remote_device *d)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, Q_DEVICE_PUT);

	stmt_bind_str(q, 1, user_id);
	stmt_bind_str(q, 2, d->device_id);
	stmt_bind_text_or_null(q, 3, d->display_name);
	stmt_bind_text_or_null(q, 4, d->device_keys);
	return stmt_run(q);
}

enum err store_remote_device_delete(struct store *st, struct str user_id, struct str device_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE_LIST, Q_DEVICE_DELETE);

	stmt_bind_str(q, 1, user_id);
	stmt_bind_str(q, 2, device_id);
	return stmt_run(q);
}
