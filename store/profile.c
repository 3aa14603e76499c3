#include "store/profile.h"

#include "store/db.h"
#include "store/list.h"

enum { Q_GET, Q_LIST, Q_PUT, Q_DELETE, Q_ACCOUNTS, Q_ROOMS, Q_MEMBERS, N_Q };

/* A member event's field, where it is text. */
#define FIELD(name) \
	"CASE json_type(e.json, '$.content." name "') WHEN 'text' THEN" \
	" json_extract(e.json, '$.content." name "') END"

/* The current state event of a room r with this type and an empty state key. */
#define STATE(alias, type) \
	"SELECT 1 FROM state_current s JOIN event " alias " ON " alias ".nid = s.event" \
	" WHERE s.room = r.nid AND s.type = (SELECT nid FROM name WHERE text = '" type "')" \
	" AND s.state_key = (SELECT nid FROM name WHERE text = '')"

static const char *const sql[N_Q] = {
	[Q_GET] = "SELECT value FROM profile WHERE account = ?1 AND field = ?2",
	[Q_LIST] = "SELECT field, value FROM profile WHERE account = ?1 ORDER BY field",
	[Q_PUT] = "INSERT INTO profile (account, field, value) VALUES (?1, ?2, ?3)"
		  " ON CONFLICT (account, field) DO UPDATE SET value = ?3",
	[Q_DELETE] = "DELETE FROM profile WHERE account = ?1 AND field = ?2",
	[Q_ACCOUNTS] =
		"SELECT 0, a.user_id, json_extract(n.value, '$'), json_extract(p.value, '$')"
		" FROM account a"
		" LEFT JOIN profile n ON n.account = a.nid AND n.field = 'displayname'"
		" LEFT JOIN profile p ON p.account = a.nid AND p.field = 'avatar_url'"
		" WHERE a.user_id > ?1 AND a.is_deactivated = 0"
		" ORDER BY a.user_id LIMIT ?2",
	[Q_ROOMS] =
		"SELECT r.nid FROM room r WHERE EXISTS (SELECT 1 FROM membership m"
		" WHERE m.room = r.nid AND m.membership = 2"
		" AND m.user = (SELECT nid FROM name WHERE text = ?1))"
		" OR (EXISTS (SELECT 1 FROM membership l WHERE l.room = r.nid"
		" AND l.local = 1 AND l.membership = 2)"
		" AND (EXISTS (" STATE("j",
			"m.room.join_rules") " AND json_extract(j.json, '$.content.join_rule') "
					     "= 'public')"
					     " OR EXISTS (" STATE("v",
						     "m.room.history_visibility") " AND "
										  "json_"
										  "extract(v."
										  "json, "
										  "'$.content."
										  "history_"
										  "visibility')"
										  " = "
										  "'world_"
										  "readable'))"
										  ")",
	[Q_MEMBERS] = "SELECT m.user, u.text, " FIELD("displayname") ", " FIELD(
		"avatar_url") " FROM membership m JOIN name u ON u.nid = m.user"
			      " JOIN event e ON e.nid = m.event"
			      " WHERE m.room = ?1 AND m.user > ?3 AND m.membership = 2"
			      " ORDER BY m.user LIMIT ?2",
};

const struct stmt_table profile_stmts = { "profile", sql, N_Q };

enum err store_profile_get(
	struct store *st, struct arena *a, int64_t account, struct str field, struct str *value)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PROFILE, Q_GET);

	stmt_bind_i64(q, 1, account);
	stmt_bind_str(q, 2, field);
	if (!stmt_row(q))
		return stmt_none(q);
	*value = stmt_str_in(q, 0, a);
	return ERR_OK;
}

enum err store_profile_list(struct store *st, struct arena *a, int64_t account,
	struct store_profile_field **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PROFILE, Q_LIST);
	struct store_profile_field *list = NULL;
	size_t used = 0, cap = 0;

	stmt_bind_i64(q, 1, account);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) =
			(struct store_profile_field){ stmt_str_in(q, 0, a),
				stmt_str_in(q, 1, a) };
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}

enum err store_profile_put(
	struct store *st, int64_t account, struct str field, struct str value)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PROFILE, Q_PUT);

	stmt_bind_i64(q, 1, account);
	stmt_bind_str(q, 2, field);
	stmt_bind_str(q, 3, value);
	return stmt_run(q);
}

enum err store_profile_delete(struct store *st, int64_t account, struct str field)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PROFILE, Q_DELETE);

	stmt_bind_i64(q, 1, account);
	stmt_bind_str(q, 2, field);
	return stmt_run(q);
}

static enum err collect(
	struct stmt *q, struct arena *a, size_t limit, struct store_person **out, size_t *n)
{
	struct store_person *list = NULL;
	size_t used = 0, cap = 0;

	stmt_bind_i64(q, 2, (int64_t)limit);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) = (struct store_person){ .nid = stmt_i64(q, 0),
			.user_id = stmt_str_in(q, 1, a),
			.displayname = stmt_str_in(q, 2, a),
			.avatar_url = stmt_str_in(q, 3, a) };
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}

enum err store_profile_accounts(struct store *st, struct arena *a, struct str after,
	size_t limit, struct store_person **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PROFILE, Q_ACCOUNTS);

	stmt_bind_str(q, 1, after);
	return collect(q, a, limit, out, n);
}

enum err store_profile_rooms(
	struct store *st, struct arena *a, struct str user_id, int64_t **rooms, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PROFILE, Q_ROOMS);
	int64_t *list = NULL;
	size_t used = 0, cap = 0;

	stmt_bind_str(q, 1, user_id);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) = stmt_i64(q, 0);
	if (stmt_err(q))
		return stmt_err(q);
	*rooms = list;
	*n = used;
	return ERR_OK;
}

enum err store_profile_members(struct store *st, struct arena *a, int64_t room, int64_t after,
	size_t limit, struct store_person **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PROFILE, Q_MEMBERS);

	stmt_bind_i64(q, 1, room);
	stmt_bind_i64(q, 3, after);
	return collect(q, a, limit, out, n);
}
