#include <stdlib.h>

#include "node/base/alloc.h"
#include "tests/sim/scenario_int.h"
#include "tests/sim/traffic.h"

#define SECOND   UINT64_C(1000000)
#define MINUTE   (60 * SECOND)
#define CHECK_US (5 * SECOND)
#define UNDER_WAY_US \
	(2 * SECOND) /* what was asked so shortly before the end needs no answer \
		      */

struct run;

struct repeating {
	struct queue_event event;
	struct run *run;
	const struct repeat *repeat;
};

struct happening {
	struct queue_event event;
	struct run *run;
	const struct moment *moment;
};

/* A fault that ends by itself. */
struct fault {
	struct queue_event event;
	struct fault *next;
	struct run *run;
	enum repeat_what what;
	size_t a, b;
};

struct run {
	const struct scenario *s;
	struct world *w;
	uint64_t began_us, ends_us;
	uint64_t flood_us, calm_us; /* when one began and ended; 0: none did */
	struct repeating repeats[REPEATS_MAX];
	struct happening moments[MOMENTS_MAX];
	struct fault *faults;
	struct queue_event check;
	uint64_t *dials; /* of each node, a minute ago */
	uint64_t most_dials;
	struct queue_event minute;
};

/* ---- faults ---- */

static void fault_end(struct fault *f)
{
	struct run *r = f->run;
	struct fault **at = &r->faults;

	queue_cancel(&r->w->q, &f->event);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	if (f->what == REPEAT_RESTART) {
		node_start(&r->w->nodes[f->a]);
	} else {
		net_set(r->w->net, f->a, f->b, NET_OPEN);
		net_set(r->w->net, f->b, f->a, NET_OPEN);
	}
	free(f);
}

static void on_fault_over(struct queue_event *e)
{
	fault_end(CONTAINER_OF(e, struct fault, event));
}

static bool pick_friends(struct world *w, size_t *a, size_t *b)
{
	for (int i = 0; i < 64; i++) {
		*a = (size_t)queue_below(&w->q, w->n);
		*b = (size_t)queue_below(&w->q, w->n);
		if (w->friends[*a * w->n + *b])
			return true;
	}
	return false;
}

static void fault(struct run *r, const struct repeat *rp)
{
	struct world *w = r->w;
	struct fault *f;
	size_t a, b;

	if (!pick_friends(w, &a, &b) || !w->nodes[a].up || w->nodes[a].floods ||
		net_get(w->net, a, b) != NET_OPEN || net_get(w->net, b, a) != NET_OPEN)
		return; /* it has its share */
	f = NEW(struct fault);
	f->run = r;
	f->what = rp->what;
	f->a = a;
	f->b = b;
	f->event.fn = on_fault_over;
	f->next = r->faults;
	r->faults = f;
	queue_at(&w->q, &f->event,
		w->q.now_us + rp->least_us + queue_below(&w->q, rp->most_us - rp->least_us));
	queue_trace(&w->q, 0x4000 + rp->what, a * w->n + b);
	if (rp->what == REPEAT_RESTART) {
		node_stop(&w->nodes[a]);
		return;
	}
	net_set(w->net, a, b, rp->what == REPEAT_CUT ? NET_CUT : NET_LOST);
	if (rp->what != REPEAT_ONEWAY)
		net_set(w->net, b, a, rp->what == REPEAT_CUT ? NET_CUT : NET_LOST);
}

/* ---- what happens ---- */

static void say(struct run *r, enum repeat_what what)
{
	struct world *w = r->w;
	size_t a, b;

	if (!pick_friends(w, &a, &b) || !w->nodes[a].up || w->nodes[a].floods)
		return;
	if (what == REPEAT_MESSAGE)
		traffic_message(w, a);
	else if (what == REPEAT_TODEVICE)
		traffic_to_device(w, a, b);
	else
		traffic_ask(w, a, b);
}

static void on_repeat(struct queue_event *e)
{
	struct repeating *rp = CONTAINER_OF(e, struct repeating, event);
	struct run *r = rp->run;
	uint64_t every = rp->repeat->every_us;

	if (rp->repeat->what < REPEAT_CUT)
		say(r, rp->repeat->what);
	else
		fault(r, rp->repeat);
	every = every / 2 + queue_below(&r->w->q, every + 1); /* that on average */
	if (r->w->q.now_us + every < r->ends_us)
		queue_at(&r->w->q, e, r->w->q.now_us + every);
}

static void on_moment(struct queue_event *e)
{
	struct happening *h = CONTAINER_OF(e, struct happening, event);
	const struct moment *m = h->moment;
	struct world *w = h->run->w;
	struct node *n = &w->nodes[m->node];

	switch (m->what) {
	case MOMENT_CLOCK: n->skew_ms += m->ms; break;
	case MOMENT_LIE: traffic_lie(n, true); break;
	case MOMENT_TRUTH: traffic_lie(n, false); break;
	case MOMENT_FLOOD:
		h->run->flood_us = w->q.now_us;
		if (n->up)
			traffic_flood(w, m->node, m->to);
		break;
	case MOMENT_CALM:
		h->run->calm_us = w->q.now_us;
		n->floods = false;
		break;
	case N_MOMENTS: break;
	}
}

static void on_check(struct queue_event *e)
{
	struct run *r = CONTAINER_OF(e, struct run, check);

	traffic_check_held(r->w);
	queue_at(&r->w->q, e, r->w->q.now_us + CHECK_US);
}

static void on_minute(struct queue_event *e)
{
	struct run *r = CONTAINER_OF(e, struct run, minute);

	for (size_t i = 0; i < r->w->n; i++) {
		uint64_t dials = net_dials(r->w->net, i);

		if (r->dials[i] && dials - r->dials[i] > r->most_dials)
			r->most_dials = dials - r->dials[i];
		r->dials[i] = dials;
	}
	queue_at(&r->w->q, e, r->w->q.now_us + MINUTE);
}

/* ---- the whole ---- */

static bool are_friends(enum friends how, size_t n, size_t a, size_t b)
{
	switch (how) {
	case FRIENDS_ALL: return true;
	case FRIENDS_LINE: return b == a + 1;
	case FRIENDS_RING: return b == a + 1 || (a == 0 && b == n - 1);
	case FRIENDS_STAR: return a == 0;
	case N_FRIENDS: break;
	}
	return false;
}

static void prepare(struct run *r)
{
	struct world *w = r->w;

	if (w->full)
		world_register(w);
	for (size_t a = 0; a < w->n; a++) {
		for (size_t b = a + 1; b < w->n && !w->failed; b++) {
			if (are_friends(r->s->friends, w->n, a, b) && !world_pair(w, a, b))
				world_fail(w, "nodes %zu and %zu can't be paired", a, b);
		}
	}
	if (r->s->room && !w->failed && !world_room(w))
		world_fail(w, "the room can't be made");
}

static void begin(struct run *r)
{
	struct world *w = r->w;
	const struct scenario *s = r->s;

	r->began_us = w->q.now_us;
	r->ends_us = r->began_us + s->run_us;
	for (size_t i = 0; i < s->n_repeats; i++) {
		r->repeats[i] = (struct repeating){ { .fn = on_repeat }, r, &s->repeats[i] };
		queue_at(&w->q, &r->repeats[i].event,
			w->q.now_us + queue_below(&w->q, s->repeats[i].every_us));
	}
	for (size_t i = 0; i < s->n_moments; i++) {
		r->moments[i] = (struct happening){ { .fn = on_moment }, r, &s->moments[i] };
		queue_at(&w->q, &r->moments[i].event, w->q.now_us + s->moments[i].at_us);
	}
	r->check.fn = on_check;
	queue_at(&w->q, &r->check, w->q.now_us + CHECK_US);
	r->minute.fn = on_minute;
	r->dials = xcalloc(w->n, sizeof(r->dials[0]));
	queue_at(&w->q, &r->minute, w->q.now_us + MINUTE);
}

static void all_is_whole(struct run *r)
{
	while (r->faults) /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it left the list */
		fault_end(r->faults);
	for (size_t i = 0; i < r->w->n; i++)
		r->w->nodes[i].floods = false;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 100.0;
}

static void expect(struct run *r, enum expect_what what, bool at_most, double is)
{
	double wanted = r->s->expect[what];

	if (r->s->expects[what] && (at_most ? is > wanted : is < wanted))
		world_fail(r->w,
			"%.2f where at %s %.2f was expected (line \"expect\" number %d)", is,
			at_most ? "most" : "least", wanted, (int)what + 1);
}

/* asked-p95 while one flooded, against what it was before. */
static double flood_ratio(const struct run *r)
{
	struct traffic_result before, during;
	uint64_t until = r->calm_us ? r->calm_us : r->ends_us;

	if (!r->flood_us)
		return 0;
	traffic_result(r->w->traffic, r->began_us, r->flood_us, &before);
	traffic_result(r->w->traffic, r->flood_us, until, &during);
	return (double)during.ask_p95 / (double)(before.ask_p95 ? before.ask_p95 : 1);
}

static void report(struct run *r, uint64_t seed)
{
	struct world *w = r->w;
	struct traffic_result t;
	uint64_t bytes = 0;
	double minutes = (double)(w->q.now_us - r->began_us) / (double)MINUTE;
	double delivered, asked, ratio = flood_ratio(r);

	traffic_result(w->traffic, 0, UINT64_MAX, &t);
	for (size_t i = 0; i < w->n; i++)
		bytes += net_bytes(w->net, i);
	delivered = percent(t.delivered, t.due);
	asked = percent(t.answered, t.asked);
	expect(r, EXPECT_DELIVERED, false, delivered);
	expect(r, EXPECT_ASKED, false, asked);
	expect(r, EXPECT_P95, true, (double)t.p95);
	expect(r, EXPECT_MAX, true, (double)t.max);
	expect(r, EXPECT_ASK_P95, true, (double)t.ask_p95);
	expect(r, EXPECT_FLOOD, true, ratio);
	expect(r, EXPECT_DIALS, true, (double)r->most_dials);
	(void)printf(
		"# %-16s %5zu %8.0f %9llu %6.2f %6llu %6.2f %6llu %6llu %7llu %6llu %8.0f %5zu "
		"%5llu %5.2f %016llx\n",
		r->s->name, w->n, minutes * 60, (unsigned long long)w->q.ran, delivered,
		(unsigned long long)t.due, asked, (unsigned long long)t.p50,
		(unsigned long long)t.p95, (unsigned long long)t.max,
		(unsigned long long)t.ask_p95, (double)bytes / minutes / (double)w->n, t.links,
		(unsigned long long)r->most_dials, ratio, (unsigned long long)w->q.trace);
	if (w->failed)
		(void)printf("# %s: seed %llu, at %.3f s: %s\n", r->s->name,
			(unsigned long long)seed, (double)w->q.now_us / 1e6, w->why);
}

bool scenario_run(const struct scenario *s, uint64_t seed, uint64_t *trace)
{
	struct run r = { .s = s };
	bool ok;

	if (s->handshake)
		return handshake_run(s, seed, trace);
	r.w = world_new(seed, s->nodes, !s->bare, &s->net);
	r.w->cost_us = s->cost_us;
	prepare(&r);
	if (!r.w->failed) {
		begin(&r);
		world_run(r.w, s->run_us + UNDER_WAY_US);
		all_is_whole(&r);
		world_run(r.w, s->settle_us);
		traffic_check_held(r.w);
	}
	report(&r, seed);
	while (r.faults)
		fault_end(r.faults);
	ok = !r.w->failed;
	*trace = r.w->q.trace;
	world_free(r.w);
	free(r.dials);
	return ok;
}
