#include <stdlib.h>

#include "tests/sim/scenario_int.h"
#include "transport/transport_int.h"

#define SECOND UINT64_C(1000000)

/*
 * Two nodes whose connections are all cut when so many bytes of them have arrived. First that
 * happens to a pairing, which may fail; the same invite must then work. Then to their next
 * link. Each cut has a world of its own.
 */
struct attempt {
	struct world *w;
	bool done;
	enum err err;
	char text[1024];
};

static bool is_done(void *arg)
{
	return ((struct attempt *)arg)->done;
}

static void on_invite(void *arg, enum err err, struct str text, const char *why)
{
	struct attempt *a = arg;

	(void)why;
	a->done = true;
	a->err = err;
	(void)snprintf(a->text, sizeof(a->text), "%.*s", STR_FMT(text));
}

static void on_accepted(
	void *arg, enum err err, const struct transport_pairing *pairing, const char *why)
{
	struct attempt *a = arg;

	(void)pairing;
	(void)why;
	a->done = true;
	a->err = err;
}

static enum err accept(struct attempt *a)
{
	struct node *b = &a->w->nodes[1];

	a->done = false;
	transport_invite_accept(b->transport, str_of(a->text), on_accepted, a);
	queue_loop_turn(&b->loop);
	if (!world_until(a->w, is_done, a, 60 * SECOND))
		world_fail(a->w, "an invite was never answered for");
	return a->err;
}

static bool both_connected(void *arg)
{
	struct world *w = arg;

	return transport_connected(w->nodes[0].transport, node_name(&w->nodes[1])) &&
		transport_connected(w->nodes[1].transport, node_name(&w->nodes[0]));
}

/* False: nothing was cut any more. */
static bool cut_pairing(struct attempt *a, const struct net_guillotine *g)
{
	struct world *w = a->w;
	enum err err;

	a->done = false;
	transport_invite_create(
		w->nodes[0].transport, &(struct transport_invite_options){ 0 }, on_invite, a);
	queue_loop_turn(&w->nodes[0].loop);
	if (!world_until(w, is_done, a, SECOND) || a->err)
		world_fail(w, "no invite");
	net_guillotine(w->net, g);
	err = w->failed ? ERR_OK : accept(a);
	net_guillotine(w->net, &(struct net_guillotine){ 0 });
	if (err && accept(a))
		world_fail(w, "an invite is spent though nobody got through");
	return err != ERR_OK;
}

static void cut_link(struct world *w, const struct net_guillotine *g)
{
	net_set(w->net, 0, 1, NET_CUT);
	world_run(w, SECOND);
	net_guillotine(w->net, g);
	net_set(w->net, 0, 1, NET_OPEN);
	world_run(w, 30 * SECOND);
	net_guillotine(w->net, &(struct net_guillotine){ 0 });
	if (!world_until(w, both_connected, w, 90 * SECOND))
		world_fail(w, "no link comes up after cut ones");
	if (gate_half_open(&w->nodes[0].transport->gate) > 0)
		world_fail(w, "a handshake is half open for ever");
}

bool handshake_run(const struct scenario *s, uint64_t seed, uint64_t *trace)
{
	bool ok = true, cutting = true;
	uint64_t at = 0;
	unsigned worlds = 0;

	*trace = 0;
	/* The pairing's bytes end first; the link's own end is a little behind. */
	for (; ok && cutting; at += s->handshake) {
		cutting = false;
		for (int cut_short = 0; ok && cut_short < 2; cut_short++) {
			struct net_guillotine g = { true, cut_short, at };
			struct attempt a = { world_new(seed + at, 2, false, &s->net), false, 0,
				"" };

			cutting = cut_pairing(&a, &g) || cutting;
			if (!a.w->failed)
				cut_link(a.w, &g);
			ok = !a.w->failed;
			if (!ok)
				(void)printf("# %s: seed %llu, byte %llu: %s\n", s->name,
					(unsigned long long)seed, (unsigned long long)at,
					a.w->why);
			*trace = *trace * 31 + a.w->q.trace;
			world_free(a.w);
			worlds++;
		}
	}
	(void)printf("# %-16s %5d worlds %u, cut up to byte %llu, %016llx\n", s->name, 2,
		worlds, (unsigned long long)at, (unsigned long long)*trace);
	return ok;
}
