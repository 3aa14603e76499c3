/*
 * media_impl: what the files of node/media share. Nobody else includes it.
 *
 *     dir/files/ab/abcd...   a file, named by the base32 of its hash
 *     dir/thumbs/cd/cdef...  a thumbnail, likewise
 *     dir/tmp/...            what is being written; emptied at the start
 */
#ifndef KITH_MEDIA_MEDIA_IMPL_H
#define KITH_MEDIA_MEDIA_IMPL_H

#include "node/base/arena.h"
#include "node/base/hash.h"
#include "node/base/map.h"
#include "node/media/media.h"
#include "node/media/thumbnail.h"
#include "store/media.h"
#include "store/store.h"

#define LOG_MODULE "media"

/* Asked-for times are written when the last one is this old: reading costs no writes. */
#define USED_EVERY_MS (60L * 60 * 1000)
#define PENDING_MS    (24L * 60 * 60 * 1000)

enum media_folder { MEDIA_FILES, MEDIA_THUMBS, N_MEDIA_FOLDERS };

struct media {
	struct media_options o;
	char *dir; /* owned */
	uint64_t next_tmp;
	int64_t cached; /* bytes; -1: not yet counted */
	/* By the first ten bits of a hash, its folder's name: known to be on disk. */
	unsigned char folders[N_MEDIA_FOLDERS][1024 / 8];
	struct map sealing; /* hashes whose file is there or about to be, without a row yet */
	struct map fetches; /* struct fetch by "server/media_id" */
	struct get_op *waiting; /* for a reserved id to be filled */
};

char *media_path(const struct media *m, enum media_folder f, struct str hash); /* owned */
char *media_tmp_path(struct media *m);                                         /* owned */
void media_id_make(struct media *m, char id[MEDIA_ID_BYTES]);

/* --- sealing: from a written temporary file to one with its name -----------------------------
 */

/* On the pool: syncs fd. */
enum err media_file_sync(int fd) MUST_CHECK;
/* On the pool: gives the file at tmp its name and syncs its folder; unless that one is known to
 * be on disk, the folders above it, too, down from the data directory. */
enum err media_file_place(const char *tmp, const char *path, bool known) MUST_CHECK;
/* On the loop: whether a file of this hash was placed since the start, and that one was. */
bool media_folder_known(const struct media *m, enum media_folder f, const unsigned char *hash);
void media_folder_placed(struct media *m, enum media_folder f, const unsigned char *hash);
/* Of errno. */
enum err media_io_err(void);

/* While a hash is held its file is not deleted, though no row names it yet. */
struct media_hold {
	unsigned n;
	unsigned char hash[HASH_BYTES];
};
void media_hold(struct media *m, const unsigned char hash[HASH_BYTES]);
void media_release(struct media *m, const unsigned char hash[HASH_BYTES]);

/* Deletes the file unless some row names it or it is held. */
void media_file_drop(struct media *m, enum media_folder f, struct str hash);

/* n more bytes are cached: throws out what was unused longest, past the bound. */
void media_cache_grew(struct media *m, int64_t n);

/* --- uploads of others' files ----------------------------------------------------------------
 */

/* As media_upload_new, for a file of another server: its row has server and media_id. */
struct media_upload *media_upload_remote(
	struct media *m, struct str server, struct str media_id, uint64_t max_bytes);
/* Its type and name, before the first byte. Both are made fit. */
void media_upload_describe(
	struct media_upload *u, struct str content_type, struct str content_disposition);

/* A reserved id was filled. */
void media_get_filled(struct media *m, struct str media_id);

/* Fetches a file of another server, once for all who want it. done is called from the loop. */
struct fetch_waiter {
	void (*done)(struct fetch_waiter *w, enum err err);
	struct fetch_waiter *next; /* private to fetch.c */
	struct fetch *fetch;       /* private to fetch.c */
};
void media_fetch_start(struct media *m, struct str server, struct str media_id,
	uint64_t timeout_ms, struct fetch_waiter *w);
void media_fetch_leave(struct fetch_waiter *w);

/* The file name in a Content-Disposition header, in a; empty if there is none. */
struct str media_disposition_name(struct arena *a, struct str header);
bool media_is_inline(struct str content_type);

#endif
