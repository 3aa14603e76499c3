/*
 * media: the rows of the content repository. The files lie beside the database, named by their
 * hash; a row is only written when its file is safe.
 */
#ifndef KITH_STORE_MEDIA_H
#define KITH_STORE_MEDIA_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "store/store.h"

struct store_media {
	struct str server; /* empty: ours */
	struct str media_id;
	struct str hash; /* 32 bytes, or empty: reserved, not yet filled */
	int64_t size;
	struct str content_type;
	struct str filename;
	struct str user_id; /* who made it; empty for those of other servers */
	int64_t created_ts;
	int64_t used_ts;
};

/* ERR_EXISTS. All writes inside a transaction. */
enum err store_media_put(struct store *st, const struct store_media *m) MUST_CHECK;
/* Fills a reserved id; ERR_NOT_FOUND if there is none (any more) that is unfilled. */
enum err store_media_fill(struct store *st, const struct store_media *m) MUST_CHECK;
enum err store_media_get(struct store *st, struct arena *a, struct str server,
	struct str media_id, struct store_media *out) MUST_CHECK; /* ERR_NOT_FOUND */
enum err store_media_used(
	struct store *st, struct str server, struct str media_id, int64_t now) MUST_CHECK;
/* Reserved ids of a user made after a time; older ones are deleted. */
enum err store_media_pending(
	struct store *st, struct str user_id, int64_t after, int64_t *n) MUST_CHECK;

struct store_thumbnail {
	struct str server;
	struct str media_id;
	unsigned width, height;
	bool crop;
	struct str hash;
	int64_t size;
	struct str content_type;
	int64_t used_ts;
};
enum err store_thumbnail_put(struct store *st, const struct store_thumbnail *t) MUST_CHECK;
/* Fills in hash, size, content_type and used_ts; ERR_NOT_FOUND. */
enum err store_thumbnail_get(
	struct store *st, struct arena *a, struct store_thumbnail *t) MUST_CHECK;
enum err store_thumbnail_used(
	struct store *st, const struct store_thumbnail *t, int64_t now) MUST_CHECK;

/* Bytes of the cache: files of other servers, and all thumbnails. */
enum err store_media_cached(struct store *st, int64_t *bytes) MUST_CHECK;
/* The cached file that was not asked for for the longest time: is_thumbnail says which of the
 * two was filled. ERR_NOT_FOUND: the cache is empty. */
enum err store_media_oldest(struct store *st, struct arena *a, bool *is_thumbnail,
	struct store_media *m, struct store_thumbnail *t) MUST_CHECK;
enum err store_media_delete(
	struct store *st, struct str server, struct str media_id) MUST_CHECK;
enum err store_thumbnail_delete(struct store *st, const struct store_thumbnail *t) MUST_CHECK;
/* Does any row name this file? */
enum err store_media_hash_used(struct store *st, struct str hash, bool *yes) MUST_CHECK;
enum err store_thumbnail_hash_used(struct store *st, struct str hash, bool *yes) MUST_CHECK;

#endif
