#include "node/room/intake.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "store/spool.h"

#define LOG_MODULE "room"

/* What is verified at a time: events, or their bytes. What comes meanwhile waits, and is not
 * given back to who sends it. */
#define BATCH       256
#define BATCH_BYTES ((size_t)1024 * 1024)
#define FEED        16384
/* A PDU with what its sender put beside it (unsigned). */
#define ELEMENT_MAX ((size_t)4 * LIMIT_EVENT_BYTES)

static void work(struct intake *t);

/* Bytes that were looked at are given back to who sends them. */
static void drop_pending(struct intake *t)
{
	size_t n = t->at;

	buf_drop(&t->pending, n);
	t->at = 0;
	if (n && t->consumed)
		t->consumed(t, n);
}

/* That is how it went; who gave the bytes is told when there are no more. */
static void finish(struct intake *t, enum err err)
{
	if (!t->over) {
		t->over = true;
		t->result = err;
		t->at = t->pending.n;
		drop_pending(t);
	}
	if (t->ended && !t->told) {
		t->told = true;
		t->taken(t, t->result); /* t may be gone after this line */
	}
}

/* ---- the answer's events ---- */

static enum err on_event(struct intake *t, bool state, struct str text)
{
	struct arena *a = arena_new();
	const struct json *pdu;
	enum err err = json_parse_in(a, text, &json_limits_peer, &pdu, NULL);

	if (!err)
		err = incoming_add(&t->in[state ? 0 : 1], pdu, NULL);
	if (err && err != ERR_EXISTS)
		t->left_out++;
	arena_free(a);
	t->batch_bytes += text.n;
	return ERR_OK;
}

static enum err on_element(void *arg, struct str key, struct str text)
{
	struct intake *t = arg;

	if (str_eq(key, str_of(t->state_key)))
		return on_event(t, true, text);
	if (str_eq(key, STR("auth_chain")))
		return on_event(t, false, text);
	return ERR_OK;
}

static enum err on_member(void *arg, struct str key, struct str text)
{
	struct intake *t = arg;

	if (str_eq(key, str_of(t->state_key)) || str_eq(key, STR("auth_chain")))
		return err_set(&t->why, ERR_MALFORMED, "%.*s: must be an array", STR_FMT(key));
	if (!str_eq(key, STR("event")))
		return ERR_OK;
	(void)on_event(t, false, text);
	if (t->set_aside.n && !incoming_find(&t->in[1], t->set_aside))
		return err_set(&t->why, ERR_MALFORMED, "not the event that we sent");
	return ERR_OK;
}

static enum err keep(struct intake *t, const struct event *e, bool state)
{
	enum err err;

	if (t->set.n >= LIMIT_JOIN_EVENTS)
		return err_set(&t->why, ERR_LIMIT, "the room is too large");
	err = intake_set_put(&t->set, e, state);
	if (err)
		err_set(&t->why, err, "an answer can't be put down");
	return err;
}

static enum err keep_batch(struct intake *t, struct incoming *in, bool state)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < in->n && !err; i++) {
		struct event *e = in->events[i];

		if (str_eq(e->event_id, t->set_aside)) {
			event_free(t->aside);
			t->aside = e;
			in->events[i] = NULL;
			continue;
		}
		err = keep(t, e, state);
	}
	return err;
}

static void open_batch(struct intake *t)
{
	t->batch_bytes = 0;
	for (size_t i = 0; i < ARRAY_LEN(t->in); i++) {
		incoming_deinit(&t->in[i]);
		incoming_init(&t->in[i], t->rooms, t->version, t->room_id, t->from);
		t->in[i].owner = t;
	}
}

static void batch_verified(struct incoming *in)
{
	struct intake *t = in->owner;
	bool state = in == &t->in[0];
	enum err err = keep_batch(t, in, state);

	if (!err && state && t->in[1].n) {
		incoming_verify(&t->in[1]);
		return;
	}
	t->verifying = false;
	open_batch(t);
	if (err)
		finish(t, err);
	else
		work(t);
}

static void verify_batch(struct intake *t)
{
	t->verifying = true;
	t->in[0].done = batch_verified;
	t->in[1].done = batch_verified;
	incoming_verify(t->in[0].n ? &t->in[0] : &t->in[1]);
}

static size_t batch_size(const struct intake *t)
{
	return t->in[0].n + t->in[1].n;
}

static enum err feed(struct intake *t)
{
	enum err err = ERR_OK;

	while (!err && t->at < t->pending.n && batch_size(t) < BATCH &&
		t->batch_bytes < BATCH_BYTES) {
		struct str piece = str_head(str_skip(buf_str(&t->pending), t->at), FEED);

		t->at += piece.n;
		err = json_split_feed(&t->split, piece);
	}
	drop_pending(t);
	return err;
}

static void work(struct intake *t)
{
	enum err err = t->end_err;

	if (t->verifying)
		return;
	if (t->over || err) {
		finish(t, err);
		return;
	}
	err = feed(t);
	if (!err && batch_size(t) &&
		(batch_size(t) >= BATCH || t->batch_bytes >= BATCH_BYTES || t->ended)) {
		verify_batch(t);
		return;
	}
	if (!err && !t->ended)
		return;
	if (!err)
		err = json_split_end(&t->split);
	if (err && !t->why.text[0])
		err_set(&t->why, err, "the other server's answer is malformed");
	finish(t, err);
}

static void work_deferred(struct loop_deferred *d)
{
	work(CONTAINER_OF(d, struct intake, deferred));
}

void intake_start(struct intake *t)
{
	t->split = (struct json_split){
		.max_element = ELEMENT_MAX, .element = on_element, .member = on_member, .arg = t
	};
	json_split_init(&t->split);
	t->arena = arena_new();
	t->deferred.fn = work_deferred;
	intake_set_init(&t->set, t->rooms->store);
	open_batch(t);
}

bool intake_piece(struct intake *t, struct str bytes)
{
	if (t->over || t->end_err)
		return true;
	t->bytes += bytes.n;
	if (t->bytes > LIMIT_JOIN_BYTES)
		t->end_err = err_set(&t->why, ERR_LIMIT, "the room is too large");
	else
		buf_put_str(&t->pending, bytes);
	loop_defer(t->rooms->loop, &t->deferred);
	return t->end_err != ERR_OK;
}

void intake_end(struct intake *t, enum err err)
{
	t->ended = true;
	if (err && !t->end_err)
		t->end_err = err;
	loop_defer(t->rooms->loop, &t->deferred);
}

void intake_deinit(struct intake *t)
{
	if (!t->arena)
		return;
	loop_undefer(t->rooms->loop, &t->deferred);
	intake_store_deinit(t);
	json_split_deinit(&t->split);
	buf_deinit(&t->pending);
	incoming_deinit(&t->in[0]);
	incoming_deinit(&t->in[1]);
	intake_set_deinit(&t->set);
	event_free(t->aside);
	arena_free(t->arena);
	t->arena = NULL;
}
