/*
 * event_index: from an event's id, and from the transaction id that a device sent it with, to
 * its number. For store/ alone.
 *
 * Both are looked up by a key of 8 bytes. What is found is to be compared whole: keys may meet.
 * A key is somewhere else in the table of keys for each event, and so is the page that a commit
 * would write for it. So those of new events are kept in memory. When there are
 * EVENT_INDEX_RECENT of them they are written in order, so that neighbours share pages: a few
 * with each event that comes then, as a page of a large table that is not in memory is a wait
 * for the disk. What is kept can always be made again from the events: the keys of those up to
 * meta 'keyed' are in the table for sure, those of others may be.
 */
#ifndef KITH_STORE_EVENT_INDEX_H
#define KITH_STORE_EVENT_INDEX_H

#include "node/base/err.h"
#include "node/base/str.h"
#include "store/event_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stmt;
struct store;

#define EVENT_INDEX_RECENT 1024 /* keys in memory, two for each message of our own */
#define EVENT_INDEX_SLICES 64   /* in which they are written, one with each event */

struct event_recent {
	uint64_t key;
	int64_t nid;   /* 0: no more */
	uint32_t next; /* in its bucket: its place and 1; 0: the last */
};

/* The keys in memory. Zeros: none were looked for yet. */
struct event_index {
	struct event_recent *recent; /* owned */
	size_t n;
	size_t cap;
	uint32_t buckets[256]; /* as next */
	int64_t upto;          /* all events up to here were looked at */
	bool loaded;

	/* What is being written: the first n_writing of recent, by key. */
	struct event_recent *writing; /* owned; NULL: nothing is */
	size_t n_writing;
	size_t written; /* of it */
	int64_t writing_upto;

	unsigned serial; /* grows with each change that event_index_undo() can't undo */
};

struct event_index_mark {
	size_t n;
	size_t written;
	int64_t upto;
	unsigned serial;
};

uint64_t event_index_id_key(const struct event_key *k);
uint64_t event_index_txn_key(int64_t sender, int64_t device, struct str txn_id);

/* The events of a key. After event_walk_start() numbers come until event_walk_next() is false;
 * then, or earlier, event_walk_end(), which says whether there was an error. */
struct event_walk {
	/* Private to event_index.c. */
	struct store *st;
	struct stmt *q;
	uint64_t key;
	uint32_t at;
	enum err err;
	char bytes[8];
};
void event_walk_start(struct event_walk *w, struct store *st, uint64_t key);
bool event_walk_next(struct event_walk *w, int64_t *nid);
enum err event_walk_end(struct event_walk *w) MUST_CHECK;

/* For the event whose row was just written with the largest number so far. In a transaction. */
enum err event_index_put(struct store *st, uint64_t key, int64_t nid) MUST_CHECK;
enum err event_index_remove(struct store *st, uint64_t key, int64_t nid) MUST_CHECK;
/* Of all events of a room, before their rows go. */
enum err event_index_remove_room(struct store *st, int64_t room) MUST_CHECK;
/* Writes some of what is in memory if it is enough. In a transaction, when an event's keys are
 * all put. */
enum err event_index_write(struct store *st) MUST_CHECK;
/* Where a transaction begins; and when it was undone. */
struct event_index_mark event_index_mark(const struct store *st);
void event_index_undo(struct store *st, const struct event_index_mark *mark);
/* When anything may have been undone: what is in memory is made again. */
void event_index_forget(struct store *st);

#endif
