#include "store/backup.h"

#include "store/db.h"

enum {
	Q_GET,
	Q_CURRENT,
	Q_PUT,
	Q_SET_AUTH_DATA,
	Q_DELETE,
	Q_DELETE_KEYS,
	Q_BUMP,
	Q_KEY_ALL,
	Q_KEY_ROOM,
	Q_KEY_ONE,
	Q_KEY_PUT,
	Q_KEY_DELETE_ALL,
	Q_KEY_DELETE_ROOM,
	Q_KEY_DELETE_ONE,
	N_Q
};

#define BACKUP_COLUMNS \
	"SELECT version, algorithm, auth_data, etag, is_deleted, (SELECT count(*) FROM" \
	" backup_key k WHERE k.account = b.account AND k.version = b.version) FROM backup b"
#define KEY_COLUMNS \
	"SELECT room_id, session_id, first_message_index, forwarded_count, is_verified," \
	" session_data FROM backup_key WHERE account = ?1 AND version = ?2"

static const char *const sql[N_Q] = {
	[Q_GET] = BACKUP_COLUMNS " WHERE account = ?1 AND version = ?2",
	[Q_CURRENT] = BACKUP_COLUMNS " WHERE account = ?1 AND is_deleted = 0"
				     " ORDER BY version DESC LIMIT 1",
	[Q_PUT] = "INSERT INTO backup (account, version, algorithm, auth_data) VALUES (?1,"
		  " (SELECT coalesce(max(version), 0) + 1 FROM backup WHERE account = ?1),"
		  " ?2, ?3) RETURNING version",
	[Q_SET_AUTH_DATA] = "UPDATE backup SET auth_data = ?3 WHERE account = ?1"
			    " AND version = ?2",
	[Q_DELETE] = "UPDATE backup SET is_deleted = 1, auth_data = '{}' WHERE account = ?1"
		     " AND version = ?2",
	[Q_DELETE_KEYS] = "DELETE FROM backup_key WHERE account = ?1 AND version = ?2",
	[Q_BUMP] = "UPDATE backup SET etag = etag + 1 WHERE account = ?1 AND version = ?2",
	[Q_KEY_ALL] = KEY_COLUMNS " ORDER BY room_id, session_id",
	[Q_KEY_ROOM] = KEY_COLUMNS " AND room_id = ?3 ORDER BY session_id",
	[Q_KEY_ONE] = KEY_COLUMNS " AND room_id = ?3 AND session_id = ?4",
	[Q_KEY_PUT] =
		"INSERT INTO backup_key (account, version, room_id, session_id,"
		" first_message_index, forwarded_count, is_verified, session_data) VALUES"
		" (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (account, version, room_id,"
		" session_id) DO UPDATE SET first_message_index = ?5, forwarded_count = ?6,"
		" is_verified = ?7, session_data = ?8",
	[Q_KEY_DELETE_ALL] = "DELETE FROM backup_key WHERE account = ?1 AND version = ?2",
	[Q_KEY_DELETE_ROOM] = "DELETE FROM backup_key WHERE account = ?1 AND version = ?2"
			      " AND room_id = ?3",
	[Q_KEY_DELETE_ONE] = "DELETE FROM backup_key WHERE account = ?1 AND version = ?2"
			     " AND room_id = ?3 AND session_id = ?4",
};

const struct stmt_table backup_stmts = { "backup", sql, N_Q };

enum err store_backup_get(struct store *st, struct arena *a, int64_t account, int64_t version,
	struct store_backup *out)
{
	CLEANUP(stmt_resetp)
	struct stmt *q = stmt_get(st, T_BACKUP, version ? Q_GET : Q_CURRENT);

	stmt_bind_i64(q, 1, account);
	if (version)
		stmt_bind_i64(q, 2, version);
	if (!stmt_row(q))
		return stmt_none(q);
	*out = (struct store_backup){
		.version = stmt_i64(q, 0),
		.algorithm = stmt_str_in(q, 1, a),
		.auth_data = stmt_str_in(q, 2, a),
		.etag = stmt_i64(q, 3),
		.is_deleted = stmt_i64(q, 4),
		.count = stmt_i64(q, 5),
	};
	return ERR_OK;
}

enum err store_backup_put(struct store *st, int64_t account, struct str algorithm,
	struct str auth_data, int64_t *version)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_BACKUP, Q_PUT);

	stmt_bind_i64(q, 1, account);
	stmt_bind_str(q, 2, algorithm);
	stmt_bind_str(q, 3, auth_data);
	if (!stmt_row(q))
		return stmt_none(q);
	*version = stmt_i64(q, 0);
	return ERR_OK;
}

enum err store_backup_set_auth_data(
	struct store *st, int64_t account, int64_t version, struct str auth_data)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_BACKUP, Q_SET_AUTH_DATA);

	stmt_bind_i64(q, 1, account);
	stmt_bind_i64(q, 2, version);
	stmt_bind_str(q, 3, auth_data);
	return stmt_run(q);
}

static enum err run_version(struct store *st, unsigned query, int64_t account, int64_t version)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_BACKUP, query);

	stmt_bind_i64(q, 1, account);
	stmt_bind_i64(q, 2, version);
	return stmt_run(q);
}

enum err store_backup_delete(struct store *st, int64_t account, int64_t version)
{
	enum err err = run_version(st, Q_DELETE, account, version);

	return err ? err : run_version(st, Q_DELETE_KEYS, account, version);
}

enum err store_backup_bump(struct store *st, int64_t account, int64_t version)
{
	return run_version(st, Q_BUMP, account, version);
}

/* The statement for all, one room's or one session's: they follow each other in the enum. */
static struct stmt *keys_stmt(struct store *st, unsigned first, int64_t account,
	int64_t version, struct str room_id, struct str session_id)
{
	unsigned depth = (room_id.n > 0) + (room_id.n > 0 && session_id.n > 0);
	struct stmt *q = stmt_get(st, T_BACKUP, first + depth);

	stmt_bind_i64(q, 1, account);
	stmt_bind_i64(q, 2, version);
	if (depth > 0)
		stmt_bind_str(q, 3, room_id);
	if (depth > 1)
		stmt_bind_str(q, 4, session_id);
	return q;
}

enum err store_backup_key_each(struct store *st, int64_t account, int64_t version,
	struct str room_id, struct str session_id,
	void (*fn)(void *arg, const struct store_backup_key *k), void *arg)
{
	CLEANUP(stmt_resetp)
	struct stmt *q = keys_stmt(st, Q_KEY_ALL, account, version, room_id, session_id);

	while (stmt_row(q)) {
		struct store_backup_key k = {
			.room_id = stmt_str(q, 0),
			.session_id = stmt_str(q, 1),
			.first_message_index = stmt_i64(q, 2),
			.forwarded_count = stmt_i64(q, 3),
			.is_verified = stmt_i64(q, 4),
			.session_data = stmt_str(q, 5),
		};

		fn(arg, &k);
	}
	return stmt_err(q);
}

enum err store_backup_key_put(
	struct store *st, int64_t account, int64_t version, const struct store_backup_key *k)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_BACKUP, Q_KEY_PUT);

	stmt_bind_i64(q, 1, account);
	stmt_bind_i64(q, 2, version);
	stmt_bind_str(q, 3, k->room_id);
	stmt_bind_str(q, 4, k->session_id);
	stmt_bind_i64(q, 5, k->first_message_index);
	stmt_bind_i64(q, 6, k->forwarded_count);
	stmt_bind_i64(q, 7, k->is_verified);
	stmt_bind_str(q, 8, k->session_data);
	return stmt_run(q);
}

enum err store_backup_key_delete(struct store *st, int64_t account, int64_t version,
	struct str room_id, struct str session_id, int64_t *n)
{
	CLEANUP(stmt_resetp)
	struct stmt *q = keys_stmt(st, Q_KEY_DELETE_ALL, account, version, room_id, session_id);

	return stmt_run_changed(q, n);
}
