/* What a link asks of the node, and tells it: who may come in, what came, how it ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/transport_int.h"

#define LOG_MODULE "link"

#define SIMULTANEOUS_MS 10000 /* two dials that met: both links are younger than this */
#define FRAME_HEAD      4     /* type and length of a DIRECT frame, at most */

/* The work for a cookie, done on the thread pool. */
struct puzzle {
	struct loop_work work;
	struct wlink *w; /* NULL: nobody waits any more */
	unsigned char cookie[COOKIE_LEN], nonce[COOKIE_NONCE];
	uint8_t difficulty;
	bool found;
};

static struct wlink *wlink_of(struct link *l)
{
	return link_arg(l);
}

static void on_hello(struct link *l, struct hello *out)
{
	struct wlink *w = wlink_of(l);
	struct transport *t = w->t;

	out->iddoc_seq = identity_document_seq(t->identity);
	out->owner = str_of(t->owner);
	if (!w->peer)
		return;
	out->epoch = (struct str){ (char *)w->peer->epoch, EPOCH_LEN };
	incoming_acked(t, w->peer->contact, w->peer->node, &w->acked);
	out->acked = buf_str(&w->acked);
}

static bool on_invite_psk(
	struct link *l, const unsigned char id[INVITE_ID_LEN], unsigned char psk[32])
{
	const struct kept_invite *v = invite_find(wlink_of(l)->t, id);

	if (v)
		memcpy(psk, v->psk, 32);
	return v != NULL;
}

/* Towards strangers only in open and pairing mode, which come with discovery. */
static bool on_allow_xx(struct link *l)
{
	(void)l;
	return false;
}

/* Its document may be newer than ours and list it. It has to show that first. */
static bool says_newer(const struct contact *c, const struct hello *h)
{
	return h->iddoc_seq > iddoc_set_seq(&c->docs) &&
		h->cert.issuer_kind == CERT_BY_IDENTITY &&
		!iddoc_set_revokes(&c->docs, h->cert.node);
}

/* For who is known, the identity's own document says which devices count; dates would cut off
 * everybody when a clock is wrong by years (security.md, O9). */
static bool dated_well(
	const struct transport *t, const struct contact *c, const struct cert *cert)
{
	if (c && iddoc_set_seq(&c->docs) > 0 && iddoc_set_allows(&c->docs, cert))
		return true;
	return cert_in_time(cert, clock_wall_ms(t->o.clock));
}

/* What every peer must fulfil, whoever dialled. */
static bool peer_acceptable(const struct transport *t, const struct link *l)
{
	const struct cert *cert = &link_peer(l)->cert;
	const struct contact *c = contact_find(t, cert->identity);

	if (memcmp(cert->identity, identity_public(t->identity), 32) == 0)
		return false; /* own nodes: with anycast */
	if (!dated_well(t, c, cert) || blocked_key(t, cert->identity) ||
		blocked_key(t, cert->node) || blocked_addr(t, link_addr(l)))
		return false;
	if (!c)
		return cert->issuer_kind == CERT_BY_IDENTITY;
	return iddoc_set_allows(&c->docs, cert) || says_newer(c, link_peer(l));
}

static void admit_accepted(struct wlink *w)
{
	struct transport *t = w->t;
	const struct cert *cert = &link_peer(w->link)->cert;
	struct contact *c = contact_find(t, cert->identity);
	struct peer *p;

	if (link_pattern(w->link) == NOISE_IKPSK1) {
		pairing_admit(w);
		return;
	}
	p = c && c->level > TRANSPORT_STRANGER ? peer_get(c, cert->node) : NULL;
	if (p && peer_refused(p))
		p = NULL;
	w->peer = p;
	link_admit(w->link, now_of(t), p != NULL);
}

static void on_admit(struct link *l)
{
	struct wlink *w = wlink_of(l);
	const struct cert *cert = &link_peer(l)->cert;
	bool ok = peer_acceptable(w->t, l);

	if (ok && w->dialled)
		ok = memcmp(cert->identity, w->peer->contact->identity, 32) == 0;
	if (ok && !w->dialled) {
		admit_accepted(w);
		return;
	}
	link_admit(l, now_of(w->t), ok);
}

/* Asks for the peer's document: a neighbour that hears of an older one sends its own. */
void wlink_ask_iddoc(struct wlink *w)
{
	w->say_idseq = true;
	link_wake(w->link);
}

/* Two links to one node. Dials that met: the one opened by the lower node key stays, and both
 * sides see it so. Else the peer lost the older one. */
static bool older_stays(const struct wlink *old, const struct wlink *w)
{
	bool ours_lower = memcmp(identity_node_public(w->t->identity), w->peer->node, 32) < 0;

	if (old->dialled == w->dialled ||
		now_of(w->t) - link_up_ms(old->link) > SIMULTANEOUS_MS)
		return false;
	return old->dialled == ours_lower;
}

static void stop_other_dials(struct wlink *w)
{
	for (struct wlink *other = w->t->links; other; other = other->next) {
		if (other != w && other->dialled && other->peer == w->peer && !other->pairing &&
			!link_is_up(other->link) && !other->dead)
			wlink_close(other, BYE_REPLACED, "another link came first");
	}
}

static void note_contact(struct wlink *w)
{
	struct contact *c = w->peer->contact;

	c->last_seen_ms = clock_wall_ms(w->t->o.clock);
	c->last_error[0] = '\0';
	w->peer->seen = *link_addr(w->link);
	w->peer->asleep_until_ms = 0;
	endpoint_text(&w->endpoint, c->address);
	if (w->dialled)
		peer_endpoint_first(w->peer, &w->endpoint);
	contact_set_owner(c, link_peer(w->link)->owner);
	if (!w->pairing)
		contact_save_logged(c);
}

static void on_up(struct link *l)
{
	struct wlink *w = wlink_of(l);
	struct peer *p = w->peer;
	struct wlink *old = p->link;

	log_debug(w->t->o.log, "up peer=%s dialled=%d", p->contact->name, w->dialled);
	if (w->dialled)
		p->dialling--;
	if (old && older_stays(old, w)) {
		wlink_close(w, BYE_REPLACED, "another link stays");
		return;
	}
	p->link = w;
	p->backoff_ms = 0;
	p->failed_ms = 0;
	dial_stop(p);
	if (old)
		wlink_close(old, BYE_REPLACED, "another link stays");
	stop_other_dials(w);
	p->unproven = !iddoc_set_allows(&p->contact->docs, &link_peer(l)->cert);
	note_contact(w);
	p->tell_acked = acked_get(link_peer(l)->acked, &p->acked);
	peer_session_begin(p, link_peer(l));
	if (w->pairing)
		pairing_up(w->pairing, w);
	calls_up(p->contact);
	transport_turn(w->t);
}

static enum err got_direct(struct wlink *w, struct str body)
{
	struct peer *p = w->peer;
	enum err err;

	if (p->link != w || !p->session)
		return ERR_OK;
	err = session_input(p->session, now_of(w->t), body);
	if (err) {
		/* Neither side can know any more what the other has. */
		if (err == ERR_MALFORMED)
			peer_strike(p, 1, "a malformed packet");
		peer_session_reset(p, "the session broke");
		rng_fill(w->t->o.rng, p->epoch, sizeof(p->epoch));
		wlink_close(w, BYE_CLOSING, "the session broke");
		return ERR_OK;
	}
	peer_session_arm(p);
	wlink_rearm(w);
	return ERR_OK;
}

static enum err got_record(struct wlink *w, struct str body)
{
	enum err err = peer_take_record(w->peer, body);

	if (err == ERR_MALFORMED || err == ERR_FORBIDDEN)
		peer_strike(w->peer, 3, "a bad node record");
	return ERR_OK;
}

/* Of ourselves and older than ours: it gets ours. Of itself and newer than what we have: we ask
 * for it. What it says of others is for who forwards (discovery). */
static enum err got_idseq(struct wlink *w, struct str body)
{
	struct peer *p = w->peer;
	const struct identity *own = w->t->identity;
	unsigned char identity[32];
	uint64_t seq;
	enum err err = frame_idseq_get(body, identity, &seq);

	if (err || p->link != w || !p->session)
		return err;
	if (memcmp(identity, identity_public(own), 32) == 0) {
		if (seq < identity_document_seq(own))
			session_send_iddoc(p->session, identity_document(own));
	} else if (memcmp(identity, p->contact->identity, 32) == 0 &&
		seq > iddoc_set_seq(&p->contact->docs)) {
		wlink_ask_iddoc(w);
	}
	return ERR_OK;
}

static enum err on_frame(struct link *l, uint8_t type, struct str body)
{
	struct wlink *w = wlink_of(l);

	switch (type) {
	case FRAME_DIRECT: return got_direct(w, body);
	case FRAME_RECORD: return got_record(w, body);
	case FRAME_IDSEQ: return got_idseq(w, body);
	default: return ERR_NOT_FOUND;
	}
}

static void on_pull(struct link *l, uint64_t now_ms, size_t max, struct buf *frames, bool *bulk)
{
	struct wlink *w = wlink_of(l);
	struct peer *p = w->peer;
	CLEANUP(buf_deinit) struct buf packet = { 0 };

	if (!p || p->link != w || !p->session)
		return;
	if (w->say_idseq && max > FRAME_HEAD + FRAME_IDSEQ_LEN) {
		frame_idseq_put(frames, p->contact->identity, iddoc_set_seq(&p->contact->docs));
		max -= FRAME_HEAD + FRAME_IDSEQ_LEN;
		w->say_idseq = false;
	}
	if (max <= FRAME_HEAD)
		return;
	if (session_output(p->session, now_ms, max - FRAME_HEAD, &packet, bulk))
		frame_put(frames, FRAME_DIRECT, buf_str(&packet));
	peer_session_arm(p);
}

static void on_wake(struct link *l)
{
	struct wlink *w = wlink_of(l);

	if (w->conn)
		ws_conn_wake(w->conn);
	if (!w->link)
		return; /* still being made */
	wlink_carry_on(w);
	wlink_rearm(w);
}

static void on_strike(struct link *l, unsigned n, const char *what)
{
	struct wlink *w = wlink_of(l);

	if (w->peer)
		peer_strike(w->peer, n, what);
}

static void on_dead(struct link *l, const char *why)
{
	struct wlink *w = wlink_of(l);
	struct transport *t = w->t;

	w->dead = true;
	if (w->peer && link_up_ms(l) && log_limit(&t->log_ended, now_of(t)))
		log_info(t->o.log, "a link ended peer=%s reason=\"%s\" more=%u",
			w->peer->contact->name, why, t->log_ended.dropped);
	if (w->peer)
		(void)snprintf(w->peer->contact->last_error,
			sizeof(w->peer->contact->last_error), "%s", why);
	else
		t->refused++;
	if (!w->peer && log_limit(&t->log_refused, now_of(t)))
		log_info(t->o.log, "refused a link reason=\"%s\" more=%u", why,
			t->log_refused.dropped);
	transport_turn(t);
}

/* The link showed its HELLO again: as at the first time, but that nobody is let in anew. */
static bool on_again(struct link *l)
{
	const struct wlink *w = wlink_of(l);

	return peer_acceptable(w->t, l) && w->peer &&
		w->peer->contact->level > TRANSPORT_STRANGER && !w->peer->contact->doomed;
}

static void on_doubt(struct link *l, bool yes)
{
	struct wlink *w = wlink_of(l);

	if (!w->peer || w->peer->link != w)
		return;
	if (yes)
		dial_beside(w->peer);
	else
		stop_other_dials(w);
}

/* Who sleeps is not there: what is for it waits until it wakes. */
static void on_asleep(struct link *l, bool yes)
{
	struct wlink *w = wlink_of(l);

	log_debug(w->t->o.log, "%s peer=%s", yes ? "asleep" : "awake", w->peer->contact->name);
	if (!yes)
		calls_up(w->peer->contact);
	transport_turn(w->t);
}

static void solve(struct loop_work *work)
{
	struct puzzle *z = CONTAINER_OF(work, struct puzzle, work);

	z->found = gate_solve(z->cookie, z->difficulty, z->nonce);
}

static void solved(struct loop_work *work)
{
	struct puzzle *z = CONTAINER_OF(work, struct puzzle, work);
	struct wlink *w = z->w;

	if (w) {
		w->puzzle = NULL;
		link_solved(w->link, now_of(w->t), z->found ? z->nonce : NULL);
		wlink_rearm(w);
	}
	free(z);
}

void wlink_forget_puzzle(struct wlink *w)
{
	if (w->puzzle)
		w->puzzle->w = NULL;
	w->puzzle = NULL;
}

static void on_solve(struct link *l, const unsigned char cookie[COOKIE_LEN], uint8_t difficulty)
{
	struct wlink *w = wlink_of(l);
	struct puzzle *z = NEW(struct puzzle);

	memcpy(z->cookie, cookie, COOKIE_LEN);
	z->difficulty = difficulty;
	z->work.work = solve;
	z->work.done = solved;
	z->w = w;
	w->puzzle = z;
	loop_work(w->t->o.loop, &z->work);
}

const struct link_ops wlink_link_ops = {
	on_hello,
	on_invite_psk,
	on_allow_xx,
	on_admit,
	on_up,
	on_frame,
	on_pull,
	on_wake,
	on_strike,
	on_dead,
	on_again,
	on_doubt,
	on_asleep,
	on_solve,
};
