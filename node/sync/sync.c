/*
 *   START --answer--> DONE
 *     |                 ^
 *     +--nothing--> PARKED --woken, time over, crowded out--+
 *                     ^  |                                  |
 *                     |  +--logged out, closing--> DONE     |
 *                     +------------------nothing------------+--answer--> DONE
 *
 * Each turn of this reads the streams from the token anew; what was read is not kept.
 */
#include "node/sync/sync.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/sync/answer.h"
#include "node/user/presence.h"
#include "node/user/to_device.h"
#include "node/user/typing.h"

#define LOG_MODULE "sync"

/* --- tokens ----------------------------------------------------------------------------------
 */

static bool parse_hex(struct str s, uint32_t *out)
{
	uint32_t v = 0;

	if (s.n != 8)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

bool sync_token_parse(struct str s, struct sync_token *out)
{
	struct str part[4], rest = str_skip(s, 1);
	struct sync_token t;
	uint64_t stream, to_device;

	if (!str_starts(s, STR("s")))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(part); i++)
		if (!str_cut(rest, '_', &part[i], &rest))
			return false;
	if (!str_to_u64(part[0], &stream) || stream > INT64_MAX ||
		!str_to_u64(part[1], &to_device) || to_device > INT64_MAX ||
		!parse_hex(part[2], &t.boot) || !str_to_u64(part[3], &t.typing) ||
		!str_to_u64(rest, &t.presence))
		return false;
	t.stream = (int64_t)stream;
	t.to_device = (int64_t)to_device;
	*out = t;
	return true;
}

void sync_token_put(struct buf *out, const struct sync_token *t)
{
	buf_printf(out, "s%lld_%lld_%08x_%llu_%llu", (long long)t->stream,
		(long long)t->to_device, t->boot, (unsigned long long)t->typing,
		(unsigned long long)t->presence);
}

/* --- one operation
 * ---------------------------------------------------------------------------- */

static void finish(struct sync_op *op, enum err err)
{
	struct sync *s = op->sync;

	if (op->prev)
		op->prev->next = op->next;
	else
		s->ops = op->next;
	if (op->next)
		op->next->prev = op->prev;
	op->next = op->prev = NULL;
	op->done(op, err); /* op may be gone after this line */
}

static void on_wake(struct notify_waiter *w, enum notify_why why);

/* Every stream stands where the token says: the usual case of a client that is up to date. */
static bool nothing_moved(const struct sync_op *op)
{
	const struct sync *s = op->sync;

	return !op->initial && !op->typing_reset &&
		op->from.stream == store_last_pos(s->o.store) &&
		op->from.to_device == op->from.stream &&
		op->from.typing == typing_serial(s->o.typing) &&
		op->from.presence == presence_serial(s->o.presence);
}

/* Answers, or parks when there is nothing to say and time left. moved: what may have, since
 * the streams were last read. */
static void turn(struct sync_op *op, const struct sync_moved *moved, bool must_answer)
{
	struct sync *s = op->sync;
	uint64_t now = loop_now_ms(s->o.loop);
	bool empty = true;
	enum err err = ERR_OK;

	/* Before the streams are read: nothing can slip in between, this is one turn. */
	op->waiter.seen = store_last_pos(s->o.store);
	if (must_answer || now >= op->deadline_ms || !nothing_moved(op))
		err = answer_write(s, op, moved, &op->body, &empty);
	if (err || !empty || must_answer || now >= op->deadline_ms) {
		if (err)
			buf_clear(&op->body);
		if (err && !op->why.text[0])
			log_warn(s->o.log, "no answer for user=%.*s err=%s",
				STR_FMT(op->user_id), err_name(err));
		finish(op, err);
		return;
	}
	buf_deinit(&op->body); /* a parked poll holds no memory of its answer */
	notify_park(s->notify, &op->waiter, op->deadline_ms - now);
}

/* What the feed told, if that is everything: what is stored but not yet durable will be told
 * later, and is seen already; and what moved in a room is told to whoever is in it then, not to
 * who just left. */
static struct sync_moved told(const struct sync_op *op)
{
	const struct store *st = op->sync->o.store;

	if (store_durable_pos(st) != store_last_pos(st) ||
		(op->waiter.kinds & NOTIFY_KIND(FEED_MEMBERSHIP)))
		return SYNC_MOVED_ANY;
	return (struct sync_moved){ op->waiter.kinds, op->waiter.room_id };
}

static void on_wake(struct notify_waiter *w, enum notify_why why)
{
	struct sync_op *op = CONTAINER_OF(w, struct sync_op, waiter);
	struct sync_moved moved = told(op);

	switch (why) {
	case NOTIFY_MOVED:
		/* Counts of keys are told by every answer; one is wanted now. */
		turn(op, &moved, (w->kinds & NOTIFY_KIND(FEED_KEY_COUNTS)) != 0);
		break;
	case NOTIFY_TIMEOUT:
	case NOTIFY_CROWDED: turn(op, &moved, true); break;
	case NOTIFY_REVOKED:
		(void)err_set(&op->why, ERR_UNAUTHORIZED, "the device was logged out");
		finish(op, ERR_UNAUTHORIZED);
		break;
	case NOTIFY_CLOSING: finish(op, ERR_CANCELLED); break;
	}
}

static enum err parse_since(struct sync_op *op)
{
	struct sync *s = op->sync;

	op->initial = !op->since.n;
	if (op->initial)
		return ERR_OK;
	if (!sync_token_parse(op->since, &op->from) ||
		op->from.stream > store_last_pos(s->o.store))
		return err_set(&op->why, ERR_INVALID, "since is no token of this server");
	if (op->from.boot != s->boot) {
		op->typing_reset = op->from.typing > 0;
		op->from.typing = op->from.presence = 0;
	}
	return ERR_OK;
}

/* The client has what came before its token. */
static enum err forget_delivered(struct sync_op *op)
{
	if (op->initial || !op->device)
		return ERR_OK;
	return to_device_delete(op->sync->o.users, op->device, op->from.to_device);
}

static enum err prepare(struct sync_op *op)
{
	struct sync *s = op->sync;
	enum presence_state presence = PRESENCE_ONLINE;
	enum err err = parse_since(op);

	op->parsed = ARENA_NEW(op->arena, struct sync_filter);
	if (!err)
		err = sync_filter_load(
			s->o.store, op->arena, op->user_id, op->filter, op->parsed, &op->why);
	if (!err && op->set_presence.n && !presence_parse(op->set_presence, &presence))
		err = err_set(&op->why, ERR_INVALID,
			"set_presence is online, offline or unavailable");
	if (!err)
		err = forget_delivered(op);
	if (!err)
		presence_seen(s->o.presence, op->user_id, presence);
	return err;
}

static void begin(struct loop_deferred *d)
{
	struct sync_op *op = CONTAINER_OF(d, struct sync_op, deferred);
	enum err err = prepare(op);

	if (err)
		finish(op, err);
	else
		turn(op, &SYNC_MOVED_ANY, op->initial || op->full_state);
}

void sync_start(struct sync_op *op)
{
	struct sync *s = op->sync;

	op->body = (struct buf){ 0 };
	op->why = (struct err_ctx){ { 0 } };
	op->from = (struct sync_token){ 0 };
	op->waiter = (struct notify_waiter){
		.user_id = op->user_id, .device_id = op->device_id, .wake = on_wake
	};
	if (op->timeout_ms > LIMIT_SYNC_MS)
		op->timeout_ms = LIMIT_SYNC_MS;
	op->deadline_ms = loop_now_ms(s->o.loop) + op->timeout_ms;
	op->prev = NULL;
	op->next = s->ops;
	if (s->ops)
		s->ops->prev = op;
	s->ops = op;
	op->deferred = (struct loop_deferred){ .fn = begin };
	loop_defer(s->o.loop, &op->deferred);
}

static void drop(struct sync_op *op, enum err err)
{
	(void)err;
}

void sync_cancel(struct sync_op *op)
{
	loop_undefer(op->sync->o.loop, &op->deferred);
	notify_leave(&op->waiter);
	buf_deinit(&op->body);
	op->done = drop;
	finish(op, ERR_CANCELLED);
}

/* --- the service
 * ------------------------------------------------------------------------------- */

struct sync *sync_new(const struct sync_options *o)
{
	struct sync *s = NEW(struct sync);

	s->o = *o;
	s->notify = notify_new(o->store, o->loop);
	s->lazy = lazy_new();
	s->unread = unread_new(o->store);
	rng_fill(o->rng, &s->boot, sizeof s->boot);
	return s;
}

void sync_free(struct sync *s)
{
	if (!s)
		return;
	notify_free(s->notify); /* ends those that are parked */
	while (s->ops) {
		struct sync_op *op = s->ops;

		loop_undefer(s->o.loop, &op->deferred);
		finish(op, ERR_CANCELLED);
	}
	lazy_free(s->lazy);
	unread_free(s->unread);
	free(s);
}
