#include "store/peer.h"

#include "store/db.h"
#include "store/store.h"

enum { Q_LOAD, Q_PUT, Q_DEL, N_Q };

static const char *const sql[N_Q] = {
	[Q_LOAD] = "SELECT key, value FROM peer WHERE kind = ?1",
	[Q_PUT] = "INSERT INTO peer (kind, key, value) VALUES (?1, ?2, ?3)"
		  " ON CONFLICT (kind, key) DO UPDATE SET value = ?3",
	[Q_DEL] = "DELETE FROM peer WHERE kind = ?1 AND key = ?2",
};

const struct stmt_table peer_stmts = { "peer", sql, N_Q };

enum err store_peer_load(struct store *st, int kind,
	enum err (*each)(void *arg, struct str key, struct str value), void *arg)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PEER, Q_LOAD);
	enum err err = ERR_OK;

	stmt_bind_i64(q, 1, kind);
	while (!err && stmt_row(q))
		err = each(arg, stmt_str(q, 0), stmt_str(q, 1));
	return err ? err : stmt_err(q);
}

static enum err change(
	struct store *st, unsigned which, int kind, struct str key, const struct str *value)
{
	enum err err = store_begin(st);
	struct stmt *q;

	if (err)
		return err;
	q = stmt_get(st, T_PEER, which);
	stmt_bind_i64(q, 1, kind);
	stmt_bind_blob(q, 2, key);
	if (value)
		stmt_bind_blob(q, 3, *value);
	err = stmt_run(q);
	stmt_reset(q);
	return store_end(st, err);
}

enum err store_peer_put(struct store *st, int kind, struct str key, struct str value)
{
	return change(st, Q_PUT, kind, key, &value);
}

enum err store_peer_del(struct store *st, int kind, struct str key)
{
	return change(st, Q_DEL, kind, key, NULL);
}
