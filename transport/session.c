#include "transport/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "transport/session_int.h"

#define KIND_DATA      2
#define REPLAY_WINDOW  1024
#define ACK_ROOM(runs) (1 + 10 + 10 + 2 + (runs)*20 + 10)
#define CONTROL_ROOM   32 /* the most that a frame of a few varints takes */
#define NEVER          UINT64_MAX

struct session *session_new(const struct session_ops *ops, void *arg, bool lower)
{
	struct session *s = NEW(struct session);

	s->ops = ops;
	s->arg = arg;
	s->lower = lower;
	s->next_id = lower ? 0 : 1;
	s->peer_next_id = lower ? 1 : 0;
	s->allowed_ours = SESSION_STREAMS;
	s->allowed_theirs = SESSION_STREAMS;
	s->out_max = SESSION_WINDOW;
	s->in_max = SESSION_WINDOW;
	s->in_window = SESSION_WINDOW;
	s->ack_due_ms = NEVER;
	return s;
}

void session_free(struct session *s)
{
	struct stream *next;

	if (!s)
		return;
	for (struct stream *st = s->streams; st; st = next) {
		next = st->next;
		stream_free(st);
	}
	buf_deinit(&s->record);
	buf_deinit(&s->iddoc);
	free(s->sent);
	free(s);
}

void session_wake(struct session *s)
{
	s->ops->wake(s->arg);
}

struct stream *stream_open(struct session *s, void *arg, bool bulk)
{
	struct stream *st;

	if (s->opened_ours >= s->allowed_ours) {
		s->wants_stream = true;
		return NULL;
	}
	s->opened_ours++;
	st = stream_new(s, s->next_id);
	s->next_id += 2;
	st->arg = arg;
	st->bulk = bulk;
	return st;
}

void session_send_record(struct session *s, struct str record)
{
	assert(record.n <= SESSION_DOC_MAX);
	buf_clear(&s->record);
	buf_put_str(&s->record, record);
	s->record_pending = true;
	session_wake(s);
}

void session_send_iddoc(struct session *s, struct str document)
{
	assert(document.n <= SESSION_DOC_MAX);
	buf_clear(&s->iddoc);
	buf_put_str(&s->iddoc, document);
	s->iddoc_pending = true;
	session_wake(s);
}

bool session_outstanding(const struct session *s)
{
	return s->live_sent > 0;
}

/* ---- acknowledgements that came ---- */

static void item_acked(struct session *s, const struct item *i)
{
	struct stream *st = stream_find(s, i->stream);

	if (!st)
		return;
	if (i->type == SF_STREAM)
		stream_acked(st, i->offset, i->len, i->fin);
	else if (i->type == SF_RESET)
		st->reset_acked = true;
}

static void item_lost(struct session *s, const struct item *i)
{
	struct stream *st = stream_find(s, i->stream);

	if (i->type == SF_MAX_DATA)
		s->max_data_pending = true;
	else if (i->type == SF_MAX_STREAMS)
		s->max_streams_pending = true;
	else if (i->type == SF_RECORD)
		s->record_pending = true;
	else if (i->type == SF_IDDOC)
		s->iddoc_pending = true;
	else if (st && i->type == SF_RESET)
		st->reset_pending = !st->reset_acked;
	else if (st && i->type == SF_STOP)
		st->stop_pending = !st->in_done;
	else if (st && i->type == SF_MAX_STREAM)
		st->max_pending = !st->in_done;
}

/* Items are copied out before any callback: what those do may send, and move the array. */
static void packet_acked(struct session *s, const struct sent *sent)
{
	struct sent copy = *sent;

	for (unsigned i = 0; i < copy.n_items; i++)
		item_acked(s, &copy.items[i]);
}

static void ack_range(struct session *s, uint64_t from, uint64_t to)
{
	size_t i = 0;

	while (i < s->n_sent && s->sent[i].number < from)
		i++;
	while (i < s->n_sent && s->sent[i].number < to) {
		struct sent acked = s->sent[i];

		memmove(&s->sent[i], &s->sent[i + 1], (s->n_sent - i - 1) * sizeof(s->sent[0]));
		s->n_sent--;
		if (!acked.lost)
			s->live_sent--;
		packet_acked(s, &acked);
	}
}

static enum err input_ack(struct session *s, struct wire *w)
{
	uint64_t largest = wire_varint(w);
	uint64_t low, runs;

	(void)wire_varint(w); /* delay */
	runs = wire_varint(w);
	low = largest + 1;
	if (w->bad || runs == 0 || runs > RANGES_MAX || largest >= s->next_number)
		return ERR_MALFORMED;
	for (uint64_t i = 0; i < runs; i++) {
		uint64_t gap = i ? wire_varint(w) + 1 : 0;
		uint64_t len = wire_varint(w) + 1;

		if (w->bad || gap > low || len > low - gap)
			return ERR_MALFORMED;
		low -= gap;
		ack_range(s, low - len, low);
		low -= len;
	}
	(void)wire_varint(w); /* congestion count */
	if (!s->any_acked || largest > s->largest_acked)
		s->largest_acked = largest;
	s->any_acked = true;
	return w->bad ? ERR_MALFORMED : ERR_OK;
}

void session_path_up(struct session *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_sent; i++) {
		struct sent *p = &s->sent[i];

		if (p->lost)
			continue; /* twice lost: nobody will acknowledge it any more */
		p->lost = true;
		for (unsigned k = 0; k < p->n_items; k++)
			item_lost(s, &p->items[k]);
		s->sent[kept++] = *p;
	}
	s->n_sent = kept;
	s->live_sent = 0;
	for (struct stream *st = s->streams; st; st = st->next)
		stream_path_lost(st);
	if (s->seen.n > 0)
		s->ack_now = true;
	session_wake(s);
}

/* ---- frames that came ---- */

/* The stream a frame is about: *out NULL if it is over. Opens those of the peer that are new.
 */
static enum err stream_of(struct session *s, uint64_t id, struct stream **out)
{
	bool ours = (id % 2 == 0) == s->lower;

	*out = NULL;
	if (ours && id >= s->next_id)
		return ERR_MALFORMED;
	if (!ours && id / 2 >= s->allowed_theirs)
		return ERR_MALFORMED;
	while (!ours && id >= s->peer_next_id) {
		struct stream *st = stream_new(s, s->peer_next_id);

		s->peer_next_id += 2;
		s->opened_theirs++;
		s->ops->opened(s->arg, st);
	}
	*out = stream_find(s, id);
	return ERR_OK;
}

static enum err input_stream(struct session *s, struct wire *w)
{
	uint64_t id = wire_varint(w), offset = wire_varint(w);
	uint8_t fin = wire_u8(w);
	struct str bytes = wire_var_bytes(w, w->rest.n);
	struct stream *st;
	enum err err;

	if (w->bad || fin > 1)
		return ERR_MALFORMED;
	err = stream_of(s, id, &st);
	if (err || !st)
		return err;
	return stream_input(st, offset, fin, bytes);
}

static void take_stop(struct stream *st, uint64_t code)
{
	struct session *s = st->session;

	if (!st->released)
		s->ops->stopped(s->arg, st, code);
	stream_reset(st, code);
}

static void take_max(struct stream *st, uint64_t max)
{
	if (max <= st->out_max)
		return;
	st->out_max = max;
	session_wake(st->session);
}

/* RESET, STOP and MAX_STREAM: a stream and a number; RESET has its final size besides. */
static enum err input_stream_control(struct session *s, struct wire *w, enum session_frame type)
{
	uint64_t id = wire_varint(w), n = wire_varint(w);
	uint64_t size = type == SF_RESET ? wire_varint(w) : 0;
	struct stream *st;
	enum err err;

	if (w->bad)
		return ERR_MALFORMED;
	err = stream_of(s, id, &st);
	if (err || !st)
		return err;
	if (type == SF_RESET)
		return stream_input_reset(st, n, size);
	if (type == SF_STOP)
		take_stop(st, n);
	else
		take_max(st, n);
	return ERR_OK;
}

static enum err input_max_data(struct session *s, struct wire *w)
{
	uint64_t max = wire_varint(w);

	if (w->bad)
		return ERR_MALFORMED;
	if (max > s->out_max) {
		s->out_max = max;
		session_wake(s);
	}
	return ERR_OK;
}

static enum err input_max_streams(struct session *s, struct wire *w)
{
	uint64_t max = wire_varint(w);

	if (w->bad)
		return ERR_MALFORMED;
	if (max <= s->allowed_ours)
		return ERR_OK;
	s->allowed_ours = max;
	if (s->wants_stream) {
		s->wants_stream = false;
		s->ops->streams_free(s->arg);
	}
	return ERR_OK;
}

static enum err input_document(struct session *s, struct wire *w, uint64_t type)
{
	struct str doc = wire_var_bytes(w, SESSION_DOC_MAX);

	if (w->bad)
		return ERR_MALFORMED;
	if (type == SF_RECORD)
		s->ops->record(s->arg, doc);
	else
		s->ops->iddoc(s->arg, doc);
	return ERR_OK;
}

static enum err input_frame(struct session *s, struct wire *w, bool *eliciting)
{
	uint64_t type = wire_varint(w);

	if (w->bad || type > SF_IDDOC)
		return ERR_MALFORMED;
	*eliciting = *eliciting || (type != SF_PADDING && type != SF_ACK);
	switch ((enum session_frame)type) {
	case SF_PADDING:
	case SF_PING: return ERR_OK;
	case SF_ACK: return input_ack(s, w);
	case SF_STREAM: return input_stream(s, w);
	case SF_MAX_DATA: return input_max_data(s, w);
	case SF_RESET:
	case SF_STOP:
	case SF_MAX_STREAM: return input_stream_control(s, w, (enum session_frame)type);
	case SF_MAX_STREAMS: return input_max_streams(s, w);
	case SF_PATH_CHALLENGE:
	case SF_PATH_RESPONSE: /* of circuits; over a link there is one path */
		wire_bytes(w, 8);
		return w->bad ? ERR_MALFORMED : ERR_OK;
	case SF_CLOSE: return ERR_CANCELLED;
	case SF_RECORD:
	case SF_IDDOC: return input_document(s, w, type);
	}
	return ERR_MALFORMED;
}

/* The full number of a packet from its low bytes: the one nearest to what is expected (RFC
 * 9000, appendix A.3). */
static uint64_t full_number(const struct session *s, uint64_t low, unsigned bytes)
{
	uint64_t expected = s->seen.n ? s->seen.r[s->seen.n - 1].to : 0;
	uint64_t window = UINT64_C(1) << (8 * bytes), half = window / 2;
	uint64_t guess = (expected & ~(window - 1)) | low;

	if (guess + half <= expected && guess + window > guess)
		return guess + window;
	if (guess > expected + half && guess >= window)
		return guess - window;
	return guess;
}

static void owe_ack(struct session *s)
{
	if (++s->unacked >= 2)
		s->ack_now = true;
	else
		s->ack_due_ms = s->now_ms + SESSION_ACK_MS;
	session_wake(s);
}

static void collect_all(struct session *s)
{
	struct stream *next;

	for (struct stream *st = s->streams; st; st = next) {
		next = st->next;
		stream_collect(st);
	}
}

enum err session_input(struct session *s, uint64_t now_ms, struct str packet)
{
	struct wire w = wire_of(packet);
	uint8_t head = wire_u8(&w);
	unsigned bytes = (head & 3) + 1;
	uint64_t number = 0, largest;
	bool eliciting = false;
	enum err err = ERR_OK;

	s->now_ms = now_ms;
	if (head >> 6 != KIND_DATA || head & 0x3c)
		return ERR_MALFORMED;
	for (unsigned i = 0; i < bytes; i++)
		number = number << 8 | wire_u8(&w);
	if (w.bad)
		return ERR_MALFORMED;
	number = full_number(s, number, bytes);
	largest = s->seen.n ? s->seen.r[s->seen.n - 1].to : 0;
	if (ranges_has(&s->seen, number) ||
		(largest > REPLAY_WINDOW && number < largest - REPLAY_WINDOW))
		return ERR_OK; /* seen before: no effect twice */
	(void)ranges_add(&s->seen, number, number + 1);
	s->busy = true;
	while (!err && w.rest.n > 0)
		err = input_frame(s, &w, &eliciting);
	s->busy = false;
	collect_all(s);
	if (!err && eliciting)
		owe_ack(s);
	return err;
}

/* ---- packets that go ---- */

static struct item *add_item(struct sent *p, struct item item)
{
	assert(p->n_items < PACKET_ITEMS);
	p->items[p->n_items] = item;
	return &p->items[p->n_items++];
}

static bool room(const struct sent *p, const struct buf *out, size_t start, size_t max)
{
	return p->n_items < PACKET_ITEMS && out->n - start + CONTROL_ROOM <= max;
}

static void put_ack(struct session *s, struct buf *out)
{
	const struct ranges *seen = &s->seen;
	uint64_t low;

	buf_put_u8(out, SF_ACK);
	low = seen->r[seen->n - 1].to;
	wire_put_varint(out, low - 1);
	wire_put_varint(out, 0);
	wire_put_varint(out, seen->n);
	for (size_t i = seen->n; i-- > 0;) {
		const struct range *r = &seen->r[i];

		if (i + 1 < seen->n)
			wire_put_varint(out, low - r->to - 1);
		wire_put_varint(out, r->to - r->from - 1);
		low = r->from;
	}
	wire_put_varint(out, 0);
	s->unacked = 0;
	s->ack_now = false;
	s->ack_due_ms = NEVER;
}

static void put_session_control(
	struct session *s, struct sent *p, struct buf *out, size_t start, size_t max)
{
	if (s->max_data_pending && room(p, out, start, max)) {
		buf_put_u8(out, SF_MAX_DATA);
		wire_put_varint(out, s->in_max);
		add_item(p, (struct item){ .type = SF_MAX_DATA });
		s->max_data_pending = false;
	}
	if (s->max_streams_pending && room(p, out, start, max)) {
		buf_put_u8(out, SF_MAX_STREAMS);
		wire_put_varint(out, s->allowed_theirs);
		add_item(p, (struct item){ .type = SF_MAX_STREAMS });
		s->max_streams_pending = false;
	}
}

/* Documents are whole in one packet, also when a slow link would rather have smaller ones. */
static void put_documents(struct session *s, struct sent *p, struct buf *out)
{
	if (s->record_pending && p->n_items < PACKET_ITEMS) {
		buf_put_u8(out, SF_RECORD);
		wire_put_var_bytes(out, buf_str(&s->record));
		add_item(p, (struct item){ .type = SF_RECORD });
		s->record_pending = false;
	}
	if (s->iddoc_pending && p->n_items < PACKET_ITEMS) {
		buf_put_u8(out, SF_IDDOC);
		wire_put_var_bytes(out, buf_str(&s->iddoc));
		add_item(p, (struct item){ .type = SF_IDDOC });
		s->iddoc_pending = false;
	}
}

static void put_stream_control(
	struct stream *st, struct sent *p, struct buf *out, size_t start, size_t max)
{
	if (st->reset_pending && room(p, out, start, max)) {
		buf_put_u8(out, SF_RESET);
		wire_put_varint(out, st->id);
		wire_put_varint(out, st->reset_code);
		wire_put_varint(out, st->out_reached);
		add_item(p, (struct item){ .type = SF_RESET, .stream = st->id });
		st->reset_pending = false;
	}
	if (st->stop_pending && room(p, out, start, max)) {
		buf_put_u8(out, SF_STOP);
		wire_put_varint(out, st->id);
		wire_put_varint(out, st->stop_code);
		add_item(p, (struct item){ .type = SF_STOP, .stream = st->id });
		st->stop_pending = false;
	}
	if (st->max_pending && room(p, out, start, max)) {
		buf_put_u8(out, SF_MAX_STREAM);
		wire_put_varint(out, st->id);
		wire_put_varint(out, st->in_max);
		add_item(p, (struct item){ .type = SF_MAX_STREAM, .stream = st->id });
		st->max_pending = false;
	}
}

static void to_the_end(struct session *s, struct stream *st)
{
	struct stream **at = &s->streams;

	while (*at != st)
		at = &(*at)->next;
	*at = st->next;
	st->next = NULL;
	for (at = &s->streams; *at;)
		at = &(*at)->next;
	*at = st;
}

static struct stream *next_to_send(struct session *s, bool bulk)
{
	for (struct stream *st = s->streams; st; st = st->next) {
		if (st->bulk == bulk && stream_has_output(st))
			return st;
	}
	return NULL;
}

/* Streams take turns, interactive ones before bulk. */
static void put_streams(struct session *s, struct sent *p, struct buf *out, size_t start,
	size_t max, bool *bulk)
{
	while (p->n_items < PACKET_ITEMS && out->n - start < max) {
		struct stream *st = next_to_send(s, false);
		bool bulk_turn = !st;
		struct item item;

		if (!st)
			st = next_to_send(s, true);
		if (!st || !stream_output(st, max - (out->n - start), out, &item))
			return;
		add_item(p, item);
		if (!bulk_turn)
			*bulk = false;
		to_the_end(s, st);
	}
}

static void put_number(struct session *s, struct buf *out)
{
	uint64_t behind = s->next_number - (s->any_acked ? s->largest_acked : 0);
	unsigned bytes = 1;

	while (bytes < 4 && behind * 2 >= UINT64_C(1) << (8 * bytes))
		bytes++;
	buf_put_u8(out, (uint8_t)(KIND_DATA << 6 | (bytes - 1)));
	for (unsigned i = bytes; i-- > 0;)
		buf_put_u8(out, (uint8_t)(s->next_number >> (8 * i)));
}

static void remember(struct session *s, const struct sent *p)
{
	if (s->n_sent == s->cap_sent) {
		s->cap_sent = s->cap_sent ? 2 * s->cap_sent : 16;
		s->sent = xrealloc(s->sent, s->cap_sent * sizeof(s->sent[0]));
	}
	s->sent[s->n_sent++] = *p;
	s->live_sent++;
}

bool session_output(
	struct session *s, uint64_t now_ms, size_t max, struct buf *packet, bool *bulk)
{
	size_t start = packet->n, head;
	struct sent p = { .number = s->next_number };

	s->now_ms = now_ms;
	if (max < ACK_ROOM(s->seen.n) + CONTROL_ROOM)
		return false;
	*bulk = true;
	put_number(s, packet);
	head = packet->n;
	if (s->n_sent < SESSION_UNACKED_MAX) {
		if (s->unacked > 0)
			max -= ACK_ROOM(s->seen.n);
		put_session_control(s, &p, packet, start, max);
		put_documents(s, &p, packet);
		for (struct stream *st = s->streams; st; st = st->next)
			put_stream_control(st, &p, packet, start, max);
		if (packet->n > head)
			*bulk = false;
		put_streams(s, &p, packet, start, max, bulk);
	}
	if (s->seen.n > 0 &&
		(s->ack_now || now_ms >= s->ack_due_ms || (s->unacked && packet->n > head))) {
		put_ack(s, packet);
		if (p.n_items == 0)
			*bulk = false;
	}
	if (packet->n == head) {
		packet->n = start;
		return false;
	}
	s->next_number++;
	if (p.n_items > 0)
		remember(s, &p);
	return true;
}

uint64_t session_next_ms(const struct session *s)
{
	return s->ack_due_ms;
}

void session_tick(struct session *s, uint64_t now_ms)
{
	s->now_ms = now_ms;
	if (now_ms >= s->ack_due_ms) {
		s->ack_due_ms = NEVER;
		s->ack_now = true;
		session_wake(s);
	}
}
