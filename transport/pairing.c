#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "transport/addresses.h"
#include "transport/transport_int.h"

#define LOG_MODULE "pairing"

#define LIFETIME_MS   (7ull * 24 * 3600 * 1000)
#define ACCEPT_MS     20000
#define INVITES_MAX   256
#define KEPT_VERSION  1
#define KEPT_REUSABLE 1
#define KEPT_USED     2

/*
 * An invite as the inviter keeps it: version u8, flags u8, psk 32, expiry u32 minutes, the
 * identity that used it 32. The secret itself is not kept.
 */

/* Accepting: DIALLING --a link comes up--> KEEPING --durable--> done(); or the deadline, or the
 * last dial failing, in DIALLING. */
struct pairing {
	struct pairing *next;
	struct transport *t;
	struct peer *peer; /* NULL when there was nothing to dial */
	struct invite invite;
	struct loop_timer *deadline;
	transport_accept_fn *done;
	void *arg;
	bool keeping;
	struct loop_deferred answer; /* for what can be said without dialling */
	enum err err;
	char why[160];
};

/* Making one: waits until it is durable. */
struct making {
	struct making *next;
	struct transport *t;
	struct buf text;
	transport_invite_fn *done;
	void *arg;
};

static uint32_t now_min(const struct transport *t)
{
	int64_t ms = clock_wall_ms(t->o.clock);

	return ms > 0 ? (uint32_t)(ms / 60000) : 0;
}

/* ---- what is kept ---- */

static struct str id_of(const struct kept_invite *v)
{
	return (struct str){ (const char *)v->id, INVITE_ID_LEN };
}

static enum err invite_save(struct transport *t, const struct kept_invite *v)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	enum err err;

	buf_put_u8(&b, KEPT_VERSION);
	buf_put_u8(
		&b, (uint8_t)((v->reusable ? KEPT_REUSABLE : 0) | (v->used ? KEPT_USED : 0)));
	buf_put(&b, v->psk, 32);
	buf_put_be32(&b, v->expiry_min);
	buf_put(&b, v->used_by, 32);
	err = t->o.persist->put(t->o.persist, TRANSPORT_VALUE_INVITE, id_of(v), buf_str(&b));
	sodium_memzero(b.p, b.n);
	return err;
}

static void invite_free(struct kept_invite *v)
{
	sodium_memzero(v, sizeof(*v));
	free(v);
}

static void invite_remove(struct transport *t, struct kept_invite *v)
{
	struct kept_invite **at = &t->invites;
	enum err err = t->o.persist->del(t->o.persist, TRANSPORT_VALUE_INVITE, id_of(v));

	if (err)
		log_warn(t->o.log, "an old invite stays on disk error=%s", err_name(err));
	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	invite_free(v);
}

static void remove_expired(struct transport *t)
{
	struct kept_invite *next;
	uint32_t now = now_min(t);

	for (struct kept_invite *v = t->invites; v; v = next) {
		next = v->next;
		if (v->expiry_min <= now)
			invite_remove(t, v);
	}
}

static enum err load_invite(void *arg, struct str key, struct str value)
{
	struct transport *t = arg;
	struct kept_invite *v = NEW(struct kept_invite);
	struct wire w = wire_of(value);
	uint8_t version = wire_u8(&w), flags = wire_u8(&w);

	wire_copy(&w, v->psk, 32);
	v->expiry_min = wire_u32(&w);
	wire_copy(&w, v->used_by, 32);
	if (key.n != INVITE_ID_LEN || version != KEPT_VERSION || !wire_done(&w)) {
		invite_free(v);
		return ERR_CORRUPT;
	}
	memcpy(v->id, key.p, INVITE_ID_LEN);
	v->reusable = flags & KEPT_REUSABLE;
	v->used = flags & KEPT_USED;
	v->next = t->invites;
	t->invites = v;
	return ERR_OK;
}

enum err invites_load(struct transport *t, struct err_ctx *why)
{
	struct transport_persist *p = t->o.persist;
	enum err err = p->load(p, TRANSPORT_VALUE_INVITE, load_invite, t);

	if (err)
		return err_set(why, err, "the invites can't be read: %s", err_name(err));
	remove_expired(t);
	return ERR_OK;
}

void invites_free(struct transport *t)
{
	struct kept_invite *v;

	while ((v = t->invites) != NULL) {
		t->invites = v->next;
		invite_free(v);
	}
}

struct kept_invite *invite_find(struct transport *t, const unsigned char id[INVITE_ID_LEN])
{
	for (struct kept_invite *v = t->invites; v; v = v->next) {
		if (sodium_memcmp(v->id, id, INVITE_ID_LEN) == 0)
			return v->expiry_min > now_min(t) ? v : NULL;
	}
	return NULL;
}

size_t invites_live(const struct transport *t)
{
	size_t n = 0;

	for (const struct kept_invite *v = t->invites; v; v = v->next)
		n += v->expiry_min > now_min(t) && (v->reusable || !v->used);
	return n;
}

void invites_forget(struct transport *t, const unsigned char identity[32])
{
	struct kept_invite *next;

	for (struct kept_invite *v = t->invites; v; v = next) {
		next = v->next;
		if (v->used && memcmp(v->used_by, identity, 32) == 0)
			invite_remove(t, v);
	}
}

/* ---- making ---- */

static void made(struct making *m, enum err err)
{
	m->done(m->arg, err, err ? STR("") : buf_str(&m->text),
		err ? "the invite could not be kept" : NULL);
	buf_deinit(&m->text);
	free(m);
}

static void on_made(void *arg, enum err err)
{
	struct making *m = arg;
	struct making **at = &m->t->makings;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	made(m, err);
}

static bool copy_text(char *to, size_t size, struct str s)
{
	if (s.n >= size)
		return false;
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	to[s.n] = '\0';
	return true;
}

static enum err fill_invite(
	struct transport *t, const struct transport_invite_options *o, struct invite *v)
{
	uint64_t lifetime_ms = o->lifetime_ms ? o->lifetime_ms : LIFETIME_MS;

	if (!copy_text(v->room, sizeof(v->room), o->room) ||
		!copy_text(v->hint, sizeof(v->hint), o->hint) ||
		lifetime_ms / 60000 > UINT32_MAX / 2)
		return ERR_INVALID;
	v->flags = INVITE_MUTUAL;
	if (!o->reusable)
		v->flags |= INVITE_SINGLE_USE;
	if (o->room.n > 0)
		v->flags |= INVITE_ROOM;
	memcpy(v->identity, identity_public(t->identity), 32);
	memcpy(v->node, identity_node_public(t->identity), 32);
	rng_fill(t->o.rng, v->secret, sizeof(v->secret));
	v->expiry_min = now_min(t) + (uint32_t)((lifetime_ms + 59999) / 60000);
	v->n_endpoints = addresses_own(t->listen_host[0] ? t->listen_host : NULL,
		transport_port(t), v->endpoints, INVITE_ENDPOINTS);
	return ERR_OK;
}

static struct kept_invite *keep(struct transport *t, const struct invite *v)
{
	struct kept_invite *k = NEW(struct kept_invite);

	invite_id(v->secret, k->id);
	invite_psk(v->secret, k->psk);
	k->expiry_min = v->expiry_min;
	k->reusable = !(v->flags & INVITE_SINGLE_USE);
	k->next = t->invites;
	t->invites = k;
	return k;
}

void transport_invite_create(struct transport *t,
	const struct transport_invite_options *options, transport_invite_fn *done, void *arg)
{
	struct making *m = NEW(struct making);
	struct invite v = { 0 };
	enum err err;

	m->t = t;
	m->next = t->makings;
	t->makings = m;
	m->done = done;
	m->arg = arg;
	remove_expired(t);
	err = invites_live(t) >= INVITES_MAX ? ERR_LIMIT : fill_invite(t, options, &v);
	if (!err) {
		invite_encode(&v, &m->text);
		err = invite_save(t, keep(t, &v));
	}
	sodium_memzero(&v, sizeof(v));
	if (err)
		transport_later(t, on_made, m, err);
	else
		transport_when_durable(t, on_made, m);
}

/* ---- the inviter's side of a pairing ---- */

static void on_admission_durable(void *arg, enum err err)
{
	struct wlink *w = arg;

	if (err)
		log_warn(w->t->o.log, "a pairing could not be kept error=%s", err_name(err));
	else
		log_info(w->t->o.log, "paired by invite peer=%s", w->peer->contact->name);
	link_admit(w->link, now_of(w->t), err == ERR_OK);
	wlink_rearm(w);
}

void pairing_admit(struct wlink *w)
{
	struct transport *t = w->t;
	const struct cert *cert = &link_peer(w->link)->cert;
	struct kept_invite *v = invite_find(t, link_invite_id(w->link));
	struct contact *c;
	enum err err;

	/* Once used it stays good for the same identity: the answer may have been lost. */
	if (!v || (!v->reusable && v->used && memcmp(v->used_by, cert->identity, 32) != 0)) {
		link_admit(w->link, now_of(t), false);
		return;
	}
	c = contact_get(t, cert->identity);
	w->peer = peer_get(c, cert->node);
	if (!w->peer || peer_refused(w->peer)) {
		w->peer = NULL;
		link_admit(w->link, now_of(t), false);
		return;
	}
	c->tell_contact = c->tell_contact || c->level != TRANSPORT_CONTACT;
	c->level = TRANSPORT_CONTACT;
	contact_set_owner(c, link_peer(w->link)->owner);
	v->used = true;
	memcpy(v->used_by, cert->identity, 32);
	err = contact_save(c);
	if (!err)
		err = invite_save(t, v);
	if (err)
		transport_later(t, on_admission_durable, w, err);
	else
		transport_when_durable(t, on_admission_durable, w);
}

/* ---- the invited side ---- */

static void pairing_free(struct pairing *pairing)
{
	struct transport *t = pairing->t;
	struct pairing **at = &t->pairings;

	while (*at && *at != pairing)
		at = &(*at)->next;
	if (*at)
		*at = pairing->next;
	for (struct wlink *w = t->links; w; w = w->next) {
		if (w->pairing == pairing)
			w->pairing = NULL;
	}
	dial_forget_pairing(t, pairing);
	loop_undefer(t->o.loop, &pairing->answer);
	transport_not_waiting(t, pairing);
	loop_timer_free(t->o.loop, pairing->deadline);
	sodium_memzero(&pairing->invite, sizeof(pairing->invite));
	free(pairing);
}

static void pairing_end(struct pairing *pairing, enum err err, const char *why)
{
	struct transport_pairing out = { 0 };
	struct contact *c = pairing->peer ? pairing->peer->contact : NULL;
	struct invite *v = &pairing->invite;

	if (!err && c) {
		contact_describe(c, &out.peer);
		out.room = str_of(v->room);
		out.hint = str_of(v->hint);
	}
	pairing->done(pairing->arg, err, err ? NULL : &out, why);
	if (err && c && c->level == TRANSPORT_STRANGER)
		contact_doom(c);
	pairing_free(pairing);
}

static void on_answer(struct loop_deferred *d)
{
	struct pairing *pairing = CONTAINER_OF(d, struct pairing, answer);

	pairing_end(pairing, pairing->err, pairing->why);
}

/* Ends it at the end of this turn. */
static void pairing_answer(struct pairing *pairing, enum err err, const char *why)
{
	pairing->err = err;
	(void)snprintf(pairing->why, sizeof(pairing->why), "%s", why);
	loop_defer(pairing->t->o.loop, &pairing->answer);
}

static void pairing_failed(struct pairing *pairing, const char *why)
{
	char text[160];

	if (pairing->keeping || pairing->answer.queued)
		return;
	(void)snprintf(text, sizeof(text),
		"the inviter's node was not reached (%s), or the invite is used up", why);
	pairing_answer(pairing, ERR_UNREACHABLE, text);
}

static void on_accept_deadline(void *arg)
{
	pairing_failed(arg, "no answer");
}

static void on_accept_durable(void *arg, enum err err)
{
	struct pairing *pairing = arg;

	pairing_end(pairing, err, err ? "the new contact could not be kept" : "");
}

void pairing_up(struct pairing *pairing, struct wlink *w)
{
	struct transport *t = pairing->t;
	struct contact *c = w->peer->contact;
	enum err err;

	w->pairing = NULL;
	if (pairing->keeping)
		return;
	pairing->keeping = true;
	loop_undefer(t->o.loop, &pairing->answer);
	c->tell_contact = c->tell_contact || c->level != TRANSPORT_CONTACT;
	c->level = TRANSPORT_CONTACT;
	err = contact_save(c);
	if (err)
		transport_later(t, on_accept_durable, pairing, err);
	else
		transport_when_durable(t, on_accept_durable, pairing);
}

static enum err check_invite(
	const struct transport *t, const struct invite *v, struct err_ctx *why)
{
	if (memcmp(v->identity, identity_public(t->identity), 32) == 0)
		return err_set(why, ERR_INVALID, "this is your own invite");
	if (v->expiry_min + 24 * 60 <= now_min(t)) /* clocks may be a day off */
		return err_set(why, ERR_INVALID, "this invite has expired");
	if (blocked_key(t, v->identity) || blocked_key(t, v->node))
		return err_set(why, ERR_FORBIDDEN, "the inviter is blocked here");
	return ERR_OK;
}

void transport_invite_accept(
	struct transport *t, struct str text, transport_accept_fn *done, void *arg)
{
	struct pairing *pairing = NEW(struct pairing);
	struct err_ctx why = { 0 };
	struct contact *c;
	enum err err = invite_parse(text, &pairing->invite, &why);

	pairing->t = t;
	pairing->done = done;
	pairing->arg = arg;
	pairing->answer.fn = on_answer;
	pairing->next = t->pairings;
	t->pairings = pairing;
	pairing->deadline = loop_timer_new(t->o.loop, on_accept_deadline, pairing);
	if (!err)
		err = check_invite(t, &pairing->invite, &why);
	if (err) {
		pairing_answer(pairing, err, why.text);
		return;
	}
	c = contact_get(t, pairing->invite.identity);
	pairing->peer = peer_get(c, pairing->invite.node);
	if (!pairing->peer) {
		pairing_answer(pairing, ERR_LIMIT, "that contact has too many devices");
		return;
	}
	if (c->level == TRANSPORT_CONTACT && contact_up(c)) {
		pairing_answer(pairing, ERR_OK, "");
		return;
	}
	for (size_t i = pairing->invite.n_endpoints; i-- > 0;)
		peer_endpoint_first(pairing->peer, &pairing->invite.endpoints[i]);
	loop_timer_set(t->o.loop, pairing->deadline, ACCEPT_MS);
	dial_pairing(pairing, pairing->peer, &pairing->invite);
}

void pairings_peer_failed(struct peer *p, const char *why)
{
	for (struct pairing *pairing = p->contact->t->pairings; pairing;
		pairing = pairing->next) {
		if (pairing->peer == p)
			pairing_failed(pairing, why);
	}
}

void pairings_free(struct transport *t)
{
	struct making *m;
	struct pairing *p;

	while ((m = t->makings) != NULL) {
		transport_not_waiting(t, m);
		t->makings = m->next;
		made(m, ERR_CANCELLED);
	}
	while ((p = t->pairings) != NULL) {
		t->pairings = p->next;
		pairing_end(p, ERR_CANCELLED, "the node is closing");
	}
}
