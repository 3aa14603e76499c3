/*
 * reader: a second look at a store's database, for work on the thread pool.
 *
 * It is a struct store for the functions that read, with a connection of its own that can only
 * read, and its own caches. It belongs to one thread at a time. What the loop has committed and
 * synced (store_durable()) is there; each statement sees what is there when it runs, so it is
 * good for what never changes once it is stored: events' auth_events, state groups.
 */
#ifndef KITH_STORE_READER_H
#define KITH_STORE_READER_H

#include "store/store.h"

/* On the loop; opens nothing yet. Owned: store_reader_free(). */
struct store *store_reader_new(const struct store *st);
/* On the thread that is going to read. ERR_IO. */
enum err store_reader_open(struct store *reader) MUST_CHECK;
/* On any thread that has it now. NULL is fine. */
void store_reader_free(struct store *reader);

#endif
