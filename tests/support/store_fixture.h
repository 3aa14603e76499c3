/*
 * store_fixture: a store in a folder of its own, on a real loop, for tests.
 */
#ifndef KITH_TESTS_STORE_FIXTURE_H
#define KITH_TESTS_STORE_FIXTURE_H

#include "node/loop_uv.h"
#include "store/store.h"

struct store_fixture {
	char dir[64]; /* removed by store_fixture_down() */
	char path[96];
	struct loop_uv *uv;
	struct loop *loop;
	struct store *st; /* may be closed and opened again by the test */
	struct store_options options;
	struct log log; /* dropped; what was written last is in line */
	char line[512];
};

/* As cmocka's setup and teardown: *state is a struct store_fixture. */
int store_fixture_up(void **state);
int store_fixture_down(void **state);

/* Opens f->st with f->options; fails the test when it can't. */
void store_fixture_open(struct store_fixture *f);
/* Closes it as a kill would have left it is not possible in process: this is the clean end. */
void store_fixture_close(struct store_fixture *f);

/* Runs the loop until everything committed is durable; the error of it. */
enum err store_fixture_sync(struct store_fixture *f);

#endif
