/*
 *   LOOK --ours, or cached----------------------------> OPEN --> done
 *    ^ |--reserved, not filled--> WAIT --filled--+         ^
 *    | |--another server's, not cached--> FETCH -+         |
 *    | +--a thumbnail, not yet made--> SHRINK --> HASH --> PLACE
 *    +-------------------------------------------+
 */
#include "node/media/media_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/alloc.h"

struct get_op {
	struct media_get *g; /* NULL: cancelled; it frees itself when its work has ended */
	struct media *m;
	struct arena *arena;
	struct loop_deferred begin;
	struct loop_timer *timer; /* while it waits for a reserved id */
	struct get_op *next;      /* of those waiting */
	bool waiting;
	bool fetched;
	bool busy; /* work runs that calls back */
	uint64_t deadline_ms;
	struct fetch_waiter fetch;

	struct store_media row;
	struct store_thumbnail thumb;
	struct thumbnail_job job;
	struct loop_work work;
	int in_fd, out_fd;
	char *tmp, *path; /* owned */
	unsigned char name[HASH_BYTES];
	bool held;
	bool known; /* the thumbnail's folder is on disk */
	int64_t out_size;
	enum err err;
};

static void look(struct get_op *op);

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void op_free(struct get_op *op)
{
	if (op->held)
		media_release(op->m, op->name);
	if (op->tmp)
		(void)unlink(op->tmp); /* gone already when it was placed */
	close_fd(&op->in_fd);
	close_fd(&op->out_fd);
	loop_timer_free(op->m->o.loop, op->timer);
	arena_free(op->arena);
	free(op->tmp);
	free(op->path);
	free(op);
}

static void finish(struct get_op *op, enum err err)
{
	struct media_get *g = op->g;

	op->busy = false;
	if (!g)
		op_free(op);
	else
		g->done(g, err); /* g and op may be gone after this line */
}

static enum err fail(struct get_op *op, enum err err, const char *text)
{
	return err_set(op->g ? &op->g->why : NULL, err, "%s", text);
}

/* --- OPEN
 * ---------------------------------------------------------------------------------------- */

static void note_use(struct get_op *op, bool is_thumbnail)
{
	int64_t now = clock_wall_ms(op->m->o.clock);
	int64_t before = is_thumbnail ? op->thumb.used_ts : op->row.used_ts;
	struct store *st = op->m->o.store;
	enum err err;

	/* Of our own files nobody asks when they were used. */
	if ((!is_thumbnail && !op->row.server.n) || now - before < USED_EVERY_MS ||
		store_begin(st))
		return;
	err = is_thumbnail ? store_thumbnail_used(st, &op->thumb, now)
			   : store_media_used(st, op->row.server, op->row.media_id, now);
	if (store_end(st, err))
		return; /* it is then thought to be older than it is */
}

static void open_file(struct get_op *op, enum media_folder folder, struct str hash,
	const struct media_info *info)
{
	CLEANUP(freep) char *path = media_path(op->m, folder, hash);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		int error = errno;

		log_error(op->m->o.log, "a file is missing path=%s errno=%d", path, error);
		finish(op,
			error == ENOENT
				? fail(op, ERR_NOT_FOUND, "the file is not here any more")
				: ERR_IO);
		return;
	}
	op->g->info = *info;
	op->g->fd = fd;
	note_use(op, folder == MEDIA_THUMBS);
	finish(op, ERR_OK);
}

static void open_thumbnail(struct get_op *op)
{
	open_file(op, MEDIA_THUMBS, op->thumb.hash,
		&(struct media_info){ .content_type = op->thumb.content_type,
			.size = (uint64_t)op->thumb.size,
			.is_inline = true });
}

/* --- SHRINK, HASH, PLACE
 * --------------------------------------------------------------------------- */

static enum err write_thumbnail_row(struct get_op *op)
{
	struct store *st = op->m->o.store;
	enum err err = store_begin(st);

	op->thumb.hash = (struct str){ (const char *)op->name, HASH_BYTES };
	op->thumb.size = op->out_size;
	op->thumb.content_type = str_of(op->job.content_type);
	op->thumb.used_ts = clock_wall_ms(op->m->o.clock);
	return err ? err : store_end(st, store_thumbnail_put(st, &op->thumb));
}

static void on_placed(struct loop_work *w)
{
	struct get_op *op = CONTAINER_OF(w, struct get_op, work);

	if (!op->err) {
		media_folder_placed(op->m, MEDIA_THUMBS, op->name);
		op->err = write_thumbnail_row(op);
	}
	if (op->err) {
		finish(op, op->err);
		return;
	}
	media_cache_grew(op->m, op->out_size);
	if (op->g)
		open_thumbnail(op);
	else
		finish(op, ERR_CANCELLED);
}

static void work_place(struct loop_work *w)
{
	struct get_op *op = CONTAINER_OF(w, struct get_op, work);

	op->err = media_file_place(op->tmp, op->path, op->known);
}

static void on_hashed(struct loop_work *w)
{
	struct get_op *op = CONTAINER_OF(w, struct get_op, work);

	if (op->err) {
		finish(op, op->err);
		return;
	}
	media_hold(op->m, op->name);
	op->held = true;
	op->known = media_folder_known(op->m, MEDIA_THUMBS, op->name);
	op->path = media_path(
		op->m, MEDIA_THUMBS, (struct str){ (const char *)op->name, HASH_BYTES });
	op->work = (struct loop_work){ .work = work_place, .done = on_placed };
	loop_work(op->m->o.loop, &op->work);
}

static void work_hash(struct loop_work *w)
{
	struct get_op *op = CONTAINER_OF(w, struct get_op, work);
	struct hash *h = hash_new();
	char bytes[16384];
	ssize_t n;

	op->err = lseek(op->out_fd, 0, SEEK_SET) < 0 ? ERR_IO : media_file_sync(op->out_fd);
	while (!op->err && (n = read(op->out_fd, bytes, sizeof bytes)) != 0) {
		if (n < 0 && errno != EINTR)
			op->err = ERR_IO;
		if (n <= 0)
			continue;
		hash_update(h, bytes, (size_t)n);
		op->out_size += n;
	}
	if (!op->err)
		hash_final(h, op->name);
	hash_free(h);
}

static void on_shrunk(struct thumbnail_job *j, enum err err)
{
	struct get_op *op = CONTAINER_OF(j, struct get_op, job);

	if (err == ERR_INVALID || err == ERR_LIMIT)
		err = fail(op, ERR_INVALID, "no thumbnail can be made of this file");
	if (err == ERR_TOO_LARGE)
		err = fail(op, err, "this picture is too large for a thumbnail");
	if (err) {
		finish(op, err);
		return;
	}
	op->work = (struct loop_work){ .work = work_hash, .done = on_hashed };
	loop_work(op->m->o.loop, &op->work);
}

/* Few sizes are made, so that clients which ask for many share them. */
static void choose_size(struct get_op *op)
{
	static const unsigned sizes[][2] = { { 32, 32 }, { 96, 96 }, { 320, 240 }, { 640, 480 },
		{ 800, 600 } };
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(sizes) &&
		(sizes[i][0] < op->g->width || sizes[i][1] < op->g->height))
		i++;
	op->thumb = (struct store_thumbnail){ .server = op->row.server,
		.media_id = op->row.media_id,
		.width = sizes[i][0],
		.height = sizes[i][1],
		.crop = op->g->method == MEDIA_CROP };
}

static void shrink(struct get_op *op)
{
	CLEANUP(freep) char *path = media_path(op->m, MEDIA_FILES, op->row.hash);

	if (!op->m->o.thumbnailer) {
		finish(op, fail(op, ERR_INVALID, "no thumbnails are made here"));
		return;
	}
	op->tmp = media_tmp_path(op->m);
	op->in_fd = open(path, O_RDONLY | O_CLOEXEC);
	op->out_fd = open(op->tmp, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (op->in_fd < 0 || op->out_fd < 0) {
		finish(op, media_io_err());
		return;
	}
	op->job = (struct thumbnail_job){ .thumbnailer = op->m->o.thumbnailer,
		.loop = op->m->o.loop,
		.in_fd = op->in_fd,
		.out_fd = op->out_fd,
		.want = { op->thumb.width, op->thumb.height, op->thumb.crop },
		.done = on_shrunk };
	op->busy = true;
	thumbnailer_start(&op->job);
}

/* --- WAIT, FETCH
 * ------------------------------------------------------------------------------------- */

static void stop_waiting(struct get_op *op)
{
	struct get_op **at = &op->m->waiting;

	if (!op->waiting)
		return;
	while (*at != op)
		at = &(*at)->next;
	*at = op->next;
	op->waiting = false;
	loop_timer_stop(op->m->o.loop, op->timer);
}

static void on_wait_over(void *arg)
{
	struct get_op *op = (struct get_op *)arg;

	stop_waiting(op);
	finish(op, fail(op, ERR_TIMEOUT, "this file was not uploaded yet"));
}

static void wait_for_upload(struct get_op *op)
{
	uint64_t now = loop_now_ms(op->m->o.loop);

	if (!op->timer)
		op->timer = loop_timer_new(op->m->o.loop, on_wait_over, op);
	loop_timer_set(
		op->m->o.loop, op->timer, op->deadline_ms > now ? op->deadline_ms - now : 0);
	op->waiting = true;
	op->next = op->m->waiting;
	op->m->waiting = op;
}

void media_get_filled(struct media *m, struct str media_id)
{
	struct get_op *next;

	for (struct get_op *op = m->waiting; op; op = next) {
		next = op->next;
		if (!str_eq(op->row.media_id, media_id))
			continue;
		stop_waiting(op);
		loop_defer(m->o.loop, &op->begin);
	}
}

static void on_fetched(struct fetch_waiter *w, enum err err)
{
	struct get_op *op = CONTAINER_OF(w, struct get_op, fetch);

	op->fetched = true;
	if (err == ERR_TOO_LARGE)
		err = fail(op, err, "the file is larger than what we take");
	if (err)
		finish(op, err);
	else
		look(op);
}

/* --- LOOK
 * --------------------------------------------------------------------------------------------
 */

static void found(struct get_op *op)
{
	enum err err;

	if (!op->row.hash.n) {
		wait_for_upload(op);
		return;
	}
	if (!op->g->thumbnail) {
		open_file(op, MEDIA_FILES, op->row.hash,
			&(struct media_info){ .content_type = op->row.content_type,
				.filename = op->row.filename,
				.size = (uint64_t)op->row.size,
				.is_inline = media_is_inline(op->row.content_type) });
		return;
	}
	choose_size(op);
	err = store_thumbnail_get(op->m->o.store, op->arena, &op->thumb);
	if (err == ERR_NOT_FOUND)
		shrink(op);
	else if (err)
		finish(op, err);
	else
		open_thumbnail(op);
}

static void look(struct get_op *op)
{
	struct media_get *g = op->g;
	bool ours = str_eq(g->server_name, op->m->o.server_name);
	enum err err = store_media_get(op->m->o.store, op->arena,
		ours ? STR("") : g->server_name, g->media_id, &op->row);

	if (!err) {
		found(op);
		return;
	}
	if (err == ERR_NOT_FOUND && !ours && !g->local_only && !op->fetched) {
		op->fetch = (struct fetch_waiter){ .done = on_fetched };
		media_fetch_start(
			op->m, g->server_name, g->media_id, g->timeout_ms, &op->fetch);
		return;
	}
	if (err == ERR_NOT_FOUND)
		err = fail(op, err, "there is no such file");
	finish(op, err);
}

static void on_begin(struct loop_deferred *d)
{
	look(CONTAINER_OF(d, struct get_op, begin));
}

/* --- the face
 * ---------------------------------------------------------------------------------------- */

void media_get_start(struct media_get *g)
{
	struct get_op *op = NEW(struct get_op);

	g->op = op;
	g->fd = -1;
	g->why = (struct err_ctx){ { 0 } };
	op->g = g;
	op->m = g->media;
	op->arena = arena_new();
	op->in_fd = op->out_fd = -1;
	op->deadline_ms = loop_now_ms(op->m->o.loop) + g->timeout_ms;
	op->begin.fn = on_begin;
	loop_defer(op->m->o.loop, &op->begin);
}

void media_get_cancel(struct media_get *g)
{
	struct get_op *op = (struct get_op *)g->op;

	if (!op)
		return;
	g->op = NULL;
	op->g = NULL;
	loop_undefer(op->m->o.loop, &op->begin);
	stop_waiting(op);
	media_fetch_leave(&op->fetch);
	if (!op->busy)
		op_free(op);
}

void media_get_deinit(struct media_get *g)
{
	if (g->op)
		op_free((struct get_op *)g->op);
	g->op = NULL;
}
