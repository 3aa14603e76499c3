/*
 * How many events of a room a user should still be told of (client-server API, "Receiving
 * notifications"), by his push rules and receipts.
 *
 * Counted when asked for and kept in memory, so that an event costs no row for each reader: a
 * room's count goes on from where it was, and is begun anew when a receipt, the membership or
 * the rules moved.
 */
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/map.h"
#include "node/core/push.h"
#include "node/room/rooms.h"
#include "node/sync/answer.h"
#include "node/user/push_rules.h"

#define ROOMS_MAX   4096 /* counts kept; when there are more all are counted anew */
#define THREADS_MAX 64   /* of one room that are told apart; others count as the main one */
/* Events looked at for one room in one answer, the newest first: what is older is counted with
 * the next answers that tell of the room. */
#define SCAN_MAX 2000
#define HOPS_MAX 3 /* from an event to its thread's root */

struct count {
	unsigned notify;
	unsigned highlight;
};

/* A thread's count and how far it was read. */
struct thread {
	struct str root; /* empty: the main timeline */
	int64_t read;
	struct count count;
};

struct room_count {
	struct arena *arena; /* of the threads' names */
	bool valid;          /* else it is begun anew */
	int64_t upto;        /* events up to here are counted, but for those of the gap */
	int64_t gap_low;     /* gap_low < pos <= gap_high: still to be counted */
	int64_t gap_high;
	int64_t receipts; /* the latest own receipt's position */
	int64_t rules;    /* the push rules' position */
	struct thread threads[THREADS_MAX];
	size_t n_threads; /* at least 1 */
	size_t n_room;
	size_t n_key;
	char key[]; /* room id, NUL, user id */
};

struct unread {
	struct map rooms;
	struct store *store;
	struct store_listener listener;
};

static void room_count_free(struct room_count *c)
{
	if (!c)
		return;
	arena_free(c->arena);
	free(c);
}

static void forget_all(void *arg)
{
	struct unread *u = (struct unread *)arg;
	struct room_count *c;
	size_t at = 0;

	while ((c = (struct room_count *)map_next(&u->rooms, &at)))
		room_count_free(c);
	map_deinit(&u->rooms);
	map_init(&u->rooms);
}

static void key_of(struct buf *key, struct str room_id, struct str user_id)
{
	buf_put_str(key, room_id);
	buf_put_u8(key, 0);
	buf_put_str(key, user_id);
}

static void begin_anew(struct unread *u, struct str room_id, struct str user_id)
{
	CLEANUP(buf_deinit) struct buf key = { 0 };
	struct room_count *c;

	key_of(&key, room_id, user_id);
	c = (struct room_count *)map_get(&u->rooms, buf_str(&key));
	if (c)
		c->valid = false;
}

static void begin_all_anew(struct unread *u, struct str user_id)
{
	struct room_count *c;
	size_t at = 0;

	while ((c = (struct room_count *)map_next(&u->rooms, &at))) {
		struct str whose = { c->key + c->n_room + 1, c->n_key - c->n_room - 1 };

		if (str_eq(whose, user_id))
			c->valid = false;
	}
}

static void on_item(void *arg, const struct feed_item *item)
{
	struct unread *u = (struct unread *)arg;

	if (item->kind != FEED_RECEIPT && item->kind != FEED_MEMBERSHIP &&
		item->kind != FEED_ACCOUNT_DATA)
		return;
	if (item->room_id.n)
		begin_anew(u, item->room_id, item->user_id);
	else /* a private receipt, or, maybe, push rules */
		begin_all_anew(u, item->user_id);
}

struct unread *unread_new(struct store *st)
{
	struct unread *u = NEW(struct unread);

	u->store = st;
	map_init(&u->rooms);
	u->listener =
		(struct store_listener){ .item = on_item, .rolled_back = forget_all, .arg = u };
	store_listen(st, &u->listener);
	return u;
}

void unread_free(struct unread *u)
{
	if (!u)
		return;
	store_unlisten(u->store, &u->listener);
	forget_all(u);
	map_deinit(&u->rooms);
	free(u);
}

/* --- one count
 * -------------------------------------------------------------------------------- */

struct counter {
	struct answer *an;
	struct room_data *d;
	struct room_count *c;
	const struct push_ruleset *rules;
	const struct room_version *version;
	struct push_context context;
	bool ready; /* context is filled */
	size_t scanned;
	int64_t lowest; /* position of the last event that was looked at */
	enum err err;
};

static struct thread *thread_get(struct room_count *c, struct str root)
{
	for (size_t i = 0; i < c->n_threads; i++)
		if (str_eq(c->threads[i].root, root))
			return &c->threads[i];
	if (c->n_threads == THREADS_MAX)
		return &c->threads[0];
	c->threads[c->n_threads] = (struct thread){ .root = arena_str(c->arena, root) };
	return &c->threads[c->n_threads++];
}

static void at_least(int64_t *pos, int64_t other)
{
	if (other > *pos)
		*pos = other;
}

/* Fills in how far each thread was read, and starts the counts at zero. */
static void begin(struct room_count *c, const struct store_receipt *r, size_t n, int64_t joined)
{
	int64_t all = joined;

	c->n_threads = 0;
	c->upto = INT64_MAX;
	(void)thread_get(c, STR(""));
	for (size_t i = 0; i < n; i++) {
		if (!r[i].thread_id.n)
			at_least(&all, r[i].event_pos);
		else if (str_eq(r[i].thread_id, STR("main")))
			at_least(&c->threads[0].read, r[i].event_pos);
		else
			at_least(&thread_get(c, r[i].thread_id)->read, r[i].event_pos);
	}
	for (size_t i = 0; i < c->n_threads; i++) {
		at_least(&c->threads[i].read, all);
		if (c->threads[i].read < c->upto)
			c->upto = c->threads[i].read;
	}
	/* Threads that get their first event now were read as far as the whole room was. */
	if (all < c->upto)
		c->upto = all;
	c->gap_low = c->gap_high = c->upto;
}

/* The thread of an event: follows its relations up. */
static struct str thread_of(struct counter *k, const struct json *content)
{
	for (int hop = 0; hop < HOPS_MAX; hop++) {
		const struct json *rel = json_get(content, "m.relates_to");
		struct store_event parent;
		const struct json *tree;
		struct str type, id;

		if (!json_as_str(json_get(rel, "rel_type"), &type) ||
			!json_as_str(json_get(rel, "event_id"), &id))
			return STR("");
		if (str_eq(type, STR("m.thread")))
			return id;
		if (store_event_get(k->an->store, k->d->a, id, &parent) ||
			!str_eq(parent.room_id, k->d->part->room_id) ||
			json_parse_in(k->d->a, parent.json, &json_limits_peer, &tree, NULL))
			return STR("");
		content = json_get(tree, "content");
	}
	return STR("");
}

static void free_event(void *arg)
{
	event_free((struct event *)arg);
}

/* Borrowed until the turn ends. */
static const struct event *state_event(struct counter *k, struct str type, struct str key)
{
	return rooms_state_event(k->an->sync->o.rooms, k->d->part->room_id, type, key);
}

static bool make_ready(struct counter *k)
{
	struct str user_id = k->an->op->user_id;
	const struct event *member;
	unsigned joined = 0;

	if (k->ready)
		return true;
	k->version = rooms_version(k->an->sync->o.rooms, k->d->part->room_id);
	if (!k->version)
		return false;
	k->err = store_membership_count(
		k->an->store, k->d->part->room_id, MEMBERSHIP_JOIN, &joined);
	if (!k->err)
		k->err = push_rules_compiled(k->an->sync->o.push_rules, user_id, &k->rules);
	if (k->err)
		return false;
	k->context = (struct push_context){ .user_id = user_id,
		.member_count = joined,
		.create = state_event(k, STR("m.room.create"), STR("")),
		.power_levels = state_event(k, STR("m.room.power_levels"), STR("")) };
	member = state_event(k, STR("m.room.member"), user_id);
	if (member)
		(void)json_as_str(
			json_get(member->content, "displayname"), &k->context.display_name);
	k->ready = k->context.create != NULL;
	return k->ready;
}

static bool count_event(void *arg, const struct store_event *e)
{
	struct counter *k = (struct counter *)arg;
	struct push_result result;
	struct push_event pe;
	struct thread *t;
	struct event *parsed;

	k->scanned++;
	k->lowest = e->pos;
	if (str_eq(e->sender, k->an->op->user_id) || !room_viewer_sees(k->d->viewer, e))
		return true;
	if (!make_ready(k))
		return false;
	if (event_from_store(e->json, e->event_id, k->version, &parsed))
		return true;
	arena_defer(k->d->a, free_event, parsed);
	pe = push_event_of(k->d->a, parsed);
	result = push_evaluate(k->rules, &pe, &k->context);
	if (!result.notify)
		return true;
	t = thread_get(k->c, thread_of(k, parsed->content));
	if (e->pos <= t->read)
		return true;
	t->count.notify++;
	t->count.highlight += result.highlight;
	return true;
}

static struct room_count *room_count_get(struct answer *an, struct room_data *d)
{
	struct unread *u = an->sync->unread;
	CLEANUP(buf_deinit) struct buf key = { 0 };
	struct room_count *c;

	key_of(&key, d->part->room_id, an->op->user_id);
	c = (struct room_count *)map_get(&u->rooms, buf_str(&key));
	if (c)
		return c;
	if (u->rooms.n >= ROOMS_MAX)
		forget_all(u);
	c = (struct room_count *)xalloc(sizeof *c + key.n);
	c->arena = arena_new();
	c->n_room = d->part->room_id.n;
	c->n_key = key.n;
	memcpy(c->key, key.p, key.n);
	(void)map_put(&u->rooms, (struct str){ c->key, c->n_key }, c);
	return c;
}

static enum err joined_at(struct answer *an, struct room_data *d, int64_t *pos)
{
	struct store_member m;
	enum err err =
		store_membership_get(an->store, d->a, d->part->room_id, an->op->user_id, &m);

	if (!err)
		*pos = m.pos;
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Begins anew where the user has read further, or by other rules. */
static enum err check(struct answer *an, struct room_data *d, struct room_count *c)
{
	const struct store_receipt *receipts;
	int64_t latest = 0, rules, joined = 0;
	size_t n;
	enum err err = store_receipt_of_user(
		an->store, d->a, d->part->room_id, an->op->user_id, &receipts, &n);

	if (!err)
		err = push_rules_pos(an->sync->o.push_rules, an->op->user_id, &rules);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		at_least(&latest, receipts[i].pos);
	if (c->valid && c->receipts == latest && c->rules == rules && c->upto <= an->to.stream)
		return ERR_OK;
	if (n == 0)
		err = joined_at(an, d, &joined);
	if (err)
		return err;
	begin(c, receipts, n, joined);
	c->receipts = latest;
	c->rules = rules;
	return ERR_OK;
}

/* Looks at the newest events of from < pos <= to; *rest: up to where they were not looked at.
 */
static enum err count_range(struct counter *k, int64_t from, int64_t to, int64_t *rest)
{
	size_t before = k->scanned;
	unsigned limit = (unsigned)(SCAN_MAX - before);
	enum err err;

	*rest = from;
	if (from >= to)
		return ERR_OK;
	if (limit == 0) {
		*rest = to;
		return ERR_OK;
	}
	err = store_event_range(k->an->store, k->d->a, k->d->part->room_id, from, to, false,
		limit, count_event, k);
	if (!err && k->scanned - before == limit)
		*rest = k->lowest - 1;
	return err ? err : k->err;
}

/* Goes on with what earlier answers left, or remembers what this one leaves (up to rest). */
static enum err count_gap(struct counter *k, int64_t rest)
{
	struct room_count *c = k->c;

	if (rest == c->upto)
		return count_range(k, c->gap_low, c->gap_high, &c->gap_high);
	/* Should there be two gaps, all of it is counted anew from the next answer on. */
	if (c->gap_high > c->gap_low)
		c->receipts = -1;
	c->gap_low = c->upto;
	c->gap_high = rest;
	return ERR_OK;
}

/* Brings the count up to the answer's end. */
static enum err count(struct answer *an, struct room_data *d, struct room_count *c)
{
	struct counter k = { .an = an, .d = d, .c = c };
	const struct timeline *t = &d->timeline;
	int64_t rest;
	enum err err = ERR_OK;

	/* What is stored and not told yet on_item() doesn't know of. */
	if (!c->valid || !an->all_told || c->upto > an->to.stream)
		err = check(an, d, c);
	c->valid = false; /* what was counted in part must be begun anew */
	if (err)
		return err;
	rest = c->upto;
	if (t->whole && d->part->from <= c->upto) {
		for (size_t i = 0; i < t->n; i++)
			if (t->events[i]->pos > c->upto && !count_event(&k, t->events[i]))
				break;
	} else {
		err = count_range(&k, c->upto, an->to.stream, &rest);
	}
	if (!err)
		err = k.err;
	if (!err)
		err = count_gap(&k, rest);
	c->valid = !err && c->receipts >= 0;
	c->upto = an->to.stream;
	return err;
}

static void write_count(struct jw *w, const struct count *c)
{
	jw_obj(w);
	jw_kv_int(w, "highlight_count", c->highlight);
	jw_kv_int(w, "notification_count", c->notify);
	jw_end(w);
}

static void write_threads(struct jw *w, const struct room_count *c)
{
	bool begun = false;

	for (size_t i = 1; i < c->n_threads; i++) {
		if (!c->threads[i].count.notify)
			continue;
		if (!begun) {
			jw_key(w, "unread_thread_notifications");
			jw_obj(w);
			begun = true;
		}
		jw_key_str(w, c->threads[i].root);
		write_count(w, &c->threads[i].count);
	}
	if (begun)
		jw_end(w);
}

enum err unread_write(struct answer *an, struct room_data *d)
{
	struct room_count *c = room_count_get(an, d);
	bool by_thread = an->filter->timeline.unread_thread_notifications;
	struct count sum;
	enum err err = count(an, d, c);

	if (err)
		return err;
	sum = c->threads[0].count;
	for (size_t i = 1; i < c->n_threads && !by_thread; i++) {
		sum.notify += c->threads[i].count.notify;
		sum.highlight += c->threads[i].count.highlight;
	}
	jw_key(&an->w, "unread_notifications");
	write_count(&an->w, &sum);
	if (by_thread)
		write_threads(&an->w, c);
	return ERR_OK;
}
