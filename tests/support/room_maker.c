#include "tests/support/room_maker.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/core/room_version.h"
#include "store/room.h"
#include "store/state.h"

#include <sodium.h>

/* Tests and benchmarks have nothing to go on with after an error here. */
static void must(enum err err, const char *what)
{
	if (!err)
		return;
	(void)fprintf(stderr, "room_maker: %s: %s\n", what, err_name(err));
	abort();
}

static void free_event(void *e)
{
	event_free(e);
}

static struct event *build(struct room_maker *m, const char *type, const char *state_key,
	struct str sender, const char *content, const struct str *prev, size_t n_prev)
{
	struct str auth[2] = { m->create, m->member };
	struct event_build b = { .version = m->version,
		.room_id = m->room_id,
		.type = str_of(type),
		.sender = sender,
		.is_state = state_key != NULL,
		.state_key = str_of(state_key),
		.content = str_of(content),
		.depth = ++m->depth,
		.origin_server_ts = m->ts++,
		.prev_events = prev,
		.n_prev_events = n_prev,
		.auth_events = auth,
		.n_auth_events = m->member.n ? 2
			: m->create.n        ? 1
					     : 0 };
	struct err_ctx why = { 0 };
	struct event *e;
	enum err err = event_build(&b, &m->key, &e, &why);

	must(err, why.text);
	return e;
}

const struct event *room_maker_event_after(struct room_maker *m, const char *type,
	const char *state_key, struct str sender, const char *content, const struct str *prev,
	size_t n_prev)
{
	struct event *e = build(m, type, state_key, sender, content, prev, n_prev);

	arena_defer(m->arena, free_event, e);
	return e;
}

struct event *room_maker_event_new(struct room_maker *m, const char *type,
	const char *state_key, struct str sender, const char *content)
{
	return build(m, type, state_key, sender, content, &m->last, m->last.n ? 1 : 0);
}

const struct event *room_maker_event(struct room_maker *m, const char *type,
	const char *state_key, struct str sender, const char *content)
{
	return room_maker_event_after(
		m, type, state_key, sender, content, &m->last, m->last.n ? 1 : 0);
}

enum err room_maker_put(struct room_maker *m, const struct event *e, unsigned flags,
	struct str device_id, struct str txn_id, int64_t *nid, int64_t *pos)
{
	struct store_event_new new = { .event = e,
		.flags = flags,
		.state_before = m->group,
		.state_after = m->group,
		.device_id = device_id,
		.txn_id = txn_id };
	struct store_state change = { .type = e->type, .state_key = e->state_key };
	enum err err = store_event_put(m->st, &new, nid, pos);

	if (err)
		return err;
	if (e->is_state) {
		change.event = *nid;
		err = store_state_group_new(
			m->st, m->room_id, m->group, &change, 1, &new.state_after);
		if (!err)
			err = store_event_set_state(
				m->st, *nid, flags, m->group, new.state_after);
		if (!err)
			err = store_state_apply(m->st, m->room_id, *pos, &change, 1);
		if (err)
			return err;
		m->group = new.state_after;
	}
	memcpy(m->last_id, e->event_id.p, e->event_id.n);
	m->last = (struct str){ m->last_id, e->event_id.n };
	return ERR_OK;
}

static enum err try_send(struct room_maker *m, const char *type, const char *state_key,
	struct str sender, const char *content, int64_t *nid)
{
	const struct event *e = room_maker_event(m, type, state_key, sender, content);
	int64_t pos;
	enum err err = store_begin(m->st);

	if (err)
		return err;
	return store_end(m->st, room_maker_put(m, e, STORE_LOCAL, STR(""), STR(""), nid, &pos));
}

int64_t room_maker_send(struct room_maker *m, const char *type, const char *state_key,
	struct str sender, const char *content)
{
	int64_t nid;

	must(try_send(m, type, state_key, sender, content, &nid), type);
	return nid;
}

static enum err put_room(struct room_maker *m)
{
	enum err err = store_begin(m->st);

	if (err)
		return err;
	return store_end(m->st, store_room_put(m->st, m->room_id, STR("11"), false));
}

enum err room_maker_try_init(struct room_maker *m, struct store *st, struct str room_id)
{
	unsigned char public_key[32];
	unsigned char seed[32] = { 7 };
	int64_t nid;
	enum err err;

	*m = (struct room_maker){ .st = st,
		.arena = arena_new(),
		.version = room_version_find(STR("11")),
		.ts = 1700000000000 };
	if (sodium_init() < 0 || crypto_sign_seed_keypair(public_key, m->secret, seed) != 0)
		abort();
	m->room_id = arena_str(m->arena, room_id);
	m->creator = arena_printf(m->arena, "@alice:%.*s", STR_FMT(store_server_name(st)));
	m->key = (struct sign_key){ .server_name = store_server_name(st),
		.key_id = STR("ed25519:0"),
		.secret = m->secret };
	err = put_room(m);
	if (!err)
		err = try_send(
			m, "m.room.create", "", m->creator, "{\"room_version\":\"11\"}", &nid);
	m->create = arena_str(m->arena, m->last);
	if (!err)
		err = try_send(m, "m.room.member", m->creator.p, m->creator,
			"{\"membership\":\"join\"}", &nid);
	m->member = arena_str(m->arena, m->last);
	return err;
}

void room_maker_init(struct room_maker *m, struct store *st, struct str room_id)
{
	must(room_maker_try_init(m, st, room_id), "room");
}

void room_maker_deinit(struct room_maker *m)
{
	arena_free(m->arena);
}
