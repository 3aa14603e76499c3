/*
 * uri: paths and queries of server-server requests, put together and taken apart.
 */
#ifndef KITH_FEDERATION_URI_H
#define KITH_FEDERATION_URI_H

#include "node/base/arena.h"
#include "node/base/buf.h"
#include "node/base/str.h"

#include <stdbool.h>

/* Appends s percent-encoded, so that it is one path segment or one query value. */
void uri_put(struct buf *out, struct str s);

/* Appends a path: each %s of fmt takes one more struct str, encoded. */
void uri_put_path(struct buf *out, const char *fmt, const struct str *args, size_t n);

/* Appends "?name=value", or "&name=value" when a query has begun. */
void uri_put_query(struct buf *out, const char *name, struct str value);

/* The n-th (from 0) value of a name in a query without its '?'. False if there are not so many,
 * or it can't be decoded. */
bool uri_query(struct arena *a, struct str query, const char *name, size_t n, struct str *out);

/* Matches a raw path (no query) to a pattern like "/a/{x}/b", where {x} is one segment: its
 * decoded text goes to args, in order. False if it doesn't match, or an argument is broken. */
bool uri_match(
	struct arena *a, struct str path, const char *pattern, struct str *args, size_t max);

#endif
