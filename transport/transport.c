#include "transport/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/addresses.h"
#include "transport/transport_int.h"

#define LOG_MODULE "transport"

#define RECORD_RENEW_MS (NODE_RECORD_LIFETIME_MAX * 3 / 4 * 1000ull)

/* Someone who waits for durability, or for the end of this turn. */
struct wait {
	struct wait *next;
	struct transport *t; /* NULL: nobody waits any more */
	void (*fn)(void *arg, enum err err);
	void *arg;
	enum err err;
	struct loop_deferred deferred;
};

/* ---- waiting ---- */

static struct wait *wait_new(
	struct transport *t, void (*fn)(void *arg, enum err err), void *arg)
{
	struct wait *w = NEW(struct wait);

	w->t = t;
	w->fn = fn;
	w->arg = arg;
	w->next = t->waits;
	t->waits = w;
	return w;
}

static void wait_unlink(struct wait *w)
{
	struct wait **at = &w->t->waits;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	w->t = NULL;
}

static void wait_over(void *arg, enum err err)
{
	struct wait *w = arg;

	if (w->t) {
		wait_unlink(w);
		w->fn(w->arg, err);
	}
	free(w);
}

static void wait_deferred(struct loop_deferred *d)
{
	struct wait *w = CONTAINER_OF(d, struct wait, deferred);

	wait_over(w, w->err);
}

void transport_when_durable(struct transport *t, void (*fn)(void *arg, enum err err), void *arg)
{
	t->o.persist->durable(t->o.persist, wait_over, wait_new(t, fn, arg));
}

void transport_later(
	struct transport *t, void (*fn)(void *arg, enum err err), void *arg, enum err err)
{
	struct wait *w = wait_new(t, fn, arg);

	w->err = err;
	w->deferred.fn = wait_deferred;
	loop_defer(t->o.loop, &w->deferred);
}

/* What waits for durability is freed when that answers; what is deferred, now. */
static void wait_drop(struct wait *w)
{
	/* The analyser takes it for the one that was unlinked before. */
	struct loop *loop = w->t->o.loop; /* NOLINT(clang-analyzer-core.NullDereference) */

	wait_unlink(w);
	if (!w->deferred.queued)
		return;
	loop_undefer(loop, &w->deferred);
	free(w);
}

void transport_not_waiting(struct transport *t, void *arg)
{
	struct wait *next;

	for (struct wait *w = t->waits; w; w = next) {
		next = w->next;
		if (w->arg == arg)
			wait_drop(w);
	}
}

/* ---- the end of a turn ---- */

static void on_ended(struct loop_deferred *d)
{
	calls_tell(CONTAINER_OF(d, struct transport, ended));
}

static void on_serve(struct loop_deferred *d)
{
	incomings_serve(CONTAINER_OF(d, struct transport, serve));
}

static void on_serve_timer(void *arg)
{
	incomings_serve(arg);
}

static void tell_peer(struct transport *t, struct contact *c)
{
	struct transport_listener *next;
	struct str name = { c->name, IDENTITY_NAME_LEN };

	for (struct transport_listener *l = t->listeners; l; l = next) {
		next = l->next;
		if (c->was_up && l->peer_up)
			l->peer_up(l->arg, name);
		else if (!c->was_up && l->peer_down)
			l->peer_down(l->arg, name);
	}
}

static void tell_contact(struct transport *t, struct contact *c)
{
	struct transport_listener *next;

	for (struct transport_listener *l = t->listeners; l; l = next) {
		struct transport_peer peer;

		next = l->next;
		contact_describe(c, &peer);
		if (l->contact)
			l->contact(l->arg, &peer);
	}
}

static void tell_acked(struct transport *t, struct contact *c)
{
	struct transport_listener *next;
	const struct peer *p = contact_session_peer(c);
	struct acked acked = p->acked;

	for (struct transport_listener *l = t->listeners; l; l = next) {
		next = l->next;
		if (l->acked)
			l->acked(l->arg, (struct str){ c->name, IDENTITY_NAME_LEN }, &acked);
	}
}

/* One thing to tell; what listeners do in return may change the list of contacts. */
static bool tell_one(struct transport *t)
{
	for (struct contact *c = t->contacts; c; c = c->next) {
		struct peer *p = contact_session_peer(c);

		if (c->tell_contact && c->level == TRANSPORT_CONTACT) {
			c->tell_contact = false;
			tell_contact(t, c);
			return true;
		}
		if (p && p->tell_acked) {
			p->tell_acked = false;
			tell_acked(t, c);
			return true;
		}
		if (c->was_up != (p != NULL)) {
			c->was_up = !c->was_up;
			tell_peer(t, c);
			return true;
		}
	}
	return false;
}

static void on_turn(struct loop_deferred *d)
{
	struct transport *t = CONTAINER_OF(d, struct transport, turn);

	contact_free_doomed(t);
	wlink_reap(t);
	contact_free_doomed(t);
	while (!t->closing && tell_one(t))
		;
}

void transport_turn(struct transport *t)
{
	loop_defer(t->o.loop, &t->turn);
}

/* ---- our node record ---- */

/* A counter that outlives restarts and clocks that go back (overlay.md, section 1). */
static uint64_t next_record_seq(struct transport *t)
{
	int64_t now = clock_wall_ms(t->o.clock);
	uint64_t seq = now > 0 ? (uint64_t)now : 1;
	CLEANUP(buf_deinit) struct buf b = { 0 };

	if (seq <= t->record_seq)
		seq = t->record_seq + 1;
	buf_put_be64(&b, seq);
	if (t->o.persist->put(t->o.persist, TRANSPORT_VALUE_SETTING, STR("record-seq"),
		    buf_str(&b)) != ERR_OK)
		log_warn(t->o.log, "the node record's number was not kept");
	return seq;
}

void transport_new_record(struct transport *t)
{
	CLEANUP(freep) struct node_record *r = NEW(struct node_record);

	memcpy(r->node, identity_node_public(t->identity), 32);
	t->record_seq = next_record_seq(t);
	r->seq = t->record_seq;
	r->lifetime_s = NODE_RECORD_LIFETIME_MAX;
	r->n_endpoints = addresses_own(t->listen_host[0] ? t->listen_host : NULL,
		transport_port(t), r->endpoints, ENDPOINTS_MAX);
	memcpy(r->owner, t->owner, sizeof(r->owner));
	buf_clear(&t->record);
	node_record_encode(r, identity_node_secret(t->identity), &t->record);
	for (struct contact *c = t->contacts; c; c = c->next) {
		for (struct peer *p = c->peers; p; p = p->next) {
			if (p->session)
				session_send_record(p->session, buf_str(&t->record));
		}
	}
	if (!t->suspended)
		loop_timer_set(t->o.loop, t->record_timer, RECORD_RENEW_MS);
}

static void on_record_timer(void *arg)
{
	transport_new_record(arg);
}

/* ---- start ---- */

struct settings {
	uint64_t port;
	uint64_t record_seq;
};

static enum err load_setting(void *arg, struct str key, struct str value)
{
	struct settings *s = arg;
	struct wire w = wire_of(value);
	uint64_t v = wire_u64(&w);

	if (!wire_done(&w))
		return ERR_CORRUPT;
	if (str_eq(key, STR("port")))
		s->port = v;
	else if (str_eq(key, STR("record-seq")))
		s->record_seq = v;
	return ERR_OK;
}

/* "HOST:PORT", "[V6]:PORT", ":PORT". */
static enum err parse_listen(
	struct transport *t, const char *text, uint16_t *port, struct err_ctx *why)
{
	struct str s = str_of(text), host;
	size_t colon = s.n;
	uint64_t n;

	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (colon == 0 || !str_to_u64(str_skip(s, colon), &n) || n > UINT16_MAX)
		return err_set(why, ERR_INVALID, "%s is no HOST:PORT", text);
	host = str_head(s, colon - 1);
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = str_head(str_skip(host, 1), host.n - 2);
	if (host.n >= sizeof(t->listen_host))
		return err_set(why, ERR_INVALID, "%s is no HOST:PORT", text);
	memcpy(t->listen_host, host.p, host.n);
	t->listen_host[host.n] = '\0';
	*port = (uint16_t)n;
	return ERR_OK;
}

static enum err keep_port(struct transport *t)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };

	buf_put_be64(&b, transport_port(t));
	return t->o.persist->put(
		t->o.persist, TRANSPORT_VALUE_SETTING, STR("port"), buf_str(&b));
}

/* Without a wish: the port of last time, else the usual one, else any that is free, kept. */
static enum err listen_anywhere(struct transport *t, uint16_t kept, struct err_ctx *why)
{
	struct err_ctx unused = { 0 };
	enum err err = link_ws_listen(t->ws, NULL, kept ? kept : LINK_PORT, &unused);

	if (err == ERR_EXISTS)
		err = link_ws_listen(t->ws, NULL, 0, why);
	else if (err)
		return err_set(why, err, "%s", unused.text);
	return err ? err : keep_port(t);
}

static enum err start(struct transport *t, struct err_ctx *why)
{
	const struct link_ws_options o = { t->o.lws, t->o.uv, t->o.loop, wlink_accepted, t };
	struct transport_persist *p = t->o.persist;
	struct settings s = { 0 };
	uint16_t port = 0;
	enum err err = p->load(p, TRANSPORT_VALUE_SETTING, load_setting, &s);

	if (err)
		return err_set(why, err, "the overlay's settings can't be read");
	t->record_seq = s.record_seq;
	err = contacts_load(t, why);
	if (!err)
		err = invites_load(t, why);
	if (!err && t->o.listen)
		err = parse_listen(t, t->o.listen, &port, why);
	if (!err)
		err = link_ws_new(&o, &t->ws, why);
	if (err)
		return err;
	if (t->o.listen)
		return link_ws_listen(
			t->ws, t->listen_host[0] ? t->listen_host : NULL, port, why);
	return listen_anywhere(t, s.port <= UINT16_MAX ? (uint16_t)s.port : 0, why);
}

enum err transport_new(
	const struct transport_options *options, struct transport **out, struct err_ctx *why)
{
	struct transport *t = NEW(struct transport);
	enum err err;

	t->o = *options;
	t->identity = options->identity;
	t->turn.fn = on_turn;
	t->ended.fn = on_ended;
	t->serve.fn = on_serve;
	t->serve_timer = loop_timer_new(t->o.loop, on_serve_timer, t);
	t->record_timer = loop_timer_new(t->o.loop, on_record_timer, t);
	map_init(&t->by_name);
	t->packer = packer_new();
	gate_init(&t->gate, t->o.rng);
	ping_pace_network(&t->pace, now_of(t), addresses_network());
	err = start(t, why);
	t->o.listen = NULL; /* the caller's, and not needed any more */
	if (err) {
		transport_free(t);
		return err;
	}
	transport_new_record(t);
	dial_all(t);
	*out = t;
	return ERR_OK;
}

void transport_free(struct transport *t)
{
	if (!t)
		return;
	t->closing = true;
	pairings_free(t);
	calls_end(t, ERR_CANCELLED, "the node is closing");
	incomings_free(t);
	wlinks_free(t);
	link_ws_free(t->ws);
	dial_forget(t, NULL);
	calls_tell(t);
	contacts_free(t);
	invites_free(t);
	while (t->waits)
		wait_drop(t->waits); /* NOLINT(clang-analyzer-unix.Malloc): it left the list */
	loop_undefer(t->o.loop, &t->turn);
	loop_undefer(t->o.loop, &t->ended);
	loop_undefer(t->o.loop, &t->serve);
	loop_timer_free(t->o.loop, t->serve_timer);
	loop_timer_free(t->o.loop, t->record_timer);
	buf_deinit(&t->record);
	packer_free(t->packer);
	free(t);
}
