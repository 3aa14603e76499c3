#include "node/room/serve_body.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "store/reader.h"

/* What the pool works with; outlives a body that was cancelled. */
struct body_writing {
	struct loop_work work;
	struct serve_body *body; /* NULL: cancelled */
	struct store *reader;
	struct spool *spool;
	struct buf piece;
	uint64_t length;
	int64_t group;
	const char *state_key;
	char *more;
	atomic_bool stop;
	enum err err;
};

static enum err flush(struct body_writing *w)
{
	uint64_t at;
	enum err err = spool_put(w->spool, buf_str(&w->piece), &at);

	w->length += w->piece.n;
	buf_clear(&w->piece);
	return err;
}

static enum err put_event(struct body_writing *w, int64_t nid, bool first)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_event e;
	enum err err = store_event_get_nid(w->reader, a, nid, &e);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
	if (!first)
		buf_put_u8(&w->piece, ',');
	buf_put_str(&w->piece, e.json);
	return atomic_load(&w->stop) ? ERR_CANCELLED : flush(w);
}

static enum err put_array(
	struct body_writing *w, const char *key, const int64_t *nids, size_t n)
{
	enum err err = ERR_OK;

	buf_printf(&w->piece, "\"%s\":[", key);
	for (size_t i = 0; i < n && !err; i++)
		err = put_event(w, nids[i], i == 0);
	buf_put_u8(&w->piece, ']');
	return err ? err : flush(w);
}

static enum err write_all(struct body_writing *w)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const int64_t *state;
	const int64_t *chain;
	size_t n_state;
	size_t n_chain;
	enum err err = store_state_group_events(w->reader, a, w->group, &state, &n_state);

	if (!err)
		err = store_auth_chain_nids(
			w->reader, a, state, n_state, LIMIT_JOIN_EVENTS, &chain, &n_chain);
	if (err)
		return err;
	buf_put_u8(&w->piece, '{');
	err = put_array(w, "auth_chain", chain, n_chain);
	buf_put_u8(&w->piece, ',');
	if (w->more[0])
		buf_printf(&w->piece, "%s,", w->more);
	if (!err)
		err = put_array(w, w->state_key, state, n_state);
	buf_put_u8(&w->piece, '}');
	return err ? err : flush(w);
}

static void write_body(struct loop_work *work)
{
	struct body_writing *w = CONTAINER_OF(work, struct body_writing, work);

	w->err = atomic_load(&w->stop) ? ERR_CANCELLED : store_reader_open(w->reader);
	if (!w->err)
		w->err = write_all(w);
	store_reader_free(w->reader);
	w->reader = NULL;
}

static void writing_free(struct body_writing *w)
{
	store_reader_free(w->reader);
	spool_free(w->spool);
	buf_deinit(&w->piece);
	free(w->more);
	free(w);
}

static void finish(struct serve_body *b, enum err err)
{
	struct serve_body **at = &b->rooms->serving;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	free(b->text);
	b->text = NULL;
	b->done(b, err); /* b may be gone after this line */
}

static void written(struct loop_work *work)
{
	struct body_writing *w = CONTAINER_OF(work, struct body_writing, work);
	struct serve_body *b = w->body;
	enum err err = w->err;

	if (b) {
		b->writing = NULL;
		b->length = w->length;
		if (!err) {
			b->spool = w->spool;
			w->spool = NULL;
		}
	}
	writing_free(w);
	if (b)
		finish(b, err);
}

static void is_safe(struct store_waiter *waiter, enum err err)
{
	struct serve_body *b = CONTAINER_OF(waiter, struct serve_body, durable);
	struct rooms *r = b->rooms;
	struct body_writing *w;
	struct spool *spool = NULL;

	if (!err)
		err = spool_new(r->store, &spool);
	if (err) {
		finish(b, err);
		return;
	}
	w = NEW(struct body_writing);
	w->work = (struct loop_work){ .work = write_body, .done = written };
	w->body = b;
	w->reader = store_reader_new(r->store);
	w->spool = spool;
	w->group = b->group;
	w->state_key = b->state_key;
	w->more = b->text;
	b->text = NULL;
	b->writing = w;
	loop_work(r->loop, &w->work);
}

bool serve_body_is_large(struct rooms *r, int64_t group)
{
	int64_t n;

	return !store_state_group_size(r->store, group, &n) && n >= SERVE_BODY_FROM;
}

void serve_body_start(struct serve_body *b)
{
	b->spool = NULL;
	b->length = 0;
	b->writing = NULL;
	b->text = xstrdup(b->more);
	b->next = b->rooms->serving;
	b->rooms->serving = b;
	b->durable = (struct store_waiter){ .fn = is_safe };
	store_durable(b->rooms->store, &b->durable);
}

void serve_bodies_cancel(struct rooms *r)
{
	while (r->serving) {
		struct serve_body *b = r->serving;

		store_durable_cancel(r->store, &b->durable);
		if (b->writing) {
			atomic_store(&b->writing->stop, true);
			b->writing->body = NULL;
		}
		finish(b, ERR_CANCELLED);
	}
}
