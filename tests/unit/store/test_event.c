#include "store/event.h"

#include <stdio.h>

#include "node/base/buf.h"
#include "store/room.h"
#include "store/state.h"
#include "tests/support/cmocka.h"
#include "tests/support/room_maker.h"
#include "tests/support/store_fixture.h"

#define ALICE STR("@alice:here.example")

static struct room_maker maker;

static int up(void **state)
{
	if (store_fixture_up(state))
		return -1;
	room_maker_init(
		&maker, ((struct store_fixture *)*state)->st, STR("!room:here.example"));
	return 0;
}

static int down(void **state)
{
	room_maker_deinit(&maker);
	return store_fixture_down(state);
}

static int64_t say(const char *body)
{
	char content[200];

	(void)snprintf(
		content, sizeof(content), "{\"body\":\"%s\",\"msgtype\":\"m.text\"}", body);
	return room_maker_send(&maker, "m.room.message", NULL, ALICE, content);
}

/* Stores an event as it is told. */
static enum err put(const struct event *e, unsigned flags, int64_t *nid, int64_t *pos)
{
	struct store_event_new new = { .event = e, .flags = flags };
	enum err err = store_begin(maker.st);

	assert_int_equal(err, ERR_OK);
	return store_end(maker.st, store_event_put(maker.st, &new, nid, pos));
}

static void an_event_comes_back_as_it_was(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct event *e = room_maker_event(
		&maker, "m.room.topic", "", ALICE, "{\"topic\":\"caf\xc3\xa9\"}");
	struct store_event got;
	int64_t nid;
	int64_t pos;

	(void)state;
	assert_int_equal(put(e, STORE_LOCAL, &nid, &pos), ERR_OK);
	assert_int_equal(store_event_get(maker.st, a, e->event_id, &got), ERR_OK);
	assert_true(str_eq(got.json, e->json));
	assert_true(str_eq(got.event_id, e->event_id));
	assert_true(str_eq(got.room_id, maker.room_id));
	assert_str_equal(got.type, "m.room.topic");
	assert_str_equal(got.sender, "@alice:here.example");
	assert_true(got.is_state);
	assert_str_equal(got.state_key, "");
	assert_int_equal(got.nid, nid);
	assert_int_equal(got.pos, pos);
	assert_int_equal(got.depth, e->depth);
	assert_int_equal(got.origin_server_ts, e->origin_server_ts);
	assert_int_equal(got.flags, STORE_LOCAL);
	assert_int_equal(store_event_get(maker.st, a,
				 STR("$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), &got),
		ERR_NOT_FOUND);
	assert_int_equal(store_event_get(maker.st, a, STR("$old:server"), &got), ERR_NOT_FOUND);
	assert_int_equal(store_event_get(maker.st, a, STR(""), &got), ERR_NOT_FOUND);
}

static void the_same_event_is_stored_once(void **state)
{
	const struct event *e = room_maker_event(&maker, "m.x", NULL, ALICE, "{}");
	int64_t nid;
	int64_t pos;

	(void)state;
	assert_int_equal(put(e, 0, &nid, &pos), ERR_OK);
	assert_int_equal(put(e, 0, &nid, &pos), ERR_EXISTS);
}

static void an_event_without_its_auth_events_is_refused(void **state)
{
	const struct event *e;
	struct str known = maker.member;
	int64_t nid;
	int64_t pos;

	(void)state;
	maker.member = STR("$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	e = room_maker_event(&maker, "m.x", NULL, ALICE, "{}");
	maker.member = known;
	assert_int_equal(put(e, 0, &nid, &pos), ERR_INVALID);
	assert_int_equal(put(e, STORE_REJECTED, &nid, &pos), ERR_OK);
}

struct bodies {
	char text[400];
	unsigned left; /* ends the walk when it gets to 0 */
};

static bool note(void *arg, const struct store_event *e)
{
	struct bodies *b = arg;
	size_t n = strlen(b->text);
	struct str head = STR("{\"body\":\"");
	size_t at;

	if (!str_find_str(e->json, head, &at))
		(void)snprintf(b->text + n, sizeof(b->text) - n, "(%.*s) ", STR_FMT(e->type));
	else
		(void)snprintf(b->text + n, sizeof(b->text) - n, "%c ", e->json.p[at + head.n]);
	return --b->left != 0;
}

static const char *range(int64_t from, int64_t to, bool forward, unsigned limit)
{
	static char text[400];
	struct bodies b = { .left = 1000 };
	struct arena *a = arena_new();

	assert_int_equal(store_event_range(maker.st, a, maker.room_id, from, to, forward, limit,
				 note, &b),
		ERR_OK);
	arena_free(a);
	(void)snprintf(text, sizeof(text), "%s", b.text);
	return text;
}

static void the_timeline_reads_both_ways(void **state)
{
	int64_t a;
	int64_t c;
	unsigned n;

	(void)state;
	a = say("a");
	say("b");
	c = say("c");
	say("d");
	assert_string_equal(range(a, c, true, 10), "b c ");
	assert_string_equal(range(a, c, false, 10), "c b ");
	assert_string_equal(range(INT64_MIN, INT64_MAX, false, 3), "d c b ");
	assert_string_equal(
		range(INT64_MIN, a, true, 10), "(m.room.create) (m.room.member) a ");
	assert_string_equal(range(c, c, true, 10), "");
	assert_int_equal(
		store_event_count(maker.st, maker.room_id, a, INT64_MAX, 10, &n), ERR_OK);
	assert_int_equal(n, 3);
	assert_int_equal(
		store_event_count(maker.st, maker.room_id, a, INT64_MAX, 2, &n), ERR_OK);
	assert_int_equal(n, 2);
}

static void a_walk_can_be_ended(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct bodies b = { .left = 2 };

	(void)state;
	say("a");
	assert_int_equal(store_event_range(maker.st, a, maker.room_id, INT64_MIN, INT64_MAX,
				 true, 100, note, &b),
		ERR_OK);
	assert_string_equal(b.text, "(m.room.create) (m.room.member) ");
}

static size_t extremities(struct str ids[4])
{
	static struct arena *kept;
	const struct store_extremity *x;
	size_t n;

	arena_free(kept);
	kept = arena_new();
	assert_int_equal(store_room_extremities(maker.st, kept, maker.room_id, &x, &n), ERR_OK);
	for (size_t i = 0; i < n && i < 4; i++)
		ids[i] = x[i].event_id;
	if (n == 0) {
		arena_free(kept);
		kept = NULL;
	}
	return n;
}

static void forks_are_merged_by_what_names_both(void **state)
{
	struct str ids[4];
	struct str root = arena_str(maker.arena, maker.last);
	const struct event *a =
		room_maker_event_after(&maker, "m.a", NULL, ALICE, "{}", &root, 1);
	const struct event *b =
		room_maker_event_after(&maker, "m.b", NULL, ALICE, "{}", &root, 1);
	struct str both[2] = { a->event_id, b->event_id };
	const struct event *merge =
		room_maker_event_after(&maker, "m.c", NULL, ALICE, "{}", both, 2);
	int64_t nid;
	int64_t pos;

	(void)state;
	assert_int_equal(put(a, 0, &nid, &pos), ERR_OK);
	assert_int_equal(put(b, 0, &nid, &pos), ERR_OK);
	assert_int_equal(extremities(ids), 2);
	assert_int_equal(put(merge, 0, &nid, &pos), ERR_OK);
	assert_int_equal(extremities(ids), 1);
	assert_true(str_eq(ids[0], merge->event_id));
}

static void what_is_in_no_timeline_moves_no_end(void **state)
{
	struct str ids[4];
	struct str last = arena_str(maker.arena, maker.last);
	static const unsigned flags[] = { STORE_OUTLIER, STORE_REJECTED, STORE_SOFT_FAILED };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		int64_t nid;
		int64_t pos;
		const struct event *e = room_maker_event(&maker, "m.x", NULL, ALICE, "{}");

		assert_int_equal(put(e, flags[i], &nid, &pos), ERR_OK);
		assert_int_equal(pos, 0);
		assert_int_equal(extremities(ids), 1);
		assert_true(str_eq(ids[0], last));
	}
	assert_string_equal(
		range(INT64_MIN, INT64_MAX, true, 10), "(m.room.create) (m.room.member) ");
}

static void backfilled_events_come_before_all_others(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct str root = arena_str(maker.arena, maker.last);
	const struct event *first = room_maker_event_after(
		&maker, "m.f", NULL, ALICE, "{\"body\":\"1\"}", &root, 1);
	const struct event *second = room_maker_event_after(
		&maker, "m.s", NULL, ALICE, "{\"body\":\"2\"}", &first->event_id, 1);
	const struct event *live = room_maker_event_after(
		&maker, "m.l", NULL, ALICE, "{\"body\":\"3\"}", &second->event_id, 1);
	const struct store_missing *missing;
	struct str ids[4];
	size_t n;
	int64_t nid;
	int64_t pos;

	(void)state;
	assert_int_equal(put(live, 0, &nid, &pos), ERR_OK);
	assert_int_equal(extremities(ids), 2);
	assert_int_equal(
		store_room_missing(maker.st, a, maker.room_id, INT64_MAX, 10, &missing, &n),
		ERR_OK);
	assert_int_equal(n, 1);
	assert_true(str_eq(missing[0].event_id, second->event_id));
	assert_int_equal(missing[0].child, nid);
	assert_int_equal(put(second, STORE_BACKFILLED, &nid, &pos), ERR_OK);
	assert_int_equal(pos, -1);
	assert_int_equal(put(first, STORE_BACKFILLED, &nid, &pos), ERR_OK);
	assert_int_equal(pos, -2);
	assert_int_equal(
		store_room_missing(maker.st, a, maker.room_id, INT64_MAX, 10, &missing, &n),
		ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(extremities(ids), 2); /* backfill moves no end */
	assert_string_equal(range(INT64_MIN, INT64_MAX, true, 10),
		"1 2 (m.room.create) (m.room.member) 3 ");
}

static void an_event_that_was_missed_is_no_end(void **state)
{
	struct str root = arena_str(maker.arena, maker.last);
	const struct event *gap =
		room_maker_event_after(&maker, "m.g", NULL, ALICE, "{}", &root, 1);
	const struct event *after =
		room_maker_event_after(&maker, "m.a", NULL, ALICE, "{}", &gap->event_id, 1);
	struct str ids[4];
	int64_t nid;
	int64_t pos;

	(void)state;
	assert_int_equal(put(after, 0, &nid, &pos), ERR_OK);
	assert_int_equal(put(gap, 0, &nid, &pos), ERR_OK);
	assert_int_equal(extremities(ids), 1);
	assert_true(str_eq(ids[0], after->event_id));
}

static void an_outlier_can_take_its_place_later(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct event *e = room_maker_event(&maker, "m.x", "", ALICE, "{}");
	struct store_event_new new = { .event = e, .state_before = 5, .state_after = 6 };
	const struct str *rooms;
	size_t n;
	struct store_event got;
	int64_t before;
	int64_t nid;
	int64_t pos;

	(void)state;
	assert_int_equal(put(e, STORE_OUTLIER, &before, &pos), ERR_OK);
	say("x");
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(store_event_promote(maker.st, &new, &nid, &pos), ERR_OK);
	assert_int_equal(store_event_promote(maker.st, &new, &nid, &pos), ERR_EXISTS);
	assert_int_equal(store_commit(maker.st), ERR_OK);
	assert_int_equal(nid, before);
	assert_true(pos > nid);
	assert_int_equal(store_event_get_nid(maker.st, a, nid, &got), ERR_OK);
	assert_int_equal(got.pos, pos);
	assert_int_equal(got.flags, 0);
	assert_int_equal(got.state_after, 6);
	assert_int_equal(
		store_event_rooms_between(maker.st, a, pos - 1, pos, &rooms, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_true(str_eq(rooms[0], maker.room_id));
	assert_int_equal(
		store_event_rooms_between(maker.st, a, pos, pos + 5, &rooms, &n), ERR_OK);
	assert_int_equal(n, 0);
}

static void a_transaction_id_finds_its_event(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct event *e = room_maker_event(&maker, "m.x", NULL, ALICE, "{}");
	struct store_event got;
	struct str id;
	int64_t nid;
	int64_t pos;

	(void)state;
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(
		room_maker_put(&maker, e, STORE_LOCAL, STR("DEV"), STR("t1"), &nid, &pos),
		ERR_OK);
	assert_int_equal(store_commit(maker.st), ERR_OK);
	assert_int_equal(store_event_by_txn(maker.st, a, ALICE, STR("DEV"), maker.room_id,
				 e->type, STR("t1"), &id),
		ERR_OK);
	assert_true(str_eq(id, e->event_id));
	assert_int_equal(store_event_by_txn(maker.st, a, ALICE, STR("OTHER"), maker.room_id,
				 e->type, STR("t1"), &id),
		ERR_NOT_FOUND);
	assert_int_equal(store_event_by_txn(maker.st, a, ALICE, STR("DEV"),
				 STR("!o:here.example"), e->type, STR("t1"), &id),
		ERR_NOT_FOUND);
	assert_int_equal(store_event_by_txn(maker.st, a, ALICE, STR("DEV"), maker.room_id,
				 STR("other.type"), STR("t1"), &id),
		ERR_NOT_FOUND);
	assert_int_equal(store_event_get_nid(maker.st, a, nid, &got), ERR_OK);
	assert_str_equal(got.device_id, "DEV");
	assert_str_equal(got.txn_id, "t1");
}

static void redacted_content_leaves_the_database(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	CLEANUP(event_freep) struct event *stored = NULL;
	CLEANUP(event_freep) struct event *redacted = NULL;
	int64_t nid = say("secret");
	int64_t by = say("redaction");
	struct store_event got;
	size_t at;

	(void)state;
	assert_int_equal(store_event_get_nid(maker.st, a, nid, &got), ERR_OK);
	assert_int_equal(
		event_from_store(got.json, got.event_id, maker.version, &stored), ERR_OK);
	assert_int_equal(event_redact(stored, &redacted), ERR_OK);
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(store_event_redact(maker.st, nid, by, redacted), ERR_OK);
	assert_int_equal(store_commit(maker.st), ERR_OK);
	assert_int_equal(store_event_get_nid(maker.st, a, nid, &got), ERR_OK);
	assert_false(str_find_str(got.json, STR("secret"), &at));
	assert_int_equal(got.redacted_by, by);
	assert_true(got.flags & STORE_REDACTED);
}

static void a_redaction_can_wait_for_its_event(void **state)
{
	int64_t by;
	int64_t nid = say("r");

	(void)state;
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(store_event_redaction_of(maker.st, STR("$x:y"), &by), ERR_NOT_FOUND);
	assert_int_equal(store_event_redaction_wait(maker.st, STR("$x:y"), nid), ERR_OK);
	assert_int_equal(store_event_redaction_wait(maker.st, STR("$x:y"), nid), ERR_OK);
	assert_int_equal(store_event_redaction_of(maker.st, STR("$x:y"), &by), ERR_OK);
	assert_int_equal(store_commit(maker.st), ERR_OK);
	assert_int_equal(by, nid);
}

static void relations_are_found_by_type(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct str target;
	char content[300];
	struct bodies all = { .left = 100 };
	struct bodies edits = { .left = 100 };
	struct bodies reactions = { .left = 100 };
	struct bodies elsewhere = { .left = 100 };
	unsigned n;

	(void)state;
	say("a");
	target = arena_str(a, maker.last);
	(void)snprintf(content, sizeof(content),
		"{\"body\":\"e\",\"m.relates_to\":{\"event_id\":\"%.*s\",\"rel_type\":\"m."
		"replace\"}}",
		STR_FMT(target));
	(void)room_maker_send(&maker, "m.room.message", NULL, ALICE, content);
	(void)snprintf(content, sizeof(content),
		"{\"m.relates_to\":{\"event_id\":\"%.*s\",\"key\":\"k\",\"rel_type\":\"m."
		"annotation\"}}",
		STR_FMT(target));
	(void)room_maker_send(&maker, "m.reaction", NULL, ALICE, content);
	/* Whatever a stranger writes there is no relation. */
	(void)room_maker_send(&maker, "m.x", NULL, ALICE, "{\"m.relates_to\":[1]}");
	(void)room_maker_send(&maker, "m.x", NULL, ALICE,
		"{\"m.relates_to\":{\"rel_type\":7,\"event_id\":{}}}");
	assert_int_equal(store_event_relations(maker.st, a, maker.room_id, target, STR(""),
				 STR(""), INT64_MIN, INT64_MAX, true, 10, note, &all),
		ERR_OK);
	assert_string_equal(all.text, "e (m.reaction) ");
	assert_int_equal(
		store_event_relations(maker.st, a, maker.room_id, target, STR("m.replace"),
			STR(""), INT64_MIN, INT64_MAX, false, 10, note, &edits),
		ERR_OK);
	assert_string_equal(edits.text, "e ");
	assert_int_equal(
		store_event_relations(maker.st, a, maker.room_id, target, STR(""),
			STR("m.reaction"), INT64_MIN, INT64_MAX, false, 10, note, &reactions),
		ERR_OK);
	assert_string_equal(reactions.text, "(m.reaction) ");
	assert_int_equal(
		store_event_relations(maker.st, a, STR("!other:here.example"), target, STR(""),
			STR(""), INT64_MIN, INT64_MAX, false, 10, note, &elsewhere),
		ERR_OK);
	assert_string_equal(elsewhere.text, "");
	assert_int_equal(
		store_event_relation_count(maker.st, target, STR("m.annotation"), &n), ERR_OK);
	assert_int_equal(n, 1);
}

static void local_events_are_what_federation_sends(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct bodies b = { .left = 100 };
	const struct event *foreign;
	int64_t nid;
	int64_t pos;

	(void)state;
	say("a");
	foreign = room_maker_event(
		&maker, "m.f", NULL, STR("@bob:there.example"), "{\"body\":\"f\"}");
	assert_int_equal(put(foreign, 0, &nid, &pos), ERR_OK);
	say("b");
	assert_int_equal(
		store_event_local_range(maker.st, a, 0, INT64_MAX, 10, note, &b), ERR_OK);
	assert_string_equal(b.text, "(m.room.create) (m.room.member) a b ");
}

static void a_time_finds_the_nearest_event(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_event got;
	int64_t ts;
	int64_t nid = say("a");

	(void)state;
	ts = maker.ts - 1;
	say("b");
	assert_int_equal(
		store_event_at_time(maker.st, a, maker.room_id, ts, true, &got), ERR_OK);
	assert_int_equal(got.nid, nid);
	assert_int_equal(
		store_event_at_time(maker.st, a, maker.room_id, ts, false, &got), ERR_OK);
	assert_int_equal(got.nid, nid);
	assert_int_equal(store_event_at_time(maker.st, a, maker.room_id, ts + 9, true, &got),
		ERR_NOT_FOUND);
}

static bool among(const struct str *ids, size_t n, struct str id)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(ids[i], id))
			return true;
	return false;
}

static void an_auth_chain_is_what_is_reached(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct str *chain;
	size_t n;
	struct str x;

	(void)state;
	(void)room_maker_send(&maker, "m.x", "", ALICE, "{}");
	x = arena_str(a, maker.last);
	assert_int_equal(store_auth_chain(maker.st, a, &x, 1, 100, &chain, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_true(among(chain, n, maker.create));
	assert_true(among(chain, n, maker.member));
	assert_int_equal(store_auth_chain(maker.st, a, &x, 1, 1, &chain, &n), ERR_LIMIT);
}

/* A group of the room's state with one event more. */
static int64_t group_with(int64_t parent, struct str type, struct str state_key, struct str id)
{
	struct store_state change = { type, state_key, 0 };
	int64_t group = 0;

	assert_int_equal(store_event_find(maker.st, id, &change.event, NULL), ERR_OK);
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(
		store_state_group_new(maker.st, maker.room_id, parent, &change, 1, &group),
		ERR_OK);
	assert_int_equal(store_commit(maker.st), ERR_OK);
	return group;
}

static void what_states_differ_in_is_found(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	static const struct store_conflict_limits none = { 0 };
	static const struct store_conflict_limits few = { .events = 1 };
	static const struct store_conflict_limits few_rows = { .rows = 1 };
	struct store_conflict c;
	struct str x;
	struct str y;
	int64_t groups[3];

	(void)state;
	(void)room_maker_send(&maker, "m.x", "", ALICE, "{}");
	x = arena_str(a, maker.last);
	(void)room_maker_send(&maker, "m.x", "", ALICE, "{}");
	y = arena_str(a, maker.last);
	groups[0] = group_with(0, STR("m.room.create"), STR(""), maker.create);
	groups[1] = group_with(groups[0], STR("m.x"), STR(""), x);
	groups[2] = group_with(groups[0], STR("m.x"), STR(""), y);

	assert_int_equal(
		store_state_conflict(maker.st, a, groups, 3, false, &none, &c), ERR_OK);
	assert_int_equal(c.n_keys, 1);
	assert_str_equal(c.keys[0].type, "m.x");
	assert_int_equal(c.keys[0].event, 0); /* the first group has none */
	/* Both events, and Alice's membership, which the first group's chain doesn't hold. */
	assert_int_equal(c.n_events, 3);
	assert_true(among(c.events, 3, x));
	assert_true(among(c.events, 3, y));
	assert_true(among(c.events, 3, maker.member));

	/* Both chains hold it here: it is no difference. */
	assert_int_equal(
		store_state_conflict(maker.st, a, groups + 1, 2, false, &none, &c), ERR_OK);
	assert_int_equal(c.n_events, 2);
	assert_true(among(c.events, 2, x));
	assert_true(among(c.events, 2, y));

	assert_int_equal(
		store_state_conflict(maker.st, a, groups, 3, false, &few, &c), ERR_LIMIT);
	assert_int_equal(
		store_state_conflict(maker.st, a, groups, 3, false, &few_rows, &c), ERR_LIMIT);
}

/* Alice's first and last memberships are in conflict. The one between them is in no difference,
 * since both states have an event that cites it; it lies on the way from one to the other. */
static void what_lies_between_conflicts_is_found(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	static const struct store_conflict_limits none = { 0 };
	struct store_conflict c;
	struct str first = maker.member;
	struct str between;
	struct str last;
	int64_t base;
	int64_t groups[2];

	(void)state;
	(void)room_maker_send(
		&maker, "m.room.member", ALICE.p, ALICE, "{\"membership\":\"join\",\"n\":1}");
	between = arena_str(a, maker.last);
	maker.member = between; /* what the next ones cite */
	(void)room_maker_send(
		&maker, "m.room.member", ALICE.p, ALICE, "{\"membership\":\"join\",\"n\":2}");
	last = arena_str(a, maker.last);
	(void)room_maker_send(&maker, "m.y", "", ALICE, "{}");
	maker.member = first;
	base = group_with(0, STR("m.room.create"), STR(""), maker.create);
	base = group_with(base, STR("m.y"), STR(""), maker.last);
	groups[0] = group_with(base, STR("m.room.member"), ALICE, last);
	groups[1] = group_with(base, STR("m.room.member"), ALICE, first);
	assert_int_equal(
		store_state_conflict(maker.st, a, groups, 2, false, &none, &c), ERR_OK);
	assert_int_equal(c.n_events, 2);
	assert_false(among(c.events, 2, between));
	assert_int_equal(store_state_conflict(maker.st, a, groups, 2, true, &none, &c), ERR_OK);
	assert_int_equal(c.n_events, 3);
	assert_true(among(c.events, 3, first));
	assert_true(among(c.events, 3, last));
	assert_true(among(c.events, 3, between));
}

static void what_we_don_t_have_is_listed(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct str ids[3] = { STR("$nope:x"), maker.create, STR("$neither:x") };
	const struct str *unknown;
	size_t n;

	(void)state;
	assert_int_equal(store_event_unknown(maker.st, a, ids, 3, &unknown, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_str_equal(unknown[1], "$neither:x");
}

static void a_purged_room_leaves_nothing(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_room room;
	struct store_event e;
	struct str ids[4];

	(void)state;
	say("a");
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(store_room_purge(maker.st, maker.room_id), ERR_OK);
	assert_int_equal(store_commit(maker.st), ERR_OK);
	assert_int_equal(store_room_get(maker.st, a, maker.room_id, &room), ERR_NOT_FOUND);
	assert_int_equal(store_event_get(maker.st, a, maker.last, &e), ERR_NOT_FOUND);
	assert_int_equal(extremities(ids), 0);
}

/* Numbers of auth events are kept in memory: not when their events are gone. */
static void auth_events_that_went_are_missed(void **state)
{
	struct store_fixture *f = *state;
	const struct event *e;
	int64_t nid;
	int64_t pos;

	(void)say("so that its auth events are known");
	e = room_maker_event(&maker, "m.room.message", NULL, ALICE, "{}");
	assert_true(e->n_auth_events > 0);
	/* Undone: they are there still, and found again. */
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_room_purge(f->st, maker.room_id), ERR_OK);
	store_rollback(f->st);
	assert_int_equal(put(e, STORE_LOCAL, &nid, &pos), ERR_OK);
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_room_purge(f->st, maker.room_id), ERR_OK);
	assert_int_equal(store_room_put(f->st, maker.room_id, STR("11"), false), ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);
	assert_int_equal(put(e, STORE_LOCAL, &nid, &pos), ERR_INVALID);
}

/* ... nor when they were never there in the end. */
static void auth_events_that_were_undone_are_missed(void **state)
{
	struct store_fixture *f = *state;
	const struct event *first = room_maker_event(&maker, "m.room.member",
		"@bob:here.example", ALICE, "{\"membership\":\"join\"}");
	struct event second = *room_maker_event(&maker, "m.room.message", NULL, ALICE, "{}");
	struct event third =
		*room_maker_event(&maker, "m.room.message", NULL, ALICE, "{\"body\":\"\"}");
	struct store_event_new new = { .event = first, .flags = STORE_LOCAL };
	int64_t nid;
	int64_t pos;

	second.auth_events = &first->event_id;
	second.n_auth_events = 1;
	third.auth_events = &first->event_id;
	third.n_auth_events = 1;
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_event_put(f->st, &new, &nid, &pos), ERR_OK);
	new.event = &second;
	assert_int_equal(store_event_put(f->st, &new, &nid, &pos), ERR_OK);
	store_rollback(f->st);
	assert_int_equal(put(&third, STORE_LOCAL, &nid, &pos), ERR_INVALID);
}

static void aliases_name_one_room(void **state)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_alias alias;
	const struct store_alias *list;
	size_t n;

	(void)state;
	assert_int_equal(store_begin(maker.st), ERR_OK);
	assert_int_equal(
		store_room_alias_put(maker.st, STR("#a:here.example"), maker.room_id, ALICE),
		ERR_OK);
	assert_int_equal(
		store_room_alias_put(maker.st, STR("#a:here.example"), maker.room_id, ALICE),
		ERR_EXISTS);
	assert_int_equal(
		store_room_alias_get(maker.st, a, STR("#a:here.example"), &alias), ERR_OK);
	assert_true(str_eq(alias.room_id, maker.room_id));
	assert_int_equal(store_room_aliases(maker.st, a, maker.room_id, &list, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(store_room_alias_delete(maker.st, STR("#a:here.example")), ERR_OK);
	assert_int_equal(
		store_room_alias_delete(maker.st, STR("#a:here.example")), ERR_NOT_FOUND);
	assert_int_equal(store_commit(maker.st), ERR_OK);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		T(an_event_comes_back_as_it_was),
		T(the_same_event_is_stored_once),
		T(an_event_without_its_auth_events_is_refused),
		T(the_timeline_reads_both_ways),
		T(a_walk_can_be_ended),
		T(forks_are_merged_by_what_names_both),
		T(what_is_in_no_timeline_moves_no_end),
		T(backfilled_events_come_before_all_others),
		T(an_event_that_was_missed_is_no_end),
		T(an_outlier_can_take_its_place_later),
		T(a_transaction_id_finds_its_event),
		T(redacted_content_leaves_the_database),
		T(a_redaction_can_wait_for_its_event),
		T(relations_are_found_by_type),
		T(local_events_are_what_federation_sends),
		T(a_time_finds_the_nearest_event),
		T(an_auth_chain_is_what_is_reached),
		T(what_states_differ_in_is_found),
		T(what_lies_between_conflicts_is_found),
		T(what_we_don_t_have_is_listed),
		T(a_purged_room_leaves_nothing),
		T(auth_events_that_went_are_missed),
		T(auth_events_that_were_undone_are_missed),
		T(aliases_name_one_room),
	};
	return RUN_TESTS(tests);
}
