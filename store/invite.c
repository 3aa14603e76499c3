#include "store/invite.h"

#include "store/db.h"
#include "store/name.h"

enum { Q_PUT, Q_DELETE, Q_LIST, N_Q };

static const char *const sql[N_Q] = {
	[Q_PUT] = "INSERT OR IGNORE INTO invite_waiting (server, event) VALUES (?1, ?2)",
	[Q_DELETE] = "DELETE FROM invite_waiting WHERE server = ?1 AND event = ?2",
	[Q_LIST] = "SELECT event FROM invite_waiting WHERE server = ?1 ORDER BY event LIMIT ?2",
};

const struct stmt_table invite_stmts = { "invite", sql, N_Q };

static enum err change(struct store *st, unsigned which, struct str server, int64_t event)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t nid;
	enum err err = name_intern(st, server, &nid);

	if (err)
		return err;
	q = stmt_get(st, T_INVITE, which);
	stmt_bind_i64(q, 1, nid);
	stmt_bind_i64(q, 2, event);
	return stmt_run(q);
}

enum err store_invite_wait(struct store *st, struct str server, int64_t event)
{
	return change(st, Q_PUT, server, event);
}

enum err store_invite_done(struct store *st, struct str server, int64_t event)
{
	return change(st, Q_DELETE, server, event);
}

enum err store_invites_waiting(struct store *st, struct arena *a, struct str server,
	size_t limit, const int64_t **events, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t *list = arena_calloc(a, limit, sizeof(*list));
	int64_t nid;
	enum err err = name_find(st, server, &nid);

	*events = list;
	*n = 0;
	if (err || !nid)
		return err;
	q = stmt_get(st, T_INVITE, Q_LIST);
	stmt_bind_i64(q, 1, nid);
	stmt_bind_i64(q, 2, (int64_t)limit);
	while (*n < limit && stmt_row(q))
		list[(*n)++] = stmt_i64(q, 0);
	return stmt_err(q);
}
