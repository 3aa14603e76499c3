/*
 * life: writers that fill a store with numbered events until it ends, well or badly, and the
 * look afterwards whether all that they were told is stored is there.
 */
#ifndef KITH_TESTS_LIFE_H
#define KITH_TESTS_LIFE_H

#include "node/loop_uv.h"
#include "store/store.h"

#define LIFE_EVENTS_MAX 20000

/* All events of all lives on one database. */
struct life_record {
	unsigned n; /* events begun */
	struct {
		unsigned room;
		bool acked;   /* reported durable */
		bool refused; /* reported as not stored: ERR_FULL */
	} events[LIFE_EVENTS_MAX];
	unsigned rooms;
};

struct life_options {
	struct loop_uv *uv;
	struct store_options store;
	unsigned writers;
	unsigned events; /* at most so many in this life */
	/* Called when the room is there and durable, before the first event. May be NULL. */
	void (*begun)(void *arg);
	/* Called for each event that was reported durable, with its number. May be NULL. */
	void (*acked)(void *arg, unsigned n);
	/* Called for each event that could not be stored. May be NULL. */
	void (*failed)(void *arg);
	void *arg;
	/* After an error the writers try the next event a little later. */
	bool go_on;
};

/* Opens the store, writes, closes it. True if everything went well; else the store failed on
 * the way, which is no failure of the test. */
bool life_run(const struct life_options *o, struct life_record *r);

/* Opens what is at path and compares: every acked event is there, none that was refused, and of
 * the last life's others only the first few. text gets what is wrong. */
bool life_check(struct loop_uv *uv, const char *path, const struct life_record *r,
	unsigned last_from, char *text, size_t size);

#endif
