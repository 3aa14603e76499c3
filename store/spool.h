/*
 * spool: bytes on the disk that nobody will look for after a restart: what another server sends
 * and must not stay in memory. A file without a name beside the database.
 */
#ifndef KITH_STORE_SPOOL_H
#define KITH_STORE_SPOOL_H

#include "node/base/buf.h"
#include "node/base/err.h"
#include "store/store.h"

struct spool;

/* ERR_IO, ERR_FULL. Owned: spool_free(). */
enum err spool_new(const struct store *st, struct spool **out) MUST_CHECK;
void spool_free(struct spool *s); /* NULL is fine */

/* Appends; *at is where. */
enum err spool_put(struct spool *s, struct str bytes, uint64_t *at) MUST_CHECK;
/* n bytes from there, appended to out. */
enum err spool_get(struct spool *s, uint64_t at, size_t n, struct buf *out) MUST_CHECK;

#endif
