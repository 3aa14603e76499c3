#include "store/media.h"

#include "store/db.h"
#include "store/name.h"

enum {
	Q_PUT,
	Q_FILL,
	Q_GET,
	Q_USED,
	Q_EXPIRE,
	Q_PENDING,
	Q_THUMB_PUT,
	Q_THUMB_GET,
	Q_THUMB_USED,
	Q_CACHED,
	Q_OLDEST,
	Q_THUMB_OLDEST,
	Q_DELETE,
	Q_THUMB_DELETE,
	Q_HASH,
	Q_THUMB_HASH,
	N_Q
};

#define MEDIA \
	"m.server, m.media_id, m.hash, m.size, m.content_type, m.filename," \
	" coalesce(u.text, ''), m.created_ts, m.used_ts" \
	" FROM media m LEFT JOIN name u ON u.nid = m.user"
#define THUMB \
	"server, media_id, width, height, crop, hash, size, content_type, used_ts" \
	" FROM media_thumbnail"
#define THIS_THUMB "server = ?1 AND media_id = ?2 AND width = ?3 AND height = ?4 AND crop = ?5"

static const char *const sql[N_Q] = {
	[Q_PUT] = "INSERT INTO media (server, media_id, hash, size, content_type, filename,"
		  " user, created_ts, used_ts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[Q_FILL] = "UPDATE media SET hash = ?3, size = ?4, content_type = ?5, filename = ?6,"
		   " used_ts = ?7 WHERE server = ?1 AND media_id = ?2 AND hash IS NULL",
	[Q_GET] = "SELECT " MEDIA " WHERE m.server = ?1 AND m.media_id = ?2",
	[Q_USED] = "UPDATE media SET used_ts = ?3 WHERE server = ?1 AND media_id = ?2",
	[Q_EXPIRE] = "DELETE FROM media WHERE hash IS NULL AND user = ?1 AND created_ts <= ?2",
	[Q_PENDING] = "SELECT count(*) FROM media WHERE hash IS NULL AND user = ?1",
	[Q_THUMB_PUT] = "INSERT INTO media_thumbnail (server, media_id, width, height, crop,"
			" hash, size, content_type, used_ts)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
			" ON CONFLICT (server, media_id, width, height, crop) DO UPDATE SET"
			" hash = ?6, size = ?7, content_type = ?8, used_ts = ?9",
	[Q_THUMB_GET] = "SELECT " THUMB " WHERE " THIS_THUMB,
	[Q_THUMB_USED] = "UPDATE media_thumbnail SET used_ts = ?6 WHERE " THIS_THUMB,
	[Q_CACHED] = "SELECT (SELECT coalesce(sum(size), 0) FROM media WHERE server <> '')"
		     " + (SELECT coalesce(sum(size), 0) FROM media_thumbnail)",
	[Q_OLDEST] = "SELECT " MEDIA " WHERE m.server <> '' ORDER BY m.used_ts LIMIT 1",
	[Q_THUMB_OLDEST] = "SELECT " THUMB " ORDER BY used_ts LIMIT 1",
	[Q_DELETE] = "DELETE FROM media WHERE server = ?1 AND media_id = ?2",
	[Q_THUMB_DELETE] = "DELETE FROM media_thumbnail WHERE " THIS_THUMB,
	[Q_HASH] = "SELECT EXISTS (SELECT 1 FROM media WHERE hash = ?1)",
	[Q_THUMB_HASH] = "SELECT EXISTS (SELECT 1 FROM media_thumbnail WHERE hash = ?1)",
};

const struct stmt_table media_stmts = { "media", sql, N_Q };

static void bind_key(struct stmt *q, struct str server, struct str media_id)
{
	stmt_bind_str(q, 1, server);
	stmt_bind_str(q, 2, media_id);
}

static void bind_hash(struct stmt *q, int at, struct str hash)
{
	if (hash.n)
		stmt_bind_blob(q, at, hash);
	else
		stmt_bind_null(q, at);
}

enum err store_media_put(struct store *st, const struct store_media *m)
{
	int64_t user = 0;
	enum err err = m->user_id.n ? name_intern(st, m->user_id, &user) : ERR_OK;
	CLEANUP(stmt_resetp) struct stmt *q = NULL;

	if (err)
		return err;
	q = stmt_get(st, T_MEDIA, Q_PUT);
	bind_key(q, m->server, m->media_id);
	bind_hash(q, 3, m->hash);
	stmt_bind_i64(q, 4, m->size);
	stmt_bind_str(q, 5, m->content_type);
	stmt_bind_str(q, 6, m->filename);
	stmt_bind_i64(q, 7, user);
	stmt_bind_i64(q, 8, m->created_ts);
	stmt_bind_i64(q, 9, m->used_ts);
	return stmt_run(q);
}

enum err store_media_fill(struct store *st, const struct store_media *m)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEDIA, Q_FILL);
	int64_t changed = 0;
	enum err err;

	bind_key(q, m->server, m->media_id);
	stmt_bind_blob(q, 3, m->hash);
	stmt_bind_i64(q, 4, m->size);
	stmt_bind_str(q, 5, m->content_type);
	stmt_bind_str(q, 6, m->filename);
	stmt_bind_i64(q, 7, m->used_ts);
	err = stmt_run_changed(q, &changed);
	if (!err && !changed)
		return ERR_NOT_FOUND;
	return err;
}

static struct store_media media_of(struct stmt *q, struct arena *a)
{
	return (struct store_media){
		.server = stmt_str_in(q, 0, a),
		.media_id = stmt_str_in(q, 1, a),
		.hash = stmt_str_in(q, 2, a),
		.size = stmt_i64(q, 3),
		.content_type = stmt_str_in(q, 4, a),
		.filename = stmt_str_in(q, 5, a),
		.user_id = stmt_str_in(q, 6, a),
		.created_ts = stmt_i64(q, 7),
		.used_ts = stmt_i64(q, 8),
	};
}

enum err store_media_get(struct store *st, struct arena *a, struct str server,
	struct str media_id, struct store_media *out)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEDIA, Q_GET);

	bind_key(q, server, media_id);
	if (!stmt_row(q))
		return stmt_none(q);
	*out = media_of(q, a);
	return ERR_OK;
}

enum err store_media_used(struct store *st, struct str server, struct str media_id, int64_t now)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEDIA, Q_USED);

	bind_key(q, server, media_id);
	stmt_bind_i64(q, 3, now);
	return stmt_run(q);
}

enum err store_media_pending(struct store *st, struct str user_id, int64_t after, int64_t *n)
{
	CLEANUP(stmt_resetp) struct stmt *count = NULL;
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	int64_t user;
	enum err err = name_intern(st, user_id, &user);

	if (err)
		return err;
	q = stmt_get(st, T_MEDIA, Q_EXPIRE);
	stmt_bind_i64(q, 1, user);
	stmt_bind_i64(q, 2, after);
	err = stmt_run(q);
	if (err)
		return err;
	count = stmt_get(st, T_MEDIA, Q_PENDING);
	stmt_bind_i64(count, 1, user);
	if (!stmt_row(count))
		return stmt_none(count);
	*n = stmt_i64(count, 0);
	return ERR_OK;
}

static void bind_thumbnail(struct stmt *q, const struct store_thumbnail *t)
{
	bind_key(q, t->server, t->media_id);
	stmt_bind_i64(q, 3, t->width);
	stmt_bind_i64(q, 4, t->height);
	stmt_bind_i64(q, 5, t->crop);
}

enum err store_thumbnail_put(struct store *st, const struct store_thumbnail *t)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEDIA, Q_THUMB_PUT);

	bind_thumbnail(q, t);
	stmt_bind_blob(q, 6, t->hash);
	stmt_bind_i64(q, 7, t->size);
	stmt_bind_str(q, 8, t->content_type);
	stmt_bind_i64(q, 9, t->used_ts);
	return stmt_run(q);
}

static struct store_thumbnail thumbnail_of(struct stmt *q, struct arena *a)
{
	return (struct store_thumbnail){
		.server = stmt_str_in(q, 0, a),
		.media_id = stmt_str_in(q, 1, a),
		.width = (unsigned)stmt_i64(q, 2),
		.height = (unsigned)stmt_i64(q, 3),
		.crop = stmt_i64(q, 4) != 0,
		.hash = stmt_str_in(q, 5, a),
		.size = stmt_i64(q, 6),
		.content_type = stmt_str_in(q, 7, a),
		.used_ts = stmt_i64(q, 8),
	};
}

enum err store_thumbnail_get(struct store *st, struct arena *a, struct store_thumbnail *t)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEDIA, Q_THUMB_GET);

	bind_thumbnail(q, t);
	if (!stmt_row(q))
		return stmt_none(q);
	*t = thumbnail_of(q, a);
	return ERR_OK;
}

enum err store_thumbnail_used(struct store *st, const struct store_thumbnail *t, int64_t now)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEDIA, Q_THUMB_USED);

	bind_thumbnail(q, t);
	stmt_bind_i64(q, 6, now);
	return stmt_run(q);
}

enum err store_media_cached(struct store *st, int64_t *bytes)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEDIA, Q_CACHED);

	if (!stmt_row(q))
		return stmt_none(q);
	*bytes = stmt_i64(q, 0);
	return ERR_OK;
}

enum err store_media_oldest(struct store *st, struct arena *a, bool *is_thumbnail,
	struct store_media *m, struct store_thumbnail *t)
{
	CLEANUP(stmt_resetp) struct stmt *file = stmt_get(st, T_MEDIA, Q_OLDEST);
	CLEANUP(stmt_resetp) struct stmt *thumb = stmt_get(st, T_MEDIA, Q_THUMB_OLDEST);
	bool has_file = stmt_row(file), has_thumb = stmt_row(thumb);

	if (stmt_err(file) || stmt_err(thumb))
		return stmt_err(file) ? stmt_err(file) : stmt_err(thumb);
	if (!has_file && !has_thumb)
		return ERR_NOT_FOUND;
	*is_thumbnail = !has_file || (has_thumb && stmt_i64(thumb, 8) < stmt_i64(file, 8));
	if (*is_thumbnail)
		*t = thumbnail_of(thumb, a);
	else
		*m = media_of(file, a);
	return ERR_OK;
}

enum err store_media_delete(struct store *st, struct str server, struct str media_id)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEDIA, Q_DELETE);

	bind_key(q, server, media_id);
	return stmt_run(q);
}

enum err store_thumbnail_delete(struct store *st, const struct store_thumbnail *t)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEDIA, Q_THUMB_DELETE);

	bind_thumbnail(q, t);
	return stmt_run(q);
}

static enum err exists(struct store *st, unsigned which, struct str hash, bool *yes)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_MEDIA, which);

	stmt_bind_blob(q, 1, hash);
	if (!stmt_row(q))
		return stmt_none(q);
	*yes = stmt_i64(q, 0) != 0;
	return ERR_OK;
}

enum err store_media_hash_used(struct store *st, struct str hash, bool *yes)
{
	return exists(st, Q_HASH, hash, yes);
}

enum err store_thumbnail_hash_used(struct store *st, struct str hash, bool *yes)
{
	return exists(st, Q_THUMB_HASH, hash, yes);
}
