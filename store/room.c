#include "store/room.h"

#include <assert.h>

#include "node/base/buf.h"
#include "store/auth_nid.h"
#include "store/db.h"
#include "store/event.h"
#include "store/event_index.h"
#include "store/event_key.h"
#include "store/name.h"
#include "store/server_cache.h"

enum {
	Q_PUT,
	Q_GET,
	Q_EACH,
	Q_EACH_PUBLISHED,
	Q_SET_PUBLISHED,
	Q_SET_STATE_GROUP,
	Q_EXTREMITIES,
	Q_EXTREMITIES_CLEAR,
	Q_EXTREMITY_PUT,
	Q_MISSING,
	Q_ALIAS_PUT,
	Q_ALIAS_GET,
	Q_ALIAS_DELETE,
	Q_ALIASES,
	/* store_room_purge() runs all from here on, in this order. */
	Q_PURGE_FIRST,
	Q_PURGE_RELATIONS = Q_PURGE_FIRST,
	Q_PURGE_PROMOTED,
	Q_PURGE_MISSING,
	Q_PURGE_EVENTS,
	Q_PURGE_EXTREMITIES,
	Q_PURGE_ALIASES,
	Q_PURGE_ENTRIES,
	Q_PURGE_CHAINS,
	Q_PURGE_CURRENT,
	Q_PURGE_DELTAS,
	Q_PURGE_MEMBERS,
	Q_PURGE_CHANGES,
	Q_PURGE_SERVERS,
	Q_PURGE_ROOM,
	N_Q
};

#define ROOM_COLUMNS "nid, version, partial, published, state_group"

static const char *const sql[N_Q] = {
	[Q_PUT] = "INSERT INTO room (nid, version, partial) VALUES (?1, ?2, ?3)"
		  " ON CONFLICT (nid) DO UPDATE SET partial = min(partial, excluded.partial)",
	[Q_GET] = "SELECT " ROOM_COLUMNS " FROM room WHERE nid = ?1",
	[Q_EACH] = "SELECT " ROOM_COLUMNS " FROM room",
	[Q_EACH_PUBLISHED] = "SELECT " ROOM_COLUMNS " FROM room WHERE published = 1",
	[Q_SET_PUBLISHED] = "UPDATE room SET published = ?2 WHERE nid = ?1",
	[Q_SET_STATE_GROUP] = "UPDATE room SET state_group = ?2 WHERE nid = ?1",
	[Q_EXTREMITIES] = "SELECT e.nid, e.event_id, e.flags, e.depth, e.state_before,"
			  " e.state_after FROM room_extremity x"
			  " CROSS JOIN event e ON e.nid = x.event WHERE x.room = ?1"
			  " ORDER BY x.event",
	[Q_EXTREMITIES_CLEAR] = "DELETE FROM room_extremity WHERE room = ?1",
	[Q_EXTREMITY_PUT] =
		"INSERT OR IGNORE INTO room_extremity (room, event) VALUES (?1, ?2)",
	[Q_MISSING] = "SELECT m.event_id, e.flags, e.nid, e.pos, e.depth FROM event_missing m"
		      " CROSS JOIN event e ON e.nid = m.child"
		      " WHERE m.room = ?1 AND e.pos <= ?2 ORDER BY e.pos DESC LIMIT ?3",
	[Q_ALIAS_PUT] = "INSERT INTO room_alias (alias, room, creator) VALUES (?1, ?2, ?3)",
	[Q_ALIAS_GET] = "SELECT room, creator FROM room_alias WHERE alias = ?1",
	[Q_ALIAS_DELETE] = "DELETE FROM room_alias WHERE alias = ?1",
	[Q_ALIASES] = "SELECT alias, creator FROM room_alias WHERE room = ?1 ORDER BY alias",
	[Q_PURGE_RELATIONS] = "DELETE FROM event_relation"
			      " WHERE child IN (SELECT nid FROM event WHERE room = ?1)",
	[Q_PURGE_PROMOTED] = "DELETE FROM event_promoted"
			     " WHERE event IN (SELECT nid FROM event WHERE room = ?1)",
	[Q_PURGE_MISSING] = "DELETE FROM event_missing WHERE room = ?1",
	[Q_PURGE_EVENTS] = "DELETE FROM event WHERE room = ?1",
	[Q_PURGE_EXTREMITIES] = "DELETE FROM room_extremity WHERE room = ?1",
	[Q_PURGE_ALIASES] = "DELETE FROM room_alias WHERE room = ?1",
	[Q_PURGE_ENTRIES] = "DELETE FROM state_entry"
			    " WHERE chain IN (SELECT nid FROM state_chain WHERE room = ?1)",
	[Q_PURGE_CHAINS] = "DELETE FROM state_chain WHERE room = ?1",
	[Q_PURGE_CURRENT] = "DELETE FROM state_current WHERE room = ?1",
	[Q_PURGE_DELTAS] = "DELETE FROM state_delta WHERE room = ?1",
	[Q_PURGE_MEMBERS] = "DELETE FROM membership WHERE room = ?1",
	[Q_PURGE_CHANGES] = "DELETE FROM membership_change WHERE room = ?1",
	[Q_PURGE_SERVERS] = "DELETE FROM room_server WHERE room = ?1",
	[Q_PURGE_ROOM] = "DELETE FROM room WHERE nid = ?1",
};
const struct stmt_table room_stmts = { "room", sql, N_Q };

enum err store_room_put(struct store *st, struct str room_id, struct str version, bool partial)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ROOM, Q_PUT);
	int64_t room;
	enum err err = name_intern(st, room_id, &room);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	stmt_bind_str(q, 2, version);
	stmt_bind_i64(q, 3, partial);
	return stmt_run(q);
}

static enum err room_row(
	struct store *st, struct stmt *q, struct arena *a, struct store_room *out)
{
	struct store_room r = { .nid = stmt_i64(q, 0),
		.version = stmt_str_in(q, 1, a),
		.partial = stmt_i64(q, 2) != 0,
		.published = stmt_i64(q, 3) != 0,
		.state_group = stmt_i64(q, 4) };
	enum err err = name_text_in(st, r.nid, a, &r.room_id);

	if (!err)
		*out = r;
	return err;
}

enum err store_room_get(
	struct store *st, struct arena *a, struct str room_id, struct store_room *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ROOM, Q_GET);
	int64_t room;
	enum err err = name_find(st, room_id, &room);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	if (!stmt_row(q))
		return stmt_none(q);
	return room_row(st, q, a, out);
}

static enum err set(struct store *st, unsigned which, struct str room_id, int64_t value)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ROOM, which);
	int64_t room;
	int64_t n = 0;
	enum err err = name_find(st, room_id, &room);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64_or_null(q, 2, value);
	if (which == Q_SET_PUBLISHED)
		stmt_bind_i64(q, 2, value);
	err = stmt_run_changed(q, &n);
	return err || n ? err : ERR_NOT_FOUND;
}

enum err store_room_set_published(struct store *st, struct str room_id, bool yes)
{
	return set(st, Q_SET_PUBLISHED, room_id, yes);
}

enum err store_room_set_state_group(struct store *st, struct str room_id, int64_t group)
{
	return set(st, Q_SET_STATE_GROUP, room_id, group);
}

enum err store_room_purge(struct store *st, struct str room_id)
{
	int64_t room;
	enum err err = name_find(st, room_id, &room);

	assert(store_in_transaction(st));
	if (!err)
		err = event_index_remove_room(st, room);
	for (unsigned i = Q_PURGE_FIRST; !err && i < N_Q; i++) {
		CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ROOM, i);

		stmt_bind_i64(q, 1, room);
		err = stmt_run(q);
	}
	auth_nid_forget_all(st);
	server_cache_forget(st);
	return err;
}

enum err store_room_each(
	struct store *st, struct arena *a, bool published_only, store_room_fn *fn, void *arg)
{
	CLEANUP(stmt_resetp)
	struct stmt *q = stmt_get(st, T_ROOM, published_only ? Q_EACH_PUBLISHED : Q_EACH);

	while (stmt_row(q)) {
		struct store_room r;
		enum err err = room_row(st, q, a, &r);

		if (err)
			return err;
		if (!fn(arg, &r))
			return ERR_OK;
	}
	return stmt_err(q);
}

/* A list of what buf holds, in a. */
static const void *list(struct arena *a, const struct buf *b, size_t size, size_t *n)
{
	void *copy = arena_alloc(a, b->n + 1);

	if (b->n)
		memcpy(copy, b->p, b->n);
	*n = b->n / size;
	return copy;
}

enum err store_room_extremities(struct store *st, struct arena *a, struct str room_id,
	const struct store_extremity **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ROOM, Q_EXTREMITIES);
	CLEANUP(buf_deinit) struct buf found = { 0 };
	int64_t room;
	enum err err = name_find(st, room_id, &room);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	while (stmt_row(q)) {
		struct store_extremity x = { .nid = stmt_i64(q, 0),
			.event_id = event_key_text(a, stmt_str(q, 1), (unsigned)stmt_i64(q, 2)),
			.depth = stmt_i64(q, 3),
			.state_after = stmt_i64(q, stmt_is_null(q, 5) ? 4 : 5) };

		buf_put(&found, &x, sizeof(x));
	}
	if (stmt_err(q))
		return stmt_err(q);
	*out = list(a, &found, sizeof(**out), n);
	return ERR_OK;
}

enum err store_room_set_extremities(
	struct store *st, struct str room_id, const struct str *event_ids, size_t n)
{
	CLEANUP(stmt_resetp) struct stmt *clear = stmt_get(st, T_ROOM, Q_EXTREMITIES_CLEAR);
	CLEANUP(stmt_resetp) struct stmt *put = stmt_get(st, T_ROOM, Q_EXTREMITY_PUT);
	int64_t room;
	enum err err = name_find(st, room_id, &room);

	if (!err) {
		stmt_bind_i64(clear, 1, room);
		err = stmt_run(clear);
	}
	for (size_t i = 0; !err && i < n; i++) {
		int64_t nid;

		err = store_event_find(st, event_ids[i], &nid, NULL);
		if (err)
			return err;
		stmt_bind_i64(put, 1, room);
		stmt_bind_i64(put, 2, nid);
		err = stmt_run(put);
	}
	return err;
}

enum err store_room_missing(struct store *st, struct arena *a, struct str room_id, int64_t upto,
	unsigned limit, const struct store_missing **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ROOM, Q_MISSING);
	CLEANUP(buf_deinit) struct buf found = { 0 };
	int64_t room;
	enum err err = name_find(st, room_id, &room);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, upto);
	stmt_bind_i64(q, 3, limit);
	while (stmt_row(q)) {
		/* The child's room version is the missing event's, so is its alphabet. */
		struct store_missing m = { .event_id = event_key_text(
						   a, stmt_str(q, 0), (unsigned)stmt_i64(q, 1)),
			.child = stmt_i64(q, 2),
			.child_pos = stmt_i64(q, 3),
			.child_depth = stmt_i64(q, 4) };

		buf_put(&found, &m, sizeof(m));
	}
	if (stmt_err(q))
		return stmt_err(q);
	*out = list(a, &found, sizeof(**out), n);
	return ERR_OK;
}

enum err store_room_alias_put(
	struct store *st, struct str alias, struct str room_id, struct str creator)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ROOM, Q_ALIAS_PUT);
	int64_t room;
	int64_t user = 0;
	enum err err = name_find(st, room_id, &room);

	if (!err)
		err = room ? name_intern(st, creator, &user) : ERR_NOT_FOUND;
	if (err)
		return err;
	stmt_bind_str(q, 1, alias);
	stmt_bind_i64(q, 2, room);
	stmt_bind_i64(q, 3, user);
	return stmt_run(q);
}

enum err store_room_alias_get(
	struct store *st, struct arena *a, struct str alias, struct store_alias *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ROOM, Q_ALIAS_GET);
	struct store_alias found = { .alias = arena_str(a, alias) };
	enum err err;

	stmt_bind_str(q, 1, alias);
	if (!stmt_row(q))
		return stmt_none(q);
	err = name_text_in(st, stmt_i64(q, 0), a, &found.room_id);
	if (!err)
		err = name_text_in(st, stmt_i64(q, 1), a, &found.creator);
	if (!err)
		*out = found;
	return err;
}

enum err store_room_alias_delete(struct store *st, struct str alias)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ROOM, Q_ALIAS_DELETE);
	int64_t n = 0;
	enum err err;

	stmt_bind_str(q, 1, alias);
	err = stmt_run_changed(q, &n);
	return err || n ? err : ERR_NOT_FOUND;
}

enum err store_room_aliases(struct store *st, struct arena *a, struct str room_id,
	const struct store_alias **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_ROOM, Q_ALIASES);
	CLEANUP(buf_deinit) struct buf found = { 0 };
	int64_t room;
	enum err err = name_find(st, room_id, &room);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	while (stmt_row(q)) {
		struct store_alias alias = { .alias = stmt_str_in(q, 0, a),
			.room_id = room_id };

		err = name_text_in(st, stmt_i64(q, 1), a, &alias.creator);
		if (err)
			return err;
		buf_put(&found, &alias, sizeof(alias));
	}
	if (stmt_err(q))
		return stmt_err(q);
	*out = list(a, &found, sizeof(**out), n);
	return ERR_OK;
}
