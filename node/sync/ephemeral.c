/* Who types, and how far others have read. */
#include "node/sync/answer.h"
#include "node/user/typing.h"

enum err ephemeral_gather(struct answer *an, struct room_data *d)
{
	const struct event_filter *f = &an->filter->ephemeral;
	struct str room_id = d->part->room_id;
	uint64_t typed;

	if (d->part->kind != PART_JOIN || event_filter_none(f) ||
		!event_filter_room(f, room_id))
		return ERR_OK;
	typed = typing_room_serial(an->sync->o.typing, room_id);
	d->typing = (typed > (d->part->full ? 0 : an->from.typing) ||
			    (an->op->typing_reset && !d->part->full)) &&
		event_filter_match(f, STR("m.typing"), STR(""), room_id);
	if (!event_filter_match(f, STR("m.receipt"), STR(""), room_id) ||
		(!d->part->full && !answer_may_have(an, FEED_RECEIPT)))
		return ERR_OK;
	return store_receipt_of_room(an->store, d->a, room_id,
		d->part->full ? 0 : an->from.stream, an->to.stream, an->op->user_id,
		&d->receipts, &d->n_receipts);
}

static void write_typist(void *arg, struct str user_id)
{
	jw_str(&((struct answer *)arg)->w, user_id);
}

static void write_typing(struct answer *an, const struct room_data *d)
{
	struct jw *w = &an->w;

	jw_obj(w);
	jw_key(w, "content");
	jw_obj(w);
	jw_key(w, "user_ids");
	jw_arr(w);
	typing_each(an->sync->o.typing, d->part->room_id, write_typist, an);
	jw_end(w);
	jw_end(w);
	jw_kv_z(w, "type", "m.typing");
	jw_end(w);
}

/*
 * {event_id: {type: {user_id: {ts, thread_id}}}}. A user may have several receipts of one type
 * on one event, in different threads: a JSON object holds one of them, so the others go into
 * further m.receipt events.
 */
static bool same_place(const struct store_receipt *a, const struct store_receipt *b)
{
	return a->is_private == b->is_private && str_eq(a->event_id, b->event_id) &&
		str_eq(a->user_id, b->user_id);
}

/* How many earlier ones are in r's place (they are neighbours): that many events further on is
 * its own. */
static size_t layer_of(const struct room_data *d, size_t r)
{
	size_t n = 0;

	while (n < r && same_place(&d->receipts[r - n - 1], &d->receipts[r]))
		n++;
	return n;
}

static void write_receipt(struct jw *w, const struct store_receipt *r)
{
	jw_key_str(w, r->user_id);
	jw_obj(w);
	if (r->thread_id.n)
		jw_kv_str(w, "thread_id", r->thread_id);
	jw_kv_int(w, "ts", r->ts);
	jw_end(w);
}

/* Of the receipts from .. to, all on one event, those of one type. */
static void write_type(struct answer *an, const struct room_data *d, size_t from, size_t to,
	size_t layer, bool is_private)
{
	bool begun = false;

	for (size_t i = from; i < to; i++) {
		if (d->receipts[i].is_private != is_private || layer_of(d, i) != layer)
			continue;
		if (!begun) {
			jw_key(&an->w, is_private ? "m.read.private" : "m.read");
			jw_obj(&an->w);
			begun = true;
		}
		write_receipt(&an->w, &d->receipts[i]);
	}
	if (begun)
		jw_end(&an->w);
}

static void write_receipts(struct answer *an, const struct room_data *d, size_t layer)
{
	struct jw *w = &an->w;

	jw_obj(w);
	jw_key(w, "content");
	jw_obj(w);
	for (size_t from = 0, to; from < d->n_receipts; from = to) {
		bool any = false;

		for (to = from; to < d->n_receipts &&
			str_eq(d->receipts[to].event_id, d->receipts[from].event_id);
			to++)
			any = any || layer_of(d, to) == layer;
		if (!any)
			continue;
		jw_key_str(w, d->receipts[from].event_id);
		jw_obj(w);
		write_type(an, d, from, to, layer, false);
		write_type(an, d, from, to, layer, true);
		jw_end(w);
	}
	jw_end(w);
	jw_kv_z(w, "type", "m.receipt");
	jw_end(w);
}

void ephemeral_write(struct answer *an, const struct room_data *d)
{
	size_t layers = 0;

	for (size_t i = 0; i < d->n_receipts; i++) {
		size_t layer = layer_of(d, i) + 1;

		if (layer > layers)
			layers = layer;
	}
	jw_obj(&an->w);
	jw_key(&an->w, "events");
	jw_arr(&an->w);
	if (d->typing)
		write_typing(an, d);
	for (size_t layer = 0; layer < layers; layer++)
		write_receipts(an, d, layer);
	jw_end(&an->w);
	jw_end(&an->w);
}
