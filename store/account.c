#include "store/account.h"

#include "store/db.h"
#include "store/login_cache.h"

enum {
	Q_GET,
	Q_USER_ID,
	Q_PUT,
	Q_UPDATE,
	Q_COUNT,
	Q_CLEAR_OPENID,
	Q_CLEAR_PROFILE,
	Q_CLEAR_DATA,
	Q_CLEAR_SIGNATURES,
	Q_CLEAR_BACKUP_KEYS,
	Q_CLEAR_BACKUPS,
	Q_CLEAR_CROSS_KEYS,
	Q_SESSION_PUT,
	Q_SESSION_BY_ACCESS,
	Q_SESSION_BY_REFRESH,
	Q_SESSION_CONFIRM,
	Q_SESSION_DELETE,
	Q_SESSION_DROP_NEXT,
	Q_SESSION_DELETE_DEVICE,
	Q_REGISTRATION_PUT,
	Q_REGISTRATION_GET,
	Q_REGISTRATION_USE,
	Q_OPENID_PRUNE,
	Q_OPENID_PUT,
	Q_OPENID_GET,
	N_Q
};

#define LOGIN_COLUMNS \
	"SELECT s.nid, s.account, s.device, s.expires_ts, s.previous, a.user_id, a.is_admin," \
	" a.is_locked, a.is_suspended, a.is_deactivated, d.device_id, d.last_seen_ts" \
	" FROM session s JOIN account a ON a.nid = s.account JOIN device d ON d.nid = " \
	"s.device"

static const char *const sql[N_Q] = {
	[Q_GET] = "SELECT nid, user_id, password, is_admin, is_locked, is_suspended,"
		  " is_deactivated FROM account WHERE user_id = ?1",
	[Q_USER_ID] = "SELECT user_id FROM account WHERE nid = ?1",
	[Q_PUT] = "INSERT INTO account (user_id, password, is_admin, is_locked, is_suspended,"
		  " is_deactivated, created_ts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
		  " RETURNING nid",
	[Q_UPDATE] = "UPDATE account SET password = ?2, is_admin = ?3, is_locked = ?4,"
		     " is_suspended = ?5, is_deactivated = ?6 WHERE nid = ?1",
	[Q_COUNT] = "SELECT count(*) FROM account",
	[Q_CLEAR_OPENID] = "DELETE FROM openid_token WHERE account = ?1",
	[Q_CLEAR_PROFILE] = "DELETE FROM profile WHERE account = ?1",
	[Q_CLEAR_DATA] = "DELETE FROM account_data WHERE account = ?1",
	[Q_CLEAR_SIGNATURES] = "DELETE FROM user_signature WHERE account = ?1",
	[Q_CLEAR_BACKUP_KEYS] = "DELETE FROM backup_key WHERE account = ?1",
	[Q_CLEAR_BACKUPS] = "DELETE FROM backup WHERE account = ?1",
	[Q_CLEAR_CROSS_KEYS] = "DELETE FROM cross_signing_key WHERE user_id ="
			       " (SELECT user_id FROM account WHERE nid = ?1)",
	[Q_SESSION_PUT] =
		"INSERT INTO session (account, device, access_hash, expires_ts, refresh_hash,"
		" previous) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING nid",
	[Q_SESSION_BY_ACCESS] = LOGIN_COLUMNS " WHERE s.access_hash = ?1",
	[Q_SESSION_BY_REFRESH] = LOGIN_COLUMNS " WHERE s.refresh_hash = ?1",
	[Q_SESSION_CONFIRM] = "UPDATE session SET previous = 0 WHERE nid = ?1",
	[Q_SESSION_DELETE] = "DELETE FROM session WHERE nid = ?1",
	[Q_SESSION_DROP_NEXT] = "DELETE FROM session WHERE previous = ?1 AND previous <> 0",
	[Q_SESSION_DELETE_DEVICE] = "DELETE FROM session WHERE device = ?1",
	[Q_REGISTRATION_PUT] = "INSERT INTO registration_token (token, uses_left, expires_ts)"
			       " VALUES (?1, ?2, ?3)",
	[Q_REGISTRATION_GET] = "SELECT 1 FROM registration_token WHERE token = ?1"
			       " AND uses_left <> 0 AND (expires_ts = 0 OR expires_ts > ?2)",
	[Q_REGISTRATION_USE] =
		"UPDATE registration_token SET uses_left = max(uses_left - 1, -1)"
		" WHERE token = ?1 AND uses_left <> 0 AND (expires_ts = 0 OR expires_ts > ?2)",
	[Q_OPENID_PRUNE] = "DELETE FROM openid_token WHERE account = ?1 AND expires_ts <= ?2",
	[Q_OPENID_PUT] = "INSERT INTO openid_token (hash, account, expires_ts)"
			 " VALUES (?1, ?2, ?3)",
	[Q_OPENID_GET] = "SELECT a.user_id FROM openid_token t JOIN account a"
			 " ON a.nid = t.account WHERE t.hash = ?1 AND t.expires_ts > ?2",
};

const struct stmt_table account_stmts = { "account", sql, N_Q };

#define HASH_BYTES 32

static struct str hash_str(const unsigned char *hash)
{
	return (struct str){ (const char *)hash, HASH_BYTES };
}

enum err store_account_get(
	struct store *st, struct arena *a, struct str user_id, struct store_account *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, Q_GET);

	stmt_bind_str(q, 1, user_id);
	if (!stmt_row(q))
		return stmt_none(q);
	*out = (struct store_account){
		.nid = stmt_i64(q, 0),
		.user_id = stmt_str_in(q, 1, a),
		.password = stmt_str_in(q, 2, a),
		.is_admin = stmt_i64(q, 3),
		.is_locked = stmt_i64(q, 4),
		.is_suspended = stmt_i64(q, 5),
		.is_deactivated = stmt_i64(q, 6),
	};
	return ERR_OK;
}

enum err store_account_user_id(
	struct store *st, struct arena *a, int64_t account, struct str *user_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, Q_USER_ID);

	stmt_bind_i64(q, 1, account);
	if (!stmt_row(q))
		return stmt_none(q);
	*user_id = stmt_str_in(q, 0, a);
	return ERR_OK;
}

enum err store_account_put(
	struct store *st, const struct store_account *a, int64_t created_ts, int64_t *nid)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, Q_PUT);

	stmt_bind_str(q, 1, a->user_id);
	stmt_bind_text_or_null(q, 2, a->password);
	stmt_bind_i64(q, 3, a->is_admin);
	stmt_bind_i64(q, 4, a->is_locked);
	stmt_bind_i64(q, 5, a->is_suspended);
	stmt_bind_i64(q, 6, a->is_deactivated);
	stmt_bind_i64(q, 7, created_ts);
	if (!stmt_row(q))
		return stmt_none(q);
	*nid = stmt_i64(q, 0);
	return ERR_OK;
}

enum err store_account_update(struct store *st, const struct store_account *a)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, Q_UPDATE);

	stmt_bind_i64(q, 1, a->nid);
	stmt_bind_text_or_null(q, 2, a->password);
	stmt_bind_i64(q, 3, a->is_admin);
	stmt_bind_i64(q, 4, a->is_locked);
	stmt_bind_i64(q, 5, a->is_suspended);
	stmt_bind_i64(q, 6, a->is_deactivated);
	return stmt_run(q);
}

enum err store_account_count(struct store *st, int64_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, Q_COUNT);

	if (!stmt_row(q))
		return stmt_none(q);
	*n = stmt_i64(q, 0);
	return ERR_OK;
}

static enum err run_i64(struct store *st, unsigned query, int64_t v)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, query);

	stmt_bind_i64(q, 1, v);
	return stmt_run(q);
}

enum err store_account_clear(struct store *st, int64_t account)
{
	enum err err = ERR_OK;

	for (unsigned q = Q_CLEAR_OPENID; q <= Q_CLEAR_CROSS_KEYS && !err; q++)
		err = run_i64(st, q, account);
	return err;
}

enum err store_session_put(struct store *st, const struct store_session *s, int64_t *nid)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, Q_SESSION_PUT);

	stmt_bind_i64(q, 1, s->account);
	stmt_bind_i64(q, 2, s->device);
	stmt_bind_blob(q, 3, hash_str(s->access_hash));
	stmt_bind_i64(q, 4, s->expires_ts);
	if (s->refresh_hash)
		stmt_bind_blob(q, 5, hash_str(s->refresh_hash));
	else
		stmt_bind_null(q, 5);
	stmt_bind_i64(q, 6, s->previous);
	if (!stmt_row(q))
		return stmt_none(q);
	*nid = stmt_i64(q, 0);
	return ERR_OK;
}

static enum err get_login(struct store *st, struct arena *a, unsigned query,
	const unsigned char *hash, struct store_login *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, query);

	stmt_bind_blob(q, 1, hash_str(hash));
	if (!stmt_row(q))
		return stmt_none(q);
	*out = (struct store_login){
		.session = { .nid = stmt_i64(q, 0),
			.account = stmt_i64(q, 1),
			.device = stmt_i64(q, 2),
			.expires_ts = stmt_i64(q, 3),
			.previous = stmt_i64(q, 4) },
		.account = { .nid = stmt_i64(q, 1),
			.user_id = stmt_str_in(q, 5, a),
			.is_admin = stmt_i64(q, 6),
			.is_locked = stmt_i64(q, 7),
			.is_suspended = stmt_i64(q, 8),
			.is_deactivated = stmt_i64(q, 9) },
		.device_id = stmt_str_in(q, 10, a),
		.last_seen_ts = stmt_i64(q, 11),
	};
	return ERR_OK;
}

enum err store_session_by_access(
	struct store *st, struct arena *a, const unsigned char *hash, struct store_login *out)
{
	enum err err;

	if (login_cache_get(st, a, hash, out))
		return ERR_OK;
	err = get_login(st, a, Q_SESSION_BY_ACCESS, hash, out);
	if (!err)
		login_cache_put(st, hash, out);
	return err;
}

enum err store_session_by_refresh(
	struct store *st, struct arena *a, const unsigned char *hash, struct store_login *out)
{
	return get_login(st, a, Q_SESSION_BY_REFRESH, hash, out);
}

enum err store_session_confirm(struct store *st, const struct store_session *s)
{
	enum err err = run_i64(st, Q_SESSION_CONFIRM, s->nid);

	return err ? err : run_i64(st, Q_SESSION_DELETE, s->previous);
}

enum err store_session_drop_next(struct store *st, int64_t previous)
{
	return run_i64(st, Q_SESSION_DROP_NEXT, previous);
}

enum err store_session_delete_device(struct store *st, int64_t device)
{
	return run_i64(st, Q_SESSION_DELETE_DEVICE, device);
}

enum err store_registration_token_put(
	struct store *st, struct str token, int64_t uses_left, int64_t expires_ts)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, Q_REGISTRATION_PUT);

	stmt_bind_str(q, 1, token);
	stmt_bind_i64(q, 2, uses_left);
	stmt_bind_i64(q, 3, expires_ts);
	return stmt_run(q);
}

enum err store_registration_token_check(struct store *st, struct str token, int64_t now_ts)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, Q_REGISTRATION_GET);

	stmt_bind_str(q, 1, token);
	stmt_bind_i64(q, 2, now_ts);
	return stmt_row(q) ? ERR_OK : stmt_none(q);
}

enum err store_registration_token_use(struct store *st, struct str token, int64_t now_ts)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, Q_REGISTRATION_USE);
	int64_t n = 0;
	enum err err;

	stmt_bind_str(q, 1, token);
	stmt_bind_i64(q, 2, now_ts);
	err = stmt_run_changed(q, &n);
	if (err)
		return err;
	return n ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_openid_put(struct store *st, const unsigned char *hash, int64_t account,
	int64_t now_ts, int64_t expires_ts)
{
	CLEANUP(stmt_resetp) struct stmt *prune = stmt_get(st, T_ACCOUNT, Q_OPENID_PRUNE);
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, Q_OPENID_PUT);
	enum err err;

	stmt_bind_i64(prune, 1, account);
	stmt_bind_i64(prune, 2, now_ts);
	err = stmt_run(prune);
	if (err)
		return err;
	stmt_bind_blob(q, 1, hash_str(hash));
	stmt_bind_i64(q, 2, account);
	stmt_bind_i64(q, 3, expires_ts);
	return stmt_run(q);
}

enum err store_openid_get(struct store *st, struct arena *a, const unsigned char *hash,
	int64_t now_ts, struct str *user_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ACCOUNT, Q_OPENID_GET);

	stmt_bind_blob(q, 1, hash_str(hash));
	stmt_bind_i64(q, 2, now_ts);
	if (!stmt_row(q))
		return stmt_none(q);
	*user_id = stmt_str_in(q, 0, a);
	return ERR_OK;
}
