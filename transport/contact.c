#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/transport_int.h"

#define LOG_MODULE "contact"

/*
 * A contact as it is kept: version u8, level u8, last seen u64, TLVs: 1 petname, 2 owner's user
 * id, 3 a node: key 32, endpoint that worked last (u8 length, bytes), node record.
 */
#define VERSION     1
#define TLV_PETNAME 1
#define TLV_OWNER   2
#define TLV_NODE    3

struct contact *contact_by_name(const struct transport *t, struct str name)
{
	return map_get(&t->by_name, name);
}

struct contact *contact_find(const struct transport *t, const unsigned char identity[32])
{
	char name[IDENTITY_NAME_LEN + 1];

	identity_name_of(identity, name);
	return contact_by_name(t, (struct str){ name, IDENTITY_NAME_LEN });
}

struct contact *contact_get(struct transport *t, const unsigned char identity[32])
{
	struct contact *c = contact_find(t, identity);
	struct contact **at = &t->contacts;

	if (c)
		return c;
	c = NEW(struct contact);
	c->t = t;
	memcpy(c->identity, identity, 32);
	identity_name_of(identity, c->name);
	while (*at && strcmp((*at)->name, c->name) < 0)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
	map_put(&t->by_name, (struct str){ c->name, IDENTITY_NAME_LEN }, c);
	return c;
}

bool contact_up(const struct contact *c)
{
	return contact_session_peer(c) != NULL;
}

struct peer *contact_session_peer(const struct contact *c)
{
	for (struct peer *p = c->peers; p; p = p->next) {
		if (p->link && link_is_up(p->link->link) && p->session && !p->unproven &&
			!link_asleep_until_ms(p->link->link))
			return p;
	}
	return NULL;
}

void contact_describe(const struct contact *c, struct transport_peer *out)
{
	const struct peer *up = contact_session_peer(c);

	*out = (struct transport_peer){
		.name = { c->name, IDENTITY_NAME_LEN },
		.user_id = str_of(c->owner),
		.petname = str_of(c->petname),
		.level = c->level,
		.blocked = blocked_key(c->t, c->identity),
		.connected = up != NULL,
		.last_seen_ms = c->last_seen_ms,
		.rtt_ms = up ? link_rtt_ms(up->link->link) : 0,
		.address = str_of(c->address),
		.last_error = str_of(c->last_error),
	};
}

void contact_set_owner(struct contact *c, struct str user_id)
{
	if (user_id.n == 0 || str_eq(str_of(c->owner), user_id) ||
		!hello_owner_ok(user_id, c->identity))
		return;
	(void)snprintf(c->owner, sizeof(c->owner), "%.*s", STR_FMT(user_id));
	c->tell_contact = true;
	transport_turn(c->t);
}

/* ---- nodes ---- */

struct peer *peer_find(const struct contact *c, const unsigned char node[32])
{
	struct peer *p = c->peers;

	while (p && memcmp(p->node, node, 32) != 0)
		p = p->next;
	return p;
}

static void on_redial(void *arg)
{
	struct peer *p = arg;

	dial_want(p);
}

static void on_ack_due(void *arg)
{
	struct peer *p = arg;

	if (p->session)
		session_tick(p->session, now_of(p->contact->t));
}

struct peer *peer_get(struct contact *c, const unsigned char node[32])
{
	struct peer *p = peer_find(c, node);

	if (p || c->n_peers == CONTACT_NODES)
		return p;
	p = NEW(struct peer);
	p->contact = c;
	memcpy(p->node, node, 32);
	p->redial = loop_timer_new(c->t->o.loop, on_redial, p);
	p->ack_timer = loop_timer_new(c->t->o.loop, on_ack_due, p);
	rng_fill(c->t->o.rng, p->epoch, sizeof(p->epoch));
	p->next = c->peers;
	c->peers = p;
	c->n_peers++;
	return p;
}

static void peer_free(struct peer *p)
{
	struct transport *t = p->contact->t;

	session_free(p->session);
	loop_timer_free(t->o.loop, p->redial);
	loop_timer_free(t->o.loop, p->ack_timer);
	buf_deinit(&p->record);
	free(p);
}

void peer_endpoint_first(struct peer *p, const struct endpoint *e)
{
	struct endpoint first = *e;
	size_t i = 0;

	while (i < p->n_endpoints && !endpoint_equal(&p->endpoints[i], e))
		i++;
	if (i == p->n_endpoints && p->n_endpoints < ARRAY_LEN(p->endpoints))
		p->n_endpoints++;
	if (i == ARRAY_LEN(p->endpoints))
		i--;
	memmove(&p->endpoints[1], &p->endpoints[0], i * sizeof(p->endpoints[0]));
	p->endpoints[0] = first;
}

/* The record says where it is now; the endpoint that worked last stays in front if the record
 * still has it. */
static void use_record(struct peer *p, const struct node_record *r)
{
	struct endpoint last = p->endpoints[0];
	bool had = p->n_endpoints > 0;

	memcpy(p->endpoints, r->endpoints, r->n_endpoints * sizeof(r->endpoints[0]));
	p->n_endpoints = r->n_endpoints;
	p->record_seq = r->seq;
	for (size_t i = 0; had && i < r->n_endpoints; i++) {
		if (endpoint_equal(&last, &r->endpoints[i])) {
			peer_endpoint_first(p, &last);
			return;
		}
	}
}

enum err peer_take_record(struct peer *p, struct str bytes)
{
	struct transport *t = p->contact->t;
	CLEANUP(freep) struct node_record *r = NEW(struct node_record);
	enum err err = node_record_parse(bytes, clock_wall_ms(t->o.clock), r, NULL);

	if (err == ERR_INVALID)
		return ERR_OK; /* from the future: one of our clocks is wrong, no fault of it */
	if (err)
		return err;
	if (memcmp(r->node, p->node, 32) != 0)
		return ERR_FORBIDDEN;
	if (r->seq <= p->record_seq)
		return ERR_OK;
	use_record(p, r);
	buf_clear(&p->record);
	buf_put_str(&p->record, bytes);
	contact_set_owner(p->contact, str_of(r->owner));
	contact_save_logged(p->contact);
	return ERR_OK;
}

enum err peer_take_iddoc(struct peer *p, struct str bytes)
{
	struct contact *c = p->contact;
	bool changed = false;
	enum err err = iddoc_set_merge(&c->docs, bytes, &changed, NULL);
	struct str key = { (char *)c->identity, 32 };

	if (!err && !changed && p->unproven && p->link)
		wlink_close(p->link, BYE_REVOKED, "not in the identity document");
	if (err || !changed)
		return err;
	/* Amendments are asked for again: only the document itself is kept. */
	if (c->level > TRANSPORT_STRANGER)
		err = c->t->o.persist->put(
			c->t->o.persist, TRANSPORT_VALUE_DOCUMENT, key, buf_str(&c->docs.base));
	if (err)
		log_warn(c->t->o.log, "identity document not kept peer=%s error=%s", c->name,
			err_name(err));
	for (struct peer *q = c->peers; q; q = q->next) {
		if (!q->link)
			continue;
		if (iddoc_set_allows(&c->docs, &link_peer(q->link->link)->cert))
			q->unproven = false;
		else
			wlink_close(q->link, BYE_REVOKED, "revoked");
	}
	calls_up(c);
	transport_turn(c->t);
	return ERR_OK;
}

void peer_strike(struct peer *p, unsigned n, const char *what)
{
	struct transport *t = p->contact->t;
	uint64_t now = now_of(t);
	uint64_t most =
		p->contact->level == TRANSPORT_CONTACT ? REFUSED_CONTACT_MS : REFUSED_MAX_MS;

	if (p->strikes == 0 || now - p->strikes_ms > STRIKES_WINDOW_MS) {
		p->strikes = 0;
		p->strikes_ms = now;
	}
	p->strikes += n;
	if (log_limit(&t->log_strikes, now))
		log_warn(t->o.log, "peer made a mistake peer=%s what=\"%s\" strikes=%u",
			p->contact->name, what, p->strikes);
	if (p->strikes < STRIKES_MAX)
		return;
	p->strikes = 0;
	p->refused_ms = p->refused_ms ? 2 * p->refused_ms : REFUSED_MS;
	if (p->refused_ms > most)
		p->refused_ms = most;
	p->refused_until_ms = now + p->refused_ms;
	if (p->link)
		wlink_close(p->link, BYE_STRIKES, "too many mistakes");
}

bool peer_refused(const struct peer *p)
{
	return p->refused_until_ms > now_of(p->contact->t);
}

/* ---- what is kept ---- */

static void put_node(const struct peer *p, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	CLEANUP(buf_deinit) struct buf e = { 0 };

	if (p->n_endpoints > 0)
		endpoint_put(&p->endpoints[0], &e);
	buf_put(&b, p->node, 32);
	wire_put_var_bytes(&b, buf_str(&e));
	buf_put_str(&b, buf_str(&p->record));
	wire_put_tlv(out, TLV_NODE, buf_str(&b));
}

enum err contact_save(struct contact *c)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	struct str key = { (char *)c->identity, 32 };
	struct transport_persist *persist = c->t->o.persist;

	if (c->level == TRANSPORT_STRANGER || c->doomed)
		return ERR_OK;
	buf_put_u8(&b, VERSION);
	buf_put_u8(&b, (uint8_t)c->level);
	buf_put_be64(&b, (uint64_t)c->last_seen_ms);
	if (c->petname[0])
		wire_put_tlv(&b, TLV_PETNAME, str_of(c->petname));
	if (c->owner[0])
		wire_put_tlv(&b, TLV_OWNER, str_of(c->owner));
	for (const struct peer *p = c->peers; p; p = p->next)
		put_node(p, &b);
	return persist->put(persist, TRANSPORT_VALUE_CONTACT, key, buf_str(&b));
}

void contact_save_logged(struct contact *c)
{
	enum err err = contact_save(c);

	if (err)
		log_warn(c->t->o.log, "contact not kept peer=%s error=%s", c->name,
			err_name(err));
}

static bool load_node(struct contact *c, struct str value)
{
	struct wire w = wire_of(value);
	unsigned char node[32];
	struct str last;
	struct endpoint e;
	struct peer *p;
	bool known = false;

	wire_copy(&w, node, 32);
	last = wire_var_bytes(&w, 256);
	if (w.bad || !identity_key_ok(node))
		return false;
	p = peer_get(c, node);
	if (!p)
		return false;
	if (last.n > 0) {
		struct wire lw = wire_of(last);

		endpoint_get(&lw, &e, &known);
		if (known) {
			peer_endpoint_first(p, &e);
			p->seen = endpoint_parse_ip(e.host, 0);
		}
	}
	if (w.rest.n > 0) {
		CLEANUP(freep) struct node_record *r = NEW(struct node_record);

		if (node_record_parse(w.rest, INT64_MAX, r, NULL) != ERR_OK)
			return false;
		use_record(p, r);
		buf_put_str(&p->record, w.rest);
	}
	return true;
}

static bool load_text(char *to, size_t size, struct str value)
{
	if (value.n >= size)
		return false;
	memcpy(to, value.p, value.n);
	to[value.n] = '\0';
	return true;
}

static enum err load_contact(void *arg, struct str key, struct str value)
{
	struct transport *t = arg;
	struct wire w = wire_of(value);
	uint8_t version = wire_u8(&w), level = wire_u8(&w), type;
	uint64_t seen = wire_u64(&w);
	struct contact *c;
	bool ok = key.n == 32 && version == VERSION && level <= TRANSPORT_CONTACT &&
		identity_key_ok((const unsigned char *)key.p);

	if (!ok)
		return ERR_CORRUPT;
	c = contact_get(t, (const unsigned char *)key.p);
	c->level = (enum transport_level)level;
	c->last_seen_ms = (int64_t)seen;
	while (ok &&
		wire_tlv(&w, 1u << TLV_PETNAME | 1u << TLV_OWNER | 1u << TLV_NODE, &type,
			&value)) {
		if (type == TLV_PETNAME)
			ok = load_text(c->petname, sizeof(c->petname), value);
		else if (type == TLV_OWNER)
			ok = load_text(c->owner, sizeof(c->owner), value);
		else
			ok = load_node(c, value);
	}
	return ok && wire_done(&w) ? ERR_OK : ERR_CORRUPT;
}

static enum err load_document(void *arg, struct str key, struct str value)
{
	struct transport *t = arg;
	struct contact *c = key.n == 32 ? contact_find(t, (const unsigned char *)key.p) : NULL;
	bool changed;

	if (!c)
		return ERR_OK; /* of a contact that was forgotten */
	return iddoc_set_merge(&c->docs, value, &changed, NULL) ? ERR_CORRUPT : ERR_OK;
}

static bool parse_blocked(struct str text, struct blocked *b)
{
	struct str host, bits;
	char z[64];
	uint64_t n;

	if (text.n == 0 || text.n >= sizeof(b->text))
		return false;
	memcpy(b->text, text.p, text.n);
	if (identity_name_parse(text, b->key)) {
		b->is_key = true;
		return true;
	}
	if (!str_cut(text, '/', &host, &bits) || host.n >= sizeof(z) || !str_to_u64(bits, &n))
		return false;
	memcpy(z, host.p, host.n);
	z[host.n] = '\0';
	b->range = endpoint_parse_ip(z, 0);
	b->bits = (unsigned)(n > 128 ? 128 : n);
	return b->range.n > 0 && n <= b->range.n * UINT64_C(8);
}

static enum err load_blocked(void *arg, struct str key, struct str value)
{
	struct transport *t = arg;
	struct blocked *b = NEW(struct blocked);

	(void)value;
	if (!parse_blocked(key, b)) {
		free(b);
		return ERR_CORRUPT;
	}
	b->next = t->blocked;
	t->blocked = b;
	return ERR_OK;
}

enum err contacts_load(struct transport *t, struct err_ctx *why)
{
	struct transport_persist *p = t->o.persist;
	enum err err = p->load(p, TRANSPORT_VALUE_CONTACT, load_contact, t);

	if (!err)
		err = p->load(p, TRANSPORT_VALUE_DOCUMENT, load_document, t);
	if (!err)
		err = p->load(p, TRANSPORT_VALUE_BLOCK, load_blocked, t);
	return err ? err_set(why, err, "the contacts can't be read: %s", err_name(err))
		   : ERR_OK;
}

/* ---- ends ---- */

static void contact_free(struct contact *c)
{
	struct peer *next;

	for (struct peer *p = c->peers; p; p = next) {
		next = p->next;
		peer_free(p);
	}
	iddoc_set_deinit(&c->docs);
	free(c);
}

void contact_doom(struct contact *c)
{
	struct transport *t = c->t;
	struct contact **at = &t->contacts;

	if (c->doomed)
		return;
	c->doomed = true;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	map_del(&t->by_name, (struct str){ c->name, IDENTITY_NAME_LEN });
	c->next = t->doomed;
	t->doomed = c;
	transport_turn(t);
}

static void end_doomed(struct contact *c)
{
	static const char why[] = "the contact was forgotten";

	for (struct peer *p = c->peers; p; p = p->next) {
		dial_stop(p);
		dial_forget(c->t, p);
		peer_session_reset(p, why);
	}
	for (struct wlink *w = c->t->links; w; w = w->next) {
		if (w->peer && w->peer->contact == c)
			wlink_close(w, BYE_CLOSING, why);
	}
	calls_down(c, why);
}

/* Links still point at its peers until they are reaped, which brings the next turn. */
void contact_free_doomed(struct transport *t)
{
	struct contact **at = &t->doomed;

	while (*at) {
		struct contact *c = *at;
		bool held = false;

		end_doomed(c);
		for (struct wlink *w = t->links; w && !held; w = w->next)
			held = w->peer && w->peer->contact == c;
		if (held) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		contact_free(c);
	}
}

void contacts_free(struct transport *t)
{
	struct contact *next;
	struct blocked *b;

	for (struct contact *c = t->contacts; c; c = next) {
		next = c->next;
		contact_free(c);
	}
	for (struct contact *c = t->doomed; c; c = next) {
		next = c->next;
		contact_free(c);
	}
	t->contacts = t->doomed = NULL;
	map_deinit(&t->by_name);
	while ((b = t->blocked) != NULL) {
		t->blocked = b->next;
		free(b);
	}
}

/* ---- who is kept out ---- */

bool blocked_key(const struct transport *t, const unsigned char key[32])
{
	for (const struct blocked *b = t->blocked; b; b = b->next) {
		if (b->is_key && memcmp(b->key, key, 32) == 0)
			return true;
	}
	return false;
}

static bool in_range(const struct blocked *b, const struct gate_addr *a)
{
	unsigned whole = b->bits / 8, rest = b->bits % 8;

	if (b->is_key || b->range.n != a->n || memcmp(b->range.ip, a->ip, whole) != 0)
		return false;
	return rest == 0 || (b->range.ip[whole] ^ a->ip[whole]) >> (8 - rest) == 0;
}

bool blocked_addr(const struct transport *t, const struct gate_addr *a)
{
	for (const struct blocked *b = t->blocked; b; b = b->next) {
		if (in_range(b, a))
			return true;
	}
	return false;
}

static void close_blocked(struct transport *t)
{
	for (struct wlink *w = t->links; w; w = w->next) {
		bool bad = blocked_addr(t, link_addr(w->link)) ||
			(w->peer &&
				(blocked_key(t, w->peer->node) ||
					blocked_key(t, w->peer->contact->identity)));

		if (bad)
			wlink_close(w, BYE_REVOKED, "blocked");
	}
}

enum err transport_block(struct transport *t, struct str what, struct err_ctx *why)
{
	struct blocked *b = NEW(struct blocked);
	enum err err;

	if (!parse_blocked(what, b)) {
		free(b);
		return err_set(why, ERR_INVALID,
			"neither a server name, a node key nor an address range like "
			"10.0.0.0/8");
	}
	err = t->o.persist->put(t->o.persist, TRANSPORT_VALUE_BLOCK, what, STR(""));
	if (err) {
		free(b);
		return err_set(why, err, "the block could not be kept");
	}
	b->next = t->blocked;
	t->blocked = b;
	close_blocked(t);
	return ERR_OK;
}

enum err transport_unblock(struct transport *t, struct str what, struct err_ctx *why)
{
	struct blocked **at = &t->blocked;
	bool found = false;

	while (*at) {
		struct blocked *b = *at;

		if (!str_eq(str_of(b->text), what)) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		free(b);
		found = true;
	}
	if (!found)
		return err_set(why, ERR_NOT_FOUND, "that is not blocked");
	return t->o.persist->del(t->o.persist, TRANSPORT_VALUE_BLOCK, what);
}
