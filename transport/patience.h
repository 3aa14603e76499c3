/*
 * patience: how long a connection may take, for thousands of them with one timer.
 *
 * There are a few kinds of waiting, each with a time of its own. All entries of one kind have
 * the same time, so they lie in a list in the order in which they are due. The timer runs only
 * while there is an entry.
 */
#ifndef KITH_TRANSPORT_PATIENCE_H
#define KITH_TRANSPORT_PATIENCE_H

#include "node/base/loop.h"

#define PATIENCE_KINDS 5

/* Zeroed: in no list. Embedded in what waits. */
struct patience_entry {
	struct patience_entry *prev, *next;
	uint64_t due_ms;
	unsigned kind; /* 1 + that of the list; 0: none */
};

struct patience {
	struct loop *loop;
	struct loop_timer *timer;
	uint64_t timer_due_ms; /* UINT64_MAX: not set */
	struct patience_list {
		struct patience_entry *first, *last;
		unsigned ms;
	} lists[PATIENCE_KINDS];
	size_t n;
	/* Its time is over; it is in no list any more. */
	void (*expired)(void *arg, struct patience_entry *e, unsigned kind);
	void *arg;
};

void patience_init(struct patience *p, struct loop *loop, const unsigned ms[PATIENCE_KINDS],
	void (*expired)(void *arg, struct patience_entry *e, unsigned kind), void *arg);
void patience_deinit(struct patience *p); /* no entries are left */

/* From now on e waits for this kind of thing, anew if it did already. */
void patience_start(struct patience *p, struct patience_entry *e, unsigned kind);
void patience_stop(struct patience *p, struct patience_entry *e);
static inline bool patience_is(const struct patience_entry *e, unsigned kind)
{
	return e->kind == kind + 1;
}

/* The one that waits longest for this kind of thing, or NULL. */
struct patience_entry *patience_oldest(const struct patience *p, unsigned kind);

#endif
