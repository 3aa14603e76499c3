/*
 * The resolution over a store's numbers against core's own over whole state sets: random rooms
 * with forks, power struggles, bans against joins, and events that no rule allows.
 */
#include "node/room/resolution.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/core/state_res.h"
#include "store/event.h"
#include "store/reader.h"
#include "tests/support/cmocka.h"
#include "tests/support/forks.h"
#include "tests/support/store_fixture.h"

#define ROOMS  24
#define EVENTS 60
#define PICKS  12

struct random {
	uint64_t state;
};

static unsigned below(struct random *r, unsigned n)
{
	r->state = r->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(r->state >> 33) % n;
}

static void send_any(struct forks *f, struct random *r, const struct fork *at, struct fork *out)
{
	static const char *const users[] = { "a", "b", "c", "d" };
	static const char *const memberships[] = { "join", "join", "leave", "ban", "invite" };
	const char *user = users[below(r, 4)];
	const char *target = users[below(r, 4)];
	char content[200];

	switch (below(r, 5)) {
	case 0:
		(void)snprintf(content, sizeof(content),
			"{\"users\":{\"@b:here.example\":%u,\"@c:here.example\":%u},"
			"\"state_default\":%u,\"ban\":%u}",
			below(r, 101), below(r, 101), below(r, 60), below(r, 60));
		forks_send(f, at, user, "m.room.power_levels", "", content, out);
		break;
	case 1:
		(void)snprintf(content, sizeof(content), "{\"join_rule\":\"%s\"}",
			below(r, 2) ? "public" : "invite");
		forks_send(f, at, user, "m.room.join_rules", "", content, out);
		break;
	case 2: forks_send(f, at, user, "m.room.topic", "", "{\"topic\":\"t\"}", out); break;
	default:
		(void)snprintf(content, sizeof(content), "{\"membership\":\"%s\"}",
			memberships[below(r, 5)]);
		forks_send(f, at, user, "m.room.member", target, content, out);
		break;
	}
}

static const struct event *get_event(void *arg, struct str id)
{
	const struct forks *f = arg;

	return map_get(&f->events, id);
}

static bool get_rejected(void *arg, struct str id)
{
	(void)arg, (void)id;
	return false;
}

static struct state_set read_set(struct forks *f, struct arena *a, int64_t group)
{
	const struct store_state_entry *read;
	struct state_entry *entries;
	size_t n;

	assert_int_equal(store_state_group_read(f->st, a, group, NULL, 0, &read, &n), ERR_OK);
	entries = arena_calloc(a, n + 1, sizeof(*entries));
	for (size_t i = 0; i < n; i++)
		entries[i] = (struct state_entry){ read[i].type, read[i].state_key,
			read[i].event_id };
	return (struct state_set){ entries, n };
}

/* ---- the definitions, as they are written ---- */

static void add_chain(struct forks *f, struct map *chain, struct str id)
{
	struct event *e = map_get(&f->events, id);

	if (map_get(chain, id))
		return;
	map_put(chain, e->event_id, e);
	for (size_t i = 0; i < e->n_auth_events; i++)
		add_chain(f, chain, e->auth_events[i]);
}

/* Is x reached from e? */
static bool reaches(struct forks *f, const struct event *e, struct str x)
{
	if (str_eq(e->event_id, x))
		return true;
	for (size_t i = 0; i < e->n_auth_events; i++)
		if (reaches(f, map_get(&f->events, e->auth_events[i]), x))
			return true;
	return false;
}

/* Is e in the conflicted state set of these sets? */
static bool in_conflict(const struct event *e, const struct state_set *sets, size_t n)
{
	size_t has = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < sets[i].n; k++)
			has += str_eq(sets[i].entries[k].event_id, e->event_id);
	return has > 0 && has < n;
}

static bool lies_between(
	struct forks *f, const struct event *e, const struct state_set *sets, size_t n)
{
	struct event *x;
	bool up = false;
	bool down = false;

	for (size_t at = 0; (x = map_next(&f->events, &at));) {
		if (!in_conflict(x, sets, n))
			continue;
		up = up || reaches(f, x, e->event_id);
		down = down || reaches(f, e, x->event_id);
	}
	return up && down;
}

/* Of every event: is it in the full conflicted set? */
static void compare_conflict(
	struct forks *f, const int64_t *groups, const struct state_set *sets, size_t n)
{
	static const struct store_conflict_limits none = { 0 };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	bool subgraph = f->version->state_res == STATE_RES_2_1;
	struct store_conflict c;
	struct map chains[4];
	struct event *e;

	assert_int_equal(
		store_state_conflict(f->st, a, groups, n, subgraph, &none, &c), ERR_OK);
	for (size_t i = 0; i < n; i++) {
		map_init(&chains[i]);
		for (size_t k = 0; k < sets[i].n; k++)
			add_chain(f, &chains[i], sets[i].entries[k].event_id);
	}
	for (size_t at = 0; (e = map_next(&f->events, &at));) {
		size_t has = 0;
		bool found = false;

		for (size_t i = 0; i < n; i++)
			has += map_get(&chains[i], e->event_id) != NULL;
		for (size_t i = 0; i < c.n_events && !found; i++)
			found = str_eq(c.events[i], e->event_id);
		assert_int_equal(found,
			(has > 0 && has < n) || in_conflict(e, sets, n) ||
				(subgraph && lies_between(f, e, sets, n)));
	}
	for (size_t i = 0; i < n; i++)
		map_deinit(&chains[i]);
}

static void compare(struct forks *f, struct store *from, const int64_t *groups, size_t n)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct state_res_source source = {
		.event = get_event, .rejected = get_rejected, .arg = f
	};
	struct resolution r = {
		.store = from, .version = f->version, .arena = a, .groups = groups, .n = n
	};
	struct state_set sets[4];
	struct state_set expected;
	struct state_set got;
	int64_t group;

	for (size_t i = 0; i < n; i++)
		sets[i] = read_set(f, a, groups[i]);
	assert_int_equal(
		state_resolve(a, f->version, sets, n, &source, &expected, NULL), ERR_OK);
	if (n > 1)
		compare_conflict(f, groups, sets, n);
	assert_int_equal(resolution_run(&r), ERR_OK);
	assert_int_equal(store_begin(f->st), ERR_OK);
	assert_int_equal(store_state_group_new(
				 f->st, f->room_id, groups[0], r.changes, r.n_changes, &group),
		ERR_OK);
	assert_int_equal(store_commit(f->st), ERR_OK);
	got = read_set(f, a, group);
	assert_int_equal(got.n, expected.n);
	for (size_t i = 0; i < got.n; i++) {
		assert_int_equal(state_entry_cmp(&got.entries[i], &expected.entries[i]), 0);
		assert_true(str_eq(got.entries[i].event_id, expected.entries[i].event_id));
	}
}

static size_t pick(struct random *r, const struct fork *forks, size_t n, int64_t groups[4])
{
	size_t wanted = 2 + below(r, 3);
	size_t kept = 0;

	for (size_t i = 0; i < wanted; i++) {
		int64_t group = forks[below(r, (unsigned)n)].group;
		bool there = false;

		for (size_t k = 0; k < kept && !there; k++)
			there = groups[k] == group;
		if (!there)
			groups[kept++] = group;
	}
	return kept;
}

static void play(struct store_fixture *fx, const char *version, unsigned seed)
{
	struct random r = { seed };
	struct fork forks[EVENTS];
	struct forks f;
	struct store *reader;

	forks_init(&f, fx->st, version, true, &forks[0]);
	for (size_t i = 1; i < EVENTS; i++) {
		/* Mostly where things go on, so that forks become deep. */
		size_t back = below(&r, 8) ? below(&r, i < 4 ? (unsigned)i : 4)
					   : below(&r, (unsigned)i);

		send_any(&f, &r, &forks[i - 1 - back % i], &forks[i]);
	}
	assert_int_equal(store_fixture_sync(fx), ERR_OK);
	reader = store_reader_new(fx->st);
	assert_int_equal(store_reader_open(reader), ERR_OK);
	for (size_t i = 0; i < PICKS; i++) {
		int64_t groups[4];
		size_t n = pick(&r, forks, EVENTS, groups);

		compare(&f, i % 2 ? reader : fx->st, groups, n);
	}
	store_reader_free(reader);
	forks_deinit(&f);
}

static void both_ways_resolve_alike(void **state)
{
	for (unsigned seed = 1; seed <= ROOMS; seed++)
		play(*state, seed % 2 ? "12" : "11", seed);
}

static void more_than_the_limit_is_refused(void **state)
{
	struct store_fixture *fx = *state;
	struct fork base;
	struct fork x;
	struct fork y;
	struct forks f;
	struct resolution r = { .n = 2 };
	int64_t groups[2];

	forks_init(&f, fx->st, "12", false, &base);
	forks_send(&f, &base, "a", "m.room.topic", "", "{\"topic\":\"x\"}", &x);
	forks_send(&f, &base, "a", "m.room.topic", "", "{\"topic\":\"y\"}", &y);
	groups[0] = x.group;
	groups[1] = y.group;
	r.store = fx->st;
	r.version = f.version;
	r.arena = f.arena;
	r.groups = groups;
	assert_int_equal(resolution_run(&r), ERR_OK);
	r.limits.events = 2;
	assert_int_equal(resolution_run(&r), ERR_LIMIT);
	r.limits.events = 0;
	r.limits.store.events = 1;
	assert_int_equal(resolution_run(&r), ERR_LIMIT);
	r.limits.store.events = 0;
	r.limits.store.rows = 1;
	assert_int_equal(resolution_run(&r), ERR_LIMIT);
	forks_deinit(&f);
}

static void who_no_longer_wants_it_is_heard(void **state)
{
	struct store_fixture *fx = *state;
	atomic_bool stop = true;
	struct fork base;
	struct fork x;
	struct forks f;
	struct resolution r = { .n = 2, .limits = { .stop = &stop } };
	int64_t groups[2];

	forks_init(&f, fx->st, "12", false, &base);
	forks_send(&f, &base, "a", "m.room.topic", "", "{\"topic\":\"x\"}", &x);
	groups[0] = x.group;
	groups[1] = base.group;
	r.store = fx->st;
	r.version = f.version;
	r.arena = f.arena;
	r.groups = groups;
	assert_int_equal(resolution_run(&r), ERR_CANCELLED);
	forks_deinit(&f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, store_fixture_up, store_fixture_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(both_ways_resolve_alike),
		T(more_than_the_limit_is_refused),
		T(who_no_longer_wants_it_is_heard),
	};
	return RUN_TESTS(tests);
}
