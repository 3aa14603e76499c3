#include "store/profile.h"

#include "store/db.h"
#include "store/list.h"

enum { Q_GET, Q_LIST, Q_PUT, Q_DELETE, Q_SEARCH, Q_SEARCH_ROOMS, N_Q };

/* A member event's field, where it is text. */
#define FIELD(name) \
	"CASE json_type(e.json, '$.content." name "') WHEN 'text' THEN" \
	" json_extract(e.json, '$.content." name "') END"

/* The first search walks all accounts of the node, which are a household's; the second all who
 * share a room. */
static const char *const sql[N_Q] = {
	[Q_GET] = "SELECT value FROM profile WHERE account = ?1 AND field = ?2",
	[Q_LIST] = "SELECT field, value FROM profile WHERE account = ?1 ORDER BY field",
	[Q_PUT] = "INSERT INTO profile (account, field, value) VALUES (?1, ?2, ?3)"
		  " ON CONFLICT (account, field) DO UPDATE SET value = ?3",
	[Q_DELETE] = "DELETE FROM profile WHERE account = ?1 AND field = ?2",
	[Q_SEARCH] = "SELECT a.user_id, json_extract(n.value, '$'), json_extract(p.value, '$')"
		     " FROM account a"
		     " LEFT JOIN profile n ON n.account = a.nid AND n.field = 'displayname'"
		     " LEFT JOIN profile p ON p.account = a.nid AND p.field = 'avatar_url'"
		     " WHERE a.is_deactivated = 0 AND (instr(lower(a.user_id), lower(?1)) > 0"
		     " OR instr(lower(json_extract(n.value, '$')), lower(?1)) > 0)"
		     " ORDER BY a.user_id LIMIT ?2",
	[Q_SEARCH_ROOMS] = "SELECT u.text, " FIELD("displayname") " AS name, " FIELD(
		"avatar_url") " FROM membership me JOIN membership m ON m.room = me.room"
			      " AND m.membership = 2 JOIN name u ON u.nid = m.user"
			      " JOIN event e ON e.nid = m.event"
			      " WHERE me.user = (SELECT nid FROM name WHERE text = ?3) AND "
			      "me.membership = 2"
			      " AND (instr(lower(u.text), lower(?1)) > 0 OR instr(lower(name), "
			      "lower(?1)) > 0)"
			      " GROUP BY u.text ORDER BY u.text LIMIT ?2",
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

static enum err collect(struct stmt *q, struct arena *a, struct str term, size_t limit,
	struct store_person **out, size_t *n)
{
	struct store_person *list = NULL;
	size_t used = 0, cap = 0;

	stmt_bind_str(q, 1, term);
	stmt_bind_i64(q, 2, (int64_t)limit);
	while (stmt_row(q))
		LIST_ADD(a, list, used, cap) = (struct store_person){ stmt_str_in(q, 0, a),
			stmt_str_in(q, 1, a), stmt_str_in(q, 2, a) };
	if (stmt_err(q))
		return stmt_err(q);
	*out = list;
	*n = used;
	return ERR_OK;
}

enum err store_profile_search(struct store *st, struct arena *a, struct str term, size_t limit,
	struct store_person **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PROFILE, Q_SEARCH);

	return collect(q, a, term, limit, out, n);
}

enum err store_profile_search_rooms(struct store *st, struct arena *a, struct str user_id,
	struct str term, size_t limit, struct store_person **out, size_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_PROFILE, Q_SEARCH_ROOMS);

	stmt_bind_str(q, 3, user_id);
	return collect(q, a, term, limit, out, n);
}
