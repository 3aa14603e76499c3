/*
 * What a client puts together from one sync after the other is what a new client gets from one
 * initial sync and /messages: for random histories of rooms that the client comes into and
 * leaves, with gaps, with answers that got lost.
 */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/map.h"
#include "node/room/member.h"
#include "node/room/read.h"
#include "node/room/send.h"
#include "tests/support/sync_user.h"

#define ROOMS  3
#define STEPS  60
#define EVENTS 400 /* of one room, more than ever are */

/* A client's idea of one room. */
struct view {
	bool joined;
	struct str timeline[EVENTS]; /* event ids, oldest first, without gaps */
	size_t n;
	struct map state; /* "type|key" to struct str of the event id */
};

struct client {
	struct sync_user sync;
	struct view rooms[ROOMS];
};

struct rig {
	struct mesh m;
	struct mesh_node *node;
	struct sync_rig sync;
	struct str rooms[ROOMS];
	uint32_t random;
};

static uint32_t roll(struct rig *r, uint32_t sides)
{
	/* xorshift: the same history for the same seed everywhere */
	r->random ^= r->random << 13;
	r->random ^= r->random >> 17;
	r->random ^= r->random << 5;
	return r->random % sides;
}

static struct str text(const struct json *j, const char *key)
{
	struct str s = STR("");

	(void)json_as_str(json_get(j, key), &s);
	return s;
}

/* --- the client --------------------------------------------------------------------------- */

static void put_state(struct rig *r, struct view *v, const struct json *event)
{
	struct str *id = ARENA_NEW(r->m.arena, struct str);
	struct str key;

	if (!json_is(json_get(event, "state_key"), JSON_STRING))
		return;
	key = arena_printf(r->m.arena, "%.*s|%.*s", STR_FMT(text(event, "type")),
		STR_FMT(text(event, "state_key")));
	*id = text(event, "event_id");
	(void)map_put(&v->state, key, id);
}

static size_t position(const struct view *v, struct str id)
{
	size_t i = 0;

	while (i < v->n && !str_eq(v->timeline[i], id))
		i++;
	return i;
}

static void on_messages(struct room_messages *m, enum err err)
{
	*(enum err *)m->owner = err;
}

static bool is_answered(void *arg)
{
	return *(enum err *)arg != ERR_CANCELLED;
}

static const struct json *messages(
	struct rig *r, struct sync_user *u, struct str room, struct str from)
{
	enum err err = ERR_CANCELLED;
	const struct json *answer;
	struct room_messages m = { .reader = { .room_id = room,
					   .user_id = u->user_id,
					   .device_id = STR("DEVICE") },
		.from = from,
		.limit = 1 + roll(r, 7),
		.done = on_messages,
		.owner = &err };

	room_messages_start(r->node->rooms, &m);
	mesh_until(&r->m, is_answered, &err, "messages");
	/* Of a room where one never was. */
	if (err == ERR_FORBIDDEN) {
		buf_deinit(&m.out);
		return NULL;
	}
	assert_int_equal(err, ERR_OK);
	assert_int_equal(json_parse_in(r->m.arena, arena_str(r->m.arena, buf_str(&m.out)),
				 &json_limits_peer, &answer, NULL),
		ERR_OK);
	buf_deinit(&m.out);
	return answer;
}

/* Fills the gap before what came with prev_batch, back to what the client has. */
static void fill_gap(struct rig *r, struct client *c, size_t room, struct str prev_batch,
	const struct str *newer, size_t n_newer)
{
	struct view *v = &c->rooms[room];
	struct str back[EVENTS]; /* newest first */
	size_t n = 0, keep = 0;
	bool met = false;

	while (prev_batch.n && !met) {
		const struct json *page = messages(r, &c->sync, r->rooms[room], prev_batch);
		const struct json *e = json_first(json_get(page, "chunk"));

		/* With a hole before them, events are of no use here. */
		if (!page) {
			v->n = 0;
			return;
		}

		for (; e && !met; e = json_next(e)) {
			struct str id = text(e, "event_id");

			keep = position(v, id) + 1;
			met = keep <= v->n;
			if (!met)
				back[n++] = id;
		}
		prev_batch = text(page, "end");
	}
	/* What was known behind the place that was met is in the newer part again. */
	v->n = met ? keep : 0;
	while (n > 0)
		v->timeline[v->n++] = back[--n];
	for (size_t i = 0; i < n_newer; i++)
		v->timeline[v->n++] = newer[i];
}

static void take_timeline(struct rig *r, struct client *c, size_t room, const struct json *part)
{
	struct view *v = &c->rooms[room];
	const struct json *timeline = json_get(part, "timeline");
	struct str ids[EVENTS];
	bool limited = false;
	size_t n = 0;

	(void)json_as_bool(json_get(timeline, "limited"), &limited);
	for (const struct json *e = json_first(json_get(timeline, "events")); e;
		e = json_next(e)) {
		ids[n] = text(e, "event_id");
		/* Never twice, unless the client is told to begin anew. */
		if (!limited)
			assert_int_equal(position(v, ids[n]), v->n);
		n++;
	}
	if (limited) {
		fill_gap(r, c, room, text(timeline, "prev_batch"), ids, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		v->timeline[v->n++] = ids[i];
}

static void take_room(struct rig *r, struct client *c, size_t room, const struct json *part)
{
	struct view *v = &c->rooms[room];
	bool after = c->sync.state_after != STATE_BEFORE;
	const struct json *state = json_get(part, after ? "state_after" : "state");
	const struct json *timeline = json_get(part, "timeline");

	for (const struct json *e = json_first(json_get(state, "events")); e; e = json_next(e))
		put_state(r, v, e);
	for (const struct json *e = json_first(json_get(timeline, "events")); e && !after;
		e = json_next(e))
		put_state(r, v, e);
	take_timeline(r, c, room, part);
}

static void take_answer(struct rig *r, struct client *c)
{
	for (size_t i = 0; i < ROOMS; i++) {
		const char *id = arena_str(r->m.arena, r->rooms[i]).p;
		const struct json *join = dig(c->sync.answer, "rooms", "join", id, NULL);
		const struct json *leave = dig(c->sync.answer, "rooms", "leave", id, NULL);

		if (join) {
			take_room(r, c, i, join);
			c->rooms[i].joined = true;
		}
		if (leave) {
			take_room(r, c, i, leave);
			c->rooms[i].joined = false;
		}
	}
}

static void client_sync(struct rig *r, struct client *c)
{
	struct str before = c->sync.since;

	c->sync.filter = arena_printf(
		r->m.arena, "{\"room\":{\"timeline\":{\"limit\":%u}}}", 1 + roll(r, 6));
	(void)sync_now(&c->sync);
	if (roll(r, 5) == 0) {
		/* The answer got lost: the client asks again. */
		c->sync.since = before;
		(void)sync_now(&c->sync);
	}
	take_answer(r, c);
}

static void client_init(struct rig *r, struct client *c, enum sync_state_after state_after)
{
	sync_user_init(&c->sync, &r->sync, "bob");
	c->sync.state_after = state_after;
	for (size_t i = 0; i < ROOMS; i++) {
		c->rooms[i].joined = false;
		c->rooms[i].n = 0;
		map_init(&c->rooms[i].state);
	}
}

static void client_deinit(struct client *c)
{
	for (size_t i = 0; i < ROOMS; i++)
		map_deinit(&c->rooms[i].state);
}

/* --- the history
 * ------------------------------------------------------------------------------ */

static void set_topic(struct rig *r, struct str room, unsigned n)
{
	struct room_send s = { .room_id = room,
		.sender = mesh_user(r->node, "alice"),
		.type = n % 2 ? STR("m.room.topic") : STR("org.example.state"),
		.is_state = true,
		.state_key = n % 2 ? STR("") : STR("k") };

	assert_int_equal(
		json_parse_in(r->m.arena, arena_printf(r->m.arena, "{\"topic\":\"%u\"}", n),
			&json_limits_client, &s.content, NULL),
		ERR_OK);
	assert_int_equal(rooms_send(r->node->rooms, &s), ERR_OK);
}

/* What can't be (leaving where one isn't) is refused, which is fine here. */
static void move(struct rig *r, struct str room)
{
	static const int own[] = { MEMBER_JOIN, MEMBER_JOIN, MEMBER_LEAVE };
	static const int by_alice[] = { MEMBER_KICK, MEMBER_BAN, MEMBER_UNBAN, MEMBER_INVITE };
	const char *who = roll(r, 2) ? "bob" : "carol";
	enum err err;

	if (roll(r, 3))
		err = mesh_member(r->node, who, room, own[roll(r, 3)], STR(""), NULL);
	else
		err = mesh_member(r->node, "alice", room, by_alice[roll(r, 4)],
			mesh_user(r->node, who), NULL);
	(void)err;
}

static void step(struct rig *r)
{
	struct str room = r->rooms[roll(r, ROOMS)];

	switch (roll(r, 6)) {
	case 0: set_topic(r, room, roll(r, 1000)); break;
	case 1: move(r, room); break;
	default:
		(void)mesh_send(r->node, "alice", room, "m.room.message",
			"{'msgtype':'m.text','body':'x'}");
		break;
	}
}

/* --- the comparison
 * ---------------------------------------------------------------------------- */

static void assert_same(struct rig *r, struct view *got, struct view *wanted)
{
	struct str *id;
	size_t at = 0;

	assert_int_equal(got->joined, wanted->joined);
	if (!wanted->joined)
		return;
	assert_int_equal(got->n, wanted->n);
	for (size_t i = 0; i < got->n; i++)
		assert_true(str_eq(got->timeline[i], wanted->timeline[i]));
	assert_int_equal(got->state.n, wanted->state.n);
	while ((id = (struct str *)map_next(&got->state, &at))) {
		bool found = false;
		size_t other = 0;
		const struct str *w;

		while (!found && (w = (const struct str *)map_next(&wanted->state, &other)))
			found = str_eq(*id, *w);
		assert_true(found);
	}
}

static void one_history(uint32_t seed, enum sync_state_after state_after)
{
	struct rig *r = NEW(struct rig);
	struct client *walker = NEW(struct client), *fresh = NEW(struct client);

	r->random = seed;
	mesh_up(&r->m, 1);
	r->node = &r->m.nodes[0];
	(void)mesh_register(r->node, "alice");
	(void)mesh_register(r->node, "bob");
	(void)mesh_register(r->node, "carol");
	sync_rig_up(&r->sync, r->node);
	for (size_t i = 0; i < ROOMS; i++)
		r->rooms[i] = mesh_create(r->node, "alice", "public_chat", NULL);
	client_init(r, walker, state_after);
	client_init(r, fresh, state_after);
	client_sync(r, walker);
	for (size_t i = 0; i < STEPS; i++) {
		for (uint32_t n = roll(r, 8); n > 0; n--)
			step(r);
		client_sync(r, walker);
	}
	client_sync(r, fresh);
	for (size_t i = 0; i < ROOMS; i++)
		assert_same(r, &walker->rooms[i], &fresh->rooms[i]);
	client_deinit(walker);
	client_deinit(fresh);
	sync_rig_down(&r->sync);
	mesh_down(&r->m);
	free(walker);
	free(fresh);
	free(r);
}

static void many_syncs_are_one_with_state_before(void **state)
{
	for (uint32_t seed = 1; seed <= 6; seed++)
		one_history(seed * 2654435761U, STATE_BEFORE);
}

static void many_syncs_are_one_with_state_after(void **state)
{
	for (uint32_t seed = 1; seed <= 6; seed++)
		one_history(seed * 40503U + 7, STATE_AFTER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_syncs_are_one_with_state_before),
		cmocka_unit_test(many_syncs_are_one_with_state_after),
	};
	return RUN_TESTS(tests);
}
