#include "node/federation/sender_parts.h"

#include <stdlib.h>

#include "node/base/limits.h"
#include "node/core/id.h"
#include "store/event.h"

#define SCAN_EVENTS 500 /* of ours looked at in one go */

void sender_drop_now(struct destination *d)
{
	struct now_edu *next;

	for (struct now_edu *e = d->now; e; e = next) {
		next = e->next;
		free(e);
	}
	d->now = NULL;
	d->n_now = 0;
}

/* One of the server's users was shown the door. (Invites go another way.) */
static bool shows_the_door(const struct store_event *e, struct str server)
{
	CLEANUP(json_freep) struct json *event = NULL;
	struct str membership = { 0 };

	if (!str_eq(e->type, STR("m.room.member")) ||
		!str_eq(id_server_of(e->state_key), server) ||
		json_parse(e->json, &json_limits_peer, &event, NULL))
		return false;
	(void)json_as_str(json_get(json_get(event, "content"), "membership"), &membership);
	return str_eq(membership, STR("leave")) || str_eq(membership, STR("ban"));
}

/* Is this event of ours for that server? It is if one of its users was in the room then, or was
 * just put out of it. */
static bool concerns(struct making *m, const struct store_event *e)
{
	struct store *st = m->d->s->f->o.store;
	struct str name = name_of(m->d);

	if (str_eq(id_server_of(e->sender), name))
		return false;
	if (!str_eq(m->room_id, e->room_id)) {
		m->room_id = e->room_id;
		if (outbox_joined_since(st, e->room_id, name, &m->since))
			m->since = INT64_MAX;
	}
	if (m->since <= e->pos)
		return true;
	return m->since == INT64_MAX && shows_the_door(e, name);
}

static bool take_event(void *arg, const struct store_event *e)
{
	struct making *m = arg;

	m->seen++;
	if (concerns(m, e)) {
		if (m->n_pdus == LIMIT_TXN_PDUS)
			return false;
		jw_raw(&m->w, e->json);
		m->n_pdus++;
		m->last_pdu = e->pos;
	}
	m->pos = e->pos;
	return true;
}

/* Our events up to `to`. *cut: there are more than one transaction holds. */
static enum err put_pdus(struct making *m, int64_t to, bool *cut)
{
	struct store *st = m->d->s->f->o.store;
	enum err err = ERR_OK;

	m->pos = m->d->pos;
	jw_key(&m->w, "pdus");
	jw_arr(&m->w);
	if (m->pos < to)
		err = store_event_local_range(st, m->a, m->pos, to, SCAN_EVENTS, take_event, m);
	jw_end(&m->w);
	*cut = m->seen >= SCAN_EVENTS || m->n_pdus == LIMIT_TXN_PDUS;
	if (!*cut && m->pos < to)
		m->pos = to;
	return err;
}

/* Those of the list up to `to`, and what is volatile. */
static void put_edus(struct making *m, const struct outbox_waiting *edus, size_t n, int64_t to)
{
	struct destination *d = m->d;
	uint64_t now = mono(d->s);

	jw_key(&m->w, "edus");
	jw_arr(&m->w);
	for (size_t i = 0; i < n && edus[i].pos <= to; i++) {
		jw_raw(&m->w, edus[i].json);
		m->n_edus++;
		d->flight.edu_pos = edus[i].pos;
	}
	for (struct now_edu *e = d->now; e && m->n_edus < LIMIT_TXN_EDUS; e = e->next) {
		if (e->until_ms < now)
			continue;
		jw_raw(&m->w, e->json);
		m->n_edus++;
	}
	sender_drop_now(d);
	jw_end(&m->w);
}

/* Up to where it goes at most: what is on disk, or what the one that it repeats had. */
static int64_t bound_of(const struct destination *d)
{
	int64_t durable = store_durable_pos(d->s->f->o.store);

	return d->unanswered.sequence ? (int64_t)d->unanswered.sequence : durable;
}

/* A transaction has everything up to one position, its sequence: where the list of EDUs or that
 * of events is cut, the other ends there too. */
enum err sender_make(struct making *m, struct buf *body)
{
	struct destination *d = m->d;
	struct sender *s = d->s;
	const struct outbox_waiting *edus;
	int64_t to = bound_of(d);
	bool cut_edus, cut_pdus, held;
	size_t n;
	enum err err = outbox_edus(s->f->o.store, m->a, name_of(d),
		clock_wall_ms(s->f->o.clock), LIMIT_TXN_EDUS, &edus, &n);

	if (err)
		return err;
	d->flight = (struct flight){ .more = to < store_durable_pos(s->f->o.store) };
	held = d->hold_edus;
	d->hold_edus = false;
	cut_edus = !held && n == LIMIT_TXN_EDUS && edus[n - 1].pos < to;
	if (cut_edus)
		to = edus[n - 1].pos;
	m->w = jw_to(body);
	jw_obj(&m->w);
	jw_kv_str(&m->w, "origin", s->f->o.server_name);
	jw_kv_int(&m->w, "origin_server_ts", clock_wall_ms(s->f->o.clock));
	err = put_pdus(m, to, &cut_pdus);
	if (err)
		return err;
	if (cut_pdus && m->pos < to)
		to = m->pos;
	held = held && m->n_pdus;
	put_edus(m, edus, held ? 0 : n, to);
	jw_end(&m->w);
	d->flight.more = d->flight.more || cut_edus || cut_pdus || (held && n > 0);
	d->flight.pdu_pos = m->pos;
	/* What is volatile alone moves no position: with a number it would be taken for a
	 * repeat of what went up to the same one. */
	d->flight.sequence =
		held || to <= 0 || (!m->n_pdus && !d->flight.edu_pos) ? 0 : (uint64_t)to;
	return m->n_pdus || m->n_edus ? ERR_OK : ERR_NOT_FOUND;
}
