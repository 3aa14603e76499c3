/*
 * transaction: PUT send (server-server API, "Transactions"; security.md F4; overlay.md 11).
 *
 *   known already?  --yes--> the stored answer
 *        |no
 *   EDUs, and that they took effect, in one store transaction
 *        |
 *   PDUs, each on its own; all answered?
 *        |
 *   the answer, stored so that a repeat gets it, and sent when durable
 *
 * A repeat that arrives while the first is still at work does no harm either, nor does a crash
 * between EDUs and PDUs: the EDUs are noted as done, and PDUs are known by their ids.
 */
#include "node/base/limits.h"
#include "node/federation/answer.h"
#include "node/federation/edu.h"
#include "node/room/receive.h"
#include "store/outbox.h"

#define LOG_MODULE "federation"

struct transaction {
	struct inbound_request *r;
	struct outbox_received received; /* what is stored of it */
	bool stored;                     /* its EDUs are not just typing and presence */
	struct room_receive *pdus;
	size_t n;
	size_t left;    /* PDUs without an answer */
	bool try_again; /* our own store failed: nothing is acknowledged */
	struct buf reply;
};

static void put_results(struct transaction *t)
{
	struct jw w = jw_to(&t->reply);

	jw_obj(&w);
	jw_key(&w, "pdus");
	jw_obj(&w);
	for (size_t i = 0; i < t->n; i++) {
		const struct room_receive *pdu = &t->pdus[i];
		bool seen = pdu->event_id[0] == '\0';

		for (size_t j = 0; j < i && !seen; j++)
			seen = strcmp(t->pdus[j].event_id, pdu->event_id) == 0;
		if (seen)
			continue;
		jw_key(&w, pdu->event_id);
		jw_obj(&w);
		if (pdu->owner == NULL)
			jw_kv_z(&w, "error",
				str_is_utf8(str_of(pdu->why.text)) && pdu->why.text[0]
					? pdu->why.text
					: "refused");
		jw_end(&w);
	}
	jw_end(&w);
	jw_end(&w);
}

/* Stores what is known of the transaction now. */
static enum err remember(struct transaction *t)
{
	struct inbound_request *r = t->r;
	struct store *st = r->f->o.store;
	enum err err = store_begin(st);

	if (err)
		return err;
	err = outbox_received_put(
		st, r->origin, r->origin_node, clock_wall_ms(r->f->o.clock), &t->received);
	return store_end(st, err);
}

static void finish(struct transaction *t)
{
	struct inbound_request *r = t->r;
	enum err err = ERR_OK;

	if (!r->f) {
		buf_deinit(&t->reply);
		inbound_error(r, ERR_CANCELLED);
		return;
	}
	put_results(t);
	if (t->try_again) {
		err = ERR_IO;
	} else if (t->n || t->stored) {
		t->received.edus_done = true;
		t->received.response = buf_str(&t->reply);
		err = remember(t);
	}
	if (err) {
		buf_deinit(&t->reply);
		inbound_error(r, err);
		return;
	}
	inbound_reply(r, &t->reply);
}

static bool is_ours(enum err err)
{
	return err == ERR_IO || err == ERR_FULL || err == ERR_NOMEM || err == ERR_CANCELLED;
}

static void received_one(struct room_receive *pdu, enum err err)
{
	struct transaction *t = pdu->owner;

	if (err)
		pdu->owner = NULL; /* marks it for put_results() */
	t->try_again = t->try_again || is_ours(err);
	if (--t->left == 0)
		finish(t);
}

/* ---- EDUs ---- */

/* The whole list in one store transaction with the note that it is done. ERR_LIMIT: a device's
 * queue is full; nothing is taken and the sender keeps it. */
static enum err take_edus(struct transaction *t, const struct json *edus)
{
	struct inbound_request *r = t->r;
	struct store *st = r->f->o.store;
	enum err err = store_begin(st);

	if (err)
		return err;
	for (const struct json *edu = json_first(edus); edu && !err; edu = json_next(edu)) {
		t->stored = t->stored || edu_is_stored(edu);
		err = edu_receive(r->f, r->origin, edu);
	}
	if (!err && t->stored) {
		t->received.edus_done = true;
		err = outbox_received_put(st, r->origin, r->origin_node,
			clock_wall_ms(r->f->o.clock), &t->received);
	}
	return store_end(st, err);
}

/* ---- the whole ---- */

/* ERR_EXISTS: answered from what was stored. */
static enum err recall(struct transaction *t)
{
	struct inbound_request *r = t->r;
	CLEANUP(buf_deinit) struct buf reply = { 0 };
	struct outbox_received last;
	enum err err =
		outbox_received_get(r->f->o.store, r->arena, r->origin, r->origin_node, &last);

	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (err)
		return err;
	if (last.sequence != t->received.sequence || !str_eq(last.txn_id, t->received.txn_id))
		return ERR_OK;
	t->received.edus_done = last.edus_done;
	if (last.response.n == 0)
		return ERR_OK;
	buf_put_str(&reply, last.response);
	inbound_reply(r, &reply);
	return ERR_EXISTS;
}

static enum err read_lists(struct inbound_request *r, const struct json **pdus,
	const struct json **edus, size_t *n_pdus)
{
	struct str origin = r->origin;
	size_t n_edus;
	enum err err = json_arr(r->body, "pdus", pdus, &r->why);

	if (!err)
		err = json_opt_arr(r->body, "edus", edus, &r->why);
	if (!err)
		err = json_opt_str(r->body, "origin", &origin, &r->why);
	if (err)
		return err;
	if (!str_eq(origin, r->origin))
		return err_set(&r->why, ERR_FORBIDDEN, "origin is not who sent this");
	*n_pdus = json_count(*pdus);
	n_edus = *edus ? json_count(*edus) : 0;
	if (*n_pdus > LIMIT_TXN_PDUS || n_edus > LIMIT_TXN_EDUS)
		return err_set(&r->why, ERR_TOO_LARGE, "at most %d PDUs and %d EDUs",
			LIMIT_TXN_PDUS, LIMIT_TXN_EDUS);
	return ERR_OK;
}

static void take_pdus(struct transaction *t, const struct json *pdus, size_t n)
{
	struct inbound_request *r = t->r;

	t->pdus = arena_calloc(r->arena, n + 1, sizeof(*t->pdus));
	t->n = n;
	t->left = n + 1; /* one for ourselves: done() may not end it before all are in */
	n = 0;
	for (const struct json *pdu = json_first(pdus); pdu; pdu = json_next(pdu)) {
		t->pdus[n] = (struct room_receive){
			.origin = r->origin, .pdu = pdu, .done = received_one, .owner = t
		};
		rooms_receive_pdu(r->f->o.rooms, &t->pdus[n++]);
	}
	if (--t->left == 0)
		finish(t);
}

enum err answer_transaction(struct inbound_request *r)
{
	struct transaction *t = ARENA_NEW(r->arena, struct transaction);
	const struct json *pdus = NULL;
	const struct json *edus = NULL;
	size_t n = 0;
	enum err err;

	r->f->transactions_in++;
	t->r = r;
	t->received = (struct outbox_received){ .sequence = r->sequence, .txn_id = r->args[0] };
	err = read_lists(r, &pdus, &edus, &n);
	if (!err)
		inbound_will_commit(r);
	if (!err)
		err = recall(t);
	if (err == ERR_EXISTS)
		return ERR_OK;
	if (!err && edus && !t->received.edus_done)
		err = take_edus(t, edus);
	if (err)
		return err;
	take_pdus(t, pdus, n);
	return ERR_OK;
}
