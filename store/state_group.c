/*
 * State groups.
 *
 * A group is (chain, seq), written as one number. A chain begins, at seq 0, with a snapshot of
 * a whole state or with what differs from its base group; each later seq holds what differs
 * from the one before:
 *
 *     chain 1   0 snapshot - 1 - 2 - 3 - 4        group of the newest event: chain 1, seq 4
 *                             \
 *     chain 2                  0 - 1              a fork: base is chain 1, seq 2
 *
 * Entries are keyed by (chain, type, state_key, seq): one entry of a state is one seek in each
 * chain down to the snapshot, a whole state one scan of each, of which at most a third is of
 * no use, because a snapshot is made when what changed since the last adds up to half of it
 * (in small states, to CHANGES_MIN). Bases lie at most DEPTH_MAX deep; then the next fork
 * copies what changed since the snapshot and stands on that.
 */
#include <assert.h>

#include "store/db.h"
#include "store/name.h"
#include "store/state_row.h"

#define SEQ_BITS    20
#define SEQ_MAX     ((INT64_C(1) << SEQ_BITS) - 1)
#define CHANGES_MIN 16
#define DEPTH_MAX   8

enum { Q_CHAIN_PUT, Q_CHAIN_GET, Q_CHAIN_GROW, Q_ENTRY_PUT, Q_ALL, Q_OF_TYPE, Q_ONE, N_Q };

static const char *const sql[N_Q] = {
	[Q_CHAIN_PUT] = "INSERT INTO state_chain (room, base, tip, whole, changed, depth)"
			" VALUES (?1, ?2, 0, ?3, ?4, ?5) RETURNING nid",
	[Q_CHAIN_GET] =
		"SELECT base, tip, whole, changed, depth FROM state_chain WHERE nid = ?1",
	[Q_CHAIN_GROW] = "UPDATE state_chain SET tip = ?2, changed = ?3 WHERE nid = ?1",
	[Q_ENTRY_PUT] = "INSERT INTO state_entry (chain, type, state_key, seq, event)"
			" VALUES (?1, ?2, ?3, ?4, ?5)",
	[Q_ALL] =
		"SELECT type, state_key, event FROM state_entry WHERE chain = ?1 AND seq <= ?2"
		" ORDER BY type, state_key, seq",
	[Q_OF_TYPE] = "SELECT type, state_key, event FROM state_entry WHERE chain = ?1"
		      " AND type = ?3 AND seq <= ?2 ORDER BY type, state_key, seq",
	[Q_ONE] = "SELECT event FROM state_entry WHERE chain = ?1 AND type = ?3"
		  " AND state_key = ?4 AND seq <= ?2 ORDER BY seq DESC LIMIT 1",
};
const struct stmt_table state_group_stmts = { "state_group", sql, N_Q };

struct chain {
	int64_t nid;
	int64_t base; /* a group; 0: the chain begins with a snapshot */
	int64_t tip;
	int64_t whole;
	int64_t changed;
	int64_t depth;
};

static int64_t chain_of(int64_t group)
{
	return group >> SEQ_BITS;
}

static int64_t seq_of(int64_t group)
{
	return group & SEQ_MAX;
}

static int64_t group_of(int64_t chain, int64_t seq)
{
	return chain << SEQ_BITS | seq;
}

static enum err chain_get(struct store *st, int64_t nid, struct chain *c)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE_GROUP, Q_CHAIN_GET);

	stmt_bind_i64(q, 1, nid);
	if (!stmt_row(q))
		return stmt_none(q);
	*c = (struct chain){ .nid = nid,
		.base = stmt_i64(q, 0),
		.tip = stmt_i64(q, 1),
		.whole = stmt_i64(q, 2),
		.changed = stmt_i64(q, 3),
		.depth = stmt_i64(q, 4) };
	return ERR_OK;
}

/* The groups to look at for one group, from itself down to the snapshot. */
struct path {
	int64_t groups[DEPTH_MAX + 2];
	size_t n;
};

static enum err path_of(struct store *st, int64_t group, struct path *p)
{
	p->n = 0;
	while (group) {
		struct chain c = { 0 };
		enum err err = chain_get(st, chain_of(group), &c);

		if (err)
			return err;
		if (p->n == sizeof(p->groups) / sizeof(p->groups[0]))
			return ERR_CORRUPT;
		p->groups[p->n++] = group;
		group = c.base;
	}
	return ERR_OK;
}

/* What one chain says at a group, of one type or (type 0) of all. */
static enum err chain_rows(
	struct store *st, int64_t group, int64_t type, struct state_rows *out)
{
	CLEANUP(stmt_resetp)
	struct stmt *q = stmt_get(st, T_STATE_GROUP, type ? Q_OF_TYPE : Q_ALL);

	stmt_bind_i64(q, 1, chain_of(group));
	stmt_bind_i64(q, 2, seq_of(group));
	if (type)
		stmt_bind_i64(q, 3, type);
	while (stmt_row(q)) {
		struct state_row row = { stmt_i64(q, 0), stmt_i64(q, 1), stmt_i64(q, 2), 0 };
		struct state_row *last = out->n ? &out->p[out->n - 1] : NULL;

		if (last && last->type == row.type && last->state_key == row.state_key)
			last->event = row.event;
		else
			state_rows_put(out, row);
	}
	return stmt_err(q);
}

/* The first n groups of a path, the last of them lowest, as one. */
static enum err path_rows(struct store *st, const struct path *p, size_t n, int64_t type,
	bool keep_gone, struct state_rows *out)
{
	for (size_t i = n; i-- > 0;) {
		CLEANUP(state_rows_deinit) struct state_rows over = { 0 };
		CLEANUP(state_rows_deinit) struct state_rows under = *out;
		enum err err = chain_rows(st, p->groups[i], type, &over);

		*out = (struct state_rows){ 0 };
		if (err)
			return err;
		state_rows_merge(&under, &over, keep_gone || i > 0, out);
	}
	return ERR_OK;
}

static enum err one(
	struct store *st, const struct path *p, int64_t type, int64_t state_key, int64_t *event)
{
	*event = 0;
	for (size_t i = 0; i < p->n; i++) {
		CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE_GROUP, Q_ONE);

		stmt_bind_i64(q, 1, chain_of(p->groups[i]));
		stmt_bind_i64(q, 2, seq_of(p->groups[i]));
		stmt_bind_i64(q, 3, type);
		stmt_bind_i64(q, 4, state_key);
		if (stmt_row(q)) {
			*event = stmt_i64(q, 0);
			return ERR_OK;
		}
		if (stmt_err(q))
			return stmt_err(q);
	}
	return ERR_OK;
}

static enum err put_entries(
	struct store *st, int64_t chain, int64_t seq, const struct state_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE_GROUP, Q_ENTRY_PUT);
		enum err err;

		stmt_bind_i64(q, 1, chain);
		stmt_bind_i64(q, 2, rows->p[i].type);
		stmt_bind_i64(q, 3, rows->p[i].state_key);
		stmt_bind_i64(q, 4, seq);
		stmt_bind_i64(q, 5, rows->p[i].event);
		err = stmt_run(q);
		if (err)
			return err;
	}
	return ERR_OK;
}

/* c: all but nid and tip. */
static enum err new_chain(struct store *st, int64_t room, const struct chain *c,
	const struct state_rows *rows, int64_t *group)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE_GROUP, Q_CHAIN_PUT);
	int64_t nid;
	enum err err;

	stmt_bind_i64(q, 1, room);
	stmt_bind_i64_or_null(q, 2, c->base);
	stmt_bind_i64(q, 3, c->whole);
	stmt_bind_i64(q, 4, c->changed);
	stmt_bind_i64(q, 5, c->depth);
	if (!stmt_row(q))
		return stmt_err(q) ? stmt_err(q) : ERR_CORRUPT;
	nid = stmt_i64(q, 0);
	err = stmt_run(q);
	if (!err)
		err = put_entries(st, nid, 0, rows);
	if (!err)
		*group = group_of(nid, 0);
	return err;
}

static enum err snapshot(struct store *st, int64_t room, const struct path *parent,
	const struct state_rows *changes, int64_t *group)
{
	CLEANUP(state_rows_deinit) struct state_rows before = { 0 };
	CLEANUP(state_rows_deinit) struct state_rows after = { 0 };
	enum err err = path_rows(st, parent, parent->n, 0, false, &before);

	if (err)
		return err;
	state_rows_merge(&before, changes, false, &after);
	return new_chain(st, room, &(struct chain){ .whole = (int64_t)after.n }, &after, group);
}

static enum err branch(struct store *st, int64_t room, const struct chain *from,
	const struct path *parent, const struct state_rows *changes, int64_t *group)
{
	CLEANUP(state_rows_deinit) struct state_rows since = { 0 };
	CLEANUP(state_rows_deinit) struct state_rows all = { 0 };
	struct chain c = { .base = parent->groups[0],
		.whole = from->whole,
		.changed = from->changed + (int64_t)changes->n,
		.depth = from->depth + 1 };
	enum err err;

	if (c.depth <= DEPTH_MAX)
		return new_chain(st, room, &c, changes, group);
	/* Too deep: everything since the snapshot again, on the snapshot itself. */
	err = path_rows(st, parent, parent->n - 1, 0, true, &since);
	if (err)
		return err;
	state_rows_merge(&since, changes, true, &all);
	c.base = parent->groups[parent->n - 1];
	c.depth = 1;
	return new_chain(st, room, &c, &all, group);
}

static enum err grow(struct store *st, const struct chain *c, const struct state_rows *changes,
	int64_t *group)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_STATE_GROUP, Q_CHAIN_GROW);
	enum err err = put_entries(st, c->nid, c->tip + 1, changes);

	if (err)
		return err;
	stmt_bind_i64(q, 1, c->nid);
	stmt_bind_i64(q, 2, c->tip + 1);
	stmt_bind_i64(q, 3, c->changed + (int64_t)changes->n);
	err = stmt_run(q);
	if (!err)
		*group = group_of(c->nid, c->tip + 1);
	return err;
}

/* Without what is so already. */
static enum err drop_same(struct store *st, const struct path *parent, struct state_rows *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->n; i++) {
		int64_t now;
		enum err err = one(st, parent, rows->p[i].type, rows->p[i].state_key, &now);

		if (err)
			return err;
		if (now != rows->p[i].event)
			rows->p[n++] = rows->p[i];
	}
	rows->n = n;
	return ERR_OK;
}

enum err store_state_group_new(struct store *st, struct str room_id, int64_t parent,
	const struct store_state *changes, size_t n, int64_t *group)
{
	CLEANUP(state_rows_deinit) struct state_rows rows = { 0 };
	struct path path = { .n = 0 };
	struct chain c = { 0 };
	int64_t room;
	int64_t limit;
	enum err err = name_find(st, room_id, &room);

	assert(store_in_transaction(st));
	if (!err && !room)
		err = ERR_NOT_FOUND;
	if (!err)
		err = state_rows_intern(st, changes, n, &rows);
	if (!err)
		err = path_of(st, parent, &path);
	if (!err)
		err = drop_same(st, &path, &rows);
	if (err)
		return err;
	if (!parent)
		return snapshot(st, room, &path, &rows, group);
	if (rows.n == 0) {
		*group = parent;
		return ERR_OK;
	}
	err = chain_get(st, chain_of(parent), &c);
	if (err)
		return err;
	limit = c.whole / 2 > CHANGES_MIN ? c.whole / 2 : CHANGES_MIN;
	if (c.changed + (int64_t)rows.n > limit)
		return snapshot(st, room, &path, &rows, group);
	if (seq_of(parent) == c.tip && c.tip < SEQ_MAX)
		return grow(st, &c, &rows, group);
	return branch(st, room, &c, &path, &rows, group);
}

static enum err read_keys(struct store *st, const struct path *p,
	const struct store_state_key *keys, size_t n, struct state_rows *out)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(state_rows_deinit) struct state_rows some = { 0 };
		struct state_row row = { 0 };
		enum err err = state_key_find(
			st, keys[i].type, keys[i].state_key, &row.type, &row.state_key);

		if (!err && row.type && keys[i].any_key)
			err = path_rows(st, p, p->n, row.type, false, &some);
		else if (!err && row.type && row.state_key)
			err = one(st, p, row.type, row.state_key, &row.event);
		if (err)
			return err;
		for (size_t j = 0; j < some.n; j++)
			state_rows_put(out, some.p[j]);
		if (row.event)
			state_rows_put(out, row);
	}
	state_rows_sort(out);
	return ERR_OK;
}

enum err state_group_rows(struct store *st, int64_t group, struct state_rows *out)
{
	struct path path;
	enum err err = path_of(st, group, &path);

	return err ? err : path_rows(st, &path, path.n, 0, false, out);
}

enum err store_state_group_size(struct store *st, int64_t group, int64_t *n)
{
	struct chain c = { 0 };
	enum err err;

	*n = 0;
	if (!group)
		return ERR_OK;
	err = chain_get(st, chain_of(group), &c);
	if (!err)
		*n = c.whole + c.changed;
	return err;
}

enum err store_state_group_events(
	struct store *st, struct arena *a, int64_t group, const int64_t **out, size_t *n)
{
	CLEANUP(state_rows_deinit) struct state_rows rows = { 0 };
	int64_t *nids;
	enum err err = state_group_rows(st, group, &rows);

	if (err)
		return err;
	nids = arena_calloc(a, rows.n + 1, sizeof(*nids));
	for (size_t i = 0; i < rows.n; i++)
		nids[i] = rows.p[i].event;
	*out = nids;
	*n = rows.n;
	return ERR_OK;
}

enum err store_state_group_read(struct store *st, struct arena *a, int64_t group,
	const struct store_state_key *keys, size_t n_keys, const struct store_state_entry **out,
	size_t *n)
{
	CLEANUP(state_rows_deinit) struct state_rows rows = { 0 };
	struct path path;
	enum err err = path_of(st, group, &path);

	if (!err)
		err = keys ? read_keys(st, &path, keys, n_keys, &rows)
			   : path_rows(st, &path, path.n, 0, false, &rows);
	return err ? err : state_rows_name(st, a, &rows, out, n);
}

enum err store_state_group_get(
	struct store *st, int64_t group, struct str type, struct str state_key, int64_t *event)
{
	struct path path;
	int64_t t;
	int64_t k;
	int64_t found = 0;
	enum err err = state_key_find(st, type, state_key, &t, &k);

	if (!err && (!t || !k))
		err = ERR_NOT_FOUND;
	if (!err)
		err = path_of(st, group, &path);
	if (!err)
		err = one(st, &path, t, k, &found);
	if (!err && !found)
		err = ERR_NOT_FOUND;
	if (!err)
		*event = found;
	return err;
}
