#include "node/base/map.h"

#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"

struct map_slot {
	struct str key;
	uint64_t hash;
	void *value; /* NULL: empty, or removed if key.p is set */
};

static uint64_t hash_of(const struct map *m, struct str key)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t h;

	crypto_shorthash(out, (const unsigned char *)key.p, key.n, m->key);
	memcpy(&h, out, sizeof(h));
	return h;
}

void map_init(struct map *m)
{
	*m = (struct map){ 0 };
}

void map_deinit(struct map *m)
{
	free(m->slots);
	m->slots = NULL;
	m->n = m->cap = m->used = 0;
}

static struct map_slot *find(const struct map *m, struct str key, uint64_t hash)
{
	if (m->cap == 0)
		return NULL;
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *s = &m->slots[i];

		if (!s->value && !s->key.p)
			return NULL;
		if (s->value && s->hash == hash && str_eq(s->key, key))
			return s;
	}
}

/* Puts an entry that is not there yet; there is an empty slot. */
static void insert(struct map *m, struct str key, uint64_t hash, void *value)
{
	size_t i = hash & (m->cap - 1);

	while (m->slots[i].value)
		i = (i + 1) & (m->cap - 1);
	if (!m->slots[i].key.p)
		m->used++;
	m->slots[i] = (struct map_slot){ key, hash, value };
	m->n++;
}

static void rehash(struct map *m)
{
	struct map_slot *old = m->slots;
	size_t old_cap = m->cap;
	size_t cap = 8;

	while (cap < m->n * 4)
		cap *= 2;
	m->slots = xcalloc(cap, sizeof(*m->slots));
	m->cap = cap;
	m->n = m->used = 0;
	for (size_t i = 0; i < old_cap; i++) {
		if (old[i].value)
			insert(m, old[i].key, old[i].hash, old[i].value);
	}
	free(old);
}

void *map_get(const struct map *m, struct str key)
{
	struct map_slot *s = m->n ? find(m, key, hash_of(m, key)) : NULL;

	return s ? s->value : NULL;
}

void *map_put(struct map *m, struct str key, void *value)
{
	struct map_slot *s;
	uint64_t hash;
	void *old;

	if (!m->cap) /* nothing is hashed yet */
		randombytes_buf(m->key, sizeof(m->key));
	hash = hash_of(m, key);
	s = find(m, key, hash);

	if (s) {
		old = s->value;
		s->key = key;
		s->value = value;
		return old;
	}
	if (!key.p)
		key.p = ""; /* a key of no bytes still marks its slot as used */
	if ((m->used + 1) * 4 > m->cap * 3)
		rehash(m);
	insert(m, key, hash, value);
	return NULL;
}

void *map_del(struct map *m, struct str key)
{
	struct map_slot *s = m->n ? find(m, key, hash_of(m, key)) : NULL;
	void *old;

	if (!s)
		return NULL;
	old = s->value;
	*s = (struct map_slot){ .key = { "", 0 } };
	m->n--;
	return old;
}

void *map_next(const struct map *m, size_t *at)
{
	while (*at < m->cap) {
		void *value = m->slots[(*at)++].value;

		if (value)
			return value;
	}
	return NULL;
}
