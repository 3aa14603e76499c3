#include "store/event_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "node/base/hash.h"
#include "store/internal.h"

enum { Q_RECENT, Q_OF_ROOM, Q_GET, Q_PUT, Q_REMOVE, Q_WRITTEN, N_Q };

#define WITH_KEYS "SELECT nid, event_id, flags, sender, device, txn_id FROM event"

static const char *const sql[N_Q] = {
	[Q_RECENT] = WITH_KEYS
	" WHERE nid > max(?1, (SELECT value FROM meta WHERE key = 'keyed')) ORDER BY nid",
	[Q_OF_ROOM] = WITH_KEYS " WHERE room = ?1",
	[Q_GET] = "SELECT event FROM event_key WHERE key = ?1",
	[Q_PUT] = "INSERT OR IGNORE INTO event_key (key, event) VALUES (?1, ?2)",
	[Q_REMOVE] = "DELETE FROM event_key WHERE key = ?1 AND event = ?2",
	[Q_WRITTEN] = "UPDATE meta SET value = ?1 WHERE key = 'keyed'",
};
const struct stmt_table event_index_stmts = { "event_index", sql, N_Q };

/* A key's bytes are its number's, big-endian: they have the same order. */
static uint64_t key_of(const unsigned char *p)
{
	uint64_t key = 0;

	for (int i = 0; i < 8; i++)
		key = key << 8 | p[i];
	return key;
}

static struct str key_bytes(uint64_t key, char bytes[8])
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (char)(key >> (56 - 8 * i));
	return (struct str){ bytes, 8 };
}

static uint64_t hashed(struct str s)
{
	unsigned char hash[HASH_BYTES];

	hash_bytes(s, hash);
	return key_of(hash);
}

static uint64_t id_key(struct str bytes, unsigned flags)
{
	if (flags & EVENT_KEY_TEXT || bytes.n < 8)
		return hashed(bytes);
	return key_of((const unsigned char *)bytes.p);
}

uint64_t event_index_id_key(const struct event_key *k)
{
	return id_key(k->bytes, k->flags);
}

uint64_t event_index_txn_key(int64_t sender, int64_t device, struct str txn_id)
{
	char bytes[2 * sizeof(int64_t) + 256];
	size_t n = txn_id.n < 256 ? txn_id.n : 256;

	memcpy(bytes, &sender, sizeof(sender));
	memcpy(bytes + sizeof(sender), &device, sizeof(device));
	if (n)
		memcpy(bytes + 2 * sizeof(sender), txn_id.p, n);
	return hashed((struct str){ bytes, 2 * sizeof(sender) + n });
}

static uint32_t *bucket(struct event_index *x, uint64_t key)
{
	return &x->buckets[key * 0x9e3779b97f4a7c15U >> 56];
}

static void keep(struct event_index *x, uint64_t key, int64_t nid)
{
	uint32_t *head = bucket(x, key);

	if (x->n == x->cap) {
		x->cap = x->cap ? 2 * x->cap : 128;
		x->recent = xrealloc(x->recent, x->cap * sizeof(*x->recent));
	}
	x->recent[x->n++] = (struct event_recent){ key, nid, *head };
	*head = (uint32_t)x->n;
}

/* Both keys of the row that q stands on. */
static enum err each_key(struct store *st, struct stmt *q,
	enum err (*fn)(struct store *st, uint64_t key, int64_t nid))
{
	int64_t nid = stmt_i64(q, 0);
	enum err err = fn(st, id_key(stmt_str(q, 1), (unsigned)stmt_i64(q, 2)), nid);

	if (err || stmt_is_null(q, 5))
		return err;
	return fn(st, event_index_txn_key(stmt_i64(q, 3), stmt_i64(q, 4), stmt_str(q, 5)), nid);
}

static enum err keep_key(struct store *st, uint64_t key, int64_t nid)
{
	keep(&st->event_index, key, nid);
	return ERR_OK;
}

/* A reader (that has no loop) is not told of what the store puts. */
static enum err load(struct store *st)
{
	struct event_index *x = &st->event_index;
	CLEANUP(stmt_resetp) struct stmt *q = NULL;
	enum err err;

	if (x->loaded && st->loop)
		return ERR_OK;
	q = stmt_get(st, T_EVENT_INDEX, Q_RECENT);
	stmt_bind_i64(q, 1, x->upto);
	while (stmt_row(q)) {
		(void)each_key(st, q, keep_key);
		x->upto = stmt_i64(q, 0);
	}
	err = stmt_err(q);
	if (err) {
		event_index_forget(st);
		return err;
	}
	x->loaded = true;
	x->serial++;
	return ERR_OK;
}

void event_walk_start(struct event_walk *w, struct store *st, uint64_t key)
{
	*w = (struct event_walk){ .st = st, .key = key, .err = load(st) };
	w->at = *bucket(&st->event_index, key);
}

/* First what is in memory: what is moved meanwhile is then found in the table. */
bool event_walk_next(struct event_walk *w, int64_t *nid)
{
	while (!w->err && w->at) {
		const struct event_recent *e = &w->st->event_index.recent[w->at - 1];

		w->at = e->next;
		if (e->key == w->key && e->nid) {
			*nid = e->nid;
			return true;
		}
	}
	if (w->err)
		return false;
	if (!w->q) {
		w->q = stmt_get(w->st, T_EVENT_INDEX, Q_GET);
		stmt_bind_blob(w->q, 1, key_bytes(w->key, w->bytes));
	}
	if (!stmt_row(w->q))
		return false;
	*nid = stmt_i64(w->q, 0);
	return true;
}

enum err event_walk_end(struct event_walk *w)
{
	enum err err = w->q && !w->err ? stmt_err(w->q) : w->err;

	stmt_resetp(&w->q);
	return err;
}

enum err event_index_put(struct store *st, uint64_t key, int64_t nid)
{
	struct event_index *x = &st->event_index;

	assert(st->depth > 0);
	if (!x->loaded)
		return ERR_OK; /* it is found with the others */
	keep(x, key, nid);
	x->upto = nid;
	return ERR_OK;
}

static enum err run(struct store *st, unsigned which, uint64_t key, int64_t nid)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT_INDEX, which);
	char bytes[8];

	stmt_bind_blob(q, 1, key_bytes(key, bytes));
	stmt_bind_i64(q, 2, nid);
	return stmt_run(q);
}

enum err event_index_remove(struct store *st, uint64_t key, int64_t nid)
{
	struct event_index *x = &st->event_index;
	enum err err = load(st);

	if (err)
		return err;
	x->serial++;
	for (uint32_t at = *bucket(x, key); at; at = x->recent[at - 1].next)
		if (x->recent[at - 1].key == key && x->recent[at - 1].nid == nid)
			x->recent[at - 1].nid = 0;
	for (size_t i = x->written; x->writing && i < x->n_writing; i++)
		if (x->writing[i].key == key && x->writing[i].nid == nid)
			x->writing[i].nid = 0;
	return run(st, Q_REMOVE, key, nid);
}

enum err event_index_remove_room(struct store *st, int64_t room)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT_INDEX, Q_OF_ROOM);

	stmt_bind_i64(q, 1, room);
	while (stmt_row(q)) {
		enum err err = each_key(st, q, event_index_remove);

		if (err)
			return err;
	}
	return stmt_err(q);
}

static int by_key(const void *a, const void *b)
{
	const struct event_recent *x = a;
	const struct event_recent *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->nid < y->nid ? -1 : x->nid > y->nid;
}

static void begin_writing(struct event_index *x)
{
	x->n_writing = x->n;
	x->written = 0;
	x->writing_upto = x->upto;
	x->writing = xalloc(x->n * sizeof(*x->writing));
	memcpy(x->writing, x->recent, x->n * sizeof(*x->writing));
	qsort(x->writing, x->n_writing, sizeof(*x->writing), by_key);
	x->serial++;
}

/* What came meanwhile stays. */
static void end_writing(struct event_index *x)
{
	size_t n = x->n - x->n_writing;
	const struct event_recent *rest = x->recent + x->n_writing;

	memset(x->buckets, 0, sizeof(x->buckets));
	x->n = 0;
	for (size_t i = 0; i < n; i++)
		keep(x, rest[i].key, rest[i].nid);
	free(x->writing);
	x->writing = NULL;
	x->n_writing = 0;
	x->written = 0;
	x->serial++;
}

static enum err note_written(struct store *st)
{
	CLEANUP(stmt_resetp) struct stmt *q = stmt_get(st, T_EVENT_INDEX, Q_WRITTEN);

	stmt_bind_i64(q, 1, st->event_index.writing_upto);
	return stmt_run(q);
}

static enum err write_slice(struct store *st)
{
	struct event_index *x = &st->event_index;

	size_t n = x->n_writing / EVENT_INDEX_SLICES;

	for (size_t i = 0; i < n && x->written < x->n_writing; i++) {
		const struct event_recent *e = &x->writing[x->written++];
		enum err err = e->nid ? run(st, Q_PUT, e->key, e->nid) : ERR_OK;

		if (err)
			return err;
	}
	return ERR_OK;
}

enum err event_index_write(struct store *st)
{
	struct event_index *x = &st->event_index;
	enum err err;

	assert(st->depth > 0);
	if (!x->loaded || (!x->writing && x->n < EVENT_INDEX_RECENT))
		return ERR_OK;
	if (!x->writing)
		begin_writing(x);
	err = write_slice(st);
	if (!err && x->written < x->n_writing)
		return ERR_OK;
	if (!err)
		err = note_written(st);
	if (err)
		event_index_forget(st); /* what of it was written is undone */
	else
		end_writing(x);
	return err;
}

struct event_index_mark event_index_mark(const struct store *st)
{
	const struct event_index *x = &st->event_index;

	return (struct event_index_mark){ x->n, x->written, x->upto, x->serial };
}

void event_index_undo(struct store *st, const struct event_index_mark *mark)
{
	struct event_index *x = &st->event_index;

	if (x->serial != mark->serial) {
		event_index_forget(st);
		return;
	}
	/* Each is the first in its bucket when those behind it are gone. */
	while (x->n > mark->n) {
		const struct event_recent *e = &x->recent[--x->n];

		*bucket(x, e->key) = e->next;
	}
	x->upto = mark->upto;
	x->written = mark->written;
}

void event_index_forget(struct store *st)
{
	struct event_index *x = &st->event_index;
	unsigned serial = x->serial + 1;

	free(x->recent);
	free(x->writing);
	*x = (struct event_index){ .serial = serial };
}
