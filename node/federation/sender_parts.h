/*
 * sender_parts: what sender.c (when, and what came of it) and sender_make.c (what is in a
 * transaction) share. Not for other modules.
 */
#ifndef KITH_FEDERATION_SENDER_PARTS_H
#define KITH_FEDERATION_SENDER_PARTS_H

#include "node/base/map.h"
#include "node/federation/sender.h"
#include "node/json/json.h"
#include "store/outbox.h"
#include "store/store.h"
#include "transport/transport.h"

struct now_edu {
	struct now_edu *next;
	struct str key;
	struct str json; /* behind the struct, as key */
	uint64_t until_ms;
};

/* The transaction on its way. */
struct flight {
	int64_t pdu_pos;   /* what the destination has when it is acknowledged */
	int64_t edu_pos;   /* 0: none */
	uint64_t sequence; /* it has everything up to this position; 0: not the EDUs */
	bool more;         /* there is more behind it */
	bool dial;         /* it was not connected */
	bool pdus;
	bool edus;
};

struct destination {
	struct sender *s;
	char *name; /* owned; the map's key */
	int64_t pos;
	bool waiting; /* something may be there to send */
	bool flying;
	bool hold_edus; /* it took no EDUs: room events go without them once */
	bool dirty;     /* pos, or the back-off, is not written yet */
	struct flight flight;
	struct flight
		unanswered;   /* the last one, if it may have taken effect; sequence 0: none */
	uint64_t sent_upto;   /* the largest sequence that it was sent */
	uint64_t retry_at_ms; /* monotonic; 0: none */
	int64_t interval_ms;
	struct now_edu *now;
	size_t n_now;
	struct destination *next_ready;
	bool ready;
};

struct sender {
	struct federation *f;
	struct map destinations; /* struct destination, owned */
	struct destination *first_ready, **last_ready;
	struct loop_deferred deferred;
	struct loop_timer *turn_timer; /* the rest of those that are ready */
	size_t dials;
	struct loop_timer *retry_timer;
	struct loop_timer *write_timer;
	struct loop_timer *start_timer;
	struct store_listener feed;
	struct transport_listener peers;
	struct outbox_now now;
	struct log_limit failed;
	uint64_t transactions;
	uint64_t run; /* chance: this process's transactions have their own ids */
	bool running;
	bool writing; /* write_timer runs */
};

/* One being made. */
struct making {
	struct destination *d;
	struct arena *a;
	struct jw w;
	unsigned seen;
	unsigned n_pdus;
	unsigned n_edus;
	int64_t pos;        /* all up to here was looked at */
	int64_t last_pdu;   /* 0: none */
	struct str room_id; /* of the event before, and since when the destination is in it */
	int64_t since;
};

static inline struct str name_of(const struct destination *d)
{
	return str_of(d->name);
}

static inline uint64_t mono(const struct sender *s)
{
	return loop_now_ms(s->f->o.loop);
}

/* Writes the next transaction for m->d into body, and into d->flight what it is. ERR_NOT_FOUND:
 * nothing waits; flight.pdu_pos says up to where that was seen. */
enum err sender_make(struct making *m, struct buf *body) MUST_CHECK;

void sender_drop_now(struct destination *d);

#endif
