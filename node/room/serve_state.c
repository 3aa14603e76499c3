/*
 * GET state: the whole state before an event, with its auth chain (server-server API,
 * "Retrieving events"). That of a large room is written by the pool.
 */
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/room/serve_body.h"
#include "node/room/serve_room.h"

struct serving_state {
	struct rooms *r;
	struct room_serve_state *s;
	struct serve_body large;
	struct buf body;
	struct loop_deferred deferred;
	enum err err;
};

static void finish_state(struct serving_state *x, enum err err)
{
	x->s->handle = NULL;
	x->s->done(x->s, err, buf_str(&x->body));
	buf_deinit(&x->body);
	free(x);
}

static void finish_state_deferred(struct loop_deferred *d)
{
	struct serving_state *x = CONTAINER_OF(d, struct serving_state, deferred);

	finish_state(x, x->err);
}

static void state_written(struct serve_body *b, enum err err)
{
	struct serving_state *x = b->owner;

	x->s->spool = b->spool;
	x->s->length = b->length;
	finish_state(x, err);
}

static enum err put_state(struct serving_state *x, struct arena *a, int64_t group)
{
	struct jw w = jw_to(&x->body);
	const struct str *state;
	const struct str *chain;
	size_t n_state;
	size_t n_chain;
	enum err err = serve_room_state_ids(x->r, a, group, &state, &n_state, &chain, &n_chain);

	if (err)
		return err;
	jw_obj(&w);
	jw_key(&w, "auth_chain");
	jw_arr(&w);
	err = serve_put_events(x->r, chain, n_chain, &w);
	jw_end(&w);
	jw_key(&w, "pdus");
	jw_arr(&w);
	if (!err)
		err = serve_put_events(x->r, state, n_state, &w);
	jw_end(&w);
	jw_end(&w);
	return err;
}

void rooms_serve_state(struct rooms *r, struct room_serve_state *s)
{
	struct serving_state *x = NEW(struct serving_state);
	struct room_serve asked = { .origin = s->origin };
	struct arena *a = arena_new();
	int64_t group = 0;

	x->r = r;
	x->s = s;
	x->deferred.fn = finish_state_deferred;
	s->handle = x;
	s->spool = NULL;
	x->err = serve_group_before(r, a, &asked, s->room_id, s->event_id, &group);
	s->why = asked.why;
	if (!x->err && serve_body_is_large(r, group)) {
		x->large = (struct serve_body){ .rooms = r,
			.group = group,
			.state_key = "pdus",
			.done = state_written,
			.owner = x };
		serve_body_start(&x->large);
	} else {
		if (!x->err)
			x->err = put_state(x, a, group);
		loop_defer(r->loop, &x->deferred);
	}
	arena_free(a);
}
