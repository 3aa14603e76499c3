#include "node/room/intake_set.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "node/base/hash.h"
#include "node/base/limits.h"

void intake_set_init(struct intake_set *s, struct store *store)
{
	*s = (struct intake_set){ .store = store };
}

void intake_set_deinit(struct intake_set *s)
{
	spool_free(s->spool);
	free(s->entries);
	free(s->slots);
	*s = (struct intake_set){ 0 };
}

static struct intake_key key_of(struct str id)
{
	unsigned char hash[HASH_BYTES];
	struct intake_key key;

	hash_bytes(id, hash);
	memcpy(&key, hash, sizeof(key));
	return key;
}

static uint32_t find(const struct intake_set *s, const struct intake_key *key)
{
	if (!s->n_slots)
		return INTAKE_NONE;
	for (size_t i = key->word[0] & (s->n_slots - 1);; i = (i + 1) & (s->n_slots - 1)) {
		const struct intake_entry *e;

		if (!s->slots[i])
			return INTAKE_NONE;
		e = &s->entries[s->slots[i] - 1];
		if (e->key.word[0] == key->word[0] && e->key.word[1] == key->word[1])
			return s->slots[i] - 1;
	}
}

static void slot_put(struct intake_set *s, uint32_t entry)
{
	size_t i = s->entries[entry].key.word[0] & (s->n_slots - 1);

	while (s->slots[i])
		i = (i + 1) & (s->n_slots - 1);
	s->slots[i] = entry + 1;
}

static void grow(struct intake_set *s)
{
	if (s->n < s->cap)
		return;
	s->cap = s->cap ? 2 * s->cap : 256;
	s->entries = xrealloc(s->entries, s->cap * sizeof(*s->entries));
	free(s->slots);
	s->n_slots = 2 * s->cap;
	s->slots = xcalloc(s->n_slots, sizeof(*s->slots));
	for (size_t i = 0; i < s->n; i++)
		slot_put(s, (uint32_t)i);
}

static enum err put_record(struct intake_set *s, const struct event *e, uint64_t *at)
{
	CLEANUP(buf_deinit) struct buf record = { 0 };

	buf_put_str(&record, e->event_id);
	for (size_t i = 0; i < e->n_auth_events; i++) {
		struct intake_key key = key_of(e->auth_events[i]);

		buf_put(&record, &key, sizeof(key));
	}
	buf_put_str(&record, e->json);
	return spool_put(s->spool, buf_str(&record), at);
}

enum err intake_set_put(struct intake_set *s, const struct event *e, bool state)
{
	struct intake_key key = key_of(e->event_id);
	uint32_t known = find(s, &key);
	uint64_t at;
	enum err err = ERR_OK;

	if (known != INTAKE_NONE) {
		s->entries[known].state |= state;
		return ERR_OK;
	}
	if (e->n_auth_events > LIMIT_AUTH_EVENTS)
		return ERR_OK; /* no rule allows it */
	if (!s->spool)
		err = spool_new(s->store, &s->spool);
	if (!err)
		err = put_record(s, e, &at);
	if (err)
		return err;
	grow(s);
	s->entries[s->n] = (struct intake_entry){ .key = key,
		.at = at,
		.n_json = (uint32_t)e->json.n,
		.n_id = (uint8_t)e->event_id.n,
		.n_auth = (uint8_t)e->n_auth_events,
		.state = state,
		.create = event_is(e, "m.room.create", "") };
	slot_put(s, (uint32_t)s->n++);
	return ERR_OK;
}

enum err intake_set_auth(
	struct intake_set *s, const struct intake_entry *e, unsigned i, uint32_t *out)
{
	CLEANUP(buf_deinit) struct buf bytes = { 0 };
	struct intake_key key;
	enum err err =
		spool_get(s->spool, e->at + e->n_id + i * sizeof(key), sizeof(key), &bytes);

	if (err)
		return err;
	memcpy(&key, bytes.p, sizeof(key));
	*out = find(s, &key);
	return ERR_OK;
}

enum err intake_set_event(struct intake_set *s, const struct intake_entry *e,
	const struct room_version *v, struct event **out)
{
	CLEANUP(buf_deinit) struct buf bytes = { 0 };
	size_t skip = e->n_id + e->n_auth * sizeof(struct intake_key);
	struct str record;
	enum err err = spool_get(s->spool, e->at, skip + e->n_json, &bytes);

	if (err)
		return err;
	record = buf_str(&bytes);
	return event_from_store(str_skip(record, skip), str_head(record, e->n_id), v, out);
}
