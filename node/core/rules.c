#include "node/core/rules.h"

#include <stdlib.h>

#include "node/core/rules_case.h"
#include "node/core/state_res.h"

/* auth ----------------------------------------------------------------------------------- */

static enum err auth_answer(struct rules_case *c, struct buf *answer, struct err_ctx *why)
{
	const struct json *list = NULL;
	const struct json *pdu;
	struct err_ctx shape = { { 0 } };
	struct case_event *x = NULL;
	struct jw w = jw_to(answer);
	enum err err = json_obj(c->tree, "event", &pdu, why);

	if (!err)
		err = json_arr(c->tree, "auth_events", &list, why);
	for (const struct json *m = json_first(list); m && !err; m = json_next(m)) {
		err = rules_case_add(c, (struct str){ 0 }, m, &x, why);
		if (!err)
			x->judged = CASE_DONE; /* taken as accepted */
		else if (err == ERR_EXISTS)
			err = ERR_OK;
	}
	if (err)
		return err;
	if (rules_case_add(c, (struct str){ 0 }, pdu, &x, &shape))
		x = NULL; /* of no shape, or among its own auth events */
	else
		rules_case_judge(c, x);
	jw_obj(&w);
	jw_kv_bool(&w, "allowed", x && !x->rejected);
	jw_key(&w, "rule");
	if (x && !x->rejected)
		jw_z(&w, "authorisation rules: allowed");
	else
		jw_z(&w, x ? x->why : shape.text);
	jw_end(&w);
	return ERR_OK;
}

enum err rules_auth(struct str text, unsigned flags, struct buf *answer, struct err_ctx *why)
{
	CLEANUP(rules_case_deinit) struct rules_case c;
	enum err err = rules_case_init(&c, text, flags, why);

	return err ? err : auth_answer(&c, answer, why);
}

/* resolve -------------------------------------------------------------------------------- */

static const struct event *get_event(void *arg, struct str event_id)
{
	const struct case_event *x = rules_case_get(arg, event_id);

	return x ? x->e : NULL;
}

static bool get_rejected(void *arg, struct str event_id)
{
	const struct case_event *x = rules_case_get(arg, event_id);

	return x && x->rejected;
}

static void note_judged(void *arg, struct str event_id, bool allowed, const char *why)
{
	struct rules_case *c = arg;
	struct case_event *x = rules_case_get(c, event_id);

	if (!x)
		return;
	x->asked = true;
	x->allowed = allowed;
	x->refusal = allowed ? "" : arena_printf(c->arena, "%s", why).p;
}

static int by_entry(const void *a, const void *b)
{
	return state_entry_cmp(a, b);
}

static int by_id(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static enum err read_set(struct rules_case *c, const struct json *list, struct state_set *out,
	struct err_ctx *why)
{
	struct state_entry *entries =
		arena_calloc(c->arena, json_count(list) + 1, sizeof(*entries));
	size_t n = 0;

	for (const struct json *m = json_first(list); m; m = json_next(m)) {
		struct case_event *x;
		struct str id;

		if (!json_as_str(m, &id))
			return err_set(why, ERR_MALFORMED, "state_sets hold event ids");
		x = rules_case_get(c, id);
		if (!x || !x->e || !x->e->is_state)
			return err_set(why, ERR_INVALID,
				"state_sets: there is no state event %.*s", STR_FMT(id));
		entries[n++] = (struct state_entry){ x->e->type, x->e->state_key, x->event_id };
	}
	qsort(entries, n, sizeof(*entries), by_entry);
	for (size_t i = 1; i < n; i++) {
		if (state_entry_cmp(&entries[i - 1], &entries[i]) == 0)
			return err_set(why, ERR_INVALID,
				"a state set has two events of one type and state_key: %.*s",
				STR_FMT(entries[i].event_id));
	}
	*out = (struct state_set){ entries, n };
	return ERR_OK;
}

static enum err read_sets(
	struct rules_case *c, struct state_set **sets, size_t *n_sets, struct err_ctx *why)
{
	const struct json *list;
	size_t n = 0;
	enum err err = json_arr(c->tree, "state_sets", &list, why);

	if (err)
		return err;
	*sets = arena_calloc(c->arena, json_count(list) + 1, sizeof(**sets));
	for (const struct json *m = json_first(list); m && !err; m = json_next(m)) {
		if (!json_is(m, JSON_ARRAY))
			err = err_set(why, ERR_MALFORMED, "a state set is an array");
		else
			err = read_set(c, m, &(*sets)[n++], why);
	}
	*n_sets = n;
	return err;
}

static enum err read_events(struct rules_case *c, struct err_ctx *why)
{
	const struct json *list;
	enum err err = json_obj(c->tree, "events", &list, why);

	if (err)
		return err;
	c->events = arena_calloc(c->arena, json_count(list) + 1, sizeof(struct case_event *));
	for (const struct json *m = json_first(list); m && !err; m = json_next(m)) {
		err = rules_case_add(c, json_key(m), m, &c->events[c->n_events], why);
		c->n_events += !err;
	}
	for (size_t i = 0; i < c->n_events && !err; i++)
		rules_case_judge(c, c->events[i]);
	return err;
}

static void put_ids(struct jw *w, const char *key, struct str *ids, size_t n)
{
	if (n)
		qsort(ids, n, sizeof(*ids), by_id);
	jw_key(w, key);
	jw_arr(w);
	for (size_t i = 0; i < n; i++)
		jw_str(w, ids[i]);
	jw_end(w);
}

static const struct state_entry *entry_of(const struct state_set *set, const struct event *e)
{
	struct state_entry key = { e->type, e->state_key, { 0 } };

	return set->n ? bsearch(&key, set->entries, set->n, sizeof(key), by_entry) : NULL;
}

/* Events of a key that is not the same in all sets. */
static void mark_conflicted(
	const struct rules_case *c, const struct state_set *sets, size_t n_sets)
{
	for (size_t i = 0; i < c->n_events; i++) {
		struct case_event *x = c->events[i];
		size_t has = 0;

		for (size_t j = 0; x->e && x->e->is_state && j < n_sets; j++) {
			const struct state_entry *entry = entry_of(&sets[j], x->e);

			has += entry && str_eq(entry->event_id, x->event_id);
		}
		x->conflicted = has > 0 && has < n_sets;
	}
}

static void put_explained(struct jw *w, const struct rules_case *c, const struct state_set *out)
{
	jw_key(w, "explained");
	jw_arr(w);
	for (size_t i = 0; i < c->n_events; i++) {
		const struct case_event *x = c->events[i];
		const struct state_entry *winner;
		bool won;

		if (!x->conflicted)
			continue;
		winner = entry_of(out, x->e);
		won = winner && str_eq(winner->event_id, x->event_id);
		jw_obj(w);
		jw_kv_str(w, "event_id", x->event_id);
		jw_kv_str(w, "type", x->e->type);
		jw_kv_str(w, "state_key", x->e->state_key);
		jw_kv_bool(w, "won", won);
		jw_key(w, "why");
		if (won && x->asked)
			jw_z(w, "of those that are allowed here it comes last in the order");
		else if (won)
			jw_z(w, "no other of its type and key stands against it");
		else if (x->asked && !x->allowed)
			jw_z(w, x->refusal);
		else if (winner)
			jw_str(w,
				arena_printf(c->arena, "%.*s comes after it in the order",
					STR_FMT(winner->event_id)));
		else
			jw_z(w, x->rejected ? x->why : "it was not reached");
		jw_end(w);
	}
	jw_end(w);
}

static enum err resolve_answer(struct rules_case *c, struct buf *answer, struct err_ctx *why)
{
	struct state_res_source src = { .event = get_event,
		.rejected = get_rejected,
		.judged = c->flags & RULES_EXPLAIN ? note_judged : NULL,
		.arg = c };
	struct state_set out = { 0 };
	struct state_set *sets;
	struct jw w = jw_to(answer);
	struct str *ids;
	size_t n_sets;
	size_t n = 0;
	enum err err = read_events(c, why);

	if (!err)
		err = read_sets(c, &sets, &n_sets, why);
	if (!err)
		err = state_resolve(c->arena, c->version, sets, n_sets, &src, &out, why);
	if (err)
		return err;
	ids = arena_calloc(c->arena, c->n_events + out.n + 1, sizeof(*ids));
	jw_obj(&w);
	for (size_t i = 0; i < out.n; i++)
		ids[n++] = out.entries[i].event_id;
	put_ids(&w, "resolved", ids, n);
	n = 0;
	for (size_t i = 0; i < c->n_events; i++) {
		if (c->events[i]->rejected)
			ids[n++] = c->events[i]->event_id;
	}
	put_ids(&w, "rejected", ids, n);
	if (c->flags & RULES_EXPLAIN) {
		mark_conflicted(c, sets, n_sets);
		put_explained(&w, c, &out);
	}
	jw_end(&w);
	return ERR_OK;
}

enum err rules_resolve(struct str text, unsigned flags, struct buf *answer, struct err_ctx *why)
{
	CLEANUP(rules_case_deinit) struct rules_case c;
	enum err err = rules_case_init(&c, text, flags, why);

	return err ? err : resolve_answer(&c, answer, why);
}
