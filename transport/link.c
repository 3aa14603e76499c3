#include "transport/link.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "transport/link_int.h"

void *link_arg(const struct link *l)
{
	return l->o.arg;
}

enum link_state link_state(const struct link *l)
{
	return l->state;
}

bool link_is_initiator(const struct link *l)
{
	return l->initiator;
}

bool link_is_up(const struct link *l)
{
	return l->state == LINK_UP;
}

const struct hello *link_peer(const struct link *l)
{
	return &l->hello;
}

enum noise_pattern link_pattern(const struct link *l)
{
	return l->o.pattern;
}

const unsigned char *link_invite_id(const struct link *l)
{
	return l->o.invite_id;
}

const struct gate_addr *link_addr(const struct link *l)
{
	return &l->o.addr;
}

unsigned link_rtt_ms(const struct link *l)
{
	return l->alive.srtt_ms;
}

uint64_t link_up_ms(const struct link *l)
{
	return l->up_ms;
}

uint64_t link_bytes_in(const struct link *l)
{
	return l->rx.total;
}

uint64_t link_bytes_out(const struct link *l)
{
	return l->tx.total;
}

uint64_t link_unknown_frames(const struct link *l)
{
	return l->unknown_frames;
}

uint64_t link_asleep_until_ms(const struct link *l)
{
	return l->alive.asleep_until_ms;
}

void link_leave_gate(struct link *l)
{
	if (l->at_gate)
		gate_leave(l->o.gate, &l->slot);
	l->at_gate = false;
}

void link_wake_owner(struct link *l)
{
	l->o.ops->wake(l);
}

void link_die(struct link *l, const char *why)
{
	l->state = LINK_DEAD;
	link_leave_gate(l);
	noise_wipe(&l->noise);
	if (l->notified_dead)
		return;
	l->notified_dead = true;
	l->o.ops->dead(l, why);
}

void link_go_silent(struct link *l, uint64_t now_ms)
{
	uint32_t r;

	rng_fill(l->o.rng, &r, sizeof(r));
	l->state = LINK_SILENT;
	l->deadline_ms = now_ms + r % (LINK_SILENT_MAX_MS + 1);
	l->n_pending = 0;
	noise_wipe(&l->noise);
	if (l->at_gate)
		gate_spent(l->o.gate, &l->slot);
	link_wake_owner(l);
}

struct buf *link_pending_add(struct link *l)
{
	struct buf *b;

	assert(l->n_pending < ARRAY_LEN(l->pending));
	b = &l->pending[l->n_pending++];
	buf_clear(b);
	return b;
}

void link_became_up(struct link *l, uint64_t now_ms)
{
	l->state = LINK_UP;
	l->up_ms = now_ms;
	link_alive_init(l, now_ms);
	link_renew_init(l, now_ms);
	link_leave_gate(l);
	noise_wipe(&l->noise);
	l->o.ops->up(l);
	if (l->state == LINK_UP)
		link_wake_owner(l);
}

/* ---- life ---- */

static struct link *link_new(const struct link_options *o, bool initiator, uint64_t now_ms)
{
	struct link *l = NEW(struct link);

	assert(o->pace || !(o->capabilities & CAP_MOBILE));
	l->o = *o;
	l->initiator = initiator;
	l->version = HELLO_VERSION;
	l->deadline_ms = now_ms + LINK_OPENING_MS;
	return l;
}

struct link *link_new_initiator(const struct link_options *o, uint64_t now_ms)
{
	struct link *l = link_new(o, true, now_ms);

	l->state = LINK_OPENING;
	if (o->peer_node) {
		memcpy(l->peer_node, o->peer_node, 32);
		l->o.peer_node = l->peer_node;
	}
	link_start_initiator(l);
	return l;
}

/* Another handshake needs its place at the door. */
static void on_displaced(struct gate_slot *slot)
{
	struct link *l = CONTAINER_OF(slot, struct link, slot);

	l->at_gate = false;
	link_die(l, "the door is full");
}

struct link *link_new_responder(const struct link_options *o, uint64_t now_ms)
{
	struct link *l = link_new(o, false, now_ms);

	l->state = LINK_WAITING;
	if (o->gate) {
		l->slot.displaced = on_displaced;
		l->slot.addr = o->addr;
		gate_enter(o->gate, now_ms, &l->slot, o->addr_known);
		l->at_gate = true;
	}
	return l;
}

void link_free(struct link *l)
{
	if (!l)
		return;
	link_leave_gate(l);
	noise_wipe(&l->noise);
	noise_cipher_wipe(&l->tx.cipher);
	noise_cipher_wipe(&l->rx.cipher);
	link_renew_wipe(l);
	sodium_memzero(l->o.psk, sizeof(l->o.psk));
	buf_deinit(&l->hello_bytes);
	buf_deinit(&l->plain);
	for (unsigned i = 0; i < ARRAY_LEN(l->pending); i++)
		buf_deinit(&l->pending[i]);
	free(l);
}

/* ---- in and out ---- */

void link_input(struct link *l, uint64_t now_ms, struct str message)
{
	switch (l->state) {
	case LINK_OPENING:
	case LINK_WAITING:
	case LINK_PROVING:
	case LINK_DECIDING: link_handshake_input(l, now_ms, message); return;
	case LINK_CONFIRMING:
	case LINK_UP: link_record_input(l, now_ms, message); return;
	case LINK_SILENT:
	case LINK_CLOSING:
	case LINK_DEAD: return;
	}
}

bool link_wants_carrier(const struct link *l)
{
	return l->state == LINK_OPENING && l->retried && !l->solving && l->n_pending > 0;
}

bool link_lost(struct link *l, const char *why)
{
	if ((l->state == LINK_OPENING && l->solving) || link_wants_carrier(l))
		return true;
	link_die(l, why);
	return false;
}

bool link_output(struct link *l, uint64_t now_ms, struct buf *message)
{
	if (l->n_pending > 0) {
		if (l->sent_ms == 0)
			l->sent_ms = now_ms;
		buf_put_str(message, buf_str(&l->pending[0]));
		buf_clear(&l->pending[0]);
		if (--l->n_pending > 0) {
			struct buf t = l->pending[0];

			l->pending[0] = l->pending[1];
			l->pending[1] = t;
		}
		return true;
	}
	return l->state == LINK_UP && link_record_output(l, now_ms, message);
}

void link_wake(struct link *l)
{
	l->owner_has = true;
	if (l->state == LINK_UP)
		link_wake_owner(l);
}

void link_sleep(struct link *l, uint32_t for_s)
{
	if (l->state != LINK_UP)
		return;
	l->sleep = (struct frame_sleep){ .for_s = for_s, .hold = 1 };
	l->sleeping = true;
	l->sleep_wanted = true;
	link_wake_owner(l);
}

void link_close(struct link *l, uint64_t now_ms, enum link_bye code, const char *text)
{
	if (l->state == LINK_CLOSING || l->state == LINK_DEAD)
		return;
	if (l->state != LINK_UP) {
		link_die(l, text);
		return;
	}
	buf_clear(&l->plain);
	frame_bye_put(&l->plain, (uint16_t)code, str_of(text));
	if (l->n_pending < ARRAY_LEN(l->pending))
		link_record_seal(l, true, link_pending_add(l));
	l->state = LINK_CLOSING;
	l->deadline_ms = now_ms + LINK_CLOSING_MS;
	link_wake_owner(l);
}

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t link_next_ms(const struct link *l)
{
	switch (l->state) {
	case LINK_UP: return earlier(link_alive_next_ms(l), link_renew_next_ms(l));
	case LINK_OPENING:
	case LINK_WAITING:
	case LINK_PROVING:
	case LINK_DECIDING:
	case LINK_CONFIRMING:
	case LINK_SILENT:
	case LINK_CLOSING: return l->deadline_ms;
	case LINK_DEAD: return LINK_NEVER;
	}
	return LINK_NEVER;
}

void link_tick(struct link *l, uint64_t now_ms)
{
	if (now_ms < link_next_ms(l))
		return;
	switch (l->state) {
	case LINK_UP:
		link_alive_tick(l, now_ms);
		if (l->state == LINK_UP)
			link_renew_tick(l, now_ms);
		return;
	case LINK_OPENING: link_die(l, "no answer"); return;
	case LINK_WAITING:
	case LINK_PROVING:
	case LINK_DECIDING:
	case LINK_CONFIRMING: link_die(l, "the handshake was not finished"); return;
	case LINK_SILENT: link_die(l, "refused"); return;
	case LINK_CLOSING: link_die(l, "closed"); return;
	case LINK_DEAD: return;
	}
}
