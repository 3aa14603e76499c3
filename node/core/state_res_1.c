#include "node/core/state_res_1.h"

#include <stdlib.h>

#include "node/core/auth.h"
#include "node/core/sha1.h"

struct candidate {
	const struct event *e;
	unsigned char sha1[SHA1_BYTES];
};

/* One (type, state_key). */
struct slot {
	struct state_entry entry; /* what it is resolved to so far; without an id: nothing */
	struct candidate *candidates; /* in conflict: all of them; else NULL */
	size_t n;
	bool known; /* the rules see it: not in conflict, or of a pass that is over */
};

struct resolution {
	struct arena *a;
	const struct state_res_source *src;
	struct slot *slots; /* sorted as state_entry_cmp() does */
	size_t n;
	struct slot *trying; /* the rules see what this one is resolved to so far */
};

static int by_entry(const void *a, const void *b)
{
	return state_entry_cmp(a, b);
}

static bool is_known(const struct candidate *list, size_t n, struct str event_id)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(list[i].e->event_id, event_id))
			return true;
	}
	return false;
}

/* The entries at[0 .. n) are all of one key. */
static void take_key(struct resolution *r, const struct state_entry *at, size_t n)
{
	struct slot *slot = &r->slots[r->n++];
	bool differ = false;

	*slot = (struct slot){ .entry = at[0] };
	for (size_t i = 1; i < n && !differ; i++)
		differ = !str_eq(at[i].event_id, at[0].event_id);
	slot->known = !differ;
	if (!differ)
		return;
	slot->candidates = arena_calloc(r->a, n, sizeof(*slot->candidates));
	for (size_t i = 0; i < n; i++) {
		struct candidate *c = &slot->candidates[slot->n];
		const struct event *e;

		if (is_known(slot->candidates, slot->n, at[i].event_id))
			continue;
		e = r->src->event(r->src->arg, at[i].event_id);
		if (!e || (r->src->rejected && r->src->rejected(r->src->arg, at[i].event_id)))
			continue;
		c->e = e;
		sha1(e->event_id, c->sha1);
		slot->n++;
	}
	slot->entry.event_id = (struct str){ 0 };
	if (slot->n == 1) {
		slot->entry.event_id = slot->candidates[0].e->event_id;
		slot->known = true;
	}
}

static void split_sets(struct resolution *r, const struct state_set *sets, size_t n_sets)
{
	struct state_entry *all;
	size_t n = 0;
	size_t i = 0;

	for (size_t set = 0; set < n_sets; set++)
		n += sets[set].n;
	all = arena_calloc(r->a, n + 1, sizeof(*all));
	r->slots = arena_calloc(r->a, n + 1, sizeof(*r->slots));
	n = 0;
	for (size_t set = 0; set < n_sets; set++) {
		for (size_t j = 0; j < sets[set].n; j++)
			all[n++] = sets[set].entries[j];
	}
	if (n)
		qsort(all, n, sizeof(*all), by_entry);
	while (i < n) {
		size_t end = i + 1;

		while (end < n && state_entry_cmp(&all[i], &all[end]) == 0)
			end++;
		take_key(r, all + i, end - i);
		i = end;
	}
}

static const struct event *get_state(void *arg, struct str type, struct str state_key)
{
	struct resolution *r = arg;
	struct state_entry key = { type, state_key, { 0 } };
	struct slot *slot =
		r->n ? bsearch(&key, r->slots, r->n, sizeof(*r->slots), by_entry) : NULL;

	if (!slot || !slot->entry.event_id.p || (!slot->known && slot != r->trying))
		return NULL;
	return r->src->event(r->src->arg, slot->entry.event_id);
}

static bool allowed(struct resolution *r, const struct event *e)
{
	struct auth_state state = { get_state, r };
	struct err_ctx why = { { 0 } };
	bool ok = !auth_check(e, &state, &why);

	if (r->src->judged)
		r->src->judged(r->src->arg, e->event_id, ok, why.text);
	return ok;
}

/* Ascending depth, then descending hash. */
static int by_depth(const void *a, const void *b)
{
	const struct candidate *x = a;
	const struct candidate *y = b;

	if (x->e->depth != y->e->depth)
		return x->e->depth < y->e->depth ? -1 : 1;
	return memcmp(y->sha1, x->sha1, SHA1_BYTES);
}

/* Of what decides who may do what, the last of a run in which each allows the next. */
static void resolve_run(struct resolution *r, struct slot *slot)
{
	r->trying = slot;
	slot->entry.event_id = slot->candidates[0].e->event_id;
	for (size_t i = 1; i < slot->n && allowed(r, slot->candidates[i].e); i++)
		slot->entry.event_id = slot->candidates[i].e->event_id;
	r->trying = NULL;
}

/* Of all else, the deepest that is allowed. */
static void resolve_deepest(struct resolution *r, struct slot *slot)
{
	size_t i = slot->n - 1;

	while (i > 0 && !allowed(r, slot->candidates[i].e))
		i--;
	slot->entry.event_id = slot->candidates[i].e->event_id;
}

/* One pass: the slots of a type (NULL: all that are left), and only then the rules see them. */
static void pass(struct resolution *r, const char *type, bool any_key,
	void (*resolve)(struct resolution *r, struct slot *slot))
{
	for (size_t i = 0; i < r->n; i++) {
		struct slot *slot = &r->slots[i];

		if (slot->known || slot->n == 0 || slot->entry.event_id.p)
			continue;
		if (type &&
			(!str_eq(slot->entry.type, str_of(type)) ||
				(!any_key && slot->entry.state_key.n)))
			continue;
		qsort(slot->candidates, slot->n, sizeof(*slot->candidates), by_depth);
		resolve(r, slot);
	}
	for (size_t i = 0; i < r->n; i++)
		r->slots[i].known = r->slots[i].known || r->slots[i].entry.event_id.p;
}

enum err state_resolve_1(struct arena *a, const struct state_set *sets, size_t n_sets,
	const struct state_res_source *src, struct state_set *out, struct err_ctx *why)
{
	struct resolution r = { .a = a, .src = src };
	struct state_entry *entries;
	size_t n = 0;

	split_sets(&r, sets, n_sets);
	if (r.n > (src->max_events ? src->max_events : STATE_RES_MAX_EVENTS))
		return err_set(why, ERR_LIMIT, "the states hold too many events");
	pass(&r, "m.room.power_levels", false, resolve_run);
	pass(&r, "m.room.join_rules", true, resolve_run);
	pass(&r, "m.room.member", true, resolve_run);
	pass(&r, NULL, true, resolve_deepest);
	entries = arena_calloc(a, r.n + 1, sizeof(*entries));
	for (size_t i = 0; i < r.n; i++) {
		if (r.slots[i].entry.event_id.p)
			entries[n++] = r.slots[i].entry;
	}
	*out = (struct state_set){ entries, n };
	return ERR_OK;
}
