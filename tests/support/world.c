#include "tests/support/world.h"

#include <assert.h>

#include <stdlib.h>

#include "node/json/json.h"

static const struct event *get_event(void *arg, struct str event_id)
{
	struct world *w = arg;

	return map_get(&w->events, event_id);
}

static bool get_rejected(void *arg, struct str event_id)
{
	struct world *w = arg;

	return map_get(&w->rejected, event_id) != NULL;
}

static struct str state_key_of(struct world *w, struct str type, struct str state_key)
{
	return arena_printf(w->a, "%.*s|%.*s", STR_FMT(type), STR_FMT(state_key));
}

static const struct event *get_state(void *arg, struct str type, struct str state_key)
{
	struct world *w = arg;

	return map_get(&w->state, state_key_of(w, type, state_key));
}

void world_init(struct world *w, const char *version)
{
	*w = (struct world){ .a = arena_new(), .clock = 1000 };
	w->version = room_version_find(str_of(version));
	assert(w->version);
	map_init(&w->events);
	map_init(&w->rejected);
	map_init(&w->state);
	w->auth_state = (struct auth_state){ get_state, w };
	w->source = (struct state_res_source){
		.event = get_event, .rejected = get_rejected, .arg = w
	};
}

void world_deinit(struct world *w)
{
	struct event *e;
	size_t at = 0;

	while ((e = map_next(&w->events, &at)))
		event_free(e);
	map_deinit(&w->events);
	map_deinit(&w->rejected);
	map_deinit(&w->state);
	arena_free(w->a);
}

/* Ids look like hashes: 43 characters. */
static struct str full_id(struct world *w, char sigil, struct str id)
{
	static const char zeros[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

	assert(id.n < 43);
	return arena_printf(w->a, "%c%.*s%s", sigil, STR_FMT(id), zeros + id.n);
}

static struct str user(struct world *w, const char *name)
{
	return name[0] == '@' ? str_of(name) : arena_printf(w->a, "@%s:a", name);
}

static void put_ids(struct world *w, struct jw *out, const char *key, const char *ids)
{
	struct str rest = str_of(ids);
	struct str id;

	jw_key(out, key);
	jw_arr(out);
	while (rest.n) {
		(void)str_cut(rest, ' ', &id, &rest);
		if (id.n)
			jw_str(out, full_id(w, '$', id));
	}
	jw_end(out);
}

static struct str quoted(struct world *w, const char *content)
{
	struct str s = arena_str(w->a, str_of(content));

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\'')
			((char *)s.p)[i] = '"';
	return s;
}

const struct event *world_event_at(struct world *w, int64_t ts, const char *id,
	const char *type, const char *sender, const char *state_key, const char *content,
	const char *auth, const char *prev)
{
	CLEANUP(buf_deinit) struct buf json = { 0 };
	CLEANUP(buf_deinit) struct buf canonical = { 0 };
	struct jw out = jw_to(&json);
	bool create = strcmp(type, "m.room.create") == 0;
	struct str event_id = full_id(w, '$', str_of(id));
	const struct json *tree;
	struct event *e = NULL;
	enum err err;

	jw_obj(&out);
	put_ids(w, &out, "auth_events", auth);
	jw_kv_raw(&out, "content", quoted(w, content));
	jw_kv_int(&out, "depth", 5);
	jw_kv_raw(&out, "hashes", STR("{\"sha256\":\"\"}"));
	jw_kv_int(&out, "origin_server_ts", ts);
	put_ids(w, &out, "prev_events", prev ? prev : create ? "" : "prev");
	if (!create || !w->version->hash_room_id)
		jw_kv_str(&out, "room_id",
			w->version->hash_room_id ? full_id(w, '!', STR("create"))
						 : STR("!create:a"));
	jw_kv_str(&out, "sender", user(w, sender));
	jw_kv_raw(&out, "signatures", STR("{}"));
	if (state_key)
		jw_kv_str(&out, "state_key",
			strcmp(type, "m.room.member") == 0 ? user(w, state_key)
							   : str_of(state_key));
	jw_kv_z(&out, "type", type);
	jw_end(&out);
	err = json_parse_in(w->a, buf_str(&json), &json_limits_event, &tree, NULL);
	assert(!err);
	json_canonical(tree, &canonical);
	err = event_from_store(buf_str(&canonical), event_id, w->version, &e);
	assert(!err);
	assert(!map_put(&w->events, e->event_id, e));
	return e;
}

const struct event *world_event(struct world *w, const char *id, const char *type,
	const char *sender, const char *state_key, const char *content, const char *auth,
	const char *prev)
{
	return world_event_at(w, w->clock++, id, type, sender, state_key, content, auth, prev);
}

void world_reject(struct world *w, const char *id)
{
	struct str event_id = full_id(w, '$', str_of(id));

	(void)map_put(&w->rejected, event_id, w);
}

void world_put(struct world *w, const struct event *e)
{
	(void)map_put(&w->state, state_key_of(w, e->type, e->state_key), (void *)e);
}

static int by_entry(const void *a, const void *b)
{
	return state_entry_cmp(a, b);
}

struct state_set world_set(struct world *w, const char *ids)
{
	struct state_entry *entries = arena_calloc(w->a, strlen(ids) + 1, sizeof(*entries));
	struct str rest = str_of(ids);
	struct str id;
	size_t n = 0;

	while (rest.n) {
		const struct event *e;

		(void)str_cut(rest, ' ', &id, &rest);
		if (id.n == 0)
			continue;
		e = map_get(&w->events, full_id(w, '$', id));
		assert(e && e->is_state);
		entries[n++] = (struct state_entry){ e->type, e->state_key, e->event_id };
	}
	qsort(entries, n, sizeof(*entries), by_entry);
	return (struct state_set){ entries, n };
}
