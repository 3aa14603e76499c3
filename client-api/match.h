/*
 * match: which route a path belongs to.
 *
 * A tree of path segments as they were sent, before percent-decoding, so that an encoded slash
 * in an identifier stays inside of its segment. A literal goes before {name}; {name} matches an
 * empty segment only at the end (an empty state key), and never none.
 */
#ifndef KITH_CLIENT_API_MATCH_H
#define KITH_CLIENT_API_MATCH_H

#include "client-api/request.h"

#define MATCH_METHODS_MAX 8 /* of one path */

struct match_tree;

struct match {
	/* Routes of this path, one for each method: NULL behind the last. */
	const struct route *const *routes;
	struct str args[REQUEST_ARGS_MAX]; /* as sent */
	size_t n_args;
};

struct match_tree *match_new(void);
void match_free(struct match_tree *t);

/* Borrowed; false if there is one of that method and path already. */
bool match_add(struct match_tree *t, const struct route *r);

bool match_find(const struct match_tree *t, struct str path, struct match *out);

#endif
