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

static const struct link_ops link_ops;
static const struct session_ops session_ops;

static struct wlink *wlink_of(struct link *l)
{
	return link_arg(l);
}

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
	if (w->puzzle)
		w->puzzle->w = NULL;
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
		.ops = &link_ops,
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
static void carry_on(struct wlink *w)
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
		carry_on(w);
}

const struct ws_conn_ops wlink_conn_ops = {
	conn_open,
	conn_message,
	conn_output,
	conn_closed,
};

/* ---- the link's side ---- */

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
static void ask_iddoc(struct wlink *w)
{
	w->say_idseq = true;
	link_wake(w->link);
}

/* The session goes on if the peer still has its state, and begins anew if not. */
static void take_session(struct peer *p, const struct hello *h)
{
	struct transport *t = p->contact->t;
	bool same = p->session && p->has_their_epoch && h->epoch.n == EPOCH_LEN &&
		memcmp(p->their_epoch, h->epoch.p, EPOCH_LEN) == 0;

	if (same) {
		session_path_up(p->session);
		if (h->iddoc_seq > iddoc_set_seq(&p->contact->docs))
			ask_iddoc(p->link);
		return;
	}
	peer_session_reset(p, "the peer began anew");
	p->session = session_new(
		&session_ops, p, memcmp(identity_node_public(t->identity), p->node, 32) < 0);
	p->has_their_epoch = h->epoch.n == EPOCH_LEN;
	if (p->has_their_epoch)
		memcpy(p->their_epoch, h->epoch.p, EPOCH_LEN);
	session_send_record(p->session, buf_str(&t->record));
	session_send_iddoc(p->session, identity_document(t->identity));
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
	take_session(p, link_peer(l));
	if (w->pairing)
		pairing_up(w->pairing, w);
	calls_up(p->contact);
	transport_turn(w->t);
}

static void arm_session(struct peer *p)
{
	struct transport *t = p->contact->t;
	uint64_t now = now_of(t), next = p->session ? session_next_ms(p->session) : UINT64_MAX;

	if (next == UINT64_MAX)
		loop_timer_stop(t->o.loop, p->ack_timer);
	else
		loop_timer_set(t->o.loop, p->ack_timer, next > now ? next - now : 0);
	if (p->link)
		link_outstanding(
			p->link->link, now, p->session && session_outstanding(p->session));
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
	arm_session(p);
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
		ask_iddoc(w);
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
	arm_session(p);
}

static void on_wake(struct link *l)
{
	struct wlink *w = wlink_of(l);

	if (w->conn)
		ws_conn_wake(w->conn);
	if (!w->link)
		return; /* still being made */
	carry_on(w);
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

static const struct link_ops link_ops = {
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

/* ---- the session's side ---- */

static void session_wakes(void *arg)
{
	struct peer *p = arg;

	if (p->link)
		link_wake(p->link->link);
}

static void session_opened(void *arg, struct stream *st)
{
	struct peer *p = arg;

	if (!p->unproven) {
		incoming_opened(p, st);
		return;
	}
	stream_release(st);
	wlink_close(p->link, BYE_REVOKED, "not in the identity document");
}

static void session_data(void *arg, struct stream *st, struct str bytes, bool fin)
{
	(void)arg;
	if (stream_is_ours(st))
		call_data(stream_arg(st), bytes, fin);
	else
		incoming_data(stream_arg(st), bytes, fin);
}

static void session_reset(void *arg, struct stream *st, uint64_t code)
{
	(void)arg, (void)code;
	if (stream_is_ours(st))
		call_reset(stream_arg(st));
	else
		incoming_gone(stream_arg(st));
}

/* The peer doesn't want the rest of a request: its answer comes all the same. Of an answer:
 * nobody waits for it. */
static void session_stopped(void *arg, struct stream *st, uint64_t code)
{
	(void)arg, (void)code;
	if (!stream_is_ours(st))
		incoming_gone(stream_arg(st));
}

static void session_writable(void *arg, struct stream *st)
{
	(void)arg;
	if (!stream_is_ours(st))
		incoming_writable(stream_arg(st));
}

static void session_streams_free(void *arg)
{
	struct peer *p = arg;

	calls_up(p->contact);
}

static void session_record(void *arg, struct str record)
{
	struct peer *p = arg;

	if (peer_take_record(p, record) != ERR_OK)
		peer_strike(p, 3, "a bad node record");
}

static void session_iddoc(void *arg, struct str document)
{
	struct peer *p = arg;
	enum err err = peer_take_iddoc(p, document);

	if (err == ERR_MALFORMED || err == ERR_FORBIDDEN || err == ERR_INVALID)
		peer_strike(p, 3, "a bad identity document");
}

static const struct session_ops session_ops = {
	session_wakes,
	session_opened,
	session_data,
	session_reset,
	session_stopped,
	session_writable,
	session_streams_free,
	session_record,
	session_iddoc,
};

/* Not from inside session_input(): that is why what ends in its callbacks (a contact that is
 * forgotten) is ended by the transport's turn. */
void peer_session_reset(struct peer *p, const char *why)
{
	struct session *s = p->session;

	if (!s)
		return;
	calls_session_gone(p->contact, p, why);
	incomings_session_gone(p);
	p->session = NULL;
	session_free(s);
	arm_session(p);
}
