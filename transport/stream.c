#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "transport/session_int.h"

#define NO_FINAL    UINT64_MAX
#define CODE_GONE   0
#define QUICK_MS    200                   /* a window used up faster than this is too small */
#define STREAM_HEAD (1 + 1 + 10 + 10 + 3) /* the most that a STREAM frame's fields take */

static bool is_ours(const struct session *s, uint64_t id)
{
	return (id % 2 == 0) == s->lower;
}

struct stream *stream_new(struct session *s, uint64_t id)
{
	struct stream *st = NEW(struct stream);
	struct stream **at = &s->streams;

	st->session = s;
	st->id = id;
	st->out_max = STREAM_WINDOW;
	st->in_max = STREAM_WINDOW;
	st->in_window = STREAM_WINDOW;
	st->in_final = NO_FINAL;
	while (*at)
		at = &(*at)->next;
	*at = st;
	return st;
}

struct stream *stream_find(const struct session *s, uint64_t id)
{
	struct stream *st = s->streams;

	while (st && st->id != id)
		st = st->next;
	return st;
}

void stream_free(struct stream *st)
{
	struct segment *next;

	for (struct segment *g = st->early; g; g = next) {
		next = g->next;
		free(g);
	}
	buf_deinit(&st->out);
	free(st);
}

static bool send_done(const struct stream *st)
{
	return st->reset ? st->reset_acked : st->fin_acked && stream_queued(st) == 0;
}

void stream_collect(struct stream *st)
{
	struct session *s = st->session;
	struct stream **at = &s->streams;

	if (s->busy || !st->released || !send_done(st) || !st->in_done)
		return;
	while (*at != st)
		at = &(*at)->next;
	*at = st->next;
	if (!is_ours(s, st->id)) {
		s->closed_theirs++;
		/* Told in steps, not for each stream. */
		if (s->closed_theirs + SESSION_STREAMS - s->allowed_theirs >=
			SESSION_STREAMS / 4) {
			s->allowed_theirs = s->closed_theirs + SESSION_STREAMS;
			s->max_streams_pending = true;
			session_wake(s);
		}
	}
	stream_free(st);
}

void stream_set_arg(struct stream *st, void *arg)
{
	st->arg = arg;
}

void *stream_arg(const struct stream *st)
{
	return st->arg;
}

bool stream_is_ours(const struct stream *st)
{
	return is_ours(st->session, st->id);
}

void stream_set_bulk(struct stream *st, bool bulk)
{
	st->bulk = bulk;
}

/* ---- sending ---- */

void stream_write(struct stream *st, struct str bytes, bool fin)
{
	assert(!st->fin && !st->released);
	if (st->reset)
		return;
	buf_put_str(&st->out, bytes);
	st->fin = fin;
	session_wake(st->session);
}

size_t stream_queued(const struct stream *st)
{
	return st->out.n - st->out_head;
}

void stream_reset(struct stream *st, uint64_t code)
{
	if (st->reset || (st->fin_acked && stream_queued(st) == 0))
		return;
	st->reset = true;
	st->reset_pending = true;
	st->reset_code = code;
	buf_deinit(&st->out);
	st->out_head = 0;
	session_wake(st->session);
}

void stream_stop(struct stream *st, uint64_t code)
{
	if (st->in_done || st->stopped)
		return;
	st->stopped = true;
	st->stop_pending = true;
	st->stop_code = code;
	session_wake(st->session);
}

void stream_release(struct stream *st)
{
	uint64_t held = st->in_next - st->in_consumed;

	st->arg = NULL;
	st->released = true;
	if (!st->fin)
		stream_reset(st, CODE_GONE);
	stream_stop(st, CODE_GONE);
	stream_consumed(st, (size_t)held);
	stream_collect(st);
}

static uint64_t out_end(const struct stream *st)
{
	return st->out_base + stream_queued(st);
}

static uint64_t may_send_to(const struct stream *st)
{
	const struct session *s = st->session;
	uint64_t end = out_end(st);
	uint64_t session_end = st->out_reached + (s->out_max - s->out_total);

	if (end > st->out_max)
		end = st->out_max;
	return end > session_end ? session_end : end;
}

bool stream_has_output(const struct stream *st)
{
	if (st->reset)
		return false;
	if (st->out_next < may_send_to(st))
		return true;
	return st->fin && !st->fin_sent && st->out_next == out_end(st);
}

bool stream_output(struct stream *st, size_t max, struct buf *out, struct item *item)
{
	struct session *s = st->session;
	uint64_t n;

	st->out_next = ranges_end_of(&st->acked, st->out_next);
	if (max <= STREAM_HEAD || !stream_has_output(st))
		return false;
	n = may_send_to(st) - st->out_next;
	if (n > max - STREAM_HEAD)
		n = max - STREAM_HEAD;
	*item = (struct item){ SF_STREAM, st->id, st->out_next, n, false };
	item->fin = st->fin && st->out_next + n == out_end(st);
	buf_put_u8(out, SF_STREAM);
	wire_put_varint(out, st->id);
	wire_put_varint(out, st->out_next);
	buf_put_u8(out, item->fin);
	wire_put_varint(out, n);
	if (n > 0)
		buf_put(out, st->out.p + st->out_head + (st->out_next - st->out_base),
			(size_t)n);
	st->out_next += n;
	if (st->out_next > st->out_reached) {
		s->out_total += st->out_next - st->out_reached;
		st->out_reached = st->out_next;
	}
	st->fin_sent = st->fin_sent || item->fin;
	return true;
}

void stream_acked(struct stream *st, uint64_t offset, uint64_t len, bool fin)
{
	uint64_t base;

	if (st->reset)
		return;
	if (fin)
		st->fin_acked = true;
	if (offset + len > st->out_base) {
		(void)ranges_add(&st->acked, offset, offset + len);
		base = ranges_end_of(&st->acked, st->out_base);
		st->out_head += (size_t)(base - st->out_base);
		st->out_base = base;
		if (st->out_next < base)
			st->out_next = base;
		ranges_drop_below(&st->acked, base);
		if (st->out_head == st->out.n)
			st->out_head = st->out.n = 0;
		else if (st->out_head > st->out.n / 2) {
			buf_drop(&st->out, st->out_head);
			st->out_head = 0;
		}
	}
	if (!st->released)
		st->session->ops->writable(st->session->arg, st);
}

void stream_path_lost(struct stream *st)
{
	st->out_next = st->out_base;
	st->fin_sent = st->fin_acked;
}

/* ---- receiving ---- */

static void tell_window(struct stream *st)
{
	struct session *s = st->session;

	if (st->in_done || st->in_final != NO_FINAL ||
		st->in_max - st->in_consumed > st->in_window / 2)
		return;
	if (st->window_ms && s->now_ms - st->window_ms < QUICK_MS &&
		st->in_window < STREAM_WINDOW_MAX)
		st->in_window *= 2;
	st->window_ms = s->now_ms ? s->now_ms : 1;
	st->in_max = st->in_consumed + st->in_window;
	st->max_pending = true;
	session_wake(s);
}

static void tell_session_window(struct session *s)
{
	if (s->in_max - s->in_consumed > s->in_window / 2)
		return;
	if (s->window_ms && s->now_ms - s->window_ms < QUICK_MS &&
		s->in_window / 2 < STREAM_WINDOW_MAX)
		s->in_window *= 2;
	s->window_ms = s->now_ms ? s->now_ms : 1;
	s->in_max = s->in_consumed + s->in_window;
	s->max_data_pending = true;
	session_wake(s);
}

void stream_consumed(struct stream *st, size_t n)
{
	assert(n <= st->in_next - st->in_consumed);
	if (n == 0)
		return;
	st->in_consumed += n;
	st->session->in_consumed += n;
	tell_window(st);
	tell_session_window(st->session);
}

static void hand_on(struct stream *st, struct str bytes)
{
	struct session *s = st->session;
	bool fin;

	st->in_next += bytes.n;
	fin = st->in_next == st->in_final;
	if (fin)
		st->in_done = true;
	if (st->released)
		stream_consumed(st, bytes.n);
	else if (bytes.n > 0 || fin)
		s->ops->data(s->arg, st, bytes, fin);
}

/* Keeps bytes that came too early; what is there already wins. Bounded by the window. */
static void keep_early(struct stream *st, uint64_t offset, struct str bytes)
{
	struct segment **at = &st->early;
	struct segment *g;

	while (*at && (*at)->offset + (*at)->n <= offset)
		at = &(*at)->next;
	if (*at && (*at)->offset <= offset) {
		uint64_t skip = (*at)->offset + (*at)->n - offset;

		if (skip < bytes.n)
			keep_early(st, offset + skip, str_skip(bytes, (size_t)skip));
		return;
	}
	if (*at && (*at)->offset < offset + bytes.n)
		bytes = str_head(bytes, (size_t)((*at)->offset - offset));
	g = xalloc(sizeof(*g) + bytes.n);
	g->offset = offset;
	g->n = bytes.n;
	memcpy(g->bytes, bytes.p, bytes.n);
	g->next = *at;
	*at = g;
}

static void hand_on_early(struct stream *st)
{
	while (st->early && st->early->offset <= st->in_next) {
		struct segment *g = st->early;
		struct str bytes = { g->bytes, g->n };

		st->early = g->next;
		bytes = str_skip(bytes, (size_t)(st->in_next - g->offset));
		if (bytes.n > 0)
			hand_on(st, bytes);
		free(g);
	}
}

/* Flow control and the stream's end; counts what is new. */
static enum err count_input(struct stream *st, uint64_t end, bool final)
{
	struct session *s = st->session;

	if (end > st->in_max || (st->in_final != NO_FINAL && end > st->in_final))
		return ERR_MALFORMED;
	if (final &&
		((st->in_final != NO_FINAL && st->in_final != end) || end < st->in_reached))
		return ERR_MALFORMED;
	if (end > st->in_reached) {
		s->in_total += end - st->in_reached;
		st->in_reached = end;
		if (s->in_total > s->in_max)
			return ERR_MALFORMED;
	}
	if (final)
		st->in_final = end;
	return ERR_OK;
}

enum err stream_input(struct stream *st, uint64_t offset, bool fin, struct str bytes)
{
	enum err err;

	if (offset > UINT64_MAX / 2)
		return ERR_MALFORMED;
	err = count_input(st, offset + bytes.n, fin);
	if (err)
		return err;
	if (st->in_done)
		return ERR_OK;
	if (offset > st->in_next) {
		keep_early(st, offset, bytes);
		return ERR_OK;
	}
	if (offset + bytes.n < st->in_next)
		return ERR_OK; /* all of it came before */
	bytes = str_skip(bytes, (size_t)(st->in_next - offset));
	if (bytes.n > 0 || st->in_next == st->in_final)
		hand_on(st, bytes);
	hand_on_early(st);
	return ERR_OK;
}

enum err stream_input_reset(struct stream *st, uint64_t code, uint64_t final_size)
{
	struct session *s = st->session;
	enum err err;

	if (final_size > UINT64_MAX / 2)
		return ERR_MALFORMED;
	err = count_input(st, final_size, true);
	if (err)
		return err;
	if (st->in_done)
		return ERR_OK;
	st->in_done = true;
	/* What will never be handed on counts as read. */
	s->in_consumed += final_size - st->in_next;
	tell_session_window(s);
	if (!st->released)
		s->ops->reset(s->arg, st, code);
	return ERR_OK;
}
