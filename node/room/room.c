#include "node/room/room.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/room/resolve.h"

#define CACHE_DEFAULT ((size_t)4 * 1024 * 1024)
/* State events kept for one room; busy rooms have many senders. */
#define CACHED_MAX  256
#define KEY_MAX     (2 * LIMIT_ID_BYTES + 1)
#define EVENT_EXTRA 4096 /* an arena and a tree beside the text */

struct room_cached {
	struct room_cached *next;
	struct event *event; /* owned; NULL: there is none */
	int64_t nid;
	size_t bytes;
	size_t n_key;
	char key[]; /* type, NUL, state key */
};

static void forget_cached(struct rooms *r, struct room *room)
{
	struct room_cached *next;

	for (struct room_cached *c = room->cached_list; c; c = next) {
		next = c->next;
		event_free(c->event);
		free(c);
	}
	map_deinit(&room->cached);
	map_init(&room->cached);
	room->cached_list = NULL;
	room->acl_event = NULL;
	room->n_cached = 0;
	r->bytes -= room->bytes;
	room->bytes = sizeof(*room);
	r->bytes += room->bytes;
}

static void room_free(struct rooms *r, struct room *room)
{
	forget_cached(r, room);
	r->bytes -= room->bytes;
	map_deinit(&room->cached);
	for (size_t i = 0; i < room->n_ends; i++)
		free(room->ends[i].event_id);
	free(room->ends);
	free(room->room_id);
	free(room);
}

static void unlink_room(struct rooms *r, struct room *room)
{
	if (room->newer)
		room->newer->older = room->older;
	else
		r->newest = room->older;
	if (room->older)
		room->older->newer = room->newer;
	else
		r->oldest = room->newer;
	room->newer = NULL;
	room->older = NULL;
}

static void link_newest(struct rooms *r, struct room *room)
{
	room->older = r->newest;
	if (r->newest)
		r->newest->newer = room;
	r->newest = room;
	if (!r->oldest)
		r->oldest = room;
}

/* Out of reach at once, freed when the turn is over: somebody up the stack may hold it. */
static void drop(struct rooms *r, struct room *room)
{
	if (room->gone)
		return;
	room->gone = true;
	unlink_room(r, room);
	map_del(&r->loaded, room->id);
	room->dropped = r->dropped;
	r->dropped = room;
	loop_defer(r->loop, &r->trim);
}

static void free_dropped(struct rooms *r)
{
	struct room *next;

	for (struct room *room = r->dropped; room; room = next) {
		next = room->dropped;
		room_free(r, room);
	}
	r->dropped = NULL;
}

static void trim(struct loop_deferred *d)
{
	struct rooms *r = CONTAINER_OF(d, struct rooms, trim);

	free_dropped(r);
	while (r->bytes > r->cache_bytes && r->oldest && r->oldest != r->newest) {
		drop(r, r->oldest);
		loop_undefer(r->loop, &r->trim);
		free_dropped(r);
	}
}

static void rolled_back(void *arg)
{
	room_drop_all(arg);
	room_resolve_rolled_back(arg);
}

/* What moves in rooms goes through here already. */
static void moved(void *arg, const struct feed_item *item)
{
	(void)arg, (void)item;
}

void rooms_cache_init(struct rooms *r, size_t bytes)
{
	r->cache_bytes = bytes ? bytes : CACHE_DEFAULT;
	map_init(&r->loaded);
	r->trim.fn = trim;
	r->listener =
		(struct store_listener){ .item = moved, .rolled_back = rolled_back, .arg = r };
	store_listen(r->store, &r->listener);
}

void rooms_cache_deinit(struct rooms *r)
{
	store_unlisten(r->store, &r->listener);
	room_drop_all(r);
	loop_undefer(r->loop, &r->trim);
	free_dropped(r);
	map_deinit(&r->loaded);
}

void room_drop(struct rooms *r, struct str room_id)
{
	struct room *room = map_get(&r->loaded, room_id);

	if (room)
		drop(r, room);
}

void room_drop_all(struct rooms *r)
{
	while (r->newest)
		drop(r, r->newest);
}

enum err room_store_end(struct rooms *r, enum err err)
{
	err = store_end(r->store, err);
	if (err) /* also when nothing was written yet: rooms may have moved in memory */
		room_drop_all(r);
	return err;
}

static enum err read_ends(struct rooms *r, struct arena *a, struct room *room)
{
	const struct store_extremity *ends;
	size_t n;
	enum err err = store_room_extremities(r->store, a, room->id, &ends, &n);

	if (err)
		return err;
	room->ends = xcalloc(n ? n : 1, sizeof(*room->ends));
	room->n_ends = n;
	for (size_t i = 0; i < n; i++)
		room->ends[i] = (struct room_end){ .event_id = xstrdup(ends[i].event_id),
			.nid = ends[i].nid,
			.depth = ends[i].depth,
			.group = ends[i].state_after };
	return ERR_OK;
}

static enum err read_room(
	struct rooms *r, struct arena *a, struct str room_id, struct room **out)
{
	struct store_room row;
	struct room *room;
	enum err err = store_room_get(r->store, a, room_id, &row);

	if (err)
		return err;
	if (row.partial)
		return ERR_NOT_FOUND;
	if (!room_version_find(row.version))
		return ERR_CORRUPT;
	room = NEW(struct room);
	room->room_id = xstrdup(room_id);
	room->id = (struct str){ room->room_id, room_id.n };
	room->version = room_version_find(row.version);
	room->group = row.state_group;
	room->bytes = sizeof(*room);
	r->bytes += room->bytes;
	map_init(&room->cached);
	err = read_ends(r, a, room);
	if (err) {
		room_free(r, room);
		return err;
	}
	*out = room;
	return ERR_OK;
}

enum err room_get(struct rooms *r, struct str room_id, struct room **out)
{
	struct room *room = map_get(&r->loaded, room_id);
	struct arena *a;
	enum err err;

	if (room) {
		if (room != r->newest) {
			unlink_room(r, room);
			link_newest(r, room);
		}
		*out = room;
		return ERR_OK;
	}
	a = arena_new();
	err = read_room(r, a, room_id, &room);
	arena_free(a);
	if (err)
		return err;
	map_put(&r->loaded, room->id, room);
	link_newest(r, room);
	if (r->bytes > r->cache_bytes)
		loop_defer(r->loop, &r->trim);
	*out = room;
	return ERR_OK;
}

enum err room_fresh(struct rooms *r, struct str room_id, struct room **out)
{
	room_drop(r, room_id);
	return room_get(r, room_id, out);
}

enum err room_event_load(
	struct rooms *r, const struct room_version *v, int64_t nid, struct event **out)
{
	struct arena *a = arena_new();
	struct store_event row;
	enum err err = store_event_get_nid(r->store, a, nid, &row);

	if (!err)
		err = event_from_store(row.json, row.event_id, v, out);
	arena_free(a);
	return err;
}

/* False if no event can have this key. */
static bool key_of(char out[KEY_MAX], struct str type, struct str state_key, struct str *key)
{
	if (type.n > LIMIT_ID_BYTES || state_key.n > LIMIT_ID_BYTES)
		return false;
	memcpy(out, type.p, type.n);
	out[type.n] = '\0';
	if (state_key.n)
		memcpy(out + type.n + 1, state_key.p, state_key.n);
	*key = (struct str){ out, type.n + 1 + state_key.n };
	return true;
}

static void remember(
	struct rooms *r, struct room *room, struct str key, struct event *event, int64_t nid)
{
	struct room_cached *c;

	if (room->n_cached >= CACHED_MAX)
		drop(r, room); /* a check that is under way holds some of it */
	c = xalloc(sizeof(*c) + key.n);
	c->event = event;
	c->nid = nid;
	c->n_key = key.n;
	memcpy(c->key, key.p, key.n);
	c->bytes = sizeof(*c) + key.n + (event ? EVENT_EXTRA + 4 * event->json.n : 0);
	c->next = room->cached_list;
	room->cached_list = c;
	room->n_cached++;
	room->bytes += c->bytes;
	r->bytes += c->bytes;
	map_put(&room->cached, (struct str){ c->key, c->n_key }, c);
	if (r->bytes > r->cache_bytes)
		loop_defer(r->loop, &r->trim);
}

const struct event *room_current_nid(struct rooms *r, struct room *room, struct str type,
	struct str state_key, int64_t *nid, enum err *err)
{
	char text[KEY_MAX];
	struct str key;
	struct room_cached *c;
	struct event *event = NULL;
	enum err got;

	*nid = 0;
	if (!key_of(text, type, state_key, &key))
		return NULL;
	c = map_get(&room->cached, key);
	if (c) {
		*nid = c->nid;
		return c->event;
	}
	got = store_state_get(r->store, room->id, type, state_key, nid);
	if (!got)
		got = room_event_load(r, room->version, *nid, &event);
	else if (got == ERR_NOT_FOUND)
		got = ERR_OK;
	if (got) {
		*err = got == ERR_NOT_FOUND ? ERR_CORRUPT : got;
		return NULL;
	}
	remember(r, room, key, event, *nid);
	return event;
}

const struct event *room_current(struct rooms *r, struct room *room, struct str type,
	struct str state_key, enum err *err)
{
	int64_t nid;

	return room_current_nid(r, room, type, state_key, &nid, err);
}

void room_state_reset(struct rooms *r, struct room *room)
{
	forget_cached(r, room);
}

struct str room_membership(
	struct rooms *r, struct room *room, struct str user_id, enum err *err)
{
	const struct event *e = room_current(r, room, STR("m.room.member"), user_id, err);

	return e ? room_content_str(e, "membership") : STR("");
}

void room_state_changed(
	struct rooms *r, struct room *room, struct str type, struct str state_key)
{
	char text[KEY_MAX];
	struct str key;
	struct room_cached *c;
	struct room_cached **at = &room->cached_list;

	if (!key_of(text, type, state_key, &key))
		return;
	c = map_del(&room->cached, key);
	if (!c)
		return;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	room->n_cached--;
	room->bytes -= c->bytes;
	r->bytes -= c->bytes;
	if (room->acl_event == c->event)
		room->acl_event = NULL;
	event_free(c->event);
	free(c);
}

void room_end_add(
	struct room *room, const struct event *e, int64_t nid, int64_t group, bool named)
{
	size_t kept = 0;

	for (size_t i = 0; i < room->n_ends; i++) {
		bool is_prev = false;

		for (size_t k = 0; k < e->n_prev_events && !is_prev; k++)
			is_prev = str_eq(e->prev_events[k], str_of(room->ends[i].event_id));
		if (is_prev)
			free(room->ends[i].event_id);
		else
			room->ends[kept++] = room->ends[i];
	}
	room->n_ends = kept;
	if (named)
		return;
	room->ends = xrealloc(room->ends, (kept + 1) * sizeof(*room->ends));
	room->ends[kept] = (struct room_end){
		.event_id = xstrdup(e->event_id), .nid = nid, .depth = e->depth, .group = group
	};
	room->n_ends = kept + 1;
}

int64_t room_end_drop(struct room *room, struct str event_id)
{
	for (size_t i = 0; i < room->n_ends; i++) {
		int64_t nid = room->ends[i].nid;

		if (!str_eq(event_id, str_of(room->ends[i].event_id)))
			continue;
		free(room->ends[i].event_id);
		room->n_ends--;
		memmove(&room->ends[i], &room->ends[i + 1],
			(room->n_ends - i) * sizeof(*room->ends));
		return nid;
	}
	return 0;
}

void room_copy_id(char out[256], struct str id)
{
	size_t n = id.n < 255 ? id.n : 255;

	if (n)
		memcpy(out, id.p, n);
	out[n] = '\0';
}

struct str room_content_str(const struct event *e, const char *key)
{
	struct str s = STR("");

	json_as_str(json_get(e->content, key), &s);
	return s;
}
