/*
 * State resolution of a room built to hurt (security.md F5): many forks, each a chain of
 * memberships that cite each other, so that the auth chain is as long as all of it.
 *
 * usage: bench_resolve [FORKS [DEPTH]]   (1000 forks of 100 are the figures of F5)
 *
 * Prints the pool's time for all forks at once and for twenty of them (as many as an event can
 * name), and how much memory it took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "node/base/alloc.h"
#include "node/room/resolution.h"
#include "store/reader.h"
#include "tests/support/cmocka.h"
#include "tests/support/forks.h"
#include "tests/support/store_fixture.h"

static double cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

static long peak_kib(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

/* Each fork is a user who joins and then changes the name over and over. */
static void grow(struct forks *f, const struct fork *base, unsigned fork, unsigned depth,
	struct fork *tip)
{
	char user[16];
	char content[80];

	(void)snprintf(user, sizeof(user), "u%u", fork);
	*tip = *base;
	for (unsigned i = 0; i < depth; i++) {
		(void)snprintf(content, sizeof(content),
			"{\"displayname\":\"n%u\",\"membership\":\"join\"}", i);
		forks_send(f, tip, user, "m.room.member", user, content, tip);
	}
}

static void measure(struct store_fixture *fx, struct forks *f, const int64_t *groups, size_t n)
{
	struct resolution r = { .store = store_reader_new(fx->st),
		.version = f->version,
		.arena = arena_new(),
		.groups = groups,
		.n = n };
	double began = cpu_ms();
	enum err err = store_reader_open(r.store);

	if (!err)
		err = resolution_run(&r);
	(void)printf("# resolve states=%zu pool_ms=%.0f changes=%zu arena_kib=%zu peak_kib=%ld "
		     "%s\n",
		n, cpu_ms() - began, r.n_changes, arena_size(r.arena) / 1024, peak_kib(),
		err_name(err));
	assert_int_equal(err, ERR_OK);
	/* Everybody's last name stands. */
	assert_int_equal(r.n_changes, n - 1);
	store_reader_free(r.store);
	arena_free(r.arena);
}

static unsigned forks_wanted = 1000;
static unsigned depth_wanted = 100;

static void many_forks(void **state)
{
	struct store_fixture *fx = *state;
	int64_t *groups = xcalloc(forks_wanted, sizeof(*groups));
	struct fork base;
	struct fork tip;
	struct forks f;

	forks_init(&f, fx->st, "12", false, &base);
	forks_send(
		&f, &base, "a", "m.room.join_rules", "", "{\"join_rule\":\"public\"}", &base);
	for (unsigned i = 0; i < forks_wanted; i++) {
		grow(&f, &base, i, depth_wanted, &tip);
		groups[i] = tip.group;
		if (i % 50 == 49)
			assert_int_equal(store_fixture_sync(fx), ERR_OK);
	}
	assert_int_equal(store_fixture_sync(fx), ERR_OK);
	(void)printf(
		"# forks=%u depth=%u peak_kib=%ld\n", forks_wanted, depth_wanted, peak_kib());
	measure(fx, &f, groups, forks_wanted < 20 ? forks_wanted : 20);
	measure(fx, &f, groups, forks_wanted);
	forks_deinit(&f);
	free(groups);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(
		many_forks, store_fixture_up, store_fixture_down) };

	if (argc > 1)
		forks_wanted = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		depth_wanted = (unsigned)strtoul(argv[2], NULL, 10);
	return RUN_TESTS(tests);
}
