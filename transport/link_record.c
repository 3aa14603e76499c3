/* Records: what comes in them, and how long those that go may be (overlay.md section 4). */
#include <stdio.h>
#include <string.h>

#include "transport/link_int.h"

#define SLEEP_ROOM 7   /* of a SLEEP behind what was pulled */
#define MEASURE_MS 100 /* the least time over which a rate means something */

static void count_record(struct link_direction *d, size_t n)
{
	d->records++;
	d->bytes += n;
	d->total += n;
	if (d->records >= LINK_REKEY_RECORDS || d->bytes >= LINK_REKEY_BYTES) {
		noise_rekey(&d->cipher);
		d->records = 0;
		d->bytes = 0;
	}
}

/* ---- what comes ---- */

static enum err got_bye(struct link *l, struct str body)
{
	struct str said;
	uint16_t code;
	char text[96];
	enum err err = frame_bye_get(body, &code, &said);

	if (err)
		return err;
	(void)snprintf(text, sizeof(text), "the peer closed the link (code %u)", code);
	link_die(l, text);
	return ERR_OK;
}

static enum err got_ping(struct link *l, struct str body)
{
	if (body.n != FRAME_PING_LEN)
		return ERR_MALFORMED;
	memcpy(l->alive.pong, body.p, FRAME_PING_LEN);
	l->alive.pong_wanted = true;
	link_wake_owner(l);
	return ERR_OK;
}

static enum err got_sleep(struct link *l, uint64_t now_ms, struct str body)
{
	struct frame_sleep s;
	enum err err = frame_sleep_get(body, &s);
	uint64_t ms;
	bool was;

	if (err)
		return err;
	ms = s.for_s * UINT64_C(1000);
	was = l->alive.asleep_until_ms != 0;
	l->alive.said_sleep = true;
	l->alive.asleep_until_ms = now_ms + (ms < LINK_SLEEP_MAX_MS ? ms : LINK_SLEEP_MAX_MS);
	if (!was)
		l->o.ops->asleep(l, true);
	return ERR_OK;
}

static enum err got_frame(struct link *l, uint64_t now_ms, uint8_t type, struct str body)
{
	switch (type) {
	case FRAME_PAD: return ERR_OK;
	case FRAME_PING: return got_ping(l, body);
	case FRAME_PONG:
		if (body.n != FRAME_PING_LEN)
			return ERR_MALFORMED;
		link_alive_pong(l, now_ms, body);
		return ERR_OK;
	case FRAME_BYE: return got_bye(l, body);
	case FRAME_INFO:
		return frame_info_check(body); /* what it costs matters with two links */
	case FRAME_SLEEP: return got_sleep(l, now_ms, body);
	case FRAME_REHS: return link_renew_input(l, now_ms, body);
	default: return l->o.ops->frame(l, type, body);
	}
}

static void read_frames(struct link *l, uint64_t now_ms, struct str rest)
{
	struct str body;
	uint8_t type;
	bool bad = false;

	while (l->state == LINK_UP && !bad && frame_next(&rest, &type, &body, &bad)) {
		enum err err;

		if (type >= FRAME_MUST_KNOW) {
			link_close(l, now_ms, BYE_UNKNOWN, "unknown frame");
			return;
		}
		err = got_frame(l, now_ms, type, body);
		l->unknown_frames += err == ERR_NOT_FOUND;
		bad = err == ERR_MALFORMED;
	}
	if (bad && l->state == LINK_UP)
		l->o.ops->strike(l, 1, "a malformed frame");
}

void link_record_input(struct link *l, uint64_t now_ms, struct str message)
{
	/* Not l->plain: a callback may cause output. */
	CLEANUP(buf_deinit) struct buf plain = { 0 };

	if (message.n > RECORD_MAX_LARGE + NOISE_TAG ||
		noise_open(&l->rx.cipher, STR(""), message, &plain) != ERR_OK) {
		link_die(l, "a record that is not the peer's");
		return;
	}
	count_record(&l->rx, message.n);
	if (l->state == LINK_CONFIRMING)
		link_became_up(l, now_ms);
	if (l->state == LINK_UP)
		link_alive_received(l, now_ms);
	if (l->state == LINK_UP)
		read_frames(l, now_ms, buf_str(&plain));
	if (l->state == LINK_UP)
		link_alive_read(l);
	link_renew_read(l, now_ms);
}

/* ---- what goes ---- */

void link_record_seal(struct link *l, bool padded, struct buf *message)
{
	if (padded)
		frame_pad(&l->plain);
	noise_seal(&l->tx.cipher, STR(""), buf_str(&l->plain), message);
	count_record(&l->tx, l->plain.n + NOISE_TAG);
}

/* The carrier asks for the next record when it has taken the last one: as long as there is
 * always more, that is its rate. */
static void measure(struct link_writer *w, uint64_t now_ms)
{
	uint64_t ms = now_ms - w->window_ms;
	size_t fits;

	if (!w->busy || ms < MEASURE_MS)
		return;
	fits = (size_t)(w->window_bytes * LINK_RECORD_TIME_MS / ms);
	w->fits = w->fits ? (w->fits + fits) / 2 : fits;
	if (w->fits == 0)
		w->fits = 1;
	w->window_ms = now_ms;
	w->window_bytes = 0;
}

/* What the next record may hold: no more than the carrier takes in 10 ms, so that what is
 * interactive never waits longer; a lot only when a lot is to go. What is queued is known by
 * what has gone since the queue was last empty: its own bound is below 1 MiB for each answer.
 */
static size_t record_limit(const struct link *l)
{
	const struct link_writer *w = &l->writer;
	size_t limit = RECORD_MAX_SMALL;

	if (w->busy_bytes >= LINK_LARGE_FROM)
		limit = l->hello.max_record < RECORD_MAX_LARGE ? l->hello.max_record
							       : RECORD_MAX_LARGE;
	if (w->fits && w->fits < limit)
		limit = w->fits;
	return limit > LINK_RECORD_FLOOR ? limit : LINK_RECORD_FLOOR;
}

static void note_written(struct link_writer *w, uint64_t now_ms, size_t n)
{
	if (n == 0) {
		w->busy = false;
		w->busy_bytes = 0;
		return;
	}
	if (!w->busy) {
		w->busy = true;
		w->window_ms = now_ms;
		w->window_bytes = 0;
	} else {
		/* The first one only fills the carrier's own buffer. */
		w->window_bytes += n;
	}
	w->busy_bytes += n;
}

static void put_own_frames(struct link *l, uint64_t now_ms)
{
	link_alive_put(l, now_ms);
	if (l->renewal.send)
		frame_put(&l->plain, FRAME_REHS, buf_str(&l->renewal.body));
}

static void put_sleep(struct link *l)
{
	if (l->sleep_wanted || (l->sleeping && l->plain.n > 0))
		frame_sleep_put(&l->plain, &l->sleep);
	l->sleep_wanted = false;
}

bool link_record_output(struct link *l, uint64_t now_ms, struct buf *message)
{
	bool bulk = false;

	buf_clear(&l->plain);
	put_own_frames(l, now_ms);
	if (l->owner_has) {
		size_t before = l->plain.n;

		measure(&l->writer, now_ms);
		l->o.ops->pull(
			l, now_ms, record_limit(l) - before - SLEEP_ROOM, &l->plain, &bulk);
		if (l->state != LINK_UP) /* closed from inside; what it pulled is void */
			return link_output(l, now_ms, message);
		l->owner_has = l->plain.n > before;
		note_written(&l->writer, now_ms, l->plain.n - before);
	}
	put_sleep(l);
	if (l->plain.n == 0)
		return false;
	link_record_seal(l, !bulk && l->plain.n <= 1024, message);
	if (l->renewal.send)
		link_renew_sealed(l, now_ms);
	return true;
}
