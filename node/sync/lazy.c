#include "node/sync/lazy.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/buf.h"
#include "node/base/map.h"

/* When there are more, all are forgotten: each then costs one redundant event. */
#define ENTRIES_MAX 20000

struct entry {
	int64_t event;
	int64_t to;
	size_t n;
	char key[];
};

struct lazy {
	struct map entries;
};

static void key_put(struct buf *b, int64_t device, struct str room_id, struct str user_id)
{
	buf_put(b, &device, sizeof device);
	buf_put_str(b, room_id);
	buf_put_u8(b, 0);
	buf_put_str(b, user_id);
}

static void forget_all(struct lazy *l)
{
	struct entry *e;
	size_t at = 0;

	while ((e = (struct entry *)map_next(&l->entries, &at)))
		free(e);
	map_deinit(&l->entries);
	map_init(&l->entries);
}

struct lazy *lazy_new(void)
{
	struct lazy *l = NEW(struct lazy);

	map_init(&l->entries);
	return l;
}

void lazy_free(struct lazy *l)
{
	if (!l)
		return;
	forget_all(l);
	map_deinit(&l->entries);
	free(l);
}

bool lazy_knows(const struct lazy *l, int64_t device, struct str room_id, struct str user_id,
	int64_t event, int64_t since)
{
	CLEANUP(buf_deinit) struct buf key = { 0 };
	const struct entry *e;

	key_put(&key, device, room_id, user_id);
	e = (const struct entry *)map_get(&l->entries, buf_str(&key));
	return e && e->event == event && e->to <= since;
}

void lazy_sent(struct lazy *l, int64_t device, struct str room_id, struct str user_id,
	int64_t event, int64_t to)
{
	CLEANUP(buf_deinit) struct buf key = { 0 };
	struct entry *e;

	key_put(&key, device, room_id, user_id);
	e = (struct entry *)map_get(&l->entries, buf_str(&key));
	if (!e) {
		if (l->entries.n >= ENTRIES_MAX)
			forget_all(l);
		e = (struct entry *)xalloc(sizeof *e + key.n);
		e->n = key.n;
		memcpy(e->key, key.p, key.n);
		(void)map_put(&l->entries, (struct str){ e->key, e->n }, e);
	}
	e->event = event;
	e->to = to;
}
