/*
 * page: a piece of a room's timeline for one reader, for messages.c, read_event.c and
 * relations.c.
 */
#ifndef KITH_ROOM_PAGE_H
#define KITH_ROOM_PAGE_H

#include "node/room/reach.h"

struct page {
	/* In. */
	struct rooms *r;
	struct arena *arena;
	const struct room_reader *reader;
	struct room_viewer *viewer;
	const struct event_filter *filter; /* NULL: none */
	int64_t from;                      /* where to begin: a place (token.h) */
	int64_t to;                        /* where to stop */
	bool forward;
	unsigned limit;

	/* Out. */
	const struct store_event **events; /* in the order of reading, in arena */
	size_t n;
	int64_t end;   /* the place behind the last event that was looked at */
	bool finished; /* there is nothing more until `to` */
};

/* Looks at no more than a bounded number of events, so it may end early with n < limit and
 * finished false. */
enum err page_read(struct page *p) MUST_CHECK;

/* Writes the events as elements of an array that is open. */
enum err page_put(const struct page *p, const struct room_format *f, struct jw *w) MUST_CHECK;

/* The senders' member events where the filter loads members lazily: elements of an array that
 * is open. group: the state to take them from. */
enum err page_put_members(const struct page *p, int64_t group, const struct room_format *f,
	struct jw *w) MUST_CHECK;

/* Does the reader's filter let it pass? */
bool page_wants(const struct page *p, const struct store_event *e);

#endif
