/*
 *   WAIT for what the groups stand on to be safe --> POOL, with a reader --> the result's group
 *   is stored --> WAIT for that to be safe --> remembered --> done
 *
 * The job waits on nothing but its own thread: a room whose state is costly keeps itself
 * waiting, and nobody else.
 */
#include <stdlib.h>
#include <time.h>

#include "node/base/alloc.h"
#include "node/room/resolution.h"
#include "node/room/resolve.h"
#include "store/reader.h"

#define LOG_MODULE "room"

/* What the pool works with; outlives a job that was cancelled. */
struct pooled_resolution {
	struct loop_work work;
	struct resolve_job *job; /* NULL: cancelled */
	struct store *reader;
	struct resolution x;
	int64_t groups[RESOLVE_GROUPS_MAX];
	atomic_bool stop;
	uint64_t ms;
	enum err err;
};

static uint64_t thread_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void work(struct loop_work *w)
{
	struct pooled_resolution *p = CONTAINER_OF(w, struct pooled_resolution, work);
	uint64_t began = thread_ms();

	p->err = atomic_load(&p->stop) ? ERR_CANCELLED : store_reader_open(p->reader);
	if (!p->err)
		p->err = resolution_run(&p->x);
	/* Here, so that nothing of the file is held open for longer. */
	store_reader_free(p->reader);
	p->reader = NULL;
	p->ms = thread_ms() - began;
}

static void pooled_free(struct pooled_resolution *p)
{
	store_reader_free(p->reader);
	arena_free(p->x.arena);
	free(p);
}

static void unlink_job(struct resolve_job *j)
{
	struct resolve_job **at = &j->rooms->resolving;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
}

static void finish(struct resolve_job *j, enum err err)
{
	log_debug(j->rooms->log, "state resolved room_id=%.*s states=%zu ms=%llu: %s",
		STR_FMT(j->room_id), j->need.n, (unsigned long long)j->pool_ms, err_name(err));
	j->rooms->resolved_apart += !err;
	unlink_job(j);
	j->done(j, err);
}

static void stored(struct store_waiter *waiter, enum err err)
{
	struct resolve_job *j = CONTAINER_OF(waiter, struct resolve_job, durable);

	if (!err)
		room_resolve_remember(j->rooms, &j->need, j->group);
	finish(j, err);
}

static enum err store_result(struct resolve_job *j, const struct resolution *x)
{
	struct rooms *r = j->rooms;
	enum err err = store_begin(r->store);

	if (err)
		return err;
	return room_store_end(r,
		store_state_group_new(r->store, j->room_id, x->groups[0], x->changes,
			x->n_changes, &j->group));
}

static void worked(struct loop_work *w)
{
	struct pooled_resolution *p = CONTAINER_OF(w, struct pooled_resolution, work);
	struct resolve_job *j = p->job;
	enum err err = p->err;

	if (j) {
		j->pooled = NULL;
		j->pool_ms = p->ms;
		j->why = p->x.why;
		if (!err)
			err = store_result(j, &p->x);
	}
	pooled_free(p);
	if (!j)
		return;
	if (err) {
		finish(j, err);
		return;
	}
	j->durable = (struct store_waiter){ .fn = stored };
	store_durable(j->rooms->store, &j->durable);
}

static void committed(struct store_waiter *waiter, enum err err)
{
	struct resolve_job *j = CONTAINER_OF(waiter, struct resolve_job, durable);
	struct rooms *r = j->rooms;
	struct pooled_resolution *p;
	struct room *room;

	if (!err)
		err = room_get(r, j->room_id, &room);
	if (err) {
		finish(j, err);
		return;
	}
	p = NEW(struct pooled_resolution);
	memcpy(p->groups, j->need.groups, sizeof(p->groups));
	p->x = (struct resolution){ .store = store_reader_new(r->store),
		.version = room->version,
		.arena = arena_new(),
		.groups = p->groups,
		.n = j->need.n,
		.limits = { .stop = &p->stop } };
	p->reader = p->x.store;
	p->job = j;
	p->work.work = work;
	p->work.done = worked;
	j->pooled = p;
	loop_work(r->loop, &p->work);
}

void resolve_job_start(struct resolve_job *j)
{
	j->pooled = NULL;
	j->pool_ms = 0;
	j->why.text[0] = '\0';
	j->next = j->rooms->resolving;
	j->rooms->resolving = j;
	j->durable = (struct store_waiter){ .fn = committed };
	store_durable(j->rooms->store, &j->durable);
}

void resolve_jobs_cancel(struct rooms *r)
{
	while (r->resolving) {
		struct resolve_job *j = r->resolving;

		r->resolving = j->next;
		store_durable_cancel(r->store, &j->durable);
		if (j->pooled) {
			atomic_store(&j->pooled->stop, true);
			j->pooled->job = NULL;
		}
		j->done(j, ERR_CANCELLED);
	}
}
