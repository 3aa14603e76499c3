#include "node/loop_uv.h"

#include <stdlib.h>

#include <uv.h>

#include "tests/support/cmocka.h"

struct world {
	struct loop_uv *uv;
	struct loop *loop;
	char said[64];
	struct loop_deferred a, b, c;
	struct loop_timer *timer;
	struct loop_work work;
	int on_pool;
};

static void say(struct world *w, char c)
{
	size_t n = strlen(w->said);
	assert_true(n + 1 < sizeof(w->said));
	w->said[n] = c;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	assert_int_equal(loop_uv_new(NULL, &w->uv), ERR_OK);
	w->loop = loop_uv_loop(w->uv);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	loop_timer_free(w->loop, w->timer);
	loop_uv_free(w->uv);
	free(w);
	return 0;
}

static void run_a(struct loop_deferred *d)
{
	struct world *w = CONTAINER_OF(d, struct world, a);
	say(w, 'a');
	loop_defer(w->loop, &w->c);
}

static void run_b(struct loop_deferred *d)
{
	say(CONTAINER_OF(d, struct world, b), 'b');
}

static void run_c(struct loop_deferred *d)
{
	say(CONTAINER_OF(d, struct world, c), 'c');
}

static void prepare(struct world *w)
{
	w->a.fn = run_a;
	w->b.fn = run_b;
	w->c.fn = run_c;
}

static void deferred_calls_run_once_in_order_and_keep_the_loop_alive(void **state)
{
	struct world *w = *state;
	prepare(w);
	loop_defer(w->loop, &w->a);
	loop_defer(w->loop, &w->b);
	loop_defer(w->loop, &w->a);
	loop_uv_run(w->uv);
	assert_string_equal(w->said, "abc");
	loop_uv_run(w->uv);
	assert_string_equal(w->said, "abc");
}

static void an_undeferred_call_does_not_run(void **state)
{
	struct world *w = *state;
	prepare(w);
	loop_defer(w->loop, &w->a);
	loop_defer(w->loop, &w->b);
	loop_undefer(w->loop, &w->b); /* the last one: the tail moves */
	loop_undefer(w->loop, &w->b);
	loop_defer(w->loop, &w->c);
	loop_undefer(w->loop, &w->a);
	loop_uv_run(w->uv);
	assert_string_equal(w->said, "c");
}

static void on_timer(void *arg)
{
	struct world *w = arg;
	say(w, 't');
	loop_defer(w->loop, &w->b);
}

static void what_a_timer_defers_runs_before_the_loop_sleeps(void **state)
{
	struct world *w = *state;
	prepare(w);
	w->timer = loop_timer_new(w->loop, on_timer, w);
	loop_timer_set(w->loop, w->timer, 1);
	while (!strchr(w->said, 't'))
		loop_uv_run_once(w->uv, false);
	assert_string_equal(w->said, "tb");
}

static void a_timer_fires_once_for_each_set(void **state)
{
	struct world *w = *state;
	prepare(w);
	w->timer = loop_timer_new(w->loop, on_timer, w);
	loop_timer_set(w->loop, w->timer, 1);
	loop_timer_set(w->loop, w->timer, 2);
	loop_uv_run(w->uv);
	assert_string_equal(w->said, "tb");
	loop_timer_set(w->loop, w->timer, 1);
	loop_timer_stop(w->loop, w->timer);
	loop_uv_run(w->uv); /* returns: nothing is going on */
	assert_string_equal(w->said, "tb");
}

static void do_work(struct loop_work *work)
{
	CONTAINER_OF(work, struct world, work)->on_pool++;
}

static void work_done(struct loop_work *work)
{
	struct world *w = CONTAINER_OF(work, struct world, work);
	say(w, 'd');
	loop_defer(w->loop, &w->b);
}

static void on_greedy_timer(void *arg)
{
	struct world *w = arg;
	loop_timer_set(w->loop, w->timer, 0);
	loop_defer(w->loop, &w->b);
}

static void a_timer_that_sets_itself_to_now_lets_others_run(void **state)
{
	struct world *w = *state;
	prepare(w);
	w->timer = loop_timer_new(w->loop, on_greedy_timer, w);
	loop_timer_set(w->loop, w->timer, 0);
	while (!strchr(w->said, 'b'))
		loop_uv_run_once(w->uv, false);
	loop_timer_stop(w->loop, w->timer);
}

static void work_comes_back_to_the_loop(void **state)
{
	struct world *w = *state;
	prepare(w);
	w->work = (struct loop_work){ .work = do_work, .done = work_done };
	loop_work(w->loop, &w->work);
	assert_string_equal(w->said, "");
	loop_uv_run(w->uv);
	assert_int_equal(w->on_pool, 1);
	assert_string_equal(w->said, "db");
}

static void count(uv_prepare_t *h)
{
	++*(int *)h->data;
}

static void an_idle_loop_turns_only_for_its_events(void **state)
{
	struct world *w = *state;
	uv_prepare_t p;
	int turns = 0;
	prepare(w);
	uv_prepare_init(loop_uv_handle(w->uv), &p);
	p.data = &turns;
	uv_prepare_start(&p, count);
	uv_unref((uv_handle_t *)&p);
	w->timer = loop_timer_new(w->loop, on_timer, w);
	loop_timer_set(w->loop, w->timer, 50);
	loop_uv_run(w->uv);
	assert_string_equal(w->said, "tb");
	assert_in_range(turns, 1, 4);
	uv_close((uv_handle_t *)&p, NULL);
	loop_uv_run(w->uv);
}

static void a_foreign_loop_is_left_open(void **state)
{
	uv_loop_t uv;
	struct loop_uv *l;
	assert_int_equal(uv_loop_init(&uv), 0);
	assert_int_equal(loop_uv_new(&uv, &l), ERR_OK);
	loop_uv_free(l);
	uv_run(&uv, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&uv), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			deferred_calls_run_once_in_order_and_keep_the_loop_alive, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			an_undeferred_call_does_not_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_a_timer_defers_runs_before_the_loop_sleeps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_timer_fires_once_for_each_set, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_timer_that_sets_itself_to_now_lets_others_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(work_comes_back_to_the_loop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_idle_loop_turns_only_for_its_events, set_up, tear_down),
		cmocka_unit_test(a_foreign_loop_is_left_open),
	};
	return RUN_TESTS(tests);
}
