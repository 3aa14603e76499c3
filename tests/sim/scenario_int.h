/*
 * scenario_int: a scenario as it was read, for scenario.c (reads it), run.c and handshake.c.
 */
#ifndef KITH_TESTS_SIM_SCENARIO_INT_H
#define KITH_TESTS_SIM_SCENARIO_INT_H

#include "tests/sim/scenario.h"

#define REPEATS_MAX 16
#define MOMENTS_MAX 32

enum repeat_what {
	REPEAT_MESSAGE,
	REPEAT_TODEVICE,
	REPEAT_ASK,
	REPEAT_CUT,
	REPEAT_LOSE,
	REPEAT_ONEWAY,
	REPEAT_RESTART,
	N_REPEATS
};

enum moment_what {
	MOMENT_CLOCK,
	MOMENT_LIE,
	MOMENT_TRUTH,
	MOMENT_FLOOD,
	MOMENT_CALM,
	N_MOMENTS
};

enum friends { FRIENDS_ALL, FRIENDS_LINE, FRIENDS_RING, FRIENDS_STAR, N_FRIENDS };

enum expect_what {
	EXPECT_DELIVERED,
	EXPECT_ASKED,
	EXPECT_P95,
	EXPECT_MAX,
	EXPECT_ASK_P95,
	EXPECT_FLOOD,
	EXPECT_DIALS,
	N_EXPECTS
};

struct repeat {
	enum repeat_what what;
	uint64_t every_us, least_us, most_us;
};

struct moment {
	enum moment_what what;
	uint64_t at_us;
	size_t node, to;
	int64_t ms;
};

struct scenario {
	char name[48];
	size_t nodes;
	bool bare, room;
	struct net_model net;
	uint64_t cost_us;
	enum friends friends;
	struct repeat repeats[REPEATS_MAX];
	size_t n_repeats;
	struct moment moments[MOMENTS_MAX];
	size_t n_moments;
	uint64_t run_us, settle_us;
	uint64_t handshake; /* every so many bytes; 0: no such run */
	double expect[N_EXPECTS];
	bool expects[N_EXPECTS];
};

bool handshake_run(const struct scenario *s, uint64_t seed, uint64_t *trace);

#endif
