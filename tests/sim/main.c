/*
 * kith-sim: runs scenarios. usage: kith-sim [--seed N] [--seeds N] [--twice] SCENARIO...
 *
 * --seeds: each with so many seeds, from --seed (1) on. --twice: each run again; another trace
 * is a failure. Output is TAP; the lines with # are the table.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/scenario.h"

struct options {
	uint64_t seed, seeds;
	bool twice;
};

static bool run_one(const struct scenario *s, const struct options *o, uint64_t seed)
{
	uint64_t trace, again;

	if (!scenario_run(s, seed, &trace))
		return false;
	if (!o->twice)
		return true;
	if (!scenario_run(s, seed, &again))
		return false;
	if (trace != again)
		(void)printf("# seed %llu: two runs, two traces\n", (unsigned long long)seed);
	return trace == again;
}

static bool run_file(const char *path, const struct options *o)
{
	struct scenario *s = scenario_read(path);
	bool ok = s != NULL;

	for (uint64_t i = 0; ok && i < o->seeds; i++) {
		ok = run_one(s, o, o->seed + i);
		(void)fflush(stdout);
	}
	scenario_free(s);
	return ok;
}

static int option(struct options *o, int argc, char **argv, int at)
{
	uint64_t *to = NULL;

	if (strcmp(argv[at], "--twice") == 0) {
		o->twice = true;
		return 1;
	}
	if (strcmp(argv[at], "--seed") == 0)
		to = &o->seed;
	else if (strcmp(argv[at], "--seeds") == 0)
		to = &o->seeds;
	if (!to || at + 1 == argc)
		return 0;
	*to = strtoull(argv[at + 1], NULL, 10);
	return 2;
}

int main(int argc, char **argv)
{
	struct options o = { 1, 1, false };
	int at = 1, bad = 0;

	while (at < argc && argv[at][0] == '-') {
		int n = option(&o, argc, argv, at);

		if (n == 0) {
			(void)fprintf(stderr,
				"usage: kith-sim [--seed N] [--seeds N] [--twice] "
				"SCENARIO...\n");
			return 2;
		}
		at += n;
	}
	(void)printf("1..%d\n", argc - at);
	(void)printf("# scenario         nodes  seconds    events    dlv%%    due   ask%%    "
		     "p50    p95 "
		     "    max ask95  B/nd-min links dials flood trace\n");
	for (int i = at; i < argc; i++) {
		bool ok = run_file(argv[i], &o);

		(void)printf("%sok %d - %s\n", ok ? "" : "not ", i - at + 1, argv[i]);
		bad += !ok;
	}
	return bad > 0;
}
