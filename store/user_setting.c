#include "store/user_setting.h"

#include "store/db.h"
#include "store/name.h"

enum {
	Q_FILTER_PUT,
	Q_FILTER_GET,
	Q_RULES_PUT,
	Q_RULES_GET,
	Q_PRESENCE_PUT,
	Q_PRESENCE_GET,
	N_Q
};

static const char *const sql[N_Q] = {
	[Q_FILTER_PUT] = "INSERT INTO filter (user, filter_id, json) VALUES (?1, ?2, ?3)"
			 " ON CONFLICT (user, filter_id) DO NOTHING",
	[Q_FILTER_GET] = "SELECT json FROM filter WHERE user = ?1 AND filter_id = ?2",
	[Q_RULES_PUT] = "INSERT INTO push_rules (user, pos, json) VALUES (?1, ?2, ?3)"
			" ON CONFLICT (user) DO UPDATE SET pos = ?2, json = ?3",
	[Q_RULES_GET] = "SELECT json, pos FROM push_rules WHERE user = ?1",
	[Q_PRESENCE_PUT] = "INSERT INTO presence (user, status_msg) VALUES (?1, ?2)"
			   " ON CONFLICT (user) DO UPDATE SET status_msg = ?2",
	[Q_PRESENCE_GET] = "SELECT status_msg FROM presence WHERE user = ?1",
};

const struct stmt_table user_setting_stmts = { "user_setting", sql, N_Q };

enum err store_filter_put(
	struct store *st, struct str user_id, struct str filter_id, struct str json)
{
	int64_t user;
	enum err err = name_intern(st, user_id, &user);
	CLEANUP(stmt_resetp) struct stmt *q = NULL;

	if (err)
		return err;
	q = stmt_get(st, T_USER_SETTING, Q_FILTER_PUT);
	stmt_bind_i64(q, 1, user);
	stmt_bind_str(q, 2, filter_id);
	stmt_bind_str(q, 3, json);
	return stmt_run(q);
}

enum err store_filter_get(struct store *st, struct arena *a, struct str user_id,
	struct str filter_id, struct str *json)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t user;
	enum err err = name_find(st, user_id, &user);

	if (err)
		return err;
	q = stmt_get(st, T_USER_SETTING, Q_FILTER_GET);
	stmt_bind_i64(q, 1, user);
	stmt_bind_str(q, 2, filter_id);
	if (!stmt_row(q))
		return stmt_none(q);
	*json = stmt_str_in(q, 0, a);
	return ERR_OK;
}

enum err store_push_rules_put(
	struct store *st, struct str user_id, int64_t pos, struct str json)
{
	int64_t user;
	enum err err = name_intern(st, user_id, &user);
	CLEANUP(stmt_resetp) struct stmt *q = NULL;

	if (err)
		return err;
	q = stmt_get(st, T_USER_SETTING, Q_RULES_PUT);
	stmt_bind_i64(q, 1, user);
	stmt_bind_i64(q, 2, pos);
	stmt_bind_str(q, 3, json);
	return stmt_run(q);
}

/* The row of one user; json and presence texts are column 0. */
static enum err get_text(struct store *st, unsigned which, struct arena *a, struct str user_id,
	struct str *text, int64_t *number)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t user;
	enum err err = name_find(st, user_id, &user);

	if (err)
		return err;
	q = stmt_get(st, T_USER_SETTING, which);
	stmt_bind_i64(q, 1, user);
	if (!stmt_row(q))
		return stmt_none(q);
	*text = stmt_str_in(q, 0, a);
	if (number)
		*number = stmt_i64(q, 1);
	return ERR_OK;
}

enum err store_push_rules_get(
	struct store *st, struct arena *a, struct str user_id, int64_t *pos, struct str *json)
{
	return get_text(st, Q_RULES_GET, a, user_id, json, pos);
}

enum err store_presence_put(struct store *st, struct str user_id, struct str status_msg)
{
	int64_t user;
	enum err err = name_intern(st, user_id, &user);
	CLEANUP(stmt_resetp) struct stmt *q = NULL;

	if (err)
		return err;
	q = stmt_get(st, T_USER_SETTING, Q_PRESENCE_PUT);
	stmt_bind_i64(q, 1, user);
	stmt_bind_str(q, 2, status_msg);
	return stmt_run(q);
}

enum err store_presence_get(
	struct store *st, struct arena *a, struct str user_id, struct str *status_msg)
{
	return get_text(st, Q_PRESENCE_GET, a, user_id, status_msg, NULL);
}
