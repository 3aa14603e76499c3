/*
 * loop_uv: struct loop (base/loop.h) over libuv.
 *
 * The uv_loop_t is ours or the embedding app's. Nothing here keeps an idle loop awake or alive:
 * a timer is a handle only while it runs, and what is deferred runs at the end of the turn in
 * which it was queued. uv_run(UV_RUN_DEFAULT) therefore returns once nothing is going on any
 * more; a program that waits for signals or listens has handles of its own.
 */
#ifndef KITH_NODE_LOOP_UV_H
#define KITH_NODE_LOOP_UV_H

#include "node/base/err.h"
#include "node/base/loop.h"

struct uv_loop_s;
struct loop_uv;

/* On uv, which outlives it; or on a loop of its own when uv is NULL. ERR_IO when libuv can't
 * (out of file descriptors). */
enum err loop_uv_new(struct uv_loop_s *uv, struct loop_uv **out) MUST_CHECK;

/* Everything handed out (timers, work) must be over. Closes its handles and, for a loop of its
 * own, runs it until all handles are closed and closes it. On a foreign loop the last memory is
 * freed when the owner next runs the loop. NULL is fine. */
void loop_uv_free(struct loop_uv *l);

struct loop *loop_uv_loop(struct loop_uv *l);
struct uv_loop_s *loop_uv_handle(struct loop_uv *l);

/* Runs until loop_uv_stop() or until nothing is left to wait for. */
void loop_uv_run(struct loop_uv *l);
/* Runs what is ready now, without waiting: for tests and for embedding. */
void loop_uv_run_once(struct loop_uv *l, bool wait);
/* From the loop thread. */
void loop_uv_stop(struct loop_uv *l);

#endif
