/* Is the peer still there (overlay.md section 4, "Keepalive")? */
#include <string.h>

#include "transport/link_int.h"

void link_alive_init(struct link *l, uint64_t now_ms)
{
	l->alive.last_rx_ms = now_ms;
	l->alive.doubt_ms = LINK_NEVER;
}

void link_alive_rtt(struct link *l, uint64_t ms)
{
	struct link_alive *a = &l->alive;
	unsigned rtt = ms < 1 ? 1 : ms > 60000 ? 60000 : (unsigned)ms;

	a->srtt_ms = a->srtt_ms ? (7 * a->srtt_ms + rtt + 4) / 8 : rtt;
}

void link_alive_received(struct link *l, uint64_t now_ms)
{
	struct link_alive *a = &l->alive;

	a->last_rx_ms = now_ms;
	a->outstanding_ms = now_ms;
	a->missed = 0;
	a->doubt_ms = LINK_NEVER;
	if (a->doubted) {
		a->doubted = false;
		l->o.ops->doubt(l, false);
	}
	a->said_sleep = false;
}

/* A sleeper may still acknowledge what comes; it says each time that it sleeps. */
void link_alive_read(struct link *l)
{
	struct link_alive *a = &l->alive;

	if (!a->asleep_until_ms || a->said_sleep)
		return;
	a->asleep_until_ms = 0;
	l->o.ops->asleep(l, false);
}

static void ping_over(struct link_alive *a)
{
	a->asked_ms = 0;
	a->sent_ms = 0;
	a->waited_ms = 0;
}

void link_alive_pong(struct link *l, uint64_t now_ms, struct str body)
{
	struct link_alive *a = &l->alive;

	if (a->sent_ms == 0 || memcmp(body.p, a->ping, FRAME_PING_LEN) != 0)
		return;
	link_alive_rtt(l, now_ms - a->sent_ms);
	if (a->waited_ms && l->o.pace)
		ping_pace_answered(l->o.pace, now_ms, a->waited_ms);
	ping_over(a);
}

void link_alive_put(struct link *l, uint64_t now_ms)
{
	struct link_alive *a = &l->alive;

	if (a->pong_wanted)
		frame_put(
			&l->plain, FRAME_PONG, (struct str){ (char *)a->pong, FRAME_PING_LEN });
	if (a->ping_wanted) {
		frame_put(
			&l->plain, FRAME_PING, (struct str){ (char *)a->ping, FRAME_PING_LEN });
		a->sent_ms = now_ms;
	}
	a->pong_wanted = false;
	a->ping_wanted = false;
}

static void want_ping(struct link *l)
{
	rng_fill(l->o.rng, l->alive.ping, FRAME_PING_LEN);
	l->alive.ping_wanted = true;
}

void link_alive_greet(struct link *l)
{
	want_ping(l);
}

/* The silence that has to pass before another PING is due counts from when it was asked for,
 * also if the carrier is stuck and takes no more: a dead peer's full buffer is no excuse. */
static void ask(struct link *l, uint64_t now_ms)
{
	struct link_alive *a = &l->alive;

	want_ping(l);
	a->asked_ms = now_ms;
	a->sent_ms = 0;
	link_wake_owner(l);
}

static uint64_t patience_ms(const struct link *l, uint64_t factor, uint64_t least)
{
	uint64_t ms = factor * l->alive.srtt_ms;

	return ms > least ? ms : least;
}

/* Only the mobile side pings an idle link, at the pace that its network allows; of two mobile
 * ones each. */
static uint64_t idle_ms(const struct link *l)
{
	if (l->o.pace)
		return ping_pace_every_ms(l->o.pace);
	return l->hello.capabilities & CAP_MOBILE ? LINK_NEVER : LINK_PING_MS;
}

static uint64_t silence_limit(const struct link *l)
{
	const struct link_alive *a = &l->alive;
	/* Any byte is a sign of life, also one that came while a PONG is awaited. */
	uint64_t since = a->asked_ms > a->last_rx_ms ? a->asked_ms : a->last_rx_ms;

	if (a->asleep_until_ms && !a->asked_ms)
		return a->asleep_until_ms;
	if (a->asked_ms && a->outstanding)
		return since + patience_ms(l, 2, 1000);
	if (a->asked_ms)
		return since + LINK_PING_IDLE_WAIT_MS;
	if (a->outstanding)
		return a->outstanding_ms + patience_ms(l, 3, 2000);
	return idle_ms(l) == LINK_NEVER ? LINK_NEVER : a->last_rx_ms + idle_ms(l);
}

uint64_t link_alive_next_ms(const struct link *l)
{
	uint64_t limit = silence_limit(l);

	return limit < l->alive.doubt_ms ? limit : l->alive.doubt_ms;
}

void link_probe(struct link *l, uint64_t now_ms)
{
	struct link_alive *a = &l->alive;

	if (l->state != LINK_UP)
		return;
	l->sleeping = false;
	a->waited_ms = 0;
	if (!a->doubted)
		a->doubt_ms = now_ms + LINK_DOUBT_MS;
	ask(l, now_ms);
}

static void doubt(struct link *l)
{
	struct link_alive *a = &l->alive;

	a->doubt_ms = LINK_NEVER;
	if (a->doubted)
		return;
	a->doubted = true;
	l->o.ops->doubt(l, true);
}

static void died(struct link *l, uint64_t now_ms)
{
	if (l->alive.waited_ms && l->o.pace)
		ping_pace_died(l->o.pace, now_ms, l->alive.waited_ms);
	link_die(l, "the peer fell silent");
}

/* Data is moved to another way at the first sign: before it is certain. */
static void silence(struct link *l, uint64_t now_ms)
{
	struct link_alive *a = &l->alive;

	if (a->asked_ms) {
		if (a->outstanding || ++a->missed >= 2) {
			died(l, now_ms);
			return;
		}
		doubt(l);
	} else if (a->asleep_until_ms) {
		a->waited_ms = 0; /* it is late: no fault of the network's */
	} else if (a->outstanding) {
		a->waited_ms = 0;
		doubt(l);
	} else {
		a->waited_ms = now_ms - a->last_rx_ms;
	}
	if (l->state == LINK_UP)
		ask(l, now_ms);
}

void link_alive_tick(struct link *l, uint64_t now_ms)
{
	if (now_ms >= l->alive.doubt_ms)
		doubt(l);
	if (l->state == LINK_UP && now_ms >= silence_limit(l))
		silence(l, now_ms);
}

void link_outstanding(struct link *l, uint64_t now_ms, bool yes)
{
	if (yes && !l->alive.outstanding)
		l->alive.outstanding_ms = now_ms;
	l->alive.outstanding = yes;
}
