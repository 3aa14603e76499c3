#include "store/to_device.h"

#include "store/db.h"
#include "store/list.h"

enum {
	Q_PUT,
	Q_LIST,
	Q_DELETE,
	Q_WAITING,
	Q_TXN_PRUNE,
	Q_TXN_PUT,
	Q_RECEIVED_PRUNE,
	Q_RECEIVED_PUT,
	N_Q
};

static const char *const sql[N_Q] = {
	[Q_PUT] = "INSERT INTO to_device (pos, device, origin, json) VALUES (?1, ?2, ?3, ?4)",
	[Q_LIST] = "SELECT pos, json FROM to_device WHERE device = ?1 AND pos > ?2"
		   " AND pos <= ?3 ORDER BY pos LIMIT ?4",
	[Q_DELETE] = "DELETE FROM to_device WHERE device = ?1 AND pos <= ?2",
	[Q_WAITING] = "SELECT count(*), coalesce(sum(length(CAST(json AS BLOB))), 0)"
		      " FROM to_device WHERE device = ?1 AND origin = ?2",
	[Q_TXN_PRUNE] = "DELETE FROM to_device_txn WHERE ts < ?1",
	[Q_TXN_PUT] = "INSERT INTO to_device_txn (device, type, txn_id, ts)"
		      " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
	[Q_RECEIVED_PRUNE] = "DELETE FROM to_device_received WHERE ts < ?1",
	[Q_RECEIVED_PUT] = "INSERT INTO to_device_received (origin, message_id, ts)"
			   " VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
};

const struct stmt_table to_device_stmts = { "to_device", sql, N_Q };

enum err store_to_device_put(
	struct store *st, int64_t device, int64_t pos, struct str origin, struct str json)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_TO_DEVICE, Q_PUT);

	stmt_bind_i64(q, 1, pos);
	stmt_bind_i64(q, 2, device);
	stmt_bind_str(q, 3, origin);
	stmt_bind_str(q, 4, json);
	return stmt_run(q);
}

enum err store_to_device_list(struct store *st, struct arena *a, int64_t device, int64_t since,
	int64_t to, size_t limit, struct store_to_device **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_TO_DEVICE, Q_LIST);
	struct store_to_device *list = NULL;
	size_t used = 0, cap = 0;

	stmt_bind_i64(q, 1, device);
	stmt_bind_i64(q, 2, since);
	stmt_bind_i64(q, 3, to);
	stmt_bind_i64(q, 4, (int64_t)limit);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) =
			(struct store_to_device){ stmt_i64(q, 0), stmt_str_in(q, 1, a) };
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}

enum err store_to_device_delete(struct store *st, int64_t device, int64_t upto)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_TO_DEVICE, Q_DELETE);

	stmt_bind_i64(q, 1, device);
	stmt_bind_i64(q, 2, upto);
	return stmt_run(q);
}

enum err store_to_device_waiting(
	struct store *st, int64_t device, struct str origin, int64_t *messages, int64_t *bytes)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_TO_DEVICE, Q_WAITING);

	stmt_bind_i64(q, 1, device);
	stmt_bind_str(q, 2, origin);
	if (!stmt_row(q))
		return stmt_none(q);
	*messages = stmt_i64(q, 0);
	*bytes = stmt_i64(q, 1);
	return ERR_OK;
}

static enum err prune(struct store *st, unsigned query, int64_t keep_ts)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_TO_DEVICE, query);

	stmt_bind_i64(q, 1, keep_ts);
	return stmt_run(q);
}

enum err store_to_device_txn(struct store *st, int64_t device, struct str type,
	struct str txn_id, int64_t now_ts, int64_t keep_ts, bool *fresh)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_TO_DEVICE, Q_TXN_PUT);
	int64_t n = 0;
	enum err err = prune(st, Q_TXN_PRUNE, keep_ts);

	if (err)
		return err;
	stmt_bind_i64(q, 1, device);
	stmt_bind_str(q, 2, type);
	stmt_bind_str(q, 3, txn_id);
	stmt_bind_i64(q, 4, now_ts);
	err = stmt_run_changed(q, &n);
	if (!err)
		*fresh = n > 0;
	return err;
}

enum err store_to_device_received(struct store *st, struct str origin, struct str message_id,
	int64_t now_ts, int64_t keep_ts, bool *fresh)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_TO_DEVICE, Q_RECEIVED_PUT);
	int64_t n = 0;
	enum err err = prune(st, Q_RECEIVED_PRUNE, keep_ts);

	if (err)
		return err;
	stmt_bind_str(q, 1, origin);
	stmt_bind_str(q, 2, message_id);
	stmt_bind_i64(q, 3, now_ts);
	err = stmt_run_changed(q, &n);
	if (!err)
		*fresh = n > 0;
	return err;
}
