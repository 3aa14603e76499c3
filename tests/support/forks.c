#include "tests/support/forks.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "node/core/auth.h"
#include "store/event.h"
#include "store/room.h"

static void must(enum err err, const char *what)
{
	if (!err)
		return;
	(void)fprintf(stderr, "forks: %s: %s\n", what, err_name(err));
	abort();
}

static struct str user_id(struct forks *f, const char *user)
{
	return arena_printf(f->arena, "@%s:%.*s", user, STR_FMT(store_server_name(f->st)));
}

static size_t cite(
	struct forks *f, const struct fork *at, const struct event_build *b, struct str out[8])
{
	CLEANUP(json_freep) struct json *content = NULL;
	struct auth_key keys[8];
	size_t n;
	size_t kept = 0;

	must(json_parse(b->content, &json_limits_event, &content, NULL), "content");
	n = auth_select(f->version, b->type, true, b->state_key, b->sender, content, keys);
	for (size_t i = 0; i < n; i++) {
		struct store_event row;
		int64_t nid;

		if (!at->group ||
			store_state_group_get(
				f->st, at->group, keys[i].type, keys[i].state_key, &nid))
			continue;
		must(store_event_get_nid(f->st, f->arena, nid, &row), "auth event");
		out[kept++] = row.event_id;
	}
	return kept;
}

static void store_it(
	struct forks *f, const struct fork *at, const struct event *e, struct fork *out)
{
	const struct store_event_new new = { .event = e, .flags = STORE_OUTLIER };
	struct store_state change = { e->type, e->state_key, 0 };
	int64_t pos;
	int64_t parent = at->group;

	must(store_begin(f->st), "begin");
	if (event_is(e, "m.room.create", ""))
		must(store_room_put(f->st, e->room_id, str_of(f->version->name), false),
			"room");
	must(store_event_put(f->st, &new, &change.event, &pos), "event");
	must(store_state_group_new(f->st, e->room_id, parent, &change, 1, &out->group),
		"group");
	must(store_commit(f->st), "commit");
}

void forks_send(struct forks *f, const struct fork *at, const char *user, const char *type,
	const char *state_key, const char *content, struct fork *out)
{
	static const struct str prev = STR("$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	bool create = strcmp(type, "m.room.create") == 0;
	struct str auth[8];
	struct event_build b = { .version = f->version,
		.room_id = f->room_id,
		.type = str_of(type),
		.sender = user_id(f, user),
		.is_state = true,
		.state_key = strcmp(type, "m.room.member") == 0 ? user_id(f, state_key)
								: str_of(state_key),
		.content = str_of(content),
		.depth = at->depth + 1,
		.origin_server_ts = f->ts++,
		.prev_events = &prev,
		.n_prev_events = !create,
		.auth_events = auth };
	struct event *e;
	int64_t depth = at->depth + 1;

	b.n_auth_events = cite(f, at, &b, auth);
	must(event_build(&b, &f->key, &e, NULL), "build");
	store_it(f, at, e, out);
	out->depth = depth;
	if (create) {
		f->room_id = arena_str(f->arena, e->room_id);
		f->create = arena_str(f->arena, e->event_id);
	}
	if (f->keeps)
		map_put(&f->events, e->event_id, e);
	else
		event_free(e);
}

void forks_init(
	struct forks *f, struct store *st, const char *version, bool keeps, struct fork *out)
{
	unsigned char public_key[32];
	unsigned char seed[32] = { 9 };
	char text[64];

	*f = (struct forks){ .st = st,
		.arena = arena_new(),
		.version = room_version_find(str_of(version)),
		.keeps = keeps,
		.ts = 1700000000000 + 1000 * store_last_pos(st) }; /* another room each time */
	if (sodium_init() < 0 || crypto_sign_seed_keypair(public_key, f->secret, seed) != 0)
		abort();
	f->key = (struct sign_key){ .server_name = store_server_name(st),
		.key_id = STR("ed25519:0"),
		.secret = f->secret };
	map_init(&f->events);
	if (!f->version->hash_room_id)
		f->room_id = arena_printf(f->arena, "!forks%lld:%.*s",
			(long long)store_last_pos(st), STR_FMT(store_server_name(st)));
	*out = (struct fork){ 0 };
	(void)snprintf(text, sizeof(text), "{\"room_version\":\"%s\"}", version);
	forks_send(f, out, "a", "m.room.create", "", text, out);
	forks_send(f, out, "a", "m.room.member", "a", "{\"membership\":\"join\"}", out);
}

void forks_deinit(struct forks *f)
{
	struct event *e;

	for (size_t at = 0; (e = map_next(&f->events, &at));)
		event_free(e);
	map_deinit(&f->events);
	arena_free(f->arena);
}
