/* State resolution on rooms small enough to follow by hand (content/rooms/v2.md, v12.md). */
#include "tests/support/cmocka.h"

#include <stdio.h>

#include "tests/support/world.h"

#include "node/core/state_res.h"

static const char *const versions[] = { "11", "12" };

static const char join[] = "{'membership':'join'}";

/* The create event is cited where the version has it so. */
static const char *cite(struct world *w, const char *ids)
{
	return arena_printf(w->a, "%s%s", w->version->hash_room_id ? "" : "create ", ids).p;
}

static void put_room(struct world *w, const char *version)
{
	world_init(w, version);
	world_event(w, "create", "m.room.create", "alice", "", "{}", "", NULL);
	world_event(w, "alice", "m.room.member", "alice", "alice", join, cite(w, ""), "create");
	world_event(w, "pl", "m.room.power_levels", "alice", "",
		w->version->creator_power ? "{'users':{'@mod:a':50}}"
					  : "{'users':{'@alice:a':100,'@mod:a':50}}",
		cite(w, "alice"), NULL);
	world_event(w, "public", "m.room.join_rules", "alice", "", "{'join_rule':'public'}",
		cite(w, "alice pl"), NULL);
	world_event(w, "mod", "m.room.member", "mod", "mod", join, cite(w, "pl public"), NULL);
	world_event(w, "bob", "m.room.member", "bob", "bob", join, cite(w, "pl public"), NULL);
}

#define BASE "create alice mod "

static void assert_resolves(
	struct world *w, const char *const *sets, size_t n, const char *expected)
{
	struct state_set in[8];
	struct state_set out = { 0 };
	struct state_set want = world_set(w, expected);
	struct err_ctx why = { 0 };
	enum err err;

	for (size_t i = 0; i < n; i++)
		in[i] = world_set(w, sets[i]);
	err = state_resolve(w->a, w->version, in, n, &w->source, &out, &why);
	if (err)
		print_error("%s\n", why.text);
	assert_int_equal(err, ERR_OK);
	for (size_t i = 0; i < out.n; i++)
		if (i >= want.n || !str_eq(out.entries[i].event_id, want.entries[i].event_id))
			print_error("version %s: got %.*s\n", w->version->name,
				STR_FMT(out.entries[i].event_id));
	assert_int_equal(out.n, want.n);
	for (size_t i = 0; i < out.n; i++) {
		assert_true(state_entry_cmp(&out.entries[i], &want.entries[i]) == 0);
		assert_true(str_eq(out.entries[i].event_id, want.entries[i].event_id));
	}
}

#define RESOLVES(w, expected, ...) \
	assert_resolves((w), (const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), (expected))

static void what_agrees_stays_as_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct world w;
		struct state_set out;

		put_room(&w, versions[i]);
		RESOLVES(&w, BASE "pl public bob", BASE "pl public bob");
		RESOLVES(&w, BASE "pl public bob", BASE "pl public bob", BASE "pl public bob");
		assert_int_equal(
			state_resolve(w.a, w.version, NULL, 0, &w.source, &out, NULL), ERR_OK);
		assert_int_equal(out.n, 0);
		world_deinit(&w);
	}
}

static void what_only_one_side_has_is_taken_if_it_is_allowed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct world w;

		put_room(&w, versions[i]);
		world_event(
			&w, "name", "m.room.name", "mod", "", "{}", cite(&w, "pl mod"), NULL);
		world_event(&w, "forged", "m.room.topic", "bob", "", "{}", cite(&w, "pl bob"),
			NULL);
		RESOLVES(&w, BASE "pl public bob name", BASE "pl public",
			BASE "pl public bob name forged");
		world_deinit(&w);
	}
}

static void the_later_of_two_equal_topics_wins_and_then_the_id(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct world w;

		put_room(&w, versions[i]);
		world_event_at(&w, 5000, "t2", "m.room.topic", "mod", "", "{}",
			cite(&w, "pl mod"), NULL);
		world_event_at(&w, 5001, "t1", "m.room.topic", "mod", "", "{}",
			cite(&w, "pl mod"), NULL);
		world_event_at(&w, 5001, "t0", "m.room.topic", "alice", "", "{}",
			cite(&w, "pl alice"), NULL);
		RESOLVES(&w, BASE "pl public t1", BASE "pl public t1", BASE "pl public t2");
		RESOLVES(&w, BASE "pl public t1", BASE "pl public t0", BASE "pl public t1",
			BASE "pl public t2");
		world_deinit(&w);
	}
}

static void a_demoted_moderators_ban_does_not_count(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct world w;

		put_room(&w, versions[i]);
		/* At once: alice takes mod's power, mod bans bob (earlier by his clock). */
		world_event_at(&w, 9000, "demote", "m.room.power_levels", "alice", "",
			w.version->creator_power ? "{}" : "{'users':{'@alice:a':100}}",
			cite(&w, "alice pl"), NULL);
		world_event_at(&w, 8000, "ban", "m.room.member", "mod", "bob",
			"{'membership':'ban'}", cite(&w, "pl mod bob"), NULL);
		RESOLVES(&w, BASE "demote public bob", BASE "demote public bob",
			BASE "pl public ban");
		world_deinit(&w);
	}
}

static void a_ban_beats_what_the_banned_did_meanwhile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct world w;

		put_room(&w, versions[i]);
		world_event_at(&w, 9000, "ban", "m.room.member", "alice", "mod",
			"{'membership':'ban'}", cite(&w, "pl alice mod"), NULL);
		world_event_at(&w, 8000, "topic", "m.room.topic", "mod", "", "{}",
			cite(&w, "pl mod"), NULL);
		world_event_at(&w, 9500, "mine", "m.room.power_levels", "mod", "",
			w.version->creator_power
				? "{'users':{'@mod:a':50},'invite':50}"
				: "{'users':{'@alice:a':100,'@mod:a':50},'invite':50}",
			cite(&w, "pl mod"), NULL);
		RESOLVES(&w, "create alice pl public ban bob", "create alice pl public ban bob",
			"create alice mine public mod topic bob");
		world_deinit(&w);
	}
}

static void nobody_slips_in_past_a_closed_door(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct world w;

		put_room(&w, versions[i]);
		world_event_at(&w, 7000, "closed", "m.room.join_rules", "alice", "",
			"{'join_rule':'invite'}", cite(&w, "alice pl"), NULL);
		world_event_at(&w, 6000, "eve", "m.room.member", "eve", "eve", join,
			cite(&w, "pl public"), NULL);
		RESOLVES(&w, BASE "pl closed bob", BASE "pl closed bob",
			BASE "pl public bob eve");
		world_deinit(&w);
	}
}

static void the_mainline_orders_before_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct world w;

		put_room(&w, versions[i]);
		world_event_at(&w, 4000, "pl2", "m.room.power_levels", "alice", "",
			w.version->creator_power ? "{'users':{'@mod:a':60}}"
						 : "{'users':{'@alice:a':100,'@mod:a':60}}",
			cite(&w, "alice pl"), NULL);
		world_event_at(&w, 9000, "old", "m.room.topic", "mod", "", "{}",
			cite(&w, "pl mod"), NULL);
		world_event_at(&w, 5000, "new", "m.room.topic", "mod", "", "{}",
			cite(&w, "pl2 mod"), NULL);
		RESOLVES(
			&w, BASE "pl2 public new", BASE "pl public old", BASE "pl2 public new");
		world_deinit(&w);
	}
}

/* Version 2 starts from what is agreed, and so forgets what somebody did before leaving; 2.1
 * starts from nothing, so it stands (version 12, "Algorithm"). */
static void leaving_does_not_undo_what_was_done_in_2_1(void **state)
{
	struct world w;

	(void)state;
	put_room(&w, "11");
	world_event(&w, "t1", "m.room.topic", "mod", "", "{}", cite(&w, "pl mod"), NULL);
	world_event(&w, "t2", "m.room.topic", "mod", "", "{}", cite(&w, "pl mod"), NULL);
	world_event(&w, "bye", "m.room.member", "mod", "mod", "{'membership':'leave'}",
		cite(&w, "pl mod"), NULL);
	RESOLVES(&w, "create alice pl public bye", "create alice pl public bye t1",
		"create alice pl public bye t2");
	world_deinit(&w);

	put_room(&w, "12");
	world_event(&w, "t1", "m.room.topic", "mod", "", "{}", cite(&w, "pl mod"), NULL);
	world_event(&w, "t2", "m.room.topic", "mod", "", "{}", cite(&w, "pl mod"), NULL);
	world_event(&w, "bye", "m.room.member", "mod", "mod", "{'membership':'leave'}",
		cite(&w, "pl mod"), NULL);
	RESOLVES(&w, "create alice pl public bye t2", "create alice pl public bye t1",
		"create alice pl public bye t2");
	world_deinit(&w);
}

/* pl3 is bob's, whom pl2 made strong; pl2 lies between the two that conflict, and in both auth
 * chains (through name). Only the conflicted state subgraph brings it back. */
static void levels_do_not_fall_back_over_a_step_between(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct world w;
		bool v12 = strcmp(versions[i], "12") == 0;

		(void)state;
		put_room(&w, versions[i]);
		world_event(&w, "pl2", "m.room.power_levels", "alice", "",
			v12 ? "{'users':{'@mod:a':50,'@bob:a':90}}"
			    : "{'users':{'@alice:a':100,'@mod:a':50,'@bob:a':90}}",
			cite(&w, "alice pl"), NULL);
		world_event(&w, "name", "m.room.name", "alice", "", "{}", cite(&w, "pl2 alice"),
			NULL);
		world_event(&w, "pl3", "m.room.power_levels", "bob", "",
			v12 ? "{'users':{'@mod:a':51,'@bob:a':90}}"
			    : "{'users':{'@alice:a':100,'@mod:a':51,'@bob:a':90}}",
			cite(&w, "pl2 bob"), NULL);
		if (v12)
			RESOLVES(&w, BASE "pl3 public bob name", BASE "pl public bob name",
				BASE "pl3 public bob name");
		else
			RESOLVES(&w, BASE "pl public bob name", BASE "pl public bob name",
				BASE "pl3 public bob name");
		world_deinit(&w);
	}
}

/* In 2.1 nothing is resolved when the topic's turn comes, so what it cites counts, unless that
 * was rejected. */
static void rejected_events_authorise_nothing(void **state)
{
	struct world w;

	(void)state;
	put_room(&w, "12");
	world_event(&w, "mine", "m.room.power_levels", "bob", "", "{'users':{'@bob:a':90}}",
		"pl bob", NULL);
	world_event(&w, "topic", "m.room.topic", "bob", "", "{}", "mine bob", NULL);
	RESOLVES(&w, BASE "pl public bob topic", BASE "pl public bob",
		BASE "pl public bob topic");
	world_reject(&w, "mine");
	RESOLVES(&w, BASE "pl public bob", BASE "pl public bob", BASE "pl public bob topic");
	world_deinit(&w);
}

static void a_conflicted_event_must_be_at_hand(void **state)
{
	struct world w;
	struct state_set in[2];
	struct state_set out;
	struct state_entry *gone;

	(void)state;
	put_room(&w, "12");
	in[0] = world_set(&w, BASE "pl");
	in[1] = world_set(&w, BASE "pl");
	gone = (struct state_entry *)in[1].entries;
	for (size_t i = 0; i < in[1].n; i++)
		if (str_eq(gone[i].type, STR("m.room.power_levels")))
			gone[i].event_id = STR("$nowhere");
	assert_int_equal(
		state_resolve(w.a, w.version, in, 2, &w.source, &out, NULL), ERR_NOT_FOUND);
	world_deinit(&w);
}

/* A chain of power levels as long as a hostile server may make it: no recursion, each link
 * looked at once. */
static void long_chains_are_walked_not_recursed(void **state)
{
	enum { LINKS = 3000 };
	struct world w;
	char id[16];
	char auth[48];
	char last[128];

	(void)state;
	put_room(&w, "12");
	for (int i = 0; i < LINKS; i++) {
		(void)snprintf(id, sizeof(id), "c%d", i);
		(void)snprintf(auth, sizeof(auth), i ? "alice c%d" : "alice pl", i - 1);
		world_event(&w, id, "m.room.power_levels", "alice", "",
			"{'users':{'@mod:a':50}}", auth, NULL);
	}
	world_event(&w, "t1", "m.room.topic", "mod", "", "{}", "pl mod", NULL);
	(void)snprintf(auth, sizeof(auth), "mod c%d", LINKS - 1);
	world_event_at(&w, 1, "t2", "m.room.topic", "mod", "", "{}", auth, NULL);
	(void)snprintf(last, sizeof(last), BASE "public c%d t2", LINKS - 1);
	RESOLVES(&w, last, BASE "public pl t1", last);
	world_deinit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_agrees_stays_as_it_is),
		cmocka_unit_test(what_only_one_side_has_is_taken_if_it_is_allowed),
		cmocka_unit_test(the_later_of_two_equal_topics_wins_and_then_the_id),
		cmocka_unit_test(a_demoted_moderators_ban_does_not_count),
		cmocka_unit_test(a_ban_beats_what_the_banned_did_meanwhile),
		cmocka_unit_test(nobody_slips_in_past_a_closed_door),
		cmocka_unit_test(the_mainline_orders_before_time),
		cmocka_unit_test(leaving_does_not_undo_what_was_done_in_2_1),
		cmocka_unit_test(levels_do_not_fall_back_over_a_step_between),
		cmocka_unit_test(rejected_events_authorise_nothing),
		cmocka_unit_test(a_conflicted_event_must_be_at_hand),
		cmocka_unit_test(long_chains_are_walked_not_recursed),
	};

	return RUN_TESTS(tests);
}
