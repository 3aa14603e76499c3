/*
 * Two and three nodes in one process: everything is real but the transport (mesh.h).
 */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/room/member.h"
#include "node/room/read.h"
#include "node/room/rooms.h"
#include "node/user/profile.h"
#include "node/user/receipt.h"
#include "node/user/to_device.h"
#include "node/user/typing.h"
#include "node/user/users.h"
#include "store/event.h"
#include "store/state.h"
#include "tests/support/mesh.h"

static int up(void **state, size_t n)
{
	struct mesh *m = NEW(struct mesh);

	mesh_up(m, n);
	*state = m;
	return 0;
}

static int two_up(void **state)
{
	return up(state, 2);
}

static int three_up(void **state)
{
	return up(state, 3);
}

static int down(void **state)
{
	mesh_down(*state);
	free(*state);
	return 0;
}

static const struct str nobody;

/* alice of a makes a room and invites bob of b, who joins. */
static struct str meet(struct mesh_node *a, struct mesh_node *b, const char *version)
{
	struct str room = mesh_create(a, "alice", "private_chat", version);
	struct str bob = mesh_user(b, "bob");

	assert_int_equal(mesh_member(a, "alice", room, MEMBER_INVITE, bob, NULL), ERR_OK);
	mesh_until_membership(b, room, bob, "invite");
	assert_int_equal(mesh_member(b, "bob", room, MEMBER_JOIN, nobody, a), ERR_OK);
	mesh_until_membership(a, room, bob, "join");
	mesh_until_membership(b, room, bob, "join");
	return room;
}

static struct str say(struct mesh_node *node, const char *user, struct str room)
{
	return mesh_send(node, user, room, "m.room.message", "{'msgtype':'m.text','body':'x'}");
}

/* Its state is more than an answer may hold in memory: it comes in pieces, out of a file. */
static void a_large_room_is_joined_in_pieces(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct str room = mesh_create(a, "alice", "public_chat", NULL);
	struct buf large = { 0 };
	char type[16];

	buf_put_z(&large, "{'x':'");
	while (large.n < 50000)
		buf_put_u8(&large, 'x');
	buf_put(&large, "'}", 3);
	for (int i = 0; i < 520; i++) {
		(void)snprintf(type, sizeof(type), "m.of.%d", i);
		(void)mesh_set(a, "alice", room, type, i % 20 ? "{}" : large.p);
	}
	buf_deinit(&large);
	assert_int_equal(mesh_member(b, "bob", room, MEMBER_JOIN, nobody, a), ERR_OK);
	mesh_until_membership(a, room, mesh_user(b, "bob"), "join");
	mesh_until_has(a, say(b, "bob", room));
	mesh_until_has(b, say(a, "alice", room));
	{
		const struct store_state_entry *s;
		const struct store_state_entry *t;
		size_t n;
		size_t k;

		assert_int_equal(
			store_state_read(a->store, m->arena, room, NULL, 0, &s, &n), ERR_OK);
		assert_int_equal(
			store_state_read(b->store, m->arena, room, NULL, 0, &t, &k), ERR_OK);
		assert_true(n > 520);
		assert_int_equal(n, k);
		for (size_t i = 0; i < n; i++)
			assert_true(str_eq(s[i].event_id, t[i].event_id));
	}
}

static void two_friends_write_to_each_other(void **state)
{
	static const char *const versions[] = { NULL, "11", "12" };
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];

	(void)mesh_register(a, "alice");
	(void)mesh_register(b, "bob");
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct str room = meet(a, b, versions[i]);

		mesh_until_has(b, say(a, "alice", room));
		mesh_until_has(a, say(b, "bob", room));
		mesh_until_has(b, say(a, "alice", room));
	}
}

static void an_invite_can_be_refused_and_a_room_left(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct str bob = mesh_register(b, "bob");
	struct str room;

	(void)mesh_register(a, "alice");
	room = mesh_create(a, "alice", "private_chat", NULL);
	assert_int_equal(mesh_member(a, "alice", room, MEMBER_INVITE, bob, NULL), ERR_OK);
	mesh_until_membership(b, room, bob, "invite");
	assert_int_equal(mesh_member(b, "bob", room, MEMBER_LEAVE, nobody, NULL), ERR_OK);
	mesh_until_membership(a, room, bob, "leave");

	room = meet(a, b, NULL);
	assert_int_equal(mesh_member(b, "bob", room, MEMBER_LEAVE, nobody, NULL), ERR_OK);
	mesh_until_membership(a, room, bob, "leave");

	room = meet(a, b, NULL);
	assert_int_equal(mesh_member(a, "alice", room, MEMBER_KICK, bob, NULL), ERR_OK);
	mesh_until_membership(b, room, bob, "leave");
	room = meet(a, b, NULL);
	assert_int_equal(mesh_member(a, "alice", room, MEMBER_BAN, bob, NULL), ERR_OK);
	mesh_until_membership(b, room, bob, "ban");
	assert_int_equal(mesh_member(b, "bob", room, MEMBER_JOIN, nobody, a), ERR_FORBIDDEN);
}

static void nobody_joins_uninvited(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct str bob = mesh_register(b, "bob");
	struct str room;

	(void)mesh_register(a, "alice");
	room = mesh_create(a, "alice", "private_chat", NULL);
	assert_int_equal(mesh_member(b, "bob", room, MEMBER_JOIN, nobody, a), ERR_FORBIDDEN);
	assert_str_equal(mesh_membership(b, room, bob), "");
}

struct counted {
	size_t transactions;
	size_t missing;
};

static void count(void *arg, const char *from, const char *to, enum transport_method method,
	struct str path, struct str body)
{
	struct counted *c = arg;
	size_t at;

	(void)from;
	(void)to;
	(void)method;
	(void)body;
	c->transactions += str_find_str(path, STR("/send/"), &at);
	c->missing += str_find_str(path, STR("/get_missing_events/"), &at);
}

#define WHILE_OFF 500

static void a_friend_who_was_off_catches_up(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct counted c = { 0 };
	struct str events[WHILE_OFF];
	struct str room;

	(void)mesh_register(a, "alice");
	(void)mesh_register(b, "bob");
	room = meet(a, b, NULL);
	mesh_until_has(b, say(a, "alice", room));
	mesh_stop(b);
	for (size_t i = 0; i < WHILE_OFF; i++)
		events[i] = say(a, "alice", room);
	mesh_settle(m, 50);
	/* The sender forgets all but what it stored. */
	mesh_stop(a);
	mesh_start(a);
	net_watch(m->net, count, &c);
	mesh_start(b);
	mesh_until_has(b, events[WHILE_OFF - 1]);
	for (size_t i = 0; i < WHILE_OFF; i++)
		assert_true(mesh_has(b, events[i]));
	assert_true(c.transactions >= 10 && c.transactions <= 13);
	mesh_until_has(a, say(b, "bob", room));
}

static size_t count_events(struct mesh_node *node, struct str room)
{
	unsigned n;

	assert_int_equal(
		store_event_count(node->store, room, INT64_MIN, INT64_MAX, 10000, &n), ERR_OK);
	return n;
}

static void a_lost_answer_does_no_harm(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct str bob = mesh_register(b, "bob");
	struct user_caller alice;
	struct user_caller other;
	struct to_device_page page;
	CLEANUP(arena_freep) struct arena *arena = arena_new();
	CLEANUP(json_freep) struct json *messages = NULL;
	struct str text;
	struct str room;
	size_t before;

	(void)mesh_register(a, "alice");
	room = meet(a, b, NULL);
	mesh_settle(m, 50);
	before = count_events(b, room);
	mesh_caller(a, "alice", &alice);
	mesh_caller(b, "bob", &other);
	text = arena_printf(arena, "{\"%.*s\":{\"DEVICE\":{\"n\":1}}}", STR_FMT(bob));
	assert_int_equal(json_parse(text, &json_limits_client, &messages, NULL), ERR_OK);
	net_connect(b->transport, false);
	assert_int_equal(
		to_device_send(a->users, &alice, STR("m.test"), STR("1"), messages, NULL),
		ERR_OK);
	(void)say(a, "alice", room);
	mesh_settle(m, 50);
	net_lose_answer(m->net);
	net_connect(b->transport, true);
	mesh_settle(m, 100);
	/* Once more, because a never learnt that it arrived. */
	net_connect(b->transport, false);
	net_connect(b->transport, true);
	mesh_until_has(b, say(a, "alice", room));
	assert_int_equal(count_events(b, room), before + 2);
	assert_int_equal(to_device_since(b->users, arena, other.device, 0,
				 store_durable_pos(b->store), 100, &page),
		ERR_OK);
	assert_int_equal(page.n, 1);
}

static bool tried_twice(void *arg)
{
	return ((struct counted *)arg)->transactions == 2;
}

static void what_failed_is_tried_again_by_itself(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct counted c = { 0 };
	struct str room;
	struct federation_status status;
	size_t before;

	(void)mesh_register(a, "alice");
	(void)mesh_register(b, "bob");
	room = meet(a, b, NULL);
	mesh_settle(m, 1500); /* past the look at everyone after the start */
	before = count_events(b, room);
	net_watch(m->net, count, &c);
	net_lose_answer(m->net);
	mesh_until_has(b, say(a, "alice", room));
	mesh_settle(m, 50);
	federation_status(a->federation, &status);
	assert_int_equal(status.backing_off, 1);
	assert_int_equal(c.transactions, 1);
	mesh_until(m, tried_twice, &c, "another try");
	mesh_settle(m, 50);
	federation_status(a->federation, &status);
	assert_int_equal(status.waiting, 0);
	assert_int_equal(count_events(b, room), before + 1);
}

/* The peer says at the next link what it has: nothing is sent twice. */
static void an_acknowledgement_needs_no_answer(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct federation_status status;
	struct counted c = { 0 };
	struct str room;

	(void)mesh_register(a, "alice");
	(void)mesh_register(b, "bob");
	room = meet(a, b, NULL);
	mesh_settle(m, 1500);
	net_watch(m->net, count, &c);
	net_lose_answer(m->net);
	mesh_until_has(b, say(a, "alice", room));
	mesh_settle(m, 50);
	assert_int_equal(c.transactions, 1);
	net_connect(b->transport, false);
	net_connect(b->transport, true);
	mesh_settle(m, 100);
	federation_status(a->federation, &status);
	assert_int_equal(status.waiting, 0);
	assert_int_equal(c.transactions, 1);
	mesh_until_has(b, say(a, "alice", room));
	assert_int_equal(c.transactions, 2);
}

struct paths {
	unsigned n;
	char path[4][128];
	size_t bytes[4];
};

static void note_path(void *arg, const char *from, const char *to, enum transport_method method,
	struct str path, struct str body)
{
	struct paths *p = arg;

	(void)from, (void)to;
	if (method != TRANSPORT_PUT || !str_starts(path, STR("/_matrix/federation/v1/send/")) ||
		p->n == ARRAY_LEN(p->path))
		return;
	(void)snprintf(p->path[p->n], sizeof(p->path[0]), "%.*s", STR_FMT(path));
	p->bytes[p->n++] = body.n;
}

static bool sent_three(void *arg)
{
	return ((struct paths *)arg)->n == 3;
}

/* What may have taken effect is sent again as it was, and what came since behind it. */
static void what_is_sent_again_is_the_same(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct paths p = { 0 };
	struct str room;

	(void)mesh_register(a, "alice");
	(void)mesh_register(b, "bob");
	room = meet(a, b, NULL);
	mesh_settle(m, 1500);
	net_watch(m->net, note_path, &p);
	net_lose_answer(m->net);
	mesh_until_has(b, say(a, "alice", room));
	mesh_settle(m, 50);
	(void)say(a, "alice", room);
	(void)say(a, "alice", room);
	mesh_until(m, sent_three, &p, "three transactions");
	assert_string_equal(p.path[0], p.path[1]);
	assert_string_not_equal(p.path[1], p.path[2]);
	assert_true(p.bytes[2] > p.bytes[1] + 300);
}

static void what_was_missed_is_fetched(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct mesh_node *c = &m->nodes[2];
	struct str carol = mesh_register(c, "carol");
	struct counted n = { 0 };
	struct str room;
	struct str missed;
	struct str seen;

	(void)mesh_register(a, "alice");
	(void)mesh_register(b, "bob");
	room = meet(a, b, NULL);
	assert_int_equal(mesh_member(a, "alice", room, MEMBER_INVITE, carol, NULL), ERR_OK);
	mesh_until_membership(c, room, carol, "invite");
	assert_int_equal(mesh_member(c, "carol", room, MEMBER_JOIN, nobody, a), ERR_OK);
	mesh_until_membership(b, room, carol, "join");

	net_cut(a->transport, b->transport, true);
	missed = say(a, "alice", room);
	mesh_until_has(c, missed);
	net_watch(m->net, count, &n);
	seen = say(c, "carol", room);
	mesh_until_has(b, seen);
	assert_true(mesh_has(b, missed));
	assert_int_equal(n.missing, 1);
	net_cut(a->transport, b->transport, false);
	mesh_until_has(a, say(b, "bob", room));
}

static void three_nodes_agree_after_a_fork(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct mesh_node *c = &m->nodes[2];
	struct str carol = mesh_register(c, "carol");
	struct str room;
	struct str last;
	int64_t at[3];
	CLEANUP(arena_freep) struct arena *arena = arena_new();
	struct str ids[3];

	(void)mesh_register(a, "alice");
	(void)mesh_register(b, "bob");
	room = mesh_create(a, "alice", "public_chat", NULL);
	assert_int_equal(mesh_member(b, "bob", room, MEMBER_JOIN, nobody, a), ERR_OK);
	assert_int_equal(mesh_member(c, "carol", room, MEMBER_JOIN, nobody, b), ERR_OK);
	mesh_until_membership(a, room, carol, "join");
	(void)mesh_set(a, "alice", room, "m.room.power_levels",
		arena_printf(arena,
			"{'users':{'%.*s':50},'state_default':50,'events_default':0}",
			STR_FMT(mesh_user(b, "bob")))
			.p);
	mesh_settle(m, 200);

	net_connect(a->transport, false);
	(void)mesh_set(a, "alice", room, "m.room.topic", "{'topic':'from a'}");
	(void)mesh_set(b, "bob", room, "m.room.topic", "{'topic':'from b'}");
	mesh_settle(m, 100);
	net_connect(a->transport, true);
	mesh_settle(m, 300);
	last = say(c, "carol", room);
	mesh_until_has(a, last);
	mesh_until_has(b, last);
	for (size_t i = 0; i < 3; i++) {
		struct store_event e;

		assert_int_equal(store_state_get(m->nodes[i].store, room, STR("m.room.topic"),
					 STR(""), &at[i]),
			ERR_OK);
		assert_int_equal(
			store_event_get_nid(m->nodes[i].store, arena, at[i], &e), ERR_OK);
		ids[i] = e.event_id;
	}
	assert_true(str_eq(ids[0], ids[1]) && str_eq(ids[1], ids[2]));
}

struct reading {
	bool done;
	enum err err;
};

static void was_read(struct room_messages *q, enum err err)
{
	*(struct reading *)q->owner = (struct reading){ true, err };
}

static bool is_read(void *arg)
{
	return ((struct reading *)arg)->done;
}

static void history_is_fetched_when_read(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct str room;
	struct str old[60];

	(void)mesh_register(a, "alice");
	(void)mesh_register(b, "bob");
	room = mesh_create(a, "alice", "public_chat", NULL);
	for (size_t i = 0; i < ARRAY_LEN(old); i++)
		old[i] = say(a, "alice", room);
	assert_int_equal(mesh_member(b, "bob", room, MEMBER_JOIN, nobody, a), ERR_OK);
	assert_false(mesh_has(b, old[10]));
	for (int i = 0; i < 5 && !mesh_has(b, old[0]); i++) {
		struct reading r = { 0 };
		struct room_messages q = { .reader = { mesh_user(b, "bob"), STR("DEVICE"),
						   room },
			.limit = 100,
			.done = was_read,
			.owner = &r };

		room_messages_start(b->rooms, &q);
		mesh_until(m, is_read, &r, "messages");
		assert_int_equal(r.err, ERR_OK);
		buf_deinit(&q.out);
	}
	for (size_t i = 0; i < ARRAY_LEN(old); i++)
		assert_true(mesh_has(b, old[i]));
	/* It is history: the current state and what follows are as they were. */
	mesh_until_has(b, say(a, "alice", room));
}

static void got_profile(struct profile_call *c, enum err err, struct str reply)
{
	struct buf *out = c->arg;

	buf_put_z(out, err ? "error " : "ok ");
	buf_put_str(out, reply);
}

static bool has_text(void *arg)
{
	return ((struct buf *)arg)->n > 0;
}

static void profiles_are_asked_for(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct str bob = mesh_register(b, "bob");
	CLEANUP(buf_deinit) struct buf out = { 0 };
	CLEANUP(json_freep) struct json *name = NULL;
	struct profile_call call = { .done = got_profile, .arg = &out };
	struct user_caller who;
	size_t at;

	mesh_caller(b, "bob", &who);
	assert_int_equal(json_parse(STR("\"Robert\""), &json_limits_client, &name, NULL), 0);
	assert_int_equal(profile_set(b->users, &who, STR("displayname"), name, NULL), ERR_OK);
	profile_get(a->users, bob, STR(""), &call);
	mesh_until(m, has_text, &out, "a profile");
	assert_true(str_find_str(buf_str(&out), STR("Robert"), &at));
	buf_clear(&out);
	profile_get(a->users, mesh_user(b, "nobody"), STR(""), &call);
	mesh_until(m, has_text, &out, "no profile");
	assert_true(str_starts(buf_str(&out), STR("error")));
}

struct typist {
	struct mesh_node *node;
	struct str room;
	struct str user;
	bool found;
};

static void typing_one(void *arg, struct str user_id)
{
	struct typist *t = arg;

	t->found = t->found || str_eq(user_id, t->user);
}

static bool is_typing(void *arg)
{
	struct typist *t = arg;

	t->found = false;
	typing_each(t->node->typing, t->room, typing_one, t);
	return t->found;
}

static void typing_is_shown_to_the_other(void **state)
{
	struct mesh *m = *state;
	struct mesh_node *a = &m->nodes[0];
	struct mesh_node *b = &m->nodes[1];
	struct str alice = mesh_register(a, "alice");
	struct typist t = { .node = b, .user = alice };

	(void)mesh_register(b, "bob");
	t.room = meet(a, b, NULL);
	assert_int_equal(typing_set(a->typing, t.room, alice, true, 20000, NULL), ERR_OK);
	mesh_until(m, is_typing, &t, "typing");
}

#define TWO(fn)   cmocka_unit_test_setup_teardown(fn, two_up, down)
#define THREE(fn) cmocka_unit_test_setup_teardown(fn, three_up, down)

int main(void)
{
	const char *only = getenv("KITH_TEST_ONLY");

	const struct CMUnitTest tests[] = {
		TWO(two_friends_write_to_each_other),
		TWO(a_large_room_is_joined_in_pieces),
		TWO(an_invite_can_be_refused_and_a_room_left),
		TWO(nobody_joins_uninvited),
		TWO(a_friend_who_was_off_catches_up),
		TWO(a_lost_answer_does_no_harm),
		TWO(what_failed_is_tried_again_by_itself),
		TWO(an_acknowledgement_needs_no_answer),
		TWO(what_is_sent_again_is_the_same),
		THREE(what_was_missed_is_fetched),
		THREE(three_nodes_agree_after_a_fork),
		TWO(history_is_fetched_when_read),
		TWO(profiles_are_asked_for),
		TWO(typing_is_shown_to_the_other),
	};

	if (only)
		cmocka_set_test_filter(only);
	return RUN_TESTS(tests);
}
