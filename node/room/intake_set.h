/*
 * intake_set: verified events that lie in a spool, and what must be known of each to store them
 * in order: forty bytes. For intake.c and intake_store.c.
 */
#ifndef KITH_ROOM_INTAKE_SET_H
#define KITH_ROOM_INTAKE_SET_H

#include "node/core/event.h"
#include "store/spool.h"

#define INTAKE_NONE UINT32_MAX

/* An event's id, cut: ids are hashes, so who makes two alike has broken more than this. */
struct intake_key {
	uint64_t word[2];
};

enum intake_mark { INTAKE_UNSEEN, INTAKE_OPEN, INTAKE_DONE };

struct intake_entry {
	struct intake_key key;
	uint64_t at; /* in the spool: the id, keys of its auth events, its JSON */
	uint32_t n_json;
	uint32_t above; /* who asked for it, while it is open */
	uint8_t n_id;
	uint8_t n_auth;
	uint8_t next; /* auth event to look at */
	uint8_t mark;
	bool state;  /* part of the state */
	bool create; /* the room's create event */
};

struct intake_set {
	struct store *store;
	struct spool *spool;
	struct intake_entry *entries;
	size_t n;
	size_t cap;
	uint32_t *slots; /* entry + 1, by key */
	size_t n_slots;
};

void intake_set_init(struct intake_set *s, struct store *store);
void intake_set_deinit(struct intake_set *s);

/* One that is there already becomes part of the state, if it is. One with more auth events than
 * any rule allows is left out. ERR_IO, ERR_FULL. */
enum err intake_set_put(struct intake_set *s, const struct event *e, bool state) MUST_CHECK;
/* The entry of its auth event number i; INTAKE_NONE if it isn't in the set. */
enum err intake_set_auth(struct intake_set *s, const struct intake_entry *e, unsigned i,
	uint32_t *out) MUST_CHECK;
/* *out is owned. */
enum err intake_set_event(struct intake_set *s, const struct intake_entry *e,
	const struct room_version *v, struct event **out) MUST_CHECK;

#endif
