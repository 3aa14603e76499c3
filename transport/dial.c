#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/transport_int.h"

#define LOOKUP_ADDRESSES 4
#define STAGGER_MS       250

/* A name look-up on the thread pool, with copied inputs. */
struct lookup {
	struct lookup *next;
	struct loop_work work;
	struct transport *t; /* NULL: nobody waits any more */
	struct peer *peer;   /* NULL likewise */
	struct pairing *pairing;
	struct invite *invite; /* owned */
	struct endpoint endpoint;
	struct gate_addr found[LOOKUP_ADDRESSES];
	size_t n_found;
};

static void resolve(struct loop_work *work)
{
	struct lookup *l = CONTAINER_OF(work, struct lookup, work);
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;

	if (getaddrinfo(l->endpoint.host, NULL, &hints, &list) != 0)
		return;
	for (struct addrinfo *a = list; a && l->n_found < LOOKUP_ADDRESSES; a = a->ai_next) {
		struct gate_addr *to = &l->found[l->n_found];

		if (a->ai_family == AF_INET) {
			to->n = 4;
			memcpy(to->ip, &((struct sockaddr_in *)(void *)a->ai_addr)->sin_addr,
				4);
		} else if (a->ai_family == AF_INET6) {
			to->n = 16;
			memcpy(to->ip, &((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_addr,
				16);
		} else {
			continue;
		}
		to->port = l->endpoint.port;
		l->n_found++;
	}
	freeaddrinfo(list);
}

static void lookup_unlink(struct lookup *l)
{
	struct lookup **at = &l->t->lookups;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
}

static void resolved(struct loop_work *work)
{
	struct lookup *l = CONTAINER_OF(work, struct lookup, work);
	struct peer *p = l->peer;

	if (l->t)
		lookup_unlink(l);
	if (p) {
		for (size_t i = 0; i < l->n_found; i++) {
			p->dialling++;
			if (!wlink_dial(p, &l->found[i], &l->endpoint, l->invite, l->pairing))
				dial_failed(p, "too many links");
		}
		dial_failed(p, "its address can't be looked up"); /* this look-up is over */
	}
	free(l->invite);
	free(l);
}

void dial_forget(struct transport *t, const struct peer *p)
{
	struct lookup *next;

	for (struct lookup *l = t->lookups; l; l = next) {
		next = l->next;
		if (p && l->peer != p)
			continue;
		lookup_unlink(l);
		l->peer = NULL;
		l->t = NULL;
	}
}

void dial_forget_pairing(struct transport *t, const struct pairing *pairing)
{
	for (struct lookup *l = t->lookups; l; l = l->next) {
		if (l->pairing == pairing)
			l->pairing = NULL;
	}
}

static void dial_endpoint(struct peer *p, const struct endpoint *e, const struct invite *v,
	struct pairing *pairing)
{
	struct transport *t = p->contact->t;
	struct gate_addr to = endpoint_parse_ip(e->host, e->port);
	struct lookup *l;

	p->dialling++;
	if (to.n > 0) {
		if (blocked_addr(t, &to) || !wlink_dial(p, &to, e, v, pairing))
			dial_failed(p, "not dialled");
		return;
	}
	l = NEW(struct lookup);
	l->t = t;
	l->peer = p;
	l->pairing = pairing;
	l->endpoint = *e;
	if (v) {
		l->invite = NEW(struct invite);
		*l->invite = *v;
	}
	l->work.work = resolve;
	l->work.done = resolved;
	l->next = t->lookups;
	t->lookups = l;
	loop_work(t->o.loop, &l->work);
}

static void dial_each(struct peer *p, const struct endpoint *list, size_t n,
	const struct invite *v, struct pairing *pairing)
{
	struct endpoint copy[ENDPOINTS_MAX + 1];

	/* A dial that fails at once may change the peer's own list. */
	memcpy(copy, list, n * sizeof(copy[0]));
	p->dialling++; /* the round itself, so that it can't end before all have begun */
	for (size_t i = 0; i < n; i++)
		dial_endpoint(p, &copy[i], v, pairing);
	dial_failed(p, n ? NULL : "no address is known; pair with its owner by an invite");
}

void dial_want(struct peer *p)
{
	struct contact *c = p->contact;
	struct transport *t = c->t;

	if (p->link || p->dialling || t->closing || t->suspended || c->doomed ||
		c->level == TRANSPORT_STRANGER)
		return;
	if (blocked_key(t, c->identity) || blocked_key(t, p->node) || peer_refused(p)) {
		p->dialling++;
		dial_failed(p, "blocked");
		return;
	}
	loop_timer_stop(t->o.loop, p->redial);
	dial_each(p, p->endpoints, p->n_endpoints, NULL, NULL);
}

void dial_beside(struct peer *p)
{
	struct transport *t = p->contact->t;

	if (!p->dialling && p->n_endpoints > 0 && !t->closing && !t->suspended &&
		!p->contact->doomed && !peer_refused(p))
		dial_each(p, p->endpoints, p->n_endpoints, NULL, NULL);
}

void dial_pairing(struct pairing *pairing, struct peer *p, const struct invite *v)
{
	dial_each(p, v->endpoints, v->n_endpoints, v, pairing);
}

static uint64_t jittered(struct transport *t, uint64_t ms)
{
	uint32_t r;

	rng_fill(t->o.rng, &r, sizeof(r));
	return ms * 4 / 5 + r % (ms * 2 / 5 + 1);
}

void dial_later(struct peer *p)
{
	struct contact *c = p->contact;
	struct transport *t = c->t;
	uint64_t wait;

	/* Contacts are wanted always, acquaintances when there is something for them. */
	if (p->link || t->closing || t->suspended || c->doomed ||
		(c->level != TRANSPORT_CONTACT && !c->calls))
		return;
	if (p->n_endpoints == 0)
		return;
	p->backoff_ms = p->backoff_ms ? 2 * p->backoff_ms : REDIAL_FIRST_MS;
	if (p->backoff_ms > REDIAL_MAX_MS)
		p->backoff_ms = REDIAL_MAX_MS;
	wait = jittered(t, p->backoff_ms);
	if (p->asleep_until_ms > now_of(t) + wait)
		wait = p->asleep_until_ms - now_of(t);
	loop_timer_set(t->o.loop, p->redial, wait);
}

void dial_stop(struct peer *p)
{
	loop_timer_stop(p->contact->t->o.loop, p->redial);
}

/* Another node of the contact may still be on its way. */
static bool others_dialling(const struct contact *c)
{
	for (const struct peer *p = c->peers; p; p = p->next) {
		if (p->dialling || p->link)
			return true;
	}
	return false;
}

void dial_failed(struct peer *p, const char *why)
{
	struct contact *c = p->contact;

	if (why)
		(void)snprintf(c->last_error, sizeof(c->last_error), "%s", why);
	if (--p->dialling > 0)
		return;
	if (p->link)
		return; /* it was beside that one */
	p->failed_ms = now_of(c->t);
	pairings_peer_failed(p, c->last_error);
	if (!others_dialling(c))
		calls_down(c, c->last_error);
	dial_later(p);
}

void dial_all(struct transport *t)
{
	uint64_t delay = 0;

	for (struct contact *c = t->contacts; c; c = c->next) {
		for (struct peer *p = c->peers; p; p = p->next) {
			p->backoff_ms = 0;
			p->failed_ms = 0;
			if (p->link || p->dialling || c->level != TRANSPORT_CONTACT ||
				p->n_endpoints == 0)
				continue;
			loop_timer_set(t->o.loop, p->redial, delay);
			delay += STAGGER_MS;
		}
	}
}
