#include "store/account_data.h"

#include "store/db.h"
#include "store/list.h"

enum { Q_GET, Q_PUT, Q_SINCE, Q_ROOM, Q_SIZE, N_Q };

static const char *const sql[N_Q] = {
	[Q_GET] = "SELECT content FROM account_data WHERE account = ?1 AND room_id = ?2"
		  " AND type = ?3",
	[Q_PUT] = "INSERT INTO account_data (account, room_id, type, pos, content)"
		  " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (account, room_id, type)"
		  " DO UPDATE SET pos = ?4, content = ?5",
	[Q_SINCE] = "SELECT room_id, type, content, pos FROM account_data WHERE account = ?1"
		    " AND pos > ?2 AND pos <= ?3 ORDER BY pos",
	[Q_ROOM] = "SELECT room_id, type, content, pos FROM account_data WHERE account = ?1"
		   " AND room_id = ?2",
	[Q_SIZE] = "SELECT coalesce(sum(length(CAST(content AS BLOB))), 0) FROM account_data"
		   " WHERE account = ?1",
};

const struct stmt_table account_data_stmts = { "account_data", sql, N_Q };

enum err store_account_data_get(struct store *st, struct arena *a, int64_t account,
	struct str room_id, struct str type, struct str *content)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT_DATA, Q_GET);

	stmt_bind_i64(q, 1, account);
	stmt_bind_str(q, 2, room_id);
	stmt_bind_str(q, 3, type);
	if (!stmt_row(q))
		return stmt_none(q);
	*content = stmt_str_in(q, 0, a);
	return ERR_OK;
}

enum err store_account_data_put(
	struct store *st, int64_t account, const struct store_account_data *d)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT_DATA, Q_PUT);

	stmt_bind_i64(q, 1, account);
	stmt_bind_str(q, 2, d->room_id);
	stmt_bind_str(q, 3, d->type);
	stmt_bind_i64(q, 4, d->pos);
	stmt_bind_str(q, 5, d->content);
	return stmt_run(q);
}

static enum err collect(
	struct stmt *q, struct arena *a, struct store_account_data **out, size_t *n)
{
	struct store_account_data *list = NULL;
	size_t used = 0, cap = 0;

	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) = (struct store_account_data){
			.room_id = stmt_str_in(q, 0, a),
			.type = stmt_str_in(q, 1, a),
			.content = stmt_str_in(q, 2, a),
			.pos = stmt_i64(q, 3),
		};
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}

enum err store_account_data_list(struct store *st, struct arena *a, int64_t account,
	int64_t since, int64_t to, struct store_account_data **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT_DATA, Q_SINCE);

	stmt_bind_i64(q, 1, account);
	stmt_bind_i64(q, 2, since);
	stmt_bind_i64(q, 3, to);
	return collect(q, a, out, n);
}

enum err store_account_data_room(struct store *st, struct arena *a, int64_t account,
	struct str room_id, struct store_account_data **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT_DATA, Q_ROOM);

	stmt_bind_i64(q, 1, account);
	stmt_bind_str(q, 2, room_id);
	return collect(q, a, out, n);
}

enum err store_account_data_size(struct store *st, int64_t account, int64_t *bytes)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT_DATA, Q_SIZE);

	stmt_bind_i64(q, 1, account);
	if (!stmt_row(q))
		return stmt_none(q);
	*bytes = stmt_i64(q, 0);
	return ERR_OK;
}
