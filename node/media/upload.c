/*
 * An upload's bytes go through two buffers: one fills while the other is written and hashed on
 * the pool.
 *
 *     WRITE --all written--> SYNC --hash known--> PLACE --> row --> done
 *
 * Each arrow is one piece of work on the pool; none runs beside another.
 */
#include "node/media/media_impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"

/* Past it the caller is asked to wait. */
#define BUSY_BYTES (256UL * 1024)

struct media_upload {
	struct media *m;
	struct arena *arena; /* of the strings */
	struct str server;   /* empty: ours */
	struct str user_id;
	struct str content_type;
	struct str filename;
	struct str media_id; /* reserved, or of the other server; empty: made at the end */
	bool reserved;
	uint64_t max_bytes;
	uint64_t size;

	struct buf filling;
	struct buf writing;
	char *tmp;  /* owned */
	char *path; /* owned; once the hash is known */
	int fd;
	struct hash *hash;
	unsigned char name[HASH_BYTES];
	struct loop_work work;
	enum err err; /* of the pool's work; the first one stays */
	bool known;   /* its folder is on disk */
	bool running;
	bool finishing;
	bool aborted;

	void (*drained)(void *arg);
	void *drained_arg;
	void (*done)(void *arg, enum err err, struct str media_id);
	void *done_arg;
};

static void upload_free(struct media_upload *u)
{
	if (u->fd >= 0) {
		close(u->fd);
		(void)unlink(u->tmp); /* gone already when it was placed */
	}
	buf_deinit(&u->filling);
	buf_deinit(&u->writing);
	hash_free(u->hash);
	arena_free(u->arena);
	free(u->tmp);
	free(u->path);
	free(u);
}

/* --- on the pool
 * --------------------------------------------------------------------------------- */

static enum err write_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return media_io_err();
		s = str_skip(s, (size_t)n);
	}
	return ERR_OK;
}

static void work_write(struct loop_work *w)
{
	struct media_upload *u = CONTAINER_OF(w, struct media_upload, work);

	if (u->err)
		return;
	if (u->fd < 0)
		u->fd = open(u->tmp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (u->fd < 0) {
		u->err = media_io_err();
		return;
	}
	hash_update(u->hash, u->writing.p, u->writing.n);
	u->err = write_all(u->fd, buf_str(&u->writing));
}

static void work_sync(struct loop_work *w)
{
	struct media_upload *u = CONTAINER_OF(w, struct media_upload, work);

	if (!u->err)
		u->err = media_file_sync(u->fd);
	if (!u->err)
		hash_final(u->hash, u->name);
}

static void work_place(struct loop_work *w)
{
	struct media_upload *u = CONTAINER_OF(w, struct media_upload, work);

	u->err = media_file_place(u->tmp, u->path, u->known);
}

/* --- on the loop
 * --------------------------------------------------------------------------------- */

static void start(struct media_upload *u, void (*work)(struct loop_work *w),
	void (*done)(struct loop_work *w))
{
	u->running = true;
	u->work = (struct loop_work){ .work = work, .done = done };
	loop_work(u->m->o.loop, &u->work);
}

static void on_written(struct loop_work *w);

static void start_write(struct media_upload *u)
{
	struct buf swap = u->writing;

	u->writing = u->filling;
	u->filling = swap;
	buf_clear(&u->filling);
	start(u, work_write, on_written);
}

static void finish(struct media_upload *u, enum err err, struct str media_id)
{
	if (!u->aborted)
		u->done(u->done_arg, err, media_id);
	upload_free(u);
}

static struct str name_of(const struct media_upload *u)
{
	return (struct str){ (const char *)u->name, HASH_BYTES };
}

static enum err write_row(struct media_upload *u, char id[MEDIA_ID_BYTES])
{
	struct media *m = u->m;
	int64_t now = clock_wall_ms(m->o.clock);
	struct store_media row = { .server = u->server,
		.media_id = u->media_id,
		.hash = name_of(u),
		.size = (int64_t)u->size,
		.content_type = u->content_type,
		.filename = u->filename,
		.user_id = u->user_id,
		.created_ts = now,
		.used_ts = now };
	enum err err = store_begin(m->o.store);

	if (err)
		return err;
	if (!row.media_id.n) {
		media_id_make(m, id);
		row.media_id = str_of(id);
	}
	err = u->reserved ? store_media_fill(m->o.store, &row)
			  : store_media_put(m->o.store, &row);
	/* Filled, or fetched, by another one meanwhile. */
	if (err == ERR_NOT_FOUND)
		err = ERR_EXISTS;
	return store_end(m->o.store, err);
}

static void on_placed(struct loop_work *w)
{
	struct media_upload *u = CONTAINER_OF(w, struct media_upload, work);
	struct media *m = u->m;
	char id[MEDIA_ID_BYTES] = { 0 };
	struct str media_id;

	u->running = false;
	if (!u->err)
		media_folder_placed(m, MEDIA_FILES, u->name);
	if (!u->err && !u->aborted)
		u->err = write_row(u, id);
	media_release(m, u->name);
	if (u->err || u->aborted)
		media_file_drop(m, MEDIA_FILES, name_of(u));
	else if (u->server.n)
		media_cache_grew(m, (int64_t)u->size);
	if (!u->err && u->reserved)
		media_get_filled(m, u->media_id);
	media_id = u->media_id.n ? u->media_id : str_of(id);
	finish(u, u->err, media_id);
}

static void on_synced(struct loop_work *w)
{
	struct media_upload *u = CONTAINER_OF(w, struct media_upload, work);

	u->running = false;
	if (u->err || u->aborted) {
		finish(u, u->err, STR(""));
		return;
	}
	media_hold(u->m, u->name);
	u->path = media_path(u->m, MEDIA_FILES, name_of(u));
	u->known = media_folder_known(u->m, MEDIA_FILES, u->name);
	start(u, work_place, on_placed);
}

/* What comes next, when no work is running. */
static void go_on(struct media_upload *u)
{
	if (u->aborted)
		upload_free(u);
	/* An empty file is one too: it is written once, with nothing. */
	else if (u->filling.n || (u->finishing && u->fd < 0 && !u->err))
		start_write(u);
	else if (u->finishing)
		start(u, work_sync, on_synced);
}

static void on_written(struct loop_work *w)
{
	struct media_upload *u = CONTAINER_OF(w, struct media_upload, work);
	void (*drained)(void *arg) = u->drained;

	u->running = false;
	u->drained = NULL;
	if (u->aborted) {
		upload_free(u);
		return;
	}
	go_on(u);
	if (drained)
		drained(u->drained_arg); /* u may be gone after this line */
}

/* --- the face
 * ------------------------------------------------------------------------------------- */

static struct media_upload *upload_new(struct media *m)
{
	struct media_upload *u = NEW(struct media_upload);

	u->m = m;
	u->arena = arena_new();
	u->fd = -1;
	u->hash = hash_new();
	u->tmp = media_tmp_path(m);
	u->max_bytes = m->o.max_upload_bytes;
	return u;
}

static bool is_header_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return str_is_utf8(s);
}

static enum err check_reserved(
	struct media *m, const struct media_upload_start *s, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_media row;
	enum err err = store_media_get(m->o.store, a, STR(""), s->media_id, &row);

	if (err == ERR_NOT_FOUND ||
		(!err && !row.hash.n &&
			row.created_ts + PENDING_MS < clock_wall_ms(m->o.clock)))
		return err_set(why, ERR_NOT_FOUND, "this id was not reserved, or too long ago");
	if (err)
		return err;
	if (!str_eq(row.user_id, s->user_id))
		return err_set(why, ERR_FORBIDDEN, "this id was reserved by somebody else");
	if (row.hash.n)
		return err_set(why, ERR_EXISTS, "this id is filled already");
	return ERR_OK;
}

enum err media_upload_new(struct media *m, const struct media_upload_start *s,
	struct media_upload **out, struct err_ctx *why)
{
	struct media_upload *u;
	enum err err;

	if (s->length != UINT64_MAX && s->length > m->o.max_upload_bytes)
		return err_set(why, ERR_TOO_LARGE, "at most %llu bytes can be uploaded",
			(unsigned long long)m->o.max_upload_bytes);
	if (s->content_type.n > LIMIT_ID_BYTES || s->filename.n > LIMIT_ID_BYTES ||
		!is_header_text(s->content_type) || !is_header_text(s->filename))
		return err_set(why, ERR_INVALID,
			"content type and file name are text of at most %d bytes",
			LIMIT_ID_BYTES);
	err = s->media_id.n ? check_reserved(m, s, why) : ERR_OK;
	if (err)
		return err;
	u = upload_new(m);
	u->user_id = arena_str(u->arena, s->user_id);
	u->content_type = s->content_type.n ? arena_str(u->arena, s->content_type)
					    : STR("application/octet-stream");
	u->filename = arena_str(u->arena, s->filename);
	u->media_id = arena_str(u->arena, s->media_id);
	u->reserved = s->media_id.n > 0;
	*out = u;
	return ERR_OK;
}

struct media_upload *media_upload_remote(
	struct media *m, struct str server, struct str media_id, uint64_t max_bytes)
{
	struct media_upload *u = upload_new(m);

	u->server = arena_str(u->arena, server);
	u->media_id = arena_str(u->arena, media_id);
	u->content_type = STR("application/octet-stream");
	u->max_bytes = max_bytes;
	return u;
}

void media_upload_describe(
	struct media_upload *u, struct str content_type, struct str content_disposition)
{
	struct str name = media_disposition_name(u->arena, content_disposition);

	if (content_type.n && content_type.n <= LIMIT_ID_BYTES && is_header_text(content_type))
		u->content_type = arena_str(u->arena, content_type);
	if (name.n <= LIMIT_ID_BYTES && is_header_text(name))
		u->filename = name;
}

enum err media_upload_write(struct media_upload *u, const void *p, size_t n)
{
	assert(!u->finishing && !u->aborted);
	if (n > u->max_bytes - u->size)
		return ERR_TOO_LARGE;
	u->size += n;
	if (u->running || !u->err)
		buf_put(&u->filling, p, n);
	if (!u->running && u->filling.n)
		start_write(u);
	return ERR_OK;
}

bool media_upload_busy(const struct media_upload *u)
{
	return u->filling.n >= BUSY_BYTES;
}

void media_upload_on_drain(struct media_upload *u, void (*drained)(void *arg), void *arg)
{
	u->drained = drained;
	u->drained_arg = arg;
}

void media_upload_finish(struct media_upload *u,
	void (*done)(void *arg, enum err err, struct str media_id), void *arg)
{
	u->finishing = true;
	u->done = done;
	u->done_arg = arg;
	if (!u->running)
		go_on(u);
}

void media_upload_abort(struct media_upload *u)
{
	u->aborted = true;
	u->drained = NULL;
	if (!u->running)
		upload_free(u);
}
