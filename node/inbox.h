/*
 * inbox: jobs that other threads hand to the loop.
 */
#ifndef KITH_INBOX_H
#define KITH_INBOX_H

#include "node/base/err.h"

struct inbox;
struct uv_loop_s;

/* One job. Memory is the poster's until run() was called, which may free it. */
struct inbox_job {
	void (*run)(struct inbox_job *job); /* on the loop's thread */
	struct inbox_job *next;             /* private to inbox.c */
};

/* Keeps the loop alive until inbox_close(). ERR_IO when libuv can't. */
enum err inbox_new(struct uv_loop_s *uv, struct inbox **out) MUST_CHECK;

/* From any thread. Jobs run in the order of posting. */
void inbox_post(struct inbox *in, struct inbox_job *job);

/* Calls fn(arg) on the loop soon: the one thing here that a signal handler may do. Several
 * knocks may end in one call. */
void inbox_knock(struct inbox *in);
void inbox_on_knock(struct inbox *in, void (*fn)(void *arg), void *arg);

/* From the loop's thread: runs what is queued, then closes; memory goes when the loop has
 * closed the handle. Nothing may be posted any more. NULL is fine. */
void inbox_close(struct inbox *in);

#endif
