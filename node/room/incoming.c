#include "node/room/incoming.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/room/room.h"

void incoming_init(struct incoming *in, struct rooms *r, const struct room_version *v,
	struct str room_id, struct str from)
{
	*in = (struct incoming){ .rooms = r, .version = v, .room_id = room_id, .from = from };
	map_init(&in->ids);
}

void incoming_deinit(struct incoming *in)
{
	if (!in->rooms)
		return;
	for (size_t i = 0; i < in->n; i++)
		event_free(in->events[i]);
	free(in->events);
	free(in->verify.results);
	map_deinit(&in->ids);
	in->rooms = NULL;
}

enum err incoming_add(struct incoming *in, const struct json *pdu, struct err_ctx *why)
{
	CLEANUP(event_freep) struct event *e = NULL;
	enum err err = event_from_json(pdu, in->version, &e, why);

	if (err)
		return err;
	if (!str_eq(e->room_id, in->room_id))
		return err_set(why, ERR_INVALID, "the event is of another room");
	if (map_get(&in->ids, e->event_id))
		return ERR_EXISTS;
	if (in->n == in->cap) {
		in->cap = in->cap ? 2 * in->cap : 8;
		in->events = xrealloc(in->events, in->cap * sizeof(struct event *));
	}
	map_put(&in->ids, e->event_id, e);
	in->events[in->n++] = MOVE(e);
	return ERR_OK;
}

void incoming_add_all(struct incoming *in, const struct json *pdus)
{
	for (const struct json *p = json_first(pdus); p; p = json_next(p)) {
		enum err err = incoming_add(in, p, NULL);

		if (err == ERR_NOMEM)
			return;
	}
}

struct event *incoming_find(const struct incoming *in, struct str event_id)
{
	return map_get(&in->ids, event_id);
}

/* A content that is not the one that was hashed is cut away; the event still counts. */
static struct event *with_hash(struct event *e)
{
	struct event *redacted;

	if (event_hash_ok(e))
		return e;
	if (event_redact(e, &redacted))
		redacted = NULL;
	event_free(e);
	return redacted;
}

static void verified(struct room_verify *v)
{
	struct incoming *in = CONTAINER_OF(v, struct incoming, verify);
	size_t kept = 0;

	map_deinit(&in->ids);
	map_init(&in->ids);
	for (size_t i = 0; i < in->n; i++) {
		struct event *e = in->events[i];

		if (v->results[i]) {
			in->unreachable += v->results[i] == ERR_UNREACHABLE;
			event_free(e);
			continue;
		}
		e = with_hash(e);
		if (!e)
			continue;
		in->events[kept++] = e;
		map_put(&in->ids, e->event_id, e);
	}
	in->n = kept;
	in->done(in);
}

static void verified_none(struct loop_deferred *d)
{
	struct incoming *in = CONTAINER_OF(d, struct incoming, deferred);

	verified(&in->verify);
}

void incoming_verify(struct incoming *in)
{
	struct rooms *r = in->rooms;

	in->verify = (struct room_verify){ .from = in->from,
		.events = (const struct event *const *)in->events,
		.n = in->n,
		.done = verified,
		.results = xcalloc(in->n ? in->n : 1, sizeof(*in->verify.results)) };
	if (in->n && r->ops) {
		r->ops->verify(r->ops->arg, &in->verify);
		return;
	}
	for (size_t i = 0; i < in->n; i++)
		in->verify.results[i] = ERR_UNREACHABLE;
	in->deferred = (struct loop_deferred){ .fn = verified_none };
	loop_defer(r->loop, &in->deferred);
}
