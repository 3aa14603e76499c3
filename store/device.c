#include "store/device.h"

#include "store/db.h"
#include "store/list.h"

enum {
	Q_GET,
	Q_LIST,
	Q_PUT,
	Q_RENAME,
	Q_SEEN,
	Q_SET_KEYS,
	Q_DELETE_SESSIONS,
	Q_DELETE_ONE_TIME,
	Q_DELETE_FALLBACK,
	Q_DELETE_MESSAGES,
	Q_DELETE_TXNS,
	Q_DELETE,
	Q_ONE_TIME_GET,
	Q_ONE_TIME_PUT,
	Q_ONE_TIME_OLDEST,
	Q_ONE_TIME_DELETE,
	Q_ONE_TIME_COUNTS,
	Q_FALLBACK_PUT,
	Q_FALLBACK_GET,
	Q_FALLBACK_USED,
	Q_FALLBACK_UNUSED,
	N_Q
};

#define DEVICE_COLUMNS \
	"SELECT nid, account, device_id, display_name, last_seen_ts, last_seen_address," \
	" device_keys FROM device"

static const char *const sql[N_Q] = {
	[Q_GET] = DEVICE_COLUMNS " WHERE account = ?1 AND device_id = ?2",
	[Q_LIST] = DEVICE_COLUMNS " WHERE account = ?1 ORDER BY device_id",
	[Q_PUT] = "INSERT INTO device (account, device_id, display_name, last_seen_ts,"
		  " last_seen_address) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING nid",
	[Q_RENAME] = "UPDATE device SET display_name = ?2 WHERE nid = ?1",
	[Q_SEEN] = "UPDATE device SET last_seen_ts = ?2, last_seen_address = ?3 WHERE nid = ?1",
	[Q_SET_KEYS] = "UPDATE device SET device_keys = ?2 WHERE nid = ?1",
	[Q_DELETE_SESSIONS] = "DELETE FROM session WHERE device = ?1",
	[Q_DELETE_ONE_TIME] = "DELETE FROM one_time_key WHERE device = ?1",
	[Q_DELETE_FALLBACK] = "DELETE FROM fallback_key WHERE device = ?1",
	[Q_DELETE_MESSAGES] = "DELETE FROM to_device WHERE device = ?1",
	[Q_DELETE_TXNS] = "DELETE FROM to_device_txn WHERE device = ?1",
	[Q_DELETE] = "DELETE FROM device WHERE nid = ?1",
	[Q_ONE_TIME_GET] = "SELECT json FROM one_time_key WHERE device = ?1 AND algorithm = ?2"
			   " AND key_id = ?3",
	[Q_ONE_TIME_PUT] = "INSERT INTO one_time_key (device, algorithm, key_id, json)"
			   " VALUES (?1, ?2, ?3, ?4)",
	[Q_ONE_TIME_OLDEST] = "SELECT seq, key_id, json FROM one_time_key WHERE device = ?1"
			      " AND algorithm = ?2 ORDER BY seq LIMIT 1",
	[Q_ONE_TIME_DELETE] = "DELETE FROM one_time_key WHERE seq = ?1",
	[Q_ONE_TIME_COUNTS] = "SELECT algorithm, count(*) FROM one_time_key WHERE device = ?1"
			      " GROUP BY algorithm ORDER BY algorithm",
	[Q_FALLBACK_PUT] = "INSERT INTO fallback_key (device, algorithm, key_id, json, is_used)"
			   " VALUES (?1, ?2, ?3, ?4, 0) ON CONFLICT (device, algorithm) DO"
			   " UPDATE SET key_id = ?3, json = ?4, is_used = 0",
	[Q_FALLBACK_GET] = "SELECT key_id, json, is_used FROM fallback_key WHERE device = ?1"
			   " AND algorithm = ?2",
	[Q_FALLBACK_USED] = "UPDATE fallback_key SET is_used = 1 WHERE device = ?1"
			    " AND algorithm = ?2",
	[Q_FALLBACK_UNUSED] = "SELECT algorithm FROM fallback_key WHERE device = ?1"
			      " AND is_used = 0 ORDER BY algorithm",
};

const struct stmt_table device_stmts = { "device", sql, N_Q };

static struct store_device read_device(struct stmt *q, struct arena *a)
{
	return (struct store_device){
		.nid = stmt_i64(q, 0),
		.account = stmt_i64(q, 1),
		.device_id = stmt_str_in(q, 2, a),
		.display_name = stmt_str_in(q, 3, a),
		.last_seen_ts = stmt_i64(q, 4),
		.last_seen_address = stmt_str_in(q, 5, a),
		.device_keys = stmt_str_in(q, 6, a),
	};
}

enum err store_device_get(struct store *st, struct arena *a, int64_t account,
	struct str device_id, struct store_device *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_GET);

	stmt_bind_i64(q, 1, account);
	stmt_bind_str(q, 2, device_id);
	if (!stmt_row(q))
		return stmt_none(q);
	*out = read_device(q, a);
	return ERR_OK;
}

enum err store_device_list(struct store *st, struct arena *a, int64_t account,
	struct store_device **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_LIST);
	struct store_device *list = NULL;
	size_t used = 0, cap = 0;

	stmt_bind_i64(q, 1, account);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) = read_device(q, a);
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}

enum err store_device_put(struct store *st, const struct store_device *d, int64_t *nid)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_PUT);

	stmt_bind_i64(q, 1, d->account);
	stmt_bind_str(q, 2, d->device_id);
	stmt_bind_text_or_null(q, 3, d->display_name);
	stmt_bind_i64(q, 4, d->last_seen_ts);
	stmt_bind_text_or_null(q, 5, d->last_seen_address);
	if (!stmt_row(q))
		return stmt_none(q);
	*nid = stmt_i64(q, 0);
	return ERR_OK;
}

enum err store_device_rename(struct store *st, int64_t nid, struct str display_name)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_RENAME);

	stmt_bind_i64(q, 1, nid);
	stmt_bind_text_or_null(q, 2, display_name);
	return stmt_run(q);
}

enum err store_device_seen(struct store *st, int64_t nid, int64_t ts, struct str address)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_SEEN);

	stmt_bind_i64(q, 1, nid);
	stmt_bind_i64(q, 2, ts);
	stmt_bind_text_or_null(q, 3, address);
	return stmt_run(q);
}

enum err store_device_set_keys(struct store *st, int64_t nid, struct str json)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_SET_KEYS);

	stmt_bind_i64(q, 1, nid);
	stmt_bind_text_or_null(q, 2, json);
	return stmt_run(q);
}

enum err store_device_delete(struct store *st, int64_t nid)
{
	enum err err = ERR_OK;

	for (unsigned query = Q_DELETE_SESSIONS; query <= Q_DELETE && !err; query++) {
		CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, query);

		stmt_bind_i64(q, 1, nid);
		err = stmt_run(q);
	}
	return err;
}

enum err store_one_time_key_get(struct store *st, struct arena *a, int64_t device,
	struct str algorithm, struct str key_id, struct str *json)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_ONE_TIME_GET);

	stmt_bind_i64(q, 1, device);
	stmt_bind_str(q, 2, algorithm);
	stmt_bind_str(q, 3, key_id);
	if (!stmt_row(q))
		return stmt_none(q);
	*json = stmt_str_in(q, 0, a);
	return ERR_OK;
}

static enum err put_key(
	struct store *st, unsigned query, int64_t device, const struct store_key *k)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, query);

	stmt_bind_i64(q, 1, device);
	stmt_bind_str(q, 2, k->algorithm);
	stmt_bind_str(q, 3, k->key_id);
	stmt_bind_str(q, 4, k->json);
	return stmt_run(q);
}

enum err store_one_time_key_put(struct store *st, int64_t device, const struct store_key *k)
{
	return put_key(st, Q_ONE_TIME_PUT, device, k);
}

enum err store_fallback_key_put(struct store *st, int64_t device, const struct store_key *k)
{
	return put_key(st, Q_FALLBACK_PUT, device, k);
}

static enum err take_oldest(struct store *st, struct arena *a, int64_t device,
	struct str algorithm, struct store_key *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_ONE_TIME_OLDEST);
	CLEANUP(stmt_resetp) struct stmt *del = stmt_get(st, T_DEVICE, Q_ONE_TIME_DELETE);
	struct store_key k = { .algorithm = algorithm };

	stmt_bind_i64(q, 1, device);
	stmt_bind_str(q, 2, algorithm);
	if (!stmt_row(q))
		return stmt_none(q);
	k.key_id = stmt_str_in(q, 1, a);
	k.json = stmt_str_in(q, 2, a);
	stmt_bind_i64(del, 1, stmt_i64(q, 0));
	*out = k;
	return stmt_run(del);
}

enum err store_fallback_key_get(struct store *st, struct arena *a, int64_t device,
	struct str algorithm, struct store_key *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_FALLBACK_GET);

	stmt_bind_i64(q, 1, device);
	stmt_bind_str(q, 2, algorithm);
	if (!stmt_row(q))
		return stmt_none(q);
	*out = (struct store_key){
		.algorithm = algorithm,
		.key_id = stmt_str_in(q, 0, a),
		.json = stmt_str_in(q, 1, a),
	};
	return ERR_OK;
}

enum err store_one_time_key_claim(struct store *st, struct arena *a, int64_t device,
	struct str algorithm, struct store_key *out, bool *fallback)
{
	enum err err = take_oldest(st, a, device, algorithm, out);

	*fallback = false;
	if (err != ERR_NOT_FOUND)
		return err;
	err = store_fallback_key_get(st, a, device, algorithm, out);
	if (err)
		return err;
	*fallback = true;
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_FALLBACK_USED);
	stmt_bind_i64(q, 1, device);
	stmt_bind_str(q, 2, algorithm);
	return stmt_run(q);
}

enum err store_one_time_key_counts(struct store *st, struct arena *a, int64_t device,
	struct store_key_count **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_ONE_TIME_COUNTS);
	struct store_key_count *list = NULL;
	size_t used = 0, cap = 0;

	stmt_bind_i64(q, 1, device);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) =
			(struct store_key_count){ stmt_str_in(q, 0, a), stmt_i64(q, 1) };
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}

enum err store_fallback_key_unused(
	struct store *st, struct arena *a, int64_t device, struct str **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_DEVICE, Q_FALLBACK_UNUSED);
	struct str *list = NULL;
	size_t used = 0, cap = 0;

	stmt_bind_i64(q, 1, device);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) = stmt_str_in(q, 0, a);
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}
