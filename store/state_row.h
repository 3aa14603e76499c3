/*
 * state_row: states as numbers, between state_group.c and state.c. For store/ alone.
 */
#ifndef KITH_STORE_STATE_ROW_H
#define KITH_STORE_STATE_ROW_H

#include "store/db.h"
#include "store/state.h"

/* One entry, all by number; event 0: there is none (any more). */
struct state_row {
	int64_t type;
	int64_t state_key;
	int64_t event;
	size_t order; /* of putting */
};

/* Sorted by (type, state_key), each once. */
struct state_rows {
	struct state_row *p;
	size_t n;
	size_t cap;
};

void state_rows_deinit(struct state_rows *r);
void state_rows_put(struct state_rows *r, struct state_row row);
/* Sorts; of several rows of one key the last one put stays. */
void state_rows_sort(struct state_rows *r);
/* over's rows take the place of under's; what they say is gone stays as event 0 if keep_gone.
 */
void state_rows_merge(const struct state_rows *under, const struct state_rows *over,
	bool keep_gone, struct state_rows *out);

/* Names of changes to numbers, new ones interned; sorted. */
enum err state_rows_intern(struct store *st, const struct store_state *changes, size_t n,
	struct state_rows *out) MUST_CHECK;

/* Rows to what callers see: names, event ids, sorted bytewise, in a. Gone ones are left out. */
enum err state_rows_name(struct store *st, struct arena *a, const struct state_rows *r,
	const struct store_state_entry **out, size_t *n) MUST_CHECK;

/* type, state_key as numbers: 0 for a name that nothing has. */
enum err state_key_find(struct store *st, struct str type, struct str state_key, int64_t *t,
	int64_t *k) MUST_CHECK;

/* A whole group, sorted (state_group.c). */
enum err state_group_rows(struct store *st, int64_t group, struct state_rows *out) MUST_CHECK;

#endif
