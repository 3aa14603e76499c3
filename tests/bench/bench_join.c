/*
 * Joining a large room of another server (security.md F7), both servers in this process.
 *
 * usage: bench_join [ENTRIES]   (of state; 5000)
 *
 * Prints how long it took, the longest that the loop was held (by either server), and how much
 * memory the process took at most, before and after.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/support/cmocka.h"
#include "tests/support/room_rig.h"

static unsigned entries = 5000;

struct pulse {
	struct loop *loop;
	struct loop_timer *timer;
	double last_ms;
	double longest_ms;
};

static double now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

static void beat(void *arg)
{
	struct pulse *p = arg;
	double now = now_ms();

	if (now - p->last_ms > p->longest_ms)
		p->longest_ms = now - p->last_ms;
	p->last_ms = now;
	loop_timer_set(p->loop, p->timer, 1);
}

static long peak_kib(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static void a_large_join(void **state)
{
	static struct room_rig rig;
	struct pulse pulse = { 0 };
	struct str room;
	double began;
	long before;
	char key[16];

	(void)state;
	room_rig_up(&rig, 2);
	room = rig_create(&rig.servers[0], "12", "public_chat");
	for (unsigned i = 0; i < entries; i++) {
		(void)snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(
			rig_send(&rig.servers[0], room, "alice", "m.of", key,
				"{\"displayname\":\"somebody\",\"avatar_url\":\"mxc://a.test/"
				"abcdefghijklmnopqrstuvwx\"}",
				NULL),
			ERR_OK);
		if (i % 200 == 199)
			room_rig_settle(&rig);
	}
	room_rig_settle(&rig);
	before = peak_kib();
	pulse.loop = rig.loop;
	pulse.timer = loop_timer_new(rig.loop, beat, &pulse);
	pulse.last_ms = began = now_ms();
	loop_timer_set(rig.loop, pulse.timer, 1);
	assert_int_equal(rig_join_via(&rig.servers[1], room, "bob", "a.test"), ERR_OK);
	(void)printf("# join entries=%u ms=%.0f loop_held_ms=%.0f peak_kib_before=%ld "
		     "peak_kib=%ld\n",
		entries, now_ms() - began, pulse.longest_ms, before, peak_kib());
	loop_timer_free(rig.loop, pulse.timer);
	assert_int_equal(rig_membership(&rig.servers[1], room, "bob"), MEMBERSHIP_JOIN);
	room_rig_down(&rig);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_large_join) };

	if (argc > 1)
		entries = (unsigned)strtoul(argv[1], NULL, 10);
	return RUN_TESTS(tests);
}
