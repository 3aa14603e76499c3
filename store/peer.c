#include "store/peer.h"

#include "store/db.h"

enum { Q_LOAD, Q_PUT, Q_DEL, N_Q };

static const char *const sql[N_Q] = {
	[Q_LOAD] = "SELECT key, value FROM overlay_value WHERE kind = ?1 ORDER BY key",
	[Q_PUT] = "INSERT INTO overlay_value (kind, key, value) VALUES (?1, ?2, ?3)"
		  " ON CONFLICT (kind, key) DO UPDATE SET value = ?3",
	[Q_DEL] = "DELETE FROM overlay_value WHERE kind = ?1 AND key = ?2",
};

const struct stmt_table peer_stmts = { "peer", sql, N_Q };

enum err store_peer_load(struct store *st, int kind,
	enum err (*each)(void *arg, struct str key, struct str value), void *arg)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PEER, Q_LOAD);

	stmt_bind_i64(q, 1, kind);
	while (stmt_row(q)) {
		enum err err = each(arg, stmt_str(q, 0), stmt_str(q, 1));

		if (err)
			return err;
	}
	return stmt_err(q);
}

enum err store_peer_put(struct store *st, int kind, struct str key, struct str value)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	enum err err = store_begin(st);

	if (err)
		return err;
	q = stmt_get(st, T_PEER, Q_PUT);
	stmt_bind_i64(q, 1, kind);
	stmt_bind_blob(q, 2, key);
	stmt_bind_blob(q, 3, value);
	return store_end(st, stmt_run(q));
}

enum err store_peer_del(struct store *st, int kind, struct str key)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	enum err err = store_begin(st);

	if (err)
		return err;
	q = stmt_get(st, T_PEER, Q_DEL);
	stmt_bind_i64(q, 1, kind);
	stmt_bind_blob(q, 2, key);
	return store_end(st, stmt_run(q));
}
