#include "node/federation/sender.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/core/id.h"
#include "node/federation/remote.h"
#include "node/federation/sender_parts.h"
#include "node/federation/uri.h"
#include "node/room/rooms.h"
#include "store/event.h"
#include "store/membership.h"

#define LOG_MODULE "outbox"

#define TRANSACTION_MS  120000 /* the other side may fetch what it misses first */
#define BACK_OFF_MS     2000
#define BACK_OFF_MAX_MS (INT64_C(3600) * 1000)
#define NOW_WAITING     100 /* volatile EDUs for one destination */
#define NOW_MS          20000
#define WRITE_AFTER_MS  30000 /* positions reached are written after this, or with EDUs */
#define START_AFTER_MS  1000
#define DIALS_MAX       16 /* transactions on their way to those who aren't connected */
#define DIAL_AGAIN_MS   5000
#define SENDS_A_TURN    16

static struct destination *find(struct sender *s, struct str name)
{
	return map_get(&s->destinations, name);
}

/* A destination to which nothing was ever sent has what was before its first user came. */
static int64_t first_position(struct sender *s, struct arena *a, struct str name)
{
	const struct str *rooms;
	int64_t pos = INT64_MAX;
	size_t n;

	if (store_membership_server_rooms(s->f->o.store, a, name, &rooms, &n))
		return store_durable_pos(s->f->o.store);
	for (size_t i = 0; i < n; i++) {
		int64_t since;

		if (!outbox_joined_since(s->f->o.store, rooms[i], name, &since) && since < pos)
			pos = since;
	}
	return pos == INT64_MAX ? store_durable_pos(s->f->o.store) : pos - 1;
}

static struct destination *add(
	struct sender *s, struct arena *a, const struct outbox_destination *row)
{
	struct destination *d = NEW(struct destination);
	int64_t wait = row->retry_at_ms - clock_wall_ms(s->f->o.clock);

	d->s = s;
	d->name = xstrdup(row->name);
	d->pos = row->pdu_pos >= 0 ? row->pdu_pos : first_position(s, a, row->name);
	d->interval_ms = row->interval_ms;
	/* A clock that was set back must not hold it for years. */
	if (row->retry_at_ms && wait > 0)
		d->retry_at_ms = mono(s) +
			(uint64_t)(wait < BACK_OFF_MAX_MS * 2 ? wait : BACK_OFF_MAX_MS);
	map_put(&s->destinations, name_of(d), d);
	if (id_kith_name(row->name, NULL))
		(void)!transport_allow(s->f->o.transport, row->name, TRANSPORT_ACQUAINTANCE);
	return d;
}

static struct destination *get(struct sender *s, struct str name)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	struct destination *d = find(s, name);
	struct outbox_destination row = { .name = name, .pdu_pos = -1 };

	if (d || str_eq(name, s->f->o.server_name) || !id_server_name(name))
		return d;
	a = arena_new();
	if (outbox_destination_get(s->f->o.store, a, name, &row))
		row = (struct outbox_destination){ .name = name, .pdu_pos = -1 };
	return add(s, a, &row);
}

/* ---- when ---- */

static void set_retry_timer(struct sender *s)
{
	uint64_t first = UINT64_MAX;
	uint64_t now = mono(s);
	struct destination *d;
	size_t at = 0;

	while ((d = map_next(&s->destinations, &at)))
		if (d->waiting && !d->flying && !d->ready && d->retry_at_ms &&
			d->retry_at_ms < first)
			first = d->retry_at_ms;
	if (first == UINT64_MAX)
		loop_timer_stop(s->f->o.loop, s->retry_timer);
	else
		loop_timer_set(s->f->o.loop, s->retry_timer, first > now ? first - now : 0);
}

/* Something may be there to send: looks at the end of this turn, unless d is left alone. */
static void wake(struct destination *d)
{
	struct sender *s = d->s;

	d->waiting = true;
	if (!s->running || d->flying || d->ready)
		return;
	if (d->retry_at_ms > mono(s)) {
		set_retry_timer(s);
		return;
	}
	d->ready = true;
	d->next_ready = NULL;
	*s->last_ready = d;
	s->last_ready = &d->next_ready;
	loop_defer(s->f->o.loop, &s->deferred);
}

static void retry(void *arg)
{
	struct sender *s = arg;
	struct destination *d;
	uint64_t now = mono(s);
	size_t at = 0;

	while ((d = map_next(&s->destinations, &at)))
		if (d->waiting && !d->flying && d->retry_at_ms && d->retry_at_ms <= now)
			wake(d);
	set_retry_timer(s);
}

void sender_peer_seen(struct sender *s, struct str name)
{
	struct destination *d = find(s, name);

	if (!d)
		return;
	if (d->retry_at_ms) {
		d->retry_at_ms = 0;
		d->interval_ms = 0;
		d->dirty = true;
	}
	if (d->waiting)
		wake(d);
}

/* A link is up: it may wait for more than we know of. */
static void peer_up(void *arg, struct str name)
{
	struct sender *s = arg;
	struct destination *d = get(s, name);

	if (!d)
		return;
	sender_peer_seen(s, name);
	wake(d);
	rooms_server_up(s->f->o.rooms, name);
}

static void peer_down(void *arg, struct str name)
{
	struct sender *s = arg;
	struct destination *d = find(s, name);

	if (d && !d->flying)
		sender_drop_now(d);
}

/* ---- what was reached is written now and then ---- */

static enum err write_one(struct destination *d)
{
	struct sender *s = d->s;
	struct outbox_destination row = { .name = name_of(d), .pdu_pos = d->pos };
	uint64_t now = mono(s);

	if (d->retry_at_ms > now) {
		row.retry_at_ms =
			clock_wall_ms(s->f->o.clock) + (int64_t)(d->retry_at_ms - now);
		row.interval_ms = d->interval_ms;
	}
	return outbox_destination_put(s->f->o.store, &row);
}

static void write_all(void *arg)
{
	struct sender *s = arg;
	struct destination *d;
	size_t at = 0;
	enum err err;

	s->writing = false;
	loop_timer_stop(s->f->o.loop, s->write_timer);
	err = store_begin(s->f->o.store);
	if (err)
		return;
	while (!err && (d = map_next(&s->destinations, &at)))
		if (d->dirty)
			err = write_one(d);
	err = store_end(s->f->o.store, err);
	at = 0;
	/* What was not written is sent again after a crash, which does no harm. */
	while (!err && (d = map_next(&s->destinations, &at)))
		d->dirty = false;
}

static void dirty(struct destination *d)
{
	d->dirty = true;
	if (!d->s->writing)
		loop_timer_set(d->s->f->o.loop, d->s->write_timer, WRITE_AFTER_MS);
	d->s->writing = true;
}

/* ---- sending ---- */

static void done(void *arg, const struct remote_answer *answer);

static void send(struct destination *d, const struct making *m, const struct buf *body)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };
	struct sender *s = d->s;
	struct str txn_id;

	/* Not the same after a restart: a store that was put back has other things at the same
	 * positions. */
	txn_id = d->flight.sequence
		? arena_printf(m->a, "%llu-%llx", (unsigned long long)d->flight.sequence,
			  (unsigned long long)s->run)
		: arena_printf(m->a, "now%llu-%llu",
			  (unsigned long long)clock_wall_ms(s->f->o.clock),
			  (unsigned long long)s->transactions);
	uri_put_path(&path, "/_matrix/federation/v1/send/%s", &txn_id, 1);
	d->flying = true;
	if (d->flight.sequence > d->sent_upto)
		d->sent_upto = d->flight.sequence;
	d->flight.dial = !transport_connected(s->f->o.transport, name_of(d));
	d->flight.pdus = m->n_pdus > 0;
	d->flight.edus = m->n_edus > 0;
	s->dials += d->flight.dial;
	s->transactions++;
	remote_ask(s->f,
		&(struct remote_question){ .server = name_of(d),
			.method = TRANSPORT_PUT,
			.path = buf_str(&path),
			.body = buf_str(body),
			.sequence = d->flight.sequence,
			.deadline_ms = TRANSACTION_MS,
			.class = TRANSPORT_KEEP,
			.done = done,
			.arg = d });
}

static void send_next(struct destination *d)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	CLEANUP(buf_deinit) struct buf body = { 0 };
	struct making m = { .d = d, .a = a };
	enum err err = sender_make(&m, &body);

	d->waiting = false;
	if (!err) {
		send(d, &m, &body);
		return;
	}
	if (err != ERR_NOT_FOUND) {
		d->retry_at_ms = mono(d->s) + BACK_OFF_MS;
		wake(d);
		return;
	}
	d->unanswered = (struct flight){ 0 }; /* newer ones have replaced all that was in it */
	/* Nothing for it up to here: it need not be looked at again. */
	if (d->flight.pdu_pos > d->pos) {
		d->pos = d->flight.pdu_pos;
		d->dirty = true; /* written when something else is */
	}
	if (d->flight.more)
		wake(d);
}

static struct destination *take_ready(struct sender *s)
{
	struct destination *d = s->first_ready;

	if (!d)
		return NULL;
	s->first_ready = d->next_ready;
	if (!s->first_ready)
		s->last_ready = &s->first_ready;
	d->ready = false;
	return d;
}

/* Many that aren't there are tried a few at a time; retry() comes back to the others. */
static bool may_dial(struct destination *d)
{
	struct sender *s = d->s;

	if (s->dials < DIALS_MAX || transport_connected(s->f->o.transport, name_of(d)))
		return true;
	d->retry_at_ms = mono(s) + DIAL_AGAIN_MS;
	return false;
}

static void send_some(struct sender *s)
{
	struct destination *d = NULL;
	bool put_off = false;

	for (int i = 0; i < SENDS_A_TURN && s->running && (d = take_ready(s)); i++) {
		if (d->flying)
			continue;
		if (may_dial(d))
			send_next(d);
		else
			put_off = true;
	}
	if (put_off)
		set_retry_timer(s);
	if (s->first_ready)
		loop_timer_set(s->f->o.loop, s->turn_timer, 0);
}

static void send_ready(struct loop_deferred *deferred)
{
	send_some(CONTAINER_OF(deferred, struct sender, deferred));
}

static void send_rest(void *arg)
{
	send_some(arg);
}

/* ---- answers ---- */

static void back_off(struct destination *d, uint64_t at_least_ms)
{
	struct sender *s = d->s;
	uint32_t chance;
	uint64_t wait;

	d->interval_ms = d->interval_ms ? d->interval_ms * 2 : BACK_OFF_MS;
	if (d->interval_ms > BACK_OFF_MAX_MS)
		d->interval_ms = BACK_OFF_MAX_MS;
	rng_fill(s->f->o.rng, &chance, sizeof(chance));
	/* 80 to 120 % of it. */
	wait = (uint64_t)d->interval_ms * (800 + chance % 401) / 1000;
	d->retry_at_ms = mono(s) + (wait > at_least_ms ? wait : at_least_ms);
	dirty(d);
}

/* The EDUs are gone with the position, in one transaction. */
static void acknowledged(struct destination *d)
{
	struct store *st = d->s->f->o.store;
	enum err err;

	d->pos = d->flight.pdu_pos;
	d->unanswered = (struct flight){ 0 };
	d->interval_ms = 0;
	d->retry_at_ms = 0;
	dirty(d);
	if (!d->flight.edu_pos)
		return;
	err = store_begin(st);
	if (err)
		return; /* sent once more: the other side knows them */
	err = outbox_edus_done(st, name_of(d), d->flight.edu_pos);
	if (!err)
		err = write_one(d);
	err = store_end(st, err);
	d->dirty = d->dirty && err;
}

/* Is that flight committed, by what the destination says? Only of what it was sent. */
static bool has_all(
	const struct destination *d, const struct flight *flight, const struct acked *acked)
{
	return acked && flight->sequence && acked->upto <= d->sent_upto &&
		acked_has(acked, flight->sequence);
}

/* All but a plain refusal. */
static bool may_have_worked(enum err err)
{
	return err != ERR_LIMIT && err != ERR_FORBIDDEN && err != ERR_NOT_FOUND &&
		err != ERR_INVALID;
}

static void peer_acked(void *arg, struct str name, const struct acked *acked)
{
	struct sender *s = arg;
	struct destination *d = find(s, name);

	if (!d || d->flying || !has_all(d, &d->unanswered, acked))
		return;
	d->flight = d->unanswered;
	acknowledged(d);
	wake(d);
}

static void log_refusals(struct destination *d, struct str body)
{
	CLEANUP(json_freep) struct json *reply = NULL;
	struct str error;

	if (json_parse(body, &json_limits_peer, &reply, NULL))
		return;
	for (const struct json *m = json_first(json_get(reply, "pdus")); m; m = json_next(m))
		if (json_as_str(json_get(m, "error"), &error))
			log_debug(d->s->f->o.log, "event refused event_id=%.*s by=%s: %.*s",
				STR_FMT(json_key(m)), d->name, STR_FMT(error));
}

static void done(void *arg, const struct remote_answer *answer)
{
	struct destination *d = arg;
	struct sender *s = d->s;

	d->flying = false;
	s->dials -= d->flight.dial;
	if (answer->err == ERR_CANCELLED || !s->running) {
		d->waiting = true;
		return;
	}
	if (answer->err && !has_all(d, &d->flight, answer->acked)) {
		d->unanswered = may_have_worked(answer->err) ? d->flight : (struct flight){ 0 };
		if (log_limit(&s->failed, mono(s)))
			log_info(s->f->o.log, "not delivered to=%s: %s (%u more like it)",
				d->name, answer->why.text, s->failed.dropped);
		d->hold_edus = answer->err == ERR_LIMIT && d->flight.pdus && d->flight.edus;
		back_off(d, answer->retry_after_ms);
		d->waiting = true;
		set_retry_timer(s);
		return;
	}
	if (!answer->err)
		log_refusals(d, answer->body);
	acknowledged(d);
	if (d->flight.more || d->waiting)
		wake(d);
	else
		set_retry_timer(s);
}

/* ---- what is new ---- */

static void new_event(struct sender *s, const struct feed_item *item)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct str *servers;
	struct destination *d;
	size_t n;

	if (!item->local ||
		store_membership_servers(s->f->o.store, a, item->room_id, &servers, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		d = get(s, servers[i]);
		if (d)
			wake(d);
	}
	d = item->member.n ? get(s, id_server_of(item->member)) : NULL;
	if (d)
		wake(d);
}

static void on_feed(void *arg, const struct feed_item *item)
{
	struct sender *s = arg;
	struct destination *d = NULL;

	if (item->kind == FEED_EVENT)
		new_event(s, item);
	else if (item->kind == FEED_OUTBOX)
		d = get(s, item->destination);
	else if (item->kind == FEED_MEMBERSHIP && item->user_id.n &&
		store_membership_of(s->f->o.store, item->room_id, item->user_id) ==
			MEMBERSHIP_JOIN)
		(void)get(s, id_server_of(item->user_id)); /* it may link to us from now on */
	if (d)
		wake(d);
}

static void on_now(void *arg, struct str destination, struct str key, struct str json)
{
	struct sender *s = arg;
	struct destination *d = s->running ? get(s, destination) : NULL;
	struct now_edu **at;
	struct now_edu *e;

	if (!d || !transport_connected(s->f->o.transport, destination))
		return;
	for (at = &d->now; *at; at = &(*at)->next)
		if (key.n && str_eq((*at)->key, key))
			break;
	if (*at) {
		e = *at;
		*at = e->next;
		free(e);
		d->n_now--;
	}
	if (d->n_now >= NOW_WAITING)
		return;
	e = xalloc(sizeof(*e) + key.n + json.n);
	memcpy(e + 1, key.p, key.n);
	memcpy((char *)(e + 1) + key.n, json.p, json.n);
	e->key = (struct str){ (char *)(e + 1), key.n };
	e->json = (struct str){ (char *)(e + 1) + key.n, json.n };
	e->until_ms = mono(s) + NOW_MS;
	for (at = &d->now; *at; at = &(*at)->next)
		;
	*at = e;
	d->n_now++;
	wake(d);
}

/* ---- life ---- */

static bool wake_row(void *arg, const struct outbox_destination *row)
{
	struct sender *s = arg;
	struct destination *d = get(s, row->name);

	if (d)
		wake(d);
	return true;
}

/* Once after the start: everyone who may be behind is looked at. */
static void look_at_all(void *arg)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct sender *s = arg;

	if (outbox_destinations(s->f->o.store, a, wake_row, s))
		log_warn(s->f->o.log, "the outbox could not be read");
}

struct sender *sender_new(struct federation *f)
{
	struct sender *s = NEW(struct sender);

	s->f = f;
	rng_fill(f->o.rng, &s->run, sizeof(s->run));
	map_init(&s->destinations);
	s->last_ready = &s->first_ready;
	s->deferred.fn = send_ready;
	s->turn_timer = loop_timer_new(f->o.loop, send_rest, s);
	s->retry_timer = loop_timer_new(f->o.loop, retry, s);
	s->write_timer = loop_timer_new(f->o.loop, write_all, s);
	s->start_timer = loop_timer_new(f->o.loop, look_at_all, s);
	s->feed = (struct store_listener){ .item = on_feed, .arg = s };
	s->peers = (struct transport_listener){
		.peer_up = peer_up, .peer_down = peer_down, .acked = peer_acked, .arg = s
	};
	s->now = (struct outbox_now){ .put = on_now, .arg = s };
	return s;
}

void sender_start(struct sender *s)
{
	s->running = true;
	store_listen(s->f->o.store, &s->feed);
	transport_listen(s->f->o.transport, &s->peers);
	outbox_set_now(s->f->o.store, &s->now);
	loop_timer_set(s->f->o.loop, s->start_timer, START_AFTER_MS);
}

void sender_stop(struct sender *s)
{
	if (!s->running)
		return;
	s->running = false;
	outbox_set_now(s->f->o.store, NULL);
	transport_unlisten(s->f->o.transport, &s->peers);
	store_unlisten(s->f->o.store, &s->feed);
	loop_undefer(s->f->o.loop, &s->deferred);
	loop_timer_stop(s->f->o.loop, s->turn_timer);
	loop_timer_stop(s->f->o.loop, s->retry_timer);
	loop_timer_stop(s->f->o.loop, s->start_timer);
	write_all(s);
}

void sender_free(struct sender *s)
{
	struct destination *d;
	size_t at = 0;

	if (!s)
		return;
	sender_stop(s);
	while ((d = map_next(&s->destinations, &at))) {
		sender_drop_now(d);
		free(d->name);
		free(d);
	}
	map_deinit(&s->destinations);
	loop_timer_free(s->f->o.loop, s->turn_timer);
	loop_timer_free(s->f->o.loop, s->retry_timer);
	loop_timer_free(s->f->o.loop, s->write_timer);
	loop_timer_free(s->f->o.loop, s->start_timer);
	free(s);
}

void sender_status(const struct sender *s, struct federation_status *out)
{
	uint64_t now = mono(s);
	struct destination *d;
	size_t at = 0;

	out->destinations = s->destinations.n;
	out->transactions_out = s->transactions;
	while ((d = map_next(&s->destinations, &at))) {
		out->sending += d->flying;
		out->waiting += d->waiting || d->flying;
		out->backing_off += d->waiting && d->retry_at_ms > now;
	}
}
