#include "store/membership.h"

#include <assert.h>

#include "node/base/buf.h"
#include "store/db.h"
#include "store/name.h"
#include "store/server_cache.h"

enum {
	Q_GET,
	Q_PUT,
	Q_FORGET,
	Q_ROOMS,
	Q_MEMBERS,
	Q_LOCAL_MEMBERS,
	Q_COUNT,
	Q_SERVER_ADD,
	Q_SERVER_DROP,
	Q_SERVERS,
	Q_SERVER_ROOMS,
	Q_SERVER_JOINED,
	Q_USER_SERVERS,
	Q_SHARE,
	Q_SHARING,
	Q_CHANGE_PUT,
	Q_CHANGES,
	Q_AT,
	N_Q
};

#define MEMBER_COLUMNS "m.room, m.user, m.membership, m.event, m.pos, m.forgotten, m.stripped"
#define JOINED         "m.membership = 2"

static const char *const sql[N_Q] = {
	[Q_GET] = "SELECT " MEMBER_COLUMNS " FROM membership m WHERE room = ?1 AND user = ?2",
	[Q_PUT] = "INSERT INTO membership"
		  " (room, user, server, membership, event, pos, local, forgotten, stripped)"
		  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
		  " ON CONFLICT (room, user) DO UPDATE SET membership = excluded.membership,"
		  " event = excluded.event, pos = excluded.pos,"
		  " forgotten = excluded.forgotten, stripped = excluded.stripped",
	[Q_FORGET] = "UPDATE membership SET forgotten = 1 WHERE room = ?1 AND user = ?2",
	[Q_ROOMS] = "SELECT " MEMBER_COLUMNS " FROM membership m"
		    " WHERE m.user = ?1 AND m.membership & ?2",
	[Q_MEMBERS] = "SELECT " MEMBER_COLUMNS " FROM membership m"
		      " WHERE m.room = ?1 AND m.membership & ?2",
	[Q_LOCAL_MEMBERS] = "SELECT " MEMBER_COLUMNS " FROM membership m"
			    " WHERE m.room = ?1 AND m.local = 1 AND m.membership & ?2",
	[Q_COUNT] = "SELECT count(*) FROM membership m WHERE m.room = ?1 AND m.membership & ?2",
	[Q_SERVER_ADD] = "INSERT INTO room_server (room, server, joined, since)"
			 " VALUES (?1, ?2, 1, ?3) ON CONFLICT (room, server) DO UPDATE SET"
			 " joined = joined + 1, since = iif(joined > 0, since, ?3)",
	[Q_SERVER_DROP] = "UPDATE room_server SET joined = joined - 1"
			  " WHERE room = ?1 AND server = ?2 AND joined > 0",
	[Q_SERVERS] = "SELECT server, joined FROM room_server WHERE room = ?1 AND joined > 0",
	[Q_SERVER_ROOMS] = "SELECT room FROM room_server WHERE server = ?1 AND joined > 0",
	[Q_SERVER_JOINED] = "SELECT 1 FROM room_server"
			    " WHERE room = ?1 AND server = ?2 AND joined > 0",
	[Q_USER_SERVERS] = "SELECT DISTINCT s.server FROM membership m"
			   " CROSS JOIN room_server s ON s.room = m.room"
			   " WHERE m.user = ?1 AND " JOINED " AND s.joined > 0",
	[Q_SHARE] = "SELECT 1 FROM membership m"
		    " CROSS JOIN membership o ON o.room = m.room AND o.user = ?2"
		    " WHERE m.user = ?1 AND " JOINED " AND o.membership = 2 LIMIT 1",
	[Q_SHARING] = "SELECT DISTINCT o.user FROM membership m"
		      " CROSS JOIN membership o ON o.room = m.room"
		      " WHERE m.user = ?1 AND " JOINED " AND o.membership = 2 AND o.user <> ?1",
	[Q_CHANGE_PUT] = "INSERT INTO membership_change"
			 " (user, pos, room, membership, before, event)"
			 " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
			 " ON CONFLICT (user, pos, room) DO UPDATE SET"
			 " membership = excluded.membership, event = excluded.event",
	[Q_CHANGES] = "SELECT room, membership, before, event, pos FROM membership_change"
		      " WHERE user = ?1 AND pos > ?2 AND pos <= ?3 ORDER BY pos",
	[Q_AT] = "SELECT membership, event FROM membership_change"
		 " WHERE user = ?1 AND pos <= ?2 AND room = ?3 ORDER BY pos DESC LIMIT 1",
};
const struct stmt_table membership_stmts = { "membership", sql, N_Q };

static const struct {
	enum membership m;
	struct str name;
} names[] = {
	{ MEMBERSHIP_INVITE, STR_INIT("invite") },
	{ MEMBERSHIP_JOIN, STR_INIT("join") },
	{ MEMBERSHIP_KNOCK, STR_INIT("knock") },
	{ MEMBERSHIP_LEAVE, STR_INIT("leave") },
	{ MEMBERSHIP_BAN, STR_INIT("ban") },
};

enum membership membership_parse(struct str s)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(s, names[i].name))
			return names[i].m;
	return MEMBERSHIP_NONE;
}

struct str membership_name(enum membership m)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].m == m)
			return names[i].name;
	return STR("");
}

static enum err member_row(
	struct store *st, struct stmt *q, struct arena *a, struct store_member *out)
{
	struct store_member m = { .membership = (enum membership)stmt_i64(q, 2),
		.event = stmt_i64(q, 3),
		.pos = stmt_i64(q, 4),
		.forgotten = stmt_i64(q, 5) != 0 };
	enum err err = name_text_in(st, stmt_i64(q, 0), a, &m.room_id);

	if (!err)
		err = name_text_in(st, stmt_i64(q, 1), a, &m.user_id);
	if (err)
		return err;
	m.stripped = stmt_str_in(q, 6, a);
	*out = m;
	return ERR_OK;
}

/* Numbers of two names; 0 for an unknown one, which nothing stored is about. */
static enum err find2(struct store *st, struct str a, struct str b, int64_t *na, int64_t *nb)
{
	enum err err = name_find(st, a, na);

	return err ? err : name_find(st, b, nb);
}

enum err store_membership_get(struct store *st, struct arena *a, struct str room_id,
	struct str user_id, struct store_member *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, Q_GET);
	int64_t room;
	int64_t user;
	enum err err = find2(st, room_id, user_id, &room, &user);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, user);
	if (!stmt_row(q))
		return stmt_none(q);
	return member_row(st, q, a, out);
}

enum membership store_membership_of(struct store *st, struct str room_id, struct str user_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, Q_GET);
	int64_t room;
	int64_t user;

	if (find2(st, room_id, user_id, &room, &user))
		return MEMBERSHIP_NONE;
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, user);
	return stmt_row(q) ? (enum membership)stmt_i64(q, 2) : MEMBERSHIP_NONE;
}

/* A member on the way into the table. */
struct changing {
	const struct store_member *m;
	int64_t room;
	int64_t user;
	int64_t server;
	bool local;
	enum membership before;
	int64_t pos;
};

static enum err put_row(struct store *st, const struct changing *c)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, Q_PUT);

	stmt_bind_i64(q, 1, c->room);
	stmt_bind_i64(q, 2, c->user);
	stmt_bind_i64(q, 3, c->server);
	stmt_bind_i64(q, 4, c->m->membership);
	stmt_bind_i64(q, 5, c->m->event);
	stmt_bind_i64(q, 6, c->pos);
	stmt_bind_i64(q, 7, c->local);
	stmt_bind_i64(q, 8, c->m->forgotten);
	stmt_bind_text_or_null(q, 9, c->m->stripped);
	return stmt_run(q);
}

static enum err count_server(struct store *st, unsigned which, const struct changing *c)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, which);

	server_cache_forget(st);
	stmt_bind_i64(q, 1, c->room);
	stmt_bind_i64(q, 2, c->server);
	if (which == Q_SERVER_ADD)
		stmt_bind_i64(q, 3, c->pos);
	return stmt_run(q);
}

static enum err put_change(struct store *st, const struct changing *c)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, Q_CHANGE_PUT);

	stmt_bind_i64(q, 1, c->user);
	stmt_bind_i64(q, 2, c->pos);
	stmt_bind_i64(q, 3, c->room);
	stmt_bind_i64(q, 4, c->m->membership);
	stmt_bind_i64(q, 5, c->before);
	stmt_bind_i64(q, 6, c->m->event);
	return stmt_run(q);
}

static enum err read_before(struct store *st, struct changing *c, int64_t *since)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, Q_GET);

	stmt_bind_i64(q, 1, c->room);
	stmt_bind_i64(q, 2, c->user);
	c->before = MEMBERSHIP_NONE;
	*since = 0;
	if (stmt_row(q)) {
		c->before = (enum membership)stmt_i64(q, 2);
		*since = stmt_i64(q, 4);
	}
	return stmt_err(q);
}

static enum err apply(struct store *st, struct changing *c)
{
	int64_t since;
	enum err err = read_before(st, c, &since);
	bool moved = c->before != c->m->membership;

	if (err)
		return err;
	if (!c->pos)
		c->pos = store_next_pos(st);
	if (!moved) {
		/* A new event of the same membership (a name changed): it is so since then. */
		struct changing same = *c;

		same.pos = since;
		return put_row(st, &same);
	}
	err = put_row(st, c);
	if (!err && c->before == MEMBERSHIP_JOIN)
		err = count_server(st, Q_SERVER_DROP, c);
	if (!err && c->m->membership == MEMBERSHIP_JOIN)
		err = count_server(st, Q_SERVER_ADD, c);
	if (!err && c->local)
		err = put_change(st, c);
	return err;
}

enum err store_membership_put(struct store *st, const struct store_member *m)
{
	struct changing c = { .m = m, .pos = m->pos };
	struct str server = str_skip(m->user_id, str_find(m->user_id, ':') + 1);
	enum err err = name_intern(st, m->room_id, &c.room);

	assert(store_in_transaction(st));
	if (!err)
		err = name_intern(st, m->user_id, &c.user);
	if (!err)
		err = name_intern(st, server, &c.server);
	if (err)
		return err;
	c.local = str_eq(server, store_server_name(st));
	err = apply(st, &c);
	if (err)
		return err;
	store_feed(st,
		&(struct feed_item){ .kind = FEED_MEMBERSHIP,
			.pos = c.pos,
			.room_id = m->room_id,
			.user_id = m->user_id });
	return ERR_OK;
}

enum err store_membership_forget(struct store *st, struct str room_id, struct str user_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, Q_FORGET);
	int64_t room;
	int64_t user;
	int64_t n = 0;
	enum err err = find2(st, room_id, user_id, &room, &user);

	if (err)
		return err;
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, user);
	err = stmt_run_changed(q, &n);
	return err || n ? err : ERR_NOT_FOUND;
}

static enum err visit(struct store *st, unsigned which, struct arena *a, struct str of,
	unsigned mask, store_member_fn *fn, void *arg)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, which);
	int64_t nid;
	enum err err = name_find(st, of, &nid);

	if (err || !nid)
		return err;
	stmt_bind_i64(q, 1, nid);
	stmt_bind_i64(q, 2, mask);
	while (stmt_row(q)) {
		struct store_member m;

		err = member_row(st, q, a, &m);
		if (err)
			return err;
		if (!fn(arg, &m))
			return ERR_OK;
	}
	return stmt_err(q);
}

enum err store_membership_rooms(struct store *st, struct arena *a, struct str user_id,
	unsigned mask, store_member_fn *fn, void *arg)
{
	return visit(st, Q_ROOMS, a, user_id, mask, fn, arg);
}

enum err store_membership_members(struct store *st, struct arena *a, struct str room_id,
	unsigned mask, store_member_fn *fn, void *arg)
{
	return visit(st, Q_MEMBERS, a, room_id, mask, fn, arg);
}

enum err store_membership_local_members(struct store *st, struct arena *a, struct str room_id,
	unsigned mask, store_member_fn *fn, void *arg)
{
	return visit(st, Q_LOCAL_MEMBERS, a, room_id, mask, fn, arg);
}

static enum err name_list_of(struct store *st, unsigned which, struct arena *a, struct str of,
	const struct str **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, which);
	int64_t nid;
	enum err err = name_find(st, of, &nid);

	if (err)
		return err;
	stmt_bind_i64(q, 1, nid);
	return name_list(st, q, a, out, n);
}

/* The servers of a room's members, and how many joined members they have together. */
static enum err read_servers(struct store *st, int64_t room, struct buf *nids, int64_t *joined)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, Q_SERVERS);

	*joined = 0;
	stmt_bind_i64(q, 1, room);
	while (stmt_row(q)) {
		int64_t nid = stmt_i64(q, 0);

		buf_put(nids, &nid, sizeof(nid));
		*joined += stmt_i64(q, 1);
	}
	return stmt_err(q);
}

static enum err find_servers(struct store *st, int64_t room, struct buf *nids, int64_t *joined)
{
	const struct room_servers *kept = server_cache_get(st, room);
	enum err err;

	if (kept) {
		buf_put(nids, kept->servers, kept->n * sizeof(kept->servers[0]));
		*joined = kept->joined;
		return ERR_OK;
	}
	err = read_servers(st, room, nids, joined);
	if (!err)
		server_cache_put(st, room, nids->p, nids->n / sizeof(int64_t), *joined);
	return err;
}

enum err store_membership_servers(struct store *st, struct arena *a, struct str room_id,
	const struct str **out, size_t *n)
{
	CLEANUP(buf_deinit) struct buf nids = { 0 };
	struct str *list;
	size_t found;
	int64_t room;
	int64_t joined;
	enum err err = name_find(st, room_id, &room);

	if (!err)
		err = find_servers(st, room, &nids, &joined);
	if (err)
		return err;
	found = nids.n / sizeof(int64_t);
	list = arena_calloc(a, found + 1, sizeof(*list));
	for (size_t i = 0; i < found; i++) {
		int64_t nid;

		memcpy(&nid, nids.p + i * sizeof(nid), sizeof(nid));
		err = name_text_in(st, nid, a, &list[i]);
		if (err)
			return err;
	}
	*out = list;
	*n = found;
	return ERR_OK;
}

/* Of each server's joined members there is a number already: a large room's are not counted. */
static enum err count_joined(struct store *st, int64_t room, unsigned *out)
{
	CLEANUP(buf_deinit) struct buf nids = { 0 };
	int64_t joined;
	enum err err = find_servers(st, room, &nids, &joined);

	if (!err)
		*out = (unsigned)joined;
	return err;
}

enum err store_membership_count(
	struct store *st, struct str room_id, unsigned mask, unsigned *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t room;
	enum err err = name_find(st, room_id, &room);

	if (err || mask == MEMBERSHIP_JOIN)
		return err ? err : count_joined(st, room, out);
	q = stmt_get(st, T_MEMBERSHIP, Q_COUNT);
	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 2, mask);
	if (stmt_row(q))
		*out = (unsigned)stmt_i64(q, 0);
	return stmt_err(q);
}

enum err store_membership_server_rooms(
	struct store *st, struct arena *a, struct str server, const struct str **out, size_t *n)
{
	return name_list_of(st, Q_SERVER_ROOMS, a, server, out, n);
}

enum err store_membership_user_servers(struct store *st, struct arena *a, struct str user_id,
	const struct str **out, size_t *n)
{
	return name_list_of(st, Q_USER_SERVERS, a, user_id, out, n);
}

enum err store_membership_sharing(struct store *st, struct arena *a, struct str user_id,
	const struct str **out, size_t *n)
{
	return name_list_of(st, Q_SHARING, a, user_id, out, n);
}

static bool any(struct store *st, unsigned which, struct str a, struct str b)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, which);
	int64_t na;
	int64_t nb;

	if (find2(st, a, b, &na, &nb))
		return false;
	stmt_bind_i64(q, 1, na);
	stmt_bind_i64(q, 2, nb);
	return stmt_row(q);
}

bool store_membership_server_joined(struct store *st, struct str room_id, struct str server)
{
	return any(st, Q_SERVER_JOINED, room_id, server);
}

bool store_membership_share(struct store *st, struct str a, struct str b)
{
	return any(st, Q_SHARE, a, b);
}

enum err store_membership_changes(struct store *st, struct arena *a, struct str user_id,
	int64_t from, int64_t to, const struct store_member_change **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, Q_CHANGES);
	CLEANUP(buf_deinit) struct buf found = { 0 };
	struct store_member_change *copy;
	int64_t user;
	enum err err = name_find(st, user_id, &user);

	if (err)
		return err;
	stmt_bind_i64(q, 1, user);
	stmt_bind_i64(q, 2, from);
	stmt_bind_i64(q, 3, to);
	while (stmt_row(q)) {
		struct store_member_change c = { .membership = (enum membership)stmt_i64(q, 1),
			.before = (enum membership)stmt_i64(q, 2),
			.event = stmt_i64(q, 3),
			.pos = stmt_i64(q, 4) };

		err = name_text_in(st, stmt_i64(q, 0), a, &c.room_id);
		if (err)
			return err;
		buf_put(&found, &c, sizeof(c));
	}
	if (stmt_err(q))
		return stmt_err(q);
	copy = arena_alloc(a, found.n + 1);
	if (found.n)
		memcpy(copy, found.p, found.n);
	*out = copy;
	*n = found.n / sizeof(*copy);
	return ERR_OK;
}

enum err store_membership_at(struct store *st, struct str room_id, struct str user_id,
	int64_t pos, enum membership *out, int64_t *event)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEMBERSHIP, Q_AT);
	int64_t room;
	int64_t user;
	enum err err = find2(st, room_id, user_id, &room, &user);

	if (err)
		return err;
	stmt_bind_i64(q, 1, user);
	stmt_bind_i64(q, 2, pos);
	stmt_bind_i64(q, 3, room);
	if (stmt_row(q)) {
		*out = (enum membership)stmt_i64(q, 0);
		*event = stmt_i64(q, 1);
	} else if (!stmt_err(q)) {
		*out = MEMBERSHIP_NONE;
		*event = 0;
	}
	return stmt_err(q);
}
