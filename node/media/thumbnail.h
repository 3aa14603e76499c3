/*
 * thumbnail: pictures decoded where they can do no harm (security.md M3).
 *
 *     node  --SOCK_SEQPACKET: {want, in fd, out fd}-->  helper  --fork--> worker (sandbox.h)
 *     node  <---------------- {result} ---------------  helper  <--exit-- worker
 *
 * The helper is forked by thumbnailer_new(), before the node has threads, and does nothing but
 * fork one worker for each picture and tell how it ended. A worker has the two descriptors and
 * its memory, nothing else; one that crashes, or takes too long, is an answer like any other.
 * The helper ends when the node does.
 */
#ifndef KITH_MEDIA_THUMBNAIL_H
#define KITH_MEDIA_THUMBNAIL_H

#include "node/base/err.h"
#include "node/base/loop.h"
#include "node/media/image.h"

struct thumbnailer;

/* Call it before any thread is started. ERR_IO when the helper can't be started. Memory is
 * owned: thumbnailer_free(). */
enum err thumbnailer_new(struct thumbnailer **out) MUST_CHECK;
/* No job may be waiting. NULL is fine. */
void thumbnailer_free(struct thumbnailer *t);

/* One thumbnail. Memory is the caller's until done(): once, from the loop, never from inside
 * thumbnailer_start(). Jobs are done one after the other. */
struct thumbnail_job {
	struct thumbnailer *thumbnailer;
	struct loop *loop;
	int in_fd;  /* the picture, read from its beginning; stays the caller's */
	int out_fd; /* an empty file, written; stays the caller's */
	struct image_want want;
	/* ERR_INVALID: no picture that we decode, or a damaged one; ERR_TOO_LARGE: its sides;
	 * ERR_IO: out_fd could not be written, or the helper is gone; ERR_LIMIT: it took too
	 * much time or memory. */
	void (*done)(struct thumbnail_job *j, enum err err);
	const char *content_type; /* static */

	/* Private to thumbnail.c. */
	struct loop_work work;
	struct thumbnail_job *next;
	enum err err;
};
void thumbnailer_start(struct thumbnail_job *j);

#endif
