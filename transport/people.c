/* The functions of transport.h about who is there, and a phone's life. */
#include <stdlib.h>
#include <string.h>

#include "transport/addresses.h"
#include "transport/transport_int.h"

#define LOG_MODULE "transport"

uint16_t transport_port(const struct transport *t)
{
	return t->ws ? link_ws_port(t->ws) : 0;
}

void transport_listen(struct transport *t, struct transport_listener *l)
{
	l->next = t->listeners;
	t->listeners = l;
}

void transport_unlisten(struct transport *t, struct transport_listener *l)
{
	struct transport_listener **at = &t->listeners;

	while (*at && *at != l)
		at = &(*at)->next;
	if (*at)
		*at = l->next;
}

bool transport_connected(const struct transport *t, struct str name)
{
	const struct contact *c = contact_by_name(t, name);

	return c && contact_up(c);
}

void transport_peers(const struct transport *t,
	void (*each)(void *arg, const struct transport_peer *peer), void *arg)
{
	for (const struct contact *c = t->contacts; c; c = c->next) {
		struct transport_peer peer;

		if (c->level == TRANSPORT_STRANGER)
			continue;
		contact_describe(c, &peer);
		each(arg, &peer);
	}
}

bool transport_peer_get(const struct transport *t, struct str name, struct transport_peer *out)
{
	const struct contact *c = contact_by_name(t, name);

	if (!c || c->level == TRANSPORT_STRANGER)
		return false;
	contact_describe(c, out);
	return true;
}

static enum err lower_to_stranger(struct contact *c)
{
	struct transport_persist *p = c->t->o.persist;
	struct str key = { (char *)c->identity, 32 };
	enum err err = p->del(p, TRANSPORT_VALUE_CONTACT, key);

	if (!err)
		err = p->del(p, TRANSPORT_VALUE_DOCUMENT, key);
	if (err)
		return err;
	contact_doom(c);
	return ERR_OK;
}

enum err transport_allow(struct transport *t, struct str name, enum transport_level level)
{
	unsigned char key[32];
	struct contact *c;

	if (!identity_name_parse(name, key) ||
		memcmp(key, identity_public(t->identity), 32) == 0)
		return ERR_INVALID;
	c = contact_find(t, key);
	if (level == TRANSPORT_STRANGER)
		return c && c->level == TRANSPORT_ACQUAINTANCE ? lower_to_stranger(c) : ERR_OK;
	if (!c)
		c = contact_get(t, key);
	if (c->level >= level)
		return ERR_OK;
	c->level = level;
	return contact_save(c);
}

enum err transport_forget(struct transport *t, struct str name)
{
	struct contact *c = contact_by_name(t, name);

	if (!c || c->level == TRANSPORT_STRANGER)
		return ERR_NOT_FOUND;
	invites_forget(t, c->identity);
	return lower_to_stranger(c);
}

enum err transport_set_petname(struct transport *t, struct str name, struct str petname)
{
	struct contact *c = contact_by_name(t, name);

	if (!c || c->level == TRANSPORT_STRANGER)
		return ERR_NOT_FOUND;
	if (petname.n > PETNAME_MAX || !str_is_utf8(petname))
		return ERR_INVALID;
	memcpy(c->petname, petname.p, petname.n);
	c->petname[petname.n] = '\0';
	return contact_save(c);
}

enum err transport_set_owner(struct transport *t, struct str user_id)
{
	if (!hello_owner_ok(user_id, identity_public(t->identity)))
		return ERR_INVALID;
	if (str_eq(str_of(t->owner), user_id))
		return ERR_OK;
	memcpy(t->owner, user_id.p, user_id.n);
	t->owner[user_id.n] = '\0';
	transport_new_record(t);
	return ERR_OK;
}

void transport_status(const struct transport *t, struct transport_status *out)
{
	struct transport_status s = { .port = transport_port(t) };

	for (const struct wlink *w = t->links; w; w = w->next) {
		if (link_is_up(w->link))
			s.links++;
		else
			s.half_open++;
		s.bytes_in += link_bytes_in(w->link);
		s.bytes_out += link_bytes_out(w->link);
		s.unknown_frames += link_unknown_frames(w->link);
	}
	for (const struct contact *c = t->contacts; c; c = c->next) {
		s.contacts += c->level == TRANSPORT_CONTACT;
		for (const struct peer *p = c->peers; p; p = p->next)
			s.sessions += p->session != NULL;
	}
	s.calls = calls_count(t);
	s.incoming = incomings_count(t);
	s.invites = invites_live(t);
	s.bytes_in += t->bytes_in;
	s.bytes_out += t->bytes_out;
	s.refused = t->refused;
	s.unknown_frames += t->unknown_frames;
	*out = s;
}

/* ---- a phone's life ---- */

void transport_network_changed(struct transport *t)
{
	if (t->suspended)
		return;
	ping_pace_network(&t->pace, now_of(t), addresses_network());
	for (struct wlink *w = t->links; w; w = w->next)
		link_probe(w->link, now_of(t));
	transport_new_record(t);
	dial_all(t);
}

/* Until the next common slot, when everybody who sleeps looks around (overlay.md section 12).
 */
static uint32_t sleep_s(const struct transport *t)
{
	int64_t now = clock_wall_ms(t->o.clock);
	uint64_t into = (uint64_t)(now > 0 ? now : 0) % WAKE_SLOT_MS;

	return (uint32_t)((WAKE_SLOT_MS - into) / 1000) + 1;
}

void transport_suspend(struct transport *t)
{
	if (t->suspended)
		return;
	t->suspended = true;
	loop_timer_stop(t->o.loop, t->record_timer);
	for (struct contact *c = t->contacts; c; c = c->next) {
		for (struct peer *p = c->peers; p; p = p->next)
			dial_stop(p);
	}
	for (struct wlink *w = t->links; w; w = w->next) {
		link_sleep(w->link, sleep_s(t));
		loop_timer_stop(t->o.loop, w->timer);
		w->timer_at = 0;
	}
}

void transport_resume(struct transport *t)
{
	if (!t->suspended)
		return;
	t->suspended = false;
	for (struct wlink *w = t->links; w; w = w->next)
		wlink_rearm(w);
	transport_network_changed(t);
}
