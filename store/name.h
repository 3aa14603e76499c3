/*
 * name: strings that repeat (user ids, server names, event types, state keys, relation types),
 * each stored once and known by a number. For the files of store/ alone.
 */
#ifndef KITH_STORE_NAME_H
#define KITH_STORE_NAME_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/str.h"
#include "store/store.h"

/* Its number, 0 when it has none (ERR_OK all the same): nothing stored can be about it. */
enum err name_find(struct store *st, struct str text, int64_t *nid) MUST_CHECK;
/* As name_find, but gives it one. Inside a transaction. */
enum err name_intern(struct store *st, struct str text, int64_t *nid) MUST_CHECK;
/* The text, borrowed until the next call of this module. ERR_CORRUPT for an unknown number. */
enum err name_text(struct store *st, int64_t nid, struct str *text) MUST_CHECK;

/* As name_text, copied into a, for strings that need not be kept in memory (one read of a
 * large room's state would push everything else out). */
enum err name_text_in(
	struct store *st, int64_t nid, struct arena *a, struct str *text) MUST_CHECK;

struct stmt;
/* The texts of the numbers that q gives in its first column, in a. */
enum err name_list(struct store *st, struct stmt *q, struct arena *a, const struct str **out,
	size_t *n) MUST_CHECK;

#endif
