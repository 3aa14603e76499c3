#include "transport/patience.h"

#include <assert.h>

static void set_timer(struct patience *p, uint64_t due_ms)
{
	uint64_t now = loop_now_ms(p->loop);
	p->timer_due_ms = due_ms;
	loop_timer_set(p->loop, p->timer, due_ms > now ? due_ms - now : 0);
}

static void unlink_entry(struct patience *p, struct patience_entry *e)
{
	struct patience_list *l = &p->lists[e->kind - 1];
	*(e->prev ? &e->prev->next : &l->first) = e->next;
	*(e->next ? &e->next->prev : &l->last) = e->prev;
	*e = (struct patience_entry){ 0 };
	p->n--;
}

static void on_timer(void *arg)
{
	struct patience *p = arg;
	uint64_t now = loop_now_ms(p->loop), next = UINT64_MAX;

	p->timer_due_ms = UINT64_MAX;
	for (unsigned k = 0; k < PATIENCE_KINDS; k++) {
		struct patience_entry *e;
		while ((e = p->lists[k].first) && e->due_ms <= now) {
			unlink_entry(p, e);
			p->expired(p->arg, e, k);
		}
	}
	for (unsigned k = 0; k < PATIENCE_KINDS; k++)
		if (p->lists[k].first && p->lists[k].first->due_ms < next)
			next = p->lists[k].first->due_ms;
	if (next != UINT64_MAX)
		set_timer(p, next);
}

void patience_init(struct patience *p, struct loop *loop, const unsigned ms[PATIENCE_KINDS],
	void (*expired)(void *arg, struct patience_entry *e, unsigned kind), void *arg)
{
	*p = (struct patience){ .loop = loop, .expired = expired, .arg = arg };
	p->timer_due_ms = UINT64_MAX;
	for (unsigned k = 0; k < PATIENCE_KINDS; k++)
		p->lists[k].ms = ms[k];
	p->timer = loop_timer_new(loop, on_timer, p);
}

void patience_deinit(struct patience *p)
{
	assert(p->n == 0);
	loop_timer_free(p->loop, p->timer);
	p->timer = NULL;
}

void patience_start(struct patience *p, struct patience_entry *e, unsigned kind)
{
	struct patience_list *l = &p->lists[kind];
	if (e->kind)
		unlink_entry(p, e);
	e->kind = kind + 1;
	e->due_ms = loop_now_ms(p->loop) + l->ms;
	e->prev = l->last;
	*(l->last ? &l->last->next : &l->first) = e;
	l->last = e;
	p->n++;
	/* A timer that is set too early only looks again when it fires: that costs less than
	 * moving it for every request. */
	if (e->due_ms < p->timer_due_ms)
		set_timer(p, e->due_ms);
}

void patience_stop(struct patience *p, struct patience_entry *e)
{
	if (!e->kind)
		return;
	unlink_entry(p, e);
	if (p->n)
		return;
	p->timer_due_ms = UINT64_MAX;
	loop_timer_stop(p->loop, p->timer);
}

struct patience_entry *patience_oldest(const struct patience *p, unsigned kind)
{
	return p->lists[kind].first;
}
