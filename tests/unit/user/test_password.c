#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/loop_uv.h"
#include "node/user/password.h"
#include "tests/support/cmocka.h"

struct job {
	struct password_job job;
	bool done;
	enum err err;
};

static void on_done(struct password_job *j, enum err err)
{
	struct job *job = CONTAINER_OF(j, struct job, job);

	assert_false(job->done);
	job->done = true;
	job->err = err;
}

static int up(void **state)
{
	struct loop_uv *uv;

	if (loop_uv_new(NULL, &uv) != ERR_OK)
		return -1;
	*state = uv;
	return 0;
}

static int down(void **state)
{
	loop_uv_free(*state);
	return 0;
}

static enum err wait_for(struct loop_uv *uv, struct job *j)
{
	while (!j->done)
		loop_uv_run_once(uv, true);
	return j->err;
}

static void a_password_fits_its_hash_alone(void **state)
{
	struct passwords *p = passwords_new(loop_uv_loop(*state), true, 0);
	struct job hash = { .job.done = on_done };
	struct job right = hash, wrong = hash, none = hash, empty = hash;

	password_hash(p, STR("secret"), &hash.job);
	assert_false(hash.done);
	assert_int_equal(wait_for(*state, &hash), ERR_OK);
	assert_int_equal(strncmp(hash.job.hash, "$argon2id$", 10), 0);
	password_verify(p, STR("secret"), str_of(hash.job.hash), &right.job);
	password_verify(p, STR("Secret"), str_of(hash.job.hash), &wrong.job);
	password_verify(p, STR("secret"), STR(""), &none.job);
	password_verify(p, STR(""), STR(""), &empty.job);
	assert_int_equal(wait_for(*state, &right), ERR_OK);
	assert_int_equal(wait_for(*state, &wrong), ERR_FORBIDDEN);
	assert_int_equal(wait_for(*state, &none), ERR_FORBIDDEN);
	assert_int_equal(wait_for(*state, &empty), ERR_FORBIDDEN);
	passwords_free(p);
}

static void a_password_has_at_most_512_bytes(void **state)
{
	struct passwords *p = passwords_new(loop_uv_loop(*state), true, 0);
	struct job fits = { .job.done = on_done }, over = fits, check = fits;
	char text[LIMIT_PASSWORD_BYTES + 1];

	memset(text, 'x', sizeof(text));
	password_hash(p, (struct str){ text, LIMIT_PASSWORD_BYTES }, &fits.job);
	password_hash(p, (struct str){ text, LIMIT_PASSWORD_BYTES + 1 }, &over.job);
	assert_false(over.done);
	assert_int_equal(wait_for(*state, &fits), ERR_OK);
	assert_int_equal(wait_for(*state, &over), ERR_INVALID);
	password_verify(p, (struct str){ text, LIMIT_PASSWORD_BYTES + 1 },
		str_of(fits.job.hash), &check.job);
	assert_int_equal(wait_for(*state, &check), ERR_FORBIDDEN);
	passwords_free(p);
}

static void a_cheap_hash_is_made_anew_by_a_node_that_makes_good_ones(void **state)
{
	struct passwords *cheap = passwords_new(loop_uv_loop(*state), true, 0);
	struct passwords *good = passwords_new(loop_uv_loop(*state), false, 0);
	struct job first = { .job.done = on_done }, wrong = first, right = first;
	struct job again = first, back = first;

	password_hash(cheap, STR("secret"), &first.job);
	assert_int_equal(wait_for(*state, &first), ERR_OK);
	password_verify(good, STR("other"), str_of(first.job.hash), &wrong.job);
	assert_int_equal(wait_for(*state, &wrong), ERR_FORBIDDEN);
	assert_false(wrong.job.rehashed);
	password_verify(good, STR("secret"), str_of(first.job.hash), &right.job);
	assert_int_equal(wait_for(*state, &right), ERR_OK);
	assert_true(right.job.rehashed);
	assert_string_not_equal(right.job.hash, first.job.hash);
	password_verify(good, STR("secret"), str_of(right.job.hash), &again.job);
	assert_int_equal(wait_for(*state, &again), ERR_OK);
	assert_false(again.job.rehashed);
	password_verify(cheap, STR("secret"), str_of(right.job.hash), &back.job);
	assert_int_equal(wait_for(*state, &back), ERR_OK);
	assert_false(back.job.rehashed);
	passwords_free(cheap);
	passwords_free(good);
}

static void two_are_hashed_and_sixteen_wait(void **state)
{
	enum { TAKEN = 2 + PASSWORD_QUEUE };
	struct passwords *p = passwords_new(loop_uv_loop(*state), true, 0);
	struct job jobs[TAKEN + 1] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		jobs[i].job.done = on_done;
		password_hash(p, STR("secret"), &jobs[i].job);
	}
	for (size_t i = 0; i < TAKEN; i++)
		assert_int_equal(wait_for(*state, &jobs[i]), ERR_OK);
	assert_int_equal(wait_for(*state, &jobs[TAKEN]), ERR_LIMIT);
	passwords_free(p);
}

static void closing_ends_every_job(void **state)
{
	struct passwords *p = passwords_new(loop_uv_loop(*state), true, 0);
	struct job jobs[2 + PASSWORD_QUEUE + 1] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		jobs[i].job.done = on_done;
		password_hash(p, STR("secret"), &jobs[i].job);
	}
	passwords_free(p);
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		assert_true(jobs[i].done);
		assert_int_equal(jobs[i].err, ERR_CANCELLED);
	}
	loop_uv_run(*state); /* what is on the pool comes back and is freed */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_password_fits_its_hash_alone),
		TEST(a_password_has_at_most_512_bytes),
		TEST(a_cheap_hash_is_made_anew_by_a_node_that_makes_good_ones),
		TEST(two_are_hashed_and_sixteen_wait),
		TEST(closing_ends_every_job),
	};

	return RUN_TESTS(tests);
}
