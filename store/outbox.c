#include "store/outbox.h"

#include <assert.h>

#include "store/internal.h"
#include "store/list.h"
#include "store/membership.h"
#include "store/name.h"

#define EDU_BYTES_MAX   65536
#define LATEST_LIVES_MS (INT64_C(7) * 24 * 3600 * 1000)

enum {
	Q_EDU_PUT,
	Q_EDUS,
	Q_EDUS_DONE,
	Q_DESTINATIONS,
	Q_DESTINATION_GET,
	Q_DESTINATION_PUT,
	Q_SINCE,
	Q_RECEIVED_GET,
	Q_RECEIVED_PUT,
	N_Q
};

static const char *const sql[N_Q] = {
	/* The unique key makes a newer EDU replace the older. */
	[Q_EDU_PUT] = "INSERT OR REPLACE INTO outbox_edu (pos, server, key, ts, json)"
		      " VALUES (?1, ?2, ?3, ?4, ?5)",
	[Q_EDUS] = "SELECT pos, json FROM outbox_edu WHERE server = ?1"
		   " AND (key IS NULL OR ts = 0 OR ts > ?2) ORDER BY pos LIMIT ?3",
	[Q_EDUS_DONE] = "DELETE FROM outbox_edu WHERE server = ?1 AND pos <= ?2",
	[Q_DESTINATIONS] = "SELECT s.server, ifnull(d.pdu_pos, -1), ifnull(d.retry_at, 0),"
			   " ifnull(d.interval, 0) FROM (SELECT server FROM outbox_destination"
			   " UNION SELECT server FROM outbox_edu"
			   " UNION SELECT server FROM room_server WHERE joined > 0) s"
			   " LEFT JOIN outbox_destination d ON d.server = s.server",
	[Q_DESTINATION_GET] = "SELECT pdu_pos, retry_at, interval FROM outbox_destination"
			      " WHERE server = ?1",
	[Q_DESTINATION_PUT] = "INSERT OR REPLACE INTO outbox_destination"
			      " (server, pdu_pos, retry_at, interval) VALUES (?1, ?2, ?3, ?4)",
	[Q_SINCE] = "SELECT since FROM room_server"
		    " WHERE room = ?1 AND server = ?2 AND joined > 0",
	[Q_RECEIVED_GET] = "SELECT sequence, txn_id, edus_done, response FROM outbox_received"
			   " WHERE origin = ?1 AND node = ?2",
	[Q_RECEIVED_PUT] = "INSERT OR REPLACE INTO outbox_received"
			   " (origin, node, sequence, txn_id, edus_done, response, ts)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
};

const struct stmt_table outbox_stmts = { "outbox", sql, N_Q };

static enum err put_stored(struct store *st, struct str destination, const struct outbox_edu *e)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	struct feed_item item = { .kind = FEED_OUTBOX, .destination = destination };
	int64_t server;
	enum err err;

	assert(store_in_transaction(st));
	err = name_intern(st, destination, &server);
	if (err)
		return err;
	item.pos = store_next_pos(st);
	q = stmt_get(st, T_OUTBOX, Q_EDU_PUT);
	stmt_bind_i64(q, 1, item.pos);
	stmt_bind_i64(q, 2, server);
	stmt_bind_text_or_null(q, 3, e->class == OUTBOX_LATEST ? e->key : (struct str){ 0 });
	stmt_bind_i64(q, 4, e->ts);
	stmt_bind_str(q, 5, e->json);
	err = stmt_run(q);
	if (!err)
		store_feed(st, &item);
	return err;
}

enum err outbox_put_edu(struct store *st, struct str destination, const struct outbox_edu *e)
{
	if (str_eq(destination, store_server_name(st)))
		return ERR_OK;
	if (e->json.n > EDU_BYTES_MAX)
		return ERR_TOO_LARGE;
	if (e->class != OUTBOX_NOW)
		return put_stored(st, destination, e);
	if (st->outbox_now)
		st->outbox_now->put(st->outbox_now->arg, destination, e->key, e->json);
	return ERR_OK;
}

static enum err put_to_all(
	struct store *st, const struct str *servers, size_t n, const struct outbox_edu *e)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < n && !err; i++)
		err = outbox_put_edu(st, servers[i], e);
	return err;
}

enum err outbox_put_edu_room(struct store *st, struct str room_id, const struct outbox_edu *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct str *servers;
	size_t n;
	enum err err = store_membership_servers(st, a, room_id, &servers, &n);

	return err ? err : put_to_all(st, servers, n, e);
}

enum err outbox_put_edu_user(struct store *st, struct str user_id, const struct outbox_edu *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct str *servers;
	size_t n;
	enum err err = store_membership_user_servers(st, a, user_id, &servers, &n);

	return err ? err : put_to_all(st, servers, n, e);
}

void outbox_set_now(struct store *st, const struct outbox_now *now)
{
	st->outbox_now = now;
}

enum err outbox_destinations(
	struct store *st, struct arena *a, outbox_destination_fn *fn, void *arg)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_OUTBOX, Q_DESTINATIONS);

	while (stmt_row(q)) {
		struct outbox_destination d = { .pdu_pos = stmt_i64(q, 1),
			.retry_at_ms = stmt_i64(q, 2),
			.interval_ms = stmt_i64(q, 3) };
		enum err err = name_text(st, stmt_i64(q, 0), &d.name);

		if (err)
			return err;
		d.name = arena_str(a, d.name);
		if (!str_eq(d.name, store_server_name(st)) && !fn(arg, &d))
			return ERR_OK;
	}
	return stmt_err(q);
}

enum err outbox_destination_get(
	struct store *st, struct arena *a, struct str name, struct outbox_destination *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t server;
	enum err err = name_find(st, name, &server);

	if (err)
		return err;
	q = stmt_get(st, T_OUTBOX, Q_DESTINATION_GET);
	stmt_bind_i64(q, 1, server);
	if (!stmt_row(q))
		return stmt_none(q);
	*out = (struct outbox_destination){ .name = arena_str(a, name),
		.pdu_pos = stmt_i64(q, 0),
		.retry_at_ms = stmt_i64(q, 1),
		.interval_ms = stmt_i64(q, 2) };
	return ERR_OK;
}

enum err outbox_destination_put(struct store *st, const struct outbox_destination *d)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t server;
	enum err err = name_intern(st, d->name, &server);

	if (err)
		return err;
	q = stmt_get(st, T_OUTBOX, Q_DESTINATION_PUT);
	stmt_bind_i64(q, 1, server);
	stmt_bind_i64(q, 2, d->pdu_pos);
	stmt_bind_i64(q, 3, d->retry_at_ms);
	stmt_bind_i64(q, 4, d->interval_ms);
	return stmt_run(q);
}

enum err outbox_edus(struct store *st, struct arena *a, struct str destination, int64_t now_ms,
	size_t limit, const struct outbox_waiting **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	struct outbox_waiting *list = NULL;
	size_t used = 0;
	size_t cap = 0;
	int64_t server;
	enum err err = name_find(st, destination, &server);

	if (err)
		return err;
	q = stmt_get(st, T_OUTBOX, Q_EDUS);
	stmt_bind_i64(q, 1, server);
	stmt_bind_i64(q, 2, now_ms - LATEST_LIVES_MS);
	stmt_bind_i64(q, 3, (int64_t)limit);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) =
			(struct outbox_waiting){ stmt_i64(q, 0), stmt_str_in(q, 1, a) };
	err = stmt_err(q);
	if (err)
		return err;
	*out = list;
	*n = used;
	return ERR_OK;
}

enum err outbox_edus_done(struct store *st, struct str destination, int64_t upto)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t server;
	enum err err = name_find(st, destination, &server);

	if (err)
		return err;
	q = stmt_get(st, T_OUTBOX, Q_EDUS_DONE);
	stmt_bind_i64(q, 1, server);
	stmt_bind_i64(q, 2, upto);
	return stmt_run(q);
}

enum err outbox_joined_since(
	struct store *st, struct str room_id, struct str destination, int64_t *pos)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t room;
	int64_t server;
	enum err err = name_find(st, room_id, &room);

	if (!err)
		err = name_find(st, destination, &server);
	if (err)
		return err;
	q = stmt_get(st, T_OUTBOX, Q_SINCE);
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, server);
	if (!stmt_row(q))
		return stmt_none(q);
	*pos = stmt_i64(q, 0);
	return ERR_OK;
}

enum err outbox_received_get(struct store *st, struct arena *a, struct str origin,
	struct str node, struct outbox_received *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t server;
	enum err err = name_find(st, origin, &server);

	if (err)
		return err;
	q = stmt_get(st, T_OUTBOX, Q_RECEIVED_GET);
	stmt_bind_i64(q, 1, server);
	stmt_bind_blob(q, 2, node);
	if (!stmt_row(q))
		return stmt_none(q);
	*out = (struct outbox_received){ .sequence = (uint64_t)stmt_i64(q, 0),
		.txn_id = stmt_str_in(q, 1, a),
		.edus_done = stmt_i64(q, 2) != 0,
		.response = stmt_str_in(q, 3, a) };
	return ERR_OK;
}

enum err outbox_received_put(struct store *st, struct str origin, struct str node,
	int64_t now_ms, const struct outbox_received *r)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t server;
	enum err err = name_intern(st, origin, &server);

	if (err)
		return err;
	q = stmt_get(st, T_OUTBOX, Q_RECEIVED_PUT);
	stmt_bind_i64(q, 1, server);
	stmt_bind_blob(q, 2, node);
	stmt_bind_i64(q, 3, (int64_t)r->sequence);
	stmt_bind_str(q, 4, r->txn_id);
	stmt_bind_i64(q, 5, r->edus_done);
	stmt_bind_text_or_null(q, 6, r->response);
	stmt_bind_i64(q, 7, now_ms);
	return stmt_run(q);
}
