/*
 * Rooms of several servers: invites, joins, forks, gaps, backfill, and lies.
 */
#include <stdio.h>

#include "tests/support/cmocka.h"
#include "tests/support/room_rig.h"

#include "node/room/build.h"
#include "node/room/receive.h"

static struct room_rig rig;
static struct rig_server *a;
static struct rig_server *b;
static struct rig_server *c;

static int up(void **state)
{
	(void)state;
	room_rig_up(&rig, 3);
	a = &rig.servers[0];
	b = &rig.servers[1];
	c = &rig.servers[2];
	return 0;
}

static int down(void **state)
{
	(void)state;
	room_rig_down(&rig);
	return 0;
}

static bool contains(struct str s, const char *z)
{
	size_t at;

	return str_find_str(s, str_of(z), &at);
}

static void say(struct rig_server *s, struct str room, const char *user, const char *body)
{
	struct str text = arena_printf(rig.arena, "{\"body\":\"%s\"}", body);

	assert_int_equal(rig_send(s, room, user, "m.room.message", NULL, text.p, NULL), ERR_OK);
}

/* A room of alice on a that bob of b has joined by invite. */
static struct str shared_room(const char *version)
{
	struct str room = rig_create(a, version, NULL);

	assert_int_equal(rig_member(a, MEMBER_INVITE, room, "alice", "@bob:b.test"), ERR_OK);
	room_rig_settle(&rig);
	assert_int_equal(rig_membership(b, room, "bob"), MEMBERSHIP_INVITE);
	assert_int_equal(rig_join_via(b, room, "bob", NULL), ERR_OK);
	room_rig_settle(&rig);
	return room;
}

/* Both have the same current state. */
static void assert_converged(struct rig_server *x, struct rig_server *y, struct str room)
{
	const struct store_state_entry *s;
	const struct store_state_entry *t;
	size_t n;
	size_t m;

	assert_int_equal(store_state_read(x->st, rig.arena, room, NULL, 0, &s, &n), ERR_OK);
	assert_int_equal(store_state_read(y->st, rig.arena, room, NULL, 0, &t, &m), ERR_OK);
	assert_int_equal(n, m);
	for (size_t i = 0; i < n; i++)
		assert_true(str_eq(s[i].event_id, t[i].event_id));
}

static void an_invited_friend_joins_and_both_talk(void **state)
{
	static const char *const versions[] = { "11", "12" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct str room = shared_room(versions[i]);

		assert_int_equal(rig_membership(a, room, "@bob:b.test"), MEMBERSHIP_JOIN);
		say(a, room, "alice", "hello");
		room_rig_settle(&rig);
		say(b, room, "bob", "hi");
		room_rig_settle(&rig);
		assert_str_equal(rig_messages(a, room, "alice"), "hi hello");
		assert_str_equal(rig_messages(b, room, "bob"), "hi hello");
		assert_converged(a, b, room);
	}
}

static void an_invite_shows_what_the_room_is(void **state)
{
	struct str room = rig_create(a, "12", NULL);
	struct store_member m;

	(void)state;
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.name", "", "{\"name\":\"N\"}", NULL),
		ERR_OK);
	assert_int_equal(rig_member(a, MEMBER_INVITE, room, "alice", "@bob:b.test"), ERR_OK);
	assert_int_equal(
		store_membership_get(b->st, rig.arena, room, STR("@bob:b.test"), &m), ERR_OK);
	assert_true(contains(m.stripped, "{\"content\":{\"name\":\"N\"},\"sender\":"));
	assert_true(contains(m.stripped, "m.room.create"));
	assert_false(contains(m.stripped, "signatures"));
	assert_false(rooms_is_in_room(b->rooms, room));
	assert_str_equal(rig_messages(b, room, "bob"), "FORBIDDEN");
}

static void an_invite_is_rejected_with_and_without_the_other_server(void **state)
{
	(void)state;
	for (int reachable = 0; reachable < 2; reachable++) {
		struct str room = rig_create(a, "12", NULL);

		assert_int_equal(
			rig_member(a, MEMBER_INVITE, room, "alice", "@bob:b.test"), ERR_OK);
		a->cut = !reachable;
		assert_int_equal(rig_member(b, MEMBER_LEAVE, room, "bob", NULL), ERR_OK);
		assert_int_equal(rig_membership(b, room, "bob"), MEMBERSHIP_LEAVE);
		a->cut = false;
		room_rig_settle(&rig);
		assert_int_equal(rig_membership(a, room, "@bob:b.test"),
			reachable ? MEMBERSHIP_LEAVE : MEMBERSHIP_INVITE);
		assert_int_equal(rig_member(b, MEMBER_LEAVE, room, "bob", NULL), ERR_OK);
	}
}

static void an_invite_waits_for_a_friend_who_is_off(void **state)
{
	struct str room = rig_create(a, "12", NULL);

	(void)state;
	b->cut = true;
	assert_int_equal(
		rig_member(a, MEMBER_INVITE, room, "alice", "@bob:b.test"), ERR_UNREACHABLE);
	assert_int_equal(rig_membership(a, room, "@bob:b.test"), MEMBERSHIP_NONE);
	rig.patient = true;
	assert_int_equal(rig_member(a, MEMBER_INVITE, room, "alice", "@bob:b.test"), ERR_OK);
	assert_int_equal(rig_membership(a, room, "@bob:b.test"), MEMBERSHIP_INVITE);
	rooms_server_up(a->rooms, STR("b.test"));
	room_rig_settle(&rig);
	assert_int_equal(rig_membership(b, room, "bob"), MEMBERSHIP_NONE);
	b->cut = false;
	rooms_server_up(a->rooms, STR("b.test"));
	room_rig_settle(&rig);
	assert_int_equal(rig_membership(b, room, "bob"), MEMBERSHIP_INVITE);
	b->asked = 0;
	rooms_server_up(a->rooms, STR("b.test"));
	room_rig_settle(&rig);
	assert_int_equal(b->asked, 0);
	assert_int_equal(rig_join_via(b, room, "bob", NULL), ERR_OK);
	room_rig_settle(&rig);
	assert_converged(a, b, room);
}

static void a_late_refusal_withdraws_the_invite(void **state)
{
	struct str room = rig_create(a, "12", NULL);

	(void)state;
	b->cut = rig.patient = true;
	assert_int_equal(rig_member(a, MEMBER_INVITE, room, "alice", "@bob:b.test"), ERR_OK);
	assert_int_equal(rig_member(a, MEMBER_INVITE, room, "alice", "@eve:b.test"), ERR_OK);
	assert_int_equal(rig_member(a, MEMBER_KICK, room, "alice", "@eve:b.test"), ERR_OK);
	b->cut = false;
	b->refuses = true;
	b->asked = 0;
	rooms_server_up(a->rooms, STR("b.test"));
	room_rig_settle(&rig);
	assert_int_equal(b->asked, 1); /* eve's invite was taken back before */
	assert_int_equal(rig_membership(a, room, "@bob:b.test"), MEMBERSHIP_LEAVE);
}

static void joining_tries_the_next_server(void **state)
{
	struct str room = shared_room("12");

	(void)state;
	assert_int_equal(rig_send(a, room, "alice", "m.room.join_rules", "",
				 "{\"join_rule\":\"public\"}", NULL),
		ERR_OK);
	room_rig_settle(&rig);
	a->cut = true;
	assert_int_equal(rig_join_via(c, room, "carol", "a.test"), ERR_UNREACHABLE);
	assert_int_equal(rig_membership(c, room, "carol"), MEMBERSHIP_NONE);
	assert_int_equal(rig_join_via(c, room, "carol", "b.test"), ERR_OK);
	a->cut = false;
	room_rig_settle(&rig);
	assert_int_equal(rig_membership(c, room, "carol"), MEMBERSHIP_JOIN);
	assert_int_equal(rig_membership(b, room, "@carol:c.test"), MEMBERSHIP_JOIN);
	assert_int_equal(rig_join_via(c, STR("!no:a.test"), "carol", NULL), ERR_NOT_FOUND);
}

static void a_room_that_is_not_open_stays_closed(void **state)
{
	struct str room = rig_create(a, "12", NULL);
	struct store_room row;

	(void)state;
	assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_FORBIDDEN);
	assert_int_equal(store_room_get(b->st, rig.arena, room, &row), ERR_NOT_FOUND);
}

/* ---- lies on the way ---- */

static const char *lie_in;
static const char *lie_from;
static const char *lie_to;

static void lie(struct rig_server *s, const char *what, struct buf *body)
{
	struct str text = buf_str(body);
	size_t at;
	struct buf out = { 0 };

	(void)s;
	if (strcmp(what, lie_in) != 0 || !str_find_str(text, str_of(lie_from), &at))
		return;
	buf_put_str(&out, str_head(text, at));
	buf_put_z(&out, lie_to);
	buf_put_str(&out, str_skip(text, at + strlen(lie_from)));
	buf_deinit(body);
	*body = out;
}

/* Neither the room nor any of its events: version 12 calls it after its create event. */
static void assert_no_trace(struct rig_server *s, struct str room)
{
	struct str create = arena_printf(rig.arena, "$%.*s", STR_FMT(str_skip(room, 1)));
	struct store_room row;
	int64_t nid;

	assert_int_equal(store_room_get(s->st, rig.arena, room, &row), ERR_NOT_FOUND);
	assert_int_equal(store_event_find(s->st, create, &nid, NULL), ERR_NOT_FOUND);
}

static size_t cut_at;

static void cut_short(struct rig_server *s, const char *what, struct buf *body)
{
	(void)s;
	if (!strcmp(what, "join") && body->n > cut_at)
		body->n = cut_at;
}

static void a_cut_join_leaves_no_trace(void **state)
{
	struct str room = rig_create(a, "12", "public_chat");

	(void)state;
	a->twist = cut_short;
	for (cut_at = 0; cut_at < 4000; cut_at += 500) {
		assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_UNREACHABLE);
		assert_no_trace(b, room);
	}
	a->twist = NULL;
	assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_OK);
}

static void a_lying_join_leaves_no_trace(void **state)
{
	static const struct {
		const char *in;
		const char *from;
		const char *to;
	} lies[] = {
		{ "make_join", "\"membership\":\"join\"", "\"membership\":\"ban\"" },
		{ "make_join", "\"sender\":\"@bob:b.test\"", "\"sender\":\"@eve:b.test\"" },
		{ "make_join", "\"m.room.member\"", "\"m.room.message\"" },
		{ "make_join", "\"room_version\":\"12\"", "\"room_version\":\"99\"" },
		{ "make_join", "{", "[" },
		{ "join", "\"state\":[", "\"state\":{}, \"x\":[" },
		{ "join", "m.room.create", "m.room.creata" },
		{ "join", "\"join_rule\":\"public\"", "\"join_rule\":\"invite\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		struct str room = rig_create(a, "12", "public_chat");

		lie_in = lies[i].in;
		lie_from = lies[i].from;
		lie_to = lies[i].to;
		a->twist = lie;
		if (rig_join_via(b, room, "bob", "a.test") == ERR_OK)
			fail_msg("lie %zu was taken", i);
		a->twist = NULL;
		assert_no_trace(b, room);
		assert_int_equal(rig_membership(b, room, "bob"), MEMBERSHIP_NONE);
		assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_OK);
		room_rig_settle(&rig);
	}
}

static void forks_are_merged_alike(void **state)
{
	struct str room = shared_room("12");

	(void)state;
	assert_int_equal(rig_send(a, room, "alice", "m.room.power_levels", "",
				 "{\"users\":{\"@bob:b.test\":100},\"events\":{}}", NULL),
		ERR_OK);
	room_rig_settle(&rig);
	a->holds = b->holds = true;
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.topic", "", "{\"topic\":\"of a\"}", NULL),
		ERR_OK);
	say(a, room, "alice", "a1");
	assert_int_equal(
		rig_send(b, room, "bob", "m.room.topic", "", "{\"topic\":\"of b\"}", NULL),
		ERR_OK);
	assert_int_equal(
		rig_send(b, room, "bob", "m.room.name", "", "{\"name\":\"of b\"}", NULL),
		ERR_OK);
	say(b, room, "bob", "b1");
	a->holds = b->holds = false;
	room_rig_settle(&rig);
	assert_converged(a, b, room);
	assert_str_equal(rig_state(a, room, "m.room.name", ""), "{\"name\":\"of b\"}");
	say(a, room, "alice", "merged");
	room_rig_settle(&rig);
	assert_converged(a, b, room);
	assert_true(contains(rig_messages(b, room, "bob"), "merged"));
	assert_true(contains(rig_messages(b, room, "bob"), "a1"));
	assert_true(contains(rig_messages(a, room, "alice"), "b1"));
}

static void a_large_room_is_joined(void **state)
{
	struct str room = rig_create(a, "12", "public_chat");
	char key[16];

	(void)state;
	for (int i = 0; i < 520; i++) {
		(void)snprintf(key, sizeof(key), "%d", i);
		assert_int_equal(rig_send(a, room, "alice", "m.of", key, "{}", NULL), ERR_OK);
		if (i % 50 == 0)
			room_rig_settle(&rig);
	}
	assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_OK);
	room_rig_settle(&rig);
	assert_int_equal(rig.large, 1);
	assert_converged(a, b, room);
	say(b, room, "bob", "hello");
	room_rig_settle(&rig);
	assert_true(contains(rig_messages(a, room, "alice"), "hello"));
}

/* More than the loop resolves by itself (resolve.c): before an event, and after it. */
static void a_large_fork_is_merged_on_the_pool(void **state)
{
	struct str room = shared_room("12");
	char key[16];

	(void)state;
	assert_int_equal(rig_send(a, room, "alice", "m.room.power_levels", "",
				 "{\"users\":{\"@bob:b.test\":100},\"events\":{}}", NULL),
		ERR_OK);
	room_rig_settle(&rig);
	a->holds = b->holds = true;
	for (int i = 0; i < 60; i++) {
		(void)snprintf(key, sizeof(key), "%d", i % 50);
		assert_int_equal(rig_send(a, room, "alice", "m.of", key,
					 i % 2 ? "{\"a\":1}" : "{}", NULL),
			ERR_OK);
		assert_int_equal(
			rig_send(b, room, "bob", "m.of", key, i % 3 ? "{\"b\":1}" : "{}", NULL),
			ERR_OK);
	}
	a->holds = b->holds = false;
	room_rig_settle(&rig);
	assert_converged(a, b, room);
	say(a, room, "alice", "merged");
	room_rig_settle(&rig);
	assert_converged(a, b, room);
	assert_true(contains(rig_messages(b, room, "bob"), "merged"));
	assert_true(a->rooms->resolved_apart + b->rooms->resolved_apart > 0);
}

static void a_ban_beats_what_was_sent_around_it(void **state)
{
	struct str room = shared_room("12");

	(void)state;
	a->holds = b->holds = true;
	assert_int_equal(rig_member(a, MEMBER_BAN, room, "alice", "@bob:b.test"), ERR_OK);
	say(b, room, "bob", "evading");
	b->holds = false;
	room_rig_settle(&rig);
	/* Allowed where it was sent, not any more: stored, not shown. */
	assert_false(contains(rig_messages(a, room, "alice"), "evading"));
	a->holds = false;
	room_rig_settle(&rig);
	assert_int_equal(rig_membership(b, room, "bob"), MEMBERSHIP_BAN);
	assert_int_equal(
		rig_send(b, room, "bob", "m.room.message", NULL, "{}", NULL), ERR_FORBIDDEN);
}

static void a_gap_is_closed(void **state)
{
	static const int sizes[] = { 3, 15, 45 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct str room = shared_room("12");
		struct str first;

		b->cut = true;
		say(a, room, "alice", "lost0");
		for (int k = 1; k < sizes[i]; k++)
			say(a, room, "alice", "lost");
		assert_int_equal(rig_send(a, room, "alice", "m.room.topic", "",
					 "{\"topic\":\"while away\"}", NULL),
			ERR_OK);
		room_rig_settle(&rig);
		b->cut = false;
		assert_str_equal(rig_state(b, room, "m.room.topic", ""), "");
		say(a, room, "alice", "last");
		room_rig_settle(&rig);
		first = rig_messages(b, room, "bob");
		assert_true(str_starts(first, STR("last lost")));
		assert_true(contains(first, "lost0"));
		assert_converged(a, b, room);
	}
}

/* Who sends what follows the gap joined after it, and has no more of it than that. */
static void a_gap_is_closed_by_who_was_there(void **state)
{
	struct str room = rig_create(a, "12", "public_chat");
	struct str lost;
	unsigned flags;
	int64_t nid;

	(void)state;
	assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_OK);
	room_rig_settle(&rig);
	b->cut = true;
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.message", NULL, "{}", &lost), ERR_OK);
	room_rig_settle(&rig);
	assert_int_equal(rig_join_via(c, room, "carol", "a.test"), ERR_OK);
	room_rig_settle(&rig);
	b->cut = false;
	assert_int_equal(store_event_find(b->st, lost, &nid, &flags), ERR_NOT_FOUND);
	say(c, room, "carol", "hello");
	room_rig_settle(&rig);
	assert_int_equal(store_event_find(b->st, lost, &nid, &flags), ERR_OK);
	assert_int_equal(flags, 0);
	assert_converged(a, b, room);
}

/* What came before a join fills a gap, and has descendants here: the next event doesn't name
 * it, and it brings no old state back. */
static void what_fills_a_gap_is_no_end(void **state)
{
	struct str room = rig_create(a, "12", "public_chat");
	struct room *at_b;
	struct str before;
	unsigned flags;
	int64_t nid;

	(void)state;
	assert_int_equal(rig_join_via(c, room, "carol", "a.test"), ERR_OK);
	room_rig_settle(&rig);
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.message", NULL, "{}", &before), ERR_OK);
	assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_OK);
	room_rig_settle(&rig); /* it is sent to b, too, and comes after the join */
	assert_int_equal(store_event_find(b->st, before, &nid, &flags), ERR_OK);
	assert_int_equal(flags, 0);
	assert_int_equal(room_get(b->rooms, room, &at_b), ERR_OK);
	assert_int_equal(at_b->n_ends, 1);
	assert_false(str_eq(str_of(at_b->ends[0].event_id), before));
	say(b, room, "bob", "hello");
	room_rig_settle(&rig);
	assert_converged(a, b, room);
}

static void a_gap_too_large_is_jumped_with_the_state(void **state)
{
	struct str room = shared_room("12");

	(void)state;
	b->cut = true;
	for (int k = 0; k < 130; k++)
		say(a, room, "alice", "lost");
	assert_int_equal(rig_send(a, room, "alice", "m.room.topic", "",
				 "{\"topic\":\"while away\"}", NULL),
		ERR_OK);
	for (int k = 0; k < 110; k++)
		say(a, room, "alice", "lost");
	room_rig_settle(&rig);
	b->cut = false;
	say(a, room, "alice", "last");
	room_rig_settle(&rig);
	assert_true(contains(rig_messages(b, room, "bob"), "last"));
	assert_str_equal(rig_state(b, room, "m.room.topic", ""), "{\"topic\":\"while away\"}");
	assert_converged(a, b, room);
	say(b, room, "bob", "back");
	room_rig_settle(&rig);
	assert_true(contains(rig_messages(a, room, "alice"), "back"));
}

static void history_before_a_join_is_backfilled(void **state)
{
	struct str room = rig_create(a, "12", "public_chat");
	struct str seen;

	(void)state;
	for (int k = 0; k < 20; k++)
		say(a, room, "alice", "before");
	say(a, room, "alice", "newest");
	assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_OK);
	room_rig_settle(&rig);
	say(a, room, "alice", "after");
	room_rig_settle(&rig);
	seen = rig_messages(b, room, "bob");
	assert_true(str_starts(seen, STR("after newest before before")));
	assert_converged(a, b, room);
}

static void hidden_history_is_not_backfilled_in_the_clear(void **state)
{
	struct str room = rig_create(a, "12", "public_chat");

	(void)state;
	assert_int_equal(rig_send(a, room, "alice", "m.room.history_visibility", "",
				 "{\"history_visibility\":\"joined\"}", NULL),
		ERR_OK);
	say(a, room, "alice", "private");
	assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_OK);
	room_rig_settle(&rig);
	say(a, room, "alice", "after");
	room_rig_settle(&rig);
	assert_str_equal(rig_messages(b, room, "bob"), "after");
}

static void who_left_can_come_back(void **state)
{
	struct str room = rig_create(a, "12", "public_chat");

	(void)state;
	assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_OK);
	room_rig_settle(&rig);
	assert_int_equal(rig_member(b, MEMBER_LEAVE, room, "bob", NULL), ERR_OK);
	room_rig_settle(&rig);
	assert_int_equal(rig_membership(a, room, "@bob:b.test"), MEMBERSHIP_LEAVE);
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.topic", "", "{\"topic\":\"new\"}", NULL),
		ERR_OK);
	say(a, room, "alice", "meanwhile");
	room_rig_settle(&rig);
	assert_str_equal(rig_state(b, room, "m.room.topic", ""), "");
	assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_OK);
	room_rig_settle(&rig);
	assert_str_equal(rig_state(b, room, "m.room.topic", ""), "{\"topic\":\"new\"}");
	assert_converged(a, b, room);
	say(b, room, "bob", "back");
	room_rig_settle(&rig);
	assert_true(contains(rig_messages(a, room, "alice"), "back"));
}

static void a_restricted_room_is_joined_through_another_server(void **state)
{
	struct str club = rig_create(a, "12", "public_chat");
	struct str room = rig_create(a, "12", NULL);
	struct str rules = arena_printf(rig.arena,
		"{\"join_rule\":\"restricted\",\"allow\":[{\"type\":\"m.room_membership\","
		"\"room_id\":\"%.*s\"}]}",
		STR_FMT(club));

	(void)state;
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.join_rules", "", rules.p, NULL), ERR_OK);
	assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_FORBIDDEN);
	assert_int_equal(rig_join_via(b, club, "bob", "a.test"), ERR_OK);
	assert_int_equal(rig_join_via(b, room, "bob", "a.test"), ERR_OK);
	room_rig_settle(&rig);
	assert_true(contains(rig_state(b, room, "m.room.member", "@bob:b.test"),
		"join_authorised_via_users_server"));
	assert_converged(a, b, room);
}

static void a_knock_is_heard_and_answered(void **state)
{
	struct str room = rig_create(a, "12", NULL);

	(void)state;
	assert_int_equal(rig_send(a, room, "alice", "m.room.join_rules", "",
				 "{\"join_rule\":\"knock\"}", NULL),
		ERR_OK);
	assert_int_equal(rig_member(b, MEMBER_KNOCK, room, "bob", NULL), ERR_NOT_FOUND);
	assert_int_equal(rig_knock_via(b, room, "bob", "a.test"), ERR_OK);
	assert_int_equal(rig_membership(b, room, "bob"), MEMBERSHIP_KNOCK);
	assert_int_equal(rig_membership(a, room, "@bob:b.test"), MEMBERSHIP_KNOCK);
	assert_int_equal(rig_member(a, MEMBER_INVITE, room, "alice", "@bob:b.test"), ERR_OK);
	assert_int_equal(rig_membership(b, room, "bob"), MEMBERSHIP_INVITE);
	assert_int_equal(rig_join_via(b, room, "bob", NULL), ERR_OK);
}

/* ---- forged and misshapen PDUs ---- */

struct one {
	struct room_receive in;
	bool called;
	enum err err;
};

static void one_done(struct room_receive *in, enum err err)
{
	struct one *o = in->owner;

	o->called = true;
	o->err = err;
}

static enum err receive(struct rig_server *to, const char *origin, struct str pdu)
{
	struct one o = { .in = { .origin = str_of(origin), .pdu = rig_json(&rig, pdu) } };

	o.in.done = one_done;
	o.in.owner = &o;
	rooms_receive_pdu(to->rooms, &o.in);
	assert_false(o.called);
	while (!o.called)
		room_rig_settle(&rig);
	return o.err;
}

static struct str stored(struct rig_server *s, struct str event_id)
{
	struct store_event e;

	assert_int_equal(store_event_get(s->st, rig.arena, event_id, &e), ERR_OK);
	return e.json;
}

static struct str replaced(struct str text, const char *from, const char *to)
{
	struct buf out = { 0 };
	struct str result;
	size_t at;

	assert_true(str_find_str(text, str_of(from), &at));
	buf_put_str(&out, str_head(text, at));
	buf_put_z(&out, to);
	buf_put_str(&out, str_skip(text, at + strlen(from)));
	result = arena_str(rig.arena, buf_str(&out));
	buf_deinit(&out);
	return result;
}

static void forged_events_are_refused(void **state)
{
	struct str room = shared_room("12");
	struct str id;
	struct str good;

	(void)state;
	a->holds = true;
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.message", NULL, "{\"body\":\"real\"}", &id),
		ERR_OK);
	good = stored(a, id);
	/* Another content under the same hash: redacted, so its id is the same. */
	assert_int_equal(receive(b, "a.test", replaced(good, "alice", "eve")), ERR_FORBIDDEN);
	assert_int_equal(receive(b, "a.test", replaced(good, "\"depth\":", "\"depth\":1")),
		ERR_FORBIDDEN);
	assert_int_equal(
		receive(b, "a.test", replaced(good, room.p, "!elsewhere")), ERR_NOT_FOUND);
	assert_int_equal(
		receive(b, "a.test", replaced(good, "\"type\"", "\"tipe\"")), ERR_MALFORMED);
	assert_int_equal(receive(b, "a.test", STR("{}")), ERR_NOT_FOUND);
	assert_int_equal(receive(b, "a.test", STR("[]")), ERR_NOT_FOUND);
	assert_str_equal(rig_messages(b, room, "bob"), "");
	assert_int_equal(receive(b, "a.test", replaced(good, "real", "fake")), ERR_OK);
	assert_str_equal(rig_messages(b, room, "bob"), "");
	assert_int_equal(receive(b, "a.test", good), ERR_OK);
}

static void servers_kept_out_by_the_acl_are_not_heard(void **state)
{
	struct str room = shared_room("12");

	(void)state;
	b->holds = true;
	say(b, room, "bob", "late");
	assert_int_equal(rig_send(a, room, "alice", "m.room.server_acl", "",
				 "{\"allow\":[\"*\"],\"deny\":[\"b.*\"]}", NULL),
		ERR_OK);
	b->holds = false;
	room_rig_settle(&rig);
	assert_false(rooms_server_allowed(a->rooms, room, STR("b.test")));
	assert_true(rooms_server_allowed(a->rooms, room, STR("c.test")));
	assert_false(contains(rig_messages(a, room, "alice"), "late"));
}

static void redactions_travel(void **state)
{
	struct str room = shared_room("12");
	struct room_send s = { .room_id = room,
		.sender = STR("@alice:a.test"),
		.type = STR("m.room.redaction"),
		.content = rig_json(&rig, STR("{}")) };
	struct str id;

	(void)state;
	assert_int_equal(
		rig_send(a, room, "alice", "m.room.message", NULL, "{\"body\":\"oops\"}", &id),
		ERR_OK);
	room_rig_settle(&rig);
	assert_true(contains(stored(b, id), "oops"));
	s.redacts = id;
	assert_int_equal(rooms_send(a->rooms, &s), ERR_OK);
	room_rig_settle(&rig);
	assert_false(contains(stored(b, id), "oops"));
}

static void many_ends_are_merged(void **state)
{
	struct str room = shared_room("12");
	struct room *r;

	(void)state;
	/* c's events all hang on the same one: each is an end of its own for a. */
	a->holds = true;
	for (int i = 0; i < 14; i++) {
		CLEANUP(event_freep) struct event *e = NULL;
		struct str content = arena_printf(rig.arena, "{\"n\":%d}", i);
		const struct room_draft d = {
			.type = STR("x"), .sender = STR("@bob:b.test"), .content = content
		};

		assert_int_equal(room_get(b->rooms, room, &r), ERR_OK);
		assert_int_equal(room_build(b->rooms, r, &d, &e, NULL), ERR_OK);
		assert_int_equal(receive(a, "b.test", e->json), ERR_OK);
	}
	assert_int_equal(room_get(a->rooms, room, &r), ERR_OK);
	assert_true(r->n_ends <= 10);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, up, down)
	const struct CMUnitTest tests[] = {
		TEST(an_invited_friend_joins_and_both_talk),
		TEST(an_invite_shows_what_the_room_is),
		TEST(an_invite_is_rejected_with_and_without_the_other_server),
		TEST(an_invite_waits_for_a_friend_who_is_off),
		TEST(a_late_refusal_withdraws_the_invite),
		TEST(joining_tries_the_next_server),
		TEST(a_room_that_is_not_open_stays_closed),
		TEST(a_lying_join_leaves_no_trace),
		TEST(a_cut_join_leaves_no_trace),
		TEST(a_large_room_is_joined),
		TEST(forks_are_merged_alike),
		TEST(a_large_fork_is_merged_on_the_pool),
		TEST(a_ban_beats_what_was_sent_around_it),
		TEST(a_gap_is_closed),
		TEST(a_gap_is_closed_by_who_was_there),
		TEST(what_fills_a_gap_is_no_end),
		TEST(a_gap_too_large_is_jumped_with_the_state),
		TEST(history_before_a_join_is_backfilled),
		TEST(hidden_history_is_not_backfilled_in_the_clear),
		TEST(who_left_can_come_back),
		TEST(a_restricted_room_is_joined_through_another_server),
		TEST(a_knock_is_heard_and_answered),
		TEST(forged_events_are_refused),
		TEST(servers_kept_out_by_the_acl_are_not_heard),
		TEST(redactions_travel),
		TEST(many_ends_are_merged),
	};
	return RUN_TESTS(tests);
}
