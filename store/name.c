#include "store/name.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/buf.h"
#include "store/internal.h"

#define NAMES_MAX \
	2048 /* kept in memory: about 200 KiB; all are dropped when there are more \
	      */

enum { Q_FIND, Q_PUT, Q_TEXT, N_Q };

static const char *const sql[N_Q] = {
	[Q_FIND] = "SELECT nid FROM name WHERE text = ?1",
	[Q_PUT] = "INSERT INTO name (text) VALUES (?1) RETURNING nid",
	[Q_TEXT] = "SELECT text FROM name WHERE nid = ?1",
};
const struct stmt_table name_stmts = { "name", sql, N_Q };

struct name {
	int64_t nid;
	struct str text; /* behind the struct */
};

void name_init(struct store *st)
{
	map_init(&st->names_by_text);
	map_init(&st->names_by_nid);
}

void name_forget_all(struct store *st)
{
	struct name *n;
	size_t at = 0;

	while ((n = map_next(&st->names_by_text, &at)))
		free(n);
	map_deinit(&st->names_by_text);
	map_deinit(&st->names_by_nid);
}

static struct str nid_key(const int64_t *nid)
{
	return (struct str){ (const char *)nid, sizeof(*nid) };
}

static const struct name *keep(struct store *st, int64_t nid, struct str text)
{
	struct name *n;
	char *bytes;

	if (st->names_by_text.n >= NAMES_MAX)
		name_forget_all(st);
	n = xalloc(sizeof(*n) + text.n + 1);
	bytes = (char *)(n + 1);
	if (text.n)
		memcpy(bytes, text.p, text.n);
	n->nid = nid;
	n->text = (struct str){ bytes, text.n };
	(void)map_put(&st->names_by_text, n->text, n);
	(void)map_put(&st->names_by_nid, nid_key(&n->nid), n);
	return n;
}

enum err name_find(struct store *st, struct str text, int64_t *nid)
{
	const struct name *n = map_get(&st->names_by_text, text);
	CLEANUP(stmt_resetp) struct stmt *q = NULL;

	if (n) {
		*nid = n->nid;
		return ERR_OK;
	}
	q = stmt_get(st, T_NAME, Q_FIND);
	stmt_bind_str(q, 1, text);
	if (stmt_row(q))
		*nid = keep(st, stmt_i64(q, 0), text)->nid;
	else if (!stmt_err(q))
		*nid = 0;
	return stmt_err(q);
}

enum err name_intern(struct store *st, struct str text, int64_t *nid)
{
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	enum err err = name_find(st, text, nid);
	int64_t got;

	if (err || *nid)
		return err;
	q = stmt_get(st, T_NAME, Q_PUT);
	stmt_bind_str(q, 1, text);
	if (!stmt_row(q))
		return stmt_err(q) ? stmt_err(q) : ERR_CORRUPT;
	got = stmt_i64(q, 0);
	err = stmt_run(q);
	if (!err)
		*nid = keep(st, got, text)->nid;
	return err;
}

enum err name_text(struct store *st, int64_t nid, struct str *text)
{
	const struct name *n = map_get(&st->names_by_nid, nid_key(&nid));
	CLEANUP(stmt_resetp) struct stmt *q = NULL;

	if (!n) {
		q = stmt_get(st, T_NAME, Q_TEXT);
		stmt_bind_i64(q, 1, nid);
		if (!stmt_row(q))
			return stmt_err(q) ? stmt_err(q) : ERR_CORRUPT;
		n = keep(st, nid, stmt_str(q, 0));
	}
	*text = n->text;
	return ERR_OK;
}

enum err name_text_in(struct store *st, int64_t nid, struct arena *a, struct str *text)
{
	const struct name *n = map_get(&st->names_by_nid, nid_key(&nid));
	CLEANUP(stmt_resetp) struct stmt *q = NULL;

	if (n) {
		*text = arena_str(a, n->text);
		return ERR_OK;
	}
	q = stmt_get(st, T_NAME, Q_TEXT);
	stmt_bind_i64(q, 1, nid);
	if (!stmt_row(q))
		return stmt_err(q) ? stmt_err(q) : ERR_CORRUPT;
	*text = stmt_str_in(q, 0, a);
	return ERR_OK;
}

enum err name_list(
	struct store *st, struct stmt *q, struct arena *a, const struct str **out, size_t *n)
{
	CLEANUP(buf_deinit) struct buf found = { 0 };
	struct str *texts;

	while (stmt_row(q)) {
		struct str text;
		enum err err = name_text_in(st, stmt_i64(q, 0), a, &text);

		if (err)
			return err;
		buf_put(&found, &text, sizeof(text));
	}
	if (stmt_err(q))
		return stmt_err(q);
	*n = found.n / sizeof(*texts);
	texts = arena_alloc(a, found.n + 1);
	if (found.n)
		memcpy(texts, found.p, found.n);
	*out = texts;
	return ERR_OK;
}
