#include "store/cross_signing.h"

#include "store/db.h"
#include "store/list.h"

enum {
	Q_GET,
	Q_PUT,
	Q_DELETE,
	Q_HAS,
	Q_SIGNATURE_PUT,
	Q_SIGNATURE_LIST,
	Q_SIGNATURE_CLEAR,
	N_Q
};

static const char *const sql[N_Q] = {
	[Q_GET] = "SELECT key_id, json FROM cross_signing_key WHERE user_id = ?1"
		  " AND usage = ?2",
	[Q_PUT] = "INSERT INTO cross_signing_key (user_id, usage, key_id, json)"
		  " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (user_id, usage)"
		  " DO UPDATE SET key_id = ?3, json = ?4",
	[Q_DELETE] = "DELETE FROM cross_signing_key WHERE user_id = ?1 AND usage = ?2",
	[Q_HAS] = "SELECT 1 FROM cross_signing_key WHERE user_id = ?1 AND key_id = ?2",
	[Q_SIGNATURE_PUT] =
		"INSERT INTO user_signature (account, user_id, master_key, key_id, signature,"
		" pos) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (account, user_id,"
		" master_key, key_id) DO UPDATE SET signature = ?5, pos = ?6",
	[Q_SIGNATURE_LIST] = "SELECT key_id, signature FROM user_signature WHERE account = ?1"
			     " AND user_id = ?2 AND master_key = ?3",
	[Q_SIGNATURE_CLEAR] = "DELETE FROM user_signature WHERE account = ?1",
};

const struct stmt_table cross_signing_stmts = { "cross_signing", sql, N_Q };

enum err store_cross_key_get(struct store *st, struct arena *a, struct str user_id,
	struct str usage, struct store_cross_key *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_CROSS_SIGNING, Q_GET);

	stmt_bind_str(q, 1, user_id);
	stmt_bind_str(q, 2, usage);
	if (!stmt_row(q))
		return stmt_none(q);
	*out = (struct store_cross_key){
		.usage = usage,
		.key_id = stmt_str_in(q, 0, a),
		.json = stmt_str_in(q, 1, a),
	};
	return ERR_OK;
}

enum err store_cross_key_put(
	struct store *st, struct str user_id, const struct store_cross_key *k)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_CROSS_SIGNING, Q_PUT);

	stmt_bind_str(q, 1, user_id);
	stmt_bind_str(q, 2, k->usage);
	stmt_bind_str(q, 3, k->key_id);
	stmt_bind_str(q, 4, k->json);
	return stmt_run(q);
}

enum err store_cross_key_delete(struct store *st, struct str user_id, struct str usage)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_CROSS_SIGNING, Q_DELETE);

	stmt_bind_str(q, 1, user_id);
	stmt_bind_str(q, 2, usage);
	return stmt_run(q);
}

enum err store_cross_key_has(struct store *st, struct str user_id, struct str key_id, bool *has)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_CROSS_SIGNING, Q_HAS);
	bool found;

	stmt_bind_str(q, 1, user_id);
	stmt_bind_str(q, 2, key_id);
	found = stmt_row(q);
	if (stmt_err(q))
		return stmt_err(q);
	*has = found;
	return ERR_OK;
}

enum err store_user_signature_put(struct store *st, int64_t account, struct str user_id,
	struct str master_key, const struct store_user_signature *s, int64_t pos)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_CROSS_SIGNING, Q_SIGNATURE_PUT);

	stmt_bind_i64(q, 1, account);
	stmt_bind_str(q, 2, user_id);
	stmt_bind_str(q, 3, master_key);
	stmt_bind_str(q, 4, s->key_id);
	stmt_bind_str(q, 5, s->signature);
	stmt_bind_i64(q, 6, pos);
	return stmt_run(q);
}

enum err store_user_signature_list(struct store *st, struct arena *a, int64_t account,
	struct str user_id, struct str master_key, struct store_user_signature **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_CROSS_SIGNING, Q_SIGNATURE_LIST);
	struct store_user_signature *list = NULL;
	size_t used = 0, cap = 0;

	stmt_bind_i64(q, 1, account);
	stmt_bind_str(q, 2, user_id);
	stmt_bind_str(q, 3, master_key);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) =
			(struct store_user_signature){ stmt_str_in(q, 0, a),
				stmt_str_in(q, 1, a) };
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}

enum err store_user_signature_clear(struct store *st, int64_t account)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_CROSS_SIGNING, Q_SIGNATURE_CLEAR);

	stmt_bind_i64(q, 1, account);
	return stmt_run(q);
}
