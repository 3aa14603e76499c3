/*
 * media: the content repository (client-server API, "Content repository").
 *
 * Uploads are streamed to a temporary file while they are hashed, synced, renamed to their
 * hash, and only then get their row; equal uploads share one file. Files of other servers are
 * fetched when a local user asks, kept in a cache with a bound on disk, least recently used
 * out first. Thumbnails are made by a worker process (thumbnail.h), kept like remote files.
 *
 * Loop thread; file I/O runs on the thread pool. Every operation calls done() once, from the
 * loop, never from inside its _start.
 */
#ifndef KITH_MEDIA_MEDIA_H
#define KITH_MEDIA_MEDIA_H

#include "node/base/buf.h"
#include "node/base/clock.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/loop.h"
#include "node/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct media;
struct store;
struct thumbnailer; /* node/media/thumbnail.h */

/*
 * A download from another server. Owned by media, which keeps it until done() was called.
 * The fetcher (federation) calls head() once, then data() as bytes come, then done() once;
 * never from inside download(). It takes the multipart answer apart (server-server API,
 * "Content Repository") and gives the file's own type, name and bytes.
 */
struct media_fetch {
	struct str server_name; /* borrowed until done() */
	struct str media_id;    /* borrowed until done() */
	uint64_t max_bytes;     /* of the file: past it data() refuses */
	uint64_t timeout_ms;

	/* content_disposition may be empty. ERR_TOO_LARGE, ERR_IO, ERR_FULL: stop and call
	 * done() with it. */
	enum err (*head)(
		struct media_fetch *f, struct str content_type, struct str content_disposition);
	enum err (*data)(struct media_fetch *f, const void *p, size_t n);
	/* ERR_NOT_FOUND: the server says so; ERR_UNREACHABLE, ERR_TIMEOUT, ... */
	void (*done)(struct media_fetch *f, enum err err);

	void *fetcher; /* for whoever fills media_remote_ops */
};

/* What media asks of other servers; filled by federation, wired in node.c. */
struct media_remote_ops {
	void (*download)(void *arg, struct media_fetch *f);
	/* Nobody waits any more; done() is still called (ERR_CANCELLED). */
	void (*cancel)(void *arg, struct media_fetch *f);
	void *arg;
};

struct media_options {
	struct store *store;
	struct loop *loop;
	const struct clock *clock;
	const struct rng *rng;
	const struct log *log;
	struct str server_name;
	const char *dir;           /* where files lie; made if missing, mode 0700 */
	uint64_t max_upload_bytes; /* 0: LIMIT_BODY_MEDIA */
	uint64_t cache_bytes;      /* remote files and thumbnails on disk; 0: 1 GiB */
	const struct media_remote_ops *remote; /* NULL: no other servers */
	struct thumbnailer *thumbnailer;       /* NULL: none, originals are served instead */
};

/* ERR_IO when the folder can't be made. */
enum err media_new(const struct media_options *o, struct media **out) MUST_CHECK;
/* All operations must have ended. NULL is fine. */
void media_free(struct media *m);
void media_set_remote(struct media *m, const struct media_remote_ops *ops);

uint64_t media_max_upload(const struct media *m);

/* --- uploading ------------------------------------------------------------------------- */

/* POST /create: a reserved id, to be filled once by the same user within 24 hours.
 * ERR_LIMIT: LIMIT_PENDING_UPLOADS unfilled ones. id has room for MEDIA_ID_BYTES. */
#define MEDIA_ID_BYTES 33
enum err media_create(struct media *m, struct str user_id, char id[MEDIA_ID_BYTES],
	int64_t *unused_expires_at, struct err_ctx *why) MUST_CHECK;

/* One upload. Memory is the caller's until done() was called or media_upload_abort() was and
 * closed() was called. Bytes are pushed; the caller stops pushing while media_upload_busy(). */
struct media_upload;
struct media_upload_start {
	struct str user_id;
	struct str content_type; /* empty: application/octet-stream */
	struct str filename;     /* may be empty */
	struct str media_id;     /* a reserved id (PUT), or empty: a new one */
	uint64_t length;         /* announced, UINT64_MAX: unknown */
};
/* ERR_TOO_LARGE, ERR_NOT_FOUND (no such id), ERR_FORBIDDEN (another's), ERR_EXISTS (filled),
 * ERR_INVALID (content type or file name). The operation copies what it needs. */
enum err media_upload_new(struct media *m, const struct media_upload_start *s,
	struct media_upload **out, struct err_ctx *why) MUST_CHECK;
/* Copies n bytes. ERR_TOO_LARGE; an error of the disk comes with media_upload_finish. drained
 * (may be NULL) is called when more may be pushed after media_upload_busy() said true. */
enum err media_upload_write(struct media_upload *u, const void *p, size_t n) MUST_CHECK;
bool media_upload_busy(const struct media_upload *u);
void media_upload_on_drain(struct media_upload *u, void (*drained)(void *arg), void *arg);
/* All bytes were pushed: syncs, renames, writes the row, then calls done with the id (valid
 * during the call). u is gone afterwards. */
void media_upload_finish(struct media_upload *u,
	void (*done)(void *arg, enum err err, struct str media_id), void *arg);
/* Throws away what came so far; u is gone. done is not called. */
void media_upload_abort(struct media_upload *u);

/* --- downloading ----------------------------------------------------------------------- */

struct media_info {
	struct str content_type;
	struct str filename; /* may be empty */
	uint64_t size;
	bool is_inline; /* on the specification's list of types to show inline */
};

enum media_method { MEDIA_SCALE, MEDIA_CROP };

/* One file wanted, ours or another server's. Memory is the caller's until done() was called or
 * media_get_cancel() was. */
struct media_get {
	struct media *media;
	struct str server_name; /* borrowed until done() */
	struct str media_id;
	bool local_only;     /* other servers ask for ours alone */
	uint64_t timeout_ms; /* to wait for a reserved id to be filled or a server to answer */
	bool thumbnail;
	unsigned width, height; /* wanted; of a thumbnail */
	enum media_method method;

	/* ERR_OK: info and fd are set; fd is the caller's to close; info's strings live until
	 * media_get_deinit(). ERR_NOT_FOUND; ERR_TIMEOUT: reserved and not yet filled
	 * (M_NOT_YET_UPLOADED); ERR_UNREACHABLE; ERR_TOO_LARGE (M_TOO_LARGE); ERR_INVALID: no
	 * thumbnail can be made of it. */
	void (*done)(struct media_get *g, enum err err);
	struct media_info info;
	int fd;
	struct err_ctx why;

	/* Private to get.c. */
	void *op;
};
void media_get_start(struct media_get *g);
void media_get_cancel(struct media_get *g); /* done() is not called */
void media_get_deinit(struct media_get *g);

/* Appends the value of Content-Disposition (RFC 6266, RFC 8187); name overrides the stored one
 * when it isn't empty. */
void media_disposition_put(struct buf *out, const struct media_info *info, struct str name);

/* Reads a file, or a part of it, in chunks on the thread pool. */
struct media_read;
struct media_read *media_read_new(
	struct media *m, int fd, uint64_t first, uint64_t length); /* takes fd */
/* At most 64 KiB from where the last left off; done gets them borrowed until the next call, n 0
 * at the end. One at a time. */
void media_read_next(struct media_read *r,
	void (*done)(void *arg, enum err err, const void *p, size_t n), void *arg);
void media_read_free(struct media_read *r); /* a running read ends first; done is not called */

#endif
