#include <stdlib.h>
#include <string.h>

#include "transport/transport_int.h"

#define LOG_MODULE "link"

void wlink_rearm(struct wlink *w)
{
	struct loop *loop = w->t->o.loop;
	uint64_t now = now_of(w->t), next = link_next_ms(w->link);

	if (w->timer_at == next || w->t->suspended)
		return;
	w->timer_at = next;
	if (next == UINT64_MAX)
		loop_timer_stop(loop, w->timer);
	else
		loop_timer_set(loop, w->timer, next > now ? next - now : 0);
}

static void on_timer(void *arg)
{
	struct wlink *w = arg;

	w->timer_at = 0;
	link_tick(w->link, now_of(w->t));
	wlink_rearm(w);
}

static struct wlink *wlink_new(struct transport *t)
{
	struct wlink *w = NEW(struct wlink);

	w->t = t;
	w->timer = loop_timer_new(t->o.loop, on_timer, w);
	w->next = t->links;
	t->links = w;
	return w;
}

static void wlink_free(struct wlink *w)
{
	if (w->conn)
		ws_conn_close(w->conn);
	wlink_forget_puzzle(w);
	loop_timer_free(w->t->o.loop, w->timer);
	transport_not_waiting(w->t, w);
	link_free(w->link);
	buf_deinit(&w->acked);
	free(w);
}

void wlink_close(struct wlink *w, enum link_bye code, const char *text)
{
	link_close(w->link, now_of(w->t), code, text);
	wlink_rearm(w);
}

static size_t count_links(const struct transport *t)
{
	size_t n = 0;

	for (const struct wlink *w = t->links; w; w = w->next)
		n++;
	return n;
}

/* Was a contact there before? Then the door keeps a place for it. */
static bool known_addr(const struct transport *t, const struct gate_addr *a)
{
	for (const struct contact *c = t->contacts; c; c = c->next) {
		for (const struct peer *p = c->peers; p; p = p->next) {
			if (p->seen.n > 0 && p->seen.n == a->n &&
				memcmp(p->seen.ip, a->ip, a->n) == 0)
				return true;
		}
	}
	return false;
}

static struct link_options options_for(struct wlink *w, const struct gate_addr *addr)
{
	struct transport *t = w->t;

	return (struct link_options){
		.ops = &wlink_link_ops,
		.arg = w,
		.rng = t->o.rng,
		.addr = *addr,
		.node_public = identity_node_public(t->identity),
		.noise = { identity_noise_secret(t->identity),
			identity_noise_public(t->identity) },
		.certificate = identity_certificate(t->identity),
		.capabilities = CAP_ZSTD | (t->o.mobile ? (uint32_t)CAP_MOBILE : 0),
		.pace = t->o.mobile ? &t->pace : NULL,
	};
}

bool wlink_accepted(void *arg, struct ws_conn *conn, const struct gate_addr *from,
	const struct ws_conn_ops **ops, void **conn_arg)
{
	struct transport *t = arg;
	struct link_options o;
	struct wlink *w;

	if (t->closing || t->suspended || blocked_addr(t, from) ||
		count_links(t) >= LINKS_MAX) {
		t->refused++;
		return false;
	}
	w = wlink_new(t);
	o = options_for(w, from);
	o.gate = &t->gate;
	o.addr_known = known_addr(t, from);
	w->conn = conn;
	(void)endpoint_from_address(&w->endpoint, from);
	w->endpoint.port = 0;
	w->link = link_new_responder(&o, now_of(t));
	*ops = &wlink_conn_ops;
	*conn_arg = w;
	wlink_rearm(w);
	return true;
}

struct wlink *wlink_dial(struct peer *p, const struct gate_addr *to, const struct endpoint *e,
	const struct invite *v, struct pairing *pairing)
{
	struct transport *t = p->contact->t;
	struct link_options o;
	struct wlink *w;

	if (t->closing || count_links(t) >= LINKS_MAX)
		return NULL;
	w = wlink_new(t);
	o = options_for(w, to);
	o.pattern = v ? NOISE_IKPSK1 : NOISE_IK;
	o.peer_node = p->node;
	if (v) {
		invite_id(v->secret, o.invite_id);
		invite_psk(v->secret, o.psk);
	}
	w->peer = p;
	w->pairing = pairing;
	w->dialled = true;
	w->endpoint = *e;
	w->link = link_new_initiator(&o, now_of(t));
	w->conn = link_ws_dial(t->ws, to, &wlink_conn_ops, w);
	wlink_rearm(w);
	return w;
}

/* A crowded peer may have ended the connection while we worked for its cookie. */
void wlink_carry_on(struct wlink *w)
{
	if (!w->conn && !w->dead && link_wants_carrier(w->link))
		w->conn = link_ws_dial(w->t->ws, link_addr(w->link), &wlink_conn_ops, w);
}

/* ---- the carrier's side ---- */

static void conn_open(void *arg)
{
	(void)arg; /* what is to be sent is asked for at once */
}

static void conn_message(void *arg, struct str message)
{
	struct wlink *w = arg;

	if (w->dead)
		return;
	link_input(w->link, now_of(w->t), message);
	wlink_rearm(w);
}

static bool conn_output(void *arg, struct buf *message)
{
	struct wlink *w = arg;
	bool some = !w->dead && link_output(w->link, now_of(w->t), message);

	if (!w->dead)
		wlink_rearm(w);
	return some;
}

static void conn_closed(void *arg, const char *why)
{
	struct wlink *w = arg;

	w->conn = NULL;
	if (link_lost(w->link, why))
		wlink_carry_on(w);
}

const struct ws_conn_ops wlink_conn_ops = {
	conn_open,
	conn_message,
	conn_output,
	conn_closed,
};

static void bury(struct wlink *w)
{
	struct transport *t = w->t;
	struct peer *p = w->peer;

	t->bytes_in += link_bytes_in(w->link);
	t->bytes_out += link_bytes_out(w->link);
	t->unknown_frames += link_unknown_frames(w->link);
	if (p && p->link == w) {
		p->link = NULL;
		p->asleep_until_ms = link_asleep_until_ms(w->link);
		p->contact->last_seen_ms = clock_wall_ms(t->o.clock);
		log_debug(t->o.log, "down peer=%s reason=\"%s\"", p->contact->name,
			p->contact->last_error);
		dial_later(p);
	} else if (p && w->dialled && link_up_ms(w->link) == 0) {
		dial_failed(p, NULL);
	}
	wlink_free(w);
}

void wlink_reap(struct transport *t)
{
	struct wlink **at = &t->links;

	while (*at) {
		struct wlink *w = *at;

		if (!w->dead) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		bury(w);
		at = &t->links; /* burying may have dialled */
	}
}

void wlinks_free(struct transport *t)
{
	struct wlink *next;

	for (struct wlink *w = t->links; w; w = next) {
		next = w->next;
		wlink_free(w);
	}
	t->links = NULL;
}
