#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "tests/sim/traffic_int.h"

#define FLOOD_CALLS 128
#define FLOOD_BYTES 100
#define FLOOD_US    100000 /* requests go in volleys, so that many share a record */

struct question {
	struct traffic *traffic;
	struct node *from;
	size_t to;
	uint64_t sent_us;
	bool flood; /* asks again when it is answered */
	struct queue_event again;
};

static void answered(
	void *arg, enum err err, const struct transport_response *res, const char *why)
{
	struct question *q = arg;
	struct traffic *t = q->traffic;
	struct world *w = t->world;

	(void)why;
	queue_trace(&w->q, 0x3000 + q->from->at, err ? 0 : res->status);
	if (q->flood) {
		if (q->from->up && q->from->floods)
			queue_at(&w->q, &q->again, (w->q.now_us / FLOOD_US + 1) * FLOOD_US);
		else
			free(q);
		return;
	}
	if (!err && res->status != 429 && res->status < 500)
		samples_add(&t->answers, q->sent_us, w->q.now_us);
	free(q);
}

static void ask(struct question *q)
{
	CLEANUP(buf_deinit) struct buf body = { 0 };
	struct world *w = q->traffic->world;

	if (q->flood) {
		memset(buf_reserve(&body, FLOOD_BYTES), ' ', FLOOD_BYTES);
		body.n = FLOOD_BYTES;
		rng_fill(queue_rng(&w->q), body.p, FLOOD_BYTES); /* nothing to be packed */
	}
	q->sent_us = w->q.now_us;
	(void)transport_request(q->from->transport,
		&(struct transport_request){ .name = node_name(&w->nodes[q->to]),
			.method = q->flood ? TRANSPORT_POST : TRANSPORT_GET,
			.path = STR("/_matrix/key/v2/server"),
			.body = buf_str(&body),
			.done = answered,
			.arg = q });
}

static void on_again(struct queue_event *e)
{
	struct question *q = CONTAINER_OF(e, struct question, again);

	if (q->from->up && q->from->floods)
		ask(q);
	else
		free(q);
}

static struct question *question_new(struct world *w, size_t from, size_t to)
{
	struct question *q = NEW(struct question);

	q->traffic = w->traffic;
	q->from = &w->nodes[from];
	q->to = to;
	q->again.fn = on_again;
	q->again.loop = &q->from->loop;
	return q;
}

void traffic_ask(struct world *w, size_t from, size_t to)
{
	w->traffic->asked++;
	ask(question_new(w, from, to));
	queue_loop_turn(&w->nodes[from].loop);
}

void traffic_flood(struct world *w, size_t from, size_t to)
{
	w->nodes[from].floods = true;
	for (int i = 0; i < FLOOD_CALLS; i++) {
		struct question *q = question_new(w, from, to);

		q->flood = true;
		ask(q);
	}
	queue_loop_turn(&w->nodes[from].loop);
}

/* ---- figures ---- */

static int by_time(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorted milliseconds of those that were sent in that time; *n of them. */
static uint64_t *sorted(const struct samples *s, uint64_t from_us, uint64_t to_us, size_t *n)
{
	uint64_t *list = xcalloc(s->n + 1, sizeof(*list));

	*n = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (s->list[i].sent_us >= from_us && s->list[i].sent_us < to_us)
			list[(*n)++] = s->list[i].took_us / 1000;
	}
	qsort(list, *n, sizeof(*list), by_time);
	return list;
}

static unsigned bits(uint64_t v)
{
	return (unsigned)__builtin_popcountll(v);
}

void traffic_result(
	const struct traffic *t, uint64_t from_us, uint64_t to_us, struct traffic_result *out)
{
	size_t n, answers;
	uint64_t *took = sorted(&t->arrivals, from_us, to_us, &n);
	uint64_t *asks = sorted(&t->answers, from_us, to_us, &answers);

	*out = (struct traffic_result){
		.asked = t->asked, .answered = t->answers.n, .links = t->links
	};
	for (size_t i = 0; i < t->n; i++) {
		out->due += bits(t->items[i]->due);
		out->delivered += bits(t->items[i]->due & t->items[i]->got);
	}
	if (n > 0) {
		out->p50 = took[n / 2];
		out->p95 = took[n * 95 / 100];
		out->max = took[n - 1];
	}
	if (answers > 0)
		out->ask_p95 = asks[answers * 95 / 100];
	free(took);
	free(asks);
}

void traffic_note_state(struct traffic *t, size_t links)
{
	if (links > t->links)
		t->links = links;
}
