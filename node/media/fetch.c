/*
 * A file of another server on its way into the cache: one download for all who want it.
 */
#include "node/media/media_impl.h"

#include <stdlib.h>

#include "node/base/alloc.h"

struct fetch {
	struct media_fetch public;
	struct media *m;
	struct arena *arena;
	struct media_upload *upload; /* NULL once it ended */
	struct fetch_waiter *waiters;
	struct loop_deferred failed;
	struct str key;
	bool asked; /* the fetcher will still call done() */
};

static void fetch_end(struct fetch *f, enum err err)
{
	struct fetch_waiter *w;

	(void)map_del(&f->m->fetches, f->key);
	while ((w = f->waiters)) {
		f->waiters = w->next;
		w->fetch = NULL;
		w->done(w, err);
	}
	arena_free(f->arena);
	free(f);
}

static void on_stored(void *arg, enum err err, struct str media_id)
{
	struct fetch *f = (struct fetch *)arg;

	f->upload = NULL;
	/* It is there, whoever put it. */
	fetch_end(f, err == ERR_EXISTS ? ERR_OK : err);
}

static enum err on_head(
	struct media_fetch *p, struct str content_type, struct str content_disposition)
{
	struct fetch *f = CONTAINER_OF(p, struct fetch, public);

	media_upload_describe(f->upload, content_type, content_disposition);
	return ERR_OK;
}

static enum err on_data(struct media_fetch *p, const void *bytes, size_t n)
{
	struct fetch *f = CONTAINER_OF(p, struct fetch, public);

	return media_upload_write(f->upload, bytes, n);
}

static void on_done(struct media_fetch *p, enum err err)
{
	struct fetch *f = CONTAINER_OF(p, struct fetch, public);
	struct media_upload *u = f->upload;

	f->asked = false;
	if (!err) {
		media_upload_finish(u, on_stored, f);
		return;
	}
	f->upload = NULL;
	media_upload_abort(u);
	fetch_end(f, err);
}

static void on_no_remote(struct loop_deferred *d)
{
	struct fetch *f = CONTAINER_OF(d, struct fetch, failed);

	on_done(&f->public, ERR_UNREACHABLE);
}

static struct fetch *fetch_new(
	struct media *m, struct str server, struct str media_id, uint64_t timeout_ms)
{
	struct fetch *f = NEW(struct fetch);

	f->m = m;
	f->arena = arena_new();
	f->public = (struct media_fetch){ .server_name = arena_str(f->arena, server),
		.media_id = arena_str(f->arena, media_id),
		.max_bytes = m->o.max_upload_bytes,
		.timeout_ms = timeout_ms,
		.head = on_head,
		.data = on_data,
		.done = on_done };
	f->key = arena_printf(f->arena, "%.*s/%.*s", STR_FMT(server), STR_FMT(media_id));
	f->upload = media_upload_remote(m, server, media_id, m->o.max_upload_bytes);
	f->failed.fn = on_no_remote;
	(void)map_put(&m->fetches, f->key, f);
	return f;
}

void media_fetch_start(struct media *m, struct str server, struct str media_id,
	uint64_t timeout_ms, struct fetch_waiter *w)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct str key = arena_printf(a, "%.*s/%.*s", STR_FMT(server), STR_FMT(media_id));
	struct fetch *f = (struct fetch *)map_get(&m->fetches, key);
	bool is_new = !f;

	if (is_new)
		f = fetch_new(m, server, media_id, timeout_ms);
	w->fetch = f;
	w->next = f->waiters;
	f->waiters = w;
	if (!is_new)
		return;
	if (!m->o.remote) {
		loop_defer(m->o.loop, &f->failed);
		return;
	}
	f->asked = true;
	m->o.remote->download(m->o.remote->arg, &f->public);
}

void media_fetch_leave(struct fetch_waiter *w)
{
	struct fetch *f = w->fetch;
	struct fetch_waiter **at;

	if (!f)
		return;
	for (at = &f->waiters; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	w->fetch = NULL;
	/* What nobody wants any more isn't fetched; done() still comes. */
	if (!f->waiters && f->asked)
		f->m->o.remote->cancel(f->m->o.remote->arg, &f->public);
}
