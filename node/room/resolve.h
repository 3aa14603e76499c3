/*
 * resolve: one state out of several (server-server API, "Room State Resolution"; security.md
 * F5).
 *
 * What is little work is done at once. What would hold the loop goes to the thread pool as a
 * job: the one who needs the result is told ERR_LIMIT with the groups, runs the job, and then
 * asks again. Results are remembered by the groups that went in.
 */
#ifndef KITH_ROOM_RESOLVE_H
#define KITH_ROOM_RESOLVE_H

#include "node/base/limits.h"
#include "node/room/room.h"

/* A room's state is that of so many of its latest ends; an event of ours names the same ones,
 * so that others find the state before it from the same groups. */
#define RESOLVE_GROUPS_MAX LIMIT_PREV_EVENTS

/* What a job is to resolve. */
struct resolve_need {
	int64_t groups[RESOLVE_GROUPS_MAX];
	size_t n; /* 0: nothing */
};

/* The group of the resolution of these groups (n at least 1, at most RESOLVE_GROUPS_MAX); the
 * same ones again are looked up. Inside a transaction. ERR_LIMIT: a job is to do it; *need. */
enum err room_resolve(struct rooms *r, struct room *room, const int64_t *groups, size_t n,
	int64_t *out, struct resolve_need *need, struct err_ctx *why) MUST_CHECK;

/* However much work it is, at once: for an event of ours in a room of more ends than it can
 * name. */
enum err room_resolve_now(struct rooms *r, struct room *room, const int64_t *groups, size_t n,
	int64_t *out) MUST_CHECK;

/* Owned by the caller, who keeps it still until done(). */
struct resolve_job {
	/* In: borrowed until done(). */
	struct rooms *rooms;
	struct str room_id;
	struct resolve_need need; /* of groups that are committed, or about to be */
	/* Once, from the loop, never inside resolve_job_start(); ERR_OK: room_resolve() knows
	 * the result now. */
	void (*done)(struct resolve_job *j, enum err err);
	void *owner;

	/* Out. */
	struct err_ctx why;
	uint64_t pool_ms; /* spent on the pool */

	/* Private to resolve_job.c. */
	struct resolve_job *next;
	int64_t group; /* the result's */
	struct store_waiter durable;
	struct pooled_resolution *pooled;
};

void resolve_job_start(struct resolve_job *j);
/* All that run end with ERR_CANCELLED, from inside this call. */
void resolve_jobs_cancel(struct rooms *r);

/* Private to resolve_job.c: the result of these groups is this group. */
void room_resolve_remember(struct rooms *r, const struct resolve_need *need, int64_t group);

/* The group of a state given as events' ids, sorted; told as what differs from parent. All of
 * them are stored. Inside a transaction. */
struct state_set;
enum err room_group_of(struct rooms *r, struct room *room, int64_t parent,
	const struct state_set *state, int64_t *out) MUST_CHECK;

/* What turns group from into group to: entries to apply, in a. */
enum err room_state_diff(struct rooms *r, struct arena *a, int64_t from, int64_t to,
	struct store_state **out, size_t *n) MUST_CHECK;

/* Something was rolled back: results whose groups may never have been are forgotten. */
void room_resolve_rolled_back(struct rooms *r);
void room_resolve_deinit(struct rooms *r);

#endif
